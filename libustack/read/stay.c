// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The stays that are known, by (tid, cookie) and by age. */
#include <stdlib.h>

#include "read/stay.h"

/* Time inversions are as long as one record takes to be written, some µs. */
#define SLACK_NS 10000000ull
/* In a recording without times only their number tells that a stay is over. */
#define OVER_MAX 4096
/* Bounds for a hostile file; the oldest go first, as lost or unused. */
#define PENDING_MAX (12u << 20)
#define CAPTURE_MAX (12u << 20)

/* What a waiting sample takes, with a stay of its own at worst. */
static size_t pending_cost(const struct pending *w)
{
	return record_size(&w->record) + sizeof(*w) + sizeof(struct stay);
}

static uint64_t stay_key(uint32_t tid, uint64_t cookie)
{
	return cookie ^ (uint64_t)tid << 40 ^ tid;
}

struct stay *stay_find(const struct pairing *p, uint32_t tid, uint64_t cookie)
{
	struct hash_node *n = hash_find(&p->stays, stay_key(tid, cookie));

	for (; n; n = hash_next(n)) {
		struct stay *st = container_of(n, struct stay, node);

		if (st->tid == tid && st->cookie == cookie)
			return st;
	}
	return NULL;
}

struct stay *stay_get(struct pairing *p, uint32_t tid, uint64_t cookie)
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
	if (hash_add(&p->stays, &st->node, stay_key(tid, cookie))) {
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

void stay_forget(struct pairing *p, struct stay *st)
{
	for (size_t i = 0; i < st->nr_parts; i++)
		record_put(p->pool, &st->parts[i].record);
	record_put(p->pool, &st->chain.record);
	p->capture_bytes -= st->bytes;
	st->nr_parts = st->bytes = 0;
	st->have = 0;
	st->broken = st->throttled = st->changed = st->comes = false;
}

void stay_put(struct pairing *p, struct stay *st)
{
	if (--st->refs)
		return;
	for (size_t i = 0; i < st->nr_parts; i++)
		record_put(p->pool, &st->parts[i].record);
	free(st->parts);
	record_put(p->pool, &st->chain.record);
	shared_space_put(st->space);
	free(st);
}

/* --- samples come and go -------------------------------------------------- */

void leave(struct pairing *p, struct pending *w)
{
	w->ready = true;
	if (!w->aside) {
		w->held = pending_cost(w) + (w->stay ? w->stay->bytes : 0);
		p->held_bytes += w->held;
		return;
	}
	w->after = NULL;
	if (p->late_last)
		p->late_last->after = w;
	else
		p->late = w;
	p->late_last = w;
	p->stats->late_samples++;
}

void leave_paired(struct pairing *p, struct pending *w, struct stay *st)
{
	w->pair = USTACK_PAIR_PAIRED;
	w->lost = USTACK_LOST_NOT;
	w->stay = st;
	st->refs++;
	st->uses++;
	leave(p, w);
}

void leave_lost(struct pairing *p, struct pending *w, enum ustack_lost lost)
{
	w->pair = USTACK_PAIR_LOST;
	w->lost = lost;
	leave(p, w);
}

void stay_wait(struct pairing *p, struct stay *st, struct pending *w)
{
	w->next = NULL;
	if (st->last)
		st->last->next = w;
	else
		st->first = w;
	st->last = w;
	p->pending_bytes += pending_cost(w);
}

void stay_serve(struct pairing *p, struct stay *st)
{
	struct pending **at = &st->first, *last = NULL;

	while (*at) {
		struct pending *w = *at;

		if (w->want & ~st->have) {
			last = w;
			at = &w->next;
			continue;
		}
		*at = w->next;
		p->pending_bytes -= pending_cost(w);
		leave_paired(p, w, st);
	}
	st->last = last;
}

/* --- stays end ------------------------------------------------------------ */

void pair_task_left(struct pairing *p, uint32_t tid, uint64_t cookie,
		    uint64_t now, bool exited)
{
	struct stay *st = cookie ? stay_find(p, tid, cookie) : NULL;

	if (!st || st->over)
		return;
	st->over = true;
	st->exited = exited;
	st->over_time = now;
	st->over_next = NULL;
	st->over_prev = p->over_last;
	if (p->over_last)
		p->over_last->over_next = st;
	else
		p->over_first = st;
	p->over_last = st;
	p->nr_over++;
}

static void unlink_over(struct pairing *p, struct stay *st)
{
	if (!st->over)
		return;
	if (st->over_prev)
		st->over_prev->over_next = st->over_next;
	else
		p->over_first = st->over_next;
	if (st->over_next)
		st->over_next->over_prev = st->over_prev;
	else
		p->over_last = st->over_prev;
	st->over = false;
	p->nr_over--;
}

/*
 * Why the stack of w never came.  If a ring was full meanwhile, that explains
 * every case but the recording's end.
 */
static enum ustack_lost why_lost(const struct pairing *p, const struct stay *st,
				 const struct pending *w)
{
	if (st->throttled)
		return USTACK_LOST_THROTTLED;
	if (!st->over)
		return st->nr_parts ? USTACK_LOST_PART : USTACK_LOST_END;
	if (w->nr_lost != p->nr_lost)
		return USTACK_LOST_RING;
	if (st->nr_parts)
		return USTACK_LOST_PART;
	return st->exited ? USTACK_LOST_EXIT : USTACK_LOST_MISSED;
}

void stay_drop(struct pairing *p, struct stay *st, enum ustack_lost lost)
{
	while (st->first) {
		struct pending *w = st->first;

		st->first = w->next;
		p->pending_bytes -= pending_cost(w);
		leave_lost(p, w, lost ? lost : why_lost(p, st, w));
	}
	unlink_over(p, st);
	if (st->prev)
		st->prev->next = st->next;
	else
		p->oldest = st->next;
	if (st->next)
		st->next->prev = st->prev;
	else
		p->newest = st->prev;
	hash_del(&p->stays, &st->node);
	p->capture_bytes -= st->bytes;
	if (st->nr_parts && !st->uses && !p->captures)
		p->stats->stacks_unused++;
	stay_put(p, st);
}

void pair_expire(struct pairing *p, uint64_t now, bool all)
{
	while (p->over_first &&
	       (p->nr_over > OVER_MAX ||
		(now > SLACK_NS && p->over_first->over_time < now - SLACK_NS)))
		stay_drop(p, p->over_first, USTACK_LOST_NOT);
	while (all && p->oldest)
		stay_drop(p, p->oldest, USTACK_LOST_NOT);
}

/* --- bounds of memory ----------------------------------------------------- */

void pair_trim(struct pairing *p)
{
	struct stay *st, *next;

	for (st = p->oldest; st && p->pending_bytes > PENDING_MAX; st = next) {
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

static int stay_pack(struct pairing *p, struct stay *st)
{
	int ret = 0;

	for (size_t i = 0; i < st->nr_parts && !ret; i++)
		ret = record_pack(p->pool, &st->parts[i].record);
	if (st->chain.record.chunk && !ret)
		ret = record_pack(p->pool, &st->chain.record);
	for (struct pending *w = st->first; w && !ret; w = w->next)
		ret = record_pack(p->pool, &w->record);
	return ret;
}

int pair_pack(struct pairing *p)
{
	int ret = 0;

	for (struct stay *st = p->oldest; st && !ret; st = st->next)
		ret = stay_pack(p, st);
	return ret;
}
