// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Samples of a stream meet their stack records by (tid, cookie), and each leaves
 * once.  Of files: test_captures.c.
 */
#include "perfdata.h"

#define MS 1000000ull

static void open_ok(struct pd *pd, struct pd_reader *r)
{
	assert_int_equal(pd_open_stream(pd, r), 0);
}

static void sample_then_stack(void **state)
{
	const struct ustack_sample *s;
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_comm(&pd, 0, 100, 101, 500, "worker");
	pd_sample(&pd, 101, 1000, 0xc1);
	pd_part_of(&pd, DEFER_ID, STACK_CHANGED, 101, 2000, 0xc1, 1,
		   0x7ffe1000, 64, 0);
	open_ok(&pd, &r);
	s = pd_next(&r);
	assert_int_equal(s->time, 1000);
	assert_int_equal(s->pair, USTACK_PAIR_PAIRED);
	assert_int_equal(s->tid, 101);
	assert_int_equal(s->cookie, 0xc1);
	assert_string_equal(s->comm, "worker");
	assert_string_equal(s->event, "cpu-clock");
	assert_int_equal(s->period, 1000000);
	assert_int_equal(s->cpu, UINT32_MAX);
	assert_int_equal(s->stack_changed, 1);
	assert_int_equal(s->regs.abi, USTACK_ABI_64);
	assert_int_equal(s->regs.mask, DEFER_MASK);
	assert_int_equal(s->regs.val[7], 0x7ffe1000);
	assert_int_equal(s->regs.val[8], 0x401000);
	assert_int_equal(s->nr_ranges, 1);
	assert_int_equal(s->ranges[0].addr, 0x7ffe1000);
	assert_int_equal(s->ranges[0].size, 64);
	assert_int_equal(get64(s->ranges[0].data + 56), 0x7ffe1000 + 56);
	assert_int_equal(s->record_size, 8 + 11 * 8);
	pd_expect_end(&r, 0);
	assert_int_equal(pd_stats(&r).samples, 1);
	assert_int_equal(pd_stats(&r).paired, 1);
	assert_int_equal(pd_stats(&r).stacks, 1);
	assert_int_equal(pd_stats(&r).stacks_unused, 0);
	pd_close(&r);
}

static void stack_then_samples(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_stack(&pd, 101, 1000, 0xc1);
	pd_sample(&pd, 101, 1001, 0xc1);
	pd_sample(&pd, 101, 900000 * MS, 0xc1); /* much later, same stay */
	open_ok(&pd, &r);
	pd_expect(&r, 1001, USTACK_PAIR_PAIRED);
	pd_expect(&r, 900000 * MS, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, 0);
	assert_int_equal(pd_stats(&r).stacks_unused, 0);
	pd_close(&r);
}

static void samples_share(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 101, 1000, 0xc1);
	pd_sample(&pd, 102, 1001, 0xc2);
	pd_sample(&pd, 101, 1002, 0xc1);
	pd_stack(&pd, 101, 2000, 0xc1);
	pd_sample(&pd, 101, 2001, 0xc1);
	pd_stack(&pd, 102, 3000, 0xc2);
	open_ok(&pd, &r);
	pd_expect(&r, 1000, USTACK_PAIR_PAIRED);
	pd_expect(&r, 1001, USTACK_PAIR_PAIRED);
	pd_expect(&r, 1002, USTACK_PAIR_PAIRED);
	pd_expect(&r, 2001, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, 0);
	assert_int_equal(pd_stats(&r).stacks, 2);
	pd_close(&r);
}

static void same_cookie_other_tid(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 101, 1000, 0xc1);
	pd_stack(&pd, 102, 2000, 0xc1);
	open_ok(&pd, &r);
	pd_expect_lost(&r, 1000, USTACK_LOST_END);
	pd_expect_end(&r, 0);
	assert_int_equal(pd_stats(&r).lost, 1);
	assert_int_equal(pd_stats(&r).stacks_unused, 1);
	pd_close(&r);
}

static void several_parts(void **state)
{
	const struct ustack_sample *s;
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 101, 1000, 0xc1);
	pd_part(&pd, 101, 2000, 0xc1, 1, 0x7ffe0000, 4096, 8192 + 64);
	/* a sample of another task in between */
	pd_sample(&pd, 102, 2001, 0xc2);
	pd_part(&pd, 101, 2002, 0xc1, 0, 0x7ffe1000, 8192, 64);
	pd_part(&pd, 101, 2003, 0xc1, 0, 0x55550000, 64, 0); /* another stack */
	pd_stack(&pd, 102, 2004, 0xc2);
	open_ok(&pd, &r);
	s = pd_next(&r);
	assert_int_equal(s->time, 1000);
	assert_int_equal(s->pair, USTACK_PAIR_PAIRED);
	assert_int_equal(s->regs.val[7], 0x7ffe0000);
	assert_int_equal(s->nr_ranges, 3);
	assert_int_equal(s->ranges[1].addr, 0x7ffe1000);
	assert_int_equal(s->ranges[1].size, 8192);
	assert_int_equal(get64(s->ranges[1].data + 8184), 0x7ffe1000 + 8184);
	assert_int_equal(s->ranges[2].addr, 0x55550000);
	pd_expect(&r, 2001, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, 0);
	assert_int_equal(pd_stats(&r).stacks, 2);
	pd_close(&r);
}

/*
 * A part that fell to a full ring makes the whole capture useless: none comes
 * after it, and without the first there are no registers.
 */
static void part_missing(void **state)
{
	int first;

	(void)state;
	for (first = 0; first < 2; first++) {
		struct pd_reader r;
		struct pd pd;

		pd_start(&pd);
		pd_sample(&pd, 101, 1000, 0xc1);
		if (first)
			pd_part(&pd, 101, 2000, 0xc1, 1, 0x7ffe0000, 64, 64);
		else
			pd_part(&pd, 101, 2001, 0xc1, 0, 0x7ffe0040, 64, 0);
		open_ok(&pd, &r);
		pd_expect_lost(&r, 1000, USTACK_LOST_PART);
		pd_expect_end(&r, 0);
		assert_int_equal(pd_stats(&r).stacks, 1);
		assert_int_equal(pd_stats(&r).stacks_unused, 1);
		pd_close(&r);
	}
}

/* left is what can come at most, and a capture has one first part. */
static void part_of_another(void **state)
{
	static const struct {
		int first;
		uint64_t size, left;
	} then[] = { { 0, 128, 0 }, { 0, 64, 64 }, { 0, 8, UINT64_MAX - 7 }, { 1, 64, 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof(then) / sizeof(*then); i++) {
		struct pd_reader r;
		struct pd pd;

		pd_start(&pd);
		pd_sample(&pd, 101, 1000, 0xc1);
		pd_part(&pd, 101, 2000, 0xc1, 1, 0x7ffe0000, 64, 64);
		pd_part(&pd, 101, 2001, 0xc1, then[i].first, 0x7ffe0040,
			then[i].size, then[i].left);
		open_ok(&pd, &r);
		pd_expect_lost(&r, 1000, USTACK_LOST_PART);
		pd_expect_end(&r, 0);
		pd_close(&r);
	}
}

/* Flags of a kernel to come: nobody knows what the record is. */
static void part_unknown(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 101, 1000, 0xc1);
	pd_part_of(&pd, DEFER_ID, 1u << 20, 101, 1999, 0xc1, 1, 0x1000, 64, 0);
	pd_stack(&pd, 101, 2000, 0xc1);
	open_ok(&pd, &r);
	pd_expect(&r, 1000, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, 0);
	assert_int_equal(pd_stats(&r).stacks, 1);
	pd_close(&r);
}

/* The kernel says that it left the stack out. */
static void stack_throttled(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 101, 1000, 0xc1);
	pd_part_of(&pd, DEFER_ID, STACK_THROTTLED, 101, 2000, 0xc1, 1, 0, 0, 0);
	pd_sample(&pd, 101, 3000, 0xc2);
	pd_stack(&pd, 101, 4000, 0xc2);
	open_ok(&pd, &r);
	pd_expect_lost(&r, 1000, USTACK_LOST_THROTTLED);
	pd_expect(&r, 3000, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, 0);
	pd_close(&r);
}

/* What was announced could not be read: the last part leaves nothing open. */
static void part_cut(void **state)
{
	static const struct {
		uint64_t addr, size;
	} last[] = {
		{ 0x7ffe0040, 0 },
		{ 0x7ffe0040, 32 },
		{ 0x55550000, 64 }, /* another stack */
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(last) / sizeof(*last); i++) {
		const struct ustack_sample *s;
		struct pd_reader r;
		struct pd pd;

		pd_start(&pd);
		pd_sample(&pd, 101, 1000, 0xc1);
		pd_part(&pd, 101, 2000, 0xc1, 1, 0x7ffe0000, 64, 128);
		pd_part(&pd, 101, 2001, 0xc1, 0, last[i].addr, last[i].size, 0);
		open_ok(&pd, &r);
		s = pd_next(&r);
		assert_int_equal(s->pair, USTACK_PAIR_PAIRED);
		assert_int_equal(s->nr_ranges, last[i].size ? 2 : 1);
		pd_expect_end(&r, 0);
		pd_close(&r);
	}
}

/* sp pointed to no memory: a capture without data is one all the same. */
static void empty_capture(void **state)
{
	const struct ustack_sample *s;
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 101, 1000, 0xc1);
	pd_part(&pd, 101, 2000, 0xc1, 1, 0x10, 0, 0);
	open_ok(&pd, &r);
	s = pd_next(&r);
	assert_int_equal(s->pair, USTACK_PAIR_PAIRED);
	assert_int_equal(s->nr_ranges, 0);
	assert_int_equal(s->regs.abi, USTACK_ABI_64);
	pd_expect_end(&r, 0);
	pd_close(&r);
}

/* Another cookie of the task ends the wait, but not at once. */
static void lost_by_next_cookie(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 101, 1 * MS, 0xc1);
	pd_sample(&pd, 102, 2 * MS, 0xd1);
	pd_sample(&pd, 101, 3 * MS, 0xc2);
	pd_stack(&pd, 101, 4 * MS, 0xc2);
	/* inverted times: still in time, though 0xc2 was seen */
	pd_stack(&pd, 101, 5 * MS, 0xc1);
	pd_sample(&pd, 101, 6 * MS, 0xc3);
	pd_sample(&pd, 101, 7 * MS, 0xc4);
	pd_stack(&pd, 101, 8 * MS, 0xc4);
	pd_sample(&pd, 103, 50 * MS, 0xe1);
	pd_stack(&pd, 103, 51 * MS, 0xe1);
	/* 102 slept all the time: it may still come back */
	pd_stack(&pd, 102, 90000 * MS, 0xd1);
	open_ok(&pd, &r);
	pd_expect(&r, 1 * MS, USTACK_PAIR_PAIRED);
	pd_expect(&r, 2 * MS, USTACK_PAIR_PAIRED);
	pd_expect(&r, 3 * MS, USTACK_PAIR_PAIRED);
	pd_expect_lost(&r, 6 * MS, USTACK_LOST_MISSED);
	pd_expect(&r, 7 * MS, USTACK_PAIR_PAIRED);
	pd_expect(&r, 50 * MS, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, 0);
	assert_int_equal(pd_stats(&r).samples, 6);
	assert_int_equal(pd_stats(&r).lost, 1);
	assert_int_equal(pd_stats(&r).stacks_unused, 0);
	pd_close(&r);
}

/* A late record of an earlier stay does not end the current one. */
static void late_record(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 101, 1 * MS, 0xc1);
	pd_sample(&pd, 101, 2 * MS, 0xc2);
	pd_stack(&pd, 101, 3 * MS, 0xc1);
	/* 101 sleeps in 0xc2 while another task makes the time pass */
	pd_sample(&pd, 102, 500 * MS, 0xd1);
	pd_stack(&pd, 102, 501 * MS, 0xd1);
	pd_stack(&pd, 101, 900 * MS, 0xc2);
	open_ok(&pd, &r);
	pd_expect(&r, 1 * MS, USTACK_PAIR_PAIRED);
	pd_expect(&r, 500 * MS, USTACK_PAIR_PAIRED);
	pd_expect(&r, 2 * MS, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, 0);
	pd_close(&r);
}

static void lost_by_exit(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 101, 1 * MS, 0xc1);
	pd_task(&pd, PERF_RECORD_EXIT, 0, 100, 100, 101, 100, 2 * MS);
	pd_sample(&pd, 102, 100 * MS, 0xd1);
	pd_stack(&pd, 102, 101 * MS, 0xd1);
	open_ok(&pd, &r);
	pd_expect_lost(&r, 1 * MS, USTACK_LOST_EXIT);
	pd_expect(&r, 100 * MS, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, 0);
	pd_close(&r);
}

/* A ring was full after the first sample was taken, and before the second. */
static void lost_by_ring(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 101, 1 * MS, 0xc1);
	pd_begin(&pd, PERF_RECORD_LOST, 0);
	pd_u64(&pd, DEFER_ID);
	pd_u64(&pd, 3); /* records */
	pd_trailer(&pd, 101, 101, 2 * MS, DEFER_ID);
	pd_end(&pd);
	pd_sample(&pd, 101, 3 * MS, 0xc2);
	pd_sample(&pd, 101, 4 * MS, 0xc3);
	pd_stack(&pd, 101, 5 * MS, 0xc3);
	pd_sample(&pd, 101, 100 * MS, 0xc4);
	open_ok(&pd, &r);
	pd_expect_lost(&r, 1 * MS, USTACK_LOST_RING);
	pd_expect_lost(&r, 3 * MS, USTACK_LOST_MISSED);
	pd_expect(&r, 4 * MS, USTACK_PAIR_PAIRED);
	pd_expect_lost(&r, 100 * MS, USTACK_LOST_END);
	pd_expect_end(&r, 0);
	assert_int_equal(pd_stats(&r).lost, 3);
	assert_int_equal(pd_stats(&r).lost_records, 3);
	pd_close(&r);
}

/* A part came and the rest did not: what was lost meanwhile explains it. */
static void part_lost_by_ring(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 101, 1 * MS, 0xc1);
	pd_part(&pd, 101, 2 * MS, 0xc1, 1, 0x7ffe0000, 64, 64);
	pd_begin(&pd, PERF_RECORD_LOST, 0);
	pd_u64(&pd, DEFER_ID);
	pd_u64(&pd, 1); /* records */
	pd_trailer(&pd, 101, 101, 3 * MS, DEFER_ID);
	pd_end(&pd);
	pd_sample(&pd, 101, 4 * MS, 0xc2);
	pd_part(&pd, 101, 5 * MS, 0xc2, 1, 0x7ffe0000, 64, 64);
	pd_sample(&pd, 101, 6 * MS, 0xc3);
	pd_stack(&pd, 101, 7 * MS, 0xc3);
	open_ok(&pd, &r);
	pd_expect_lost(&r, 1 * MS, USTACK_LOST_RING);
	pd_expect_lost(&r, 4 * MS, USTACK_LOST_PART);
	pd_expect(&r, 6 * MS, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, 0);
	pd_close(&r);
}

/* Others are held back for a tenth of a second, then it leaves late. */
static void held_back(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 101, 1 * MS, 0xc1);
	pd_sample(&pd, 102, 2 * MS, 0xd1);
	pd_stack(&pd, 102, 3 * MS, 0xd1);
	pd_sample(&pd, 103, 4 * MS, 0); /* waits for nothing */
	pd_stack(&pd, 101, 100 * MS, 0xc1);
	pd_sample(&pd, 101, 201 * MS, 0xc2);
	pd_sample(&pd, 102, 202 * MS, 0xd2);
	pd_stack(&pd, 102, 203 * MS, 0xd2);
	pd_sample(&pd, 103, 303 * MS, 0);
	pd_stack(&pd, 101, 305 * MS, 0xc2);
	open_ok(&pd, &r);
	pd_expect(&r, 1 * MS, USTACK_PAIR_PAIRED);
	pd_expect(&r, 2 * MS, USTACK_PAIR_PAIRED);
	pd_expect_lost(&r, 4 * MS, USTACK_LOST_COOKIE);
	assert_int_equal(pd_stats(&r).late_samples, 0);
	pd_expect(&r, 202 * MS, USTACK_PAIR_PAIRED);
	pd_expect_lost(&r, 303 * MS, USTACK_LOST_COOKIE);
	pd_expect(&r, 201 * MS, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, 0);
	assert_int_equal(pd_stats(&r).late_samples, 1);
	pd_close(&r);
}

/* Of an event that defers nothing, behind one that waits. */
static void whole_is_held_back(void **state)
{
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	const struct ustack_sample *s;
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_defer_attr(&pd, 8, ATTR_SAMPLE_ID_ALL);
	pd_comm(&pd, 0, 100, 102, 500, "before");
	pd_mmap2(&pd, 100, 600, 0x401000, 0x1000, "/no/lib");
	pd_sample(&pd, 101, 1000, 0xc1);
	pd_begin(&pd, PERF_RECORD_SAMPLE, PERF_RECORD_MISC_USER);
	pd_u64(&pd, 8);
	pd_u64(&pd, 0x401000);
	pd_u32x2(&pd, 100, 102);
	pd_u64(&pd, 1500);
	pd_u64(&pd, 0); /* chain */
	pd_u64(&pd, USTACK_ABI_64);
	pd_u64(&pd, 0x7ffe0000);
	pd_u64(&pd, 0x401000);
	pd_u64(&pd, 8); /* stack */
	pd_u64(&pd, 0x1234);
	pd_u64(&pd, 8);
	pd_end(&pd);
	pd_comm(&pd, 0, 100, 102, 1600, "behind");
	pd_stack(&pd, 101, 2000, 0xc1);
	open_ok(&pd, &r);
	pd_expect(&r, 1000, USTACK_PAIR_PAIRED);
	s = pd_next(&r);
	assert_int_equal(s->time, 1500);
	assert_int_equal(s->pair, USTACK_PAIR_LEGACY);
	assert_int_equal(s->tid, 102);
	assert_string_equal(s->comm, "before");
	assert_int_equal(s->nr_ranges, 1);
	assert_int_equal(get64(s->ranges[0].data), 0x1234);
	assert_int_equal(ustack_symbolize(s->space, 0x401000, &sym), -ENOENT);
	assert_string_equal(sym.path, "/no/lib");
	assert_int_equal(ustack_reader_hold(r.reader), 0);
	pd_expect_end(&r, 0);
	assert_int_equal(ustack_reader_release(r.reader, s), 0);
	pd_close(&r);
}

/* Nor do more bytes wait behind it than four megabytes. */
static void much_is_held_back(void **state)
{
	struct pd_reader r;
	struct pd pd;
	int i;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 101, 1000, 0xc1);
	for (i = 0; i < 80; i++) {
		pd_sample(&pd, 102, 2000 + 2 * i, 0xd00 + i);
		pd_part(&pd, 102, 2001 + 2 * i, 0xd00 + i, 1, 0x7ffe0000,
			60000, 0);
		pd_round(&pd);
	}
	pd_stack(&pd, 101, 9000, 0xc1);
	open_ok(&pd, &r);
	for (i = 0; i < 80; i++)
		pd_expect(&r, 2000 + 2 * i, USTACK_PAIR_PAIRED);
	pd_expect(&r, 1000, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, 0);
	assert_int_equal(pd_stats(&r).late_samples, 1);
	pd_close(&r);
}

/* Sleeping tasks with a waiting sample each: more than 12 MB of them. */
static void lost_by_memory(void **state)
{
	const struct ustack_sample *s;
	struct ustack_stats st = { .sz = sizeof(st) };
	struct pd_reader r;
	struct pd pd;
	unsigned int i;
	int ret;

	(void)state;
	pd_start(&pd);
	for (i = 0; i < 120000; i++) {
		pd_sample(&pd, 1000 + i, 1000 + i, 0xc00 + i);
		if (i % 64 == 0)
			pd_round(&pd);
	}
	open_ok(&pd, &r);
	while ((ret = ustack_reader_next(r.reader, &s)) == 1)
		assert_int_equal(s->pair, USTACK_PAIR_LOST);
	assert_int_equal(ret, 0);
	st = pd_stats(&r);
	assert_int_equal(st.lost, 120000);
	assert_true(st.lost_by[USTACK_LOST_MEMORY] > 30000);
	assert_int_equal(st.lost_by[USTACK_LOST_MEMORY] +
				 st.lost_by[USTACK_LOST_END],
			 120000);
	pd_close(&r);
}

/* What was served does not count any more. */
static void memory_of_what_waits(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 102, 1000, 0xd1);
	for (uint64_t i = 0; i < 100000; i++) {
		pd_sample(&pd, 101, 2000 + 2 * i, 0x100 + i);
		pd_stack(&pd, 101, 2001 + 2 * i, 0x100 + i);
	}
	pd_stack(&pd, 102, 300000, 0xd1);
	open_ok(&pd, &r);
	for (uint64_t i = 0; i < 100000; i++)
		pd_expect(&r, 2000 + 2 * i, USTACK_PAIR_PAIRED);
	pd_expect(&r, 1000, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, 0);
	pd_close(&r);
}

/* Nor does what was given up. */
static void memory_of_what_is_lost(void **state)
{
	const struct ustack_sample *s;
	struct pd_reader r;
	struct pd pd;
	int nr = 0;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 102, 1000, 0xd1);
	for (uint64_t i = 0; i < 120000; i++) {
		pd_sample(&pd, 101, 2000 + i, 0x100 + i);
		if (i % 64 == 0)
			pd_round(&pd);
	}
	pd_stack(&pd, 102, 300000, 0xd1);
	open_ok(&pd, &r);
	while (ustack_reader_next(r.reader, &s) == 1) {
		assert_int_equal(s->pair, s->tid == 102 ? USTACK_PAIR_PAIRED :
							  USTACK_PAIR_LOST);
		nr++;
	}
	assert_int_equal(nr, 120001);
	assert_int_equal(pd_stats(&r).lost_by[USTACK_LOST_MISSED], 119999);
	pd_close(&r);
}

/* Of stays that are over, 4,096 are kept for a record that is late. */
static void stays_that_are_kept(void **state)
{
	for (int more = 0; more < 2; more++) {
		struct pd_reader r;
		struct pd pd;
		int paired = 0;

		(void)state;
		pd_start(&pd);
		for (int i = 0; i < 4097 + more; i++)
			pd_sample(&pd, 101, 1000 + i, 0x100 + i);
		pd_stack(&pd, 101, 9000, 0x100);
		open_ok(&pd, &r);
		for (int i = 0; i < 4097 + more; i++) {
			const struct ustack_sample *s = pd_next(&r);

			if (s->pair != USTACK_PAIR_PAIRED)
				continue;
			assert_int_equal(s->cookie, 0x100);
			paired++;
		}
		assert_int_equal(paired, !more);
		pd_expect_end(&r, 0);
		pd_close(&r);
	}
}

/* A new thread of that id has nothing to do with the stay of the old one. */
static void id_used_by(enum perf_event_type type)
{
	struct pd_reader r;
	struct pd pd;

	pd_start(&pd);
	pd_sample(&pd, 101, 1000, 0xc1);
	if (type == PERF_RECORD_FORK)
		pd_task(&pd, PERF_RECORD_FORK, 0, 100, 100, 101, 100, 2000);
	else
		pd_comm(&pd, 0, 200, 101, 2000, "another");
	pd_sample(&pd, 101, 3000, 0xc2);
	pd_stack(&pd, 101, 4000, 0xc2);
	/* Long after: a stay that is over is given up as missed. */
	pd_sample(&pd, 102, 900000 * MS, 0xd1);
	pd_stack(&pd, 102, 900000 * MS + 1, 0xd1);
	open_ok(&pd, &r);
	pd_expect(&r, 3000, USTACK_PAIR_PAIRED);
	pd_expect(&r, 900000 * MS, USTACK_PAIR_PAIRED);
	pd_expect_lost(&r, 1000, USTACK_LOST_END);
	pd_expect_end(&r, 0);
	pd_close(&r);
}

static void id_used_again(void **state)
{
	(void)state;
	id_used_by(PERF_RECORD_FORK);
	/* Neither the end of the one nor the start of the other was recorded. */
	id_used_by(PERF_RECORD_COMM);
}

static void no_cookie(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 101, 1000, 0);
	pd_sample(&pd, 101, 1001, 0xc1);
	pd_stack(&pd, 101, 1002, 0);
	pd_stack(&pd, 101, 1003, 0xc1);
	open_ok(&pd, &r);
	pd_expect_lost(&r, 1000, USTACK_LOST_COOKIE);
	pd_expect(&r, 1001, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, 0);
	pd_close(&r);
}

/* Two events that want different layouts: one capture, written twice. */
static void capture_written_twice(void **state)
{
	const struct ustack_sample *s;
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_defer_attr(&pd, 8, DEFER_FLAGS);
	pd_sample_of(&pd, 7, 100, 101, 1000, 0xc1);
	pd_sample_of(&pd, 8, 100, 101, 1001, 0xc1);
	pd_part_of(&pd, 7, 0, 101, 2000, 0xc1, 1, 0x7ffe0000, 64, 64);
	pd_part_of(&pd, 8, 0, 101, 2001, 0xc1, 1, 0x7ffe0000, 64, 64);
	pd_part_of(&pd, 7, 0, 101, 2002, 0xc1, 0, 0x7ffe0040, 64, 0);
	pd_part_of(&pd, 8, 0, 101, 2003, 0xc1, 0, 0x7ffe0040, 64, 0);
	open_ok(&pd, &r);
	s = pd_next(&r);
	assert_int_equal(s->id, 7);
	assert_int_equal(s->pair, USTACK_PAIR_PAIRED);
	assert_int_equal(s->nr_ranges, 2);
	s = pd_next(&r);
	assert_int_equal(s->id, 8);
	assert_int_equal(s->nr_ranges, 2);
	pd_expect_end(&r, 0);
	assert_int_equal(pd_stats(&r).stacks, 1);
	assert_int_equal(pd_stats(&r).stacks_unused, 0);
	pd_close(&r);
}

/* The chain of fp,defer takes the place of context and cookie. */
static void deferred_chain(void **state)
{
	static const uint64_t want[] = {
		PERF_CONTEXT_KERNEL,
		0xffffffff81000000,
		PERF_CONTEXT_USER,
		0x401000,
		0x402000,
	};
	const struct ustack_sample *s;
	struct pd_reader r;
	struct pd pd;

	(void)state;
	memset(&pd, 0, sizeof(pd));
	pd_pipe(&pd);
	pd_defer_attr(&pd, DEFER_ID,
		      ATTR_SAMPLE_ID_ALL |
			      ATTR_DEFER_CALLCHAIN);
	pd_sample(&pd, 101, 1000, 0xc1);
	pd_begin(&pd, REC_CALLCHAIN_DEFERRED, PERF_RECORD_MISC_USER);
	pd_u64(&pd, 0xc1);
	pd_u64(&pd, 2);
	pd_u64(&pd, 0x401000);
	pd_u64(&pd, 0x402000);
	pd_trailer(&pd, 100, 101, 2000, DEFER_ID);
	pd_end(&pd);
	open_ok(&pd, &r);
	s = pd_next(&r);
	assert_int_equal(s->pair, USTACK_PAIR_PAIRED);
	assert_int_equal(s->nr_chain, 5);
	assert_memory_equal(s->chain, want, sizeof(want));
	assert_int_equal(s->regs.abi, USTACK_ABI_NONE);
	pd_expect_end(&r, 0);
	pd_close(&r);
}

/*
 * Exec between a capture and a late sample of the same stay: the sample gets
 * the modules of the image that the stack belongs to.
 */
static void modules_of_the_stack(void **state)
{
	const struct ustack_sample *s;
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_mmap2(&pd, 100, 100, 0x401000, 0x1000, "/no/old");
	pd_stack(&pd, 100, 1000, 0xc1);
	pd_comm(&pd, PERF_RECORD_MISC_COMM_EXEC, 100, 100, 1001, "new");
	pd_mmap2(&pd, 100, 1002, 0x401000, 0x1000, "/no/new");
	pd_sample_of(&pd, DEFER_ID, 100, 100, 1003, 0xc1);
	pd_sample_of(&pd, DEFER_ID, 100, 100, 1004, 0xc2);
	pd_stack(&pd, 100, 1005, 0xc2);
	open_ok(&pd, &r);
	s = pd_next(&r);
	assert_int_equal(s->time, 1003);
	ustack_symbolize(s->space, 0x401000, &sym);
	assert_non_null(sym.path);
	assert_string_equal(sym.path, "/no/old");
	s = pd_next(&r);
	assert_int_equal(s->time, 1004);
	ustack_symbolize(s->space, 0x401000, &sym);
	assert_non_null(sym.path);
	assert_string_equal(sym.path, "/no/new");
	pd_expect_end(&r, 0);
	pd_close(&r);
}

/*
 * 80 MiB of captures kept for late samples: more than may be held.  The oldest
 * go, the newest still serve.
 */
static void memory_is_bounded(void **state)
{
	struct ustack_stats st = { .sz = sizeof(st) };
	const struct ustack_sample *s;
	struct pd_reader r;
	struct pd pd;
	unsigned int i;
	int ret;

	(void)state;
	pd_start(&pd);
	for (i = 0; i < 5000; i++) {
		pd_part(&pd, 1000 + i, 1000 + i, 0xc00 + i, 1, 0x7ffe0000,
			16384, 0);
		if (i % 64 == 0)
			pd_round(&pd);
	}
	/* the newest are still there, the oldest had to go */
	pd_sample(&pd, 1000 + 4999, 7000, 0xc00 + 4999);
	pd_sample(&pd, 1000, 7001, 0xc00);
	open_ok(&pd, &r);
	pd_expect(&r, 7000, USTACK_PAIR_PAIRED);
	while ((ret = ustack_reader_next(r.reader, &s)) == 1)
		assert_int_equal(s->pair, USTACK_PAIR_LOST);
	assert_int_equal(ret, 0);
	st = pd_stats(&r);
	assert_int_equal(st.stacks, 5000);
	assert_int_equal(st.stacks_unused, 4999);
	assert_int_equal(st.samples, 2);
	pd_close(&r);
}

#define FOLLOWING 10000 /* samples behind those that are held */

static void pd_to_hold(struct pd *pd)
{
	unsigned int i;

	pd_start(pd);
	/* one that is held and given back: the next has nothing of it */
	pd_mmap2(pd, 100, 100, 0x400000, 0x2000, "/first");
	pd_sample(pd, 101, 200, 0xc0);
	pd_stack(pd, 101, 300, 0xc0);
	pd_round(pd);
	pd_comm(pd, 0, 100, 101, 500, "before");
	pd_mmap2(pd, 100, 600, 0x400000, 0x2000, "/before");
	pd_sample(pd, 101, 1000, 0xc1);
	pd_stack(pd, 101, 1100, 0xc1);
	/* one without a cookie: it does not wait */
	pd_begin(pd, PERF_RECORD_SAMPLE, PERF_RECORD_MISC_KERNEL);
	pd_u64(pd, DEFER_ID);
	pd_u64(pd, 0xffffffff81000000);
	pd_u32x2(pd, 100, 101);
	pd_u64(pd, 1200);
	pd_u64(pd, 0); /* chain */
	pd_u64(pd, 0); /* abi */
	pd_u64(pd, 0); /* stack size */
	pd_end(pd);
	pd_round(pd);
	pd_comm(pd, 0, 100, 101, 2000, "after");
	pd_mmap2(pd, 100, 2100, 0x400000, 0x2000, "/after");
	pd_round(pd);
	for (i = 0; i < FOLLOWING; i++) {
		pd_sample(pd, 101, 3000 + 2 * i, 0xd00 + i);
		pd_stack(pd, 101, 3001 + 2 * i, 0xd00 + i);
		if (i % 100 == 0)
			pd_round(pd);
	}
}

/* What the sample's process had mapped at the one place of these tests. */
static void mapped(const struct ustack_sample *s, const char *path)
{
	struct ustack_symbol sym = { .sz = sizeof(sym) };

	ustack_symbolize(s->space, 0x400100, &sym);
	assert_string_equal(sym.path, path);
}

/* Samples held while the reader goes on: all they had is still there. */
static void held(void **state)
{
	const struct ustack_sample *own, *waited, *s;
	struct pd_reader r;
	struct pd pd;
	unsigned int i;

	(void)state;
	pd_to_hold(&pd);
	open_ok(&pd, &r);
	s = pd_next(&r);
	assert_int_equal(ustack_reader_hold(r.reader), 0);
	mapped(s, "/first");
	assert_int_equal(ustack_reader_release(r.reader, s), 0);
	waited = pd_next(&r);
	assert_int_equal(ustack_reader_hold(r.reader), 0);
	own = pd_next(&r);
	assert_int_equal(ustack_reader_hold(r.reader), 0);
	for (i = 0; i < FOLLOWING; i++)
		s = pd_next(&r);
	assert_string_equal(s->comm, "after");
	mapped(s, "/after");
	pd_expect_end(&r, 0);

	assert_int_equal(waited->time, 1000);
	assert_int_equal(waited->pair, USTACK_PAIR_PAIRED);
	assert_string_equal(waited->comm, "before");
	assert_int_equal(waited->chain[3], 0xc1);
	assert_int_equal(waited->nr_ranges, 1);
	assert_int_equal(waited->ranges[0].size, 64);
	assert_int_equal(get64(waited->ranges[0].data + 56), 0x7ffe0038);
	mapped(waited, "/before");
	assert_int_equal(own->time, 1200);
	assert_int_equal(own->pair, USTACK_PAIR_NONE);
	assert_string_equal(own->comm, "before");
	assert_int_equal(ustack_reader_release(r.reader, own), 0);
	assert_int_equal(ustack_reader_release(r.reader, waited), 0);
	pd_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sample_then_stack),
		cmocka_unit_test(stack_then_samples),
		cmocka_unit_test(samples_share),
		cmocka_unit_test(same_cookie_other_tid),
		cmocka_unit_test(several_parts),
		cmocka_unit_test(part_missing),
		cmocka_unit_test(part_of_another),
		cmocka_unit_test(part_unknown),
		cmocka_unit_test(part_cut),
		cmocka_unit_test(stack_throttled),
		cmocka_unit_test(empty_capture),
		cmocka_unit_test(lost_by_next_cookie),
		cmocka_unit_test(late_record),
		cmocka_unit_test(lost_by_exit),
		cmocka_unit_test(lost_by_ring),
		cmocka_unit_test(part_lost_by_ring),
		cmocka_unit_test(held_back),
		cmocka_unit_test(whole_is_held_back),
		cmocka_unit_test(much_is_held_back),
		cmocka_unit_test(lost_by_memory),
		cmocka_unit_test(memory_of_what_waits),
		cmocka_unit_test(memory_of_what_is_lost),
		cmocka_unit_test(stays_that_are_kept),
		cmocka_unit_test(id_used_again),
		cmocka_unit_test(no_cookie),
		cmocka_unit_test(capture_written_twice),
		cmocka_unit_test(deferred_chain),
		cmocka_unit_test(modules_of_the_stack),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
