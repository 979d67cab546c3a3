/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * In: the object file of a kernel module, which is not linked.  Out: where the kernel
 * put its sections, and debug sections as a linker would have left them.
 */
#ifndef USTACK_MODULE_LAYOUT_H
#define USTACK_MODULE_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "module/image.h"

#define LAYOUT_NOWHERE UINT64_MAX
/* In debug sections the module begins here: 0 may mean that there is no code. */
#define LAYOUT_BASE 0x100000

struct layout {
	uint64_t size;		/* of all code */
	size_t nr;		/* sections */
	uint64_t at[];		/* from where the module begins, or LAYOUT_NOWHERE */
};

/* -EBADMSG: it is no object file; -ENOMEM. */
int layout_new(struct layout **out, struct Elf *elf);
void layout_free(struct layout *layout);

/* As image_section(), of what has a layout relocated by it. */
int layout_section(struct image *file, const char *name, struct section *out);

#endif
