// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see altstack.sh: a capture on the alternate signal stack
 * has two ranges, what is on that stack and the stack the signal interrupted.
 */
#include <alloca.h>
#include <pthread.h>
#include <setjmp.h>
#include <ucontext.h>

#include "guest.h"

#define ALT_SIZE (64 * KIB)

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

/* --- signals ------------------------------------------------------------------ */

/* A new alternate stack for this thread, with nothing mapped on either side. */
static uint8_t *set_altstack(int flags)
{
	stack_t ss = { .ss_size = ALT_SIZE, .ss_flags = flags };
	uint8_t *map = mmap(NULL, ALT_SIZE + 2 * PAGE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(map != MAP_FAILED);
	ss.ss_sp = map + PAGE;
	check(!mprotect(ss.ss_sp, ALT_SIZE, PROT_READ | PROT_WRITE));
	check(!sigaltstack(&ss, NULL));
	return ss.ss_sp;
}

/* What the handler of SIGUSR1 does; it gets the interrupted sp. */
static void (*in_handler)(uint64_t sp);
static ucontext_t *frame; /* of that handler */

static void handler(int sig, siginfo_t *info, void *context)
{
	uint64_t sp;

	(void)sig;
	(void)info;
	frame = context;
	sp = CONTEXT_SP(frame);
	in_handler(sp);
}

static void handle(int sig, int flags)
{
	struct sigaction sa = { .sa_sigaction = handler,
				.sa_flags = SA_SIGINFO | flags };

	check(!sigaction(sig, &sa, NULL));
}

/* Has run(sp) called in a signal handler, from a frame of 1 KiB. */
static NOINLINE void interrupt(void (*run)(uint64_t sp))
{
	/* The compiler believes of raise() itself that it changes nothing here. */
	int (*volatile send)(int sig) = raise;
	volatile uint64_t mark[128];

	for (int i = 0; i < 128; i++)
		mark[i] = 0x3a3a000000000000 + i;
	in_handler = run;
	check(!send(SIGUSR1));
	for (int i = 0; i < 128; i++)
		check(mark[i] == 0x3a3a000000000000 + (uint64_t)i);
}

/* --- captures ------------------------------------------------------------------- */

static uint8_t *alt; /* the alternate stack in use */
static struct perf_event_attr attr;

/* A capture of a page fault here. */
static NOINLINE struct capture sampled(void)
{
	struct ring r = open_ring(&attr, 0, -1);
	struct capture c;

	fresh_page();
	start(&r);
	fault();
	c = take(&r);
	check(c.samples == 1 && c.records);
	check(c.range[0].addr == reg_of(&r, &c, REG_SP));
	close_ring(&r);
	return c;
}

/*
 * The first range is all of the alternate stack that is in use, and ends in the
 * signal frame; what is at the signal frame and above has not changed since.
 */
static void check_alt(const struct capture *c)
{
	uint64_t end = (uintptr_t)alt + ALT_SIZE, keep = (uintptr_t)frame;
	const struct range *r = &c->range[0];

	check(r->addr >= (uintptr_t)alt && r->addr < keep);
	check(r->addr + r->size == end);
	check(!memcmp(r->mem + (keep - r->addr), (void *)keep, end - keep));
}

/*
 * The second begins at the interrupted sp. Nobody touches that frame now; far
 * above it, a thread has other things than its stack.
 */
static void check_interrupted(const struct capture *c, uint64_t sp)
{
	const struct range *r = &c->range[1];

	check(c->ranges == 2);
	check(r->addr == sp - RED_ZONE && r->size >= KIB);
	check(!memcmp(r->mem + RED_ZONE, (void *)sp, KIB));
}

static void check_one_range(const struct capture *c)
{
	check(c->ranges == 1 && c->range[0].size);
}

/* --- tests ------------------------------------------------------------------------ */

static void setup(void)
{
	attr = base_attr(256 * KIB);
	alt = set_altstack(0);
	handle(SIGUSR1, SA_ONSTACK);
}

static void two_ranges(uint64_t sp)
{
	struct capture c = sampled();

	check_alt(&c);
	check_interrupted(&c, sp);
}

/* Sampled by a page fault in the handler. */
static void test_fault(void)
{
	setup();
	interrupt(two_ranges);
}

static void call_in_handler(uint64_t sp)
{
	struct perf_event_attr calls = tracepoint_attr("raw_syscalls/sys_enter", 256 * KIB);
	struct ring r = open_ring(&calls, 0, -1);
	struct capture c;

	set_filter(&r, IS_GETPPID);
	start(&r);
	syscall(SYS_getppid);
	c = take(&r);
	check(c.samples == 1 && c.records);
	check_alt(&c);
	check_interrupted(&c, sp);
	close_ring(&r);
}

/* Sampled in a system call of the handler. */
static void test_syscall(void)
{
	setup();
	interrupt(call_in_handler);
}

static void sampled_by_nmi(uint64_t sp)
{
	struct perf_event_attr nmis = on_nmis(base_attr(16 * KIB), 200000);
	struct captures all = { 0 };
	struct ring r;

	r = open_ring(&nmis, 0, -1);
	start(&r);
	while (all.nr < 50)
		take_all(&r, &all);
	stop(&r);
	take_all(&r, &all);
	check(!all.lost && !all.no_cookie);
	for (size_t i = 0; i < all.nr; i++) {
		check(!all.at[i].left && all.at[i].samples);
		check_alt(&all.at[i]);
		check_interrupted(&all.at[i], sp);
	}
	close_ring(&r);
}

/* Sampled by NMIs at any place of the handler. */
static void test_nmi(void)
{
	setup();
	interrupt(sampled_by_nmi);
}

static struct capture last;
static uint64_t last_sp;

static void keep(uint64_t sp)
{
	last = sampled();
	last_sp = sp;
	check(last.ranges == 1 || !memcmp(last.range[1].mem, (void *)last.range[1].addr,
					  last.range[1].size));
}

/* Each stack has half of sample_stack_user, and the second what the first does not need. */
static void test_budget(void)
{
	volatile uint8_t *deep = alloca(3 * ALT_SIZE);
	uint64_t used;

	for (size_t i = 0; i < 3 * ALT_SIZE; i += KIB)
		deep[i] = 1;
	setup();
	interrupt(keep);
	used = last.range[0].size;
	check(used > 512 && used < ALT_SIZE);

	attr.sample_stack_user = 2 * ALT_SIZE;
	interrupt(keep);
	check(last.range[0].size == used && last.ranges == 2);
	check(last.range[1].addr == last_sp - RED_ZONE);
	check(last.range[1].size == 2 * ALT_SIZE - used + RED_ZONE);

	attr.sample_stack_user = 512;
	interrupt(keep);
	check(last.range[0].size == 256 && last.ranges == 2);
	check(last.range[1].addr == last_sp - RED_ZONE && last.range[1].size == 256 + RED_ZONE);
}

static uint64_t outer_sp;
static ucontext_t *outer_frame;

static void in_inner(uint64_t sp)
{
	struct capture c = sampled();

	check(sp >= (uintptr_t)alt && sp < (uintptr_t)outer_frame);
	check_interrupted(&c, outer_sp);
	frame = outer_frame;
	check_alt(&c);
}

static void raise_again(uint64_t sp)
{
	outer_sp = sp;
	outer_frame = frame;
	in_handler = in_inner;
	check(!raise(SIGUSR2));
}

/* A signal in the handler stays on the stack; the other is the first one's. */
static void test_nested(void)
{
	setup();
	handle(SIGUSR2, SA_ONSTACK);
	interrupt(raise_again);
}

static void one_range(uint64_t sp)
{
	struct capture c = sampled();

	check(c.range[0].addr < sp);
	check_one_range(&c);
}

/* SA_ONSTACK, and there is no such stack: the handler is on the only one. */
static void test_no_altstack(void)
{
	attr = base_attr(256 * KIB);
	handle(SIGUSR1, SA_ONSTACK);
	interrupt(one_range);
}

/* A handler that does not want the stack that is there. */
static void test_not_onstack(void)
{
	setup();
	handle(SIGUSR1, 0);
	interrupt(one_range);
}

/* Back on the normal stack, a handler's old frame is nobody's business. */
static void test_returned(void)
{
	struct capture c;

	setup();
	interrupt(two_ranges);
	c = sampled();
	check_one_range(&c);
}

static sigjmp_buf before;

static void jump(uint64_t sp)
{
	(void)sp;
	siglongjmp(before, 1);
}

/* Nor is that of one that never returned; and the next signal is as the first. */
static void test_siglongjmp(void)
{
	struct capture c;

	setup();
	if (!sigsetjmp(before, 1))
		interrupt(jump);
	c = sampled();
	check_one_range(&c);
	interrupt(two_ranges);
}

/* With SS_AUTODISARM the task has no alternate stack while the handler runs. */
static void test_autodisarm(void)
{
	setup();
	alt = set_altstack(SS_AUTODISARM);
	interrupt(two_ranges);
	handle(SIGUSR2, SA_ONSTACK);
	interrupt(raise_again);
	one_range(UINTPTR_MAX);
}

static void set_another(uint64_t sp)
{
	set_altstack(0);
	two_ranges(sp);
}

/* ... and may set another one: it is still on the first one. */
static void test_autodisarm_set(void)
{
	setup();
	alt = set_altstack(SS_AUTODISARM);
	interrupt(set_another);
}

static uint64_t first_sp;
static uint8_t *first_alt;

static void on_third(uint64_t sp)
{
	struct capture c = sampled();

	check(c.ranges == 3);
	check(c.range[0].addr >= (uintptr_t)alt && c.range[0].addr < (uintptr_t)alt + ALT_SIZE);
	check(c.range[1].addr == sp - RED_ZONE);
	check(c.range[1].addr + c.range[1].size == (uintptr_t)first_alt + ALT_SIZE);
	check(c.range[2].addr == first_sp - RED_ZONE && c.range[2].size >= KIB);
	check(!memcmp(c.range[2].mem + RED_ZONE, (void *)first_sp, KIB));
}

static void raise_on_another(uint64_t sp)
{
	first_sp = sp;
	first_alt = alt;
	alt = set_altstack(0);
	in_handler = on_third;
	check(!raise(SIGUSR2));
}

/* A handler on an alternate stack, interrupted on another one: three stacks. */
static void test_three(void)
{
	setup();
	alt = set_altstack(SS_AUTODISARM);
	handle(SIGUSR2, SA_ONSTACK);
	interrupt(raise_on_another);
}

static ucontext_t in_context, to_handler;

static void no_sample(uint64_t sp)
{
	(void)sp;
}

/* A context of the handler's own, interrupted on another alternate stack, and over then. */
static void context(void)
{
	in_handler = no_sample;
	check(!raise(SIGUSR2));
}

static void run_context(uint64_t sp)
{
	static uint8_t stack[64 * KIB];
	ucontext_t *outer = frame;

	set_altstack(0);
	check(!getcontext(&in_context));
	in_context.uc_stack.ss_sp = stack;
	in_context.uc_stack.ss_size = sizeof(stack);
	in_context.uc_link = &to_handler;
	makecontext(&in_context, context, 0);
	check(!swapcontext(&to_handler, &in_context));
	frame = outer;
	two_ranges(sp);
}

/* The handler is still on its alternate stack after a signal on one of its contexts. */
static void test_context(void)
{
	setup();
	alt = set_altstack(SS_AUTODISARM);
	handle(SIGUSR2, SA_ONSTACK);
	interrupt(run_context);
}

static void *thread(void *arg)
{
	(void)arg;
	alt = set_altstack(0);
	interrupt(two_ranges);
	return NULL;
}

/* Each thread has its own, and its own stack to be interrupted. */
static void test_thread(void)
{
	pthread_t id;

	setup();
	interrupt(two_ranges);
	check(!pthread_create(&id, NULL, thread, NULL) && !pthread_join(id, NULL));
}

static void fork_in_handler(uint64_t sp)
{
	int status;
	pid_t pid = fork();

	check(pid >= 0);
	if (!pid) {
		fault_in();
		two_ranges(sp);
		_exit(0);
	}
	check(waitpid(pid, &status, 0) == pid && !status);
	two_ranges(sp);
}

/* A handler that forks goes on twice. */
static void test_fork(void)
{
	setup();
	interrupt(fork_in_handler);
}

/*
 * What the signal frame says of sp is the task's to change. The kernel knows
 * better, or believes it, and then finds nothing there.
 */
static void lie(uint64_t sp)
{
	const uint64_t nowhere[] = {
		0,
		8,
		0x10000,
		0x7fffffffeff8,
		0x7ffffffff000,
		0x800000000000,
		0xdead000000000000,
		0xffff888000000000,
		0xfffffffffffffff8,
		(uintptr_t)environ[0], /* above mm->start_stack */
	};
	struct capture c;

	for (size_t i = 0; i < sizeof(nowhere) / sizeof(*nowhere); i++) {
		CONTEXT_SP(frame) = nowhere[i];
		c = sampled();
		check_alt(&c);
		if (c.ranges > 1 && c.range[1].size && c.range[1].addr != sp - RED_ZONE)
			fail("%" PRIu64 " bytes at %#" PRIx64 " for sp %#" PRIx64,
			     c.range[1].size, c.range[1].addr, nowhere[i]);
	}
	/* Not a word's address, and on the signal stack itself. */
	CONTEXT_SP(frame) = sp + 3;
	c = sampled();
	check_alt(&c);
	check(c.ranges == 1 || !memcmp(c.range[1].mem, (void *)c.range[1].addr,
				       c.range[1].size));
	CONTEXT_SP(frame) = (uintptr_t)alt + ALT_SIZE - KIB;
	c = sampled();
	check_alt(&c);
	CONTEXT_SP(frame) = sp;
}

static void test_lies(void)
{
	setup();
	interrupt(lie);
}

/* A task may go to the signal stack by itself; no signal frame is there then. */
static void test_by_hand(void)
{
	struct ring r;
	struct capture c;
	uint64_t sp;

	setup();
	r = open_ring(&attr, 0, -1);
	for (int fill = 0; fill < 2; fill++) {
		memset(alt, fill ? 0xff : 0, ALT_SIZE);
		sp = (uintptr_t)alt + ALT_SIZE - 8 * KIB;
		fresh_page();
		start(&r);
		store_with_sp(sp, fresh);
		c = take(&r);
		check(c.samples == 1 && c.records);
		check(c.range[0].addr == sp && c.range[0].size == 8 * KIB);
		check(c.ranges == 1 || !c.range[1].size);
	}
	close_ring(&r);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "fault", test_fault },
		{ "syscall", test_syscall },
		{ "nmi", test_nmi },
		{ "budget", test_budget },
		{ "nested", test_nested },
		{ "no_altstack", test_no_altstack },
		{ "not_onstack", test_not_onstack },
		{ "returned", test_returned },
		{ "siglongjmp", test_siglongjmp },
		{ "autodisarm", test_autodisarm },
		{ "autodisarm_set", test_autodisarm_set },
		{ "three", test_three },
		{ "context", test_context },
		{ "thread", test_thread },
		{ "fork", test_fork },
		{ "lies", test_lies },
		{ "by_hand", test_by_hand },
	};

	return run_tests(tests, sizeof(tests) / sizeof(*tests), argc, argv);
}
