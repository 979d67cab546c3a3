/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* Unaligned little-endian numbers, and bounds-checked bytes. */
#ifndef USTACK_UTIL_BYTES_H
#define USTACK_UTIL_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t get16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t get32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t get64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* What is left to read. */
struct buf {
	const uint8_t *p, *end;
	bool bad;		/* a read went past end: it and all later ones gave 0 */
};

static inline size_t buf_left(const struct buf *b)
{
	return b->end - b->p;
}

static inline const uint8_t *buf_skip(struct buf *b, uint64_t n)
{
	const uint8_t *p = b->p;

	if (n > buf_left(b)) {
		b->bad = true;
		b->p = b->end;
		return NULL;
	}
	b->p += n;
	return p;
}

/* Little-endian, as all that is read. */
static inline uint64_t buf_uint(struct buf *b, unsigned int size)
{
	const uint8_t *p = buf_skip(b, size);
	uint64_t val = 0;

	if (p)
		memcpy(&val, p, size);
	return val;
}

static inline uint64_t buf_u64(struct buf *b)
{
	return buf_uint(b, 8);
}

static inline int64_t buf_sint(struct buf *b, unsigned int size)
{
	unsigned int shift = 64 - 8 * size;

	return (int64_t)(buf_uint(b, size) << shift) >> shift;
}

uint64_t buf_uleb_long(struct buf *b);
int64_t buf_sleb(struct buf *b);

static inline uint64_t buf_uleb(struct buf *b)
{
	/* One byte is enough for nearly all. */
	if (b->p < b->end && *b->p < 0x80)
		return *b->p++;
	return buf_uleb_long(b);
}

#endif
