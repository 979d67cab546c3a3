// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Steps where there is no CFI: by the code itself, or by frame pointer. */
#include "unwind/step.h"

#define ENTRY_SIZE 128		/* no _start or clone() without CFI is larger */

/* Could addr be where a call returns to?  Of unknown code, any is. */
static bool returns_to(struct cursor *c, uint64_t addr)
{
	struct map *map = space_find_code(c->space, addr - 1);

	if (!map)
		return false;
	return !map_usable(map) ||
	       arch_after_call(map->image, addr - map->bias);
}

/* The caller's frame pointer and, in the word behind it, the return address. */
static int step_frame_pointer(struct cursor *c, uint64_t *cfa)
{
	struct cpu to = { 0 };
	uint64_t fp = c->cpu.reg[REG_FP], next, ra;
	unsigned int word = mem_word_size(&c->mem);

	if (!cpu_knows(&c->cpu, REG_FP) || fp % word ||
	    fp < cpu_sp(&c->cpu) || mem_read_word(&c->mem, fp, &next) ||
	    mem_read_word(&c->mem, fp + word, &ra) ||
	    (ra && !returns_to(c, ra)))
		return USTACK_END_NO_RULE;
	*cfa = fp + 2 * word;
	/* There is no telling which others the function saved, and where. */
	cpu_set(&to, REG_FP, next);
	cpu_set(&to, REG_SP, *cfa);
	cpu_set(&to, REG_PC, ra);
	return step_to(c, &to, false);
}

/* Is there a return address, behind a call, at CFA + ra_off? */
static bool leads_on(struct cursor *c, unsigned int cfa_reg, int64_t cfa_off,
		     int64_t ra_off)
{
	uint64_t cfa = c->cpu.reg[cfa_reg] + cfa_off, ra;

	if (c->mem.is_32)
		cfa = (uint32_t)cfa;
	return cpu_knows(&c->cpu, cfa_reg) &&
	       !mem_read_word(&c->mem, cfa + ra_off, &ra) && returns_to(c, ra);
}

static bool rule_leads_on(struct cursor *c, const struct rule *rule)
{
	return !(rule->flags & (RULE_NONE | RULE_BROKEN | RULE_OUTERMOST |
				RULE_FULL)) &&
	       leads_on(c, rule->cfa_reg, rule->cfa_off, ra_addr(0));
}

/* 32-bit code has no rules, but for what their flags say. */
static bool row_leads_on(struct cursor *c, const struct cfi_row *row)
{
	const struct cfi_rule *ra = &row->reg[row->ra];

	return row->cfa.kind == CFI_VAL_OFFSET && ra->kind == CFI_OFFSET &&
	       leads_on(c, row->cfa.reg, row->cfa.off, ra->off);
}

/*
 * glibc's clone() has no CFI behind its system call, neither for the parent nor
 * for the child, up to the CFI that says that the child has no caller.  The
 * result tells which of the two it is.
 */
static bool is_new_thread(struct cursor *c, const struct image *image,
			  uint64_t pc)
{
	uint64_t start, end;

	if (!c->exact || !cpu_knows(&c->cpu, REG_RESULT) ||
	    c->cpu.reg[REG_RESULT])
		return false;
	cfi_hole(&image->cfi, pc, &start, &end);
	return end != UINT64_MAX && end - pc < ENTRY_SIZE &&
	       rule_find(c->rules, image, end)->flags & RULE_OUTERMOST;
}

/*
 * _start of ld.so and of other run-times has no CFI.  The entry point of the
 * file, in the same hole, tells that it is the outermost frame.
 */
static bool is_entry(const struct image *image, uint64_t pc)
{
	uint64_t start, end;

	if (!image->entry || pc < image->entry ||
	    pc - image->entry >= ENTRY_SIZE)
		return false;
	cfi_hole(&image->cfi, pc, &start, &end);
	return image->entry >= start;
}

/*
 * Does the function right beside pc, at other, say more?  1, and *end is how that
 * step ended.
 *
 * The ip of a sample at the entry of rt_sigreturn() is behind the syscall
 * instruction, where __restore_rt and its FDE end.  32-bit handlers return to
 * where __kernel_sigreturn and its FDE begin.
 *
 * A return address at the start of a function was put there by makecontext():
 * unless that function has a caller after all, the stack begins there.
 */
static bool step_beside(struct cursor *c, const struct map *map, uint64_t other,
			struct ustack_frame *frame, int *end)
{
	const struct image *image = map->image;
	const struct rule *rule = rule_find(c->rules, image, other);
	struct cfi_row row;
	bool on = true;

	if (!(rule->flags & RULE_SIGNAL)) {
		if (c->exact || rule->flags & (RULE_NONE | RULE_BROKEN))
			return false;
		if (c->mem.is_32)
			on = !cfi_row(&image->cfi, other, &row) &&
			     row_leads_on(c, &row);
		else
			on = rule_leads_on(c, rule);
	}
	*end = on ? step_cfi(c, map, other, rule, frame) :
		    USTACK_END_FINISHED;
	return true;
}

/* As the code from here on implies: 1, and *end is how that step ended. */
static bool step_scanned(struct cursor *c, const struct image *image,
			 uint64_t insn, uint64_t *cfa, int *end)
{
	const struct rule *rule = rule_guess(c->rules, image, insn);
	struct cfi_row row;

	if (!(rule->flags & RULE_FULL)) {
		if (!rule_leads_on(c, rule))
			return false;
		*end = step_rule(c, rule, cfa);
		return true;
	}
	if (arch_scan(image, insn, &row) || !row_leads_on(c, &row))
		return false;
	*end = step_row(c, &row, cfa);
	return true;
}

int step_without_cfi(struct cursor *c, const struct map *map, uint64_t pc,
		     struct ustack_frame *frame)
{
	const struct image *image = map->image;
	uint64_t other = c->exact ? pc - 1 : pc + 1;
	int end;

	if (step_beside(c, map, other, frame, &end))
		return end;
	if (is_entry(image, pc) || is_new_thread(c, image, pc))
		return USTACK_END_FINISHED;
	c->fallback = true;
	if (step_scanned(c, image, c->exact ? pc : other, &frame->cfa, &end))
		return end;
	return step_frame_pointer(c, &frame->cfa);
}

int step_unknown(struct cursor *c, const struct map *map,
		 struct ustack_frame *frame)
{
	enum arch_left left = ARCH_STAYED;
	struct cpu to = c->cpu;

	if (map)
		left = arch_leave_kernel_code(&to, &c->mem, c->space, map,
					      c->exact);
	if (left == ARCH_STAYED)
		return step_frame_pointer(c, &frame->cfa);
	if (left == ARCH_RESUMED)
		mark_signal(frame);
	frame->cfa = cpu_sp(&to);
	return step_to(c, &to, left == ARCH_RESUMED);
}
