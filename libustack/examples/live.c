// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A live profiler: samples a COMMAND, or the process PID until it ends or ^C,
 * and prints the chains, with names.
 * Build it with common.h beside it:
 *
 *	cc live.c -o live $(pkg-config --cflags --libs libustack)
 *	./live COMMAND [ARG...]		or ./live -p PID
 */
#define _GNU_SOURCE 1
#include <glob.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common.h"

#define RING_SIZE (129 * 4096) /* the control page, and a power of two */

static struct perf_event_attr attr = { /* of all events */
	.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr),
	.config = PERF_COUNT_SW_CPU_CLOCK, .sample_freq = 199,
	.disabled = 1, .inherit = 1, .exclude_kernel = 1, .freq = 1,
};

/* An event for thread tid on one CPU.  The events of a CPU share a ring. */
static void add_event(int tid, int cpu, int *ring)
{
	static int defer = 1;
	uint64_t id;
	void *base;
	int fd;

	do { /* A kernel that cannot defer copies the stack in the interrupt. */
		check(ustack_attr_init(&attr, 8192, defer), "attr");
		fd = syscall(SYS_perf_event_open, &attr, tid, cpu, -1, 0);
	} while (fd < 0 && (errno == EINVAL || errno == EOPNOTSUPP) && defer--);
	if (fd < 0 && (errno == ENODEV || errno == ESRCH))
		return; /* the CPU is off, or the thread is gone */
	check(fd < 0 || ioctl(fd, PERF_EVENT_IOC_ID, &id) ? -errno : 0, "perf_event_open");
	check(ustack_reader_add_event(reader, &attr, &id, 1, NULL), "event");
	if (*ring >= 0 && !ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, *ring))
		return;
	*ring = fd;
	base = mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(base == MAP_FAILED ? -errno : 0, "ring, see perf_event_mlock_kb");
	check(ustack_reader_open_ring(reader, base, RING_SIZE), "ring");
}

/* Events on all threads that pid has, and those it starts later. */
static void add_events(int pid)
{
	char path[64];
	glob_t task;

	snprintf(path, sizeof(path), "/proc/%d/task/*", pid);
	if (glob(path, 0, NULL, &task))
		errx(1, "there is no process %d", pid);
	for (int cpu = 0; cpu < sysconf(_SC_NPROCESSORS_CONF); cpu++)
		for (int i = 0, ring = -1; i < (int)task.gl_pathc; i++)
			add_event(atoi(strrchr(task.gl_pathv[i], '/') + 1), cpu, &ring);
	globfree(&task);
	check(ustack_reader_add_process(reader, pid), "process");
}

int main(int argc, char **argv)
{
	int attach = argc == 3 && !strcmp(argv[1], "-p");
	int pid = attach ? atoi(argv[2]) : getpid(), ret;
	const struct timespec tick = { .tv_nsec = 50000000 };
	sigset_t sigint;

	if (argc < 2)
		errx(2, "usage: live COMMAND [ARG...] or live -p PID");
	start();
	attr.enable_on_exec = !attach;
	add_events(pid);
	if (attach)
		prctl(PR_TASK_PERF_EVENTS_ENABLE);
	else
		check(-posix_spawnp(&pid, argv[1], NULL, NULL, argv + 1, environ), argv[1]);
	sigemptyset(&sigint);
	sigaddset(&sigint, SIGINT);
	sigprocmask(SIG_BLOCK, &sigint, NULL);
	while ((ret = print_samples())) {
		check(ret == -EAGAIN ? 0 : ret, "rings");
		if (sigtimedwait(&sigint, NULL, &tick) > 0 ||
		    (attach ? kill(pid, 0) : waitpid(-1, NULL, WNOHANG)))
			check(prctl(PR_TASK_PERF_EVENTS_DISABLE) |
			      ustack_reader_finish(reader), "rings");
	}
	finish();
	return 0;
}
