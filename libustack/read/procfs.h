/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* What /proc knows of a process goes to the processes, as if recorded. */
#ifndef USTACK_READ_PROCFS_H
#define USTACK_READ_PROCFS_H

#include "read/process.h"

/* Threads, their names and the code maps of pid as they are now.  0 or -errno. */
int procfs_read(struct processes *ps, uint32_t pid);

#endif
