// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Records of several CPUs leave in the order of their times. */
#include <signal.h>
#include <sys/wait.h>

#include "perfdata.h"

static void add(struct order *o, uint64_t time)
{
	static uint8_t round[8] = { REC_FINISHED_ROUND, 0, 0, 0, 0, 0, 8, 0 };
	const struct order_entry e = {
		.time = time,
		.record = { round, NULL },
		.size = 8,
	};

	assert_int_equal(order_add(o, &e), 0);
}

/* FINISHED_ROUND lets go what the previous round had seen, and no more. */
static void rounds(void **state)
{
	struct order o = { 0 };
	struct order_entry e;

	(void)state;
	/* round 1: CPU 0 has 10 30, CPU 1 has 20 */
	add(&o, 10);
	add(&o, 30);
	add(&o, 20);
	order_round(&o, UINT64_MAX);
	assert_false(order_pop(&o, &e));
	/* round 2: CPU 0 has 50, CPU 1 has 25 40 */
	add(&o, 50);
	add(&o, 25);
	add(&o, 40);
	order_round(&o, UINT64_MAX);
	assert_true(order_pop(&o, &e));
	assert_int_equal(e.time, 10);
	assert_true(order_pop(&o, &e));
	assert_int_equal(e.time, 20);
	assert_true(order_pop(&o, &e));
	assert_int_equal(e.time, 25);
	assert_true(order_pop(&o, &e));
	assert_int_equal(e.time, 30);
	assert_false(order_pop(&o, &e));
	order_end(&o);
	assert_true(order_pop(&o, &e));
	assert_int_equal(e.time, 40);
	assert_true(order_pop(&o, &e));
	assert_int_equal(e.time, 50);
	assert_false(order_pop(&o, &e));
	order_free(&o, NULL);
}

/* Equal times keep the order of the file. */
static void stable(void **state)
{
	struct order o = { 0 };
	struct order_entry e;
	unsigned int i;

	(void)state;
	for (i = 0; i < 5000; i++)
		add(&o, i % 2 ? 5 : 7);
	order_end(&o);
	for (i = 0; i < 5000; i++) {
		assert_true(order_pop(&o, &e));
		assert_int_equal(e.time, i < 2500 ? 5 : 7);
		assert_int_equal(e.seq, i < 2500 ? 2 * i + 1 : 2 * (i - 2500));
	}
	assert_false(order_pop(&o, &e));
	order_free(&o, NULL);
}

/* Where no round ends, the queue still does not grow for ever. */
static void no_rounds(void **state)
{
	struct order o = { 0 };
	struct order_entry e;
	uint64_t i, out = 0, last = 0;

	(void)state;
	for (i = 2; i <= 1000000; i++) {
		add(&o, i ^ 1);
		while (order_pop(&o, &e)) {
			assert_true(e.time > last);
			last = e.time;
			out++;
		}
		assert_true(o.nr - o.head <= 131072);
	}
	assert_true(o.cap <= 262144);
	assert_true(out > 800000);
	assert_int_equal(o.late, 0);
	add(&o, 1000); /* too late for its place: it is counted */
	assert_int_equal(o.late, 1);
	order_free(&o, &(struct chunk_pool){ 0 });
}

#define ROUND 1000 /* captures of 32 KiB: more than waits in memory */

/* All captures, then all samples, in one round. */
static void pd_large_round(struct pd *pd)
{
	uint64_t i;

	pd_start(pd);
	for (i = 1; i <= ROUND; i++)
		pd_part(pd, 100 + i, 10 * i + 1, i, 1, 0x7ffe0000 + 8 * i,
			32768, 0);
	for (i = 1; i <= ROUND; i++)
		pd_sample(pd, 100 + i, 10 * i, i);
	pd_round(pd);
}

static void expect_large_round(struct pd_reader *r)
{
	const struct ustack_sample *s;
	uint64_t i, j;

	for (i = 1; i <= ROUND; i++) {
		s = pd_next(r);
		assert_int_equal(s->time, 10 * i);
		assert_int_equal(s->pair, USTACK_PAIR_PAIRED);
		assert_int_equal(s->nr_ranges, 1);
		assert_int_equal(s->ranges[0].size, 32768);
		for (j = 0; j < 32768; j += 8)
			assert_int_equal(get64(s->ranges[0].data + j),
					 0x7ffe0000 + 8 * i + j);
	}
	pd_expect_end(r, 0);
}

static void large_round_of_a_file(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_large_round(&pd);
	assert_int_equal(setenv("TMPDIR", "/nonexistent", 1), 0);
	assert_int_equal(pd_open(&pd, &r), 0);
	expect_large_round(&r);
	unsetenv("TMPDIR");
	pd_close(&r);
}

/* Parked records are read twice, and the file may change in between. */
static void file_changes(void **state)
{
	static const char zeroes[1 << 16];
	const char *cause = "changed while it was read";

	(void)state;
	for (int cut = 0; cut < 2; cut++) {
		struct pd_reader r;
		struct pd pd;
		off_t at, size;

		pd_large_round(&pd);
		size = pd.n;
		assert_int_equal(pd_open(&pd, &r), 0);
		pd_expect(&r, 10, USTACK_PAIR_PAIRED);
		for (at = 0; at < size && !cut; at += sizeof(zeroes))
			assert_true(pwrite(r.fd, zeroes, sizeof(zeroes), at) >
				    0);
		if (cut) {
			assert_int_equal(ftruncate(r.fd, 0), 0);
			cause = "it was cut";
		}
		pd_expect_end(&r, -EIO);
		pd_expect_end(&r, -EIO);
		assert_non_null(strstr(ustack_reader_error(r.reader), cause));
		pd_close(&r);
	}
}

/* What cannot be read twice comes through a pipe. */
static pid_t pd_open_pipe(struct pd *pd, struct pd_reader *r)
{
	int fd[2];
	pid_t pid;

	memset(r, 0, sizeof(*r));
	assert_int_equal(pipe(fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(fd[0]);
		signal(SIGPIPE, SIG_DFL);
		while (pd->n) {
			ssize_t n = write(fd[1], pd->buf, pd->n);

			if (n < 0)
				_exit(1);
			pd->buf += n;
			pd->n -= n;
		}
		_exit(0);
	}
	close(fd[1]);
	r->fd = fd[0];
	snprintf(r->path, sizeof(r->path), "/proc/self/fd/%d", r->fd);
	assert_int_equal(ustack_images_new(&r->images, NULL), 0);
	assert_int_equal(ustack_reader_new(&r->reader, r->images), 0);
	assert_int_equal(ustack_reader_open(r->reader, r->path), 0);
	return pid;
}

static void large_round_of_a_pipe(void **state)
{
	struct pd_reader r;
	struct pd pd;
	pid_t pid;

	(void)state;
	pd_large_round(&pd);
	pid = pd_open_pipe(&pd, &r);
	expect_large_round(&r);
	pd_close(&r);
	assert_int_equal(waitpid(pid, NULL, 0), pid);

	/* Nowhere to put it: one line, and what is there comes out. */
	assert_int_equal(setenv("TMPDIR", "/nonexistent", 1), 0);
	pid = pd_open_pipe(&pd, &r);
	pd_expect_end(&r, -ENOENT);
	assert_non_null(strstr(ustack_reader_error(r.reader), "TMPDIR"));
	unsetenv("TMPDIR");
	pd_close(&r);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	free(pd.buf);
}

/* Through the reader: two CPUs, a mapping on one, its sample on the other. */
static void across_cpus(void **state)
{
	const struct ustack_sample *s;
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 100, 3000, 0xc1);
	pd_stack(&pd, 100, 4000, 0xc1);
	pd_comm(&pd, 0, 100, 100, 3500, "later");
	pd_comm(&pd, 0, 100, 100, 1000, "early");
	pd_mmap2(&pd, 100, 2000, 0x401000, 0x1000, "/no/file");
	pd_round(&pd);
	assert_int_equal(pd_open(&pd, &r), 0);
	s = pd_next(&r);
	assert_string_equal(s->comm, "early");
	assert_int_equal(s->pair, USTACK_PAIR_PAIRED);
	ustack_symbolize(s->space, 0x401000, &sym);
	assert_non_null(sym.path);
	pd_expect_end(&r, 0);
	pd_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rounds),
		cmocka_unit_test(stable),
		cmocka_unit_test(no_rounds),
		cmocka_unit_test(large_round_of_a_file),
		cmocka_unit_test(file_changes),
		cmocka_unit_test(large_round_of_a_pipe),
		cmocka_unit_test(across_cpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
