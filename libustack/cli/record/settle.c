// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Events as this kernel takes them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/record/cpus.h"
#include "cli/record/refusal.h"
#include "cli/record/settle.h"

/* --- one event ------------------------------------------------------------- */

struct perf_event_attr settle_attr(const struct capture *c, size_t i,
				   bool tells)
{
	struct perf_event_attr attr = c->events->ev[i].attr;

	attr.disabled = 1;
	attr.inherit = c->inherit;
	attr.enable_on_exec = c->on_exec;
	attr.watermark = 1;
	attr.wakeup_watermark = c->ring_size / 4;
	attr.read_format = PERF_FORMAT_ID;
	if (!c->no_lost)
		attr.read_format |= PERF_FORMAT_LOST;
	if (c->user_only)
		attr.exclude_kernel = attr.exclude_hv = 1;
	ustack_attr_init(&attr, c->stack, c->defer);
	if (c->no_build_id)
		attr.build_id = 0;
	attr.mmap_data = c->data_maps && tells;
	attr.context_switch = c->switches && !i;
	/* One event is enough for that. */
	if (!tells)
		attr.mmap = attr.mmap2 = attr.comm = attr.comm_exec =
			attr.task = attr.build_id = 0;
	return attr;
}

struct perf_event_attr settle_track_attr(const struct capture *c)
{
	const struct perf_event_attr like = settle_attr(c, 0, true);
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = like.sample_type &
			       (PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID |
				PERF_SAMPLE_TIME | PERF_SAMPLE_CPU),
		.read_format = like.read_format,
		.inherit = like.inherit,
		.exclude_kernel = 1,
		.exclude_hv = 1,
		.mmap = like.mmap,
		.mmap2 = like.mmap2,
		.mmap_data = like.mmap_data,
		.build_id = like.build_id,
		.comm = like.comm,
		.comm_exec = like.comm_exec,
		.task = like.task,
		.sample_id_all = 1,
		.watermark = 1,
		.wakeup_watermark = like.wakeup_watermark,
	};

	return attr;
}

static int open_attr(const struct capture *c, struct perf_event_attr *attr,
		     int tid, int cpu)
{
	int fd = syscall(SYS_perf_event_open, attr, tid, cpu, -1,
			 PERF_FLAG_FD_CLOEXEC |
				 (c->cgroup ? PERF_FLAG_PID_CGROUP : 0));

	return fd < 0 ? -errno : fd;
}

int settle_open(const struct capture *c, const struct record_event *ev, int tid,
		int cpu)
{
	const size_t i = ev - c->events->ev;
	struct perf_event_attr attr = ev == &c->track ?
					      settle_track_attr(c) :
					      settle_attr(c, i, !i && !c->tracks);

	return open_attr(c, &attr, tid, cpu);
}

/* --- what the kernel can do -------------------------------------------------- */

static uint32_t usual_stack(const struct capture *c, uint32_t given)
{
	if (!given)
		return c->defer ? STACK_DEFERRED : STACK_COPIED;
	return c->defer || given < STACK_COPIED_MAX ? given : STACK_COPIED_MAX;
}

static void all_features(struct capture *c, uint32_t given)
{
	c->defer = true;
	c->no_lost = c->no_build_id = false;
	c->stack = usual_stack(c, given);
}

/* Asks for less than before; false: there is no less. */
static bool less(struct capture *c, size_t i, int err, uint32_t given)
{
	struct record_event *ev = &c->events->ev[i];
	char *name;

	if ((err == -EACCES || err == -EPERM) && !c->user_only &&
	    !ev->attr.exclude_kernel && !ev->attr.exclude_user &&
	    c->tid[0] >= 0 && !c->cgroup && !c->switches) {
		c->user_only = true;
		return true;
	}
	if (err == -EINVAL || err == -EOPNOTSUPP) {
		if (c->defer) {
			c->defer = false;
			c->stack = usual_stack(c, given);
			return true;
		}
		if (!c->no_lost)
			return c->no_lost = true;
		if (!c->no_build_id)
			return c->no_build_id = true;
	}
	/* As perf does it; any other event has no such neighbour. */
	if (ev->attr.type != PERF_TYPE_HARDWARE ||
	    ev->attr.config != PERF_COUNT_HW_CPU_CYCLES ||
	    (err != -ENOENT && err != -ENODEV && err != -EOPNOTSUPP &&
	     err != -EINVAL))
		return false;
	name = strdup("cpu-clock");
	if (!name)
		return false;
	free(ev->name);
	ev->name = name;
	ev->attr.type = PERF_TYPE_SOFTWARE;
	ev->attr.config = PERF_COUNT_SW_CPU_CLOCK;
	ev->attr.precise_ip = 0;
	c->clock = true;
	all_features(c, given);
	return true;
}

bool settle_is_offline(int err, int cpu)
{
	return err == -ENODEV && !cpu_is_online(cpu);
}

/* Of a thread that lives, as the main thread may have ended long ago. */
int settle(struct capture *c)
{
	const uint32_t given = c->stack;
	size_t i = 0, cpu = 0, t = 0;
	int ret;

	all_features(c, given);
	while (i < c->events->nr) {
		ret = settle_open(c, &c->events->ev[i], c->tid[t], cpu);
		if (ret >= 0) {
			close(ret);
			i++;
		} else if (ret == -ESRCH && t + 1 < c->nr_tids) {
			t++;
		} else if (settle_is_offline(ret, cpu) && cpu + 1 < c->nr_cpus) {
			cpu++;
		} else if (less(c, i, ret, given)) {
			i = 0;
		} else {
			return refusal_say(c, &c->events->ev[i], c->tid[t],
					  ret);
		}
	}
	if (c->clock)
		fputs("ustack: there is no PMU here that samples cycles: the event is cpu-clock\n",
		      stderr);
	if (given > c->stack)
		fprintf(stderr,
			"ustack: --stack %u: this kernel copies at most %u bytes\n",
			given, c->stack);
	if (c->user_only)
		fputs("ustack: only user mode is sampled: kernel.perf_event_paranoid allows no more\n",
		      stderr);
	return 0;
}

void settle_rate(struct capture *c)
{
	char room[REFUSAL_ROOM];
	long max;
	size_t i;

	if (!refusal_limit("perf_event_max_sample_rate", &max))
		return;
	for (i = 0; i < c->events->nr; i++) {
		struct perf_event_attr *a = &c->events->ev[i].attr;

		if (!a->freq || a->sample_freq <= (uint64_t)max)
			continue;
		fprintf(stderr,
			"ustack: %s%ld samples a second, not %llu: kernel.perf_event_max_sample_rate allows no more\n",
			refusal_prefix(c, &c->events->ev[i], room), max,
			(unsigned long long)a->sample_freq);
		a->sample_freq = max;
	}
}

uint32_t capture_most(const struct capture *c)
{
	return c->defer ? STACK_DEFERRED_MAX : STACK_COPIED_MAX;
}
