// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* How long threads waited, by the samples and switches of them. */
#include <fcntl.h>

#include "cli/record/wait.h"
#include "perfdata.h"

static struct record_waits waits;
static struct record_file *file;
static int fd;

static void begin(void)
{
	static uint64_t id = 1;
	static char name[] = "offcpu-time";
	static struct record_event ev = { .name = name, .ids = &id, .nr_ids = 1 };
	char path[] = "/tmp/record-wait-XXXXXX";

	memset(&waits, 0, sizeof(waits));
	ev.attr.size = sizeof(ev.attr);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(record_file_new(&file, fd, &ev, 1, 0), 0);
}

/* IN, OUT, or out and still runnable. */
enum { IN, OUT, PREEMPTED };

static void switched(uint32_t tid, uint64_t time, int how)
{
	static const uint16_t misc[] = { 0, 1 << 13, 1 << 13 | 1 << 14 };
	const struct {
		struct perf_event_header h;
		uint32_t pid, tid;
		uint64_t time, cpu, id;
	} rec = { { PERF_RECORD_SWITCH, misc[how], sizeof(rec) }, 1, tid, time, 0, 1 };

	assert_int_equal(waits_switch(&waits, file, &rec), 0);
}

static void sampled(uint32_t tid, uint64_t time)
{
	static struct chain c = { .line = { { 0x10, 0x10, false } }, .nr = 1 };
	const struct ustack_sample s = { .tid = tid, .time = time, .period = 1 };

	c.line[0].lookup = time;
	assert_int_equal(waits_sample(&waits, file, &s, &c, CAUSE_NONE), 0);
}

static void task(uint32_t tid, uint64_t time, uint32_t type)
{
	const struct {
		struct perf_event_header h;
		uint32_t pid, ppid, tid, ptid;
		uint64_t time, sample_id[4];
	} rec = { { type, 0, sizeof(rec) }, 1, 1, tid, 1, time, { 0 } };

	assert_int_equal(waits_task(&waits, &rec), 0);
}

struct wait {
	uint64_t tid, time, period;
};

/* What went to the file: the samples, each with the chain of its own. */
static size_t waited(struct wait *out, size_t max)
{
	size_t size, at, end, n = 0;
	uint8_t *p;

	assert_int_equal(record_file_flush(file), 0);
	size = lseek(fd, 0, SEEK_END);
	p = malloc(size);
	assert_int_equal(pread(fd, p, size, 0), size);
	end = get64(p + 40) + get64(p + 48);
	for (at = get64(p + 40); at < end; at += get16(p + at + 6), n++) {
		assert_true(n < max);
		out[n] = (struct wait){ get32(p + at + 28), get64(p + at + 32),
					get64(p + at + 48) };
		assert_int_equal(get64(p + at + 56), 3);
		assert_int_equal(get64(p + at + 80), out[n].time);
	}
	free(p);
	return n;
}

static void end(void)
{
	record_file_free(file);
	waits_free(&waits);
	close(fd);
}

/* assert_waits(TID, TIME, PERIOD, ...) */
#define assert_waits(...)                                                \
	do {                                                             \
		const struct wait want[] = { __VA_ARGS__ };              \
		struct wait got[8];                                      \
		assert_int_equal(waited(got, 8), sizeof(want) / sizeof(*want)); \
		assert_memory_equal(got, want, sizeof(want));            \
	} while (0)

static void one(void **state)
{
	(void)state;
	begin();
	sampled(7, 100);
	switched(7, 101, OUT);
	switched(7, 350, IN);
	assert_waits({ 7, 100, 250 });
	end();
}

/* The reader keeps samples back until they are in order, or their stack is there. */
static void sample_comes_last(void **state)
{
	(void)state;
	begin();
	switched(7, 101, OUT);
	switched(7, 350, IN);
	switched(7, 401, OUT);
	switched(7, 500, IN);
	switched(7, 601, PREEMPTED);
	switched(7, 700, IN);
	sampled(7, 100);
	sampled(7, 400);
	sampled(7, 600);
	assert_waits({ 7, 100, 250 }, { 7, 400, 100 });
	assert_int_equal(waits.no_waits, 1);
	end();
}

/* Who was preempted does not wait, whenever that is told. */
static void preempted(void **state)
{
	(void)state;
	begin();
	sampled(7, 100);
	switched(7, 101, PREEMPTED);
	switched(7, 200, IN);
	sampled(7, 300);
	switched(7, 301, OUT);
	switched(7, 310, IN);
	assert_waits({ 7, 300, 10 });
	assert_int_equal(waits.no_waits, 1);
	end();
}

/* It went away on one CPU and came back on another, whose ring is read first. */
static void other_ring_first(void **state)
{
	(void)state;
	begin();
	switched(7, 350, IN);
	switched(7, 101, OUT);
	sampled(7, 100);
	assert_waits({ 7, 100, 250 });
	end();
}

static void others(void **state)
{
	(void)state;
	begin();
	sampled(7, 100);
	sampled(8, 110);
	sampled(0, 115); /* the idle task */
	switched(0, 116, OUT);
	switched(7, 101, OUT);
	switched(8, 111, OUT);
	switched(8, 120, IN);
	switched(0, 125, IN);
	switched(7, 130, IN);
	assert_waits({ 8, 110, 10 }, { 7, 100, 30 });
	end();
}

static void still_waits(void **state)
{
	(void)state;
	begin();
	sampled(7, 100);
	switched(7, 101, OUT);
	switched(8, 900, IN);
	assert_int_equal(waits_end(&waits, file, 0), 0);
	assert_waits({ 7, 100, 800 });
	end();
}

/* The recording ends later than the last that was heard of anybody. */
static void waits_until(void **state)
{
	(void)state;
	begin();
	sampled(7, 100);
	switched(7, 101, OUT);
	assert_int_equal(waits_end(&waits, file, 1000), 0);
	assert_waits({ 7, 100, 900 });
	end();
}

/* Who exits does not come back, however often it waited on the way out. */
static void exits(void **state)
{
	(void)state;
	begin();
	sampled(7, 100);
	switched(7, 101, OUT);
	switched(7, 130, IN);
	task(7, 150, PERF_RECORD_EXIT);
	sampled(7, 160);
	switched(7, 161, OUT);
	switched(7, 170, IN);
	sampled(7, 180);
	switched(7, 181, OUT);
	sampled(8, 200);
	task(8, 190, PERF_RECORD_EXIT); /* told late, and the beginning by another ring */
	task(8, 90, PERF_RECORD_FORK);
	sampled(8, 210);
	/* Another gets the number. */
	task(7, 300, PERF_RECORD_FORK);
	sampled(7, 310);
	switched(7, 311, OUT);
	sampled(UINT32_MAX, 320);
	assert_int_equal(waits_end(&waits, file, 400), 0);
	assert_waits({ 7, 100, 30 }, { 7, 310, 90 });
	assert_int_equal(waits.no_waits, 5);
	end();
}

/* However many come and go, only those are kept that may still be heard of. */
static void many(void **state)
{
	enum { THREADS = 100000 };
	uint32_t i;

	(void)state;
	begin();
	for (i = 1; i <= THREADS; i++) {
		task(i, i * 1000000000ull, PERF_RECORD_FORK);
		sampled(i, i * 1000000000ull + 1);
		task(i, i * 1000000000ull + 2, PERF_RECORD_EXIT);
	}
	assert_true(waits.threads.nr < 5000);
	assert_int_equal(waits_end(&waits, file, 0), 0);
	end();
}

/*
 * Threads at random, samples late by some switches of any thread: each wait comes
 * out once, with its length.
 */
static void any(void **state)
{
	enum { THREADS = 5, EVENTS = 4000, LATE = 50 };
	static struct wait want[EVENTS], got[EVENTS];
	struct { uint32_t tid; uint64_t time; } late[LATE] = { 0 };
	uint64_t away[THREADS + 1] = { 0 }, time = 1000, sum = 0, sum_got = 0;
	bool counts[THREADS + 1] = { 0 };
	size_t i, n = 0, nr;

	(void)state;
	srand(1);
	begin();
	for (i = 0; i < EVENTS; i++) {
		uint32_t tid = 1 + rand() % THREADS;
		size_t slot = i % LATE;

		/* What is late comes in the order of time. */
		if (late[slot].tid)
			sampled(late[slot].tid, late[slot].time);
		late[slot].tid = 0;
		time += 2 + rand() % 100;
		if (away[tid]) {
			switched(tid, time, IN);
			if (counts[tid])
				want[n++] = (struct wait){ tid, away[tid], time - away[tid] };
			away[tid] = 0;
			continue;
		}
		late[slot].tid = tid;
		late[slot].time = away[tid] = time;
		counts[tid] = rand() % 3;
		switched(tid, time + 1, counts[tid] ? OUT : PREEMPTED);
	}
	for (; i < EVENTS + LATE; i++)
		if (late[i % LATE].tid)
			sampled(late[i % LATE].tid, late[i % LATE].time);
	/* Who is away has not come out yet. */
	nr = waited(got, EVENTS);
	assert_int_equal(nr, n);
	for (i = 0; i < n; i++) {
		size_t j;

		for (j = 0; j < nr && got[j].time != want[i].time; j++)
			;
		assert_true(j < nr);
		assert_memory_equal(&got[j], &want[i], sizeof(want[i]));
		sum += want[i].period;
		sum_got += got[i].period;
	}
	assert_int_equal(sum, sum_got);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one),
		cmocka_unit_test(sample_comes_last),
		cmocka_unit_test(preempted),
		cmocka_unit_test(other_ring_first),
		cmocka_unit_test(others),
		cmocka_unit_test(still_waits),
		cmocka_unit_test(waits_until),
		cmocka_unit_test(exits),
		cmocka_unit_test(many),
		cmocka_unit_test(any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
