// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* An ELF file: its parts, the rows and names of pcs all over it. */
#include "fuzz.h"
#include "unwind/row.h"
#include "module/elf.h"
#include "module/images.h"
#include "module/space.h"
#include "unwind/arch.h"

#define PCS 16

#define ADDR 0x10000
#define SIZE 0x10000

static void look_at(const struct image *image)
{
	struct cfi_row row;

	for (size_t i = 0; i < image->nr_segments && i < PCS; i++) {
		uint64_t pc = image->segments[i].vaddr;
		size_t left;

		if (!image_at(image, pc, &left))
			continue;
		pc += left / 2;
		arch_after_call(image, pc);
		arch_scan(image, pc, &row);
	}
	for (size_t i = 0; i < image->cfi.nr && i < PCS; i++) {
		uint64_t pc = image->entry + 16 * i;

		if (cfi_row(&image->cfi, pc, &row))
			arch_scan(image, pc, &row);
	}
}

/* As a file, and as bytes, with a build-id that it hardly has. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t build_id[20] = { 1 };
	struct ustack_map file = {
		.sz = sizeof(file), .addr = ADDR, .size = SIZE, .path = "/image"
	};
	struct ustack_map given = file;
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	struct ustack_images *images;
	struct ustack_space *space;
	struct map *map;

	file_image = (struct file){ data, size, true };
	if (ustack_images_new(&images, NULL) || ustack_space_new(&space, images))
		abort();
	given.addr += SIZE;
	given.data = data;
	given.data_size = size;
	given.build_id = build_id;
	given.build_id_size = sizeof(build_id);
	if (ustack_space_map(space, &file) ||
	    (size && ustack_space_map(space, &given)))
		abort();
	map = space_find(space, ADDR);
	map_usable(map);
	if (!once_state(&map->image->opened)) {
		look_at(map->image);
		for (uint64_t at = 0; at < SIZE; at += 0x800)
			ustack_symbolize(space, ADDR + at, &sym);
	}
	ustack_space_free(space);
	ustack_images_free(images);
	return 0;
}
