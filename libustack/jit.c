// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The names of code that a JIT compiled: /tmp/perf-PID.map, a line "START SIZE
 * NAME" each.  PID and /tmp are those the process saw: of one that ran in
 * namespaces of its own, perf's PID leads nowhere, and only the open callback
 * can know better.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "unwind.h"

/* Anyone may write such a file: what is longer is not read. */
#define TEXT_MAX (256 << 20)
#define NAME_MAX_JIT 1024
#define SYMBOLS_MAX (1 << 20)

/* Where a name was compiled again, the last line counts. */
static int jit_compare(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->name > y->name ? -1 : x->name < y->name;
}

/* Makes line "START SIZE NAME" a symbol.  0, also if it is none, or -ENOMEM. */
static int jit_line(struct symbols *symbols, char *line)
{
	char *p = line, *end;
	uint64_t start, size;
	struct symbol *s;

	if (!isxdigit((unsigned char)*p))
		return 0;
	start = strtoull(p, &end, 16);
	if (*end != ' ' || !isxdigit((unsigned char)end[1]))
		return 0;
	size = strtoull(end + 1, &end, 16);
	if (*end != ' ' || !end[1])
		return 0;
	p = end + 1;
	s = symbols_add(symbols);
	if (!s)
		return -ENOMEM;
	s->start = start;
	s->end = start + size < start ? UINT64_MAX : start + size;
	s->name = p;
	s->shown = p;
	if (strlen(p) > NAME_MAX_JIT)
		p[NAME_MAX_JIT] = 0;
	return 0;
}

static char *read_text(int fd, size_t size)
{
	char *text = malloc(size + 1);
	size_t at = 0;
	ssize_t n = 1;

	while (text && n > 0 && at < size) {
		n = pread(fd, text + at, size - at, at);
		if (n > 0)
			at += n;
	}
	if (text)
		text[at] = 0;
	return text;
}

struct symbols *jit_read(struct image *image)
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));
	char *line, *end;
	size_t size = 0;
	int fd, err = 0;

	if (!symbols)
		return NULL;
	fd = file_open_callback(image->images, USTACK_FILE_JIT, image, &size);
	if (fd == -ENOSYS)
		fd = file_open_at(&size, "%s%s", image->images->opts.root,
				  image->path);
	if (fd < 0)
		return symbols;
	symbols->text = read_text(fd, size < TEXT_MAX ? size : TEXT_MAX);
	close(fd);
	if (!symbols->text)
		err = -ENOMEM;
	/* Its last line may not be complete yet. */
	for (line = symbols->text; !err && symbols->nr < SYMBOLS_MAX &&
				   (end = strchr(line, '\n'));
	     line = end + 1) {
		*end = 0;
		err = jit_line(symbols, line);
	}
	if (err) {
		symbols_free(symbols);
		return NULL;
	}
	symbols_sort(symbols, jit_compare);
	return symbols;
}
