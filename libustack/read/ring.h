/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Live ring buffers: the kernel writes at their heads, and single records go
 * out, round after round through all of the rings.
 */
#ifndef USTACK_READ_RING_H
#define USTACK_READ_RING_H

#include "read/chunk.h"
#include "util/error.h"

struct ring {
	struct perf_event_mmap_page *page;
	const uint8_t *data;
	uint64_t size; /* of data, a power of two */
	uint64_t head, tail; /* of this round: read up to tail */
	uint64_t stop; /* the round does not go beyond it */
	uint64_t last; /* time of the last record read */
};

struct rings {
	struct ring *ring;
	size_t nr;
	size_t at; /* the ring being read; nr: the round is over */
	uint64_t got; /* bytes read in this round */
	struct chunk_pool *pool;
	struct chunk *fill; /* where records are copied to */
	struct errline *line;
};

/* The mapping of one ring.  0 or -errno and the line. */
int rings_add(struct rings *rs, void *base, size_t size);
/* 1 and a record (a reference of the caller's), 0 when a round is over, -errno. */
int rings_next(struct rings *rs, struct record *r);
/* When the record was written that rings_next() gave last. */
void rings_time(struct rings *rs, uint64_t time);
/* After a round: no later round brings a record older than this. */
uint64_t rings_bound(const struct rings *rs);
void rings_free(struct rings *rs);

#endif
