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
/*
 * A file that need not be linked, to be freed: of it only data and sections are
 * valid.  Closes fd, which may be -errno.  -ESTALE: id is not its build-id; -EBADMSG,
 * -ENOMEM.
 */
int bare_file(struct ustack_images *images, const struct elf_id *id, int fd,
	      size_t size, struct image **out);
/*
 * What dwz moved out of several files into one, by its path and build-id, to be
 * freed; NULL: there is none.
 */
struct image *alt_file(struct ustack_images *images, const char *path,
		       const struct elf_id *id);
/* What image's address of code is above file's, which is one of these: vaddr. */
uint64_t debug_bias(const struct image *image, const struct image *file,
		    uint64_t vaddr);

#endif
