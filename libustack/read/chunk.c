// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Chunks, reused as soon as no record in them is in use.
 *
 * Records are not copied on their way through the reader.  The few that stay
 * long are packed together in the end: one of them would otherwise keep a whole
 * chunk of records that are long gone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "read/chunk.h"
#include "util/huge.h"

#ifndef KEEP_MAX /* fuzzing takes less */
/* Chunks that are never given back to the system. */
#define KEEP_MAX 64
#endif
#define BLOCK_SIZE (KEEP_MAX * sizeof(struct chunk))

/*
 * The pages of fresh memory are faulted in one by one, which would take longer
 * than reading the recording into them.
 */
static struct chunk *chunk_alloc(struct chunk_pool *pool)
{
	if (!pool->block) {
		pool->block = huge_alloc(BLOCK_SIZE);
		if (!pool->block)
			return NULL;
	}
	return pool->nr_block < KEEP_MAX ? &pool->block[pool->nr_block++] :
					   malloc(sizeof(struct chunk));
}

struct chunk *chunk_new(struct chunk_pool *pool)
{
	struct chunk *c = pool->free;

	if (c) {
		pool->free = c->next;
	} else {
		c = chunk_alloc(pool);
		if (!c)
			return NULL;
	}
	c->next = NULL;
	c->refs = 1;
	c->used = 0;
	pool->nr_live++;
	return c;
}

void chunk_put(struct chunk_pool *pool, struct chunk *c)
{
	if (!c || --c->refs)
		return;
	pool->nr_live--;
	if ((uintptr_t)c - (uintptr_t)pool->block >= BLOCK_SIZE) {
		free(c);
		return;
	}
	c->next = pool->free;
	pool->free = c;
}

int record_pack(struct chunk_pool *pool, struct record *r)
{
	uint32_t size = (record_size(r) + 7u) & ~7u;
	struct chunk *to = pool->pack;

	if (!to || CHUNK_SIZE - to->used < size) {
		to = chunk_new(pool);
		if (!to)
			return -ENOMEM;
		chunk_put(pool, pool->pack);
		pool->pack = to;
	}
	memcpy(to->data + to->used, r->data, record_size(r));
	chunk_put(pool, r->chunk);
	r->data = to->data + to->used;
	r->chunk = to;
	to->refs++;
	to->used += size;
	return 0;
}

void chunk_pool_free(struct chunk_pool *pool)
{
	chunk_put(pool, pool->pack);
	pool->pack = NULL;
	free(pool->block);
	pool->block = NULL;
	pool->free = NULL;
	pool->nr_block = 0;
}
