// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see stay.sh: what happens to a task, or to its event,
 * while it is in the kernel with a sample that waits for its stack.
 */
#include <linux/posix_types.h> /* for io_uring.h: that of tools/ lacks them */
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "guest.h"

#define MARK 0x5741434b454d4552ull

/* Samples of a system call; not yet started. */
static struct ring on_call(pid_t pid, int cpu, int nr)
{
	struct perf_event_attr attr = tracepoint_attr("raw_syscalls/sys_enter", 4 * KIB);
	struct ring r = open_ring(&attr, pid, cpu);
	char filter[64];

	snprintf(filter, sizeof(filter), "id == %d", nr);
	set_filter(&r, filter);
	return r;
}

/* A task that sleeps in a marked readv of a pipe until somebody writes to it. */
static int wake[2];

static void call_readv(void)
{
	char c;
	struct iovec iov = { &c, 1 };

	check(marked_call(MARK, SYS_readv, wake[0], (long)&iov, 1) == 1);
}

static struct child spawn_sleeper(void)
{
	check(!pipe(wake));
	return spawn(call_readv);
}

static void wake_up(struct child *child)
{
	check(write(wake[1], "", 1) == 1);
	check(!reap(child));
}

/* --- the event is disabled --------------------------------------------------- */

static void check_one(struct ring *r)
{
	struct capture c = take(r);

	check(c.samples == 1 && is_marked(&c, MARK));
}

static void test_disabled(void)
{
	struct child child = spawn_sleeper();
	struct ring r = on_call(child.pid, -1, SYS_readv);

	start(&r);
	go(&child);
	wait_asleep(&r, child.pid);
	stop(&r);
	wake_up(&child);
	check_one(&r);
}

static void test_disabled_cpu(void)
{
	struct child child = spawn_sleeper();
	struct ring r = on_call(-1, 0, SYS_readv);

	run_on(child.pid, 0);
	start(&r);
	go(&child);
	wait_asleep(&r, child.pid);
	stop(&r);
	wake_up(&child);
	check_one(&r);
}

/* By the task that is sampled on the way into the very call. */
static void test_disabled_ioctl(void)
{
	struct ring r = on_call(0, -1, SYS_ioctl);

	start(&r);
	check(!marked_call(MARK, SYS_ioctl, r.fd, PERF_EVENT_IOC_DISABLE));
	check_one(&r);
}

static void test_disabled_prctl(void)
{
	struct ring r = on_call(0, -1, SYS_prctl);

	start(&r);
	check(!marked_call(MARK, SYS_prctl, PR_TASK_PERF_EVENTS_DISABLE));
	check_one(&r);
}

/* --- the task migrates --------------------------------------------------------- */

static void migrate(struct child *child, struct ring *sampler)
{
	run_on(child->pid, 0);
	start(sampler);
	go(child);
	wait_asleep(sampler, child->pid);
	run_on(child->pid, 1);
	wake_up(child);
}

static void test_migrated_task(void)
{
	struct child child = spawn_sleeper();
	struct ring r = on_call(child.pid, 0, SYS_readv);

	migrate(&child, &r);
	check_one(&r);
}

static void test_migrated_cpu(void)
{
	struct child child = spawn_sleeper();
	struct ring r = on_call(-1, 0, SYS_readv);

	migrate(&child, &r);
	check_one(&r);
}

/* With an event on either CPU, as a recorder has them: one record in one of the rings. */
static void migrate_both(pid_t (*of)(struct child *))
{
	struct child child = spawn_sleeper();
	struct ring r[] = { on_call(of(&child), 0, SYS_readv),
			    on_call(of(&child), 1, SYS_readv) };
	struct captures all = { 0 };

	start(&r[1]);
	migrate(&child, &r[0]);
	stop(&r[0]);
	stop(&r[1]);
	take_all(&r[0], &all);
	take_all(&r[1], &all);
	check(all.nr == 1 && !all.lost && !all.no_cookie);
	check(all.at[0].samples == 1 && is_marked(&all.at[0], MARK));
}

static pid_t the_task(struct child *child)
{
	return child->pid;
}

static pid_t all_tasks(struct child *child)
{
	(void)child;
	return -1;
}

static void test_migrated_task_both(void)
{
	migrate_both(the_task);
}

static void test_migrated_cpu_both(void)
{
	migrate_both(all_tasks);
}

/* --- task work in the midst of a system call ------------------------------------- */

/*
 * Of the stays that were sampled, the one at the marked call: as many samples
 * as are said, the last of them after the record, which is the only one.
 */
static void check_stay(struct ring *r, unsigned int samples)
{
	struct captures all = { 0 };
	struct capture *found = NULL;
	size_t i, n;

	stop(r);
	take_all(r, &all);
	check(!all.lost && !all.no_cookie);
	for (i = n = 0; i < all.nr; i++) {
		check(all.at[i].samples && all.at[i].records == 1);
		if (is_marked(&all.at[i], MARK)) {
			found = &all.at[i];
			n++;
		}
	}
	check(n == 1);
	check(found->samples >= samples && found->sample_last);
}

/* A sample each time that the task sleeps in this state. */
static struct ring on_sleep(pid_t pid, const char *state)
{
	struct perf_event_attr attr = tracepoint_attr("sched/sched_switch", 4 * KIB);
	struct ring r = open_ring(&attr, pid, -1);

	set_filter(&r, state);
	return r;
}

/*
 * A tracer stops the task where it enters getppid and where it leaves it: it
 * sleeps twice in one stay, and task work runs before the second time.
 */
static void traced(void)
{
	marked_call(MARK, SYS_getppid);
}

static void test_ptrace(void)
{
	struct child child = spawn(traced);
	struct ring r = on_sleep(child.pid, "prev_state == 8"); /* traced */
	int status;

	check(!ptrace(PTRACE_SEIZE, child.pid, 0, PTRACE_O_TRACESYSGOOD));
	check(!ptrace(PTRACE_INTERRUPT, child.pid, 0, 0));
	check(waitpid(child.pid, &status, 0) == child.pid && WIFSTOPPED(status));
	start(&r);
	go(&child);
	for (;;) {
		check(!ptrace(PTRACE_SYSCALL, child.pid, 0, 0));
		check(waitpid(child.pid, &status, 0) == child.pid);
		if (!WIFSTOPPED(status))
			break;
	}
	check(!status);
	check_stay(&r, 2);
}

/*
 * io_uring_enter waits for two polls. The end of the first runs task work in
 * the waiting task, the stack's as well, and the task sleeps again.
 */
struct uring {
	int fd;
	uint32_t *sq_tail, *sq_array;
	uint32_t *cq_tail;
	struct io_uring_sqe *sqes;
};

static struct uring open_uring(void)
{
	struct io_uring_params p = { 0 };
	struct uring u = { .fd = syscall(SYS_io_uring_setup, 4, &p) };
	uint8_t *sq, *cq;

	if (u.fd < 0)
		fail("io_uring_setup: %s", strerror(errno));
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_POPULATE, u.fd, IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u.fd,
		  IORING_OFF_CQ_RING);
	u.sqes = mmap(NULL, p.sq_entries * sizeof(*u.sqes), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_POPULATE, u.fd, IORING_OFF_SQES);
	check(sq != MAP_FAILED && cq != MAP_FAILED && (void *)u.sqes != MAP_FAILED);
	u.sq_tail = (uint32_t *)(sq + p.sq_off.tail);
	u.sq_array = (uint32_t *)(sq + p.sq_off.array);
	u.cq_tail = (uint32_t *)(cq + p.cq_off.tail);
	return u;
}

static void submit_poll(struct uring *u, int fd)
{
	uint32_t tail = *u->sq_tail;

	u->sqes[tail] = (struct io_uring_sqe){ .opcode = IORING_OP_POLL_ADD,
					       .fd = fd,
					       .poll32_events = POLLIN };
	u->sq_array[tail] = tail;
	__atomic_store_n(u->sq_tail, tail + 1, __ATOMIC_RELEASE);
}

struct writer {
	const struct uring *uring;
	struct ring *ring;
	pid_t tid;
	int fd[2];
};

static void *write_both(void *arg)
{
	struct writer *w = arg;

	wait_asleep(w->ring, w->tid);
	check(write(w->fd[0], "", 1) == 1);
	while (!__atomic_load_n(w->uring->cq_tail, __ATOMIC_ACQUIRE))
		sched_yield();
	wait_asleep(w->ring, w->tid);
	check(write(w->fd[1], "", 1) == 1);
	return NULL;
}

static void test_io_uring(void)
{
	struct uring u = open_uring();
	struct ring r = on_sleep(0, "prev_state == 1"); /* interruptible */
	struct writer w = { .uring = &u, .ring = &r, .tid = gettid() };
	pthread_t thread;
	int one[2], two[2];

	check(!pipe(one) && !pipe(two));
	submit_poll(&u, one[0]);
	submit_poll(&u, two[0]);
	check(syscall(SYS_io_uring_enter, u.fd, 2, 0, 0, NULL, 0) == 2);
	w.fd[0] = one[1];
	w.fd[1] = two[1];
	check(!pthread_create(&thread, NULL, write_both, &w));
	start(&r);
	check(marked_call(MARK, SYS_io_uring_enter, u.fd, 0, 2,
			  IORING_ENTER_GETEVENTS) == 0);
	check(!pthread_join(thread, NULL));
	check_stay(&r, 2);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "disabled", test_disabled },
		{ "disabled_cpu", test_disabled_cpu },
		{ "disabled_ioctl", test_disabled_ioctl },
		{ "disabled_prctl", test_disabled_prctl },
		{ "migrated_task", test_migrated_task },
		{ "migrated_cpu", test_migrated_cpu },
		{ "migrated_task_both", test_migrated_task_both },
		{ "migrated_cpu_both", test_migrated_cpu_both },
		{ "ptrace", test_ptrace },
		{ "io_uring", test_io_uring },
	};

	return run_tests(tests, sizeof(tests) / sizeof(*tests), argc, argv);
}
