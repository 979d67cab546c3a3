// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* An ELF file: its parts, the rows and names of pcs all over it. */
#include "fuzz.h"
#include "unwind.h"

#define PCS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t build_id[20] = { 1 };
	struct ustack_images *images;
	struct ustack_space *space;
	struct ustack_symbol sym;
	struct image *image;
	struct cfi_row row;

	file_image = (struct file){ data, size, true };
	if (ustack_images_new(&images, NULL) || ustack_space_new(&space, images))
		abort();
	image = images_get(images, "/image", build_id, sizeof(build_id));
	image_open(images, image);
	image = images_get(images, "/image", NULL, 0);
	if (!image_open(images, image)) {
		for (size_t i = 0; i < image->nr_segments && i < PCS; i++) {
			uint64_t pc = image->segments[i].vaddr;
			size_t left;

			if (!image_at(image, pc, &left))
				continue;
			pc += left / 2;
			arch_after_call(image, pc);
			scan_code(image, pc, &row);
		}
		for (size_t i = 0; i < image->cfi.nr && i < PCS; i++) {
			uint64_t pc = image->entry + 16 * i;

			if (cfi_row(&image->cfi, pc, &row))
				scan_code(image, pc, &row);
		}
		ustack_space_map(space, 0x10000, 0x10000, 0, "/image", NULL, 0);
		for (uint64_t at = 0; at < 0x10000; at += 0x800)
			ustack_symbolize(space, 0x10000 + at, &sym);
	}
	ustack_space_free(space);
	ustack_images_free(images);
	return 0;
}
