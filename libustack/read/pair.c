// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Samples and the stacks they asked for, by (tid, cookie).
 *
 * A cookie names one stay of a task in the kernel.  Its stack record mostly
 * follows the samples, on the way back to user space, which may be hours later
 * if the task sleeps; it may also come first, and the samples that follow in
 * the same stay share it.  So a sample waits as long as its task can still be
 * in that stay.  The stay is over when the task shows another cookie or exits.
 *
 * By then records are in time order, except for the few that were written into
 * each other (a sample that hit while its stack was written): a stay that is
 * over is kept for a moment longer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "read/perf_abi.h"
#include "read/stay.h"

unsigned int pair_wants(const struct event *ev)
{
	unsigned int want = 0;

	if (ev->flags & ATTR_DEFER_USER)
		want |= WANT_STACK;
	if (ev->flags & ATTR_DEFER_CALLCHAIN)
		want |= WANT_CHAIN;
	return want;
}

/* The stay that a record of th belongs to, made if it is new. */
static struct stay *stay_of(struct pairing *p, struct thread *th,
			    uint64_t cookie, uint64_t now)
{
	struct stay *st;

	if (th->cookie == cookie || !cookie)
		return stay_get(p, th->tid, cookie);
	st = stay_find(p, th->tid, cookie);
	/* A late record of a stay that is over: the task is not back in it. */
	if (st && st->over)
		return st;
	pair_task_left(p, th->tid, th->cookie, now, false);
	th->cookie = cookie;
	return st ? st : stay_get(p, th->tid, cookie);
}

/* --- samples -------------------------------------------------------------- */

static struct pending *pending_new(struct pairing *p)
{
	struct pending *w = p->free;

	if (w)
		p->free = w->next;
	else
		w = malloc(sizeof(*w));
	return w;
}

/* All that the file has of st was brought, and it is not enough. */
static enum ustack_lost why_none(const struct pairing *p, const struct stay *st)
{
	enum ustack_lost lost = captures_why(p->captures, st->tid, st->cookie);

	if (st->throttled)
		return USTACK_LOST_THROTTLED;
	return st->nr_parts && lost != USTACK_LOST_RING ? USTACK_LOST_PART : lost;
}

int pair_sample(struct pairing *p, struct thread *th, const struct event *ev,
		const struct record *rec, const struct parsed_sample *s,
		uint64_t now)
{
	unsigned int want = pair_wants(ev);
	struct stay *st = NULL;
	struct pending *w;

	/*
	 * Cookie 0 is none: nothing will ever come for it.  Nor for an event
	 * that asked for nothing, whose chain can only be a damaged one.
	 */
	if (s->cookie && want) {
		st = stay_of(p, th, s->cookie, now);
		if (!st)
			return -ENOMEM;
	}
	w = pending_new(p);
	if (!w)
		return -ENOMEM;
	*w = (struct pending){
		.record = record_get(rec),
		.ev = ev,
		.want = want,
		.pid = th->pid,
		.tid = th->tid,
		.nr_lost = p->nr_lost,
	};
	memcpy(w->comm, th->comm, sizeof(w->comm));
	if (!st)
		leave_lost(p, w, USTACK_LOST_COOKIE);
	else if (!(want & ~st->have))
		leave_paired(p, w, st);
	else if (p->captures)
		leave_lost(p, w, why_none(p, st));
	else
		stay_wait(p, st, w);
	return 0;
}

/* --- captures ------------------------------------------------------------- */

static int add_part(struct pairing *p, struct stay *st, const struct event *ev,
		    const struct record *rec)
{
	if (st->nr_parts == st->cap_parts) {
		size_t cap = st->cap_parts ? st->cap_parts * 2 : 1;
		struct event_record *parts =
			realloc(st->parts, cap * sizeof(*parts));

		if (!parts)
			return -ENOMEM;
		st->parts = parts;
		st->cap_parts = cap;
	}
	st->parts[st->nr_parts++] =
		(struct event_record){ record_get(rec), ev };
	st->bytes += record_size(rec);
	p->capture_bytes += record_size(rec);
	return 0;
}

/* The address space that a capture was taken in, as it is now. */
static void keep_space(struct stay *st, struct thread *th)
{
	if (st->space)
		return;
	st->space = th->proc->space;
	st->space->refs++;
}

int pair_stack(struct pairing *p, struct thread *th, const struct event *ev,
	       const struct record *rec, const struct parsed_stack *part,
	       uint64_t now)
{
	struct stay *st;
	int ret;

	/* Of a file, captures_account() counts. */
	if (!p->captures)
		p->stats->stack_bytes += record_size(rec);
	st = stay_of(p, th, part->cookie, now);
	if (!st)
		return -ENOMEM;
	if (!st->nr_parts) {
		if (!p->captures)
			p->stats->stacks++;
		st->id = part->sample_id.id;
		st->changed = part->flags & STACK_CHANGED;
		st->throttled = part->flags & STACK_THROTTLED;
		st->broken = st->throttled || !(part->flags & STACK_FIRST);
	} else if (st->have & WANT_STACK || st->id != part->sample_id.id) {
		/* The same capture, written for another event as well. */
		return 0;
	} else if (part->flags & STACK_FIRST || part->left > st->left ||
		   part->range.size > st->left - part->left) {
		/* left is what can come at most, so it is of another capture. */
		st->broken = true;
	}
	st->left = part->left;
	ret = add_part(p, st, ev, rec);
	if (ret || part->left || st->broken)
		return ret;
	st->have |= WANT_STACK;
	keep_space(st, th);
	stay_serve(p, st);
	return 0;
}

int pair_chain(struct pairing *p, struct thread *th, const struct event *ev,
	       const struct record *rec, const struct parsed_chain *chain,
	       uint64_t now)
{
	struct stay *st = stay_of(p, th, chain->cookie, now);

	if (!st)
		return -ENOMEM;
	if (st->have & WANT_CHAIN)
		return 0;
	st->chain = (struct event_record){ record_get(rec), ev };
	st->bytes += record_size(rec);
	p->capture_bytes += record_size(rec);
	st->have |= WANT_CHAIN;
	keep_space(st, th);
	stay_serve(p, st);
	return 0;
}

struct stay *pair_stay(struct pairing *p, struct thread *th, uint64_t cookie,
		       uint64_t now)
{
	return stay_of(p, th, cookie, now);
}

/* --- the way out ---------------------------------------------------------- */

struct pending *pair_pop(struct pairing *p)
{
	struct pending *w = p->leaving;

	if (!w)
		return NULL;
	p->leaving = w->next;
	if (!p->leaving)
		p->leaving_last = NULL;
	return w;
}

void pair_done(struct pairing *p, struct pending *w)
{
	record_put(p->pool, &w->record);
	if (w->stay)
		stay_put(p, w->stay);
	w->next = p->free;
	p->free = w;
}

void pair_free(struct pairing *p)
{
	struct pending *w;

	while (p->oldest)
		stay_drop(p, p->oldest, USTACK_LOST_NOT);
	while ((w = pair_pop(p)))
		pair_done(p, w);
	hash_free(&p->stays);
	while (p->free) {
		w = p->free;
		p->free = w->next;
		free(w);
	}
}
