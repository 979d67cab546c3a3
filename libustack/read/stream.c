// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Bytes to whole records. */
#include <errno.h>
#include <string.h>

#include "read/stream.h"

int stream_room(struct stream *s)
{
	uint32_t n = stream_left(s);
	struct chunk *c = s->chunk;

	/* Records that are in use keep the old chunk. */
	if (c && c->refs == 1) {
		memmove(c->data, c->data + s->head, n);
	} else {
		c = chunk_new(s->pool);
		if (!c)
			return -ENOMEM;
		if (n)
			memcpy(c->data, stream_head(s), n);
		chunk_put(s->pool, s->chunk);
		s->chunk = c;
	}
	s->head = 0;
	s->tail = n;
	return 0;
}

int stream_take(struct stream *s, struct record *r, uint32_t *need)
{
	uint32_t left = stream_left(s), size;

	*need = RECORD_MIN;
	if (left < RECORD_MIN)
		return 0;
	size = get16(stream_head(s) + 6);
	if (size < RECORD_MIN)
		return -EBADMSG;
	*need = size;
	if (left < size)
		return 0;
	r->data = stream_head(s);
	r->chunk = s->chunk;
	r->chunk->refs++;
	s->head += size;
	/* perf before 6.16 does not pad compressed records. */
	if ((uintptr_t)r->data & 7 && record_pack(s->pool, r)) {
		chunk_put(s->pool, r->chunk);
		return -ENOMEM;
	}
	return 1;
}
