/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* Writes perf.data records byte by byte, for the tests of the reader. */
#ifndef PERFDATA_H
#define PERFDATA_H

#include <errno.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <stdio.h>

#include "read/datafile.h"
#include "read/header.h"
#include "read/order.h"
#include "read/pair.h"
#include "read/perf_abi.h"
#include "read/procfs.h"
#include "read/ring.h"

struct pd {
	uint8_t *buf;
	size_t n, cap;
	size_t open; /* where the open record begins */
};

static inline void pd_bytes(struct pd *pd, const void *p, size_t n)
{
	if (pd->n + n > pd->cap) {
		pd->cap = (pd->n + n) * 2 + 4096;
		pd->buf = realloc(pd->buf, pd->cap);
		assert_non_null(pd->buf);
	}
	if (n)
		memcpy(pd->buf + pd->n, p, n);
	pd->n += n;
}

static inline void pd_u64(struct pd *pd, uint64_t v)
{
	pd_bytes(pd, &v, 8);
}

static inline void pd_u32x2(struct pd *pd, uint32_t a, uint32_t b)
{
	pd_bytes(pd, &a, 4);
	pd_bytes(pd, &b, 4);
}

/* A string and zeros up to the next multiple of 8. */
static inline void pd_str(struct pd *pd, const char *s)
{
	size_t n = strlen(s) + 1;

	pd_bytes(pd, s, n);
	pd_bytes(pd, "\0\0\0\0\0\0\0", -n & 7);
}

static inline void pd_begin(struct pd *pd, uint32_t type, uint16_t misc)
{
	uint16_t size = 0;

	pd->open = pd->n;
	pd_bytes(pd, &type, 4);
	pd_bytes(pd, &misc, 2);
	pd_bytes(pd, &size, 2);
}

static inline void pd_end(struct pd *pd)
{
	uint16_t size = pd->n - pd->open;

	assert_true(pd->n - pd->open <= UINT16_MAX);
	memcpy(pd->buf + pd->open + 6, &size, 2);
}

static inline void pd_pipe(struct pd *pd)
{
	pd_bytes(pd, "PERFILE2", 8);
	pd_u64(pd, 16);
}

/* Software cpu-clock, period 1000000, struct of version 6 (120 bytes). */
static inline void pd_attr(struct pd *pd, uint64_t sample_type, uint64_t flags,
			   uint64_t regs_user)
{
	pd_u32x2(pd, PERF_TYPE_SOFTWARE, 120);
	pd_u64(pd, 0);
	pd_u64(pd, 1000000);
	pd_u64(pd, sample_type);
	pd_u64(pd, 0); /* read_format */
	pd_u64(pd, flags);
	pd_u64(pd, 0); /* wakeup, bp_type */
	pd_u64(pd, 0); /* config1 */
	pd_u64(pd, 0); /* config2 */
	pd_u64(pd, 0); /* branch_sample_type */
	pd_u64(pd, regs_user);
	pd_u64(pd, 8192); /* sample_stack_user, clockid */
	pd_u64(pd, 0); /* sample_regs_intr */
	pd_u64(pd, 0);
	pd_u64(pd, 0);
}

/* --- what most tests record: one deferred event --------------------------- */

#define DEFER_TYPE                                                          \
	(PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID |        \
	 PERF_SAMPLE_TIME | PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_REGS_USER | \
	 PERF_SAMPLE_STACK_USER)
#define DEFER_FLAGS (ATTR_SAMPLE_ID_ALL | ATTR_DEFER_USER)
#define DEFER_MASK (1u << 7 | 1u << 8) /* sp, ip */
#define DEFER_ID 7

static inline void pd_defer_attr(struct pd *pd, uint64_t id, uint64_t flags)
{
	pd_begin(pd, REC_HEADER_ATTR, 0);
	pd_attr(pd, DEFER_TYPE, flags, DEFER_MASK);
	pd_u64(pd, id);
	pd_end(pd);
}

static inline void pd_start(struct pd *pd)
{
	memset(pd, 0, sizeof(*pd));
	pd_pipe(pd);
	pd_defer_attr(pd, DEFER_ID, DEFER_FLAGS);
}

/* sample_id of DEFER_TYPE */
static inline void pd_trailer(struct pd *pd, uint32_t pid, uint32_t tid,
			      uint64_t time, uint64_t id)
{
	pd_u32x2(pd, pid, tid);
	pd_u64(pd, time);
	pd_u64(pd, id);
}

/* A sample in the kernel that waits for cookie. */
static inline void pd_sample_of(struct pd *pd, uint64_t id, uint32_t pid,
				uint32_t tid, uint64_t time, uint64_t cookie)
{
	pd_begin(pd, PERF_RECORD_SAMPLE, PERF_RECORD_MISC_KERNEL);
	pd_u64(pd, id);
	pd_u64(pd, 0xffffffff81000000);
	pd_u32x2(pd, pid, tid);
	pd_u64(pd, time);
	pd_u64(pd, 4);
	pd_u64(pd, PERF_CONTEXT_KERNEL);
	pd_u64(pd, 0xffffffff81000000);
	pd_u64(pd, CONTEXT_USER_DEFERRED);
	pd_u64(pd, cookie);
	pd_u64(pd, 0); /* abi */
	pd_u64(pd, 0); /* stack size */
	pd_end(pd);
}

static inline void pd_sample(struct pd *pd, uint32_t tid, uint64_t time,
			     uint64_t cookie)
{
	pd_sample_of(pd, DEFER_ID, 100, tid, time, cookie);
}

/* One part of a capture; first: with registers. */
static inline void pd_part_of(struct pd *pd, uint64_t id, uint64_t flags,
			      uint32_t tid, uint64_t time, uint64_t cookie,
			      int first, uint64_t addr, uint64_t size,
			      uint64_t left)
{
	uint64_t i;

	pd_begin(pd, REC_STACK_DEFERRED, PERF_RECORD_MISC_USER);
	pd_u32x2(pd, 100, tid);
	pd_u64(pd, cookie);
	pd_u64(pd, flags | (first ? STACK_FIRST : 0));
	if (first) {
		pd_u64(pd, USTACK_ABI_64);
		pd_u64(pd, DEFER_MASK);
		pd_u64(pd, addr); /* sp */
		pd_u64(pd, 0x401000); /* ip */
	}
	pd_u64(pd, addr);
	pd_u64(pd, left);
	pd_u64(pd, size);
	for (i = 0; i < size; i += 8)
		pd_u64(pd, addr + i);
	if (size)
		pd_u64(pd, size);
	pd_trailer(pd, 100, tid, time, id);
	pd_end(pd);
}

static inline void pd_part(struct pd *pd, uint32_t tid, uint64_t time,
			   uint64_t cookie, int first, uint64_t addr,
			   uint64_t size, uint64_t left)
{
	pd_part_of(pd, DEFER_ID, 0, tid, time, cookie, first, addr, size, left);
}

/* A whole capture of 64 bytes. */
static inline void pd_stack(struct pd *pd, uint32_t tid, uint64_t time,
			    uint64_t cookie)
{
	pd_part(pd, tid, time, cookie, 1, 0x7ffe0000, 64, 0);
}

static inline void pd_round(struct pd *pd)
{
	pd_begin(pd, REC_FINISHED_ROUND, 0);
	pd_end(pd);
}

static inline void pd_comm(struct pd *pd, uint16_t misc, uint32_t pid,
			   uint32_t tid, uint64_t time, const char *comm)
{
	pd_begin(pd, PERF_RECORD_COMM, misc);
	pd_u32x2(pd, pid, tid);
	pd_str(pd, comm);
	pd_trailer(pd, pid, tid, time, DEFER_ID);
	pd_end(pd);
}

/* PERF_RECORD_FORK or PERF_RECORD_EXIT */
static inline void pd_task(struct pd *pd, uint32_t type, uint16_t misc,
			   uint32_t pid, uint32_t ppid, uint32_t tid,
			   uint32_t ptid, uint64_t time)
{
	pd_begin(pd, type, misc);
	pd_u32x2(pd, pid, ppid);
	pd_u32x2(pd, tid, ptid);
	pd_u64(pd, time);
	pd_trailer(pd, pid, tid, time, DEFER_ID);
	pd_end(pd);
}

static inline void pd_mmap2(struct pd *pd, uint32_t pid, uint64_t time,
			    uint64_t addr, uint64_t len, const char *path)
{
	pd_begin(pd, PERF_RECORD_MMAP2, PERF_RECORD_MISC_USER);
	pd_u32x2(pd, pid, pid);
	pd_u64(pd, addr);
	pd_u64(pd, len);
	pd_u64(pd, 0);
	pd_u64(pd, 0);
	pd_u64(pd, 0);
	pd_u64(pd, 0);
	pd_u64(pd, 5); /* PROT_READ | PROT_EXEC, MAP_PRIVATE is 2 << 32 */
	pd_str(pd, path);
	pd_trailer(pd, pid, pid, time, DEFER_ID);
	pd_end(pd);
}

/* --- reading it back ------------------------------------------------------ */

struct pd_reader {
	struct ustack_images *images;
	struct ustack_reader *reader;
	int fd;
	char path[32];
};

/* The end of a pipe that all of pd comes out of. */
static inline int pd_pipe_end(const struct pd *pd)
{
	size_t done = 0;
	int end[2];
	ssize_t n;

	assert_int_equal(pipe(end), 0);
	if (!fork()) {
		close(end[0]);
		for (; done < pd->n; done += n)
			if ((n = write(end[1], pd->buf + done, pd->n - done)) < 0)
				break;
		_exit(0);
	}
	close(end[1]);
	return end[0];
}

/* What pd holds comes as a stream; pd is empty then. */
static inline void pd_stream(struct pd *pd, struct pd_reader *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = pd_pipe_end(pd);
	snprintf(r->path, sizeof(r->path), "/proc/self/fd/%d", r->fd);
	free(pd->buf);
	memset(pd, 0, sizeof(*pd));
}

/* A file in memory with what pd holds; pd is empty then. */
static inline void pd_file(struct pd *pd, struct pd_reader *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = memfd_create("perf.data", 0);
	assert_true(r->fd >= 0);
	assert_int_equal(write(r->fd, pd->buf, pd->n), pd->n);
	snprintf(r->path, sizeof(r->path), "/proc/self/fd/%d", r->fd);
	free(pd->buf);
	memset(pd, 0, sizeof(*pd));
}

static inline int pd_open_path(struct pd_reader *r)
{
	assert_int_equal(ustack_images_new(&r->images, NULL), 0);
	assert_int_equal(ustack_reader_new(&r->reader, r->images), 0);
	return ustack_reader_open(r->reader, r->path);
}

static inline int pd_open(struct pd *pd, struct pd_reader *r)
{
	pd_file(pd, r);
	return pd_open_path(r);
}

static inline int pd_open_stream(struct pd *pd, struct pd_reader *r)
{
	pd_stream(pd, r);
	return pd_open_path(r);
}

static inline const struct ustack_sample *pd_next(struct pd_reader *r)
{
	const struct ustack_sample *s;

	assert_int_equal(ustack_reader_next(r->reader, &s), 1);
	return s;
}

static inline void pd_expect(struct pd_reader *r, uint64_t time,
			     enum ustack_pair pair)
{
	const struct ustack_sample *s = pd_next(r);

	assert_int_equal(s->time, time);
	assert_int_equal(s->pair, pair);
}

static inline struct ustack_stats pd_stats(const struct pd_reader *r)
{
	struct ustack_stats st = { .sz = sizeof(st) };

	ustack_reader_stats(r->reader, &st);
	return st;
}

static inline void pd_expect_lost(struct pd_reader *r, uint64_t time,
				  enum ustack_lost lost)
{
	const struct ustack_sample *s = pd_next(r);

	assert_int_equal(s->time, time);
	assert_int_equal(s->pair, USTACK_PAIR_LOST);
	assert_string_equal(ustack_lost_name(s->lost), ustack_lost_name(lost));
	assert_true(pd_stats(r).lost_by[lost] > 0);
}

static inline void pd_expect_end(struct pd_reader *r, int ret)
{
	const struct ustack_sample *s;

	assert_int_equal(ustack_reader_next(r->reader, &s), ret);
	assert_null(s);
}

static inline void pd_close(struct pd_reader *r)
{
	ustack_reader_free(r->reader);
	ustack_images_free(r->images);
	close(r->fd);
}

#endif
