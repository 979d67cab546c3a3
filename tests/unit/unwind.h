/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* What most tests unwind: registers and ranges, nothing else. */
#ifndef TESTS_UNWIND_H
#define TESTS_UNWIND_H

#include "ustack.h"

static inline int unwind_stack(struct ustack_unwinder *unwinder,
			       struct ustack_space *space,
			       const struct ustack_regs *regs,
			       const struct ustack_range *ranges,
			       size_t nr_ranges, struct ustack_frame *frames,
			       size_t max, enum ustack_end *end)
{
	const struct ustack_stack stack = {
		.sz = sizeof(stack),
		.space = space,
		.regs = regs,
		.ranges = ranges,
		.nr_ranges = nr_ranges,
	};

	return ustack_unwind(unwinder, &stack, frames, max, end);
}

#endif
