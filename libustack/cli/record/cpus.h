/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* Which CPUs there are, and the threads that one which comes may run. */
#ifndef USTACK_CLI_RECORD_CPUS_H
#define USTACK_CLI_RECORD_CPUS_H

#include <stdbool.h>
#include <stddef.h>

#define CPUS_MAX 8192

/*
 * Reads a list of /sys/devices/system/cpu, "online" or "possible": whether CPU n is in
 * it goes to on[n].  The number of the last, plus 1.
 */
size_t cpus_read(const char *list, bool on[CPUS_MAX]);
bool cpu_is_online(int cpu);

/*
 * The processes, and those that descend from them by now.  Their count and *out, to
 * be freed, or -errno.
 */
long processes_below(const int *pid, size_t nr, int **out);
/* All their threads, likewise. */
long threads_of(const int *pid, size_t nr, int **out);
/* All threads of a cgroup, whose directory is open, and of those below it. */
long threads_of_cgroup(int dir, int **out);

#endif
