// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* What runs already when a recording begins: /proc to processes. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "reader.h"

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

static int read_maps(uint32_t pid, struct ustack_space *space)
{
	FILE *f = proc_open(pid, "maps");
	char *line = NULL;
	size_t cap = 0;
	int ret = 0;

	if (!f)
		return -errno;
	while (!ret && getline(&line, &cap, f) > 0) {
		uint64_t start, end, offset;
		char perms[5];
		int path = 0;

		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line,
			   "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %n",
			   &start, &end, perms, &offset, &path) != 4 ||
		    !path)
			continue;
		/* As the kernel records them: code, "//anon" without a file. */
		if (perms[2] == 'x')
			ret = ustack_space_map(space, start, end - start,
					       offset,
					       line[path] ? line + path :
							    "//anon",
					       NULL, 0);
	}
	free(line);
	fclose(f);
	return ret;
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
	return ret ? ret : read_maps(pid, th->proc->space->space);
}
