// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Call frame information.  The input: the size of .eh_frame_hdr (0: none), its
 * bytes, and those of .eh_frame or .debug_frame.  Rows are made of the pcs that
 * they have FDEs for.
 */
#include "fuzz.h"
#include "module/images.h"
#include "unwind/row.h"
#include "unwind/rule.h"

#define VADDR 0x1000
#define PCS 32

static void look_up(const struct cfi *cfi, uint64_t pc)
{
	struct rule rule;
	struct cfi_row row;
	uint64_t start, end;
	int err = cfi_row(cfi, pc, &row);

	if (!err) {
		if (pc < row.start || pc >= row.end)
			abort();
		rule_compile(&rule, &row);
	} else if (err == -ENOENT) {
		cfi_hole(cfi, pc, &start, &end);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	bool debug = input_u8(&in) & 1;
	size_t hdr_size = input_u16(&in);
	static struct ustack_images images;
	/* No other file is looked for: that has been done. */
	struct image image = { .images = &images };
	struct segment seg;
	struct cfi cfi = { 0 };
	struct section frames;
	uint8_t *p;

	size = in.left;
	p = input_copy(&in, size);
	if (hdr_size > size)
		hdr_size = size;
	seg = (struct segment){ VADDR, 0, size, 0 };
	image.data = p;
	image.size = size;
	image.segments = &seg;
	image.nr_segments = 1;
	frames = (struct section){ p + hdr_size, size - hdr_size,
				   VADDR + hdr_size };
	if (debug)
		image.debug_frame = frames;
	else
		image.eh_frame = frames;
	if (hdr_size)
		image.eh_frame_hdr = (struct section){ p, hdr_size, VADDR };

	if (cfi_init(&cfi, &image))
		abort();
	for (size_t i = 0; i < cfi.nr && i < PCS; i++) {
		uint64_t pc = cfi_start(&cfi, i);

		look_up(&cfi, pc - 1);
		look_up(&cfi, pc);
		look_up(&cfi, pc + 9);
	}
	look_up(&cfi, UINT64_MAX);
	cfi_free(&cfi);
	section_free(&image);
	free(p);
	return 0;
}
