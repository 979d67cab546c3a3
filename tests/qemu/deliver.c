// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see deliver.sh: a capture goes to those rings that hold a
 * sample with its cookie, and to no other.
 */
#include <alloca.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "guest.h"

#define MARK 0x5741434b454d4552ull

static unsigned int count(struct ring *r, uint32_t type)
{
	struct record rec;
	unsigned int n = 0;

	while (ring_next(r, &rec))
		n += rec.type == type;
	return n;
}

static struct ring on_getppid(struct perf_event_attr attr, pid_t pid, int cpu)
{
	struct ring r = open_ring(&attr, pid, cpu);

	set_filter(&r, IS_GETPPID);
	return r;
}

/* --- to no other ----------------------------------------------------------------- */

/*
 * Anybody samples himself, with large stacks. Root's ring of the CPU has none of
 * these samples, whatever its event asks for, and gets none of the stacks.
 */
static int at_work[2];

static void sample_myself(void)
{
	struct perf_event_attr attr = base_attr(60 * KIB);
	struct ring r;
	char c;

	check(!setgroups(0, NULL));
	check(!setresgid(65534, 65534, 65534) && !setresuid(65534, 65534, 65534));
	check(!prctl(PR_SET_DUMPABLE, 1));
	attr.exclude_kernel = 1;
	attr.exclude_callchain_kernel = 1;
	r = ring_of(open_event(&attr, 0, -1), &attr, 64 * KIB);
	check(read(at_work[0], &c, 1) == 1);
	start(&r);
	for (int i = 0; i < 1000; i++) {
		fresh_page();
		fault();
		munmap((void *)fresh, PAGE);
	}
	stop(&r);
	check(count(&r, PERF_RECORD_STACK_DEFERRED));
}

static void test_flood(void)
{
	struct perf_event_attr attr = base_attr(60 * KIB);
	struct ring dummy, faults;
	struct child child;
	struct record rec;

	check(!pipe(at_work));
	child = spawn(sample_myself);
	run_on(child.pid, 0);
	go(&child);
	attr.sample_type |= PERF_SAMPLE_TID;
	attr.sample_id_all = 1;
	attr.defer_output = 1;
	attr.config = PERF_COUNT_SW_ALIGNMENT_FAULTS; /* x86 has none */
	faults = ring_of(open_event(&attr, -1, 0), &attr, 512 * KIB);
	attr.config = PERF_COUNT_SW_DUMMY;
	attr.defer_user = 0;
	attr.sample_period = 0;
	attr.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
	attr.sample_stack_user = 4 * KIB;
	dummy = ring_of(open_event(&attr, -1, 0), &attr, 512 * KIB);
	start(&faults);
	start(&dummy);
	check(write(at_work[1], "", 1) == 1);
	check(!reap(&child));
	check(!ring_next(&faults, &rec));
	check(!ring_next(&dummy, &rec));
}

/* --- one for a ring ------------------------------------------------------------------ */

/* Two events that want the same, in one ring: one record. One that wants less has its own. */
static void test_one_record(void)
{
	struct perf_event_attr attr = tracepoint_attr("raw_syscalls/sys_enter", 512);
	unsigned int samples = 0, large = 0, small = 0;
	struct record rec;
	struct ring r, more[2];
	uint64_t cookie = 0;

	attr.sample_type |= PERF_SAMPLE_IDENTIFIER;
	attr.sample_id_all = 1;
	r = on_getppid(attr, 0, -1);
	for (int i = 0; i < 2; i++) {
		attr.sample_stack_user = i ? 64 : 512;
		more[i] = (struct ring){ .fd = open_event(&attr, 0, -1), .attr = attr };
		check(!ioctl(more[i].fd, PERF_EVENT_IOC_SET_OUTPUT, r.fd));
		set_filter(&more[i], IS_GETPPID);
	}
	/* The first time there is room for two events in the task's list */
	for (int round = 0; round < 2; round++) {
		samples = large = small = cookie = 0;
		start(&r);
		start(&more[0]);
		start(&more[1]);
		marked_call(MARK, SYS_getppid);
		stop(&r);
		stop(&more[0]);
		stop(&more[1]);
		while (ring_next(&r, &rec)) {
			if (rec.type == PERF_RECORD_SAMPLE) {
				samples++;
				cookie = cookie ?: rec.cookie;
				check(rec.cookie == cookie || (!round && !rec.cookie));
				continue;
			}
			check(rec.type == PERF_RECORD_STACK_DEFERRED && rec.cookie == cookie);
			check(rec.pid == (uint32_t)getpid() && rec.tid == (uint32_t)gettid());
			large += rec.size == 512 + RED_ZONE;
			small += rec.size == 64 + RED_ZONE;
		}
	}
	if (samples != 3 || large != 1 || small != 1)
		fail("%u samples, %u and %u records", samples, large, small);
}

/*
 * More events than a task has room for, in its first stay: those that want the same
 * and share a ring are one, as all of perf record's are.
 */
#define MANY 9

static void call_twice(void)
{
	marked_call(MARK, SYS_getppid);
	marked_call(MARK, SYS_getppid);
}

static void test_alike(void)
{
	struct perf_event_attr attr = tracepoint_attr("raw_syscalls/sys_enter", 512);
	unsigned int samples = 0, records = 0, without = 0;
	struct child child = spawn(call_twice);
	struct ring r, more;
	struct record rec;

	attr.sample_type |= PERF_SAMPLE_IDENTIFIER;
	attr.sample_id_all = 1;
	r = on_getppid(attr, child.pid, -1);
	start(&r);
	for (int i = 1; i < MANY; i++) {
		more = (struct ring){ .fd = open_event(&attr, child.pid, -1), .attr = attr };
		check(!ioctl(more.fd, PERF_EVENT_IOC_SET_OUTPUT, r.fd));
		set_filter(&more, IS_GETPPID);
		start(&more);
	}
	go(&child);
	check(!reap(&child));
	while (ring_next(&r, &rec)) {
		samples += rec.type == PERF_RECORD_SAMPLE;
		without += rec.type == PERF_RECORD_SAMPLE && !rec.cookie;
		records += rec.type == PERF_RECORD_STACK_DEFERRED;
	}
	check(samples == 2 * MANY && !without);
	/* One for those that have a place in the list; it is grown for the second stay. */
	check(records >= 2 && records <= 2 * MANY);
}

/* Those that want different things have to wait for the next stay, and are told so. */
static void test_overflow(void)
{
	struct perf_event_attr attr = tracepoint_attr("raw_syscalls/sys_enter", 512);
	unsigned int samples[2] = { 0 }, records[2] = { 0 }, without = 0;
	struct child child = spawn(call_twice);
	struct ring rings[MANY];
	uint64_t lost = 0, counts[2];
	struct record rec;

	attr.read_format = PERF_FORMAT_LOST;
	for (int i = 0; i < MANY; i++) {
		attr.sample_stack_user = 8 * (i + 1);
		rings[i] = on_getppid(attr, child.pid, -1);
		start(&rings[i]);
	}
	go(&child);
	check(!reap(&child));
	for (int i = 0; i < MANY; i++) {
		int stay = 0;

		while (ring_next(&rings[i], &rec)) {
			if (rec.type == PERF_RECORD_SAMPLE) {
				samples[stay]++;
				without += !rec.cookie;
				/* Without a cookie no record comes in between */
				if (!rec.cookie)
					stay++;
			} else {
				check(rec.type == PERF_RECORD_STACK_DEFERRED);
				records[stay++]++;
			}
		}
		check(read(rings[i].fd, counts, sizeof(counts)) == sizeof(counts));
		lost += counts[1];
	}
	check(samples[0] == MANY && samples[1] == MANY && records[1] == MANY);
	check(without && without < MANY && records[0] == MANY - without && lost == without);
}

/* --- in the midst of a stay ------------------------------------------------------------ */

/*
 * An event that comes when the task's captures of this stay are made has one of its
 * own: ptrace stops a fork twice, and task work runs at either.
 */
static void forks(void)
{
	pid_t pid = marked_call(MARK, SYS_clone, SIGCHLD);

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
}

static void test_mid_stay(void)
{
	struct perf_event_attr attr = tracepoint_attr("sched/sched_switch", 1 * KIB);
	struct child child = spawn(forks);
	struct ring early = open_ring(&attr, child.pid, -1);
	struct ring late = open_ring(&attr, child.pid, -1);
	struct captures all = { 0 };
	bool on = false;
	unsigned long pid;
	int status;

	set_filter(&early, "prev_state == 8"); /* traced */
	set_filter(&late, "prev_state == 8");
	check(!ptrace(PTRACE_SEIZE, child.pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK));
	check(!ptrace(PTRACE_INTERRUPT, child.pid, 0, 0));
	check(waitpid(child.pid, &status, 0) == child.pid && WIFSTOPPED(status));
	start(&early);
	go(&child);
	for (;;) {
		check(!ptrace(PTRACE_SYSCALL, child.pid, 0, 0));
		check(waitpid(child.pid, &status, 0) == child.pid);
		if (!WIFSTOPPED(status))
			break;
		if (status >> 8 == (SIGTRAP | (PTRACE_EVENT_FORK << 8))) {
			check(!ptrace(PTRACE_GETEVENTMSG, child.pid, 0, &pid));
			waitpid((pid_t)pid, NULL, __WALL);
			ptrace(PTRACE_DETACH, (pid_t)pid, 0, 0);
			start(&late);
			on = true;
		} else if (on && status >> 8 == (SIGTRAP | 0x80)) {
			/* It may be on its way to sleep yet: ptrace waits for that. */
			check(!ptrace(PTRACE_GETEVENTMSG, child.pid, 0, &pid));
			stop(&late);
			on = false;
		}
	}
	stop(&early);
	take_all(&late, &all);
	if (all.nr != 1 || all.no_cookie)
		fail("%zu captures, %u samples without a cookie", all.nr, all.no_cookie);
	check(all.at[0].samples && is_marked(&all.at[0], MARK));
}

/* --- the ring of a CPU that the task left ------------------------------------------------- */

static int wake[2];

static void call_readv(void)
{
	char c;
	struct iovec iov = { &c, 1 };

	check(marked_call(MARK, SYS_readv, wake[0], (long)&iov, 1) == 1);
}

/* It says whose the stack is, also after a record of lost ones. */
static void test_lost_before(void)
{
	struct perf_event_attr attr = tracepoint_attr("raw_syscalls/sys_enter", 1 * KIB);
	struct child child;
	struct record rec;
	unsigned int stacks = 0, lost = 0;
	struct ring r;

	check(!pipe(wake));
	child = spawn(call_readv);
	attr.sample_type |= PERF_SAMPLE_TID;
	attr.sample_id_all = 1;
	r = ring_of(open_event(&attr, -1, 0), &attr, 16 * KIB);
	set_filter(&r, IS_READV " || " IS_GETPPID);
	run_on(child.pid, 0);
	run_on(0, 1);
	start(&r);
	go(&child);
	wait_asleep(&r, child.pid);
	run_on(0, 0);
	for (int i = 0; i < 200; i++)
		syscall(SYS_getppid); /* until the ring is full */
	run_on(0, 1);
	while (ring_next(&r, &rec))
		;
	run_on(child.pid, 1);
	check(write(wake[1], "", 1) == 1);
	check(!reap(&child));
	stop(&r);
	while (ring_next(&r, &rec)) {
		lost += rec.type == PERF_RECORD_LOST;
		if (rec.type != PERF_RECORD_STACK_DEFERRED)
			continue;
		check(rec.pid == (uint32_t)child.pid && rec.tid == (uint32_t)child.pid);
		stacks++;
	}
	check(stacks == 1 && lost == 1);
}

/* --- what is not there ----------------------------------------------------------------- */

/* A ring that takes no sample has no stack either: nobody asks for it. */
static void test_paused(void)
{
	struct ring r = on_getppid(tracepoint_attr("raw_syscalls/sys_enter", 1 * KIB), 0, -1);

	start(&r);
	check(!ioctl(r.fd, PERF_EVENT_IOC_PAUSE_OUTPUT, 1));
	marked_call(MARK, SYS_getppid);
	check(!ioctl(r.fd, PERF_EVENT_IOC_PAUSE_OUTPUT, 0));
	stop(&r);
	check(!count(&r, PERF_RECORD_STACK_DEFERRED));
}

/* Closed between sample and capture: nothing is left of it, and nothing hangs. */
static void test_closed(void)
{
	struct perf_event_attr attr = tracepoint_attr("raw_syscalls/sys_enter", 1 * KIB);
	struct child child;
	struct ring r;

	check(!pipe(wake));
	child = spawn(call_readv);
	r = open_ring(&attr, child.pid, -1);
	set_filter(&r, IS_READV);
	start(&r);
	go(&child);
	wait_asleep(&r, child.pid);
	close_ring(&r);
	check(write(wake[1], "", 1) == 1);
	check(!reap(&child));
}

/* The CPU of the ring is offline: the record counts as lost, and nothing hangs. */
static void set_online(int cpu, bool on)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	fd = open(path, O_WRONLY);
	check(fd >= 0 && write(fd, on ? "1" : "0", 1) == 1);
	close(fd);
}

static void test_offline(void)
{
	struct perf_event_attr attr = tracepoint_attr("raw_syscalls/sys_enter", 1 * KIB);
	struct child child;
	uint64_t counts[2];
	struct ring r;

	check(!pipe(wake));
	child = spawn(call_readv);
	attr.read_format = PERF_FORMAT_LOST;
	r = open_ring(&attr, -1, 1);
	set_filter(&r, IS_READV);
	run_on(child.pid, 1);
	run_on(0, 0);
	start(&r);
	go(&child);
	wait_asleep(&r, child.pid);
	run_on(child.pid, 0);
	set_online(1, false);
	check(write(wake[1], "", 1) == 1);
	check(!reap(&child));
	set_online(1, true);
	check(read(r.fd, counts, sizeof(counts)) == sizeof(counts));
	check(counts[1] == 1 && !count(&r, PERF_RECORD_STACK_DEFERRED));
}

/* The ring of a cgroup on a CPU that the task left for another, where others run. */
#define CGROUP "/tmp/cgroup"

static void join_cgroup(void)
{
	int fd = open(CGROUP "/sampled/cgroup.procs", O_WRONLY);

	check(fd >= 0 && write(fd, "0", 1) == 1);
	close(fd);
	call_readv();
}

static void test_cgroup(void)
{
	struct perf_event_attr attr = tracepoint_attr("raw_syscalls/sys_enter", 1 * KIB);
	struct captures all = { 0 };
	struct child child;
	struct ring r;
	int dir, fd;

	check(!mkdir(CGROUP, 0755) && !mount("none", CGROUP, "cgroup", 0, "perf_event"));
	check(!mkdir(CGROUP "/sampled", 0755));
	dir = open(CGROUP "/sampled", O_RDONLY | O_DIRECTORY);
	fd = syscall(SYS_perf_event_open, &attr, dir, 0, -1, PERF_FLAG_PID_CGROUP);
	if (dir < 0 || fd < 0)
		fail("an event of the cgroup: %s", strerror(errno));
	r = ring_of(fd, &attr, MIB);
	set_filter(&r, IS_READV " || " IS_GETPPID);
	check(!pipe(wake));
	child = spawn(join_cgroup);
	run_on(child.pid, 0);
	run_on(0, 1);
	start(&r);
	go(&child);
	wait_asleep(&r, child.pid);
	/* Of no matter: not in the cgroup. */
	run_on(0, 0);
	for (int i = 0; i < 100; i++)
		syscall(SYS_getppid);
	run_on(child.pid, 1);
	check(write(wake[1], "", 1) == 1);
	check(!reap(&child));
	stop(&r);
	take_all(&r, &all);
	check(all.nr == 1 && !all.lost && all.at[0].samples == 1);
	check(is_marked(&all.at[0], MARK));
}

/* --- time ------------------------------------------------------------------------- */

static unsigned long max_sample_rate(void)
{
	FILE *f = fopen("/proc/sys/kernel/perf_event_max_sample_rate", "r");
	unsigned long rate;

	check(f && fscanf(f, "%lu", &rate) == 1);
	fclose(f);
	return rate;
}

/* Flags of the record of a sample here; size gets its bytes. */
static uint64_t flags_now(struct ring *r, uint64_t *size)
{
	uint64_t flags = 0;
	struct record rec;

	*size = 0;
	while (ring_next(r, &rec)) {
		if (rec.type != PERF_RECORD_STACK_DEFERRED)
			continue;
		flags |= rec.flags;
		*size += rec.size;
	}
	check(flags & PERF_STACK_FIRST);
	return flags;
}

/*
 * Large stacks are left out when they have taken their share of the time, and come
 * again later. Small ones of another event go on, and so does all else.
 */
static NOINLINE void test_throttled(void)
{
	struct perf_event_attr attr = tracepoint_attr("raw_syscalls/sys_enter", 8 * MIB);
	volatile uint8_t *deep = alloca(4 * MIB);
	unsigned long rate = max_sample_rate();
	struct ring large, small;
	uint64_t size, other;
	bool alone = false;

	for (size_t i = 0; i < 4 * MIB; i += KIB)
		deep[i] = 1;
	large = on_getppid(attr, 0, -1);
	attr.sample_stack_user = 64;
	small = on_getppid(attr, 0, -1);
	set_cpu_time_max(5);
	start(&large);
	start(&small);
	for (int i = 0; !alone; i++) {
		check(i < 1000);
		syscall(SYS_getppid);
		if (flags_now(&large, &size) & PERF_STACK_THROTTLED) {
			check(!size);
			alone = !(flags_now(&small, &other) & PERF_STACK_THROTTLED) && other;
		}
		/* What the small one takes is little only if time goes by. */
		usleep(1000);
		count(&small, 0);
	}
	for (int i = 0; size <= 4 * MIB; i++) {
		check(i < 1000);
		usleep(10000);
		syscall(SYS_getppid);
		flags_now(&large, &size);
	}
	check(max_sample_rate() == rate);
	set_cpu_time_max(0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "flood", test_flood },
		{ "one_record", test_one_record },
		{ "alike", test_alike },
		{ "overflow", test_overflow },
		{ "mid_stay", test_mid_stay },
		{ "lost_before", test_lost_before },
		{ "paused", test_paused },
		{ "closed", test_closed },
		{ "offline", test_offline },
		{ "cgroup", test_cgroup },
		{ "throttled", test_throttled },
	};

	return run_tests(tests, sizeof(tests) / sizeof(*tests), argc, argv);
}
