/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* System calls that never come back, and the frames of signals. */
#ifndef USTACK_UNWIND_X86_SIGNAL_H
#define USTACK_UNWIND_X86_SIGNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "unwind/row.h"

struct image;

/* By the number in eax, or -1. */
bool is_exit(bool is_64, int64_t number);
bool is_sigreturn(bool is_64, int64_t number);
/* Is pc in the two instructions of a signal's trampoline, or right behind them? */
bool sigreturn_at(const struct image *image, uint64_t pc, int64_t *number);
/* Where the kernel's frame has the registers, if rsp is sp_off higher there. */
void sigreturn_row(struct cfi_row *row, bool is_64, int64_t number,
		   int64_t sp_off, uint64_t pc);

#endif
