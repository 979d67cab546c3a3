/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * In: a descriptor.  Out: the file's bytes, mapped, and a way to survive SIGBUS
 * if the file is truncated meanwhile.
 */
#ifndef USTACK_MODULE_MAPPING_H
#define USTACK_MODULE_MAPPING_H

#include <stddef.h>
#include <stdint.h>

struct image;

struct mapping {
	const uint8_t *data;	/* NULL: none */
	size_t size;
	struct mapping *next;
};

/* Sets image's data, size and mapping.  fd is not needed any more.  0 or -errno. */
int map_file(struct image *image, int fd, size_t size);
void unmap_file(struct image *image);

#endif
