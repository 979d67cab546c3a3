// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A file that can be read twice: its captures are found first, so each sample leaves
 * in its turn, with the same stack as out of a stream.
 */
#include "module/space.h"
#include "perfdata.h"

#define MS 1000000ull

static void in_time_order(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 101, 1 * MS, 0xc1);
	pd_sample(&pd, 102, 2 * MS, 0xd1);
	pd_sample(&pd, 101, 3 * MS, 0xc2);
	pd_stack(&pd, 101, 4 * MS, 0xc2);
	pd_stack(&pd, 101, 5 * MS, 0xc1);
	pd_sample(&pd, 101, 6 * MS, 0xc3);
	pd_sample(&pd, 101, 7 * MS, 0xc4);
	pd_stack(&pd, 101, 8 * MS, 0xc4);
	pd_sample(&pd, 103, 50 * MS, 0xe1);
	pd_task(&pd, PERF_RECORD_EXIT, 0, 100, 1, 103, 1, 51 * MS);
	pd_sample(&pd, 104, 52 * MS, 0xf1);
	pd_sample(&pd, 105, 53 * MS, 0xf2);
	pd_part_of(&pd, DEFER_ID, STACK_THROTTLED, 105, 54 * MS, 0xf2, 1, 0, 0,
		   0);
	pd_sample(&pd, 106, 55 * MS, 0xf3);
	pd_part(&pd, 106, 56 * MS, 0xf3, 1, 0x7ffe0000, 64, 64);
	/* 102 slept for a minute and a half, 104 and 106 sleep still */
	pd_stack(&pd, 102, 90000 * MS, 0xd1);
	pd_stack(&pd, 107, 90001 * MS, 0xa1);
	assert_int_equal(pd_open(&pd, &r), 0);
	pd_expect(&r, 1 * MS, USTACK_PAIR_PAIRED);
	pd_expect(&r, 2 * MS, USTACK_PAIR_PAIRED);
	pd_expect(&r, 3 * MS, USTACK_PAIR_PAIRED);
	pd_expect_lost(&r, 6 * MS, USTACK_LOST_MISSED);
	pd_expect(&r, 7 * MS, USTACK_PAIR_PAIRED);
	pd_expect_lost(&r, 50 * MS, USTACK_LOST_EXIT);
	pd_expect_lost(&r, 52 * MS, USTACK_LOST_END);
	pd_expect_lost(&r, 53 * MS, USTACK_LOST_THROTTLED);
	pd_expect_lost(&r, 55 * MS, USTACK_LOST_PART);
	pd_expect_end(&r, 0);
	assert_int_equal(pd_stats(&r).samples, 9);
	assert_int_equal(pd_stats(&r).paired, 4);
	assert_int_equal(pd_stats(&r).lost, 5);
	assert_int_equal(pd_stats(&r).stacks, 7);
	assert_int_equal(pd_stats(&r).stacks_unused, 3);
	assert_int_equal(pd_stats(&r).late_records, 0);
	pd_close(&r);
}

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
	assert_int_equal(pd_open(&pd, &r), 0);
	pd_expect_lost(&r, 1 * MS, USTACK_LOST_RING);
	pd_expect_lost(&r, 3 * MS, USTACK_LOST_MISSED);
	pd_expect(&r, 4 * MS, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, 0);
	pd_close(&r);
}

/* More samples wait than a stream's reader keeps. */
static void none_is_held(void **state)
{
	struct pd_reader r;
	struct pd pd;
	unsigned int i;

	(void)state;
	pd_start(&pd);
	for (i = 0; i < 100000; i++) {
		pd_sample(&pd, 1000 + i, 1000 + i, 0xc00 + i);
		if (i % 64 == 0)
			pd_round(&pd);
	}
	for (i = 0; i < 100000; i++) {
		pd_stack(&pd, 1000 + i, 200000 + i, 0xc00 + i);
		if (i % 64 == 0)
			pd_round(&pd);
	}
	assert_int_equal(pd_open(&pd, &r), 0);
	for (i = 0; i < 100000; i++)
		pd_expect(&r, 1000 + i, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, 0);
	assert_int_equal(pd_stats(&r).stacks_unused, 0);
	pd_close(&r);
}

/* Exec between a capture and a late sample of the same stay. */
static void space_of_the_stack(void **state)
{
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	const struct ustack_sample *s;
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
	assert_int_equal(pd_open(&pd, &r), 0);
	s = pd_next(&r);
	ustack_symbolize(s->space, 0x401000, &sym);
	assert_string_equal(sym.path, "/no/old");
	s = pd_next(&r);
	ustack_symbolize(s->space, 0x401000, &sym);
	assert_string_equal(sym.path, "/no/new");
	pd_expect_end(&r, 0);
	pd_close(&r);
}

/*
 * In execve(): the stack is that of the new program, whose maps come after the sample.
 * What was sampled meanwhile leaves behind it.
 */
static void changed_waits_for_its_maps(void **state)
{
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	const struct ustack_sample *s;
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 100, 1 * MS, 0xc1);
	pd_mmap2(&pd, 100, 2 * MS, 0x401000, 0x1000, "/no/new");
	pd_sample(&pd, 101, 3 * MS, 0xc2);
	pd_part_of(&pd, DEFER_ID, STACK_CHANGED, 100, 4 * MS, 0xc1, 1,
		   0x7ffe0000, 64, 0);
	pd_stack(&pd, 101, 5 * MS, 0xc2);
	assert_int_equal(pd_open(&pd, &r), 0);
	s = pd_next(&r);
	assert_int_equal(s->time, 1 * MS);
	assert_int_equal(s->pair, USTACK_PAIR_PAIRED);
	assert_true(s->stack_changed);
	ustack_symbolize(s->space, 0x401000, &sym);
	assert_string_equal(sym.path, "/no/new");
	pd_expect(&r, 3 * MS, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, 0);
	pd_close(&r);
}

/* --- as out of a stream ---------------------------------------------------- */

#define NR_TASKS 5
#define NR_STEPS 400

struct outcome {
	uint64_t time, sp, bytes;
	enum ustack_pair pair;
	enum ustack_lost lost;
};

static uint32_t seed;

static uint32_t random_below(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

/*
 * Tasks that are in one stay after the other: samples, parts of the capture before
 * or behind them, parts that are missing, exits.
 */
static void put_random(struct pd *pd)
{
	uint64_t cookie[NR_TASKS] = { 0 }, left[NR_TASKS] = { 0 }, time = 1000;
	bool begun[NR_TASKS] = { false };

	pd_start(pd);
	for (int i = 0; i < NR_STEPS; i++) {
		uint32_t n = random_below(NR_TASKS), tid = 200 + n;

		time += 1 + random_below(1000);
		if (!cookie[n] || !random_below(3)) {
			cookie[n] += 0x100 + n;
			begun[n] = false;
		}
		switch (random_below(8)) {
		case 0 ... 3:
			pd_sample(pd, tid, time, cookie[n]);
			break;
		case 4 ... 5:
			/* All of it or the next part of it. */
			left[n] = begun[n] ? left[n] - 64 : 64 * random_below(3);
			pd_part(pd, tid, time, cookie[n], !begun[n],
				0x7ffe0000 + 64 * i, 64, left[n]);
			begun[n] = left[n];
			if (!left[n])
				cookie[n] += !random_below(2) ? 0x100 : 0;
			break;
		case 6:
			pd_round(pd);
			break;
		case 7:
			if (random_below(4))
				break;
			pd_task(pd, PERF_RECORD_EXIT, 0, 100, 1, tid, 1, time);
			pd_task(pd, PERF_RECORD_FORK, 0, 100, 100, tid, 1,
				time + 1);
			cookie[n] += 0x100;
			begun[n] = false;
			time++;
			break;
		}
	}
}

static size_t read_outcomes(struct pd_reader *r, struct outcome *o)
{
	const struct ustack_sample *s;
	size_t n = 0;

	while (ustack_reader_next(r->reader, &s) == 1) {
		o[n] = (struct outcome){ .time = s->time, .pair = s->pair,
					 .lost = s->lost };
		if (s->regs.abi)
			o[n].sp = s->regs.val[USTACK_REG_X86_SP];
		for (size_t i = 0; i < s->nr_ranges; i++)
			o[n].bytes += s->ranges[i].size +
				      get64(s->ranges[i].data);
		n++;
	}
	return n;
}

static int by_time(const void *a, const void *b)
{
	const struct outcome *x = a, *y = b;

	return x->time < y->time ? -1 : x->time > y->time;
}

static void same_as_a_stream(void **state)
{
	static struct outcome file[NR_STEPS], stream[NR_STEPS];
	uint64_t paired = 0, lost = 0;

	(void)state;
	for (uint32_t round = 0; round < 300; round++) {
		struct pd_reader r, again;
		struct pd pd;
		size_t n;

		seed = round;
		put_random(&pd);
		r.fd = pd_pipe_end(&pd);
		snprintf(r.path, sizeof(r.path), "/proc/self/fd/%d", r.fd);
		assert_int_equal(pd_open_path(&r), 0);
		n = read_outcomes(&r, stream);
		assert_int_equal(pd_open(&pd, &again), 0);
		assert_int_equal(read_outcomes(&again, file), n);
		for (size_t i = 1; i < n; i++)
			assert_true(file[i - 1].time < file[i].time);
		qsort(stream, n, sizeof(*stream), by_time);
		assert_memory_equal(file, stream, n * sizeof(*file));
		assert_int_equal(pd_stats(&r).stacks, pd_stats(&again).stacks);
		assert_int_equal(pd_stats(&r).stacks_unused,
				 pd_stats(&again).stacks_unused);
		assert_int_equal(pd_stats(&r).stack_bytes,
				 pd_stats(&again).stack_bytes);
		paired += pd_stats(&again).paired;
		lost += pd_stats(&again).lost;
		pd_close(&r);
		pd_close(&again);
	}
	assert_true(paired > 10000 && lost > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_time_order),
		cmocka_unit_test(lost_by_ring),
		cmocka_unit_test(none_is_held),
		cmocka_unit_test(space_of_the_stack),
		cmocka_unit_test(changed_waits_for_its_maps),
		cmocka_unit_test(same_as_a_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
