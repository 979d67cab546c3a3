// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The perf clock, told by the kernel whenever our thread changes its name. */
#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/record/clock.h"
#include "util/bytes.h"

#define DATA_SIZE ((size_t)sysconf(_SC_PAGESIZE))

void clock_open(struct record_clock *c)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TIME,
		.sample_id_all = 1,
		.comm = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
	void *ring;

	c->ring = NULL;
	c->fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1,
			PERF_FLAG_FD_CLOEXEC);
	if (c->fd < 0)
		return;
	ring = mmap(NULL, 2 * DATA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		    c->fd, 0);
	if (ring != MAP_FAILED)
		c->ring = ring;
}

uint64_t clock_now(struct record_clock *c)
{
	struct perf_event_mmap_page *page = (void *)c->ring;
	char name[16];
	uint64_t head;

	if (!c->ring || prctl(PR_GET_NAME, name) || prctl(PR_SET_NAME, name))
		return 0;
	head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE);
	if (head == page->data_tail)
		return 0;
	__atomic_store_n(&page->data_tail, head, __ATOMIC_RELEASE);
	/* The time is the last word of the record. */
	return get64(c->ring + DATA_SIZE + (head - 8) % DATA_SIZE);
}

void clock_close(struct record_clock *c)
{
	if (c->ring)
		munmap(c->ring, 2 * DATA_SIZE);
	if (c->fd >= 0)
		close(c->fd);
	*c = (struct record_clock){ .fd = -1 };
}
