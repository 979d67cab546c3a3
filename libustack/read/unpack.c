// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Compressed records to the records in them. */
#include <errno.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "read/perf_abi.h"
#include "read/unpack.h"

int unpack_begin(struct unpacker *u, const struct record *r)
{
	size_t at = RECORD_MIN, size = record_size(r);

	if (record_type(r) == REC_COMPRESSED2) {
		/* header, u64 size of the data, data, padding */
		at += 8;
		if (size < at || get64(r->data + 8) > size - at)
			return -EBADMSG;
		size = at + get64(r->data + 8);
	}
	if (!u->zstd) {
		u->zstd = ZSTD_createDStream();
		if (!u->zstd)
			return -ENOMEM;
	}
	u->packed = record_get(r).chunk;
	u->in = r->data + at;
	u->size = size - at;
	u->pos = 0;
	return 0;
}

int unpack_more(struct unpacker *u, const char **why)
{
	struct stream *s = &u->out;
	ZSTD_inBuffer in = { u->in, u->size, u->pos };
	ZSTD_outBuffer out;
	size_t ret;

	if (!s->chunk || CHUNK_SIZE - s->head < RECORD_MAX ||
	    s->tail == CHUNK_SIZE) {
		int err = stream_room(s);

		if (err)
			return err;
	}
	out = (ZSTD_outBuffer){ s->chunk->data, CHUNK_SIZE, s->tail };
	ret = ZSTD_decompressStream(u->zstd, &out, &in);
	if (ZSTD_getErrorCode(ret) == ZSTD_error_memory_allocation)
		return -ENOMEM;
	if (ZSTD_isError(ret)) {
		*why = ZSTD_getErrorName(ret);
		return -EBADMSG;
	}
	/* All input was taken and there is room left: nothing is held back. */
	if (in.pos == in.size && out.pos < out.size) {
		chunk_put(s->pool, u->packed);
		u->packed = NULL;
	} else if (in.pos == u->pos && out.pos == s->tail) {
		*why = "no progress";
		return -EBADMSG;
	}
	u->pos = in.pos;
	s->tail = out.pos;
	return 0;
}

void unpack_free(struct unpacker *u)
{
	ZSTD_freeDStream(u->zstd);
	chunk_put(u->out.pool, u->packed);
	chunk_put(u->out.pool, u->out.chunk);
	u->zstd = NULL;
	u->packed = u->out.chunk = NULL;
}
