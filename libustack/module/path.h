/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* In: the path of a map.  Out: what kind of memory it is. */
#ifndef USTACK_MODULE_PATH_H
#define USTACK_MODULE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the kernel appends to the path of a file that was deleted. */
#define DELETED " (deleted)"

/* The length without DELETED of a path of len bytes; 0: it does not end so. */
size_t path_deleted(const char *path, size_t len);
/* Is it a file that memfd_create() made: no path leads there. */
bool path_is_memfd(const char *path);
/* Is it memory without a file, by the names that the kernel gives it? */
bool path_is_anonymous(const char *path);
/* Is it memory that no program runs? */
bool path_is_data(const char *path);
/* The file in which JITs name their code for perf. */
#define JIT_PATH_MAX 32
void path_of_jit(char path[JIT_PATH_MAX], uint32_t pid);
bool path_is_jit(const char *path);
/* jit-PID.dump, which a JIT that writes one maps, so that it is found. */
bool path_is_jitdump(const char *path);
/* The kernel, as perf calls it: a module has a name or a file of its own. */
#define KERNEL_PATH "[kernel.kallsyms]"
/* Should there be an ELF file? */
bool path_is_file(const char *path);

#endif
