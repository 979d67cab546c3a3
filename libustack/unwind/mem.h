/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* In: captured ranges, and what else can be read.  Out: words by address. */
#ifndef USTACK_UNWIND_MEM_H
#define USTACK_UNWIND_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ustack.h"
#include "util/bytes.h"

struct mem {
	/* The range that most words are in: never NULL, but may be empty. */
	const struct ustack_range *stack;
	const struct ustack_range *ranges;
	size_t nr;
	bool sorted;		/* and none overlaps: searched in log nr */
	bool is_32;		/* words have 4 bytes, and so have addresses */
	/* Asked for what no range holds; 0 or -EFAULT.  May be NULL. */
	int (*fallback)(void *arg, uint64_t addr, void *buf, size_t size);
	void *arg;
};

/* stack becomes the first range. */
static inline void mem_init(struct mem *mem, const struct ustack_range *ranges,
			    size_t nr)
{
	static const struct ustack_range none;

	*mem = (struct mem){
		.stack = nr ? ranges : &none, .ranges = ranges, .nr = nr,
	};
}

static inline bool range_holds(const struct ustack_range *r, uint64_t addr)
{
	/* Below the range, the difference wraps. */
	return addr - r->addr < r->size;
}

/* The range that holds addr, or NULL. */
const struct ustack_range *mem_range(const struct mem *mem, uint64_t addr);
/* Reads size bytes, from ranges or from the fallback.  0 or -EFAULT. */
int mem_read(const struct mem *mem, uint64_t addr, void *buf, size_t size);

static inline int mem_read_u64(const struct mem *mem, uint64_t addr,
			       uint64_t *val)
{
	const struct ustack_range *r = mem->stack;

	if (r->size >= 8 && addr - r->addr <= r->size - 8) {
		*val = get64(r->data + (addr - r->addr));
		return 0;
	}
	return mem_read(mem, addr, val, 8);
}

static inline unsigned int mem_word_size(const struct mem *mem)
{
	return mem->is_32 ? 4 : 8;
}

static inline int mem_read_word(const struct mem *mem, uint64_t addr,
				uint64_t *val)
{
	if (!mem->is_32)
		return mem_read_u64(mem, addr, val);
	*val = 0;
	return mem_read(mem, addr, val, 4);
}

#endif
