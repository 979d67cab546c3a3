// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Lines that were met before have the functions that they would get anew: random lines
 * of spaces that are mapped anew, forked and cleared all the time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* So few that other spaces' lines get in the way all the time. */
#define NR_NAMED 64
#include "cli/named.c"

#define SPACES 4
#define PAGES 8 /* of code, at which files are mapped */
#define ROUNDS 300000

static char exe[PATH_MAX], lib[PATH_MAX];
static const char *const path[] = { exe, lib, "//anon" };
static struct ustack_images *images;
static struct ustack_space *space[SPACES];
static uint64_t seed = 1;

_Noreturn void cli_no_memory(const struct cli *cli)
{
	(void)cli;
	abort();
}

static uint32_t any(uint32_t n)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (seed >> 33) % n;
}

/* Part of a program, of a library, or of a JIT, which has no names. */
static void map_any(struct ustack_space *s)
{
	struct ustack_map map = {
		.sz = sizeof(map),
		.addr = (16 + any(PAGES)) << 20,
		.size = (1 + any(2)) << 20,
		.path = path[any(3)],
		.prot = PROT_READ | PROT_EXEC,
	};

	map.pgoff = (16 + any(64)) << 12;
	assert_int_equal(ustack_space_map(s, &map), 0);
}

static void change(void)
{
	struct ustack_space **s = &space[any(SPACES)];

	switch (any(40)) {
	case 0:
		ustack_space_clear(*s);
		break;
	case 1:
		ustack_space_free(*s);
		*s = NULL;
		assert_int_equal(ustack_space_fork(s, space[s == space]), 0);
		break;
	case 2:
		assert_int_equal(ustack_space_unmap(*s, (16 + any(PAGES)) << 20,
						    1 << 18), 0);
		break;
	default:
		map_any(*s);
	}
}

static void describe(struct out *to, const struct frames *f)
{
	char text[4096], room[FRAME_ROOM];

	for (size_t i = 0; i < f->nr; i++) {
		int n = snprintf(text, sizeof(text), "%.2000s %.1000s %.500s %u %d %llx\n",
				 frame_text(&f->frame[i], room),
				 f->frame[i].path ? f->frame[i].path : "-",
				 f->frame[i].file ? f->frame[i].file : "-",
				 f->frame[i].line, f->frame[i].inlined,
				 (unsigned long long)f->sym.addr);

		out_add(NULL, to, text, n);
	}
}

static void random_lines(void **state)
{
	static struct worker w;
	static struct frames anew;
	struct out expected = { 0 };
	size_t hits = 0;

	(void)state;
	assert_true(named_init(&w));
	for (int i = 0; i < ROUNDS; i++) {
		struct line l = { .ip = ((16 + any(PAGES)) << 20) + any(20) * 613 };
		struct ustack_sample s = { 0 };
		struct named *n;

		if (!any(300))
			change();
		s.space = space[any(SPACES)];
		l.lookup = l.ip - any(2);
		l.signal = !any(10);
		n = named_line(&w, &s, &l, true);
		hits += n->made.size > 0;
		if (!n->made.size)
			describe(&n->made, &w.frames), named_made(n);
		line_frames(&anew, &s, &l, true);
		expected.size = 0;
		describe(&expected, &anew);
		assert_int_equal(n->made.size, expected.size);
		assert_memory_equal(n->made.buf, expected.buf, expected.size);
	}
	print_message("%zu of %d were met before\n", hits, ROUNDS);
	assert_true(hits > ROUNDS / 100);
	free(expected.buf);
	named_free(&w);
}

static int setup(void **state)
{
	Dl_info info;

	(void)state;
	if (!realpath("/proc/self/exe", exe) || !dladdr(qsort, &info) ||
	    !realpath(info.dli_fname, lib) || ustack_images_new(&images, NULL))
		return -1;
	for (int i = 0; i < SPACES; i++)
		if (ustack_space_new(&space[i], images))
			return -1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < SPACES; i++)
		ustack_space_free(space[i]);
	ustack_images_free(images);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(random_lines) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
