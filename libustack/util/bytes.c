// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* LEB128, as DWARF has it. */
#include "util/bytes.h"

uint64_t buf_uleb_long(struct buf *b)
{
	uint64_t val = 0;
	unsigned int shift = 0;

	for (;;) {
		uint64_t byte = buf_uint(b, 1);

		/* Bits past 64 are dropped: padded numbers are legal. */
		if (shift < 64)
			val |= (byte & 0x7f) << shift;
		shift += 7;
		if (!(byte & 0x80))
			return val;
	}
}

int64_t buf_sleb(struct buf *b)
{
	uint64_t val = 0;
	unsigned int shift = 0;

	for (;;) {
		uint64_t byte = buf_uint(b, 1);

		if (shift < 64)
			val |= (byte & 0x7f) << shift;
		shift += 7;
		if (byte & 0x80)
			continue;
		if (shift < 64 && byte & 0x40)
			val |= ~0ULL << shift;
		return (int64_t)val;
	}
}
