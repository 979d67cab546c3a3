/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
#ifndef HUGE_H
#define HUGE_H

#include <stddef.h>

/*
 * size bytes of any content, for free(), or NULL: in huge pages, if they fill
 * some and the system has any, so that filling them is not a fault a page.
 */
void *huge_alloc(size_t size);

#endif
