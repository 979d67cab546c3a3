/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Merges what the CPUs recorded: records come in as they were read, ring after
 * ring, and go out by time as soon as no older one can follow.
 */
#ifndef USTACK_READ_ORDER_H
#define USTACK_READ_ORDER_H

#include <stdbool.h>

#include "read/chunk.h"
#include "read/event.h"

struct order_entry {
	uint64_t time, seq;
	struct record record; /* without a chunk if it is parked */
	uint64_t parked; /* where datafile_fetch() finds it */
	const struct event *ev;
	uint32_t size; /* of the record */
};

struct order {
	struct order_entry *e;
	size_t head, nr, cap; /* e[head..nr) wait */
	size_t ready; /* e[head..ready) may leave */
	size_t bytes; /* of the waiting records that are not parked */
	uint64_t seq;
	uint64_t max; /* greatest time ever added */
	uint64_t limit; /* the next round lets go what is not younger */
	uint64_t left; /* greatest time that left */
	uint64_t late; /* records that came after a younger one had left */
};

/* So much memory waits that more should be parked. */
bool order_full(const struct order *o);
/* Takes over e->record; sets seq itself.  0 or -ENOMEM. */
int order_add(struct order *o, const struct order_entry *e);
/* Moves what waits out of chunks that it shares with what is gone. */
int order_pack(struct order *o, struct chunk_pool *pool);
/*
 * A round is over (PERF_RECORD_FINISHED_ROUND).  What is younger than bound
 * stays in any case; UINT64_MAX: the rounds alone tell.
 */
void order_round(struct order *o, uint64_t bound);
/* Nothing follows: all may leave. */
void order_end(struct order *o);
bool order_pop(struct order *o, struct order_entry *e);
void order_free(struct order *o, struct chunk_pool *pool);

#endif
