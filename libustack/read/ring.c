// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Ring buffers of perf_event_open(2) while the kernel writes them.
 *
 * They are read in rounds, as perf record does: each ring up to where its head
 * was when the round began.  Records are copied, so that the kernel gets the room
 * back at once, however long a sample waits for its stack.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "read/ring.h"

#define ROUND_MAX (4u << 20) /* bytes of all rings in one round */

/*
 * 0 if size bytes at addr may be written, or -errno; what is there stays.  The
 * kernel writes them: a store of ours to a read-only page would be a SIGSEGV.
 */
static int try_write(void *addr, size_t size)
{
	int fds[2], err = 0;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	if (write(fds[1], addr, size) != (ssize_t)size ||
	    read(fds[0], addr, size) != (ssize_t)size)
		err = -errno;
	close(fds[0]);
	close(fds[1]);
	return err;
}

int rings_add(struct rings *rs, void *base, size_t size)
{
	struct perf_event_mmap_page *page = base;
	uint64_t offset, n;
	struct ring *p;
	int err;

	if (!base || base == MAP_FAILED)
		return errline_set(rs->line, EINVAL,
				   "there is no ring: did mmap() fail?");
	if (size < sizeof(*page))
		return errline_set(rs->line, EINVAL,
				   "a ring is smaller than its control page");
	offset = page->data_offset;
	n = page->data_size;
	if (!n || n & (n - 1) || offset > size || n > size - offset)
		return errline_set(
			rs->line, EINVAL,
			"a ring is not mapped whole: map the control page and all data pages, from offset 0");
	err = try_write(&page->data_tail, sizeof(page->data_tail));
	if (err == -EFAULT)
		return errline_set(
			rs->line, EINVAL,
			"a ring is mapped without PROT_WRITE: map it readable and writable");
	if (err)
		return errline_set(rs->line, -err,
				   err == -EMFILE ?
					   "too many open files: raise the limit, ulimit -n" :
					   "cannot make a pipe to try whether a ring is writable");
	p = realloc(rs->ring, (rs->nr + 1) * sizeof(*p));
	if (!p)
		return errline_set(rs->line, ENOMEM, "out of memory");
	rs->ring = p;
	p[rs->nr] = (struct ring){
		.page = page,
		.data = (const uint8_t *)base + offset,
		.size = n,
		.tail = page->data_tail,
	};
	rs->at = ++rs->nr;
	return 0;
}

static void round_begin(struct rings *rs)
{
	uint64_t share = ROUND_MAX / rs->nr;
	size_t i;

	if (share < RECORD_MAX)
		share = RECORD_MAX;
	for (i = 0; i < rs->nr; i++) {
		struct ring *g = &rs->ring[i];

		/* Pairs with the kernel's barrier between records and head. */
		g->head = __atomic_load_n(&g->page->data_head,
					  __ATOMIC_ACQUIRE);
		g->stop = g->tail + share;
	}
	rs->at = 0;
	rs->got = 0;
}

static void ring_copy(const struct ring *g, void *to, uint64_t at, size_t size)
{
	size_t in = at & (g->size - 1), first = g->size - in;

	if (first > size)
		first = size;
	memcpy(to, g->data + in, first);
	memcpy((uint8_t *)to + first, g->data, size - first);
}

static int ring_take(struct rings *rs, struct ring *g, struct record *r)
{
	struct chunk *c = rs->fill;
	uint64_t head;
	uint16_t size;

	ring_copy(g, &head, g->tail, sizeof(head));
	size = head >> 48;
	/* The kernel writes whole words, and never more than fit. */
	if (size < 8 || size % 8 || g->head - g->tail < size ||
	    g->head - g->tail > g->size)
		return errline_set(
			rs->line, EBADMSG,
			"a ring holds a record of size %u with %llu bytes used; is it read by somebody else?",
			size, (unsigned long long)(g->head - g->tail));
	if (!c || CHUNK_SIZE - c->used < size) {
		c = chunk_new(rs->pool);
		if (!c)
			return errline_set(rs->line, ENOMEM, "out of memory");
		chunk_put(rs->pool, rs->fill);
		rs->fill = c;
	}
	r->data = c->data + c->used;
	r->chunk = c;
	c->refs++;
	ring_copy(g, c->data + c->used, g->tail, size);
	c->used += size;
	g->tail += size;
	rs->got += size;
	return 1;
}

int rings_next(struct rings *rs, struct record *r)
{
	if (rs->at == rs->nr)
		round_begin(rs);
	for (; rs->at < rs->nr; rs->at++) {
		struct ring *g = &rs->ring[rs->at];

		if (g->tail < g->head && g->tail < g->stop)
			return ring_take(rs, g, r);
		/* All was copied: the kernel may write over it. */
		__atomic_store_n(&g->page->data_tail, g->tail,
				 __ATOMIC_RELEASE);
	}
	return 0;
}

void rings_time(struct rings *rs, uint64_t time)
{
	rs->ring[rs->at].last = time;
}

uint64_t rings_bound(const struct rings *rs)
{
	uint64_t bound = UINT64_MAX;
	size_t i;

	/* What a ring still holds is younger than what was read from it. */
	for (i = 0; i < rs->nr; i++)
		if (rs->ring[i].tail < rs->ring[i].head &&
		    rs->ring[i].last < bound)
			bound = rs->ring[i].last;
	return bound;
}

void rings_free(struct rings *rs)
{
	chunk_put(rs->pool, rs->fill);
	free(rs->ring);
	rs->ring = NULL;
	rs->fill = NULL;
	rs->nr = rs->at = 0;
}
