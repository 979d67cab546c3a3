/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* In: what is sorted.  Out: where a value belongs in it. */
#ifndef USTACK_UTIL_SEARCH_H
#define USTACK_UTIL_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How many of nr elements are below value; those come first.  Inlined with
 * below(), since lookups of every frame go through here.
 */
static inline __attribute__((always_inline)) size_t
search(size_t nr, bool (*below)(const void *sorted, size_t i, uint64_t value),
       const void *sorted, uint64_t value)
{
	size_t lo = 0, hi = nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (below(sorted, mid, value))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

#endif
