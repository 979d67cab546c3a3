// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see lifetime.sh: samples of tasks that end, or whose
 * image does, before they are back in user mode still get their stack.
 *
 * The events are tracepoints of system calls, which sample on the way into the
 * call that ends the task.
 */
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "guest.h"

#define MARK 0x5741434b454d4552ull
#define NEW_MARK 0x4d49574e4557454eull

/* Samples of the system call in a task and what it clones, on CPU 0. */
static struct ring on_call(pid_t pid, int nr)
{
	struct perf_event_attr attr = tracepoint_attr("raw_syscalls/sys_enter", 256);
	struct ring r;
	char filter[32];

	attr.inherit = 1;
	r = open_ring(&attr, pid, 0);
	snprintf(filter, sizeof(filter), "id == %d", nr);
	set_filter(&r, filter);
	start(&r);
	return r;
}

/* The child is sampled at one system call, once, and the stack is the one there. */
static void sampled_at(void (*run)(void), int nr, int signal)
{
	struct child child = spawn(run);
	struct ring r = on_call(child.pid, nr);
	struct capture c;
	int status;

	go(&child);
	if (signal) {
		wait_asleep(&r, child.pid);
		check(!kill(child.pid, signal));
	}
	status = reap(&child);
	check(signal ? WIFSIGNALED(status) && WTERMSIG(status) == signal : !status);
	c = take(&r);
	check(c.samples == 1);
	check(signal ? is_interrupted(&c, MARK) : is_marked(&c, MARK));
}

/* --- the end of a task --------------------------------------------------------- */

static void call_exit(void)
{
	marked_call(MARK, SYS_exit, 0);
}

static void test_exit(void)
{
	sampled_at(call_exit, SYS_exit, 0);
}

static void call_exit_group(void)
{
	marked_call(MARK, SYS_exit_group, 0);
}

static void test_exit_group(void)
{
	sampled_at(call_exit_group, SYS_exit_group, 0);
}

/* Event and capture are of a thread, the ring is that of the first one. */
static void *thread_exit(void *arg)
{
	(void)arg;
	marked_call(MARK, SYS_exit, 0);
	return NULL;
}

static void exit_thread(void)
{
	pthread_t thread;

	check(!pthread_create(&thread, NULL, thread_exit, NULL));
	check(!pthread_join(thread, NULL));
}

static void test_thread_exit(void)
{
	sampled_at(exit_thread, SYS_exit, 0);
}

static void call_pause(void)
{
	marked_call(MARK, SYS_ppoll);
}

static void test_sigkill(void)
{
	sampled_at(call_pause, SYS_ppoll, SIGKILL);
}

static void test_sigterm(void)
{
	sampled_at(call_pause, SYS_ppoll, SIGTERM);
}

/*
 * A sample while the signal is taken, which is after the last time that the
 * task looks for work: only its exit can give this one its stack.
 */
static void test_signal_taken(void)
{
	struct perf_event_attr attr = tracepoint_attr("signal/signal_deliver", 256);
	struct child child = spawn(call_pause);
	struct ring r = open_ring(&attr, child.pid, -1);
	struct ring in_call = on_call(child.pid, SYS_ppoll);
	struct capture c;

	start(&r);
	go(&child);
	wait_asleep(&in_call, child.pid);
	stop(&in_call);
	check(!kill(child.pid, SIGTERM));
	check(WTERMSIG(reap(&child)) == SIGTERM);
	c = take(&r);
	/* The first record, of the sample before, came with the wake-up. */
	check(c.samples == 1 && is_interrupted(&c, MARK));
}

/* The last sample before the task's events go: it is PF_EXITING since long. */
static void test_process_exit(void)
{
	struct perf_event_attr attr = tracepoint_attr("sched/sched_process_exit", 256);
	struct child child = spawn(call_exit_group);
	struct ring r = open_ring(&attr, child.pid, -1);
	struct capture c;

	start(&r);
	go(&child);
	check(!reap(&child));
	c = take(&r);
	check(c.samples == 1 && is_marked(&c, MARK));
}

/*
 * Another thread of the process is still in its system call, or in a fault
 * that nobody resolves, when the process ends. A pipe tells when to.
 */
static int ready[2], finish[2];

static void *thread_pause(void *arg)
{
	pid_t tid = gettid();

	(void)arg;
	check(write(ready[1], &tid, sizeof(tid)) == sizeof(tid));
	marked_call(MARK, SYS_ppoll);
	return NULL;
}

static void *thread_fault(void *arg)
{
	pid_t tid = gettid();

	check(write(ready[1], &tid, sizeof(tid)) == sizeof(tid));
	marked_store(MARK, arg);
	return NULL;
}

static void finish_with(void *(*run)(void *), void *arg)
{
	pthread_t thread;
	char c;

	check(!pthread_create(&thread, NULL, run, arg));
	check(read(finish[0], &c, 1) == 1);
	syscall(SYS_exit_group, 0);
}

static void exit_over_pause(void)
{
	finish_with(thread_pause, NULL);
}

static void exit_over_fault(void)
{
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	fresh_page();
	range.range.start = (uintptr_t)fresh;
	range.range.len = PAGE;
	check(fd >= 0 && !ioctl(fd, UFFDIO_API, &api));
	check(!ioctl(fd, UFFDIO_REGISTER, &range));
	finish_with(thread_fault, (void *)fresh);
}

static void check_finish(struct child *child, struct ring *r)
{
	struct captures all = { 0 };
	unsigned int marked = 0;
	pid_t tid;
	size_t i;

	go(child);
	check(read(ready[0], &tid, sizeof(tid)) == sizeof(tid));
	wait_asleep(r, tid);
	check(write(finish[1], "", 1) == 1);
	check(!reap(child));
	stop(r);
	take_all(r, &all);
	check(!all.lost);
	for (i = 0; i < all.nr; i++) {
		check(all.at[i].samples && all.at[i].records && !all.at[i].left);
		marked += is_interrupted(&all.at[i], MARK);
	}
	check(marked == 1);
}

static void test_exit_over_call(void)
{
	struct child child;
	struct ring r;

	check(!pipe(ready) && !pipe(finish));
	child = spawn(exit_over_pause);
	r = on_call(child.pid, SYS_ppoll);
	check_finish(&child, &r);
}

static void test_exit_over_fault(void)
{
	struct perf_event_attr attr = base_attr(256);
	struct child child;
	struct ring r;

	check(!pipe(ready) && !pipe(finish));
	child = spawn(exit_over_fault);
	attr.inherit = 1;
	r = open_ring(&attr, child.pid, 0);
	start(&r);
	check_finish(&child, &r);
}

/* The fault that is the task's end is its last sample. */
static void segv(void)
{
	struct rlimit none = { 0 };

	check(!setrlimit(RLIMIT_CORE, &none));
	marked_store(MARK, (void *)PAGE);
}

static void test_sigsegv(void)
{
	struct perf_event_attr attr = base_attr(256);
	struct child child = spawn(segv);
	struct ring r = open_ring(&attr, child.pid, -1);
	struct captures all = { 0 };
	unsigned int marked = 0;
	int status;
	size_t i;

	start(&r);
	go(&child);
	status = reap(&child);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	take_all(&r, &all);
	for (i = 0; i < all.nr; i++) {
		check(all.at[i].samples && all.at[i].records && !all.at[i].left);
		marked += is_marked(&all.at[i], MARK);
	}
	check(marked == 1);
}

/* --- the end of an image --------------------------------------------------------- */

static char *const new_argv[] = { "lifetime", "new image", NULL };
static char *const no_env[] = { NULL };

/* main() of the new image. */
static int new_image(void)
{
	marked_call(NEW_MARK, SYS_getppid);
	return 0;
}

static void call_exec(void)
{
	marked_call(MARK, SYS_execve, (long)"/proc/self/exe", (long)new_argv,
		    (long)no_env);
}

/* The stack of the old image, though its last sample never comes back to it. */
static void test_exec(void)
{
	sampled_at(call_exec, SYS_execve, 0);
}

static struct capture *with_sample(struct captures *all)
{
	struct capture *found = NULL;
	size_t i;

	for (i = 0; i < all->nr; i++)
		if (all->at[i].samples) {
			check(!found);
			found = &all->at[i];
		}
	check(found);
	return found;
}

static struct ring on(pid_t pid, const char *tracepoint)
{
	struct perf_event_attr attr = tracepoint_attr(tracepoint, 256);
	struct ring r;

	attr.inherit = 1;
	r = open_ring(&attr, pid, 0);
	start(&r);
	return r;
}

/* Up to the point of no return samples are of the old image, then of the new. */
static void test_exec_sides(void)
{
	struct child child = spawn(call_exec);
	struct ring enter = on_call(child.pid, SYS_execve);
	struct ring prepare = on(child.pid, "sched/sched_prepare_exec");
	struct ring done = on(child.pid, "sched/sched_process_exec");
	struct captures entered = { 0 }, prepared = { 0 }, new = { 0 };
	struct capture *c;

	go(&child);
	check(!reap(&child));
	take_all(&enter, &entered);
	take_all(&prepare, &prepared);
	take_all(&done, &new);
	check(with_sample(&entered)->cookie == with_sample(&prepared)->cookie);
	check(is_marked(with_sample(&prepared), MARK));
	c = with_sample(&new);
	check(c->cookie != with_sample(&entered)->cookie);
	check(c->records == 1 && c->abi == PERF_SAMPLE_REGS_ABI_64);
	/* At its first instruction, above sp there is nothing but argv. */
	check(c->regs[1] != (uintptr_t)marked_call_ip && !c->range[0].size);
}

/* The kernel's own fault on the name of the new image is the old one's. */
static void exec_absent_name(void)
{
	const char name[] = "/proc/self/exe";
	int fd = memfd_create("name", MFD_CLOEXEC);
	char *page;

	check(fd >= 0 && write(fd, name, sizeof(name)) == sizeof(name));
	page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	check(page != MAP_FAILED);
	marked_call(MARK, SYS_execve, (long)page, (long)new_argv, (long)no_env);
}

static void test_exec_fault(void)
{
	struct perf_event_attr attr = base_attr(256);
	struct child child = spawn(exec_absent_name);
	struct ring faults = open_ring(&attr, child.pid, 0);
	struct captures all = { 0 };
	unsigned int marked = 0;
	size_t i;

	run_on(child.pid, 0);
	start(&faults);
	go(&child);
	check(!reap(&child));
	take_all(&faults, &all);
	for (i = 0; i < all.nr; i++) {
		check(all.at[i].samples && all.at[i].records && !all.at[i].left);
		marked += is_marked(&all.at[i], MARK);
	}
	check(marked == 1);
}

/* The new image's own samples. */
static void test_exec_new(void)
{
	struct child child = spawn(call_exec);
	struct ring r = on_call(child.pid, SYS_getppid);
	uint64_t mark = NEW_MARK;
	struct capture c;

	go(&child);
	check(!reap(&child));
	c = take(&r);
	check(c.samples == 1 && c.records == 1);
	check(!memcmp(c.range[0].mem, &mark, 8));
}

/* An execve that fails changes nothing. */
static void exec_nothing(void)
{
	check(marked_call(MARK, SYS_execve, (long)"/nothing", (long)new_argv,
			  (long)no_env) == -ENOENT);
}

static void test_exec_fails(void)
{
	sampled_at(exec_nothing, SYS_execve, 0);
}

/*
 * A thread that is not the first one takes the first one's place, and its tid.
 * A reader pairs by tid and cookie: the record has that of the sample.
 */
static void *thread_exec(void *arg)
{
	struct sched_param first = { .sched_priority = 1 };

	/* So that the other thread cannot end before it is waited for. */
	check(!sched_setscheduler(0, SCHED_FIFO, &first));
	call_exec();
	return arg;
}

static void exec_in_thread(void)
{
	pthread_t thread;

	check(!pthread_create(&thread, NULL, thread_exec, NULL));
	pthread_join(thread, NULL);
}

static void test_exec_thread(void)
{
	struct perf_event_attr attr = tracepoint_attr("raw_syscalls/sys_enter", 256);
	struct child child = spawn(exec_in_thread);
	struct record sample, rec;
	uint64_t mark = MARK;
	struct ring r;

	attr.inherit = 1;
	attr.sample_type |= PERF_SAMPLE_TID;
	attr.sample_id_all = 1;
	r = open_ring(&attr, child.pid, 0);
	set_filter(&r, IS_EXECVE);
	start(&r);
	go(&child);
	check(!reap(&child));
	check(ring_next(&r, &sample) && sample.type == PERF_RECORD_SAMPLE);
	check(sample.tid != (uint32_t)child.pid && sample.pid == (uint32_t)child.pid);
	check(ring_next(&r, &rec) && rec.type == PERF_RECORD_STACK_DEFERRED);
	check(rec.cookie == sample.cookie && rec.size);
	check(!memcmp(rec.stack + RED_ZONE, &mark, sizeof(mark)));
	check(rec.pid == sample.pid && rec.tid == sample.tid);
	check(!ring_next(&r, &rec));
}

/*
 * It waits for the first one to end. What is sampled where it sleeps meanwhile
 * is still of the thread that it was.
 */
static void test_exec_thread_waits(void)
{
	struct perf_event_attr attr = tracepoint_attr("sched/sched_switch", 256);
	struct child child = spawn(exec_in_thread);
	struct record seen[256];
	size_t n = 0, i, j, of_thread = 0;
	struct ring r;

	attr.inherit = 1;
	attr.sample_type |= PERF_SAMPLE_TID;
	attr.sample_id_all = 1;
	r = open_ring(&attr, child.pid, 0);
	set_filter(&r, "prev_state == 2"); /* uninterruptible */
	start(&r);
	go(&child);
	check(!reap(&child));
	while (n < 256 && ring_next(&r, &seen[n]))
		n++;
	check(n < 256);
	for (i = 0; i < n; i++) {
		if (seen[i].type != PERF_RECORD_SAMPLE || !seen[i].cookie)
			continue;
		for (j = 0; j < n; j++)
			if (seen[j].type == PERF_RECORD_STACK_DEFERRED &&
			    seen[j].cookie == seen[i].cookie && seen[j].tid == seen[i].tid)
				break;
		check(j < n);
		of_thread += seen[i].tid != (uint32_t)child.pid;
	}
	check(of_thread);
}

/* --- two tasks on one stack -------------------------------------------------------- */

#define PARENT_MARK 0x544e455241502d49ull

/* vfork, as a marked call; returns in the parent. */
static NOINLINE void vfork_then(uint64_t mark, void (*run)(void))
{
	pid_t pid = marked_vfork(mark, run);

	check(pid > 0);
	check(waitpid(pid, NULL, 0) == pid);
}

static void vfork_child(void)
{
	marked_call(MARK, SYS_getppid);
	_exit(0);
}

static void call_vfork(void)
{
	vfork_then(PARENT_MARK, vfork_child);
}

/* The child's stack is captured as the child has it, the parent's when it goes on. */
static void test_vfork(void)
{
	struct child child = spawn(call_vfork);
	struct ring parent, in_child;
	struct captures parents = { 0 }, children = { 0 };
	uint64_t mark = PARENT_MARK;
	struct capture *c;

	run_on(child.pid, 0);
	parent = on_call(child.pid, NR_VFORK);
	in_child = on_call(child.pid, SYS_getppid);
	go(&child);
	check(!reap(&child));
	take_all(&parent, &parents);
	take_all(&in_child, &children);
	c = with_sample(&children);
	check(c->samples == 1 && is_marked(c, MARK));
	c = with_sample(&parents);
	check(c->samples == 1 && c->records == 1 && c->flags == PERF_STACK_FIRST);
	check(!memcmp(c->range[0].mem, &mark, 8));
}

/*
 * A shell's life. NMIs come at any place of it; what they sample has one record,
 * and that of a sample on the way into execve is never the new image's.
 */
#define EXECS 100

static void vfork_exec_loop(void)
{
	for (int i = 0; i < EXECS; i++)
		vfork_then(PARENT_MARK, call_exec);
}

static void test_vfork_exec(void)
{
	struct child child = spawn(vfork_exec_loop);
	struct captures entered = { 0 }, new = { 0 }, nmis = { 0 };
	struct perf_event_attr attr = on_nmis(base_attr(256), 500009);
	struct ring enter, done, nmi;
	unsigned int execs = 0, gone;
	size_t i;

	run_on(child.pid, 0);
	enter = on_call(child.pid, SYS_execve);
	done = on(child.pid, "sched/sched_process_exec");
	attr.inherit = 1;
	nmi = open_ring(&attr, child.pid, 0);
	start(&nmi);
	go(&child);
	check(!reap(&child));
	take_all(&enter, &entered);
	take_all(&done, &new);
	take_all(&nmi, &nmis);
	check(!entered.lost && !new.lost && !nmis.lost);

	for (i = 0; i < entered.nr; i++) {
		if (!entered.at[i].samples)
			continue;
		/* An NMI in the entry code asked first, see unwind_user_changed(). */
		if (capture_of(&nmis, entered.at[i].cookie)->samples)
			entered.at[i].flags &= ~PERF_STACK_CHANGED;
		check(is_marked(&entered.at[i], MARK));
		execs++;
	}
	check(execs == EXECS);
	for (i = 0; i < new.nr; i++) {
		if (!new.at[i].samples)
			continue;
		check(new.at[i].records == 1 && !is_marked(&new.at[i], MARK));
		check(!capture_of(&entered, new.at[i].cookie)->samples);
	}
	for (i = execs = gone = 0; i < nmis.nr; i++) {
		if (!nmis.at[i].samples)
			continue;
		check(nmis.at[i].records == 1);
		gone += !nmis.at[i].range[0].size;
		execs += capture_of(&entered, nmis.at[i].cookie)->samples;
	}
	check(execs);
	/*
	 * A new image begins with an empty one; between two images there is none.
	 * Each of the two is one stay in the kernel.
	 */
	printf("# %u of %zu captures have no stack\n", gone, nmis.nr);
	check(gone <= 2 * EXECS);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "exit", test_exit },
		{ "exit_group", test_exit_group },
		{ "process_exit", test_process_exit },
		{ "thread_exit", test_thread_exit },
		{ "sigkill", test_sigkill },
		{ "sigterm", test_sigterm },
		{ "signal_taken", test_signal_taken },
		{ "sigsegv", test_sigsegv },
		{ "exit_over_call", test_exit_over_call },
		{ "exit_over_fault", test_exit_over_fault },
		{ "exec", test_exec },
		{ "exec_sides", test_exec_sides },
		{ "exec_fault", test_exec_fault },
		{ "exec_new", test_exec_new },
		{ "exec_fails", test_exec_fails },
		{ "exec_thread", test_exec_thread },
		{ "exec_thread_waits", test_exec_thread_waits },
		{ "vfork", test_vfork },
		{ "vfork_exec", test_vfork_exec },
	};

	if (argc == 2 && !strcmp(argv[1], new_argv[1]))
		return new_image();
	run_on(0, 0);
	return run_tests(tests, sizeof(tests) / sizeof(*tests), argc, argv);
}
