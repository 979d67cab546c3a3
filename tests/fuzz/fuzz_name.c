// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Names: a symbol to be demangled, or by the first byte a table of Go's or a jitdump. */
#include <fcntl.h>
#include <unistd.h>

#include "fuzz.h"
#include "module/section.h"
#include "name/demangle.h"
#include "name/symbols.h"

static void demangle(struct input *in, unsigned int flags)
{
	size_t size = in->left;
	char *name = malloc(size + 1);

	if (!name)
		abort();
	input_take(in, name, size);
	name[size] = 0;
	free(name_shown(name, flags));
	free(name);
}

static void go_table(struct input *in)
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));
	struct section table = { .size = in->left };
	uint8_t *data = input_copy(in, table.size);

	table.data = data;
	if (!symbols || go_read(symbols, &table, 0x1000))
		abort();
	for (size_t i = 0; i < symbols->nr; i++)
		if (symbols->v[i].end <= symbols->v[i].start ||
		    !*symbols->v[i].name)
			abort();
	symbols_free(symbols);
	free(data);
}

/* In two parts, as the JIT writes on. */
static void jitdump(struct input *in)
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));
	size_t size = in->left, first = size ? input_u8(in) % size : 0;
	off_t done = 0;
	int fd;

	size = in->left;
	if (first > size)
		first = size;
	file_data = (struct file){ in->p, size, true };
	fd = open(FILE_DATA, O_RDONLY);
	if (!symbols || fd < 0)
		abort();
	if (!jitdump_read(symbols, fd, first, &done, 1 << 20))
		jitdump_read(symbols, fd, size, &done, 1 << 20);
	if (symbols->nr && done > (off_t)size)
		abort();
	for (size_t i = 0; i < symbols->nr; i++)
		if (symbols->v[i].end <= symbols->v[i].start ||
		    !*symbols->v[i].name)
			abort();
	symbols_free(symbols);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t kind = input_u8(&in);

	if (kind == 'g')
		go_table(&in);
	else if (kind == 'j')
		jitdump(&in);
	else
		demangle(&in, kind & (NAME_PLT | NAME_PARAMS));
	return 0;
}
