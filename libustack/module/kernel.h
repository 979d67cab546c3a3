/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * In: the image of a recorded kernel or of one of its modules.  Out: the files
 * that can name its functions, vmlinux and kallsyms, of that kernel and no other.
 */
#ifndef USTACK_MODULE_KERNEL_H
#define USTACK_MODULE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "module/image.h"

/* A descriptor of the nth place for vmlinux, or -errno; -ENOSYS: there are no more. */
int kernel_open_image(const struct image *image, unsigned int n, size_t *size);

/* A list of kallsyms, and what is to be taken from it. */
struct kallsyms {
	FILE *file;
	bool is_core;		/* the kernel itself, not a module */
	char module[64];	/* its name */
	uint64_t base, size;	/* of the module, in that list; size 0: not known */
};

/*
 * 0, and the file is to be closed.  -ENOKEY: nobody recorded which kernel it was;
 * -ESTALE: another one runs, and that one left no list.
 */
int kernel_open_kallsyms(struct kallsyms *k, const struct image *image);

/* Is it the kernel that runs, or a module as that has it loaded? */
bool kernel_runs(const struct image *image);

#endif
