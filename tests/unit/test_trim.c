// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Trimming changes no result: two sets of images see the same random maps,
 * unmaps, forks, execs, stacks and addresses, and only one of them is trimmed.
 */
#include <malloc.h>

#include "elffile.h"

#define SPACES 3
#define SLOTS 6		/* addresses at which something may be mapped */
#define FILES 10
#define FRAMES 24
#define WORDS 96
#define STACK 0x7ffc0000ULL

struct world {
	struct ustack_images *images;
	struct ustack_unwinder *unwinder;
	struct ustack_space *space[SPACES];
};

static struct world plain, trimmed;
static struct elf_file bytes_of[FILES];
static struct ustack_map known[FILES];

static uint64_t seed = 1;

static uint64_t random_below(uint64_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % n;
}

/* --- files: the frame of each is another size, its function another name ---------- */

static uint8_t ids[FILES][20];
static char paths[FILES][16];

static void make_file(int n)
{
	static struct bytes frames;
	char strings[16] = "";
	Elf64_Sym syms[2] = { { 0 }, { .st_name = 1, .st_shndx = 1,
				       .st_info = ELF64_ST_INFO(STB_GLOBAL,
								STT_FUNC),
				       .st_value = 0x1000, .st_size = 0x800 } };
	struct part parts[] = {
		{ ".eh_frame", SHT_PROGBITS, .vaddr = 0x9000,
		  .data = frames.data },
		{ ".symtab", SHT_SYMTAB, .link = 3, .entsize = sizeof(*syms),
		  .data = syms, .size = sizeof(syms) },
		{ ".strtab", SHT_STRTAB, .data = strings,
		  .size = sizeof(strings) },
	};

	frames.size = 0;
	FDE(&frames, put_cie(&frames, false), 0x1000, 0x400,
	    DW_CFA_def_cfa_offset, 8 + 8 * n);
	parts[0].size = frames.size;
	snprintf(strings + 1, sizeof(strings) - 1, "function_%d", n);
	memset(ids[n], n + 1, sizeof(ids[n]));
	make_elf(&bytes_of[n], 0x1000, ids[n], parts, 3);
	snprintf(paths[n], sizeof(paths[n]), "/file%d", n);
	write_file(paths[n], &bytes_of[n], bytes_of[n].size);
}

/* What maps tell of them is more or less. */
static void make_files(void)
{
	for (int n = 0; n < FILES; n++) {
		make_file(n);
		known[n] = (struct ustack_map){ .sz = sizeof(known[n]),
						.size = 0x1000,
						.path = paths[n] };
		if (n % 4 == 1)
			known[n].ino = n;
		if (n % 4 == 2) {
			known[n].data = &bytes_of[n];
			known[n].data_size = bytes_of[n].size;
		}
		if (n % 4 == 3) {
			known[n].build_id = ids[n];
			known[n].build_id_size = sizeof(ids[n]);
		}
	}
	/* One that cannot be used, one under two names. */
	known[0].path = "/not/there";
	known[FILES - 1] = known[3];
	known[FILES - 1].path = paths[FILES - 1];
	write_file(paths[FILES - 1], &bytes_of[3], bytes_of[3].size);
}

static int world_begin(struct world *w)
{
	struct ustack_images_opts opts = { .sz = sizeof(opts), .root = dir,
					   .build_id_dir = "" };

	if (ustack_images_new(&w->images, &opts) ||
	    ustack_unwinder_new(&w->unwinder))
		return -1;
	for (int i = 0; i < SPACES; i++)
		if (ustack_space_new(&w->space[i], w->images))
			return -1;
	return 0;
}

static void world_end(struct world *w)
{
	for (int i = 0; i < SPACES; i++)
		ustack_space_free(w->space[i]);
	ustack_unwinder_free(w->unwinder);
	ustack_images_free(w->images);
}

static int setup(void **state)
{
	(void)state;
	if (make_dir())
		return -1;
	make_files();
	return world_begin(&plain) || world_begin(&trimmed);
}

static int teardown(void **state)
{
	(void)state;
	world_end(&plain);
	world_end(&trimmed);
	return remove_dir();
}

/* --- the same in both -------------------------------------------------------------- */

static uint64_t random_address(void)
{
	return 0x100000 * (1 + random_below(SLOTS)) + random_below(0x420);
}

static void map_something(int i)
{
	struct ustack_map m = known[random_below(FILES)];

	m.addr = 0x100000 * (1 + random_below(SLOTS));
	assert_int_equal(ustack_space_map(plain.space[i], &m), 0);
	assert_int_equal(ustack_space_map(trimmed.space[i], &m), 0);
}

static void unmap_something(int i)
{
	uint64_t addr = 0x100000 * (1 + random_below(SLOTS));
	uint64_t size = 0x100 + random_below(2) * 0xf00;

	assert_int_equal(ustack_space_unmap(plain.space[i], addr, size), 0);
	assert_int_equal(ustack_space_unmap(trimmed.space[i], addr, size), 0);
}

static void fork_one(int i, int from)
{
	struct world *worlds[] = { &plain, &trimmed };

	for (int w = 0; i != from && w < 2; w++) {
		struct ustack_space **space = worlds[w]->space;

		ustack_space_free(space[i]);
		assert_int_equal(ustack_space_fork(&space[i], space[from]), 0);
	}
}

static void same_symbol(int i, uint64_t addr)
{
	struct ustack_symbol a = { .sz = sizeof(a) }, b = { .sz = sizeof(b) };
	int ret = ustack_symbolize(plain.space[i], addr, &a);

	assert_int_equal(ustack_symbolize(trimmed.space[i], addr, &b), ret);
	assert_int_equal(!a.name, !b.name);
	assert_int_equal(!a.path, !b.path);
	if (a.name)
		assert_string_equal(a.name, b.name);
	if (a.path)
		assert_string_equal(a.path, b.path);
	assert_true(a.addr == b.addr && a.offset == b.offset &&
		    a.build_id_size == b.build_id_size);
}

static int same_chain(int i)
{
	static uint64_t words[WORDS];
	struct ustack_range range = { STACK, sizeof(words), (uint8_t *)words };
	struct ustack_frame f[2][FRAMES];
	struct ustack_regs regs = { USTACK_ABI_64, 1 << 7 | 1 << 8, { 0 } };
	enum ustack_end ends[2];
	int nr;

	/* Now and then what an older stack left. */
	for (int n = 0; n < WORDS; n++)
		if (random_below(3))
			words[n] = random_address();
	regs.val[7] = STACK;
	regs.val[8] = random_address();
	nr = unwind_stack(plain.unwinder, plain.space[i], &regs, &range, 1,
			  f[0], FRAMES, &ends[0]);
	assert_true(nr >= 0);
	assert_int_equal(unwind_stack(trimmed.unwinder, trimmed.space[i],
				      &regs, &range, 1, f[1], FRAMES,
				      &ends[1]),
			 nr);
	assert_int_equal(ends[0], ends[1]);
	for (int n = 0; n < nr; n++)
		assert_true(f[0][n].ip == f[1][n].ip &&
			    f[0][n].cfa == f[1][n].cfa &&
			    f[0][n].flags == f[1][n].flags);
	return nr;
}

static void same_with_and_without(void **state)
{
	const char *from = getenv("SEED");
	int frames = 0, freed = 0;

	(void)state;
	if (from)
		seed = strtoull(from, NULL, 0);
	print_message("SEED=%llu\n", (unsigned long long)seed);
	for (int n = 0; n < 30000; n++) {
		int i = random_below(SPACES), what = random_below(20);
		size_t images = trimmed.images->by_identity.nr;

		if (what < 5)
			map_something(i);
		else if (what < 8)
			unmap_something(i);
		else if (what == 8)
			fork_one(i, random_below(SPACES));
		else if (what == 9 && !random_below(4))
			ustack_space_clear(plain.space[i]),
				ustack_space_clear(trimmed.space[i]);
		else if (what < 12)
			ustack_images_trim(trimmed.images);
		else if (what < 14)
			same_symbol(i, random_address());
		else
			frames += same_chain(i);
		freed += trimmed.images->by_identity.nr < images;
	}
	/* It was no test of nothing. */
	assert_true(frames > 20000);
	assert_true(freed > 100);
	assert_int_equal(plain.images->by_identity.nr, FILES - 1);
}

/* --- what is freed and what is not --------------------------------------------------- */

static void all_is_freed(void **state)
{
	struct ustack_images *images = trimmed.images;
	struct ustack_space *space = trimmed.space[0];
	size_t before, nr;
	struct mallinfo2 m;

	(void)state;
	/* Once for what the tables need. */
	for (int round = 0; round < 4; round++) {
		for (int n = 0; n < FILES; n++) {
			struct ustack_symbol sym = { .sz = sizeof(sym) };
			struct ustack_map map = known[n];

			map.addr = 0x100000;
			assert_int_equal(ustack_space_map(space, &map), 0);
			ustack_symbolize(space, 0x100010, &sym);
			assert_int_equal(!sym.name, !n);
		}
		nr = images->by_identity.nr;
		assert_int_equal(nr, FILES - 1);
		ustack_space_clear(space);
		ustack_images_trim(images);
		assert_int_equal(images->by_identity.nr, 0);
		assert_int_equal(images->by_origin.nr, 0);
		assert_null(images->all);
		assert_null(images->mappings);
		assert_int_equal(ustack_images_unusable(images, NULL, NULL), 0);
		m = mallinfo2();
		if (round)
			assert_int_equal(m.uordblks, before);
		before = m.uordblks;
	}
}

/* What a space has stays, with its names, as whatever it was opened. */
static void in_use_is_kept(void **state)
{
	struct ustack_symbol a = { .sz = sizeof(a) }, b = { .sz = sizeof(b) };
	struct ustack_space *space = trimmed.space[0], *child;
	struct ustack_images *images = trimmed.images;
	struct ustack_map first = known[3], second = known[FILES - 1];

	(void)state;
	first.addr = 0x100000;
	second.addr = 0x200000;
	assert_int_equal(ustack_space_map(space, &first), 0);
	assert_int_equal(ustack_symbolize(space, 0x100010, &a), 0);
	assert_int_equal(ustack_space_fork(&child, space), 0);
	assert_int_equal(ustack_space_map(space, &second), 0);
	ustack_space_clear(space);
	ustack_images_trim(images);
	/* The fork has the first one. */
	assert_int_equal(images->by_origin.nr, 1);
	assert_int_equal(ustack_symbolize(child, 0x100010, &b), 0);
	assert_ptr_equal(a.name, b.name);
	assert_ptr_equal(a.path, b.path);
	assert_string_equal(a.path, paths[3]);
	/* It was opened as the first, which only the second needs now. */
	assert_int_equal(ustack_space_map(child, &second), 0);
	assert_int_equal(ustack_space_unmap(child, 0x100000, 0x1000), 0);
	ustack_images_trim(images);
	assert_int_equal(images->by_origin.nr, 2);
	assert_int_equal(ustack_symbolize(child, 0x200010, &b), 0);
	assert_ptr_equal(a.name, b.name);
	assert_string_equal(b.path, paths[FILES - 1]);
	ustack_space_free(child);
	ustack_images_trim(images);
	assert_int_equal(images->by_origin.nr, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(same_with_and_without),
		TEST(all_is_freed),
		TEST(in_use_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
