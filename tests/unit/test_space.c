// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Maps of a process: overlaps, unmapping, fork, exec. */
#include "literal.h"

static struct ustack_images *images;
static struct ustack_space *space;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(ustack_images_new(&images, NULL), 0);
	assert_int_equal(ustack_space_new(&space, images), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ustack_space_free(space);
	ustack_images_free(images);
	return 0;
}

static void map(uint64_t addr, uint64_t size, uint64_t pgoff, const char *path)
{
	assert_int_equal(map_path(space, addr, size, pgoff, path), 0);
}

static void is(struct ustack_space *s, uint64_t addr, const char *path,
	       uint64_t start, uint64_t end, uint64_t pgoff)
{
	struct map *m = space_find(s, addr);

	assert_non_null(m);
	assert_string_equal(m->origin->path, path);
	assert_true(m->start == start && m->end == end && m->pgoff == pgoff);
}

static void edges(void **state)
{
	(void)state;
	assert_null(space_find(space, 0x1000));
	map(0x3000, 0x1000, 0, "/b");
	map(0x1000, 0x1000, 0x5000, "/a");
	is(space, 0x1000, "/a", 0x1000, 0x2000, 0x5000);
	is(space, 0x1fff, "/a", 0x1000, 0x2000, 0x5000);
	assert_null(space_find(space, 0x2000));
	assert_null(space_find(space, 0xfff));
	is(space, 0x3000, "/b", 0x3000, 0x4000, 0);
	assert_null(space_find(space, 0x4000));
	assert_int_equal(map_path(space, 0x9000, 0, 0, "/c"), -EINVAL);
	assert_int_equal(map_path(space, -0x1000, 0x2000, 0, "/c"), -EINVAL);
}

static void overlap_in_the_middle(void **state)
{
	(void)state;
	map(0x10000, 0x10000, 0x2000, "/a");
	map(0x14000, 0x4000, 0, "/b");
	is(space, 0x13fff, "/a", 0x10000, 0x14000, 0x2000);
	is(space, 0x14000, "/b", 0x14000, 0x18000, 0);
	is(space, 0x18000, "/a", 0x18000, 0x20000, 0xa000);
}

static void overlap_of_many(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		map(0x10000 + i * 0x2000, 0x1000, i * 0x1000, "/a");
	/* Cuts the first and the last, swallows those between. */
	map(0x10800, 0x20000, 0, "/b");
	is(space, 0x10000, "/a", 0x10000, 0x10800, 0);
	is(space, 0x10800, "/b", 0x10800, 0x30800, 0);
	is(space, 0x30800, "/a", 0x30800, 0x31000, 0x10800);
	is(space, 0x32000, "/a", 0x32000, 0x33000, 0x11000);
	map(0x10000, 0x100000, 0, "/c");
	is(space, 0x10000, "/c", 0x10000, 0x110000, 0);
	is(space, 0x10ffff, "/c", 0x10000, 0x110000, 0);
}

static void unmap(void **state)
{
	uint64_t id;

	(void)state;
	assert_int_equal(ustack_space_unmap(space, 0x1000, 0x1000), 0);
	assert_int_equal(ustack_space_unmap(space, 0x1000, 0), -EINVAL);
	assert_int_equal(ustack_space_unmap(space, -0x1000, 0x2000), -EINVAL);
	map(0x10000, 0x10000, 0x2000, "/a");
	map(0x30000, 0x10000, 0, "/b");
	/* Nothing there: nobody has to forget what he knows of the space. */
	id = space_id(space);
	assert_int_equal(ustack_space_unmap(space, 0x20000, 0x10000), 0);
	assert_int_equal(ustack_space_unmap(space, 0x40000, 0x10000), 0);
	assert_true(space_id(space) == id);
	/* Out of the middle, the end of one and the start of the next. */
	assert_int_equal(ustack_space_unmap(space, 0x14000, 0x1000), 0);
	assert_true(space_id(space) != id);
	is(space, 0x13fff, "/a", 0x10000, 0x14000, 0x2000);
	assert_null(space_find(space, 0x14000));
	assert_null(space_find(space, 0x14fff));
	is(space, 0x15000, "/a", 0x15000, 0x20000, 0x7000);
	assert_int_equal(ustack_space_unmap(space, 0x1f000, 0x12000), 0);
	is(space, 0x1efff, "/a", 0x15000, 0x1f000, 0x7000);
	is(space, 0x31000, "/b", 0x31000, 0x40000, 0x1000);
	assert_int_equal(ustack_space_unmap(space, 0, -1), 0);
	for (uint64_t addr = 0x10000; addr < 0x40000; addr += 0x1000)
		assert_null(space_find(space, addr));
}

static uint64_t random_below(uint64_t n)
{
	static uint64_t seed = 1;

	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % n;
}

#define PAGES 64

/* Page by page, as it would be done without ranges. */
static void random_maps(void **state)
{
	struct {
		char name;	/* 0: none */
		uint64_t pgoff;
	} page[PAGES] = { { 0 } };

	(void)state;
	for (int n = 0; n < 20000; n++) {
		uint64_t start = random_below(PAGES);
		uint64_t nr = 1 + random_below(PAGES - start);
		uint64_t pgoff = random_below(1000);
		char path[] = "/a";

		path[1] += random_below(20);
		for (uint64_t i = start; i < start + nr; i++) {
			page[i].name = n % 3 ? path[1] : 0;
			page[i].pgoff = pgoff + (i - start);
		}
		if (n % 3)
			map(start << 12, nr << 12, pgoff << 12, path);
		else
			assert_int_equal(ustack_space_unmap(space, start << 12,
							    nr << 12),
					 0);
		for (uint64_t i = 0; i < PAGES; i++) {
			struct map *m = space_find(space, i << 12 | 0x123);

			assert_int_equal(!m, !page[i].name);
			if (!m)
				continue;
			assert_int_equal(m->origin->path[1], page[i].name);
			assert_true(m->pgoff + (i << 12) - m->start ==
				    page[i].pgoff << 12);
		}
	}
}

static void fork_and_exec(void **state)
{
	struct ustack_space *child;
	uint64_t id;

	(void)state;
	map(0x1000, 0x1000, 0, "/a");
	assert_int_equal(ustack_space_fork(&child, space), 0);
	id = ustack_space_id(child);
	assert_int_not_equal(id, 0);
	assert_int_equal(ustack_space_id(space), id);
	map(0x1000, 0x1000, 0, "/b");
	assert_int_equal(ustack_space_id(child), id);
	assert_int_not_equal(ustack_space_id(space), id);
	assert_int_not_equal(ustack_space_id(space), 0);
	is(child, 0x1000, "/a", 0x1000, 0x2000, 0);
	is(space, 0x1000, "/b", 0x1000, 0x2000, 0);
	ustack_space_clear(child);
	assert_int_equal(ustack_space_id(child), 0);
	assert_null(space_find(child, 0x1000));
	is(space, 0x1000, "/b", 0x1000, 0x2000, 0);
	ustack_space_free(child);
	assert_int_equal(ustack_space_fork(&child, space), 0);
	ustack_space_free(space);
	space = child;
	is(space, 0x1000, "/b", 0x1000, 0x2000, 0);
}

/*
 * A segment whose offset is not page aligned, as lld lays them out: offset
 * 0x1234 is vaddr 0x203234, the map begins with the page.
 */
static void bias_within_a_page(void **state)
{
	static const uint8_t data[0x2000] = { [0x1234] = 0x5a };
	struct image *image;
	struct map *m;
	uint8_t byte;

	(void)state;
	image = image_of(images, "/lld", NULL, 0);
	literal_open(image);
	image->data = data;
	image->size = sizeof(data);
	image->segments = calloc(2, sizeof(*image->segments));
	image->nr_segments = 2;
	image->segments[0] = (struct segment){ 0x200000, 0, 0x1234, PF_R };
	image->segments[1] = (struct segment){ 0x203234, 0x1234, 0x800,
					       PF_R | PF_X };
	map(0x7f0000001000, 0x1000, 0x1000, "/lld");
	m = space_find_image(space, 0x7f0000001234);
	assert_non_null(m);
	assert_true(0x7f0000001234 - m->bias == 0x203234);
	assert_int_equal(space_read(space, 0x7f0000001234, &byte, 1), 0);
	assert_int_equal(byte, 0x5a);
	assert_int_equal(space_read(space, 0x7f0000001a34, &byte, 1), -EFAULT);
	image->segments[1].flags |= PF_W;
	assert_int_equal(space_read(space, 0x7f0000001234, &byte, 1), -EFAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(edges, setup, teardown),
		cmocka_unit_test_setup_teardown(overlap_in_the_middle, setup,
						teardown),
		cmocka_unit_test_setup_teardown(overlap_of_many, setup,
						teardown),
		cmocka_unit_test_setup_teardown(unmap, setup, teardown),
		cmocka_unit_test_setup_teardown(random_maps, setup, teardown),
		cmocka_unit_test_setup_teardown(fork_and_exec, setup, teardown),
		cmocka_unit_test_setup_teardown(bias_within_a_page, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
