// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* What runs, and who waits, when a recording begins. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/record/cpus.h"
#include "cli/record/proc.h"
#include "cli/record/run.h"

int record_process_of(int tid)
{
	char path[64], line[128];
	int pid = tid;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Tgid: %d", &pid) == 1)
			break;
	if (f)
		fclose(f);
	return pid;
}

int record_known_process(struct recorder *r, int pid, uint64_t time)
{
	int ret = record_process(r->file, pid, r->c->data_maps, time);

	if (ret)
		return record_write_failed(r, ret);
	/* It may end at any time, or be nobody's to look at. */
	ret = ustack_reader_add_process(r->reader, pid);
	if (ret == -EACCES || ret == -EPERM)
		ret = causes_unreadable(&r->account.causes, pid);
	return ret == -ENOMEM ? record_fail(r, "", ret) : 0;
}

int record_known(struct recorder *r)
{
	const struct record_options *o = r->o;
	size_t i;
	int ret = record_kernel(r->file);

	if (ret)
		return record_write_failed(r, ret);
	if (o->all) {
		int *pid;
		long nr = record_numbers("/proc", &pid), j;

		for (j = 0; j < nr && !ret; j++)
			ret = record_known_process(r, pid[j], 0);
		free(pid);
	}
	for (i = 0; i < o->nr_pids && !ret; i++)
		ret = record_known_process(r, o->pid[i], 0);
	for (i = 0; i < o->nr_tids && !ret; i++)
		ret = record_known_process(r, record_process_of(o->tid[i]),
					   0);
	if (ret)
		return ret;
	/* On a full disk nothing needs to run. */
	ret = r->temporary ? record_file_flush(r->file) : 0;
	return ret ? record_write_failed(r, ret) : 0;
}

/* --- who waits ---------------------------------------------------------------- */

/* A thread that waits when the recording begins, or already did at time. */
static int take_waiting(struct recorder *r, int pid, int tid, uint64_t time)
{
	const size_t nr = r->c->events->nr - 1; /* off-CPU is the last */
	const struct record_event *ev = &r->c->events->ev[nr];
	struct ustack_sample s = {
		.time = time,
		.pid = pid,
		.tid = tid,
		.id = ev->ids[0],
		.misc = PERF_RECORD_MISC_USER,
		.comm = "",
		.event = ev->name,
		.event_nr = nr,
	};
	int ret = blocked_stack(&r->blocked, &s);

	if (!ret || ret == -ENOMEM)
		return ret ? record_fail(r, "", ret) : 0;
	if (ret < 0) { /* its time is known for all that */
		s.pair = USTACK_PAIR_LOST;
		r->account.untraced++;
	}
	s.ip = s.regs.val[USTACK_REG_X86_IP];
	return record_take_sample(r, &s);
}

/* All threads of a process, but not those of our own side. */
static int process_waits(struct recorder *r, int pid)
{
	const uint64_t now = clock_now(&r->clock);
	char path[64];
	long i, nr;
	int *tid, ret = 0;

	if (pid == getpid() || pid == r->child.pid)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	nr = record_numbers(path, &tid);
	for (i = 0; i < nr && !ret; i++)
		ret = take_waiting(r, pid, tid[i], now);
	free(tid);
	/* The rings fill meanwhile. */
	return ret || record_drain(r) >= 0 ? ret : -1;
}

static int cgroup_waits(struct recorder *r)
{
	int *tid, ret = 0;
	long i, nr = threads_of_cgroup(r->c->tid[0], &tid);

	for (i = 0; i < nr && !ret; i++) {
		int pid = record_process_of(tid[i]);

		if (pid == getpid() || pid == r->child.pid)
			continue;
		ret = take_waiting(r, pid, tid[i], clock_now(&r->clock));
		/* The rings fill meanwhile. */
		if (!ret && record_drain(r) < 0)
			ret = -1;
	}
	free(tid);
	return ret || nr >= 0 ? ret : record_fail(r, "", nr);
}

int record_waiting(struct recorder *r)
{
	const struct record_options *o = r->o;
	size_t i;
	int ret = 0;

	if (o->cgroup) {
		ret = cgroup_waits(r);
	} else if (o->all) {
		int *pid;
		long nr = record_numbers("/proc", &pid), j;

		for (j = 0; j < nr && !ret; j++)
			ret = process_waits(r, pid[j]);
		free(pid);
	}
	for (i = 0; i < o->nr_pids && !ret; i++)
		ret = process_waits(r, o->pid[i]);
	for (i = 0; i < o->nr_tids && !ret; i++)
		ret = take_waiting(r, record_process_of(o->tid[i]), o->tid[i],
				   clock_now(&r->clock));
	blocked_forget(&r->blocked);
	return ret;
}
