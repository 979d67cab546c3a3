// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The step loop, and the reason it stopped. */
#include <errno.h>
#include <stdlib.h>

#include "huge.h"
#include "unwind.h"

#define ENTRY_SIZE 128		/* no _start or clone without CFI is larger */
#define RED_ZONE 128
#define STACK_SIZE_MAX (1ULL << 30)

struct ustack_unwinder {
	struct ustack_unwinder_opts opts;
	struct ref *ref;	/* unwinds in our place, or NULL */
	struct rules rules;
	struct trails trails;
};

_Static_assert(sizeof(struct ustack_unwinder) <= HUGE_PAGE, "fills one, not two");

struct cursor {
	struct ustack_unwinder *unwinder;
	struct ustack_space *space;
	struct mem mem;
	struct cpu cpu;		/* of the frame being left */
	bool exact;		/* its rip is not a return address */
	struct map *map;	/* that holds its rip; NULL: not looked up yet */
	struct link *link;	/* its place in the trail */
};

/* Steps end in an enum ustack_end or go on. */
#define GO_ON (-1)

/* Why a word could not be read: the capture ends before it, or it is no stack. */
static int end_of(const struct cursor *c, uint64_t addr)
{
	uint64_t sp = c->cpu.reg[REG_RSP];

	if (addr < sp || addr - sp > STACK_SIZE_MAX ||
	    mem_range(&c->mem, addr) || space_find_image(c->space, addr))
		return USTACK_END_BAD_MEMORY;
	return USTACK_END_TRUNCATED;
}

/*
 * gcc does not take back the rule of a register when an epilogue has popped
 * it: the slot then lies below sp, was not captured, and the register itself
 * already holds the caller's value.  In the red zone the word is still good if
 * it can be read at all.
 */
static void restore_slot(const struct cursor *c, struct cpu *to,
			 unsigned int reg, uint64_t addr, bool below_cfa)
{
	uint64_t sp = c->cpu.reg[REG_RSP], val;

	if (below_cfa && addr < sp && sp - addr > RED_ZONE)
		return;
	if (!mem_read_word(&c->mem, addr, &val))
		cpu_set(to, reg, val);
	else if (!below_cfa || addr >= sp)
		cpu_forget(to, reg);
}

/* Can there be a frame at ip? */
static int land(struct cursor *c, uint64_t ip, bool signal)
{
	if (!ip)
		return USTACK_END_FINISHED;
	if (signal && arch_in_vsyscall(ip)) {
		c->map = NULL;
		return GO_ON;
	}
	if (ip >> 47 || ip < 4096)
		return USTACK_END_BAD_MEMORY;
	/* Nothing is mapped there: a frame would be an invented one. */
	if (!c->map || !map_holds(c->map, ip - !signal))
		c->map = space_find(c->space, ip - !signal);
	return c->map ? GO_ON : USTACK_END_NO_RULE;
}

/* The frame below is done: its caller's registers are in to. */
static int advance(struct cursor *c, const struct cpu *to, bool signal)
{
	const struct cpu *from = &c->cpu;
	uint64_t ip = to->reg[REG_RIP], sp = to->reg[REG_RSP];
	int end = land(c, ip, signal);

	if (end != GO_ON)
		return end;
	if (!signal && sp <= from->reg[REG_RSP]) {
		uint64_t old = from->reg[REG_RSP];

		/* vfork pops its return address into a register. */
		if (sp == old && (!c->exact || ip == from->reg[REG_RIP]))
			return USTACK_END_LOOP;
		/* Another range is another stack, and may lie lower. */
		if (sp < old && mem_range(&c->mem, sp) == mem_range(&c->mem, old))
			return USTACK_END_LOOP;
	}
	c->cpu = *to;
	c->exact = signal;
	return GO_ON;
}

/*
 * The bytes behind a frame that lies in the first range with all that rule
 * reads, or NULL.
 */
static const uint8_t *plain_frame(const struct cursor *c,
				  const struct rule *rule, uint64_t cfa)
{
	const struct ustack_range *r = c->mem.ranges;
	uint64_t sp = c->cpu.reg[REG_RSP], size = cfa - sp;

	if (!c->mem.nr || sp - r->addr >= r->size ||
	    size > r->size - (sp - r->addr) || size < 8ULL * rule->depth)
		return NULL;
	return r->data + (cfa - r->addr);
}

static uint64_t word(const uint8_t *p)
{
	uint64_t val;

	memcpy(&val, p, 8);
	return val;
}

/* Which registers are saved no branch predictor knows: moves, no branches. */
static inline void take_kept(struct cpu *cpu, unsigned int reg,
			     const uint8_t *top, int64_t slot, bool saved)
{
	uint64_t val = word(top + 8 * slot), old = cpu->reg[reg];

	cpu->reg[reg] = saved ? val : old;
}

/* Nearly every step. */
static int step_plain(struct cursor *c, const struct rule *rule, uint64_t cfa,
		      const uint8_t *top)
{
	const unsigned int saved = rule->saved;
	const int8_t *slot = rule->slot;
	uint64_t ra = word(top - 8);
	int end = land(c, ra, false);

	if (end != GO_ON)
		return end;
	take_kept(&c->cpu, REG_RBX, top, slot[KEPT_RBX], saved & 1 << KEPT_RBX);
	take_kept(&c->cpu, REG_RBP, top, slot[KEPT_RBP], saved & 1 << KEPT_RBP);
	take_kept(&c->cpu, REG_R12, top, slot[KEPT_R12], saved & 1 << KEPT_R12);
	take_kept(&c->cpu, REG_R13, top, slot[KEPT_R13], saved & 1 << KEPT_R13);
	take_kept(&c->cpu, REG_R14, top, slot[KEPT_R14], saved & 1 << KEPT_R14);
	take_kept(&c->cpu, REG_R15, top, slot[KEPT_R15], saved & 1 << KEPT_R15);
	c->cpu.known |= kept_known(saved);
	link_plain(c->link, rule);
	c->cpu.reg[REG_RSP] = cfa;
	c->cpu.reg[REG_RIP] = ra;
	c->exact = false;
	return GO_ON;
}

/* Words in another range, or in none. */
static int step_far(struct cursor *c, const struct rule *rule, uint64_t cfa)
{
	struct cpu to = c->cpu;
	uint64_t ra;

	if (mem_read_u64(&c->mem, cfa - 8, &ra))
		return end_of(c, cfa - 8);
	for (unsigned int saved = rule->saved; saved; saved &= saved - 1) {
		unsigned int kept = __builtin_ctz(saved);

		restore_slot(c, &to, kept_reg[kept], cfa + 8 * rule->slot[kept],
			     true);
	}
	cpu_set(&to, REG_RSP, cfa);
	cpu_set(&to, REG_RIP, ra);
	return advance(c, &to, false);
}

static int step_fast(struct cursor *c, const struct rule *rule, uint64_t *cfa)
{
	const uint8_t *top;

	if (!cpu_knows(&c->cpu, rule->cfa_reg))
		return USTACK_END_NO_REGS;
	*cfa = c->cpu.reg[rule->cfa_reg] + rule->cfa_off;
	top = plain_frame(c, rule, *cfa);
	return top ? step_plain(c, rule, *cfa, top) : step_far(c, rule, *cfa);
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

/*
 * A realigned stack's saved registers are found from rbp, by expressions.
 * When the epilogue has popped rbp they point anywhere, and all registers
 * hold the caller's values already.
 */
static bool torn_down(const struct cursor *c, const struct cfi_row *row,
		      uint64_t cfa)
{
	const struct cfi_rule *r = &row->reg[REG_RBP];
	uint64_t addr;

	return r->kind == CFI_EXPR && !row->signal &&
	       eval(c, r, &cfa, &addr) == GO_ON &&
	       (addr < c->cpu.reg[REG_RSP] || addr >= cfa);
}

static int step_full(struct cursor *c, const struct cfi_row *row,
		     uint64_t *cfa)
{
	struct cpu to = c->cpu;
	bool down;
	int end;

	if (row->cfa.kind == CFI_VAL_EXPR) {
		end = eval(c, &row->cfa, NULL, cfa);
		if (end != GO_ON)
			return end;
	} else {
		if (!cpu_knows(&c->cpu, row->cfa.reg))
			return USTACK_END_NO_REGS;
		*cfa = c->cpu.reg[row->cfa.reg] + row->cfa.off;
		if (c->mem.is_32)
			*cfa = (uint32_t)*cfa;
	}
	down = torn_down(c, row, *cfa);
	cpu_set(&to, REG_RSP, *cfa);
	for (unsigned int reg = 0; reg < NR_REGS; reg++) {
		const struct cfi_rule *r = &row->reg[reg];
		uint64_t val;

		switch (r->kind) {
		case CFI_SAME:
			break;
		case CFI_UNDEFINED:
			cpu_forget(&to, reg);
			break;
		case CFI_OFFSET:
			val = *cfa + r->off;
			if (reg == row->ra) {
				uint64_t ra;

				if (mem_read_word(&c->mem, val, &ra))
					return end_of(c, val);
				cpu_set(&to, reg, ra);
				break;
			}
			restore_slot(c, &to, reg, val, r->off < 0);
			break;
		case CFI_VAL_OFFSET:
			cpu_set(&to, reg, *cfa + r->off);
			break;
		case CFI_REGISTER:
			if (cpu_knows(&c->cpu, r->reg))
				cpu_set(&to, reg, c->cpu.reg[r->reg]);
			else
				cpu_forget(&to, reg);
			break;
		case CFI_EXPR:
			if (down)
				break;
			end = eval(c, r, cfa, &val);
			if (end == GO_ON) {
				bool below = !row->signal && val < *cfa;

				restore_slot(c, &to, reg, val, below);
			} else {
				cpu_forget(&to, reg);
			}
			if (reg == row->ra && !cpu_knows(&to, reg))
				return end == GO_ON ? end_of(c, val) : end;
			break;
		case CFI_VAL_EXPR:
			end = eval(c, r, cfa, &val);
			if (end == GO_ON)
				cpu_set(&to, reg, val);
			else if (reg == row->ra)
				return end;
			else
				cpu_forget(&to, reg);
			break;
		}
	}
	if (row->reg[row->ra].kind == CFI_SAME)
		return USTACK_END_NO_RULE;
	if (!cpu_knows(&to, row->ra) || !cpu_knows(&to, REG_RSP))
		return USTACK_END_NO_REGS;
	cpu_set(&to, REG_RIP, to.reg[row->ra]);
	return advance(c, &to, row->signal);
}

/* Is addr where a call could return to?  Unknown code is taken at its word. */
static bool returns_to(struct cursor *c, uint64_t addr)
{
	struct map *map = space_find(c->space, addr);

	if (!map)
		return false;
	map = space_find_image(c->space, addr);
	return !map || arch_after_call(map->image, addr - map->bias);
}

/* Without CFI: the frame pointer, if it looks like one. */
static int step_frame_pointer(struct cursor *c, uint64_t *cfa)
{
	struct cpu to = { 0 };
	uint64_t bp = c->cpu.reg[REG_RBP], next, ra;
	unsigned int word = mem_word_size(&c->mem);

	if (!cpu_knows(&c->cpu, REG_RBP) || bp % word ||
	    bp < c->cpu.reg[REG_RSP] || mem_read_word(&c->mem, bp, &next) ||
	    mem_read_word(&c->mem, bp + word, &ra) ||
	    (ra && !returns_to(c, ra)))
		return USTACK_END_NO_RULE;
	*cfa = bp + 2 * word;
	/* What else the function saved, and where, nobody knows. */
	cpu_set(&to, REG_RBP, next);
	cpu_set(&to, REG_RSP, *cfa);
	cpu_set(&to, REG_RIP, ra);
	return advance(c, &to, false);
}

/* Does rule find a return address that follows a call? */
static bool rule_leads_on(struct cursor *c, const struct rule *rule)
{
	uint64_t ra;

	return !(rule->flags & (RULE_NONE | RULE_BROKEN | RULE_OUTERMOST |
				RULE_FULL)) &&
	       cpu_knows(&c->cpu, rule->cfa_reg) &&
	       !mem_read_u64(&c->mem,
			     c->cpu.reg[rule->cfa_reg] + rule->cfa_off - 8,
			     &ra) &&
	       returns_to(c, ra);
}

/* The same of a row, for words of 4 bytes, which no rule is made of. */
static bool row_leads_on(struct cursor *c, const struct cfi_row *row)
{
	const struct cfi_rule *ra = &row->reg[row->ra];
	uint64_t cfa, addr;

	if (row->cfa.kind != CFI_VAL_OFFSET || ra->kind != CFI_OFFSET ||
	    !cpu_knows(&c->cpu, row->cfa.reg))
		return false;
	cfa = (uint32_t)(c->cpu.reg[row->cfa.reg] + row->cfa.off);
	return !mem_read_word(&c->mem, cfa + ra->off, &addr) &&
	       returns_to(c, addr);
}

/*
 * glibc's clone leaves a hole behind its syscall, for parent and child, before
 * the CFI that says that the child has no caller.  rax tells who it is.
 */
static bool is_new_thread(struct cursor *c, const struct image *image,
			  uint64_t pc)
{
	uint64_t start, end;

	if (!c->exact || !cpu_knows(&c->cpu, REG_RAX) || c->cpu.reg[REG_RAX])
		return false;
	cfi_hole(&image->cfi, pc, &start, &end);
	return end != UINT64_MAX && end - pc < ENTRY_SIZE &&
	       rule_find(&c->unwinder->rules, image, end, end)->flags &
		       RULE_OUTERMOST;
}

/*
 * ld.so's _start, and those of other run-times, have no CFI: the outermost
 * frame is known by the file's entry point in the same hole.
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

/* A pc with CFI. */
static int step_cfi(struct cursor *c, const struct map *map, uint64_t pc,
		    const struct rule *rule, struct ustack_frame *frame)
{
	struct cfi_row row;

	if (rule->flags & RULE_OUTERMOST)
		return USTACK_END_FINISHED;
	if (rule->flags & RULE_SIGNAL) {
		/* Its ip is where the kernel let the handler return to. */
		frame->flags |= USTACK_FRAME_SIGNAL;
		frame->flags &= ~USTACK_FRAME_RETURN;
	}
	if (!(rule->flags & (RULE_FULL | RULE_BROKEN)))
		return step_fast(c, rule, &frame->cfa);
	if (cfi_row(&map->image->cfi, pc, &row))
		return USTACK_END_NO_RULE;
	return step_full(c, &row, &frame->cfa);
}

/* A pc without, in a known file; rule may be one read from the code. */
static int step_no_cfi(struct cursor *c, const struct map *map, uint64_t pc,
		       const struct rule *guess, struct ustack_frame *frame,
		       bool *fallback)
{
	const struct image *image = map->image;
	uint64_t other = c->exact ? pc - 1 : pc + 1;
	struct rule own = *guess;
	const struct rule *near = rule_find(&c->unwinder->rules, image, other,
					    other);
	struct cfi_row row;

	/*
	 * A sample at the entry of rt_sigreturn has the ip behind the syscall
	 * instruction: the end of __restore_rt and its FDE.  And a handler of
	 * i386 returns to where __kernel_sigreturn and its FDE begin.
	 */
	if (near->flags & RULE_SIGNAL)
		return step_cfi(c, map, other, near, frame);
	/*
	 * A return address that is the start of a function was put there by
	 * makecontext(): unless that function has a caller after all, this is
	 * where the stack began.
	 */
	if (!c->exact &&
	    !(near->flags & (RULE_NONE | RULE_GUESS | RULE_BROKEN))) {
		bool on = c->mem.is_32 ? !cfi_row(&image->cfi, other, &row) &&
						 row_leads_on(c, &row) :
					 rule_leads_on(c, near);

		if (!on)
			return USTACK_END_FINISHED;
		return step_cfi(c, map, other, near, frame);
	}
	if (is_entry(image, pc) || is_new_thread(c, image, pc))
		return USTACK_END_FINISHED;
	*fallback = true;
	if (c->mem.is_32 && !scan_code(image, c->exact ? pc : other, &row) &&
	    row_leads_on(c, &row))
		return step_full(c, &row, &frame->cfa);
	return rule_leads_on(c, &own) ? step_fast(c, &own, &frame->cfa) :
					step_frame_pointer(c, &frame->cfa);
}

/* Nothing is known of the code at the frame's ip; map may be NULL. */
static int step_unknown(struct cursor *c, const struct map *map,
			struct ustack_frame *frame)
{
	bool vdso_32 = c->mem.is_32 && map &&
		       !strcmp(map->image->path, "[vdso]");
	struct cpu to = c->cpu;

	if (vdso_32 && c->exact &&
	    arch_leave_vsyscall_32(&to, &c->mem, c->space, map)) {
		frame->cfa = to.reg[REG_RSP];
		return advance(c, &to, false);
	}
	if (vdso_32 && arch_leave_handler_32(&to, &c->mem)) {
		frame->flags |= USTACK_FRAME_SIGNAL;
		frame->flags &= ~USTACK_FRAME_RETURN;
		frame->cfa = to.reg[REG_RSP];
		return advance(c, &to, true);
	}
	return step_frame_pointer(c, &frame->cfa);
}

/* A vsyscall: nothing is pushed, whichever instruction it is. */
static int step_vsyscall(struct cursor *c, uint64_t *cfa)
{
	static const struct rule rule = { .cfa_reg = REG_RSP, .cfa_off = 8,
					  .depth = 1 };
	int end = step_fast(c, &rule, cfa);

	/* The mark of a fall-back is not kept with a link. */
	c->link->plain = false;
	return end;
}

static int step(struct cursor *c, struct ustack_frame *frame, bool *fallback)
{
	uint64_t ip = c->cpu.reg[REG_RIP], pc;
	const struct rule *rule;
	struct map *map;

	*fallback = false;
	map = c->map ? c->map : space_find(c->space, ip - !c->exact);
	/* A compat task may have mapped what only the other class can read. */
	if (!map || !space_usable(c->space, map) ||
	    map->image->is_64 == c->mem.is_32) {
		*fallback = true;
		return c->exact && arch_in_vsyscall(ip) ?
			       step_vsyscall(c, &frame->cfa) :
			       step_unknown(c, map, frame);
	}
	pc = ip - map->bias - !c->exact;
	rule = rule_find(&c->unwinder->rules, map->image, pc, ip - map->bias);
	if (!rule->flags)
		return step_fast(c, rule, &frame->cfa);
	if (rule->flags & (RULE_NONE | RULE_GUESS)) {
		int end = step_no_cfi(c, map, pc, rule, frame, fallback);

		/* It may have looked at more than a plain step does. */
		c->link->plain = false;
		return end;
	}
	return step_cfi(c, map, pc, rule, frame);
}

int ustack_unwinder_new(struct ustack_unwinder **out,
			struct ustack_images *images,
			const struct ustack_unwinder_opts *opts)
{
	struct ustack_unwinder_opts o = { 0 };
	struct ustack_unwinder *u;
	struct ref *ref = NULL;
	int err;

	(void)images;
	*out = NULL;
	if (opts)
		memcpy(&o, opts, opts->sz < sizeof(o) ? opts->sz : sizeof(o));
	err = o.backend == USTACK_NATIVE ? 0 : ref_new(&ref, o.backend);
	if (err)
		return err;
	/* The others have no use for what is behind. */
	u = huge_alloc(ref ? offsetof(struct ustack_unwinder, rules) :
			     sizeof(*u));
	if (!u) {
		ref_free(ref);
		return -ENOMEM;
	}
	u->opts = o;
	u->ref = ref;
	if (!ref) {
		rules_init(&u->rules);
		trails_init(&u->trails);
	}
	*out = u;
	return 0;
}

void ustack_unwinder_free(struct ustack_unwinder *u)
{
	if (u)
		ref_free(u->ref);
	free(u);
}

/* struct mem's fallback: the images, then whatever the caller knows. */
static int read_other(void *arg, uint64_t addr, void *buf, size_t size)
{
	const struct cursor *c = arg;
	const struct ustack_unwinder_opts *opts = &c->unwinder->opts;

	if (!space_read(c->space, addr, buf, size))
		return 0;
	return opts->read ? opts->read(opts->arg, addr, buf, size) : -EFAULT;
}

/* All frames, by the last walk of this stack where it still holds. */
static int walk(struct cursor *c, struct walk *w, struct ustack_frame *frames,
		size_t max, enum ustack_end *end)
{
	uint32_t flags = 0;
	size_t n = 0;
	int e = USTACK_END_LIMIT;

	while (n < max) {
		bool fallback;
		size_t again;

		frames[n].ip = c->cpu.reg[REG_RIP];
		frames[n].flags = flags;
		again = walk_again(w, &c->cpu, &c->exact, &frames[n], max - n);
		if (again) {
			c->map = NULL;
			n += again;
			if (n == max)
				break;
			frames[n].ip = c->cpu.reg[REG_RIP];
			frames[n].flags = USTACK_FRAME_RETURN;
		}
		frames[n].cfa = 0;
		c->link = walk_link(w, &c->cpu, c->exact);
		e = step(c, &frames[n++], &fallback);
		if (e != GO_ON)
			break;
		e = USTACK_END_LIMIT;
		flags = (c->exact ? 0 : USTACK_FRAME_RETURN) |
			(fallback ? USTACK_FRAME_FALLBACK : 0);
	}
	walk_end(w, &c->cpu, e == USTACK_END_TRUNCATED);
	*end = e;
	return n;
}

int ustack_unwind(struct ustack_unwinder *unwinder, struct ustack_space *space,
		  const struct ustack_regs *regs,
		  const struct ustack_range *ranges, size_t nr_ranges,
		  struct ustack_frame *frames, size_t max,
		  enum ustack_end *end)
{
	struct cursor c = {
		.unwinder = unwinder,
		.space = space,
		.mem = { ranges, nr_ranges, read_other, &c,
			 regs->abi == USTACK_ABI_32 },
		.exact = true,
	};
	struct walk w;

	if (unwinder->ref)
		return ref_unwind(unwinder->ref, space, regs, &c.mem, frames,
				  max, end);
	*end = USTACK_END_NO_REGS;
	if (regs->abi == USTACK_ABI_NONE)
		return 0;
	/* First: the registers, too, may come from afar. */
	walk_begin(&w, &unwinder->trails, space_id(space), &c.mem);
	if (arch_cpu(&c.cpu, regs)) {
		if (!max || !cpu_knows(&c.cpu, REG_RIP))
			return 0;
		frames[0] = (struct ustack_frame){ .ip = c.cpu.reg[REG_RIP] };
		return 1;
	}
	return walk(&c, &w, frames, max, end);
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
