// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* CPUs that come and go while something is recorded. */
#include <errno.h>
#include <stdlib.h>

#include "cli/record/cpus.h"
#include "cli/record/proc.h"
#include "cli/record/run.h"

/* What may run on a CPU that came: processes, and where events are theirs, threads. */
struct runnable {
	int *pid, *tid;
	long nr_pids, nr_tids;
};

#define KNOW_AGAIN 4 /* ticks of the loop */

static void find_runnable(const struct recorder *r, struct runnable *f)
{
	const struct record_options *o = r->o;
	size_t i;

	if (o->all) {
		f->nr_pids = record_numbers("/proc", &f->pid);
	} else if (o->nr_tids) {
		f->pid = calloc(o->nr_tids, sizeof(*f->pid));
		for (i = 0; i < o->nr_tids && f->pid; i++)
			f->pid[f->nr_pids++] = record_process_of(o->tid[i]);
	} else if (o->nr_pids) {
		f->nr_pids = processes_below(o->pid, o->nr_pids, &f->pid);
	} else {
		f->nr_pids = processes_below(&r->child.pid, 1, &f->pid);
	}
	if (!o->all && !o->nr_tids && f->nr_pids > 0)
		f->nr_tids = threads_of(f->pid, f->nr_pids, &f->tid);
}

static void runnable_free(struct runnable *f)
{
	free(f->pid);
	free(f->tid);
}

/*
 * Until now nothing was told of what happened there: who called exec() in that time
 * is another program now.  What the rings of other CPUs told of that the reader may
 * still hold, and take for news: hence some times.
 */
static int know_again(struct recorder *r)
{
	struct runnable f = { 0 };
	uint64_t now;
	long i;
	int ret = 0;

	if (r->clock.fd < 0)
		clock_open(&r->clock);
	now = clock_now(&r->clock);
	find_runnable(r, &f);
	for (i = 0; i < f.nr_pids && !ret && now; i++) {
		ret = record_known_process(r, f.pid[i], now);
		/* The rings go on filling. */
		if (!ret && record_drain(r) < 0)
			ret = -1;
	}
	runnable_free(&f);
	return ret;
}

static int add_cpu(struct recorder *r, int cpu)
{
	struct runnable f = { 0 };
	size_t late = r->c->nr_late;
	int ret = 0;

	/* Events of threads come back with their CPU. */
	if (!r->o->all && r->c->cpu[cpu].ring != SIZE_MAX)
		return 0;
	find_runnable(r, &f);
	/* After its error line, what else is recorded goes on. */
	capture_add_cpu(r->c, cpu, f.tid, f.nr_tids);
	runnable_free(&f);
	for (; late < r->c->nr_late && !ret; late++)
		ret = record_file_alias(r->file, r->c->late[late].id,
					r->c->late[late].event);
	r->know_again = KNOW_AGAIN;
	return ret ? record_fail(r, "", ret) : 0;
}

int record_follow_cpus(struct recorder *r)
{
	bool on;
	int cpu, ret = 0;

	while (!ret && (cpu = capture_cpu_changed(r->c, &on)) >= 0) {
		account_progress_ends(&r->account);
		fprintf(stderr, "ustack: CPU %d %s\n", cpu,
			on ? "came online: what runs there is sampled from now on" :
			     "went offline");
		if (on)
			ret = add_cpu(r, cpu);
		r->account.cpus_came += on;
		r->account.cpus_went += !on;
	}
	if (!ret && r->know_again) {
		r->know_again--;
		ret = know_again(r);
	}
	return ret;
}
