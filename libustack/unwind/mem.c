// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Bytes of the captured ranges. */
#include <errno.h>
#include <string.h>

#include "unwind/mem.h"
#include "util/search.h"

static bool ends_below(const void *ranges, size_t i, uint64_t addr)
{
	const struct ustack_range *r = (const struct ustack_range *)ranges + i;

	return addr >= r->addr && addr - r->addr >= r->size;
}

const struct ustack_range *mem_range(const struct mem *mem, uint64_t addr)
{
	size_t i = 0;

	if (range_holds(mem->stack, addr))
		return mem->stack;
	if (mem->sorted)
		i = search(mem->nr, ends_below, mem->ranges, addr);
	else
		while (i < mem->nr && !range_holds(&mem->ranges[i], addr))
			i++;
	return i < mem->nr && range_holds(&mem->ranges[i], addr) ?
		       &mem->ranges[i] :
		       NULL;
}

int mem_read(const struct mem *mem, uint64_t addr, void *buf, size_t size)
{
	const struct ustack_range *r = mem_range(mem, addr);
	uint8_t *to = buf;

	if (!r)
		return mem->fallback ? mem->fallback(mem->arg, addr, buf, size)
				     : -EFAULT;
	/* A word may span two adjacent ranges. */
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
