// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Sorting symbols: whatever order they come in, as qsort() does it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "name/symbols.h"

#define MOST 400
#define ROUNDS 2000

static const char *const names[] = { "a", "b", "_b", "__c", "ab", "a_b" };

/* Sorted but for swaps of some that are near each other, and many of one address. */
static size_t make(struct symbol *v, unsigned int *seed)
{
	size_t nr = rand_r(seed) % (MOST + 1), swaps, i;
	struct symbol one;

	memset(v, 0, nr * sizeof(*v));
	for (i = 0; i < nr; i++) {
		v[i].start = rand_r(seed) % 3 ? i * 16 : i / 8 * 128;
		v[i].end = v[i].start + rand_r(seed) % 2 * 8;
		v[i].name = names[rand_r(seed) % 6];
		v[i].bind = rand_r(seed) % 3;
		v[i].order = i;
	}
	for (swaps = nr ? rand_r(seed) % (2 * nr) : 0; swaps--;) {
		size_t a = rand_r(seed) % nr, b = a + rand_r(seed) % 8;

		if (b >= nr)
			continue;
		one = v[a];
		v[a] = v[b];
		v[b] = one;
	}
	return nr;
}

static int compare(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;
	int ret = symbols_by_preference(a, b);

	return ret ? ret : x->order < y->order ? -1 : x->order > y->order;
}

static void any_order(void **state)
{
	unsigned int seed = getenv("SEED") ? atoi(getenv("SEED")) : 1;
	static struct symbol v[MOST], plain[MOST];

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		size_t nr = make(v, &seed), kept = 0, i;
		struct symbols symbols = { .v = v, .nr = nr };

		memcpy(plain, v, nr * sizeof(*v));
		if (nr)
			qsort(plain, nr, sizeof(*plain), compare);
		for (i = 0; i < nr; i++)
			if (!kept || plain[i].start != plain[kept - 1].start)
				plain[kept++] = plain[i];
		symbols_sort(&symbols, compare);
		assert_int_equal(symbols.nr, kept);
		for (i = 0; i < kept; i++) {
			assert_int_equal(v[i].start, plain[i].start);
			assert_int_equal(v[i].order, plain[i].order);
			assert_ptr_equal(v[i].name, plain[i].name);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
