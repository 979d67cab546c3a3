/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Other unwinders on the same samples, to compare with: elfutils' libdw, and
 * libunwind where it is installed.
 */
#ifndef BENCH_REFERENCE_H
#define BENCH_REFERENCE_H

#include "ustack.h"

struct reference;
struct reference_ops;

extern const struct reference_ops reference_libdw, reference_libunwind;

/* NULL: no memory. */
struct reference *reference_new(const struct reference_ops *ops);
void reference_free(struct reference *reference);
/* As ustack_unwind(), of what a sample has: no flags, no read(), no registers. */
int reference_unwind(struct reference *reference,
		     const struct ustack_stack *stack,
		     struct ustack_frame *frames, size_t max,
		     enum ustack_end *end);

#endif
