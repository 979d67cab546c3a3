// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The symbols of one image: sorted, and found by address. */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "name/symbols.h"
#include "util/search.h"

#define COMPARED_MAX 4096 /* bytes of a name */
#define TEXT_SIZE (256u << 10) /* names are kept in pieces of this */

void symbols_free(struct symbols *symbols)
{
	struct text *text, *next;

	if (!symbols)
		return;
	for (size_t i = 0; i < symbols->nr; i++)
		if (symbols->v[i].shown != symbols->v[i].name)
			free(symbols->v[i].shown);
	for (text = symbols->texts; text; text = next) {
		next = text->next;
		free(text);
	}
	free(symbols->v);
	free(symbols);
}

struct symbol *symbols_add(struct symbols *symbols)
{
	size_t max = symbols->max ? 2 * symbols->max : 256;
	struct symbol *v;

	if (symbols->nr == symbols->max) {
		v = realloc(symbols->v, max * sizeof(*v));
		if (!v)
			return NULL;
		symbols->v = v;
		symbols->max = max;
	}
	v = &symbols->v[symbols->nr];
	memset(v, 0, sizeof(*v));
	v->order = symbols->nr++;
	return v;
}

const char *symbols_keep(struct symbols *symbols, const char *name, size_t size)
{
	struct text *text = symbols->texts;
	char *own;

	if (!text || text->size + size + 1 > TEXT_SIZE) {
		text = malloc(sizeof(*text) +
			      (size < TEXT_SIZE ? TEXT_SIZE : size + 1));
		if (!text)
			return NULL;
		text->size = 0;
		text->next = symbols->texts;
		symbols->texts = text;
	}
	own = text->bytes + text->size;
	memcpy(own, name, size);
	own[size] = '\0';
	text->size += size + 1;
	return own;
}

/* What has no size reaches to the next symbol. */
static void reach_next(struct symbols *symbols)
{
	struct symbol *v = symbols->v;

	for (size_t i = 0; i + 1 < symbols->nr; i++)
		if (v[i].end <= v[i].start)
			v[i].end = v[i + 1].start;
}

int symbols_by_preference(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;
	size_t nx, ny;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if ((x->end == x->start) != (y->end == y->start))
		return x->end == x->start ? 1 : -1;
	if ((x->bind == STB_WEAK) != (y->bind == STB_WEAK))
		return x->bind == STB_WEAK ? 1 : -1;
	if ((x->bind == STB_GLOBAL) != (y->bind == STB_GLOBAL))
		return x->bind == STB_GLOBAL ? -1 : 1;
	nx = strspn(x->name, "_");
	ny = strspn(y->name, "_");
	if (nx != ny)
		return nx < ny ? -1 : 1;
	/* A file that lies may have any number of any length. */
	nx = strnlen(x->name, COMPARED_MAX);
	ny = strnlen(y->name, COMPARED_MAX);
	if (nx != ny)
		return nx > ny ? -1 : 1;
	return strncmp(x->name, y->name, COMPARED_MAX);
}

/*
 * By insertion, where it takes less than a step for every second one: the kernel's
 * list is sorted but for names of one address.  false: it takes more.
 */
static bool sort_few(struct symbols *symbols,
		     int (*compare)(const void *a, const void *b))
{
	size_t steps = symbols->nr / 2;

	for (size_t i = 1; i < symbols->nr; i++) {
		struct symbol *s = &symbols->v[i], one = *s;

		for (; s > symbols->v && compare(s - 1, &one) > 0; s--) {
			if (!steps--) {
				*s = one;
				return false;
			}
			*s = s[-1];
		}
		*s = one;
	}
	return true;
}

void symbols_sort(struct symbols *symbols,
		  int (*compare)(const void *a, const void *b))
{
	size_t kept = 0;

	if (!symbols->nr)
		return;
	if (!sort_few(symbols, compare))
		qsort(symbols->v, symbols->nr, sizeof(*symbols->v), compare);
	for (size_t i = 0; i < symbols->nr; i++)
		if (!kept || symbols->v[i].start != symbols->v[kept - 1].start)
			symbols->v[kept++] = symbols->v[i];
	symbols->nr = kept;
	reach_next(symbols);
}

int symbols_merge(struct symbols *to, const struct symbols *from, bool replace)
{
	size_t old = replace ? 0 : to->nr, max = old + from->nr, i = 0, j = 0;
	struct symbols merged = { .max = max };

	if (!from->nr && !replace)
		return 0;
	merged.v = malloc((max + 1) * sizeof(*merged.v));
	if (!merged.v)
		return -ENOMEM;
	while (i < old || j < from->nr) {
		const struct symbol *a = &to->v[i], *b = &from->v[j];

		if (i < old && (j == from->nr || a->start <= b->start)) {
			if (j == from->nr || a->start < b->start)
				merged.v[merged.nr++] = *a;
			i++;
		} else {
			merged.v[merged.nr++] = *b;
			j++;
		}
	}
	free(to->v);
	to->v = merged.v;
	to->nr = merged.nr;
	to->max = merged.max;
	reach_next(to);
	return 0;
}

static bool starts_by(const void *symbols, size_t i, uint64_t vaddr)
{
	return ((const struct symbols *)symbols)->v[i].start <= vaddr;
}

struct symbol *symbols_find(const struct symbols *symbols, uint64_t vaddr)
{
	size_t n = search(symbols->nr, starts_by, symbols, vaddr);

	return n && vaddr < symbols->v[n - 1].end ? &symbols->v[n - 1] : NULL;
}
