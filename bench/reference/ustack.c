// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The ustack tool with another unwinder, that of REFERENCE: the linker sends
 * the tool's calls of ustack_unwind() here (--wrap).
 */
#include <errno.h>

#include "reference/reference.h"

int __wrap_ustack_unwinder_new(struct ustack_unwinder **out);
void __wrap_ustack_unwinder_free(struct ustack_unwinder *unwinder);
int __wrap_ustack_unwind(struct ustack_unwinder *unwinder,
			 const struct ustack_stack *stack,
			 struct ustack_frame *frames, size_t max,
			 enum ustack_end *end);

int __wrap_ustack_unwinder_new(struct ustack_unwinder **out)
{
	*out = (struct ustack_unwinder *)reference_new(&REFERENCE);
	return *out ? 0 : -ENOMEM;
}

void __wrap_ustack_unwinder_free(struct ustack_unwinder *unwinder)
{
	reference_free((struct reference *)unwinder);
}

int __wrap_ustack_unwind(struct ustack_unwinder *unwinder,
			 const struct ustack_stack *stack,
			 struct ustack_frame *frames, size_t max,
			 enum ustack_end *end)
{
	return reference_unwind((struct reference *)unwinder, stack, frames,
				max, end);
}
