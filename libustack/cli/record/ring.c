// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Rings of the kernel, each with a control page of ours in front. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/record/ring.h"

/* Records of the kernel that Debian's headers lack. */
enum { REC_CALLCHAIN_DEFERRED = 22, REC_STACK_DEFERRED = 23 };

int ring_map(struct capture_ring *r, int fd, size_t data_size)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	uint8_t *base;

	r->size = 2 * page + data_size;
	base = mmap(NULL, r->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	if (base == MAP_FAILED)
		return -errno;
	r->base = base;
	if (mmap(base, page, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) == MAP_FAILED ||
	    mmap(base + page, page + data_size, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
		int err = -errno;

		munmap(base, r->size);
		return err;
	}
	r->ours = r->base;
	r->kernel = (void *)(base + page);
	r->data = base + 2 * page;
	r->mask = data_size - 1;
	r->seen = 0;
	r->ours->data_offset = 2 * page;
	r->ours->data_size = data_size;
	return 0;
}

static bool is_sample(uint32_t type)
{
	return type == PERF_RECORD_SAMPLE || type == REC_CALLCHAIN_DEFERRED ||
	       type == REC_STACK_DEFERRED;
}

int ring_scan(struct capture_ring *r, int (*fn)(void *arg, const void *record),
	      void *arg)
{
	uint64_t head = __atomic_load_n(&r->kernel->data_head,
					__ATOMIC_ACQUIRE);
	static uint64_t copy[UINT16_MAX / 8 + 1];
	int ret = 0;

	while (r->seen < head && !ret) {
		size_t at = r->seen & r->mask, first = r->mask + 1 - at;
		const struct perf_event_header *h = (const void *)(r->data + at);

		/* Records are whole words: a header is in one piece. */
		if (h->size < sizeof(*h) || h->size % 8 ||
		    h->size > head - r->seen)
			return -EBADMSG;
		if (!is_sample(h->type)) {
			if (first > h->size)
				first = h->size;
			memcpy(copy, h, first);
			memcpy((uint8_t *)copy + first, r->data,
			       h->size - first);
			ret = fn(arg, copy);
		}
		r->seen += h->size;
	}
	__atomic_store_n(&r->ours->data_head, r->seen, __ATOMIC_RELEASE);
	return ret;
}
