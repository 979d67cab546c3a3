// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Samples and the stacks they asked for, by (tid, cookie).
 *
 * A cookie names one stay of a task in the kernel.  Its stack record mostly
 * comes after the samples, on the way out to user space, and that may be hours
 * later if the task sleeps; it may also come first, and samples that follow in
 * the same stay share it.  So a sample waits as long as its task can still be
 * in that stay.  The stay is over when the task shows another cookie or exits;
 * records are in time order by then except for the few that were written into
 * each other (a sample hit while its stack was put out), hence SLACK.
 */
#include <stdlib.h>

#include "reader.h"

/* Time inversions are of the length of one record's output, some µs. */
#define SLACK_NS 10000000ull
/* Without times only the count can tell that a stay is long over. */
#define OVER_MAX 4096
/* Bounds for a hostile file; the oldest go first, as lost or unused. */
#define WAIT_MAX (12u << 20)
#define CAPTURE_MAX (12u << 20)

/* What a waiting sample takes, with a stay of its own at worst. */
static size_t wait_cost(const struct wait *w)
{
	return rec_size(&w->rec) + sizeof(*w) + sizeof(struct stay);
}

unsigned int pair_wants(const struct event *ev)
{
	unsigned int want = 0;

	if (ev->flags & ATTR_DEFER_USER)
		want |= WANT_STACK;
	if (ev->flags & ATTR_DEFER_CALLCHAIN)
		want |= WANT_CHAIN;
	return want;
}

/* --- stays --------------------------------------------------------------- */

static uint64_t stay_key(uint32_t tid, uint64_t cookie)
{
	return cookie ^ (uint64_t)tid << 40 ^ tid;
}

static struct stay *stay_find(const struct pair *p, uint32_t tid,
			      uint64_t cookie)
{
	uint64_t key = stay_key(tid, cookie);
	struct node *n;

	for (n = table_find(&p->stays, key); n; n = n->next) {
		struct stay *st = container_of(n, struct stay, node);

		if (n->key == key && st->tid == tid && st->cookie == cookie)
			return st;
	}
	return NULL;
}

static struct stay *stay_get(struct pair *p, uint32_t tid, uint64_t cookie)
{
	struct stay *st = stay_find(p, tid, cookie);

	if (st)
		return st;
	st = calloc(1, sizeof(*st));
	if (!st)
		return NULL;
	st->tid = tid;
	st->cookie = cookie;
	st->refs = 1;
	if (table_add(&p->stays, &st->node, stay_key(tid, cookie))) {
		free(st);
		return NULL;
	}
	st->prev = p->newest;
	if (p->newest)
		p->newest->next = st;
	else
		p->oldest = st;
	p->newest = st;
	return st;
}

static void stay_put(struct pair *p, struct stay *st)
{
	size_t i;

	if (--st->refs)
		return;
	for (i = 0; i < st->nr_parts; i++)
		rec_put(p->pool, &st->parts[i].rec);
	free(st->parts);
	rec_put(p->pool, &st->chain.rec);
	space_put(st->space);
	free(st);
}

static void out_add(struct pair *p, struct wait *w, enum ustack_pair pair,
		    enum ustack_lost lost, struct stay *st)
{
	w->pair = pair;
	w->lost = lost;
	w->next = NULL;
	if (st) {
		w->stay = st;
		st->refs++;
		st->uses++;
	}
	if (p->out_last)
		p->out_last->next = w;
	else
		p->out = w;
	p->out_last = w;
}

static void over_del(struct pair *p, struct stay *st)
{
	if (!st->over)
		return;
	if (st->cprev)
		st->cprev->cnext = st->cnext;
	else
		p->over_first = st->cnext;
	if (st->cnext)
		st->cnext->cprev = st->cprev;
	else
		p->over_last = st->cprev;
	st->over = false;
	p->nr_over--;
}

/* Why w was in vain. A ring that was full explains all but the end. */
static enum ustack_lost why_lost(const struct pair *p, const struct stay *st,
				 const struct wait *w)
{
	if (!st->over)
		return st->nr_parts ? USTACK_LOST_PART : USTACK_LOST_END;
	if (w->nr_lost != p->nr_lost)
		return USTACK_LOST_RING;
	if (st->nr_parts)
		return USTACK_LOST_PART;
	return st->exited ? USTACK_LOST_EXIT : USTACK_LOST_MISSED;
}

/*
 * Ends a stay: what still waits is lost, its capture serves nobody else.  lost:
 * why, if not for what the records tell.
 */
static void stay_drop(struct pair *p, struct stay *st, enum ustack_lost lost)
{
	while (st->first) {
		struct wait *w = st->first;

		st->first = w->next;
		p->wait_bytes -= wait_cost(w);
		out_add(p, w, USTACK_PAIR_LOST,
			lost ? lost : why_lost(p, st, w), NULL);
	}
	over_del(p, st);
	if (st->prev)
		st->prev->next = st->next;
	else
		p->oldest = st->next;
	if (st->next)
		st->next->prev = st->prev;
	else
		p->newest = st->prev;
	table_del(&p->stays, &st->node);
	p->capture_bytes -= st->bytes;
	if (st->nr_parts && !st->uses)
		p->stats->stacks_unused++;
	stay_put(p, st);
}

/* Lets go the samples that have all they wait for. */
static void stay_serve(struct pair *p, struct stay *st)
{
	struct wait **at = &st->first, *last = NULL;

	while (*at) {
		struct wait *w = *at;

		if (w->want & ~st->have) {
			last = w;
			at = &w->next;
			continue;
		}
		*at = w->next;
		p->wait_bytes -= wait_cost(w);
		out_add(p, w, USTACK_PAIR_PAIRED, USTACK_LOST_NOT, st);
	}
	st->last = last;
}

void pair_leave(struct pair *p, uint32_t tid, uint64_t cookie, uint64_t now,
		bool exited)
{
	struct stay *st = cookie ? stay_find(p, tid, cookie) : NULL;

	if (!st || st->over)
		return;
	st->over = true;
	st->exited = exited;
	st->over_time = now;
	st->cnext = NULL;
	st->cprev = p->over_last;
	if (p->over_last)
		p->over_last->cnext = st;
	else
		p->over_first = st;
	p->over_last = st;
	p->nr_over++;
}

/* The stay that a record of th belongs to, made if it is new. */
static struct stay *stay_of(struct pair *p, struct thread *th, uint64_t cookie,
			    uint64_t now)
{
	struct stay *st;

	if (th->cookie == cookie || !cookie)
		return stay_get(p, th->tid, cookie);
	st = stay_find(p, th->tid, cookie);
	/* A late record of a stay that is over: the task is not back in it. */
	if (st && st->over)
		return st;
	pair_leave(p, th->tid, th->cookie, now, false);
	th->cookie = cookie;
	return st ? st : stay_get(p, th->tid, cookie);
}

/* --- records ------------------------------------------------------------- */

static struct wait *wait_new(struct pair *p)
{
	struct wait *w = p->free;

	if (w)
		p->free = w->next;
	else
		w = malloc(sizeof(*w));
	return w;
}

int pair_sample(struct pair *p, struct thread *th, const struct event *ev,
		const struct rec *r, const struct parsed *s, uint64_t now)
{
	unsigned int want = pair_wants(ev);
	struct stay *st = NULL;
	struct wait *w;

	/*
	 * Cookie 0 is none: nothing will ever come for it.  Nor for an event
	 * that asked for nothing, whose chain can only be a damaged one.
	 */
	if (s->cookie && want) {
		st = stay_of(p, th, s->cookie, now);
		if (!st)
			return -ENOMEM;
	}
	w = wait_new(p);
	if (!w)
		return -ENOMEM;
	*w = (struct wait){
		.rec = rec_get(r),
		.ev = ev,
		.want = want,
		.pid = th->pid,
		.tid = th->tid,
		.nr_lost = p->nr_lost,
	};
	memcpy(w->comm, th->comm, sizeof(w->comm));
	if (!st) {
		out_add(p, w, USTACK_PAIR_LOST, USTACK_LOST_COOKIE, NULL);
	} else if (!(want & ~st->have)) {
		out_add(p, w, USTACK_PAIR_PAIRED, USTACK_LOST_NOT, st);
	} else {
		if (st->last)
			st->last->next = w;
		else
			st->first = w;
		st->last = w;
		p->wait_bytes += wait_cost(w);
	}
	return 0;
}

static int stay_add_part(struct pair *p, struct stay *st,
			 const struct event *ev, const struct rec *r)
{
	if (st->nr_parts == st->cap_parts) {
		size_t cap = st->cap_parts ? st->cap_parts * 2 : 1;
		struct part *parts = realloc(st->parts, cap * sizeof(*parts));

		if (!parts)
			return -ENOMEM;
		st->parts = parts;
		st->cap_parts = cap;
	}
	st->parts[st->nr_parts++] = (struct part){ rec_get(r), ev };
	st->bytes += rec_size(r);
	p->capture_bytes += rec_size(r);
	return 0;
}

/* The address space that a capture was taken in, as it is now. */
static void stay_keep_space(struct stay *st, struct thread *th)
{
	if (st->space)
		return;
	st->space = th->proc->space;
	st->space->refs++;
}

/*
 * Is there a part between the last one and this? What was announced may also
 * never come, if it could not be read: the last part then leaves nothing open.
 */
static bool part_missing(const struct stay *st, const struct stack_part *sp)
{
	uint64_t missing = st->left - sp->range.size - sp->left;

	if (st->left < sp->range.size || st->left - sp->range.size < sp->left)
		return true;
	if (!missing)
		return false;
	return sp->left || sp->range.addr == st->end + missing;
}

int pair_stack(struct pair *p, struct thread *th, const struct event *ev,
	       const struct rec *r, const struct stack_part *sp, uint64_t now)
{
	struct stay *st;
	int ret;

	p->stats->stack_bytes += rec_size(r);
	st = stay_of(p, th, sp->cookie, now);
	if (!st)
		return -ENOMEM;
	if (!st->nr_parts) {
		p->stats->stacks++;
		st->id = sp->id.id;
		st->changed = rec_misc(r) & MISC_STACK_CHANGED;
		/* Only a continuation comes without registers. */
		st->broken = ev->regs_user && !sp->abi;
	} else if (st->have & WANT_STACK || st->id != sp->id.id) {
		/* The same capture, put out for another event as well. */
		return 0;
	} else if (part_missing(st, sp)) {
		st->broken = true;
	}
	st->left = sp->left;
	st->end = sp->range.addr + sp->range.size;
	ret = stay_add_part(p, st, ev, r);
	if (ret || sp->left || st->broken)
		return ret;
	st->have |= WANT_STACK;
	stay_keep_space(st, th);
	stay_serve(p, st);
	return 0;
}

int pair_chain(struct pair *p, struct thread *th, const struct event *ev,
	       const struct rec *r, const struct chain_part *cp, uint64_t now)
{
	struct stay *st = stay_of(p, th, cp->cookie, now);

	if (!st)
		return -ENOMEM;
	if (st->have & WANT_CHAIN)
		return 0;
	st->chain = (struct part){ rec_get(r), ev };
	st->bytes += rec_size(r);
	p->capture_bytes += rec_size(r);
	st->have |= WANT_CHAIN;
	stay_keep_space(st, th);
	stay_serve(p, st);
	return 0;
}

/* --- the way out --------------------------------------------------------- */

void pair_expire(struct pair *p, uint64_t now, bool all)
{
	while (p->over_first &&
	       (p->nr_over > OVER_MAX ||
		(now > SLACK_NS && p->over_first->over_time < now - SLACK_NS)))
		stay_drop(p, p->over_first, USTACK_LOST_NOT);
	while (all && p->oldest)
		stay_drop(p, p->oldest, USTACK_LOST_NOT);
}

int pair_pack(struct pair *p)
{
	struct stay *st;
	struct wait *w;
	size_t i;
	int ret = 0;

	for (st = p->oldest; st && !ret; st = st->next) {
		for (i = 0; i < st->nr_parts && !ret; i++)
			ret = rec_pack(p->pool, &st->parts[i].rec);
		if (st->chain.rec.chunk && !ret)
			ret = rec_pack(p->pool, &st->chain.rec);
		for (w = st->first; w && !ret; w = w->next)
			ret = rec_pack(p->pool, &w->rec);
	}
	return ret;
}

void pair_trim(struct pair *p)
{
	struct stay *st, *next;

	for (st = p->oldest; st && p->wait_bytes > WAIT_MAX; st = next) {
		next = st->next;
		if (st->first)
			stay_drop(p, st, USTACK_LOST_MEMORY);
	}
	for (st = p->oldest; st && p->capture_bytes > CAPTURE_MAX; st = next) {
		next = st->next;
		if (st->bytes)
			stay_drop(p, st, USTACK_LOST_MEMORY);
	}
}

struct wait *pair_pop(struct pair *p)
{
	struct wait *w = p->out;

	if (!w)
		return NULL;
	p->out = w->next;
	if (!p->out)
		p->out_last = NULL;
	return w;
}

void pair_done(struct pair *p, struct wait *w)
{
	rec_put(p->pool, &w->rec);
	if (w->stay)
		stay_put(p, w->stay);
	w->next = p->free;
	p->free = w;
}

void pair_free(struct pair *p)
{
	struct wait *w;

	while (p->oldest)
		stay_drop(p, p->oldest, USTACK_LOST_NOT);
	while ((w = pair_pop(p)))
		pair_done(p, w);
	table_free(&p->stays);
	while (p->free) {
		w = p->free;
		p->free = w->next;
		free(w);
	}
}
