// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Structs with a size in front: between callers and libraries of different
 * ages every field that both know arrives, and nothing else is dropped.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ustack.h"
#include "util/opts.h"

struct opts {
	size_t sz;
	uint64_t first;
	uint64_t second, third;
	uint64_t later;	/* unknown to a library whose struct ends before it */
};

#define KNOWN offsetof(struct opts, later)

static void copies_what_both_know(void **state)
{
	struct opts opts = { .sz = sizeof(opts), .first = 1, .second = 2,
			     .third = 3, .later = 4 };
	struct opts own;

	(void)state;
	assert_int_equal(opts_copy(&own, sizeof(own), &opts), 0);
	assert_memory_equal(&own, &opts, sizeof(own));
	/* An older caller: it does not have the third field. */
	opts.sz = offsetof(struct opts, third);
	assert_int_equal(opts_copy(&own, sizeof(own), &opts), 0);
	assert_int_equal(own.second, 2);
	assert_int_equal(own.third, 0);
	assert_int_equal(own.later, 0);
	/* A newer one, with a field we do not know: fine while it is not set. */
	opts.sz = sizeof(opts);
	assert_int_equal(opts_copy(&own, KNOWN, &opts), -EINVAL);
	opts.later = 0;
	assert_int_equal(opts_copy(&own, KNOWN, &opts), 0);
	assert_int_equal(own.third, 3);
	((uint8_t *)&opts)[sizeof(opts) - 1] = 1;
	assert_int_equal(opts_copy(&own, KNOWN, &opts), -EINVAL);
}

static void none_is_all_defaults(void **state)
{
	struct opts own, zero = { 0 };

	(void)state;
	memset(&own, 0xff, sizeof(own));
	assert_int_equal(opts_copy(&own, sizeof(own), NULL), 0);
	assert_memory_equal(&own, &zero, sizeof(own));
}

static void refuses_sizes_that_cannot_be(void **state)
{
	static const size_t bad[] = { 0, 1, sizeof(size_t),
				      offsetof(struct opts, second) - 1,
				      sizeof(struct opts) - 1,
				      sizeof(struct opts) + 1, 4097,
				      (size_t)-1 };
	struct opts opts = { .first = 1 }, own;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		opts.sz = bad[i];
		assert_int_equal(opts_copy(&own, sizeof(own), &opts), -EINVAL);
		assert_int_equal(opts_fill(&opts, &own, sizeof(own)), -EINVAL);
	}
}

static void fills_as_far_as_the_caller_has_room(void **state)
{
	const struct opts own = { .sz = 99, .first = 1, .second = 2,
				  .third = 3, .later = 4 };
	struct opts out;

	(void)state;
	memset(&out, 0xff, sizeof(out));
	out.sz = offsetof(struct opts, third);
	assert_int_equal(opts_fill(&out, &own, sizeof(own)), 0);
	assert_int_equal(out.sz, offsetof(struct opts, third));
	assert_int_equal(out.first, 1);
	assert_int_equal(out.second, 2);
	assert_int_equal(out.third, UINT64_MAX);
	/* A newer caller: what we do not know is 0, not what was there. */
	out.sz = sizeof(out);
	assert_int_equal(opts_fill(&out, &own, KNOWN), 0);
	assert_int_equal(out.sz, sizeof(out));
	assert_int_equal(out.third, 3);
	assert_int_equal(out.later, 0);
}

/* As a caller sees it; sz forgotten is the likeliest mistake. */
static void the_library_checks_its_options(void **state)
{
	struct {
		struct ustack_images_opts opts;
		uint64_t later;
	} newer = { .opts.root = "/nowhere" };
	struct ustack_images *images = (void *)1;

	(void)state;

	assert_int_equal(ustack_images_new(&images, &newer.opts), -EINVAL);
	assert_null(images);
	newer.opts.sz = sizeof(newer);
	newer.later = 1;
	assert_int_equal(ustack_images_new(&images, &newer.opts), -EINVAL);
	assert_null(images);
	newer.later = 0;
	assert_int_equal(ustack_images_new(&images, &newer.opts), 0);
	ustack_images_free(images);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_what_both_know),
		cmocka_unit_test(none_is_all_defaults),
		cmocka_unit_test(refuses_sizes_that_cannot_be),
		cmocka_unit_test(fills_as_far_as_the_caller_has_room),
		cmocka_unit_test(the_library_checks_its_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
