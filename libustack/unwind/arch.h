/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * The interface of an architecture.  It has a folder with
 *
 *   registers.h	register numbers, their roles, their DWARF columns, and which
 *			of them are callee-saved: a rule has a slot for each of those
 *   frame.h		return addresses, the red zone, the range of user addresses,
 *			call frame instructions that no other architecture has
 *
 * and implements the functions below and those of plt.h.  No code outside the
 * folder names a register.
 */
#ifndef USTACK_UNWIND_ARCH_H
#define USTACK_UNWIND_ARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "module/space.h"
#include "unwind/cpu.h"
#include "unwind/mem.h"
#include "unwind/row.h"
#include "unwind/x86/frame.h"

/* Registers by perf's numbers to those by ours.  -ENODATA: pc or sp is missing. */
int arch_cpu(struct cpu *cpu, const struct ustack_regs *regs);
/* The other way: those of the set which that are known. */
void arch_regs(struct ustack_regs *regs, enum ustack_abi abi,
	       const struct cpu *cpu, uint32_t which);

/* The task is in a system call that its image made before pc, which cpu has. */
bool arch_in_syscall(const struct cpu *cpu, const struct image *image,
		     uint64_t pc);
/* Is pc where code goes on right behind a system call, by its result? */
bool arch_behind_syscall(const struct image *image, uint64_t pc);
/* Could the instruction before the return address ra be a call? */
bool arch_after_call(const struct image *image, uint64_t ra);

/*
 * Guesses the row of a pc without CFI from the code that follows: one whose return
 * address is undefined if that never returns, a signal's if it is a trampoline.
 * 0 or -ENOENT.
 */
int arch_scan(const struct image *image, uint64_t pc, struct cfi_row *row);
/* Is it a signal's trampoline, whatever CFI says? */
bool arch_is_sigreturn(const struct image *image, uint64_t pc);
/*
 * Of Go, whose CFI does not tell: has the code from from to pc gone over to another
 * stack?  Then what is on this one called nobody.
 */
bool arch_switches_stack(const struct image *image, uint64_t from, uint64_t pc);
/*
 * Such code is at the return address in cpu, which becomes that of the code's caller,
 * if the stack that it left can be read.
 */
bool arch_left_stack(const struct mem *mem, struct cpu *cpu);
/* Corrects what CFI says of pc, and the pcs that it holds for, where code knows better. */
void arch_mend_row(const struct image *image, uint64_t pc, struct cfi_row *row);
/*
 * Of a row that installs, the context that the function lands in: what was saved in
 * its frame, which has this CFA and the registers in cpu, is being overwritten with
 * it.  Then cpu becomes that.
 */
bool arch_installed_context(const struct mem *mem, uint64_t cfa,
			    struct cpu *cpu);
/* Does a coroutine's outermost function start at pc, which nothing calls? */
bool arch_starts_context(const struct image *image, uint64_t pc);
/* Is ra where a goroutine returns to, which begins as if it had called? */
bool arch_is_goexit(const struct image *image, uint64_t ra);
/* Is to an instruction on the straight way from from on? */
bool arch_straight(const struct image *image, uint64_t from, uint64_t to);
/* Is the frame pointer cleared right before pc, as the outermost frame's is? */
bool arch_marks_outermost(const struct image *image, uint64_t pc);

enum arch_left {
	ARCH_STAYED,		/* it is no such code */
	ARCH_RETURNED,		/* cpu is that of its caller */
	ARCH_RESUMED,		/* cpu is that of what a signal interrupted */
};

/*
 * Leaves code that the kernel provides, the vDSO, by what is known of it without
 * its file.  map holds the pc in cpu; exact: that is no return address.
 */
enum arch_left arch_leave_kernel_code(struct cpu *cpu, const struct mem *mem,
				      struct ustack_space *space,
				      const struct map *map, bool exact);

#endif
