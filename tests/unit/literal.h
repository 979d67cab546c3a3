/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* Images written down in the test: code, and the CFI of its functions. */
#ifndef LITERAL_H
#define LITERAL_H

#include <dwarf.h>
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "unwind/row.h"
#include "mappath.h"
#include "module/debug_file.h"
#include "module/elf.h"
#include "module/find_file.h"
#include "module/images.h"
#include "module/space.h"
#include "unwind/expr.h"
#include "unwind/last_walk.h"
#include "unwind/rule.h"
#include "unwind/arch.h"
#include "unwind.h"
#include "util/bytes.h"
#include "util/once.h"

/* What grows byte by byte. */
struct bytes {
	uint8_t data[4096];
	size_t size;
};

static inline void put(struct bytes *b, const void *data, size_t size)
{
	assert_true(b->size + size <= sizeof(b->data));
	memcpy(b->data + b->size, data, size);
	b->size += size;
}

static inline void put_uint(struct bytes *b, uint64_t val, size_t size)
{
	put(b, &val, size);
}

/* The entry that begins at start is complete: pad it, set its length. */
static inline void put_length(struct bytes *b, size_t start)
{
	uint32_t size;

	while ((b->size - start) % 8 != 4)
		put_uint(b, DW_CFA_nop, 1);
	size = b->size - start - 4;
	memcpy(b->data + start, &size, 4);
}

/*
 * A CIE as gcc writes it: code alignment 1, data alignment -8, pcs absolute
 * in 8 bytes, CFA = rsp + 8, return address at CFA - 8.
 */
static inline size_t put_cie(struct bytes *b, bool signal)
{
	static const uint8_t rules[] = {
		0x01, 0x78, 0x10,		/* alignments, RA column 16 */
		0x01, DW_EH_PE_absptr,		/* augmentation data: R */
		DW_CFA_def_cfa, 7, 8,
		DW_CFA_offset | 16, 1,
	};
	size_t start = b->size;

	put_uint(b, 0, 4);
	put_uint(b, 0, 4);	/* a CIE */
	put_uint(b, 1, 1);	/* version */
	if (signal)
		put(b, "zRS", 4);
	else
		put(b, "zR", 3);
	put(b, rules, sizeof(rules));
	put_length(b, start);
	return start;
}

static inline size_t put_fde(struct bytes *b, size_t cie, uint64_t pc,
			     uint64_t size, const void *insns, size_t nr)
{
	size_t start = b->size;

	put_uint(b, 0, 4);
	put_uint(b, start + 4 - cie, 4);
	put_uint(b, pc, 8);
	put_uint(b, size, 8);
	put_uint(b, 0, 1);	/* augmentation data: none */
	put(b, insns, nr);
	put_length(b, start);
	return start;
}

#define FDE(b, cie, pc, size, ...)                                          \
	put_fde(b, cie, pc, size, (const uint8_t[]){ __VA_ARGS__ },         \
		sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* The image of a file of which a map tells path and build-id; it stays in use. */
static inline struct image *image_of(struct ustack_images *images,
				     const char *path, const uint8_t *build_id,
				     size_t size)
{
	struct ustack_map map = { .path = path,
				  .build_id = build_id,
				  .build_id_size = size };
	struct origin *origin;

	assert_int_equal(images_get(images, &map, &origin), 0);
	return origin->image;
}

static inline int open_image(struct image *image)
{
	const struct origin *origin = image->origins;
	struct ustack_map map = { .path = origin->path,
				  .build_id_size = origin->build_id.size };

	if (map.build_id_size)
		map.build_id = origin->build_id.bytes;
	return image_open(origin, &map);
}

/* What stands in it is the file. */
static inline void literal_open(struct image *image)
{
	assert_int_equal(image->opened.state, ONCE_NEW);
	image->opened.state = 0;
	image->origin = image->origins;
}

/*
 * The image at path: code at vaddr and offset 0x1000, frames as its
 * .eh_frame.  Both are borrowed until images are freed.
 */
static inline struct image *literal_image_of(struct ustack_images *images,
					     const char *path,
					     const struct bytes *code,
					     const struct bytes *frames,
					     bool is_64)
{
	struct image *image = image_of(images, path, NULL, 0);

	literal_open(image);
	image->data = code->data;
	image->size = code->size;
	image->segments = calloc(1, sizeof(*image->segments));
	image->nr_segments = 1;
	image->is_64 = is_64;
	image->segments[0] = (struct segment){ 0x1000, 0, code->size,
					       PF_R | PF_X };
	if (frames) {
		image->eh_frame = (struct section){ frames->data, frames->size,
						    0x100000 };
		assert_int_equal(cfi_init(&image->cfi, image), 0);
	}
	return image;
}

static inline struct image *literal_image(struct ustack_images *images,
					  const char *path,
					  const struct bytes *code,
					  const struct bytes *frames)
{
	return literal_image_of(images, path, code, frames, true);
}

#endif
