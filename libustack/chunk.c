// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Blocks of the file, reused as soon as no record in them is in use.
 *
 * Records are not copied on their way: whoever keeps one holds a reference on
 * its chunk.  The few that stay long are packed together, so that they do not
 * keep whole blocks of records that are gone.
 */
#include <stdlib.h>

#include "huge.h"
#include "reader.h"

#ifndef KEEP_MAX		/* fuzzing takes less */
/* Chunks that are kept, in use or for reuse: the system's are slow to get. */
#define KEEP_MAX 64
#endif
#define BLOCK_SIZE (KEEP_MAX * sizeof(struct chunk))

/* A fault for each page of a recording would take longer than to read it. */
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

int rec_pack(struct chunk_pool *pool, struct rec *r)
{
	uint32_t size = (rec_size(r) + 7u) & ~7u;
	struct chunk *to = pool->pack;

	if (!to || CHUNK_SIZE - to->used < size) {
		to = chunk_new(pool);
		if (!to)
			return -ENOMEM;
		chunk_put(pool, pool->pack);
		pool->pack = to;
	}
	memcpy(to->data + to->used, r->data, rec_size(r));
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
