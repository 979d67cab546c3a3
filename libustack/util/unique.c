// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#include "util/unique.h"

uint64_t unique_number(void)
{
	static uint64_t last;

	return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}
