// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Words of captured ranges: at their edges, across two, in none. */
#include "literal.h"

static const uint8_t low[16] = { 0, 1, 2, 3, 4, 5, 6, 7,
				 8, 9, 10, 11, 12, 13, 14, 15 };
static const uint8_t high[8] = { 16, 17, 18, 19, 20, 21, 22, 23 };
static const struct ustack_range ranges[] = {
	{ 0x7000, 16, low },
	{ 0x7010, 8, high },	/* adjacent */
	{ 0xfffffffffffffff8, 8, high },
};
static struct mem mem;

static int setup(void **state)
{
	(void)state;
	mem_init(&mem, ranges, 3);
	return 0;
}

static void words_inside(void **state)
{
	uint64_t val;

	(void)state;
	assert_int_equal(mem_read_u64(&mem, 0x7000, &val), 0);
	assert_true(val == 0x0706050403020100);
	assert_int_equal(mem_read_u64(&mem, 0x7008, &val), 0);
	assert_true(val == 0x0f0e0d0c0b0a0908);
	assert_int_equal(mem_read_u64(&mem, 0x7010, &val), 0);
	assert_true(val == 0x1716151413121110);
	assert_int_equal(mem_read_u64(&mem, 0xfffffffffffffff8, &val), 0);
}

static void words_across(void **state)
{
	uint64_t val;

	(void)state;
	assert_int_equal(mem_read_u64(&mem, 0x700c, &val), 0);
	assert_true(val == 0x131211100f0e0d0c);
}

static void words_outside(void **state)
{
	uint64_t val;

	(void)state;
	assert_int_equal(mem_read_u64(&mem, 0x6ff8, &val), -EFAULT);
	assert_int_equal(mem_read_u64(&mem, 0x6fff, &val), -EFAULT);
	assert_int_equal(mem_read_u64(&mem, 0x7011, &val), -EFAULT);
	assert_int_equal(mem_read_u64(&mem, 0x7018, &val), -EFAULT);
	assert_int_equal(mem_read_u64(&mem, 0, &val), -EFAULT);
	/* Around the end of the address space. */
	assert_int_equal(mem_read_u64(&mem, 0xfffffffffffffffc, &val), -EFAULT);
	assert_null(mem_range(&mem, 0x7018));
	assert_ptr_equal(mem_range(&mem, 0x7017), &ranges[1]);
}

static int fallback(void *arg, uint64_t addr, void *buf, size_t size)
{
	assert_ptr_equal(arg, &ranges);
	if (addr != 0x400000)
		return -EFAULT;
	memset(buf, 0x5a, size);
	return 0;
}

static void fallback_last(void **state)
{
	uint64_t val;

	(void)state;
	for (size_t nr = 3; nr < 4; nr -= 3) {
		mem_init(&mem, ranges, nr);
		mem.fallback = fallback;
		mem.arg = (void *)&ranges;
		assert_int_equal(mem_read_u64(&mem, 0x400000, &val), 0);
		assert_true(val == 0x5a5a5a5a5a5a5a5a);
		assert_int_equal(mem_read_u64(&mem, 0x500000, &val), -EFAULT);
		assert_int_equal(mem_read_u64(&mem, 0x7000, &val),
				 nr ? 0 : -EFAULT);
		assert_true(!nr || val == 0x0706050403020100);
	}
}

static uint64_t below(uint64_t n)
{
	static uint64_t seed = 1;

	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % n;
}

/* The same range as by linear search, at the edges and anywhere. */
static void sorted_ranges(void **state)
{
	static struct ustack_range many[5000];
	static uint8_t bytes[64];
	const size_t max = sizeof(many) / sizeof(*many);

	(void)state;
	for (int round = 0; round < 200; round++) {
		size_t nr = round % 3 ? below(20) : below(max + 1);
		uint64_t addr = below(2) ? 0 : 0xffffffffffff0000 - 40 * nr;
		struct mem linear, sorted;

		for (size_t i = 0; i < nr; i++) {
			addr += below(3) * below(20);
			many[i].addr = addr;
			/* Empty, adjacent, and up to the last byte there is. */
			many[i].size = below(24);
			many[i].data = bytes;
			addr += many[i].size;
		}
		if (nr && below(2)) {
			many[nr - 1].addr = -24;
			many[nr - 1].size = 24;
		}
		mem_init(&linear, many, nr);
		sorted = linear;
		sorted.sorted = true;
		for (int n = 0; n < 300; n++) {
			size_t i = nr ? below(nr) : 0;
			uint64_t at = nr ? many[i].addr : 0;

			at += n % 2 ? below(50) - 10 : many[i].size - n % 4 / 2;
			if (n % 5 == 0 && nr)
				linear.stack = sorted.stack = &many[below(nr)];
			assert_ptr_equal(mem_range(&sorted, at),
					 mem_range(&linear, at));
		}
	}
}

static void leb128(void **state)
{
	static const uint8_t bytes[] = {
		0x02, 0xe5, 0x8e, 0x26,		/* 2, 624485 */
		0x7e, 0x80, 0x7f, 0xff, 0x00,	/* -2, -128, 127 */
		0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
		0x80, 0x80, 0x80, 0x80, 0x80, 0x00, /* 0, padded */
		0x80,				/* cut */
	};
	struct buf b = { bytes, bytes + sizeof(bytes), false };

	(void)state;
	assert_int_equal(buf_uleb(&b), 2);
	assert_int_equal(buf_uleb(&b), 624485);
	assert_int_equal(buf_sleb(&b), -2);
	assert_int_equal(buf_sleb(&b), -128);
	assert_int_equal(buf_sleb(&b), 127);
	assert_int_equal(buf_uleb(&b), 0);
	assert_false(b.bad);
	buf_uleb(&b);
	assert_true(b.bad);
	assert_ptr_equal(b.p, b.end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(words_inside, setup),
		cmocka_unit_test_setup(words_across, setup),
		cmocka_unit_test_setup(words_outside, setup),
		cmocka_unit_test_setup(fallback_last, setup),
		cmocka_unit_test(sorted_ranges),
		cmocka_unit_test(leb128),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
