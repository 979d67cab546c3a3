// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* What only x86 knows: register numbers, the look of a call, the kernel's frames. */
#include <errno.h>

#include "unwind.h"

#define ALL_REGS 0xff01ffULL	/* of perf_reg */

/* PERF_REG_X86_* (arch/x86/include/uapi/asm/perf_regs.h), by DWARF number. */
static const uint8_t perf_reg[NR_REGS] = {
	[REG_RAX] = 0,	[REG_RBX] = 1,	[REG_RCX] = 2,	[REG_RDX] = 3,
	[REG_RSI] = 4,	[REG_RDI] = 5,	[REG_RBP] = 6,	[REG_RSP] = 7,
	[REG_RIP] = 8,	[REG_R8] = 16,	[REG_R9] = 17,	[REG_R10] = 18,
	[REG_R11] = 19, [REG_R12] = 20, [REG_R13] = 21, [REG_R14] = 22,
	[REG_R15] = 23,
};

int arch_cpu(struct cpu *cpu, const struct ustack_regs *regs)
{
	cpu->known = 0;
	/* All, as a recorder asks for them. */
	if (regs->abi == USTACK_ABI_64 && (regs->mask & ALL_REGS) == ALL_REGS) {
		for (unsigned int reg = 0; reg < NR_REGS; reg++)
			cpu->reg[reg] = regs->val[perf_reg[reg]];
		cpu->known = (1u << NR_REGS) - 1;
		return 0;
	}
	for (unsigned int reg = 0; reg < NR_REGS; reg++)
		if (regs->mask & (1ULL << perf_reg[reg]) &&
		    (regs->abi == USTACK_ABI_64 || perf_reg[reg] <= 8))
			cpu_set(cpu, reg, regs->val[perf_reg[reg]]);
	return cpu_knows(cpu, REG_RIP) && cpu_knows(cpu, REG_RSP) ? 0 :
								    -ENODATA;
}

bool arch_after_call(const struct image *image, uint64_t ra)
{
	size_t left, before = 0;
	const uint8_t *p;

	/* The longest: call *disp32(base, index) with a REX prefix. */
	while (before < 7 && image_at(image, ra - before - 1, &left))
		before++;
	if (before < 2)
		return false;
	p = image_at(image, ra - before, &left);
	if (left < before)
		return false;
	p += before;
	if (before >= 5 && p[-5] == 0xe8)
		return true;
	/* ff /2: modrm and what follows it take 1, 2, 3, 5 or 6 bytes. */
	for (size_t n = 2; n <= before; n++) {
		uint8_t modrm, mod, rm;
		size_t size = 2;

		if (*(p - n) != 0xff)
			continue;
		modrm = p[1 - (long)n];
		mod = modrm >> 6;
		rm = modrm & 7;
		if ((modrm >> 3 & 7) != 2)
			continue;
		if (mod != 3 && rm == 4)
			size += 1;
		if (mod == 1)
			size += 1;
		else if (mod == 2 || (mod == 0 && rm == 5))
			size += 4;
		else if (mod == 0 && rm == 4 && n >= 3 &&
			 (p[2 - (long)n] & 7) == 5)
			size += 4;
		if (size == n)
			return true;
	}
	return false;
}

bool arch_leave_vsyscall_32(struct cpu *cpu, const struct mem *mem,
			    struct ustack_space *space, const struct map *vdso)
{
	uint64_t sp = cpu->reg[REG_RSP], saved, ra;

	/* It pushes ecx, edx and ebp; then esp is in ebp. */
	for (int pushed = 0; pushed <= 3; pushed++) {
		const struct map *map;

		/* A word of the vDSO's own: it calls something. */
		if (mem_read_word(mem, sp + 4 * pushed, &ra) ||
		    map_holds(vdso, ra))
			return false;
		map = space_find_image(space, ra);
		if (!map || !arch_after_call(map->image, ra - map->bias))
			continue;
		if (pushed == 3 && !mem_read_word(mem, sp, &saved))
			cpu_set(cpu, REG_RBP, saved);
		cpu_set(cpu, REG_RSP, sp + 4 * pushed + 4);
		cpu_set(cpu, REG_RIP, ra);
		return true;
	}
	return false;
}

bool arch_leave_handler_32(struct cpu *cpu, const struct mem *mem)
{
	static const uint8_t saved[] = { REG_RDI, REG_RSI, REG_RBP, REG_RSP,
					 REG_RBX, REG_RDX, REG_RCX, REG_RAX };
	/* Behind the signal's number, or popped that; behind siginfo. */
	static const uint8_t where[] = { 4, 0, 160 };

	for (size_t i = 0; i < sizeof(where); i++) {
		uint64_t at = cpu->reg[REG_RSP] + where[i], cs, ss, val;

		/* The segments of such code and its stack. */
		if (mem_read_word(mem, at + 60, &cs) || cs != 0x23 ||
		    mem_read_word(mem, at + 72, &ss) || ss != 0x2b ||
		    mem_read_word(mem, at + 56, &val))
			continue;
		cpu_set(cpu, REG_RIP, val);
		for (size_t n = 0; n < sizeof(saved); n++)
			if (!mem_read_word(mem, at + 16 + 4 * n, &val))
				cpu_set(cpu, saved[n], val);
		return true;
	}
	return false;
}
