// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Merging by time, in rounds.
 *
 * perf record empties one ring after the other, and writes FINISHED_ROUND when
 * it has been through all of them.  Take the youngest record of a round: when it
 * was read, some rings had been read already, and may since have got older
 * records.  Those come in the next round.  So at the end of that one, everything
 * up to the youngest record of the round before may leave.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "read/order.h"

/*
 * A round may be as large as the rings of all CPUs, gigabytes on a large machine:
 * beyond this much memory, records are parked.
 */
#define ORDER_MAX (12u << 20)
/*
 * Not even their entries may fill the memory where a file has no rounds: beyond
 * this many, the older half leaves.
 */
#define ENTRIES_MAX (1u << 17)

static int entry_cmp(const void *a, const void *b)
{
	const struct order_entry *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* Sorts what waits and lets go what is not younger than limit. */
static void release(struct order *o, uint64_t limit)
{
	size_t i;

	for (i = o->head + 1; i < o->nr; i++)
		if (o->e[i].time < o->e[i - 1].time)
			break;
	if (i < o->nr)
		qsort(o->e + o->head, o->nr - o->head, sizeof(*o->e),
		      entry_cmp);
	for (o->ready = o->head; o->ready < o->nr; o->ready++)
		if (o->e[o->ready].time > limit)
			break;
}

bool order_full(const struct order *o)
{
	return o->bytes > ORDER_MAX;
}

int order_add(struct order *o, const struct order_entry *new)
{
	if (o->nr == o->cap && o->head) {
		memmove(o->e, o->e + o->head,
			(o->nr - o->head) * sizeof(*o->e));
		o->nr -= o->head;
		o->ready -= o->head;
		o->head = 0;
	}
	if (o->nr == o->cap) {
		size_t cap = o->cap ? o->cap * 2 : 1024;
		struct order_entry *e = realloc(o->e, cap * sizeof(*e));

		if (!e)
			return -ENOMEM;
		o->e = e;
		o->cap = cap;
	}
	o->e[o->nr] = *new;
	o->e[o->nr++].seq = o->seq++;
	if (new->record.chunk)
		o->bytes += new->size;
	if (new->time > o->max)
		o->max = new->time;
	if (new->time < o->left)
		o->late++;
	if (o->nr - o->head > ENTRIES_MAX) {
		release(o, 0);
		release(o, o->e[o->head + (o->nr - o->head) / 2].time);
	}
	return 0;
}

int order_pack(struct order *o, struct chunk_pool *pool)
{
	size_t i;

	for (i = o->head; i < o->nr; i++)
		if (o->e[i].record.chunk && record_pack(pool, &o->e[i].record))
			return -ENOMEM;
	return 0;
}

void order_round(struct order *o, uint64_t bound)
{
	release(o, bound < o->limit ? bound : o->limit);
	o->limit = o->max;
}

void order_end(struct order *o)
{
	release(o, UINT64_MAX);
}

bool order_pop(struct order *o, struct order_entry *e)
{
	if (o->head >= o->ready)
		return false;
	*e = o->e[o->head++];
	if (e->record.chunk)
		o->bytes -= e->size;
	o->left = e->time;
	if (o->head == o->nr)
		o->head = o->nr = o->ready = 0;
	return true;
}

void order_free(struct order *o, struct chunk_pool *pool)
{
	for (; o->head < o->nr; o->head++)
		record_put(pool, &o->e[o->head].record);
	free(o->e);
	memset(o, 0, sizeof(*o));
}
