/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* In: a pc and the CFI of its image.  Out: where its caller's registers are. */
#ifndef USTACK_UNWIND_ROW_H
#define USTACK_UNWIND_ROW_H

#include <stdbool.h>
#include <stdint.h>

#include "module/fde.h"
#include "unwind/cpu.h"

enum cfi_kind {
	CFI_SAME,		/* unchanged; also where CFI does not mention it */
	CFI_UNDEFINED,
	CFI_OFFSET,		/* saved at CFA + off */
	CFI_VAL_OFFSET,		/* is CFA + off; of the CFA itself: is reg + off */
	CFI_REGISTER,		/* is in reg */
	CFI_EXPR,		/* saved where expr says */
	CFI_VAL_EXPR,		/* is what expr says */
	CFI_SP_OFFSET,		/* saved at sp + off, where there is no CFI */
};

struct cfi_rule {
	uint8_t kind;
	uint8_t reg;
	uint16_t size;		/* of expr */
	union {
		int64_t off;
		const uint8_t *expr;
	};
};

struct cfi_row {
	uint64_t start, end;	/* pcs that it applies to */
	uint64_t func, func_end; /* of its FDE */
	uint8_t ra;		/* column of the return address */
	bool signal;		/* frame of a signal trampoline */
	bool lands;		/* it jumps there: no call is before that pc */
	bool installs;		/* see arch_installed_context() */
	bool doubted;		/* its FDE does not keep count of the stack */
	struct cfi_rule cfa;
	struct cfi_rule reg[NR_REGS];
};

/*
 * 0, -ENOENT if no FDE covers pc, -EINVAL if its CFI is broken, -ENOTSUP if it
 * uses something that is not supported.
 */
int cfi_row(const struct cfi *cfi, uint64_t pc, struct cfi_row *row);

#endif
