/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* Registers by the DWARF numbers of x86-64, and which of them are callee-saved. */
#ifndef USTACK_UNWIND_X86_REGISTERS_H
#define USTACK_UNWIND_X86_REGISTERS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	REG_RAX,
	REG_RDX,
	REG_RCX,
	REG_RBX,
	REG_RSI,
	REG_RDI,
	REG_RBP,
	REG_RSP,
	REG_R8,
	REG_R9,
	REG_R10,
	REG_R11,
	REG_R12,
	REG_R13,
	REG_R14,
	REG_R15,
	REG_RIP,		/* the return address column */
	NR_REGS,

	/* Roles, for code that is the same for all architectures. */
	REG_PC = REG_RIP,
	REG_SP = REG_RSP,
	REG_FP = REG_RBP,
	REG_RESULT = REG_RAX,	/* of a system call */
};

/* Callee-saved registers, in the order of their DWARF numbers. */
enum {
	KEPT_RBX,
	KEPT_RBP,
	KEPT_R12,
	KEPT_R13,
	KEPT_R14,
	KEPT_R15,
	NR_KEPT,
};

static const uint8_t kept_reg[NR_KEPT] = {
	REG_RBX, REG_RBP, REG_R12, REG_R13, REG_R14, REG_R15,
};

/* A set of them as a set of all registers. */
static inline uint32_t kept_mask(uint8_t kept)
{
	return (kept & 1u << KEPT_RBX) << (REG_RBX - KEPT_RBX) |
	       (kept & 1u << KEPT_RBP) << (REG_RBP - KEPT_RBP) |
	       (kept & 15u << KEPT_R12) << (REG_R12 - KEPT_R12);
}

/* What a caller can rely on after a call, whether or not CFI mentions it. */
static inline uint32_t kept_always(bool is_32)
{
	return 1u << REG_RIP | 1u << REG_RSP |
	       (is_32 ? 1u << REG_RBX | 1u << REG_RBP | 1u << REG_RSI |
				1u << REG_RDI :
			kept_mask((1u << NR_KEPT) - 1));
}

/* The set that holds reg alone, or nothing. */
static inline uint8_t kept_bit(unsigned int reg)
{
	static const uint8_t bit[NR_REGS] = {
		[REG_RBX] = 1 << KEPT_RBX, [REG_RBP] = 1 << KEPT_RBP,
		[REG_R12] = 1 << KEPT_R12, [REG_R13] = 1 << KEPT_R13,
		[REG_R14] = 1 << KEPT_R14, [REG_R15] = 1 << KEPT_R15,
	};

	return bit[reg];
}

/* NR_REGS: a register that is not tracked.  i386 has other numbers. */
static inline unsigned int reg_of_dwarf(bool is_32, uint64_t reg)
{
	static const uint8_t i386[] = {
		REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP,
		REG_RBP, REG_RSI, REG_RDI, REG_RIP,
	};

	if (!is_32)
		return reg < NR_REGS ? reg : NR_REGS;
	return reg < sizeof(i386) ? i386[reg] : NR_REGS;
}

#endif
