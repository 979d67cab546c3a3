/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* Out: numbers that identify something to caches that may outlive it. */
#ifndef USTACK_UTIL_UNIQUE_H
#define USTACK_UTIL_UNIQUE_H

#include <stdint.h>

/* Never 0, and never the same again in this process; in any thread. */
uint64_t unique_number(void);

#endif
