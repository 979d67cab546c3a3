/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Chunks are what records lie in: a block of the file, or copies out of rings.
 * Each record that is in use holds a reference on its chunk; a chunk without
 * any goes back to its pool.
 */
#ifndef USTACK_READ_CHUNK_H
#define USTACK_READ_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "util/bytes.h"

#ifndef CHUNK_SIZE /* fuzzing takes less */
#define CHUNK_SIZE (256u << 10)
#endif
#define RECORD_MIN 8u /* the header */
#define RECORD_MAX 65536u /* its size is a u16 */

struct chunk {
	struct chunk *next; /* free list */
	uint32_t refs;
	uint32_t used; /* bytes, where records are copied in one by one */
	uint8_t data[CHUNK_SIZE] __attribute__((aligned(16)));
};

struct chunk_pool {
	struct chunk *free;
	size_t nr_live;
	struct chunk *block; /* the first KEEP_MAX chunks, in one allocation */
	size_t nr_block; /* those of them that were ever in use */
	struct chunk *pack; /* takes copies of records that stay long */
};

/* Empty, with one reference; NULL: no memory. */
struct chunk *chunk_new(struct chunk_pool *pool);
void chunk_put(struct chunk_pool *pool, struct chunk *c);
void chunk_pool_free(struct chunk_pool *pool);

/* One whole record, 8-byte aligned, and its reference on the chunk. */
struct record {
	const uint8_t *data;
	struct chunk *chunk;
};

static inline uint32_t record_type(const struct record *r)
{
	return get32(r->data);
}

static inline uint16_t record_misc(const struct record *r)
{
	return get16(r->data + 4);
}

static inline uint16_t record_size(const struct record *r)
{
	return get16(r->data + 6);
}

static inline struct record record_get(const struct record *r)
{
	r->chunk->refs++;
	return *r;
}

static inline void record_put(struct chunk_pool *pool, struct record *r)
{
	if (r->chunk)
		chunk_put(pool, r->chunk);
	r->chunk = NULL;
}

/* Moves r into the packing chunk, so that its own may go.  0 or -ENOMEM. */
int record_pack(struct chunk_pool *pool, struct record *r);

#endif
