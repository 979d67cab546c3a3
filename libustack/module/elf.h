/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* In: the bytes of an ELF file.  Out: its class, segments and build-id. */
#ifndef USTACK_MODULE_ELF_H
#define USTACK_MODULE_ELF_H

#include "module/image.h"

/*
 * Fills image from the file headers in data and size, and image_at() works from
 * then on.  0, -ENOEXEC for what nobody can unwind through, -ENOMEM.
 */
int elf_read(struct image *image);

#endif
