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

/* Room for a module's name, in which kallsyms has no dashes. */
#define MODULE_MAX 64

/* "[ext4]" or ".../ext4.ko.xz"; false: such a name no module has. */
bool kernel_module_name(char name[MODULE_MAX], const char *path);

/* A list of kallsyms, and what is to be taken from it. */
struct kallsyms {
	FILE *file;
	bool is_core;		/* the kernel itself, not a module */
	char module[MODULE_MAX];	/* its name */
	uint64_t base, size;	/* of the module, in that list; size 0: not known */
	bool is_whole;		/* the kernel's end is in it, too */
};

/*
 * running: that of the kernel that runs, which kernel_runs() knows to be it; else
 * perf's copy.  0, and the file is to be closed.  -ENOKEY: nobody recorded which
 * kernel it was; -ESTALE: there is no copy; -EBADMSG: it is too large for one.
 */
int kernel_open_kallsyms(struct kallsyms *k, const struct image *image,
			 bool running);

/*
 * The object file of a module, or its debug file, as an image of which only data,
 * layout and the code in terms of that are valid, to be freed; debug: one with debug
 * information.  -ENOENT: there is none; -ESTALE: none with its build-id; -EBADMSG: it
 * is no object file; -ENOMEM.
 */
int kernel_module_file(const struct image *image, bool debug, struct image **out);

/* Is it the kernel that runs, or a module as that has it loaded? */
bool kernel_runs(const struct image *image);

#endif
