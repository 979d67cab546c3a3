// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Unwinding a stack: the loop over its frames, and the step that most of them take. */
#include <errno.h>
#include <stdlib.h>

#include "module/image.h"
#include "module/space.h"
#include "unwind/arch.h"
#include "unwind/last_walk.h"
#include "unwind/rule.h"
#include "unwind/step.h"
#include "util/huge.h"
#include "util/opts.h"

struct ustack_unwinder {
	struct rules rules;
	struct last_walks last_walks;
};

_Static_assert(sizeof(struct ustack_unwinder) <= HUGE_PAGE,
	       "it would fill a second huge page");

int ustack_unwinder_new(struct ustack_unwinder **out)
{
	struct ustack_unwinder *u = huge_alloc(sizeof(*u));

	*out = u;
	if (!u)
		return -ENOMEM;
	rules_init(&u->rules);
	last_walks_init(&u->last_walks);
	return 0;
}

void ustack_unwinder_free(struct ustack_unwinder *u)
{
	free(u);
}

/* --- one step ------------------------------------------------------------- */

/* The end of a frame that holds all that rule reads, in the usual range; or NULL. */
static const uint8_t *plain_frame(const struct cursor *c,
				  const struct rule *rule, uint64_t cfa)
{
	const struct ustack_range *r = c->mem.stack;
	uint64_t sp = cpu_sp(&c->cpu), size = cfa - sp;

	if (!range_holds(r, sp) || size > r->size - (sp - r->addr) ||
	    size < 8ULL * rule->depth)
		return NULL;
	return r->data + (cfa - r->addr);
}

/* Branches on what a function saves would be mispredicted: conditional moves. */
static inline void restore_kept(struct cpu *cpu, unsigned int kept,
				const uint8_t *cfa, const struct rule *rule)
{
	uint64_t val = get64(cfa + 8 * (int64_t)rule->slot[kept]);
	uint64_t old = cpu->reg[kept_reg[kept]];

	cpu->reg[kept_reg[kept]] = rule->saved & 1u << kept ? val : old;
}

/* cfa: the captured bytes that end there. */
static int step_plain(struct cursor *c, const struct rule *rule,
		      uint64_t cfa_addr, const uint8_t *cfa)
{
	uint64_t ra = ra_at(cfa);
	int end = step_land(c, ra, cfa_addr, false);

	if (end != GO_ON)
		return end;
#pragma GCC unroll 16
	for (unsigned int kept = 0; kept < NR_KEPT; kept++)
		restore_kept(&c->cpu, kept, cfa, rule);
	c->cpu.known |= kept_mask(rule->saved);
	walk_frame_plain(c->entry, rule);
	c->cpu.reg[REG_SP] = cfa_addr;
	c->cpu.reg[REG_PC] = ra;
	c->exact = false;
	return GO_ON;
}

int step_rule(struct cursor *c, const struct rule *rule, uint64_t *cfa)
{
	const uint8_t *data;

	if (!cpu_knows(&c->cpu, rule->cfa_reg))
		return USTACK_END_NO_REGS;
	*cfa = c->cpu.reg[rule->cfa_reg] + rule->cfa_off;
	data = plain_frame(c, rule, *cfa);
	return data ? step_plain(c, rule, *cfa, data) :
		      step_far(c, rule, *cfa);
}

int step_cfi(struct cursor *c, const struct map *map, uint64_t pc,
	     const struct rule *rule, struct ustack_frame *frame)
{
	struct cfi_row row;
	int end;

	if (rule->flags & RULE_OUTERMOST)
		return USTACK_END_FINISHED;
	if (rule->flags & RULE_SWITCHED)
		return step_switched(c, &frame->cfa);
	if (rule->flags & RULE_DOUBTED)
		return step_doubted(c, map, pc, frame);
	if (rule->flags & RULE_SIGNAL)
		mark_signal(frame);
	if (!(rule->flags & (RULE_FULL | RULE_BROKEN)))
		return step_rule(c, rule, &frame->cfa);
	if (rule_row(map->image, pc, &row))
		return USTACK_END_NO_RULE;
	if (c->mem.is_32 && c->exact && step_misled(c, map, &row, frame, &end))
		return end;
	return step_row(c, &row, &frame->cfa);
}

/* No image, or one that cannot be read. */
static int step_without_image(struct cursor *c, const struct map *map,
			      struct ustack_frame *frame)
{
	c->fallback = true;
	if (c->exact && in_vsyscall(cpu_pc(&c->cpu)))
		return step_rule(c, &vsyscall_rule, &frame->cfa);
	return step_unknown(c, map, frame);
}

/*
 * A thread in exit(), the last that its first function calls: the pc behind the
 * system call may be another function's.  1, and *end is how the step by that of
 * the system call ended.
 */
static bool step_syscall(struct cursor *c, const struct map *map, uint64_t pc,
			 struct ustack_frame *frame, int *end)
{
	const struct rule *rule;

	if (!arch_in_syscall(&c->cpu, map->image, pc))
		return false;
	rule = rule_find(c->rules, map->image, pc - 1);
	if (rule->flags & (RULE_NONE | RULE_BROKEN) ||
	    pc - rule->start < rule->size)
		return false;
	*end = step_cfi(c, map, pc - 1, rule, frame);
	/* Another time it may be the other function that is there. */
	c->entry->plain = false;
	return true;
}

static inline __attribute__((always_inline)) int
step(struct cursor *c, struct ustack_frame *frame)
{
	uint64_t ip = cpu_pc(&c->cpu);
	struct map *map = c->map;
	int end;

	if (!map)
		map = space_find(c->space, ip - !c->exact);
	/* A task can map files of the other class, but not run them. */
	if (map && map_usable(map) &&
	    map->image->is_64 != c->mem.is_32) {
		uint64_t pc = ip - map->bias - !c->exact;
		const struct rule *rule;

		if (c->exact && may_be_in_syscall(&c->cpu) &&
		    step_syscall(c, map, pc, frame, &end))
			return end;
		rule = rule_find(c->rules, map->image, pc);
		if (!rule->flags)
			return step_rule(c, rule, &frame->cfa);
		if (rule->flags & RULE_EDGE && !c->exact) {
			if (step_edge(c, map, pc, frame, &end))
				goto guessed;
			rule = rule_find(c->rules, map->image, pc);
		}
		if (!(rule->flags & RULE_NONE))
			return step_cfi(c, map, pc, rule, frame);
		end = map->code ? step_without_cfi(c, map, pc, frame) :
				  step_without_image(c, map, frame);
	} else {
		end = step_without_image(c, map, frame);
	}
guessed:
	/* It depends on more than what is remembered of a frame. */
	c->entry->plain = false;
	return end;
}

/* --- all steps ------------------------------------------------------------ */

/* struct mem's fallback: the images, then whatever the caller knows. */
static int read_other(void *arg, uint64_t addr, void *buf, size_t size)
{
	const struct cursor *c = arg;
	const struct ustack_stack *stack = c->stack;

	if (!space_read(c->space, addr, buf, size))
		return 0;
	return stack->read ? stack->read(stack->arg, addr, buf, size) : -EFAULT;
}

/* The frame that the cursor is at, before its step. */
static inline struct ustack_frame this_frame(const struct cursor *c)
{
	return (struct ustack_frame){
		.ip = cpu_pc(&c->cpu),
		.flags = (c->exact ? 0 : USTACK_FRAME_RETURN) |
			 (c->fallback ? USTACK_FRAME_FALLBACK : 0),
	};
}

/*
 * The registers of this frame, for the caller of the library.  In search of a CFA
 * any register that no row has a rule for is taken to be unchanged; that holds
 * true for callee-saved ones only, or in a frame that a signal interrupted.
 */
static void tell_regs(struct cursor *c, struct ustack_regs *regs, bool innermost)
{
	uint32_t kept = innermost || c->exact ? UINT32_MAX :
						kept_always(c->mem.is_32);

	c->valid = c->restored | (c->valid & kept);
	arch_regs(regs, c->stack->regs->abi, &c->cpu, c->valid);
	c->restored = 0;
}

/*
 * A file that was cut has zeroes where it had CFI: what seems to be the outermost
 * frame need not be.
 */
static bool through_cut_file(const struct cursor *c,
			     const struct ustack_frame *frames, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool is_ra = frames[i].flags & USTACK_FRAME_RETURN;
		const struct map *map =
			space_find_image(c->space, frames[i].ip - is_ra);

		if (map && image_is_cut(map->image))
			return true;
	}
	return false;
}

/*
 * All frames: by the last walk of this stack as far as it holds, or with the
 * registers of each, for which every step has to be made.  What step_syscall() goes
 * by is not known of the last walk.
 */
static inline __attribute__((always_inline)) int
walk(struct cursor *c, struct walk *w, struct ustack_frame *frames, size_t max,
     enum ustack_end *end, const bool with_regs)
{
	int e = USTACK_END_LIMIT;
	size_t n = 0;

	while (n < max) {
		size_t again = 0;

		frames[n] = this_frame(c);
		c->fallback = false;
		if (with_regs)
			tell_regs(c, &c->stack->frame_regs[n], !n);
		else if (!c->exact || !may_be_in_syscall(&c->cpu))
			again = walk_again(w, &c->cpu, &c->exact, &frames[n],
					   max - n);
		if (again) {
			c->map = NULL;
			n += again;
			if (n == max)
				break;
			frames[n] = this_frame(c);
		}
		c->entry = with_regs ? &w->no_room :
				       walk_add(w, &c->cpu, c->exact);
		e = step(c, &frames[n++]);
		if (e != GO_ON)
			break;
		e = USTACK_END_LIMIT;
	}
	if (e == NO_FRAME) {
		e = USTACK_END_NO_RULE;
		/* The first one is the caller's word. */
		n -= n > 1;
	}
	if (!with_regs)
		walk_end(w, &c->cpu, e == USTACK_END_TRUNCATED);
	if (e == USTACK_END_FINISHED && space_any_cut(c->space) &&
	    through_cut_file(c, frames, n))
		e = USTACK_END_NO_RULE;
	*end = e;
	return n;
}

/* *stack is as this library knows it, perhaps copied to own; or -EINVAL. */
static int check_stack(const struct ustack_stack **stack,
		       struct ustack_stack *own)
{
	const uint32_t flags = USTACK_STACK_RETURN | USTACK_STACK_SORTED;
	int err;

	if (!*stack)
		return -EINVAL;
	if ((*stack)->sz != sizeof(*own)) {
		err = opts_copy(own, sizeof(*own), *stack);
		if (err)
			return err;
		*stack = own;
	}
	return (*stack)->space && (*stack)->regs &&
			       !((*stack)->flags & ~flags) &&
			       !(*stack)->reserved ?
		       0 :
		       -EINVAL;
}

static void cursor_init(struct cursor *c, struct ustack_unwinder *unwinder,
			const struct ustack_stack *stack)
{
	c->rules = &unwinder->rules;
	c->stack = stack;
	c->space = stack->space;
	mem_init(&c->mem, stack->ranges, stack->nr_ranges);
	c->mem.sorted = stack->flags & USTACK_STACK_SORTED;
	c->mem.is_32 = stack->regs->abi == USTACK_ABI_32;
	c->mem.fallback = read_other;
	c->mem.arg = c;
	c->exact = !(stack->flags & USTACK_STACK_RETURN);
	c->fallback = c->guessed = false;
	c->map = NULL;
	c->restored = c->valid = UINT32_MAX;
}

/*
 * What a last walk holds for: these maps, and steps of this width.  A task can
 * change between 64-bit and 32-bit code without a change of its maps.
 */
static uint64_t walk_id(const struct cursor *c)
{
	return space_id(c->space) * 2 + c->mem.is_32;
}

/* The stack need not be in the first range. */
static void begin_where_sp_is(struct cursor *c, struct walk *w,
			      struct last_walks *walks)
{
	uint64_t sp = cpu_sp(&c->cpu);
	const struct ustack_range *range = mem_range(&c->mem, sp);

	if (!range)
		return;
	c->mem.stack = range;
	walk_begin(w, walks, walk_id(c), range, sp - range->addr);
}

int ustack_unwind(struct ustack_unwinder *unwinder,
		  const struct ustack_stack *stack,
		  struct ustack_frame *frames, size_t max,
		  enum ustack_end *end)
{
	struct ustack_stack own;
	struct cursor c;
	struct walk w;
	int err = check_stack(&stack, &own);

	if (err)
		return err;
	*end = USTACK_END_NO_REGS;
	if (stack->regs->abi == USTACK_ABI_NONE)
		return 0;
	cursor_init(&c, unwinder, stack);
	/* Prefetch at once: the registers may not be in the cache either. */
	walk_begin(&w, &unwinder->last_walks, walk_id(&c), c.mem.stack, 0);
	if (arch_cpu(&c.cpu, stack->regs)) {
		if (!max || !cpu_knows(&c.cpu, REG_PC))
			return 0;
		frames[0] = this_frame(&c);
		if (stack->frame_regs)
			stack->frame_regs[0] = *stack->regs;
		return 1;
	}
	if (!range_holds(c.mem.stack, cpu_sp(&c.cpu)))
		begin_where_sp_is(&c, &w, &unwinder->last_walks);
	return stack->frame_regs ? walk(&c, &w, frames, max, end, true) :
				   walk(&c, &w, frames, max, end, false);
}

const char *ustack_end_name(enum ustack_end end)
{
	switch (end) {
	case USTACK_END_FINISHED:
		return "finished";
	case USTACK_END_TRUNCATED:
		return "truncated";
	case USTACK_END_NO_RULE:
		return "no rule";
	case USTACK_END_BAD_MEMORY:
		return "bad memory";
	case USTACK_END_LOOP:
		return "loop";
	case USTACK_END_LIMIT:
		return "limit";
	case USTACK_END_NO_REGS:
		return "no registers";
	}
	return "unknown";
}
