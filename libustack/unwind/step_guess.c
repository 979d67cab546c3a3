// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Steps where there is no CFI: by the code itself, or by frame pointer. */
#include "unwind/step.h"

#define ENTRY_SIZE 128		/* no _start or clone() without CFI is larger */
#define BOTTOM_WORDS 64		/* nor a frame of the function called there */
#define PUSHED_WORDS 8		/* what CFI does not tell of */
#define FIRST_WORDS 14		/* of Java's first frame, without arguments */

/* Could a function return to addr?  Of unknown code, to any. */
static bool returns_to(struct cursor *c, uint64_t addr)
{
	struct map *map = space_find_code(c->space, addr - 1);
	uint64_t insn;

	if (!map)
		return false;
	if (!map_usable(map))
		return true;
	insn = addr - map->bias;
	return arch_after_call(map->image, insn) ||
	       arch_is_sigreturn(map->image, insn) ||
	       arch_starts_context(map->image, insn) ||
	       arch_is_goexit(map->image, insn);
}

/*
 * The file is that of what lay there before.  Each return address has to fit, as
 * the memory may have been unmapped meanwhile, and be a JIT's now.
 */
int step_land_in_copy(struct cursor *c, uint64_t pc)
{
	c->map = NULL;
	return returns_to(c, pc) ? GO_ON : USTACK_END_NO_RULE;
}

/*
 * Nothing is above what a thread or a coroutine begins with but 0.  Unless that was
 * not it: what was guessed may have missed the real one, and so does CFI that does
 * not tell of a push, as of LuaJIT's interpreter.  The real one is not far.
 */
int step_land_nowhere(struct cursor *c, uint64_t sp)
{
	unsigned int word = mem_word_size(&c->mem);
	uint64_t ra;

	if (c->guessed)
		return USTACK_END_NO_RULE;
	for (int n = 0; n < PUSHED_WORDS; n++, sp += word)
		if (!mem_read_word(&c->mem, sp, &ra) && returns_to(c, ra))
			return USTACK_END_NO_RULE;
	return USTACK_END_FINISHED;
}

static bool is_jit(const struct cursor *c, uint64_t addr)
{
	struct map *map = space_find_code(c->space, addr);

	return map && !map_usable(map);
}

/*
 * A JIT need not keep frame pointers: then rbp is that of code which keeps it, and
 * called none of this: the run-time, an interpreter, or what the run-time starts code
 * with.  Where the frame that rbp bounds has an address of a JIT's code, a frame that
 * is skipped may return there.
 *
 * Frames that keep rbp have such addresses, too, left from calls before; so a step
 * from JIT to JIT is only in doubt if rbp was saved once more below the address, as
 * Java's compilers do, at a pc that may not have its frame yet.  leaves: the step is
 * to other code.  That is rare, and at a return address the frame is one that code of
 * the JIT starts with.  A call that keeps the stack aligned has its return address in
 * every other word.  Java's has what it calls in word -2, and anything in arguments.
 */
static bool may_skip_frames(const struct cursor *c, uint64_t from, uint64_t fp,
			    bool leaves)
{
	unsigned int word = mem_word_size(&c->mem);
	uint64_t val, before = 0, sure = FIRST_WORDS * word;
	bool javas = fp - from >= 2 * word &&
		     !mem_read_word(&c->mem, fp - 2 * word, &val) &&
		     is_jit(c, val);

	for (uint64_t at = from; at < fp; at += word, before = val) {
		bool aligned = (fp - at) % (2 * word);

		if (mem_read_word(&c->mem, at, &val))
			return true;
		if (is_jit(c, val) &&
		    (before == fp || (leaves && c->exact) ||
		     (leaves && aligned && (!javas || fp - at < sure))))
			return true;
	}
	return false;
}

/*
 * The caller's frame pointer and, in the word behind it, the return address.  jit: of
 * code that nothing is known of, else NULL.
 */
static int step_frame_pointer(struct cursor *c, const struct map *jit,
			      uint64_t *cfa)
{
	struct cpu to = { 0 };
	uint64_t fp = c->cpu.reg[REG_FP], next, ra;
	unsigned int word = mem_word_size(&c->mem);
	bool leaves;

	if (!cpu_knows(&c->cpu, REG_FP) || fp % word ||
	    fp < cpu_sp(&c->cpu) || mem_read_word(&c->mem, fp, &next) ||
	    mem_read_word(&c->mem, fp + word, &ra) ||
	    (ra && !returns_to(c, ra)))
		return USTACK_END_NO_RULE;
	leaves = space_find_image(c->space, ra - 1);
	if (jit && (leaves || c->exact) &&
	    may_skip_frames(c, cpu_sp(&c->cpu), fp, leaves))
		return USTACK_END_NO_RULE;
	*cfa = fp + 2 * word;
	/* There is no telling which others the function saved, and where. */
	cpu_set(&to, REG_FP, next);
	cpu_set(&to, REG_SP, *cfa);
	cpu_set(&to, REG_PC, ra);
	c->guessed = true;
	return step_to(c, &to, false);
}

/* Is there a return address, behind a call, at CFA + ra_off?  None is below sp. */
static bool leads_on(struct cursor *c, unsigned int cfa_reg, int64_t cfa_off,
		     int64_t ra_off)
{
	uint64_t at = c->cpu.reg[cfa_reg] + cfa_off + ra_off, ra;

	if (c->mem.is_32)
		at = (uint32_t)at;
	return cpu_knows(&c->cpu, cfa_reg) && at >= cpu_sp(&c->cpu) &&
	       !mem_read_word(&c->mem, at, &ra) && returns_to(c, ra);
}

static bool rule_leads_on(struct cursor *c, const struct rule *rule)
{
	return !(rule->flags & (RULE_NONE | RULE_BROKEN | RULE_OUTERMOST |
				RULE_FULL | RULE_SWITCHED | RULE_DOUBTED)) &&
	       leads_on(c, rule->cfa_reg, rule->cfa_off, ra_addr(0));
}

/* 32-bit code has no rules, but for what their flags say. */
static bool row_leads_on(struct cursor *c, const struct cfi_row *row)
{
	const struct cfi_rule *ra = &row->reg[row->ra];

	return row->cfa.kind == CFI_VAL_OFFSET && ra->kind == CFI_OFFSET &&
	       leads_on(c, row->cfa.reg, row->cfa.off, ra->off);
}

/* As the code from insn on implies: 1, and *end is how that step ended. */
static bool step_scanned(struct cursor *c, const struct image *image,
			 uint64_t insn, struct ustack_frame *frame, int *end)
{
	const struct rule *rule = rule_guess(c->rules, image, insn);
	struct cfi_row row;

	if (!(rule->flags & RULE_FULL)) {
		if (!rule_leads_on(c, rule))
			return false;
		c->fallback = c->guessed = true;
		*end = step_rule(c, rule, &frame->cfa);
		return true;
	}
	if (arch_scan(image, insn, &row) ||
	    (!row.signal && !row_leads_on(c, &row)))
		return false;
	/* By its instructions, a trampoline is one without doubt. */
	if (row.signal)
		mark_signal(frame);
	else
		c->guessed = true;
	c->fallback = true;
	*end = step_row(c, &row, &frame->cfa);
	return true;
}

int step_switched(struct cursor *c, uint64_t *cfa)
{
	struct cpu to = c->cpu;

	if (c->exact || c->mem.is_32 || !arch_left_stack(&c->mem, &to) ||
	    !returns_to(c, cpu_pc(&to)))
		return USTACK_END_NO_RULE;
	*cfa = cpu_sp(&to);
	return step_to(c, &to, false);
}

int step_doubted(struct cursor *c, const struct map *map, uint64_t pc,
		 struct ustack_frame *frame)
{
	struct cfi_row row;
	int end;

	if (!step_scanned(c, map->image, c->exact ? pc : pc + 1, frame, &end)) {
		if (rule_row(map->image, pc, &row) || !row_leads_on(c, &row))
			return USTACK_END_NO_RULE;
		c->fallback = c->guessed = true;
		end = step_row(c, &row, &frame->cfa);
	}
	/* It depends on more than what is remembered of a frame. */
	c->entry->plain = false;
	return end;
}

bool step_misled(struct cursor *c, const struct map *map,
		 const struct cfi_row *row, struct ustack_frame *frame,
		 int *end)
{
	if (row->signal || row->lands || row->installs ||
	    row->cfa.kind != CFI_VAL_OFFSET ||
	    row->reg[row->ra].kind != CFI_OFFSET || row_leads_on(c, row))
		return false;
	return step_scanned(c, map->image, cpu_pc(&c->cpu) - map->bias, frame,
			    end);
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
	    c->cpu.reg[REG_RESULT] || !arch_behind_syscall(image, pc))
		return false;
	cfi_hole(&image->cfi, pc, &start, &end);
	return end != UINT64_MAX && end - pc < ENTRY_SIZE &&
	       rule_find(c->rules, image, end)->flags & RULE_OUTERMOST;
}

/*
 * _start of ld.so and of other run-times has no CFI.  What the entry point of the
 * file leads to, straight on, is the outermost frame.
 */
static bool is_entry(const struct image *image, uint64_t insn)
{
	return image->entry && insn >= image->entry &&
	       insn - image->entry < ENTRY_SIZE &&
	       arch_straight(image, image->entry, insn);
}

/*
 * Code that never returns, whichever way it takes, has no caller if it was never
 * called, as where a coroutine ends up, or if it marks the outermost frame, as
 * where a thread starts.
 */
static bool never_returns(struct cursor *c, const struct image *image,
			  uint64_t insn)
{
	if (!(rule_guess(c->rules, image, insn)->flags & RULE_OUTERMOST))
		return false;
	if (!c->exact && !arch_after_call(image, insn))
		return true;
	return cpu_knows(&c->cpu, REG_FP) && !c->cpu.reg[REG_FP] &&
	       arch_marks_outermost(image, insn);
}

/*
 * Does the function right beside pc, at other, say more?  1, and *end is how that
 * step ended.
 *
 * The ip of a sample at the entry of rt_sigreturn() is behind the syscall
 * instruction, where __restore_rt and its FDE end.  32-bit handlers return to
 * where __kernel_sigreturn and its FDE begin.
 *
 * A return address that no call is behind, at the start of a function, was put
 * there by makecontext(): unless that function has a caller after all, the stack
 * begins there.  A function that returns is no such bottom, but a pointer to it
 * was taken for a return address.
 */
static bool step_beside(struct cursor *c, const struct map *map, uint64_t other,
			struct ustack_frame *frame, int *end)
{
	const struct image *image = map->image;
	const struct rule *rule = rule_find(c->rules, image, other);
	struct cfi_row row;
	bool on = true;

	if (!(rule->flags & RULE_SIGNAL)) {
		if (c->exact || rule->flags & (RULE_NONE | RULE_BROKEN) ||
		    arch_after_call(image, other))
			return false;
		if (c->mem.is_32)
			on = !cfi_row(&image->cfi, other, &row) &&
			     row_leads_on(c, &row);
		else
			on = rule_leads_on(c, rule);
	}
	*end = on ? step_cfi(c, map, other, rule, frame) :
	       never_returns(c, image, other) ? USTACK_END_FINISHED :
						NO_FRAME;
	return true;
}

/* Is insn, a return address, in code that nothing called? */
static bool is_bottom(struct cursor *c, const struct image *image,
		      uint64_t insn)
{
	if (rule_find(c->rules, image, insn - 1)->flags & RULE_OUTERMOST)
		return true;
	return is_entry(image, insn) ||
	       (rule_guess(c->rules, image, insn)->flags & RULE_OUTERMOST &&
		arch_marks_outermost(image, insn));
}

/*
 * A function that never returns does not tell by its code where its caller is:
 * the one that calls main() and then exit() is such, or the first of a thread.  If
 * the next return address on the stack is that of a bottom, nobody is between.
 */
static bool step_to_bottom(struct cursor *c, uint64_t *cfa, int *end)
{
	unsigned int word = mem_word_size(&c->mem);
	uint64_t at = cpu_sp(&c->cpu), ra = 0;
	const struct map *map = NULL;
	struct cpu to = { 0 };

	for (int n = 0; n < BOTTOM_WORDS && !map; n++, at += word) {
		if (mem_read_word(&c->mem, at, &ra))
			return false;
		if (!returns_to(c, ra))
			continue;
		map = space_find_image(c->space, ra - 1);
		if (!map)
			return false;	/* of unknown code */
	}
	if (!map || !is_bottom(c, map->image, ra - map->bias))
		return false;
	*cfa = at;
	cpu_set(&to, REG_FP, 0);
	cpu_set(&to, REG_SP, at);
	cpu_set(&to, REG_PC, ra);
	c->guessed = true;
	*end = step_to(c, &to, false);
	return true;
}

bool step_edge(struct cursor *c, const struct map *map, uint64_t pc,
	       struct ustack_frame *frame, int *end)
{
	return step_beside(c, map, pc + 1, frame, end) ||
	       (arch_is_sigreturn(map->image, pc + 1) &&
		step_scanned(c, map->image, pc + 1, frame, end));
}

int step_without_cfi(struct cursor *c, const struct map *map, uint64_t pc,
		     struct ustack_frame *frame)
{
	const struct image *image = map->image;
	uint64_t insn = c->exact ? pc : pc + 1;
	int end;

	if (step_beside(c, map, c->exact ? pc - 1 : insn, frame, &end))
		return end;
	if (is_new_thread(c, image, pc))
		return USTACK_END_FINISHED;
	if (step_scanned(c, image, insn, frame, &end))
		return end;
	if (is_entry(image, insn) || never_returns(c, image, insn) ||
	    (!c->exact && arch_is_goexit(image, insn)))
		return USTACK_END_FINISHED;
	/* Not even by frame pointer: rbp is of the stack that was left. */
	if (rule_guess(c->rules, image, insn)->flags & RULE_SWITCHED)
		return step_switched(c, &frame->cfa);
	c->fallback = true;
	if (step_to_bottom(c, &frame->cfa, &end))
		return end;
	return step_frame_pointer(c, NULL, &frame->cfa);
}

/*
 * The first instructions of such code, and the last: rbp is the caller's still, or
 * again, and may have been pushed.
 */
static bool step_outside_frame(struct cursor *c, const struct map *jit,
			       uint64_t *cfa, int *end)
{
	unsigned int word = mem_word_size(&c->mem);
	uint64_t at = cpu_sp(&c->cpu), fp = c->cpu.reg[REG_FP], ra;
	struct cpu to = { 0 };

	/* Without its file, the vDSO of 32-bit tasks is no JIT. */
	if (!c->exact || c->mem.is_32 || !cpu_knows(&c->cpu, REG_FP) ||
	    mem_read_word(&c->mem, at, &ra))
		return false;
	at += word;
	if (ra == fp) {
		if (mem_read_word(&c->mem, at, &ra))
			return false;
		at += word;
	}
	if (!map_holds(jit, ra) || at > fp || may_skip_frames(c, at, fp, true))
		return false;
	*cfa = at;
	cpu_set(&to, REG_FP, fp);
	cpu_set(&to, REG_SP, at);
	cpu_set(&to, REG_PC, ra);
	c->guessed = true;
	*end = step_to(c, &to, false);
	return true;
}

/*
 * A call through a null or wild pointer: where it led to is no code, and the
 * return address is all that it pushed.
 */
static bool step_wild_call(struct cursor *c, const struct map *map,
			   uint64_t *cfa, int *end)
{
	unsigned int word = mem_word_size(&c->mem);
	const struct cfi_row row = {
		.ra = REG_PC,
		.cfa = { .kind = CFI_VAL_OFFSET, .reg = REG_SP, .off = word },
		.reg = { [REG_PC] = { .kind = CFI_OFFSET, .off = -(int64_t)word } },
	};

	if (!c->exact || (map && map->code) || !row_leads_on(c, &row))
		return false;
	c->guessed = true;
	*end = step_row(c, &row, cfa);
	return true;
}

int step_unknown(struct cursor *c, const struct map *map,
		 struct ustack_frame *frame)
{
	enum arch_left left = ARCH_STAYED;
	struct cpu to = c->cpu;
	int end;

	if (step_wild_call(c, map, &frame->cfa, &end))
		return end;
	if (map)
		left = arch_leave_kernel_code(&to, &c->mem, c->space, map,
					      c->exact);
	if (left == ARCH_STAYED && map &&
	    step_outside_frame(c, map, &frame->cfa, &end))
		return end;
	if (left == ARCH_STAYED)
		return step_frame_pointer(c, map, &frame->cfa);
	if (left == ARCH_RESUMED)
		mark_signal(frame);
	frame->cfa = cpu_sp(&to);
	return step_to(c, &to, left == ARCH_RESUMED);
}
