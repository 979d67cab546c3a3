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

static bool sample_is_guest(const struct ustack_sample *s)
{
	unsigned int mode = s->misc & PERF_RECORD_MISC_CPUMODE_MASK;

	return mode == PERF_RECORD_MISC_GUEST_KERNEL ||
	       mode == PERF_RECORD_MISC_GUEST_USER;
}

static void add(struct chain *c, uint64_t ip, bool kernel, bool is_return)
{
	if (c->nr == CHAIN_MAX)
		return;
	c->line[c->nr++] = (struct line){
		.ip = ip,
		.lookup = is_return ? ip - 1 : ip,
		.kernel = kernel,
	};
}

/*
 * The mark of the kernel without a frame, before the user's part or in its place:
 * as ustack record writes what is of a later state.  That of a guest has it where
 * the kernel cannot walk.
 */
static bool marks_later(const struct ustack_sample *s, size_t i)
{
	return s->chain[i] == (uint64_t)PERF_CONTEXT_KERNEL &&
	       (i + 1 == s->nr_chain ||
		s->chain[i + 1] == (uint64_t)PERF_CONTEXT_USER);
}

/*
 * Adds the callchain in the sample; returns whether it has user frames.  Those of
 * ustack record have marks that tell how it ended, and that its addresses are to
 * be looked up as they are: record/sample.c has the rules.
 */
static bool add_sampled(struct chain *c, const struct ustack_sample *s,
			bool want_user)
{
	bool kernel = !sample_is_user(s), user = false, ours = false;
	bool guest = sample_is_guest(s), first = true;
	bool later = false;
	size_t i;

	for (i = 0; i < s->nr_chain; i++) {
		uint64_t ip = s->chain[i];

		if (ip == CONTEXT_USER_DEFERRED)
			break; /* the cookie follows */
		if (ip >= (uint64_t)PERF_CONTEXT_MAX) {
			later |= marks_later(s, i) && !sample_is_guest(s);
			kernel = ip != (uint64_t)PERF_CONTEXT_USER;
			guest = kernel && ip != (uint64_t)PERF_CONTEXT_KERNEL;
			first |= kernel;
			if (ours && !kernel && c->end < USTACK_END_NO_REGS)
				c->end++;
			ours |= want_user && !kernel && i &&
				s->chain[i - 1] == ip;
			continue;
		}
		if (!kernel && !want_user)
			continue;
		add(c, ip, kernel, kernel ? !first : user && !ours);
		if (c->nr)
			c->line[c->nr - 1].guest = guest;
		first = false;
		user |= !kernel;
	}
	c->unwound |= ours;
	c->changed |= later && c->unwound;
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
	c->changed = captured && s->stack_changed;
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
