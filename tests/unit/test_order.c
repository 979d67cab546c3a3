// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Records of several CPUs leave in the order of their times. */
#include "perfdata.h"

/* FINISHED_ROUND lets go what the round before had seen, and no more. */
static void rounds(void **state)
{
	struct order o = { 0 };
	struct order_entry e;
	struct pd pd = { 0 };
	struct rec r;

	(void)state;
	pd_round(&pd); /* any record */
	r = (struct rec){ pd.buf, NULL };
	/* round 1: CPU 0 has 10 30, CPU 1 has 20 */
	assert_int_equal(order_add(&o, 10, &r), 0);
	assert_int_equal(order_add(&o, 30, &r), 0);
	assert_int_equal(order_add(&o, 20, &r), 0);
	order_round(&o, UINT64_MAX);
	assert_false(order_pop(&o, &e));
	/* round 2: CPU 0 has 50, CPU 1 has 25 40 */
	assert_int_equal(order_add(&o, 50, &r), 0);
	assert_int_equal(order_add(&o, 25, &r), 0);
	assert_int_equal(order_add(&o, 40, &r), 0);
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
	free(pd.buf);
}

/* Equal times keep the order of the file. */
static void stable(void **state)
{
	struct order o = { 0 };
	struct order_entry e;
	struct pd pd = { 0 };
	struct rec r;
	unsigned int i;

	(void)state;
	pd_round(&pd);
	r = (struct rec){ pd.buf, NULL };
	for (i = 0; i < 5000; i++)
		assert_int_equal(order_add(&o, i % 2 ? 5 : 7, &r), 0);
	order_end(&o);
	for (i = 0; i < 5000; i++) {
		assert_true(order_pop(&o, &e));
		assert_int_equal(e.time, i < 2500 ? 5 : 7);
		assert_int_equal(e.seq, i < 2500 ? 2 * i + 1 : 2 * (i - 2500));
	}
	assert_false(order_pop(&o, &e));
	order_free(&o, NULL);
	free(pd.buf);
}

/* Without a round in sight the queue does not grow for ever. */
static void no_rounds(void **state)
{
	struct order o = { 0 };
	struct order_entry e;
	struct pd pd = { 0 };
	uint64_t i, out = 0, last = 0;
	struct rec r;

	(void)state;
	pd_part(&pd, 1, 1, 1, 1, 0, 32768, 0);
	r = (struct rec){ pd.buf, NULL };
	for (i = 2; i <= 20000; i++) { /* 650 MB */
		assert_int_equal(order_add(&o, i ^ 1, &r), 0);
		while (order_pop(&o, &e)) {
			assert_true(e.time > last);
			last = e.time;
			out++;
		}
		assert_true(o.bytes <= 256u << 20);
	}
	assert_true(out > 10000);
	order_free(&o, &(struct chunk_pool){ 0 });
	free(pd.buf);
}

/* Through the reader: two CPUs, a mapping on one, its sample on the other. */
static void across_cpus(void **state)
{
	const struct ustack_sample *s;
	struct ustack_symbol sym;
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
		cmocka_unit_test(across_cpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
