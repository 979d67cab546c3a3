/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* Frames by the calling convention of x86-64. */
#ifndef USTACK_UNWIND_X86_FRAME_H
#define USTACK_UNWIND_X86_FRAME_H

#include <errno.h>

#include "unwind/row.h"
#include "unwind/rule.h"
#include "util/bytes.h"

/* Bytes below sp that signal handlers do not touch. */
#define RED_ZONE 128
/* User addresses have no bits above these. */
#define USER_ADDRESS_BITS 47

/*
 * A call pushes the return address: it is the word below the CFA, whatever the
 * rule.  On an architecture with a link register, that is one of those that a
 * rule has slots for, and these two take the address from there.
 */
static inline uint64_t ra_addr(uint64_t cfa)
{
	return cfa - 8;
}

/* cfa: the captured memory there. */
static inline uint64_t ra_at(const uint8_t *cfa)
{
	return get64(cfa - 8);
}

/* The pc of a saved return address: on x86, it is not signed. */
static inline uint64_t ra_to_pc(uint64_t ra)
{
	return ra;
}

/* Is the return address where ra_addr() says? */
static inline bool row_has_usual_ra(const struct cfi_row *row)
{
	return row->ra == REG_RIP && row->reg[REG_RIP].kind == CFI_OFFSET &&
	       row->reg[REG_RIP].off == -8;
}

/* No call leaves rip unchanged: then the row does not say where the caller is. */
static inline bool row_has_ra(const struct cfi_row *row)
{
	return row->reg[row->ra].kind != CFI_SAME;
}

/* Call frame instructions of the architecture: there are none. */
static inline int arch_cfa_op(uint8_t op, struct buf *operands,
			      struct cfi_rule *regs)
{
	(void)op;
	(void)operands;
	(void)regs;
	return -ENOTSUP;
}

/*
 * The page of legacy vsyscalls.  The kernel emulates them; their code cannot be
 * read, and as the page is no part of a process, recordings have no map of it.
 */
static inline bool in_vsyscall(uint64_t pc)
{
	return pc >> 12 == 0xffffffffff600;
}

/*
 * What the kernel has in rax until a system call returns.  Of exit() it stays,
 * whatever code comes behind it.
 */
static inline bool may_be_in_syscall(const struct cpu *cpu)
{
	return (int32_t)cpu->reg[REG_RAX] == -ENOSYS && cpu_knows(cpu, REG_RAX);
}

/* They push nothing. */
static const struct rule vsyscall_rule = {
	.cfa_reg = REG_RSP, .cfa_off = 8, .depth = 1,
	.slot = { [0 ... NR_KEPT - 1] = -1 },
};

#endif
