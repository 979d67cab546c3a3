/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* In: a DWARF expression, registers, memory.  Out: its value. */
#ifndef USTACK_UNWIND_EXPR_H
#define USTACK_UNWIND_EXPR_H

#include "unwind/cpu.h"
#include "unwind/mem.h"

/*
 * Evaluates the size bytes at expr; initial, if not NULL, is pushed first.
 * 0, -EFAULT (*fault is the address that could not be read), -ENODATA (a
 * register is not known) or -EINVAL.
 */
int expr_eval(const uint8_t *expr, size_t size, const uint64_t *initial,
	      const struct cpu *cpu, const struct mem *mem, uint64_t *result,
	      uint64_t *fault);

#endif
