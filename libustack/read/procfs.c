// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* What ran before the recording began, from /proc. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "read/procfs.h"

static FILE *proc_open(uint32_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/%s", pid, name);
	return fopen(path, "re");
}

static void read_comm(uint32_t pid, uint32_t tid, struct thread *th)
{
	char name[32];
	FILE *f;

	snprintf(name, sizeof(name), "task/%" PRIu32 "/comm", tid);
	f = proc_open(pid, name);
	if (!f)
		return; /* threads end at any time */
	if (fgets(th->comm, sizeof(th->comm), f))
		th->comm[strcspn(th->comm, "\n")] = '\0';
	fclose(f);
}

int procfs_read(struct processes *ps, uint32_t pid)
{
	struct thread *th;
	struct dirent *d;
	char path[32];
	DIR *dir;
	int ret = 0;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task", pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!ret && (d = readdir(dir))) {
		uint32_t tid = strtoul(d->d_name, NULL, 10);

		if (!tid)
			continue;
		ret = processes_thread(ps, pid, tid, &th);
		if (!ret)
			read_comm(pid, tid, th);
	}
	closedir(dir);
	if (!ret)
		ret = processes_thread(ps, pid, pid, &th);
	return ret ? ret : ustack_space_add_process(th->proc->space->space, pid);
}
