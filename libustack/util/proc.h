/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * In: a process.  Out: the number whose directory in /proc has its maps and files: its
 * own, or, once its main thread has ended, that of a thread which lives.
 */
#ifndef USTACK_UTIL_PROC_H
#define USTACK_UTIL_PROC_H

#include <stdint.h>

uint32_t proc_with_memory(uint32_t pid);

#endif
