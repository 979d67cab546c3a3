// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * What a JIT compiled, as it wrote it to jit-PID.dump: a header, then records, one
 * for each function with its address, name and code.  The JIT maps the file, not to
 * read it, but so that a recording tells where it is.
 *
 * Only names are taken.  Times of the records are those of a clock that a recording
 * need not have: of functions that were at one address the last counts.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "name/symbols.h"
#include "util/bytes.h"

#define MAGIC 0x4a695444u /* in the order of bytes of who wrote it */
#define VERSION 1
#define HEADER_SIZE 40
#define LOAD 0			/* a function; others tell of lines, or of its end */
#define KINDS 5			/* that are known */
#define PREFIX_SIZE 16		/* of each record: what, bytes in all, when */
#define LOAD_SIZE (PREFIX_SIZE + 40) /* then the name, then the code */
#define BUF_SIZE (64u << 10)
/* No name is longer: it has to fit into what is read at once. */
#define NAME_SIZE_MAX (BUF_SIZE / 2)

/* What was read of the file, at byte at. */
struct window {
	int fd;
	off_t at;
	size_t size;
	size_t bytes_read;	/* in all */
	uint8_t buf[BUF_SIZE];
};

/* size bytes at byte at; NULL: the file has not so many, or -errno. */
static const uint8_t *window_get(struct window *w, off_t at, size_t size)
{
	ssize_t n;

	if (at >= w->at && at - w->at + size <= w->size)
		return w->buf + (at - w->at);
	w->at = at;
	w->size = 0;
	while (w->size < size) {
		n = pread(w->fd, w->buf + w->size, BUF_SIZE - w->size,
			  at + w->size);
		if (n <= 0)
			return NULL;
		w->size += n;
		w->bytes_read += n;
	}
	return w->buf;
}

/* Not every JIT says which it is. */
static bool is_our_machine(uint32_t machine)
{
	return machine == EM_X86_64 || machine == EM_386 || machine == EM_NONE;
}

static int read_header(struct window *w, off_t size, off_t *done)
{
	const uint8_t *h;

	/* It may be about to be written. */
	if (size < HEADER_SIZE)
		return 0;
	h = window_get(w, 0, HEADER_SIZE);
	/* magic, version, bytes, machine, ... */
	if (!h || get32(h) != MAGIC || get32(h + 4) != VERSION ||
	    get32(h + 8) < HEADER_SIZE || get32(h + 8) > size)
		return -EBADMSG;
	if (!is_our_machine(get32(h + 12)))
		return -ENOEXEC;
	*done = get32(h + 8);
	return 0;
}

/*
 * A function, whose record of bytes is at byte at and ends in its code.  0, -ENOMEM;
 * -EIO: the file could not be read; -EBADMSG: the record makes no sense.
 */
static int read_function(struct symbols *symbols, struct window *w, off_t at,
			 uint32_t bytes)
{
	const uint8_t *r = window_get(w, at, LOAD_SIZE);
	uint64_t start, size, room;
	const char *name, *end;
	struct symbol *s;

	if (!r)
		return -EIO;
	start = get64(r + 32);
	size = get64(r + 40);
	if (size > bytes - LOAD_SIZE || start + size < start)
		return -EBADMSG;
	room = bytes - LOAD_SIZE - size;
	if (room > NAME_SIZE_MAX)
		room = NAME_SIZE_MAX;
	name = (const char *)window_get(w, at + LOAD_SIZE, room);
	if (!name)
		return -EIO;
	end = memchr(name, '\0', room);
	if (!end)
		return -EBADMSG;
	if (!size || end == name)
		return 0;
	s = symbols_add(symbols);
	if (!s)
		return -ENOMEM;
	s->start = start;
	s->end = start + size;
	s->name = symbols_keep(symbols, name, end - name);
	s->shown = (char *)s->name;
	/* With what is kept beside it. */
	symbols->text_size += LOAD_SIZE + (end - name);
	return s->name ? 0 : -ENOMEM;
}

static int read_records(struct symbols *symbols, struct window *w, off_t size,
			off_t *done, size_t room)
{
	const uint8_t *r;
	uint32_t id, bytes;
	int err;

	while (size - *done >= PREFIX_SIZE) {
		r = window_get(w, *done, PREFIX_SIZE);
		if (!r)
			return -EBADMSG;
		id = get32(r);
		bytes = get32(r + 4);
		if (bytes < (id == LOAD ? LOAD_SIZE : PREFIX_SIZE))
			return -EBADMSG;
		/* The JIT is writing it, or was when it ended; or it is none. */
		if (bytes > size - *done)
			return id < KINDS ? 0 : -EBADMSG;
		if (symbols->text_size > room)
			return -E2BIG;
		err = id == LOAD ? read_function(symbols, w, *done, bytes) : 0;
		/* Where the next one begins is known all the same. */
		if (err == -EBADMSG)
			symbols->read.skipped = true;
		else if (err)
			return err == -EIO ? -EBADMSG : err;
		*done += bytes;
	}
	return 0;
}

int jitdump_read(struct symbols *symbols, int fd, off_t size, off_t *done,
		 size_t room)
{
	struct window *w = malloc(sizeof(*w));
	int err = w ? 0 : -ENOMEM;

	if (!err) {
		w->fd = fd;
		w->at = 0;
		w->size = 0;
		w->bytes_read = 0;
		if (!*done)
			err = read_header(w, size, done);
		if (!err && *done)
			err = read_records(symbols, w, size, done, room);
		symbols->bytes_read = w->bytes_read;
	}
	free(w);
	return err;
}
