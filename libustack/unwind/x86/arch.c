// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* perf's register numbers, what a call looks like, code that the kernel provides. */
#include <errno.h>
#include <string.h>

#include "module/image.h"
#include "unwind/arch.h"

/* The bits of perf_reg. */
#define ALL_REGS ((2ULL << USTACK_REG_X86_IP) - (1ULL << USTACK_REG_X86_AX) + \
		  (2ULL << USTACK_REG_X86_R15) - (1ULL << USTACK_REG_X86_R8))

/* perf's numbers by DWARF's. */
static const uint8_t perf_reg[NR_REGS] = {
	[REG_RAX] = USTACK_REG_X86_AX, [REG_RBX] = USTACK_REG_X86_BX,
	[REG_RCX] = USTACK_REG_X86_CX, [REG_RDX] = USTACK_REG_X86_DX,
	[REG_RSI] = USTACK_REG_X86_SI, [REG_RDI] = USTACK_REG_X86_DI,
	[REG_RBP] = USTACK_REG_X86_BP, [REG_RSP] = USTACK_REG_X86_SP,
	[REG_RIP] = USTACK_REG_X86_IP, [REG_R8] = USTACK_REG_X86_R8,
	[REG_R9] = USTACK_REG_X86_R9,  [REG_R10] = USTACK_REG_X86_R10,
	[REG_R11] = USTACK_REG_X86_R11, [REG_R12] = USTACK_REG_X86_R12,
	[REG_R13] = USTACK_REG_X86_R13, [REG_R14] = USTACK_REG_X86_R14,
	[REG_R15] = USTACK_REG_X86_R15,
};

int arch_cpu(struct cpu *cpu, const struct ustack_regs *regs)
{
	/* The usual case: recorders ask for all of them. */
	if (regs->abi == USTACK_ABI_64 && (regs->mask & ALL_REGS) == ALL_REGS) {
		for (unsigned int reg = 0; reg < NR_REGS; reg++)
			cpu->reg[reg] = regs->val[perf_reg[reg]];
		cpu->known = (1u << NR_REGS) - 1;
		return 0;
	}
	*cpu = (struct cpu){ 0 };
	for (unsigned int reg = 0; reg < NR_REGS; reg++)
		if (regs->mask & (1ULL << perf_reg[reg]) &&
		    (regs->abi == USTACK_ABI_64 ||
		     perf_reg[reg] <= USTACK_REG_X86_IP))
			cpu_set(cpu, reg, regs->val[perf_reg[reg]]);
	return cpu_knows(cpu, REG_RIP) && cpu_knows(cpu, REG_RSP) ? 0 :
								    -ENODATA;
}

void arch_regs(struct ustack_regs *regs, enum ustack_abi abi,
	       const struct cpu *cpu, uint32_t which)
{
	*regs = (struct ustack_regs){ .abi = abi };
	for (which &= cpu->known; which; which &= which - 1) {
		unsigned int reg = __builtin_ctz(which);

		regs->mask |= 1ULL << perf_reg[reg];
		regs->val[perf_reg[reg]] = cpu->reg[reg];
	}
}

bool arch_after_call(const struct image *image, uint64_t ra)
{
	size_t left, before = 0;
	const uint8_t *p;

	/* The longest call has 7 bytes: *disp32(base, index) with a REX prefix. */
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
	/* ff /2; modrm, sib and displacement take 1, 2, 3, 5 or 6 bytes. */
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

/* syscall leaves the pc behind it in rcx; int $0x80 and sysenter do not. */
bool arch_in_syscall(const struct cpu *cpu, const struct image *image,
		     uint64_t pc)
{
	size_t left;
	const uint8_t *p = image_at(image, pc - 2, &left);

	if (!p || left < 2)
		return false;
	if (image->is_64)
		return cpu_knows(cpu, REG_RCX) &&
		       cpu->reg[REG_RCX] == cpu->reg[REG_RIP] &&
		       p[0] == 0x0f && p[1] == 0x05;
	return (p[0] == 0xcd && p[1] == 0x80) || (p[0] == 0x0f && p[1] == 0x34);
}

#define TEST_MAX 16		/* bytes of code that tells a result */

bool arch_behind_syscall(const struct image *image, uint64_t pc)
{
	for (uint64_t at = pc; pc - at < TEST_MAX; at--) {
		size_t left;
		const uint8_t *p = image_at(image, at - 2, &left);

		if (!p || left < 2)
			return false;
		if ((image->is_64 ? p[0] == 0x0f && p[1] == 0x05 :
				    p[0] == 0xcd && p[1] == 0x80) &&
		    arch_straight(image, at, pc))
			return true;
	}
	return false;
}

/*
 * 32-bit tasks enter the kernel from __kernel_vsyscall in the vDSO.  It pushes
 * ecx, edx and ebp, and then copies esp to ebp; a sample may be of any of its
 * instructions.
 */
static bool leave_vsyscall_32(struct cpu *cpu, const struct mem *mem,
			      struct ustack_space *space, const struct map *vdso)
{
	uint64_t sp = cpu->reg[REG_RSP], saved, ra;

	for (int pushed = 0; pushed <= 3; pushed++) {
		const struct map *map;

		/* Code of the vDSO has called other code of it. */
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

/*
 * Signal handlers return to __kernel_sigreturn or __kernel_rt_sigreturn in the
 * vDSO.  What the signal interrupted is in the kernel's frame there, in a struct
 * sigcontext_32.
 */
static bool leave_handler_32(struct cpu *cpu, const struct mem *mem)
{
	static const uint8_t saved[] = { REG_RDI, REG_RSI, REG_RBP, REG_RSP,
					 REG_RBX, REG_RDX, REG_RCX, REG_RAX };
	/* Behind the signal number, or at sp if that is popped; behind siginfo. */
	static const uint8_t where[] = { 4, 0, 160 };

	for (size_t i = 0; i < sizeof(where); i++) {
		uint64_t at = cpu->reg[REG_RSP] + where[i], cs, ss, val;

		/* cs and ss of 32-bit user mode, then eip. */
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

/* Most recordings do not have the vDSO of 32-bit tasks. */
enum arch_left arch_leave_kernel_code(struct cpu *cpu, const struct mem *mem,
				      struct ustack_space *space,
				      const struct map *map, bool exact)
{
	if (!mem->is_32 || strcmp(map->origin->path, "[vdso]"))
		return ARCH_STAYED;
	if (exact && leave_vsyscall_32(cpu, mem, space, map))
		return ARCH_RETURNED;
	return leave_handler_32(cpu, mem) ? ARCH_RESUMED : ARCH_STAYED;
}
