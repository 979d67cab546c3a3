// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see cookie.sh: the account of cookies where NMIs come at
 * any instruction. Statistics: a hole of two instructions is hit now and then.
 */
#include <pthread.h>

#include "guest.h"

/* Prime, so that NMIs do not keep step with what they sample. */
#define NMI_PERIOD 40009

struct cookies {
	uint64_t *at;
	size_t nr, room;
};

struct account {
	struct cookies samples, records;
	uint64_t without; /* samples that have no cookie */
	uint64_t zero; /* records whose cookie is 0 */
	uint64_t lost;
};

static void add(struct cookies *c, uint64_t cookie)
{
	if (c->nr == c->room) {
		c->room = 2 * c->room + 1024;
		c->at = realloc(c->at, c->room * sizeof(*c->at));
		check(c->at);
	}
	c->at[c->nr++] = cookie;
}

static void take_cookies(struct ring *r, struct account *acc)
{
	struct record rec;

	while (ring_next(r, &rec)) {
		if (rec.type == PERF_RECORD_LOST)
			acc->lost += rec.lost;
		else if (rec.type == PERF_RECORD_STACK_DEFERRED && !rec.cookie)
			acc->zero++;
		else if (rec.type == PERF_RECORD_STACK_DEFERRED)
			add(&acc->records, rec.cookie);
		else if (rec.type == PERF_RECORD_SAMPLE && !rec.cookie)
			acc->without++;
		else if (rec.type == PERF_RECORD_SAMPLE)
			add(&acc->samples, rec.cookie);
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Cookies of samples that have no record, and of records that came twice. */
static void check_account(struct account *acc, size_t at_least)
{
	struct cookies *s = &acc->samples, *r = &acc->records;
	size_t i, j, missing = 0, twice = 0;

	qsort(s->at, s->nr, 8, compare);
	qsort(r->at, r->nr, 8, compare);
	for (i = 1; i < r->nr; i++)
		twice += r->at[i] == r->at[i - 1];
	for (i = j = 0; i < s->nr; i++) {
		while (j < r->nr && r->at[j] < s->at[i])
			j++;
		missing += j == r->nr || r->at[j] != s->at[i];
	}
	printf("%zu samples, %" PRIu64 " without a cookie, %zu without a record; "
	       "%zu records, %" PRIu64 " with cookie 0, %zu twice\n",
	       s->nr + acc->without, acc->without, missing,
	       r->nr + acc->zero, acc->zero, twice);
	check(!acc->lost);
	check(s->nr >= at_least);
	check(!acc->without && !missing && !acc->zero && !twice);
}

static struct perf_event_attr small_attr(void)
{
	struct perf_event_attr attr = base_attr(0);

	attr.sample_type &= ~PERF_SAMPLE_STACK_USER;
	attr.exclude_callchain_kernel = 1;
	return attr;
}

/* The same work time and again makes NMIs come at the same few places of it. */
static void jitter(void)
{
	static uint32_t seed = 1;

	seed = seed * 1664525 + 1013904223;
	for (uint32_t n = seed >> 22; n; n--)
		asm volatile("");
}

static struct ring open_nmi(struct perf_event_attr attr)
{
	attr = on_nmis(attr, NMI_PERIOD);
	return open_ring(&attr, 0, 0);
}

/*
 * A request in every stay, so that every way back to user mode forgets a
 * cookie, and NMIs that ask for one while it does.
 */
static void test_return(void)
{
	struct perf_event_attr attr = tracepoint_attr("raw_syscalls/sys_enter", 0);
	struct perf_event_attr small = small_attr();
	struct account of_calls = { 0 }, of_nmis = { 0 };
	struct ring calls, nmis;

	small.type = attr.type;
	small.config = attr.config;
	calls = open_ring(&small, 0, 0);
	set_filter(&calls, IS_GETPPID);
	small = small_attr();
	nmis = open_nmi(small);

	for (int round = 0; round < 6; round++) {
		start(&calls);
		start(&nmis);
		for (int i = 0; i < 20000; i++) {
			jitter();
			syscall(SYS_getppid);
		}
		stop(&nmis);
		stop(&calls);
		take_cookies(&calls, &of_calls);
		take_cookies(&nmis, &of_nmis);
	}
	check_account(&of_calls, 120000);
	check_account(&of_nmis, 1000);
}

/* Two threads with inherited events wake each other in turn: the kernel swaps contexts. */
static int ping[2], pong[2];

static void *answer(void *arg)
{
	char c;

	while (read(ping[0], &c, 1) == 1 && c)
		check(write(pong[1], &c, 1) == 1);
	return arg;
}

static void test_switch(void)
{
	struct account acc = { 0 };
	struct ring nmis;
	struct perf_event_attr attr = small_attr();
	pthread_t thread;
	char c = 1;

	attr.inherit = 1;
	nmis = open_nmi(attr);
	check(!pipe(ping) && !pipe(pong));
	check(!pthread_create(&thread, NULL, answer, NULL));
	start(&nmis);
	for (int i = 0; i < 20000; i++) {
		check(write(ping[1], &c, 1) == 1);
		check(read(pong[0], &c, 1) == 1);
		jitter();
	}
	stop(&nmis);
	/* The thread may wait in the very switch that was sampled. */
	check(write(ping[1], "", 1) == 1);
	check(!pthread_join(thread, NULL));
	take_cookies(&nmis, &acc);
	check_account(&acc, 1000);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "return", test_return },
		{ "switch", test_switch },
	};

	run_on(0, 0);
	return run_tests(tests, sizeof(tests) / sizeof(*tests), argc, argv);
}
