/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * In: a path, a build-id, or a map to ask the user's open() about.  Out: a
 * descriptor of a regular file and its size, or -errno.
 */
#ifndef USTACK_MODULE_FIND_FILE_H
#define USTACK_MODULE_FIND_FILE_H

#include <stddef.h>

#include "module/image.h"

int open_path(size_t *size, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/*
 * The same in a directory that everyone can write to.  -EPERM: it is a link or no
 * file, or belongs neither to root, nor to us, nor to the user of process pid
 * (0: not known).
 */
int open_trusted(size_t *size, uint32_t pid, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* dir/.build-id/xx/yyyyNAME; dir has len bytes. */
int open_build_id(const char *dir, size_t len, const struct elf_id *id,
		  const char *name, size_t *size);
/* -ENOSYS: there is no open(), or it leaves the search to us.  Never -EDEADLK. */
int open_callback(const struct ustack_images *images, enum ustack_file file,
		  const struct ustack_map *map, size_t *size);
/*
 * Is the open file, mapped at data, the one whose inode origin tells?  1; 0: it is
 * another; -ENOENT: there is no knowing.
 */
int file_is(int fd, const void *data, const struct origin *origin);
/*
 * Sets the size if fd is a regular file's.  -EISDIR, -ENOTSUP: a directory, a FIFO
 * or a device; or fstat's -errno.
 */
int file_size(int fd, size_t *size);

#endif
