/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* In: an image and the name of a section.  Out: its bytes, uncompressed. */
#ifndef USTACK_MODULE_SECTION_H
#define USTACK_MODULE_SECTION_H

#include <stddef.h>
#include <stdint.h>

struct section {
	const uint8_t *data;	/* NULL: the file has none */
	size_t size;
	uint64_t vaddr;
};

struct image;

/*
 * The image as libelf has it, or NULL.  libelf is not thread-safe: hold
 * image->lock while you use it.
 */
struct Elf *image_elf(struct image *image);
/*
 * Finds .debug_NAME under its old name .zdebug_NAME as well.  *out is borrowed
 * from image.  0; or -ENOENT, -EINVAL, -ENOMEM, and *out is empty.
 */
int image_section(struct image *image, const char *name, struct section *out);
/* Its bytes once more, to be changed; image owns them.  NULL: no memory. */
uint8_t *section_copy(struct image *image, struct section *section);
/* The contents of an xz stream, to be freed, or NULL. */
uint8_t *section_unxz(const struct section *section, size_t *size);
/*
 * An image whose data is a whole file that was packed by xz, zstd or gzip, as modules
 * of the kernel are, gets what was packed.  0, also of others; -EBADMSG; -ENOMEM.
 */
int section_unpack_file(struct image *image);
void section_free(struct image *image);

#endif
