// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The whole chain of a sample: what the kernel walked, and what we unwind. */
#include <linux/perf_event.h>

#include "cli/cli.h"

#define CONTEXT_USER_DEFERRED ((uint64_t)-640) /* Linux 7.3 */

bool sample_is_user(const struct ustack_sample *s)
{
	return (s->misc & PERF_RECORD_MISC_CPUMODE_MASK) ==
	       PERF_RECORD_MISC_USER;
}

static void add(struct chain *c, uint64_t ip, bool kernel, bool is_return)
{
	if (c->nr == CHAIN_MAX)
		return;
	c->line[c->nr++] = (struct line){
		.ip = ip,
		.lookup = is_return && !kernel ? ip - 1 : ip,
		.kernel = kernel,
	};
}

/*
 * Adds the callchain in the sample; returns whether it has user frames.  Those of
 * ustack record have marks that tell how it ended, and that its addresses are to
 * be looked up as they are: record_sample.c has the rules.
 */
static bool add_sampled(struct chain *c, const struct ustack_sample *s,
			bool want_user)
{
	bool kernel = !sample_is_user(s), user = false, ours = false;
	size_t i;

	for (i = 0; i < s->nr_chain; i++) {
		uint64_t ip = s->chain[i];

		if (ip == CONTEXT_USER_DEFERRED)
			break; /* the cookie follows */
		if (ip >= (uint64_t)PERF_CONTEXT_MAX) {
			kernel = ip != (uint64_t)PERF_CONTEXT_USER;
			if (ours && !kernel && c->end < USTACK_END_NO_REGS)
				c->end++;
			ours |= want_user && !kernel && i &&
				s->chain[i - 1] == ip;
			continue;
		}
		if (!kernel && !want_user)
			continue;
		add(c, ip, kernel, user && !ours);
		user |= !kernel;
	}
	c->unwound |= ours;
	return user || ours;
}

void chain_fill(struct chain *c, struct ustack_unwinder *unwinder,
		struct ustack_frame frames[FRAMES_MAX],
		const struct ustack_sample *s)
{
	const struct ustack_stack stack = {
		.sz = sizeof(stack),
		.space = s->space,
		.regs = &s->regs,
		.ranges = s->ranges,
		.nr_ranges = s->nr_ranges,
	};
	const bool captured = s->regs.abi != USTACK_ABI_NONE;
	bool user;
	int i, n;

	c->nr = 0;
	c->end = USTACK_END_FINISHED;
	c->unwound = captured;
	user = add_sampled(c, s, !captured);
	if (!captured) {
		/* The sample still has the innermost address. */
		if (!user && (sample_is_user(s) || !c->nr))
			add(c, s->ip, !sample_is_user(s), false);
		return;
	}
	n = ustack_unwind(unwinder, &stack, frames, FRAMES_MAX, &c->end);
	for (i = 0; i < n && c->nr < CHAIN_MAX; i++) {
		add(c, frames[i].ip, false,
		    frames[i].flags & USTACK_FRAME_RETURN);
		c->line[c->nr - 1].signal = frames[i].flags & USTACK_FRAME_SIGNAL;
	}
}

/* No trampoline of a signal is longer. */
#define TRAMPOLINE_MAX 16

/*
 * What makecontext() lets a coroutine return to is the start of a function, and the
 * function before it was not called.
 */
static void symbol_at_return(struct ustack_space *space, uint64_t ip,
			     struct ustack_symbol *sym)
{
	struct ustack_symbol own = { .sz = sizeof(own) };

	ustack_symbolize(space, ip, &own);
	if (!own.has_start || own.offset)
		return;
	/* As of the address that was looked up. */
	own.addr--;
	own.offset--;
	*sym = own;
}

void line_symbol(struct ustack_space *space, const struct line *l,
		 struct ustack_symbol *sym)
{
	ustack_symbolize(space, l->lookup, sym);
	if (!sym->name && !sym->has_start && l->lookup != l->ip)
		symbol_at_return(space, l->ip, sym);
	/* Mostly it has no symbol; that of the function before it is not its own. */
	if (l->signal && (!sym->name || sym->offset > TRAMPOLINE_MAX)) {
		sym->name = "__restore_rt";
		sym->offset = 0;
	}
}
