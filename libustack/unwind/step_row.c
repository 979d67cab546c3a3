// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Steps by any row of CFI, from and to any memory. */
#include <errno.h>

#include "unwind/expr.h"
#include "unwind/step.h"

#define STACK_SIZE_MAX (1ULL << 30)

/* Why a word could not be read: the capture ends before it, or it is no stack. */
static int end_of(const struct cursor *c, uint64_t addr)
{
	uint64_t sp = cpu_sp(&c->cpu);

	if (addr < sp || addr - sp > STACK_SIZE_MAX ||
	    mem_range(&c->mem, addr) || space_find_image(c->space, addr))
		return USTACK_END_BAD_MEMORY;
	return USTACK_END_TRUNCATED;
}

int step_to(struct cursor *c, const struct cpu *to, bool signal)
{
	uint64_t pc = cpu_pc(to), sp = cpu_sp(to), old = cpu_sp(&c->cpu);
	int end = step_land(c, pc, sp, signal);

	if (end != GO_ON)
		return end;
	if (!signal && sp <= old) {
		/* vfork() pops its return address into a register. */
		if (sp == old && (!c->exact || pc == cpu_pc(&c->cpu)))
			return USTACK_END_LOOP;
		/* Another range is another stack, which may lie lower. */
		if (sp < old && mem_range(&c->mem, sp) == mem_range(&c->mem, old))
			return USTACK_END_LOOP;
	}
	c->cpu = *to;
	c->exact = signal;
	return GO_ON;
}

/*
 * In an epilogue that has popped a register, CFI by gcc may still say that it is
 * saved.  Its slot then lies below sp and was not captured, and the register has
 * the caller's value already.  In the red zone, a word that can be read is valid.
 */
static void restore(const struct cursor *c, struct cpu *to, unsigned int reg,
		    uint64_t addr, bool below_cfa)
{
	uint64_t sp = cpu_sp(&c->cpu), val;

	if (below_cfa && addr < sp && sp - addr > RED_ZONE)
		return;
	if (!mem_read_word(&c->mem, addr, &val))
		cpu_set(to, reg, val);
	else if (!below_cfa || addr >= sp)
		cpu_forget(to, reg);
}

int step_far(struct cursor *c, const struct rule *rule, uint64_t cfa)
{
	struct cpu to = c->cpu;
	uint64_t ra;

	if (mem_read_u64(&c->mem, ra_addr(cfa), &ra))
		return end_of(c, ra_addr(cfa));
	for (unsigned int saved = rule->saved; saved; saved &= saved - 1) {
		unsigned int kept = __builtin_ctz(saved);

		restore(c, &to, kept_reg[kept], cfa + 8 * rule->slot[kept],
			true);
	}
	cpu_set(&to, REG_SP, cfa);
	cpu_set(&to, REG_PC, ra);
	return step_to(c, &to, false);
}

static int eval(const struct cursor *c, const struct cfi_rule *r,
		const uint64_t *cfa, uint64_t *val)
{
	uint64_t fault;
	int err = expr_eval(r->expr, r->size, cfa, &c->cpu, &c->mem, val,
			    &fault);

	switch (err) {
	case 0:
		return GO_ON;
	case -EFAULT:
		return end_of(c, fault);
	case -ENODATA:
		return USTACK_END_NO_REGS;
	default:
		return USTACK_END_NO_RULE;
	}
}

static int row_cfa(const struct cursor *c, const struct cfi_row *row,
		   uint64_t *cfa)
{
	if (row->cfa.kind == CFI_VAL_EXPR)
		return eval(c, &row->cfa, NULL, cfa);
	if (row->cfa.kind == CFI_SP_OFFSET)
		return mem_read_word(&c->mem, cpu_sp(&c->cpu) + row->cfa.off,
				     cfa) ?
			       end_of(c, cpu_sp(&c->cpu) + row->cfa.off) :
			       GO_ON;
	if (!cpu_knows(&c->cpu, row->cfa.reg))
		return USTACK_END_NO_REGS;
	*cfa = c->cpu.reg[row->cfa.reg] + row->cfa.off;
	if (c->mem.is_32)
		*cfa = (uint32_t)*cfa;
	return GO_ON;
}

/*
 * A function that realigned its stack has its registers saved below the frame
 * pointer, as expressions say.  Once its epilogue has popped the frame pointer,
 * these point anywhere, and all registers have the caller's values.
 */
static bool torn_down(const struct cursor *c, const struct cfi_row *row,
		      uint64_t cfa)
{
	const struct cfi_rule *r = &row->reg[REG_FP];
	uint64_t addr;

	return r->kind == CFI_EXPR && !row->signal &&
	       eval(c, r, &cfa, &addr) == GO_ON &&
	       (addr < cpu_sp(&c->cpu) || addr >= cfa);
}

/* Without its return address there is no caller: returns why, or GO_ON. */
static int restore_register(const struct cursor *c, struct cpu *to,
			    const struct cfi_row *row, unsigned int reg,
			    uint64_t cfa)
{
	const struct cfi_rule *r = &row->reg[reg];
	bool is_ra = reg == row->ra;
	uint64_t addr = cfa + r->off, val;
	int end = GO_ON;

	if (r->kind == CFI_SP_OFFSET)
		addr = cpu_sp(&c->cpu) + r->off;
	if (c->mem.is_32)
		addr = (uint32_t)addr;
	switch (r->kind) {
	case CFI_SAME:
		break;
	case CFI_UNDEFINED:
		cpu_forget(to, reg);
		break;
	case CFI_SP_OFFSET:
	case CFI_OFFSET:
		if (!is_ra)
			restore(c, to, reg, addr,
				r->kind == CFI_OFFSET && r->off < 0);
		else if (!mem_read_word(&c->mem, addr, &val))
			cpu_set(to, reg, val);
		else
			return end_of(c, addr);
		break;
	case CFI_VAL_OFFSET:
		cpu_set(to, reg, addr);
		break;
	case CFI_REGISTER:
		if (cpu_knows(&c->cpu, r->reg))
			cpu_set(to, reg, c->cpu.reg[r->reg]);
		else
			cpu_forget(to, reg);
		break;
	case CFI_EXPR:
		end = eval(c, r, &cfa, &addr);
		if (end == GO_ON)
			restore(c, to, reg, addr, !row->signal && addr < cfa);
		else
			cpu_forget(to, reg);
		if (is_ra && !cpu_knows(to, reg))
			return end == GO_ON ? end_of(c, addr) : end;
		break;
	case CFI_VAL_EXPR:
		end = eval(c, r, &cfa, &val);
		if (end == GO_ON)
			cpu_set(to, reg, val);
		else if (is_ra)
			return end;
		else
			cpu_forget(to, reg);
		break;
	}
	return GO_ON;
}

int step_row(struct cursor *c, const struct cfi_row *row, uint64_t *cfa)
{
	struct cpu to = c->cpu;
	int end = row_cfa(c, row, cfa);
	bool down;

	if (end != GO_ON)
		return end;
	if (row->installs && arch_installed_context(&c->mem, *cfa, &to))
		return step_to(c, &to, true);
	down = torn_down(c, row, *cfa);
	cpu_set(&to, REG_SP, *cfa);
	for (unsigned int reg = 0; reg < NR_REGS; reg++) {
		if (row->reg[reg].kind != CFI_SAME)
			c->restored |= 1u << reg;
		if (down && row->reg[reg].kind == CFI_EXPR)
			continue;
		end = restore_register(c, &to, row, reg, *cfa);
		if (end != GO_ON)
			return end;
	}
	if (!row_has_ra(row))
		return USTACK_END_NO_RULE;
	if (!cpu_knows(&to, row->ra) || !cpu_knows(&to, REG_SP))
		return USTACK_END_NO_REGS;
	cpu_set(&to, REG_PC, ra_to_pc(to.reg[row->ra]));
	return step_to(c, &to, row->signal || row->lands);
}
