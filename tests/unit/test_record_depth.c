// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* --stack auto: depths of stacks, and the file that keeps them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/record/depth.h"

#define SP 0x7ffc00000000u
/* What kernels take at most. */
#define COPIED 65528
#define DEFERRED (8 << 20)

static void chains(struct record_depth *d, size_t nr, uint64_t depth)
{
	const struct ustack_frame frames[] = {
		{ .cfa = SP + 16 }, { .cfa = SP + depth }, { .cfa = 0 } };

	while (nr--)
		depth_chain(d, SP, frames, 3, USTACK_END_FINISHED);
}

static void cut(struct record_depth *d, size_t nr)
{
	while (nr--)
		depth_chain(d, SP, NULL, 0, USTACK_END_TRUNCATED);
}

static void next(void **state)
{
	struct record_depth d = { 0 };

	(void)state;
	assert_int_equal(depth_next(&d, 16384, COPIED), 0); /* nothing is known */
	depth_chain(&d, SP, NULL, 0, USTACK_END_NO_RULE);
	assert_int_equal(depth_next(&d, 16384, COPIED), 0);
	chains(&d, 1000, 1000); /* in the first 1024 bytes, and as much to be safe */
	assert_int_equal(depth_next(&d, 16384, COPIED), 2048);
	chains(&d, 4, 30000); /* too few to count */
	assert_int_equal(depth_next(&d, 16384, COPIED), 2048);
	chains(&d, 20, 5000); /* in 5 KiB; and two more */
	assert_int_equal(depth_next(&d, 16384, COPIED), 7168);
	cut(&d, 5);
	assert_int_equal(depth_next(&d, 16384, COPIED), 7168);
	cut(&d, 1);
	assert_int_equal(depth_next(&d, 16384, COPIED), 32768);
	assert_int_equal(depth_next(&d, 32768, COPIED), 65528);
	assert_int_equal(depth_next(&d, 65528, COPIED), 65528);
}

static void deep(void **state)
{
	struct record_depth d = { 0 };
	uint64_t depth;

	(void)state;
	chains(&d, 10, 65000);
	assert_int_equal(depth_next(&d, 65528, COPIED), 65528);
	/* More than was too little, and then what it takes, no less. */
	cut(&d, 1);
	assert_int_equal(depth_next(&d, 65528, DEFERRED), 131056);
	assert_int_equal(depth_next(&d, 6 << 20, DEFERRED), DEFERRED);
	for (depth = 1000; depth < DEFERRED; depth += depth / 5) {
		memset(&d, 0, sizeof(d));
		chains(&d, 10, depth);
		assert_in_range(depth_next(&d, 1 << 20, DEFERRED), depth + 1,
				depth * 3 / 2 + 2048);
	}
	/* On another stack, or nonsense. */
	memset(&d, 0, sizeof(d));
	chains(&d, 10, 1 << 30);
	assert_int_equal(depth_next(&d, 65528, COPIED), 2048);
}

static void kept(void **state)
{
	char dir[] = "/tmp/record-depth-XXXXXX", path[64], name[32];
	struct stat st;
	int i;

	(void)state;
	assert_non_null(mkdtemp(dir));
	setenv("XDG_CACHE_HOME", dir, 1);
	snprintf(path, sizeof(path), "%s/ustack/stacks", dir);
	assert_int_equal(depth_load("/bin/a"), 0);
	depth_keep("/bin/a", 2048);
	depth_keep("/bin/a b", 4096);
	depth_keep("/bin/a", 8192);
	depth_keep("/bin/none", 0);
	depth_keep("/bin/\n9 /bin/a", 1024);
	assert_int_equal(depth_load("/bin/a"), 8192);
	assert_int_equal(depth_load("/bin/a b"), 4096);
	assert_int_equal(depth_load("/bin/none"), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, strlen("4096 /bin/a b\n8192 /bin/a\n"));
	/* The oldest go. */
	for (i = 0; i < 1100; i++) {
		snprintf(name, sizeof(name), "/p/%d", i);
		depth_keep(name, 1024);
	}
	assert_int_equal(depth_load("/bin/a"), 0);
	assert_int_equal(depth_load("/p/1099"), 1024);
	assert_int_equal(depth_load("/p/0"), 0);
	unlink(path);
	snprintf(path, sizeof(path), "%s/ustack", dir);
	rmdir(path);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next),
		cmocka_unit_test(deep),
		cmocka_unit_test(kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
