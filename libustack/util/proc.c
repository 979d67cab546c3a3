// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Processes that outlive their main thread. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/proc.h"

/* Not what may not be looked at: that says EACCES. */
static bool has_none(uint32_t tid)
{
	char path[32], to;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/exe", tid);
	return readlink(path, &to, 1) < 0 && errno == ENOENT;
}

uint32_t proc_with_memory(uint32_t pid)
{
	char path[32];
	struct dirent *d;
	uint32_t found = pid;
	DIR *dir;

	if (!has_none(pid))
		return pid;
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task", pid);
	dir = opendir(path);
	while (dir && found == pid && (d = readdir(dir))) {
		uint32_t tid = strtoul(d->d_name, NULL, 10);

		if (tid && !has_none(tid))
			found = tid;
	}
	if (dir)
		closedir(dir);
	return found;
}
