// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* An ELF file with debug information: names, lines and what was inlined, all over it. */
#include "fuzz.h"
#include "ustack.h"

#define ADDR 0x10000
#define SIZE 0x10000
#define CODE 0x400
/* As many as can be inlined into each other in an input that is so small. */
#define CALLERS_MAX 65536

static volatile size_t seen;

/* What is found can be read, and ends. */
static void look_at(const struct ustack_source *s)
{
	size_t n = 0;

	for (; s; s = s->caller) {
		seen += s->function ? strlen(s->function) : 0;
		seen += s->file ? strlen(s->file) : 0;
		if (++n > CALLERS_MAX)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ustack_map map = {
		.sz = sizeof(map), .addr = ADDR, .size = SIZE, .path = "/image",
		.data = data, .data_size = size,
	};
	const struct ustack_source *first, *again;
	struct ustack_images *images;
	struct ustack_space *space;
	struct ustack_symbol sym = { .sz = sizeof(sym) };

	if (!size)
		return 0;
	if (ustack_images_new(&images, NULL) || ustack_space_new(&space, images) ||
	    ustack_space_map(space, &map))
		abort();
	for (uint64_t addr = ADDR; addr < ADDR + CODE; addr += 3) {
		ustack_symbolize(space, addr, &sym);
		if (ustack_source_find(space, addr, &first))
			continue;
		look_at(first);
		/* What is remembered is what was found. */
		if (ustack_source_find(space, addr, &again) || again != first)
			abort();
	}
	ustack_space_free(space);
	ustack_images_free(images);
	return 0;
}
