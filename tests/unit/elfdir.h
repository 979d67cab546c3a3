/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* Images, and a space, of ELF files in a directory that a test has for itself. */
#ifndef ELFDIR_H
#define ELFDIR_H

#include "elffile.h"
#include "module/space.h"

static struct ustack_images_opts opts;
static struct ustack_images *images;
static struct ustack_space *space;

static inline int setup(void **state)
{
	(void)state;
	opts = (struct ustack_images_opts){ .sz = sizeof(opts), .root = dir,
					    .build_id_dir = "" };
	return make_dir();
}

static inline void forget(void)
{
	ustack_space_free(space);
	ustack_images_free(images);
	space = NULL;
	images = NULL;
}

static inline int teardown(void **state)
{
	(void)state;
	forget();
	return remove_dir();
}

#endif
