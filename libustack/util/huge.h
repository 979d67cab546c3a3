/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
#ifndef HUGE_H
#define HUGE_H

#include <stddef.h>

#define CACHE_LINE 64
#define HUGE_PAGE (2UL << 20)

/*
 * size bytes of any content, for free(), or NULL: in huge pages, if they fill
 * at least half of one and the system has any, so that filling them is not a
 * fault a page.
 */
void *huge_alloc(size_t size);

#endif
