// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* CPUs by /sys, families of processes by /proc, and cgroups. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/record/cpus.h"
#include "cli/record/proc.h"

/* 0-3,5: false if it is anything else. */
static bool parse_list(const char *s, bool on[CPUS_MAX], size_t *end)
{
	unsigned int first, last;
	int n;

	for (; *s && *s != '\n'; s += n + (s[n] == ',')) {
		if (sscanf(s, "%u-%u%n", &first, &last, &n) != 2) {
			if (sscanf(s, "%u%n", &first, &n) != 1)
				return false;
			last = first;
		}
		for (; first <= last && first < CPUS_MAX; first++) {
			on[first] = true;
			*end = first + 1;
		}
	}
	return *end;
}

size_t cpus_read(const char *list, bool on[CPUS_MAX])
{
	char path[64], line[4096];
	size_t end = 0;
	bool good;
	FILE *f;

	memset(on, 0, CPUS_MAX * sizeof(*on));
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/%s", list);
	f = fopen(path, "re");
	good = f && fgets(line, sizeof(line), f) && parse_list(line, on, &end);
	if (f)
		fclose(f);
	if (good)
		return end;
	end = sysconf(_SC_NPROCESSORS_CONF);
	if (end > CPUS_MAX)
		end = CPUS_MAX;
	memset(on, true, end * sizeof(*on));
	return end;
}

bool cpu_is_online(int cpu)
{
	bool on[CPUS_MAX];

	cpus_read("online", on);
	return on[cpu];
}

/* --- families ----------------------------------------------------------------- */

static int parent_of(int pid)
{
	char path[64], line[512], *after = NULL;
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (f && fgets(line, sizeof(line), f))
		after = strrchr(line, ')');
	if (!after || sscanf(after + 1, " %*c %d", &parent) != 1)
		parent = 0;
	if (f)
		fclose(f);
	return parent;
}

static bool among(int pid, const int *list, size_t nr)
{
	while (nr--)
		if (list[nr] == pid)
			return true;
	return false;
}

/* Is pid one of the list, or does it descend from one? */
static bool descends(int pid, const int *list, size_t nr)
{
	int left = 1000; /* generations: they change while we look */

	for (; pid > 1 && left--; pid = parent_of(pid))
		if (among(pid, list, nr))
			return true;
	return false;
}

long processes_below(const int *pid, size_t nr, int **out)
{
	long i, n = 0, all = record_numbers("/proc", out);

	for (i = 0; i < all; i++)
		if (descends((*out)[i], pid, nr))
			(*out)[n++] = (*out)[i];
	return all < 0 ? all : n;
}

long threads_of(const int *pid, size_t nr, int **out)
{
	int *some, *more;
	char path[64];
	long n, sum = 0;
	size_t i;

	*out = NULL;
	for (i = 0; i < nr && sum >= 0; i++) {
		snprintf(path, sizeof(path), "/proc/%d/task", pid[i]);
		n = record_numbers(path, &some);
		if (n <= 0)
			continue; /* it has ended */
		more = realloc(*out, (sum + n) * sizeof(*more));
		if (more) {
			memcpy(more + sum, some, n * sizeof(*some));
			*out = more;
			sum += n;
		} else {
			sum = -ENOMEM;
		}
		free(some);
	}
	return sum;
}

/* --- cgroups ------------------------------------------------------------------ */

/* Of the cgroup itself: version 2 has one name for it, version 1 the other. */
static int add_threads(int dir, int **out, long *sum)
{
	int fd = openat(dir, "cgroup.threads", O_RDONLY | O_CLOEXEC), tid;
	FILE *f;

	if (fd < 0)
		fd = openat(dir, "tasks", O_RDONLY | O_CLOEXEC);
	f = fd < 0 ? NULL : fdopen(fd, "r");
	if (!f && fd >= 0)
		close(fd);
	while (f && fscanf(f, "%d", &tid) == 1) {
		int *more = realloc(*out, (*sum + 1) * sizeof(*more));

		if (!more) {
			fclose(f);
			return -ENOMEM;
		}
		*out = more;
		more[(*sum)++] = tid;
	}
	if (f)
		fclose(f);
	return 0;
}

static int add_cgroup(int dir, int **out, long *sum)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *p = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *d;
	int below, ret = add_threads(dir, out, sum);

	if (!p && copy >= 0)
		close(copy);
	while (!ret && p && (d = readdir(p))) {
		if (d->d_type != DT_DIR || *d->d_name == '.')
			continue;
		below = openat(dir, d->d_name,
			       O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (below < 0)
			continue; /* it is gone */
		ret = add_cgroup(below, out, sum);
		close(below);
	}
	if (p)
		closedir(p);
	return ret;
}

long threads_of_cgroup(int dir, int **out)
{
	long sum = 0;
	int ret;

	*out = NULL;
	ret = add_cgroup(dir, out, &sum);
	return ret ? ret : sum;
}
