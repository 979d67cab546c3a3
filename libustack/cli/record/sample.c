// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The bytes of a sample: fields, chain, and registers and stack if it has them. */
#include <string.h>

#include "cli/record/sample.h"

#define SAMPLE_FIXED (sizeof(struct perf_event_header) + 7 * 8)

static uint8_t *put64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, 8);
	return p + 8;
}

static uint8_t *put32x2(uint8_t *p, uint32_t a, uint32_t b)
{
	return put64(p, a | (uint64_t)b << 32);
}

/* --- chains ------------------------------------------------------------------ */

/*
 * A chain of ours is told from one that the kernel walked by a second mark where
 * it goes from the kernel to the user, which others pass over.  Then addresses of
 * the user are those to look up, as perf's own unwinders give them: in the call,
 * not behind it, where another function may begin.  If it does not end at the
 * outermost frame, as many marks follow as enum ustack_end says.  If what it has
 * of the user, frames or stack, is of a later state than the sample, the mark of
 * the kernel stands before it, with no frame of the kernel.
 */

/* Marks before line i. */
static size_t marks(const struct chain *c, size_t i)
{
	const struct line *l = &c->line[i];

	if (i && l->kernel == l[-1].kernel)
		return 0;
	return l->kernel ? 1 : 2 + c->changed;
}

/* Entries for all lines, or as many of them as make no more than max. */
static size_t chain_entries(const struct chain *c, size_t max, size_t *lines)
{
	size_t i, n = 0, more;

	for (i = 0; i < c->nr; i++) {
		more = marks(c, i) + 1;
		if (n + more > max)
			break;
		n += more;
	}
	*lines = i;
	return n;
}

static uint8_t *put_mark(uint8_t *p, bool kernel)
{
	return put64(p, kernel ? PERF_CONTEXT_KERNEL : PERF_CONTEXT_USER);
}

static uint8_t *put_lines(uint8_t *p, const struct chain *c, size_t lines)
{
	size_t i;

	for (i = 0; i < lines; i++) {
		const struct line *l = &c->line[i];
		size_t n = marks(c, i);

		for (; n; n--)
			p = put_mark(p, l->kernel || n == 3);
		p = put64(p, l->kernel ? l->ip : l->lookup);
	}
	return p;
}

bool sample_end(const struct ustack_sample *s, const struct chain *c,
		enum ustack_end *end)
{
	*end = s->pair == USTACK_PAIR_LOST ? USTACK_END_TRUNCATED :
	       c->unwound		   ? c->end :
					     USTACK_END_FINISHED;
	return s->pair == USTACK_PAIR_LOST || c->unwound;
}

/* Why the chain is not complete. */
static enum ustack_end chain_end(const struct ustack_sample *s,
				 const struct chain *c, size_t lines)
{
	enum ustack_end end = USTACK_END_LIMIT;

	if (lines == c->nr)
		sample_end(s, c, &end);
	return end;
}

/* --- stacks ------------------------------------------------------------------ */

/* Bytes of the stack from sp on that follow each other, at most max. */
static size_t stack_size(const struct ustack_sample *s, size_t max)
{
	const uint64_t sp = s->regs.val[USTACK_REG_X86_SP];
	uint64_t end = sp;
	size_t i;

	for (i = 0; i < s->nr_ranges && end - sp < max; i++)
		if (end - s->ranges[i].addr < s->ranges[i].size)
			end = s->ranges[i].addr + s->ranges[i].size;
	return end - sp < max ? end - sp : max;
}

static void copy_stack(uint8_t *p, const struct ustack_sample *s, size_t size)
{
	const uint64_t sp = s->regs.val[USTACK_REG_X86_SP];
	uint64_t at, n;
	size_t i, done = 0;

	for (i = 0; i < s->nr_ranges && done < size; i++) {
		at = sp + done - s->ranges[i].addr;
		if (at >= s->ranges[i].size)
			continue;
		n = s->ranges[i].size - at;
		if (n > size - done)
			n = size - done;
		memcpy(p + done, s->ranges[i].data + at, n);
		done += n;
	}
}

/* u64 abi, registers, u64 size; and if that is not 0, data and u64 size of it */
static size_t stack_room(uint64_t mask, size_t size)
{
	size_t whole = (size + 7) / 8 * 8;

	return 8 + 8 * __builtin_popcountll(mask) + 8 + (whole ? whole + 8 : 0);
}

static void put_stack(uint8_t *p, uint64_t mask, const struct ustack_sample *s,
		      size_t size)
{
	size_t whole = (size + 7) / 8 * 8;

	p = put64(p, s->regs.abi);
	for (; mask; mask &= mask - 1) {
		int reg = __builtin_ctzll(mask);

		p = put64(p, s->regs.mask >> reg & 1 ? s->regs.val[reg] : 0);
	}
	p = put64(p, whole);
	if (!whole)
		return;
	memset(p + whole - 8, 0, 8);
	copy_stack(p, s, size);
	put64(p + whole, size);
}

/* --- samples ----------------------------------------------------------------- */

/* The kernel's part of the chain, and what to unwind the user's from. */
static void plan_stack(struct sample_plan *p, const struct ustack_sample *s,
		       const struct chain *c)
{
	const size_t room = RECORD_MAX - SAMPLE_FIXED - stack_room(p->mask, 8);

	p->stack = true;
	while (p->lines < c->nr && c->line[p->lines].kernel &&
	       (p->lines + 3) * 8 <= room)
		p->lines++;
	p->nr = (p->lines ? p->lines + 1 : 0) + c->changed;
	p->size = SAMPLE_FIXED + p->nr * 8;
	p->stack_size = stack_size(s, RECORD_MAX - p->size -
					      stack_room(p->mask, 8) + 8);
	p->size += stack_room(p->mask, p->stack_size);
}

static void plan_chain(struct sample_plan *p, const struct ustack_sample *s,
		       const struct chain *c, bool stacks)
{
	const size_t none = stacks ? 2 : 0; /* no registers, no stack */

	p->nr = chain_entries(c, (RECORD_MAX - SAMPLE_FIXED) / 8 - none - 2 -
					 NR_ENDS,
			      &p->lines);
	p->end_marks = chain_end(s, c, p->lines);
	/* Without a frame of the user there are no marks yet. */
	if (p->end_marks && (!p->lines || c->line[p->lines - 1].kernel))
		p->end_marks += 2;
	p->nr += p->end_marks;
	p->none = none;
	p->size = SAMPLE_FIXED + (p->nr + none) * 8;
}

void sample_plan(struct sample_plan *p, bool stacks, uint64_t mask,
		 const struct ustack_sample *s, const struct chain *c,
		 bool stack)
{
	*p = (struct sample_plan){ .mask = mask };
	if (stacks && stack && s->regs.abi)
		plan_stack(p, s, c);
	else
		plan_chain(p, s, c, stacks);
}

void sample_put(uint8_t *to, const struct sample_plan *p,
		const struct ustack_sample *s, const struct chain *c,
		uint64_t id)
{
	size_t i;

	*(struct perf_event_header *)to = (struct perf_event_header){
		.type = PERF_RECORD_SAMPLE,
		.misc = s->misc & (PERF_RECORD_MISC_CPUMODE_MASK |
				   PERF_RECORD_MISC_EXACT_IP),
		.size = p->size,
	};
	to = put64(to + sizeof(struct perf_event_header), id);
	to = put64(to, s->ip);
	to = put32x2(to, s->pid, s->tid);
	to = put64(to, s->time);
	to = put32x2(to, s->cpu, 0);
	to = put64(to, s->period);
	to = put64(to, p->nr);
	to = put_lines(to, c, p->lines);
	for (i = 0; i < p->end_marks; i++)
		to = put_mark(to, false);
	if (p->stack && c->changed)
		to = put_mark(to, true);
	if (p->stack)
		put_stack(to, p->mask, s, p->stack_size);
	else
		memset(to, 0, p->none * 8);
}
