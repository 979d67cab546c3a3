// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * What many threads need and one makes: made once, waited for, and no deadlock
 * whatever depends on what.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "util/once.h"

#define THREADS 6
#define THINGS 8

static struct onces all;

static int setup(void **state)
{
	(void)state;
	onces_init(&all);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_null(all.makers);
	assert_null(all.waiters);
	onces_destroy(&all);
	return 0;
}

/* --- one thread -------------------------------------------------------------- */

static int made;

static int count(void *arg)
{
	made++;
	return *(int *)arg;
}

static void result_is_kept(void **state)
{
	struct once once = { ONCE_NEW };
	int result = -ENOENT;

	(void)state;
	made = 0;
	assert_int_equal(once_make(&all, &once, count, &result), -ENOENT);
	result = 0;
	assert_int_equal(once_make(&all, &once, count, &result), -ENOENT);
	assert_int_equal(made, 1);
	assert_int_equal(once_state(&once), -ENOENT);
}

static int needs_itself(void *arg)
{
	return once_make(&all, arg, needs_itself, arg);
}

/* That is no result: who asks later may get one. */
static void circle_of_one(void **state)
{
	struct once once = { ONCE_NEW };
	int result = 0;

	(void)state;
	assert_int_equal(once_make(&all, &once, needs_itself, &once), -EDEADLK);
	assert_int_equal(once_make(&all, &once, count, &result), 0);
}

/* --- two threads, each of which makes what the other one needs ------------------ */

static struct once left, right;
static pthread_barrier_t both_make;

static int make_alone(void *arg)
{
	(void)arg;
	return 0;
}

/* Does without what it cannot wait for. */
static int make_left(void *arg)
{
	pthread_barrier_wait(&both_make);
	*(int *)arg = once_make(&all, &right, make_alone, NULL);
	return 0;
}

static int make_right(void *arg)
{
	pthread_barrier_wait(&both_make);
	*(int *)arg = once_make(&all, &left, make_alone, NULL);
	return 0;
}

static void *run_right(void *arg)
{
	once_make(&all, &right, make_right, arg);
	return NULL;
}

static void circle_of_two(void **state)
{
	int in_left, in_right;
	pthread_t thread;

	(void)state;
	pthread_barrier_init(&both_make, NULL, 2);
	for (int n = 0; n < 100; n++) {
		left.state = right.state = ONCE_NEW;
		pthread_create(&thread, NULL, run_right, &in_right);
		assert_int_equal(once_make(&all, &left, make_left, &in_left), 0);
		pthread_join(thread, NULL);
		/* The second to ask goes without, the first one waits for it. */
		assert_true((in_left == -EDEADLK && !in_right) ||
			    (in_right == -EDEADLK && !in_left));
		assert_int_equal(once_state(&left) | once_state(&right), 0);
	}
	pthread_barrier_destroy(&both_make);
}

/* --- many, at random -------------------------------------------------------------- */

#define NOTHING (-1)

static struct thing {
	struct once once;
	int needs[2];
	int made;		/* plain: the library orders the accesses */
	int makers;
} things[THINGS];

static int wrong;

static void expect(bool right)
{
	if (!right)
		__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
}

static int make_thing(void *arg)
{
	struct thing *t = arg;
	int err = 0;

	expect(__atomic_add_fetch(&t->makers, 1, __ATOMIC_RELAXED) == 1);
	sched_yield();
	for (int i = 0; i < 2 && !err; i++) {
		struct thing *need = &things[t->needs[i]];

		if (t->needs[i] == NOTHING)
			continue;
		err = once_make(&all, &need->once, make_thing, need);
		expect(err ? err == -EDEADLK : need->made == 1);
	}
	__atomic_sub_fetch(&t->makers, 1, __ATOMIC_RELAXED);
	t->made += !err;
	return err;
}

static void *need_all(void *arg)
{
	unsigned int seed = (uintptr_t)arg;

	for (int i = 0; i < THINGS; i++) {
		struct thing *t = &things[rand_r(&seed) % THINGS];

		if (!once_make(&all, &t->once, make_thing, t))
			expect(t->made == 1);
	}
	return NULL;
}

/* Without circles thing n needs those before it. */
static void choose_needs(bool circles, unsigned int *seed)
{
	for (int n = 0; n < THINGS; n++) {
		int nr = circles ? THINGS : n;

		things[n] = (struct thing){ .once = { ONCE_NEW } };
		for (int i = 0; i < 2; i++)
			things[n].needs[i] = nr ? rand_r(seed) % nr : NOTHING;
	}
}

static void random_needs(void **state)
{
	const char *from = getenv("SEED");
	unsigned int seed = from ? strtoul(from, NULL, 0) : 1;

	(void)state;
	print_message("SEED=%u\n", seed);
	for (int n = 0; n < 300; n++) {
		bool circles = n % 2;
		pthread_t thread[THREADS];

		choose_needs(circles, &seed);
		for (int i = 0; i < THREADS; i++)
			pthread_create(&thread[i], NULL, need_all,
				       (void *)(uintptr_t)rand_r(&seed));
		for (int i = 0; i < THREADS; i++)
			pthread_join(thread[i], NULL);
		for (int i = 0; i < THINGS && !circles; i++)
			assert_int_equal(once_make(&all, &things[i].once,
						   make_thing, &things[i]),
					 0);
		assert_int_equal(wrong, 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(result_is_kept), TEST(circle_of_one),
		TEST(circle_of_two), TEST(random_needs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
