// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Symbols of one image: sorted, and found by address. */
#include <stdlib.h>

#include "unwind.h"

void symbols_free(struct symbols *symbols)
{
	if (!symbols)
		return;
	for (size_t i = 0; i < symbols->nr; i++)
		if (symbols->v[i].shown != symbols->v[i].name)
			free(symbols->v[i].shown);
	free(symbols->v);
	free(symbols->text);
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
	v = &symbols->v[symbols->nr++];
	memset(v, 0, sizeof(*v));
	return v;
}

void symbols_sort(struct symbols *symbols,
		  int (*compare)(const void *a, const void *b))
{
	size_t kept = 0;

	if (!symbols->nr)
		return;
	qsort(symbols->v, symbols->nr, sizeof(*symbols->v), compare);
	for (size_t i = 0; i < symbols->nr; i++)
		if (!kept || symbols->v[i].start != symbols->v[kept - 1].start)
			symbols->v[kept++] = symbols->v[i];
	symbols->nr = kept;
	/* A label without a size reaches to the next name. */
	for (size_t i = 0; i + 1 < kept; i++)
		if (symbols->v[i].end <= symbols->v[i].start)
			symbols->v[i].end = symbols->v[i + 1].start;
}

struct symbol *symbols_find(const struct symbols *symbols, uint64_t vaddr)
{
	size_t lo = 0, hi = symbols->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (symbols->v[mid].start <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || vaddr >= symbols->v[lo - 1].end)
		return NULL;
	return &symbols->v[lo - 1];
}
