// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Large blocks that are in use for long. */
#include <stdlib.h>
#include <sys/mman.h>

#include "util/huge.h"

void *huge_alloc(size_t size)
{
	size_t align = size < HUGE_PAGE / 2 ? CACHE_LINE : HUGE_PAGE;
	void *p;

	size = (size + align - 1) & -align;
	p = aligned_alloc(align, size);
	if (p && align == HUGE_PAGE)
		madvise(p, size, MADV_HUGEPAGE);
	return p;
}
