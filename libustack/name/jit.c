// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The names of code that a JIT compiled, from /tmp/perf-PID.map: lines of "START
 * SIZE NAME"; or from its jitdump, see jitdump.c.  Paths and the PID are what the
 * process itself saw.  If it ran in namespaces of its own, they do not lead to the
 * file: as long as it lives, /proc does, and then only the open callback can know
 * better.
 *
 * JITs write on while we look: what was added is read when a name is missing.
 * Names are borrowed, so all text that was read stays.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "module/find_file.h"
#include "module/images.h"
#include "module/path.h"
#include "name/symbols.h"
#include "util/proc.h"

/*
 * A bound, as anyone may write such a file: bytes kept of all its versions, with the
 * symbols beside them.
 */
#define TEXT_MAX (256 << 20)

/*
 * What was read in vain, or once more, is paid off by look-ups without a name that
 * leave the file alone, one for as many bytes: or whoever touches a large file all
 * the time has us do nothing but read it.
 */
#define LOOK_UP_BYTES 4096
/* Symbols are copied to add a few, which takes less for as many bytes. */
#define COPY_PART 16

/* The last entry for an address counts: code was compiled there again. */
static int jit_compare(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->order > y->order ? -1 : x->order < y->order;
}

/* Adds the symbol of a line; a line of another form is skipped.  0 or -ENOMEM. */
static int jit_line(struct symbols *symbols, const char *line)
{
	uint64_t start, size;
	struct symbol *s;
	char *end;

	if (!isxdigit((unsigned char)*line))
		return 0;
	start = strtoull(line, &end, 16);
	if (*end != ' ' || !isxdigit((unsigned char)end[1]))
		return 0;
	size = strtoull(end + 1, &end, 16);
	if (*end != ' ' || !end[1])
		return 0;
	s = symbols_add(symbols);
	if (!s)
		return -ENOMEM;
	s->start = start;
	s->end = start + size < start ? UINT64_MAX : start + size;
	s->shown = end + 1;
	s->name = s->shown;
	return 0;
}

/* size bytes of the file, or fewer. */
static struct text *read_text(int fd, off_t from, size_t size)
{
	struct text *text = malloc(sizeof(*text) + size);
	ssize_t n = 1;

	if (!text)
		return NULL;
	text->size = 0;
	while (n > 0 && text->size < size) {
		n = pread(fd, text->bytes + text->size, size - text->size,
			  from + text->size);
		if (n > 0)
			text->size += n;
	}
	return text;
}

/* Cuts text behind its last whole line: the JIT may still be writing the next. */
static struct text *whole_lines(struct text *text)
{
	const char *end = memrchr(text->bytes, '\n', text->size);
	struct text *cut;

	text->size = end ? end + 1 - text->bytes : 0;
	cut = realloc(text, sizeof(*text) + text->size);
	return cut ? cut : text;
}

/* *parsed: bytes of the lines that were taken.  0, -ENOMEM or -E2BIG. */
static int parse(struct symbols *symbols, struct text *text, size_t room,
		 size_t *parsed)
{
	char *line = text->bytes, *end, *stop = line + text->size;
	int err = 0;

	for (; !err && line < stop; line = end + 1) {
		*parsed = line - text->bytes;
		if (*parsed + symbols->nr * sizeof(*symbols->v) > room)
			return -E2BIG;
		end = memchr(line, '\n', stop - line);
		*end = 0;
		err = jit_line(symbols, line);
	}
	*parsed = line - text->bytes;
	return err;
}

static bool same_file(const struct jit_file *read, const struct stat *st)
{
	return read->dev == st->st_dev && read->ino == st->st_ino;
}

static bool same_version(const struct jit_file *read, const struct stat *st)
{
	return same_file(read, st) && read->size == st->st_size &&
	       read->mtime.tv_sec == st->st_mtim.tv_sec &&
	       read->mtime.tv_nsec == st->st_mtim.tv_nsec;
}

/* Was it only added to?  Else it is another file, or written anew. */
static bool has_grown(const struct jit_file *read, int fd,
		      const struct stat *st)
{
	char known[sizeof(read->known)];

	return same_file(read, st) && st->st_size > read->size &&
	       pread(fd, known, read->known_size, read->known_at) ==
		       (ssize_t)read->known_size &&
	       !memcmp(known, read->known, read->known_size);
}

/* That fd was read up to byte done. */
static void set_read(struct jit_file *read, int fd, const struct stat *st,
		     off_t done)
{
	ssize_t n = sizeof(read->known);

	read->dev = st->st_dev;
	read->ino = st->st_ino;
	read->size = st->st_size;
	read->mtime = st->st_mtim;
	read->done = done;
	if (done < n)
		n = done;
	read->known_at = done - n;
	n = pread(fd, read->known, n, read->known_at);
	read->known_size = n > 0 ? n : 0;
}

/* The same as jitdump_read(), of lines. */
static int lines_read(struct symbols *symbols, int fd, off_t size, off_t *done,
		      size_t room)
{
	bool cut = size - *done > (off_t)room;
	struct text *text = read_text(fd, *done, cut ? room : (size_t)(size - *done));
	size_t parsed;
	int err;

	if (!text)
		return -ENOMEM;
	symbols->bytes_read = text->size;
	text = whole_lines(text);
	text->next = NULL;
	symbols->texts = text;
	err = parse(symbols, text, room, &parsed);
	symbols->text_size = parsed + symbols->nr * sizeof(*symbols->v);
	*done += parsed;
	return err ? err : cut ? -E2BIG : 0;
}

/* Bytes of them that were, and were there before. */
static size_t symbols_copied(const struct symbols *all,
			     const struct symbols *added)
{
	size_t nr = added->nr && all->nr > added->nr ? all->nr - added->nr : 0;

	return nr * sizeof(*all->v);
}

/* Adds what was added to those that anyone may look at. */
static int merge(struct image *image, struct symbols *added,
		 const struct jit_file *read, bool replace)
{
	struct symbols *symbols = image->symbols;
	struct text *text;
	int err;

	symbols_sort(added, jit_compare);
	pthread_mutex_lock(&image->lock);
	err = symbols_merge(symbols, added, replace);
	if (!err) {
		symbols->look_ups_owed += symbols_copied(symbols, added) /
					  COPY_PART / LOOK_UP_BYTES;
		symbols->read = *read;
		symbols->text_size += added->text_size;
	}
	while (!err && (text = added->texts)) {
		added->texts = text->next;
		text->next = symbols->texts;
		symbols->texts = text;
	}
	pthread_mutex_unlock(&image->lock);
	return err;
}

/*
 * That much was read, up to byte done of size.  grown: what was read is new, so only
 * what follows done, a line without its end, is read again.
 */
static void owe(struct image *image, size_t bytes, off_t size, off_t done,
		bool grown)
{
	if (grown && size - done < (off_t)bytes)
		bytes = size - done;
	pthread_mutex_lock(&image->lock);
	image->symbols->look_ups_owed = bytes / LOOK_UP_BYTES;
	pthread_mutex_unlock(&image->lock);
}

/* Adds what the file has from byte from on; at 0 it replaces all. */
static int read_from(const struct map *map, int fd, const struct stat *st,
		     off_t from, bool grown)
{
	struct symbols *symbols = map->image->symbols;
	struct symbols *added = calloc(1, sizeof(*added));
	struct jit_file read = symbols->read;
	size_t room = symbols->text_size < TEXT_MAX ?
			      TEXT_MAX - symbols->text_size :
			      0;
	bool is_dump = path_is_jitdump(map->origin->path);
	off_t done = from;
	int err, lack = -ENOMEM;

	if (added)
		lack = (is_dump ? jitdump_read : lines_read)(
			added, fd, st->st_size, &done, room);
	if (added)
		owe(map->image, added->bytes_read, st->st_size, done, grown);
	/* That is not forgotten when more is read behind it. */
	if (added) {
		read.skipped = (from && read.skipped) || added->read.skipped;
		if (!lack && read.skipped)
			lack = -EBADMSG;
	}
	err = lack;
	if (lack != -ENOMEM) {
		set_read(&read, fd, st, done);
		read.lack = lack;
		err = merge(map->image, added, &read, !from);
	}
	symbols_free(added);
	return err ? err : lack;
}

/* Where its process has the file; NULL: that has ended, or there is no memory. */
static char *jit_of_process(uint32_t pid)
{
	char status[32], *line = NULL, *own = NULL, *path = NULL;
	size_t size = 0;
	FILE *f;

	snprintf(status, sizeof(status), "/proc/%" PRIu32 "/status", pid);
	f = pid ? fopen(status, "re") : NULL;
	/* Its number in each of its namespaces, its own last. */
	while (f && !own && getline(&line, &size, f) > 0)
		if (!strncmp(line, "NSpid:", 6))
			own = strrchr(line, '\t');
	if (own && asprintf(&path, "/proc/%" PRIu32 "/root/tmp/perf-%lu.map",
			    proc_with_memory(pid), strtoul(own, NULL, 10)) < 0)
		path = NULL;
	free(line);
	if (f)
		fclose(f);
	return path;
}

/* To be freed; NULL: no memory. */
static char *jit_path(const struct map *map)
{
	const char *root = map->image->images->opts.root;
	char *path, *own;

	if (asprintf(&path, "%s%s", root, map->origin->path) < 0)
		return NULL;
	if (*root || !access(path, F_OK))
		return path;
	if (!path_is_jitdump(map->origin->path))
		own = jit_of_process(map->pid);
	else if (asprintf(&own, "/proc/%" PRIu32 "/root%s",
			  proc_with_memory(map->pid), map->origin->path) < 0)
		own = NULL;
	if (!own)
		return path;
	free(path);
	return own;
}

static int jit_open(const struct map *map, size_t *size)
{
	char *path = jit_path(map);
	int fd = path ? open_trusted(size, map->pid, "%s", path) : -ENOMEM;

	free(path);
	return fd;
}

int jit_read(const struct map *map)
{
	struct image *image = map->image;
	const struct jit_file *read = &image->symbols->read;
	struct ustack_map told = map_describe(map);
	struct stat st;
	bool grown;
	size_t size;
	int fd, err;

	fd = open_callback(image->images, USTACK_FILE_JIT, &told, &size);
	if (fd == -ENOSYS)
		fd = jit_open(map, &size);
	/* Most processes write none, but a dump was there when it was mapped. */
	if (fd == -ENOENT && !path_is_jitdump(told.path))
		return 0;
	if (fd < 0)
		return fd;
	if (fstat(fd, &st)) {
		err = -errno;
	} else if (same_version(read, &st)) {
		err = read->lack;
	} else {
		grown = has_grown(read, fd, &st);
		/* What is read first was read by nobody before. */
		err = read_from(map, fd, &st, grown ? read->done : 0,
				grown || !read->ino);
	}
	close(fd);
	return err;
}

bool jit_changed(const struct map *map)
{
	struct image *image = map->image;
	const struct ustack_images_opts *opts = &image->images->opts;
	bool changed = false;
	struct stat st;
	size_t owed;
	char *path;

	pthread_mutex_lock(&image->lock);
	owed = image->symbols->look_ups_owed;
	image->symbols->look_ups_owed -= owed > 0;
	pthread_mutex_unlock(&image->lock);
	if (owed)
		return false;
	/* Only it knows where the file is. */
	if (opts->open)
		return true;
	path = jit_path(map);
	if (!path)
		return false;
	if (!stat(path, &st)) {
		pthread_mutex_lock(&image->lock);
		changed = !same_version(&image->symbols->read, &st);
		pthread_mutex_unlock(&image->lock);
	}
	free(path);
	return changed;
}
