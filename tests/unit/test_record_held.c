// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Records of processes: kept until a sample needs them, and else dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <linux/perf_event.h>
#include <cmocka.h>

#include "cli/record/held.h"

/* What was written: the times of the records, each of which has its own. */
static uint64_t written[65536];
static size_t nr;

static int write(void *arg, const void *record)
{
	const struct perf_event_header *h = record;

	assert_ptr_equal(arg, written);
	memcpy(&written[nr++ % 65536], (const char *)record + h->size - 24, 8);
	return 0;
}

static struct record_held *begin(void)
{
	static struct record_held h;

	nr = 0;
	held_init(&h, write, written);
	return &h;
}

/* header, pid, ppid, tid, ptid, and the sample_id: enough for all kinds */
static void tell(struct record_held *h, uint32_t type, uint16_t misc,
		 uint32_t pid, uint32_t ppid, uint32_t tid, uint64_t time)
{
	struct {
		struct perf_event_header h;
		uint32_t pid, ppid, tid, ptid;
		uint64_t room, id, time, cpu, end;
	} r = {
		{ type, misc, sizeof(r) }, pid, ppid, tid, 0, 0, 0, time, 0, 0
	};

	assert_int_equal(held_record(h, &r), 0);
}

static void fork_(struct record_held *h, uint32_t pid, uint32_t parent,
		  uint64_t time)
{
	tell(h, PERF_RECORD_FORK, 0, pid, parent, pid, time);
}

static void map(struct record_held *h, uint32_t pid, uint64_t time)
{
	tell(h, PERF_RECORD_MMAP2, PERF_RECORD_MISC_USER, pid, pid, 0, time);
}

static void end(struct record_held *h, uint32_t pid, uint32_t tid,
		uint64_t time)
{
	tell(h, PERF_RECORD_EXIT, 0, pid, 1, tid, time);
}

static void exec(struct record_held *h, uint32_t pid, uint64_t time)
{
	tell(h, PERF_RECORD_COMM, PERF_RECORD_MISC_COMM_EXEC, pid, pid, 0, time);
}

/* A sample that is younger than all that was told. */
static void release(struct record_held *h, uint32_t pid)
{
	assert_int_equal(held_release(h, pid, 1000000), 0);
}

#define assert_written(...)                                             \
	do {                                                             \
		const uint64_t want[] = { __VA_ARGS__ };                  \
		assert_int_equal(nr, sizeof(want) / sizeof(*want));        \
		assert_memory_equal(written, want, sizeof(want));          \
	} while (0)

static void needed(void **state)
{
	struct record_held *h = begin();

	(void)state;
	map(h, 1, 1);
	fork_(h, 2, 1, 2);
	map(h, 2, 3);
	/* What is of no process goes at once. */
	tell(h, PERF_RECORD_LOST, 0, 0, 0, 0, 4);
	assert_written(4);
	release(h, 3);
	assert_written(4);
	/* Its maps are those of its parent, too. */
	release(h, 2);
	assert_written(4, 1, 2, 3);
	map(h, 2, 5);
	map(h, 1, 6);
	end(h, 2, 2, 7);
	assert_written(4, 1, 2, 3, 5, 6, 7);
	release(h, 1);
	release(h, 2);
	assert_written(4, 1, 2, 3, 5, 6, 7);
	/* The next one with its number. */
	fork_(h, 2, 1, 8);
	assert_int_equal(nr, 7);
	held_free(h);
}

/* After an exec nothing of what was before is needed. */
static void after_exec(void **state)
{
	struct record_held *h = begin();

	(void)state;
	map(h, 1, 1);
	fork_(h, 2, 1, 2);
	map(h, 2, 3);
	exec(h, 2, 4);
	map(h, 2, 5);
	release(h, 2);
	assert_written(4, 5);
	/* But there may be a sample of before. */
	fork_(h, 3, 1, 6);
	exec(h, 3, 7);
	map(h, 3, 8);
	assert_int_equal(held_release(h, 3, 6), 0);
	assert_written(4, 5, 1, 6, 7, 8);
	/* Or of a child that began before, and has what was mapped then. */
	map(h, 4, 9);
	fork_(h, 5, 4, 10);
	exec(h, 4, 11);
	release(h, 5);
	assert_written(4, 5, 1, 6, 7, 8, 9, 11, 10);
	held_free(h);
}

/* Rings are read one after the other. */
static void out_of_order(void **state)
{
	struct record_held *h = begin();

	(void)state;
	/* What a process maps before it begins, and its parent, too. */
	map(h, 3, 13);
	exec(h, 3, 12);
	fork_(h, 3, 2, 11);
	fork_(h, 2, 1, 10);
	assert_int_equal(held_release(h, 3, 11), 0);
	assert_written(10, 13, 12, 11);
	/* An end before the beginning. */
	end(h, 5, 5, 22);
	map(h, 5, 21);
	fork_(h, 5, 1, 20);
	assert_int_equal(h->processes.nr, 4);
	end(h, 2, 2, 23);
	end(h, 3, 3, 24);
	held_turn(h);
	held_turn(h);
	held_turn(h);
	assert_int_equal(h->processes.nr, 1); /* nobody told of the end of 1 */
	/* A child that began before an exec that was told first. */
	map(h, 6, 30);
	exec(h, 6, 32);
	fork_(h, 7, 6, 31);
	release(h, 7);
	assert_written(10, 13, 12, 11, 23, 24, 30, 32, 31);
	held_free(h);
}

/* Numbers are used again, with ends that nobody told. */
static void in_a_circle(void **state)
{
	struct record_held *h = begin();
	uint32_t i;

	(void)state;
	map(h, 1, 1);
	fork_(h, 2, 1, 2);
	fork_(h, 1, 2, 3);
	release(h, 1);
	assert_written(1, 2, 3);
	/* Each is a child of the one before. */
	for (i = 100; i < 1000; i++)
		fork_(h, i, i - 1, i);
	release(h, i - 1);
	assert_int_equal(nr, 3 + 900);
	held_free(h);
}

static void turns(struct record_held *h, unsigned int n)
{
	while (n--)
		assert_int_equal(held_turn(h), 0);
}

/* Its samples may come after its end is told, but not much. */
static void ended(void **state)
{
	struct record_held *h = begin();

	(void)state;
	turns(h, 5);
	fork_(h, 2, 1, 1);
	end(h, 2, 2, 2);
	fork_(h, 3, 1, 3);
	tell(h, PERF_RECORD_FORK, 0, 3, 3, 30, 4);
	end(h, 3, 3, 5); /* its other thread goes on */
	turns(h, 2);
	release(h, 2);
	assert_written(1, 2);
	fork_(h, 4, 1, 6);
	fork_(h, 5, 4, 7);
	end(h, 4, 4, 8);
	turns(h, 3);
	release(h, 4);
	assert_written(1, 2);
	assert_int_equal(h->processes.nr, 3); /* 1, 3, 5 */
	/* Who was started by it needs it for all that. */
	release(h, 5);
	assert_written(1, 2, 6, 8, 7);
	release(h, 3);
	assert_written(1, 2, 6, 8, 7, 3, 4, 5);
	end(h, 3, 30, 9);
	end(h, 5, 5, 10);
	assert_written(1, 2, 6, 8, 7, 3, 4, 5, 9, 10);
	turns(h, 3);
	assert_int_equal(h->processes.nr, 1);
	held_free(h);
}

/* Of who was there before nobody knows how many threads it has. */
static void uncounted(void **state)
{
	struct record_held *h = begin();

	(void)state;
	map(h, 1, 1);
	end(h, 1, 1, 2);
	turns(h, 10);
	release(h, 1);
	assert_written(1, 2);
	held_free(h);
}

/* A reader that sorts knows what came some ten thousand records before. */
static void late(void **state)
{
	struct record_held *h = begin();
	size_t i;

	(void)state;
	map(h, 1, 1);
	for (i = 0; i < 32768; i++)
		release(h, 2);
	turns(h, 1);
	assert_int_equal(nr, 0);
	release(h, 2);
	turns(h, 1);
	assert_written(1);
	/* And it may not have too many. */
	fork_(h, 3, 1, 2);
	for (i = 0; i < 3000; i++)
		map(h, 3, 3);
	assert_int_equal(nr, 3002);
	held_free(h);
}

/* Any that come, with ends that nobody told: nothing is lost of who is needed. */
static void any(void **state)
{
	struct record_held *h = begin();
	uint64_t first[8] = { 0 }, number = 1;
	unsigned int seed = 1, i, j;

	(void)state;
	for (i = 0; i < 20000; i++) {
		uint32_t pid = rand_r(&seed) % 8 + 1, what = rand_r(&seed) % 16;

		if (what < 3) {
			fork_(h, pid, (pid + rand_r(&seed) % 7) % 8 + 1, number);
			first[pid - 1] = number++;
		} else if (!first[pid - 1]) {
			turns(h, 1);
		} else if (what < 4) {
			end(h, pid, pid, number++);
			first[pid - 1] = 0;
		} else if (what < 6) {
			exec(h, pid, number);
			first[pid - 1] = number++;
		} else if (what < 12) {
			map(h, pid, number++);
		} else {
			release(h, pid);
			for (j = 0; j < nr && written[j] != first[pid - 1]; j++)
				;
			assert_true(j < nr);
		}
		assert_true(h->processes.nr <= 8);
	}
	held_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(needed),
		cmocka_unit_test(after_exec),
		cmocka_unit_test(out_of_order),
		cmocka_unit_test(in_a_circle),
		cmocka_unit_test(ended),
		cmocka_unit_test(uncounted),
		cmocka_unit_test(late),
		cmocka_unit_test(any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
