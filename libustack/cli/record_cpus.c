// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* CPUs by /sys, and families of processes by /proc. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/record_cpus.h"
#include "cli/record_proc.h"

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
