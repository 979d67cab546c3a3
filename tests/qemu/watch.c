// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see watch.sh: a hardware watchpoint on a slot of the stack,
 * a debugger's or an event's, fires as often under deferred sampling as without:
 * a capture does not read through the addresses that are watched.
 */
#include <linux/hw_breakpoint.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include "guest.h"

#define DEBUGREG(n) offsetof(struct user, u_debugreg[n])

/* --- a task with a slot on its stack ---------------------------------------------- */

#define ACCESSES 50

/* Reads the slot. */
static inline void access_slot(const uint64_t *slot)
{
	asm volatile("movq (%0), %%rax" : : "r"(slot) : "rax", "memory");
}

/* Where samples come from: each does what one is taken at. */
static void by_fault(void)
{
	check(!madvise((void *)fresh, PAGE, MADV_DONTNEED));
	fault();
}

static void by_call(void)
{
	syscall(SYS_getppid);
}

/* If this process has the ring: until something comes. */
static struct perf_event_mmap_page *page;

static void by_nmi(void)
{
	uint64_t head = page ? page->data_head : 0;

	do
		for (volatile int i = 0; i < 20000; i++)
			;
	while (page && __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE) == head);
}


static struct perf_event_attr source_attr(void (*run)(void))
{
	struct perf_event_attr attr = base_attr(8 * KIB);

	if (run == by_call)
		return tracepoint_attr("raw_syscalls/sys_enter", 8 * KIB);
	if (run == by_nmi) {
		attr.type = nmi_clock_type();
		attr.config = 0;
		attr.sample_period = 200000;
	}
	return attr;
}

/* As it would be without defer_user. */
static struct perf_event_attr legacy(struct perf_event_attr attr)
{
	attr.defer_user = 0;
	attr.defer_output = 0;
	return attr;
}

/* --- the watchpoint of an event ------------------------------------------------------ */

/* Counts accesses to the slot, or those in kernel mode only. */
static int watch(const uint64_t *slot, bool kernel)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_BREAKPOINT,
		.bp_type = HW_BREAKPOINT_RW,
		.bp_addr = (uintptr_t)slot,
		.bp_len = HW_BREAKPOINT_LEN_8,
		.exclude_user = kernel,
	};
	int fd = open_event(&attr, 0, -1);

	if (fd < 0)
		fail("breakpoint event: %s", strerror(errno));
	return fd;
}

static uint64_t count(int fd)
{
	uint64_t n;

	check(read(fd, &n, sizeof(n)) == sizeof(n));
	close(fd);
	return n;
}

/*
 * Accesses to a slot of a task that is sampled, if attr is given; captures have
 * the slot's value. One watchpoint at a time: QEMU tells of no second one.
 */
static NOINLINE uint64_t watched(void (*run)(void), const struct perf_event_attr *attr,
				 bool kernel)
{
	volatile uint64_t slot = 0x510751075107;
	uint64_t at = (uintptr_t)&slot;
	struct captures all = { 0 };
	struct ring r = { 0 };
	uint64_t n;
	int fd;

	fresh_page();
	if (attr) {
		r = open_ring(attr, 0, -1);
		start(&r);
	}
	page = r.page;
	run();
	fd = watch((const uint64_t *)&slot, kernel);
	for (int i = 0; i < ACCESSES; i++) {
		run();
		access_slot((const uint64_t *)&slot);
	}
	n = count(fd);
	if (!attr)
		return n;
	stop(&r);
	if (attr->defer_user) {
		unsigned int there = 0;

		take_all(&r, &all);
		check(!all.lost && !all.no_cookie);
		for (size_t i = 0; i < all.nr; i++) {
			const struct range *m = &all.at[i].range[0];

			if (at < m->addr || at + 8 > m->addr + m->size)
				continue;
			there++;
			check(!memcmp(m->mem + (at - m->addr), (void *)at, 8));
		}
		check(there >= ACCESSES / 2);
	}
	close_ring(&r);
	return n;
}

static void check_watched(void (*run)(void))
{
	struct perf_event_attr attr = source_attr(run), old = legacy(attr);
	uint64_t all, kernel;

	all = watched(run, NULL, false);
	kernel = watched(run, NULL, true);
	check(all == ACCESSES && !kernel);
	all = watched(run, &old, false);
	kernel = watched(run, &old, true);
	printf("# without defer_user: %" PRIu64 " accesses, %" PRIu64 " of the kernel\n", all,
	       kernel);
	all = watched(run, &attr, false);
	kernel = watched(run, &attr, true);
	printf("# with defer_user: %" PRIu64 " accesses, %" PRIu64 " of the kernel\n", all,
	       kernel);
	check(all == ACCESSES && !kernel);
}

static void test_event_fault(void)
{
	check_watched(by_fault);
}

static void test_event_call(void)
{
	check_watched(by_call);
}

static void test_event_nmi(void)
{
	check_watched(by_nmi);
}

/* --- that of a debugger --------------------------------------------------------------- */

/* What the debugged task and the debugger share. */
static struct {
	const uint64_t *volatile slot;
	volatile unsigned int accesses;
} *shared;

static NOINLINE void debugged(void (*run)(void))
{
	volatile uint64_t slot = 0x510751075107;

	shared->slot = (const uint64_t *)&slot;
	fresh_page();
	run();
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	for (int i = 0; i < ACCESSES; i++) {
		/* Most stays in the kernel come without an access in between. */
		for (int j = 0; j < 4; j++)
			run();
		access_slot((const uint64_t *)&slot);
		shared->accesses++;
	}
	raise(SIGSTOP);
	run();
	raise(SIGSTOP);
	_exit(0);
}

static void wait_stopped(pid_t pid, int sig)
{
	int status;

	check(waitpid(pid, &status, 0) == pid);
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != sig)
		fail("status %#x, not a stop by signal %d", status, sig);
}

static uint64_t dr6(pid_t pid)
{
	return ptrace(PTRACE_PEEKUSER, pid, DEBUGREG(6), 0) & 0xf;
}

/* Traps are as many as accesses, one after each, and dr6 is nobody else's. */
static void check_debugged(void (*run)(void))
{
	struct perf_event_attr attr = source_attr(run);
	unsigned int traps = 0;
	struct ring r;
	int status;
	pid_t pid;

	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(shared != MAP_FAILED);
	pid = fork();
	check(pid >= 0);
	if (!pid)
		debugged(run);
	wait_stopped(pid, SIGSTOP);
	check(!ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_EXITKILL));
	r = open_ring(&attr, pid, -1);
	start(&r);
	/* Slot 0: reads and writes, 8 bytes, enabled. */
	check(!ptrace(PTRACE_POKEUSER, pid, DEBUGREG(0), shared->slot));
	check(!ptrace(PTRACE_POKEUSER, pid, DEBUGREG(7), 0xb0001));
	for (;;) {
		check(!ptrace(PTRACE_CONT, pid, 0, 0));
		check(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
		if (WSTOPSIG(status) != SIGTRAP)
			break;
		traps++;
		if (shared->accesses != traps - 1 || dr6(pid) != 1)
			fail("trap %u after %u accesses, dr6 %#" PRIx64, traps,
			     shared->accesses, dr6(pid));
		check(!ptrace(PTRACE_POKEUSER, pid, DEBUGREG(6), 0));
	}
	check(WSTOPSIG(status) == SIGSTOP);
	check(traps == ACCESSES && !dr6(pid));

	/* Captures without an access, whatever dr6 is. */
	check(!ptrace(PTRACE_CONT, pid, 0, 0));
	wait_stopped(pid, SIGSTOP);
	check(!dr6(pid));
	stop(&r);
	check(r.page->data_head);
	check(!kill(pid, SIGKILL) && waitpid(pid, &status, 0) == pid);
	close_ring(&r);
}

static void test_ptrace_fault(void)
{
	check_debugged(by_fault);
}

static void test_ptrace_call(void)
{
	check_debugged(by_call);
}

static void test_ptrace_nmi(void)
{
	check_debugged(by_nmi);
}

/*
 * A capture that is asked for the stack alone does not walk it: nothing reads
 * what the frame pointer points to. Who asks for the walk gets it.
 */
static uint64_t read_of_frame_pointer(bool walk)
{
	uint64_t frame[2] = { 0 };
	struct perf_event_attr attr = base_attr(8 * KIB);
	struct ring r;
	int fd;

	if (walk) {
		attr.defer_callchain = 1;
		attr.exclude_callchain_user = 0;
	}
	fresh_page();
	r = open_ring(&attr, 0, -1);
	fd = watch(frame, false);
	start(&r);
	asm volatile("push %%rbp\n\t"
		     "mov %1, %%rbp\n\t"
		     "movb $1, (%0)\n\t"
		     "pop %%rbp" : : "r"(fresh), "r"(frame), "m"(frame) : "memory");
	stop(&r);
	close_ring(&r);
	return count(fd);
}

static void test_no_walk(void)
{
	check(read_of_frame_pointer(true) == 1);
	check(read_of_frame_pointer(false) == 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "no_walk", test_no_walk },
		{ "event_fault", test_event_fault },
		{ "event_call", test_event_call },
		{ "event_nmi", test_event_nmi },
		{ "ptrace_fault", test_ptrace_fault },
		{ "ptrace_call", test_ptrace_call },
		{ "ptrace_nmi", test_ptrace_nmi },
	};

	return run_tests(tests, sizeof(tests) / sizeof(*tests), argc, argv);
}
