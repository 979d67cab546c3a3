// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Word reads over the captured pieces of a stack. */
#include <errno.h>

#include "unwind.h"

const struct ustack_range *mem_range(const struct mem *mem, uint64_t addr)
{
	for (size_t i = 0; i < mem->nr; i++) {
		const struct ustack_range *r = &mem->ranges[i];

		/* One comparison: below the range the difference wraps. */
		if (addr - r->addr < r->size)
			return r;
	}
	return NULL;
}

int mem_read(const struct mem *mem, uint64_t addr, void *buf, size_t size)
{
	const struct ustack_range *r = mem_range(mem, addr);
	uint8_t *to = buf;

	if (!r)
		return mem->fallback ? mem->fallback(mem->arg, addr, buf, size)
				     : -EFAULT;
	/* A word may lie across two pieces that adjoin. */
	while (size) {
		size_t at = addr - r->addr;
		size_t n = r->size - at < size ? r->size - at : size;

		memcpy(to, r->data + at, n);
		to += n;
		addr += n;
		size -= n;
		if (size) {
			r = mem_range(mem, addr);
			if (!r)
				return -EFAULT;
		}
	}
	return 0;
}

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
