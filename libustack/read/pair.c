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

/*
 * A stack comes within some ms, unless its task sleeps: samples behind it are held
 * back for no longer than this, and while they and their captures take no more.
 */
#define HOLD_NS 100000000ull
#define HOLD_MAX (4u << 20)

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

/* Puts it behind all that came before. */
static void pending_init(struct pairing *p, struct pending *w,
			 const struct thread *th, const struct event *ev,
			 const struct record *rec, uint64_t time)
{
	*w = (struct pending){
		.record = record_get(rec),
		.ev = ev,
		.time = time,
		.pid = th->pid,
		.tid = th->tid,
		.nr_lost = p->nr_lost,
	};
	memcpy(w->comm, th->comm, sizeof(w->comm));
	if (p->last)
		p->last->after = w;
	else
		p->first = w;
	p->last = w;
}

bool pair_holds(const struct pairing *p)
{
	return p->first;
}

int pair_whole(struct pairing *p, struct thread *th, const struct event *ev,
	       const struct record *rec, uint64_t time)
{
	struct pending *w = pending_new(p);

	if (!w)
		return -ENOMEM;
	pending_init(p, w, th, ev, rec, time);
	w->whole = true;
	w->space = th->proc->space;
	w->space->refs++;
	leave(p, w);
	return 0;
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
	pending_init(p, w, th, ev, rec, s->time);
	w->want = want;
	if (!st)
		leave_lost(p, w, USTACK_LOST_COOKIE);
	else if (!(want & ~st->have))
		leave_paired(p, w, st);
	else if (p->captures && !st->comes)
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

/* Waits w so long, or do so many wait behind it, that it has to step aside? */
static bool out_of_patience(const struct pairing *p, const struct pending *w,
			    uint64_t now)
{
	return p->held_bytes > HOLD_MAX ||
	       (now > HOLD_NS && w->time < now - HOLD_NS);
}

static struct pending *pop(struct pending **first, struct pending **last)
{
	struct pending *w = *first;

	*first = w->after;
	if (!*first)
		*last = NULL;
	return w;
}

struct pending *pair_pop(struct pairing *p, uint64_t now)
{
	struct pending *w;

	if (p->late)
		return pop(&p->late, &p->late_last);
	while (p->first && !p->first->ready && out_of_patience(p, p->first, now))
		pop(&p->first, &p->last)->aside = true;
	if (!p->first || !p->first->ready)
		return NULL;
	w = pop(&p->first, &p->last);
	p->held_bytes -= w->held;
	return w;
}

void pair_done(struct pairing *p, struct pending *w)
{
	record_put(p->pool, &w->record);
	if (w->stay)
		stay_put(p, w->stay);
	shared_space_put(w->space);
	w->next = p->free;
	p->free = w;
}

void pair_free(struct pairing *p)
{
	struct pending *w;

	while (p->oldest)
		stay_drop(p, p->oldest, USTACK_LOST_NOT);
	while ((w = pair_pop(p, 0)))
		pair_done(p, w);
	hash_free(&p->stays);
	while (p->free) {
		w = p->free;
		p->free = w->next;
		free(w);
	}
}
