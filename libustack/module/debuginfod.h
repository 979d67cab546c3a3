/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * In: a build-id.  Out: the file that a debuginfod server has of it, by elfutils'
 * libdebuginfod, which is loaded when it is first needed.
 */
#ifndef USTACK_MODULE_DEBUGINFOD_H
#define USTACK_MODULE_DEBUGINFOD_H

#include <stdbool.h>
#include <stddef.h>

#include "module/image.h"

enum debuginfod_file { DEBUGINFOD_DEBUG, DEBUGINFOD_EXECUTABLE };

/*
 * A descriptor, or -ENOENT: no server has it, or none is to be asked.  One that did
 * not answer is asked no more, see debuginfod_failed().
 */
int debuginfod_open(struct ustack_images *images, enum debuginfod_file file,
		    const struct elf_id *id, size_t *size);
/* Why no server is asked any more, -errno; 0: they answer. */
int debuginfod_failed(const struct ustack_images *images, const char **urls);
void debuginfod_free(struct ustack_images *images);

#endif
