/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* What runs before a recording begins, told to its file as perf record does. */
#ifndef USTACK_CLI_RECORD_PROC_H
#define USTACK_CLI_RECORD_PROC_H

#include "cli/record/file.h"

/*
 * The following return 0, or -errno of the file.  The kernel and its modules,
 * as far as /proc and /sys tell.
 */
int record_kernel(struct record_file *f);
/*
 * The threads of a process, their names, and the code that is mapped; data: all
 * other parts of files, too.  time: 0, or when it is no beginning, but what was told
 * of it before may be wrong.
 */
int record_process(struct record_file *f, uint32_t pid, bool data,
		   uint64_t time);

/*
 * The numbers that are names in a directory: "/proc" for processes,
 * "/proc/PID/task" for threads.  Their count, and *out to be freed, or -errno.
 */
long record_numbers(const char *dir, int **out);

#endif
