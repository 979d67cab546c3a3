// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Why the kernel opens no event, and what to do about it. */
#include <errno.h>
#include <string.h>

#include "cli/record/capture.h"
#include "cli/record/refusal.h"
#include "cli/record/say.h"

bool refusal_limit(const char *name, long *to)
{
	char path[128];
	FILE *f;
	bool good;

	snprintf(path, sizeof(path), "/proc/sys/kernel/%s", name);
	f = fopen(path, "re");
	good = f && fscanf(f, "%ld", to) == 1;
	if (f)
		fclose(f);
	return good;
}

const char *refusal_prefix(const struct capture *c,
			   const struct record_event *ev,
			   char room[REFUSAL_ROOM])
{
	if (ev == &c->track)
		return "";
	if (!strcmp(ev->name, OFF_CPU_EVENT))
		return "--off-cpu: ";
	snprintf(room, REFUSAL_ROOM, "%s%s: ", ev->given ? "-e " : "",
		 ev->name);
	return room;
}

static int say(const struct capture *c, const struct record_event *ev,
	       const char *what)
{
	char room[REFUSAL_ROOM];

	return record_error("%s%s", refusal_prefix(c, ev, room), what);
}

static int say_forbidden(const struct capture *c,
			 const struct record_event *ev, int tid)
{
	/* Where user mode would do, that was tried: see less(). */
	const bool kernel = !ev->attr.exclude_kernel &&
			    (ev->attr.exclude_user || c->switches);
	char room[REFUSAL_ROOM];
	const char *prefix = refusal_prefix(c, ev, room);
	long level;

	if (!refusal_limit("perf_event_paranoid", &level))
		return say(c, ev,
			   "no permission: this kernel or container allows no perf events");
	if (tid < 0 || c->cgroup || level > 2 || (kernel && level > 1))
		return record_error("%sno permission%s: kernel.perf_event_paranoid is %ld; be root, or run as root: sysctl kernel.perf_event_paranoid=%d",
				    prefix,
				    tid < 0 || c->cgroup ? "" :
				    kernel ? " to sample the kernel" : "",
				    level, tid < 0 || c->cgroup ? 0 : 1);
	return record_error("%sno permission to sample thread %d: it may be another user's, or of a set-user-ID program or one that may not be read; be that user or root",
			    prefix, tid);
}

static int say_files(const struct capture *c, const struct record_event *ev)
{
	const size_t nr = c->nr_tids * (c->events->nr + c->tracks) *
			  c->nr_cpus;
	char room[REFUSAL_ROOM];

	return record_error("%stoo many open files: %zu threads on %zu CPUs take about %zu; raise the hard limit as root, ulimit -n %zu, or take -a",
			    refusal_prefix(c, ev, room), c->nr_tids, c->nr_cpus, nr, nr + 100);
}

int refusal_say(const struct capture *c, const struct record_event *ev,
		int tid, int err)
{
	char room[REFUSAL_ROOM];

	switch (-err) {
	case EACCES:
	case EPERM:
		return say_forbidden(c, ev, tid);
	case EBADF:
		return say(c, ev,
			   "that is no cgroup of the kernel's perf events: it takes one of version 2, or of the controller perf_event");
	case ESRCH:
		return record_error("there is no process or thread %d, or it has ended",
				    tid);
	case ENOENT:
	case ENODEV:
	case EOPNOTSUPP:
		return say(c, ev,
			   "this machine cannot sample that event; cpu-clock works everywhere");
	case EMFILE:
		return say_files(c, ev);
	case ENFILE:
		return say(c, ev,
			   "all processes have too many open files: raise the limit as root, sysctl fs.file-max");
	case EBUSY:
		return say(c, ev,
			   "the PMU is in use by somebody else, or by too many events");
	case ENOSYS:
		return say(c, ev, "this kernel has no perf events");
	}
	return record_error("%sthe kernel refuses it: %s",
			    refusal_prefix(c, ev, room), strerror(-err));
}

int refusal_say_ring(const struct capture *c, size_t asked, int err)
{
	return record_error("no ring can be mapped: %s; as root: sysctl kernel.perf_event_mlock_kb=%zu, or ulimit -l unlimited%s",
			    strerror(-err), (asked >> 10) + 4,
			    c->defer ? "" : "; or take a smaller --stack");
}
