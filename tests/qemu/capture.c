// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see capture.sh: the ABI of attr.defer_user and of
 * PERF_RECORD_STACK_DEFERRED, one rule a test.
 */
#include <alloca.h>

#include "guest.h"

/* --- tests ------------------------------------------------------------------ */

static void set_max_contexts(int n)
{
	FILE *f = fopen("/proc/sys/kernel/perf_event_max_contexts_per_stack", "w");

	check(f && fprintf(f, "%d", n) > 0 && !fclose(f));
}

/* What defer_user may be combined with, and how much it may ask for. */
static void test_attr(void)
{
	struct perf_event_attr attr = base_attr(8 * KIB);

	check(open_errno(attr, 0, -1) == 0);
	attr.sample_type &= ~PERF_SAMPLE_CALLCHAIN;
	check(open_errno(attr, 0, -1) == EINVAL);

	attr = base_attr(8 * KIB);
	attr.sample_type &= ~(PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER);
	check(open_errno(attr, 0, -1) == EINVAL);
	attr.sample_type |= PERF_SAMPLE_REGS_USER;
	check(open_errno(attr, 0, -1) == 0);

	check(open_errno(base_attr(8 * MIB), 0, -1) == 0);
	check(open_errno(base_attr(8 * MIB + 8), 0, -1) == EINVAL);
	check(open_errno(base_attr(8 * KIB + 4), 0, -1) == EINVAL);

	attr = base_attr(64 * KIB);
	attr.defer_user = 0;
	check(open_errno(attr, 0, -1) == EINVAL);

	attr = base_attr(8 * KIB);
	attr.defer_callchain = 1;
	check(open_errno(attr, 0, -1) == (DEFERS_CALLCHAIN ? 0 : EINVAL));
	attr.defer_user = 0;
	check(open_errno(attr, 0, -1) == (DEFERS_CALLCHAIN ? 0 : EINVAL));

	/* The cookie needs room in the callchain. */
	set_max_contexts(2);
	check(open_errno(base_attr(8 * KIB), 0, -1) == EOVERFLOW);
	set_max_contexts(3);
	check(open_errno(base_attr(8 * KIB), 0, -1) == 0);
	set_max_contexts(8);
}

/* A frame of 1 MiB comes back whole, in several records that follow each other. */
static NOINLINE void test_large(void)
{
	struct perf_event_attr attr = base_attr(2 * MIB);
	struct ring r = open_ring(&attr, 0, -1);
	volatile uint8_t *frame = alloca(MIB);
	struct capture c;
	size_t i, at;

	for (i = 0; i < MIB; i++)
		frame[i] = i * 7 + i / PAGE;
	fresh_page();
	start(&r);
	fault();
	c = take(&r);
	check(c.samples == 1 && c.records > 16 && c.ranges == 1);
	check(c.abi == PERF_SAMPLE_REGS_ABI_64);
	check(c.range[0].addr == c.regs[0] && c.regs[0] <= (uintptr_t)frame);
	check(c.flags == PERF_STACK_FIRST && c.below == RED_ZONE);
	at = (uintptr_t)frame - c.range[0].addr;
	check(c.range[0].size >= at + MIB);
	check(!memcmp(c.range[0].mem + at, (void *)frame, MIB));
	close_ring(&r);
}

/* All that was asked for, up to what a record has room for, is in one. */
static NOINLINE void test_one_record(void)
{
	struct perf_event_attr attr = base_attr(65528);
	struct ring r = open_ring(&attr, 0, -1);
	volatile uint8_t *frame = alloca(80 * KIB);
	struct capture c;

	for (size_t i = 0; i < 80 * KIB; i++)
		frame[i] = i;
	fresh_page();
	start(&r);
	fault();
	c = take(&r);
	check(c.records == 1 && c.range[0].size > 65000 && c.range[0].size < 65528);
	close_ring(&r);
}

/* The copy of the initial stack ends where argv and the environment begin. */
static void test_start_stack(void)
{
	struct perf_event_attr attr = base_attr(8 * MIB);
	struct ring r = open_ring(&attr, 0, -1);
	uint64_t start_stack = 0;
	struct capture c;
	char line[1024], *p;
	FILE *f = fopen("/proc/self/stat", "r");
	int field;

	check(f && fgets(line, sizeof(line), f));
	fclose(f);
	p = strrchr(line, ')');
	for (field = 2; p && field < 28; field++)
		p = strchr(p + 1, ' ');
	check(p);
	start_stack = strtoull(p, NULL, 10);
	check(start_stack > (uintptr_t)line);

	fresh_page();
	start(&r);
	fault();
	c = take(&r);
	check(c.records);
	check(c.range[0].addr + c.range[0].size <= start_stack);
	check(c.range[0].addr + c.range[0].size > start_stack - 8);
	close_ring(&r);
}

/*
 * The kernel writes a signal frame to an alternate stack that is not there
 * yet: the fault, and the sample, come while the user's ip and sp are still
 * the old ones, the stack is captured when they are the handler's.
 */
static volatile sig_atomic_t handled;
static struct ring signal_ring;

static void handler(int sig)
{
	(void)sig;
	stop(&signal_ring);
	handled = 1;
}

static void test_changed(void)
{
	struct perf_event_attr attr = base_attr(8 * KIB);
	struct sigaction sa = { .sa_handler = handler,
				.sa_flags = SA_ONSTACK };
	stack_t ss = { .ss_size = 64 * KIB };
	struct capture in_handler;
	pid_t pid = getpid();

	check(!sigaction(SIGUSR1, &sa, NULL));
	signal_ring = open_ring(&attr, 0, -1);
	/* The first time everything but the stack is faulted in. */
	for (int round = 0; round < 2; round++) {
		ss.ss_sp = mmap(NULL, ss.ss_size, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		check(ss.ss_sp != MAP_FAILED && !sigaltstack(&ss, NULL));
		handled = 0;
		if (round)
			start(&signal_ring);
		syscall(SYS_tgkill, pid, pid, SIGUSR1);
		check(handled);
	}
	in_handler = take(&signal_ring);
	check(in_handler.samples && in_handler.records);
	check(in_handler.regs[1] == (uintptr_t)handler);
	check(in_handler.flags & PERF_STACK_CHANGED);
	close_ring(&signal_ring);
}

/* A stack pointer that points nowhere: registers come, and no stack. */
static void test_no_vma(void)
{
	struct perf_event_attr attr = base_attr(8 * KIB);
	struct ring r = open_ring(&attr, 0, -1);
	struct capture c;

	fresh_page();
	start(&r);
	store_with_sp(0x10000, fresh);
	c = take(&r);
	check(c.samples == 1 && c.records == 1);
	check(c.regs[0] == 0x10000 && !c.range[0].size);
	close_ring(&r);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "attr", test_attr },
		{ "large", test_large },
		{ "one_record", test_one_record },
		{ "start_stack", test_start_stack },
		{ "changed", test_changed },
		{ "no_vma", test_no_vma },
	};

	return run_tests(tests, sizeof(tests) / sizeof(*tests), argc, argv);
}
