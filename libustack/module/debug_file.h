/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * In: an image.  Out: what distributions moved out of it, its .gnu_debugdata and
 * its separate debug file, as images of their own.
 */
#ifndef USTACK_MODULE_DEBUG_FILE_H
#define USTACK_MODULE_DEBUG_FILE_H

#include "module/image.h"

/*
 * *out belongs to image; NULL: there is none.  Only its data, base and sections
 * are valid.  0, -ENOMEM or -EDEADLK, as once_make() has it.
 */
int image_debugdata(struct image *image, struct image **out);
int image_debug_file(struct image *image, struct image **out);
/* The debug file that has this build-id, to be freed, or NULL. */
struct image *debug_file_by_id(struct ustack_images *images,
			       const struct elf_id *id);
/* What image's address of code is above file's, which is one of these: vaddr. */
uint64_t debug_bias(const struct image *image, const struct image *file,
		    uint64_t vaddr);

#endif
