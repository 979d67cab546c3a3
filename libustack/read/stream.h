/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Bytes on their way to become records: they come in at the tail of a chunk,
 * and whole records go out at the head, without being copied.
 */
#ifndef USTACK_READ_STREAM_H
#define USTACK_READ_STREAM_H

#include "read/chunk.h"

struct stream {
	struct chunk_pool *pool;
	struct chunk *chunk;
	uint32_t head, tail; /* unread bytes are data[head..tail) */
};

static inline uint32_t stream_left(const struct stream *s)
{
	return s->tail - s->head;
}

static inline const uint8_t *stream_head(const struct stream *s)
{
	return s->chunk->data + s->head;
}

/* Makes room for the rest of the record at the head.  0 or -ENOMEM. */
int stream_room(struct stream *s);
/*
 * 1 and the record at the head (a reference of the caller's), 0 if it is not
 * whole: then *need bytes have to be there before the next try.  -EBADMSG if its
 * size cannot be, -ENOMEM.
 */
int stream_take(struct stream *s, struct record *r, uint32_t *need);

#endif
