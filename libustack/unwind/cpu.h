/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* The registers of a frame. */
#ifndef USTACK_UNWIND_CPU_H
#define USTACK_UNWIND_CPU_H

#include <stdbool.h>
#include <stdint.h>

#include "unwind/x86/registers.h"

struct cpu {
	uint64_t reg[NR_REGS];
	uint32_t known;		/* bit n set: reg[n] is valid */
};

static inline bool cpu_knows(const struct cpu *cpu, unsigned int reg)
{
	return cpu->known & (1u << reg);
}

static inline void cpu_set(struct cpu *cpu, unsigned int reg, uint64_t val)
{
	cpu->reg[reg] = val;
	cpu->known |= 1u << reg;
}

static inline void cpu_forget(struct cpu *cpu, unsigned int reg)
{
	cpu->known &= ~(1u << reg);
}

static inline uint64_t cpu_pc(const struct cpu *cpu)
{
	return cpu->reg[REG_PC];
}

static inline uint64_t cpu_sp(const struct cpu *cpu)
{
	return cpu->reg[REG_SP];
}

#endif
