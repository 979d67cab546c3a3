// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The functions of a kernel or of a module as /proc/kallsyms lists them, or perf's
 * copy of it: lines of "ADDRESS TYPE NAME", and "[MODULE]" behind those of modules.
 * Another boot has another address for all of it, so what goes out is how far each
 * is from _text, or from where the module begins.
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "module/kernel.h"
#include "name/symbols.h"

/* No line of the kernel's is longer: names have up to 511 bytes. */
#define BUF_SIZE 65536u
#define LINE_MAX 1024
/* Against a copy that is damaged; a kernel with all its modules has a tenth. */
#define SYMBOLS_MAX (4u << 20)

struct entry {
	uint64_t addr;
	char type;
	const char *name, *module;	/* module: "" for the kernel itself */
};

/* Splits line.  false: it has another form. */
static bool parse_line(struct entry *e, char *line)
{
	char *end, *module;

	e->addr = strtoull(line, &end, 16);
	if (end == line || end[0] != ' ' || !end[1] || end[2] != ' ')
		return false;
	e->type = end[1];
	e->name = end + 3;
	line = end + 3;
	end = line + strcspn(line, "\t\n");
	module = *end == '\t' ? end + 1 : end;
	*end = '\0';
	module += *module == '[';
	module[strcspn(module, "]\n")] = '\0';
	e->module = module;
	return *e->name;
}

static int add(struct symbols *symbols, const struct entry *e)
{
	struct symbol *s = symbols_add(symbols);

	if (!s)
		return -ENOMEM;
	s->start = s->end = e->addr;
	s->bind = strchr("wW", e->type) ? STB_WEAK :
		  e->type == 'T'	? STB_GLOBAL :
					  STB_LOCAL;
	s->name = symbols_keep(symbols, e->name, strlen(e->name));
	return s->name ? 0 : -ENOMEM;
}

static bool is_wanted(const struct kallsyms *k, const struct entry *e)
{
	if (!strchr("tTwW", e->type))
		return false;
	if (k->is_core)
		return !*e->module;
	return !strcmp(e->module, k->module) && e->addr - k->base < k->size;
}

static int read_list(struct symbols *symbols, struct kallsyms *k)
{
	char line[LINE_MAX];
	struct entry e;
	bool visible = false;
	int err = 0;

	while (!err && fgets(line, sizeof(line), k->file)) {
		if (!parse_line(&e, line))
			continue;
		visible |= e.addr;
		if (k->is_core && !*e.module && !strcmp(e.name, "_text"))
			k->base = e.addr;
		k->is_whole |= !strcmp(e.name, "_etext");
		if (is_wanted(k, &e))
			err = symbols->nr < SYMBOLS_MAX ? add(symbols, &e) :
							  -E2BIG;
	}
	if (err)
		return err;
	if (!visible)
		return -EACCES;
	return symbols->nr && k->base ? 0 : -EBADMSG;
}

/* Those before base, of CPUs' own data, are no code. */
static void make_relative(struct symbols *symbols, const struct kallsyms *k)
{
	size_t kept = 0;

	for (size_t i = 0; i < symbols->nr; i++) {
		struct symbol s = symbols->v[i];

		if (s.start < k->base)
			continue;
		s.start -= k->base;
		s.end = s.start;
		symbols->v[kept++] = s;
	}
	symbols->nr = kept;
}

static int read_one(struct symbols *symbols, struct kallsyms *k,
		    const struct image *image, bool running)
{
	int err = kernel_open_kallsyms(k, image, running);
	char *buf;

	if (err)
		return err;
	/* Else it comes in pieces of 1024 bytes: /proc asks for no more. */
	buf = malloc(BUF_SIZE);
	if (buf)
		setvbuf(k->file, buf, _IOFBF, BUF_SIZE);
	symbols->nr = 0;
	err = read_list(symbols, k);
	fclose(k->file);
	free(buf);
	return err;
}

/*
 * The kernel writes its list anew for each reader, which takes it ten times as long
 * as to read a copy.
 */
int kallsyms_read(struct symbols *symbols, struct image *image)
{
	struct kallsyms k;
	int err = read_one(symbols, &k, image, false);

	if ((err || !k.is_whole) && kernel_runs(image))
		err = read_one(symbols, &k, image, true);
	if (err)
		return err;
	make_relative(symbols, &k);
	symbols_sort(symbols, symbols_by_preference);
	/* How far the last one reaches is not said. */
	if (symbols->nr)
		symbols->v[symbols->nr - 1].end =
			k.size ? k.size :
				 symbols->v[symbols->nr - 1].start + 4096;
	return 0;
}
