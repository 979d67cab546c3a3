// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Code of Go's run-time that does not keep to the conventions. */
#include "module/image.h"
#include "unwind/arch.h"

/* mov to rsp, from a register but rbp, or from memory that is not on the stack. */
static bool loads_sp(const uint8_t *p)
{
	uint8_t modrm = p[2];

	/* REX.W, perhaps with the bit of the other register: with its own it is r12. */
	if (p[1] == 0x89)
		return (p[0] & 0xfb) == 0x48 && (modrm & 0xc7) == 0xc4 &&
		       (p[0] != 0x48 || modrm != 0xec);
	if (p[1] != 0x8b || (p[0] & 0xfe) != 0x48 || (modrm & 0x38) != 0x20)
		return false;
	return modrm >> 6 == 3 ? p[0] != 0x48 || modrm != 0xe5 :
				 (modrm & 7) != 4;
}

bool arch_switches_stack(const struct image *image, uint64_t from, uint64_t pc)
{
	size_t left;
	const uint8_t *p = image_at(image, from, &left);

	if (!p || left < pc - from)
		return false;
	for (uint64_t at = 0; at + 3 <= pc - from; at++)
		if (loads_sp(p + at))
			return true;
	return false;
}

/* Words of Go's struct g: its stack's bounds, and the sp that it was left with. */
enum { G_STACK_LO, G_STACK_HI, G_SCHED_SP = 7 };

/*
 * asmcgocall() has aligned rsp and, in the words above the arguments of C, the
 * goroutine, and how far below its stack's upper bound rsp was: there is where
 * asmcgocall() returns to.
 */
bool arch_left_stack(const struct mem *mem, struct cpu *cpu)
{
	uint64_t sp = cpu_sp(cpu), depth, g, lo, hi, left, ra;

	if (mem_read_u64(mem, sp + 40, &depth) ||
	    mem_read_u64(mem, sp + 48, &g) ||
	    mem_read_u64(mem, g + 8 * G_STACK_LO, &lo) ||
	    mem_read_u64(mem, g + 8 * G_STACK_HI, &hi) ||
	    mem_read_u64(mem, g + 8 * G_SCHED_SP, &left) ||
	    left != hi - depth || left < lo || left >= hi ||
	    mem_read_u64(mem, left, &ra))
		return false;
	*cpu = (struct cpu){ 0 };
	cpu_set(cpu, REG_SP, left + 8);
	cpu_set(cpu, REG_PC, ra);
	return true;
}

/* nop; here: call goexit1; nop */
bool arch_is_goexit(const struct image *image, uint64_t ra)
{
	size_t left;
	const uint8_t *p = image_at(image, ra - 1, &left);

	return image->is_go && ra % 16 == 1 && p && left >= 7 &&
	       p[0] == 0x90 && p[1] == 0xe8 && p[6] == 0x90;
}
