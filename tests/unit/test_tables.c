// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * What is kept of the CFI of many images, in bytes: what the linker's tables
 * say is not copied, and what walks remember does not grow.
 */
#include <malloc.h>

#include "literal.h"

#define NR_IMAGES 200
#define NR_FDES 1000		/* of 16 bytes of code each */
#define UNWINDER_MAX (8 << 20)	/* the fixed part, one per thread */

/* Where things lie in the file; the segment has vaddr 0x1000. */
enum {
	HDR = 16 * NR_FDES,
	FRAMES = HDR + 12 + 8 * NR_FDES,
	FILE_SIZE = FRAMES + 64 + 40 * NR_FDES,
};

static uint8_t file[FILE_SIZE];
static size_t frames_size;
static struct ustack_images *images;
static struct ustack_space *space;
static struct ustack_unwinder *unwinder;

static size_t heap(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static int cfa_off(int fde)
{
	return 8 + 8 * (fde % 11);
}

/*
 * The FDE of 1000 + 16 * n says: CFA = rsp + cfa_off(n).  The table of
 * .eh_frame_hdr names them in order, as ld writes it.
 */
static void make_file(void)
{
	static const uint8_t hdr[4] = {
		1, DW_EH_PE_pcrel | DW_EH_PE_sdata4, DW_EH_PE_udata4,
		DW_EH_PE_datarel | DW_EH_PE_sdata4,
	};
	const int32_t to_frames = FRAMES - HDR - 4, nr = NR_FDES;
	struct bytes b = { .size = 0 };
	size_t at = FRAMES;

	memcpy(file + HDR, hdr, 4);
	memcpy(file + HDR + 4, &to_frames, 4);
	memcpy(file + HDR + 8, &nr, 4);
	put_cie(&b, false);
	memcpy(file + at, b.data, b.size);
	at += b.size;
	for (int n = 0; n < NR_FDES; n++) {
		const int32_t entry[2] = { 16 * n - HDR, (int)at - HDR };
		const uint32_t to_cie = at + 4 - FRAMES;

		b.size = 0;
		FDE(&b, 0, 0x1000 + 16 * n, 16, DW_CFA_def_cfa_offset,
		    cfa_off(n));
		memcpy(file + at, b.data, b.size);
		memcpy(file + at + 4, &to_cie, 4);
		memcpy(file + HDR + 12 + 8 * n, entry, 8);
		at += b.size;
		assert_true(at + 4 <= FILE_SIZE);
	}
	frames_size = at - FRAMES;
}

/* As many images of it, with the linker's table or without; what they cost. */
static size_t make_images(bool table)
{
	struct bytes none = { .size = 0 };
	size_t tables = 0, before;

	for (int i = 0; i < NR_IMAGES; i++) {
		uint64_t addr = 0x10000000 + i * 0x100000ULL;
		struct image *image;
		char path[20];

		snprintf(path, sizeof(path), "/lib/%d.so", i);
		image = literal_image(images, path, &none, NULL);
		image->data = file;
		image->size = image->segments[0].size = FILE_SIZE;
		if (table)
			image->eh_frame_hdr = (struct section){
				file + HDR, FRAMES - HDR, 0x1000 + HDR };
		else
			image->eh_frame = (struct section){
				file + FRAMES, frames_size, 0x1000 + FRAMES };
		before = heap();
		assert_int_equal(cfi_init(&image->cfi, image), 0);
		tables += heap() - before;
		assert_int_equal(image->cfi.nr, NR_FDES);
		assert_int_equal(map_path(space, addr, 0x100000, 0, path), 0);
	}
	return tables;
}

static int setup(void **state)
{
	(void)state;
	make_file();
	return ustack_images_new(&images, NULL) ||
	       ustack_space_new(&space, images) ||
	       ustack_unwinder_new(&unwinder);
}

static int teardown(void **state)
{
	(void)state;
	ustack_unwinder_free(unwinder);
	ustack_space_free(space);
	ustack_images_free(images);
	return 0;
}

/* A chain that begins in every FDE and goes on to the next image. */
static void walk_all(void)
{
	for (int n = 0; n < NR_FDES * NR_IMAGES; n++) {
		/* All over the images, so that neighbours are far apart. */
		int image = n % NR_IMAGES, fde = n / NR_IMAGES;
		uint64_t addr = 0x10000000 + image * 0x100000ULL;
		uint64_t next = 0x10000000 + (image + 1) * 0x100000ULL;
		uint64_t words[16] = { 0 };
		struct ustack_range r = { 0x7ffc0000, sizeof(words),
					  (uint8_t *)words };
		struct ustack_regs regs = { USTACK_ABI_64, 1 << 7 | 1 << 8,
					    { 0 } };
		struct ustack_frame frames[4];
		enum ustack_end end;
		int nr;

		if (image == NR_IMAGES - 1)
			continue;
		regs.val[7] = r.addr;
		regs.val[8] = addr + 16 * fde + 5;
		words[cfa_off(fde) / 8 - 1] = next + 16 * fde + 5;
		nr = unwind_stack(unwinder, space, &regs, &r, 1, frames, 4,
				   &end);
		assert_true(nr >= 2);
		assert_true(frames[0].cfa == r.addr + cfa_off(fde));
		assert_true(frames[1].ip == next + 16 * fde + 5);
	}
}

static void with_the_table_of_the_linker(void **state)
{
	size_t before;

	(void)state;
	assert_int_equal(make_images(true), 0);
	before = heap();
	walk_all();
	assert_int_equal(heap(), before);
}

/*
 * 4 bytes an FDE, and what malloc() adds to a block.  Files of Debian 12 have
 * 40 to 53 bytes of .eh_frame an FDE.
 */
static void without(void **state)
{
	size_t before, tables;

	(void)state;
	tables = make_images(false);
	assert_in_range(tables, NR_IMAGES * NR_FDES * 4,
			NR_IMAGES * (NR_FDES * 4 + 64));
	before = heap();
	walk_all();
	assert_int_equal(heap(), before);
}

static void unwinder_is_of_one_size(void **state)
{
	size_t before = heap();
	struct ustack_unwinder *u;

	(void)state;
	assert_int_equal(ustack_unwinder_new(&u), 0);
	assert_in_range(heap() - before, sizeof(struct rules), UNWINDER_MAX);
	ustack_unwinder_free(u);
	assert_int_equal(heap(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(with_the_table_of_the_linker),
		TEST(without),
		TEST(unwinder_is_of_one_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
