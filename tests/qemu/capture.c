// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see capture.sh: the ABI of attr.defer_user and of
 * PERF_RECORD_STACK_DEFERRED, one rule a test.
 *
 * Samples come from page faults with a period of 1, so that each happens at a
 * place and at a moment of the test's choice.
 */
#include <alloca.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KIB 1024ul
#define MIB (1024 * KIB)
#define PAGE 4096ul
#define RING_PAGES 4096ul

#define REG_SP 7 /* PERF_REG_X86_SP, _IP */
#define REG_IP 8
#define REGS (1ull << REG_SP | 1ull << REG_IP)

static void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	exit(1);
}

#define check(cond) \
	((cond) ? (void)0 : fail("%s:%d: not so: %s", __func__, __LINE__, #cond))

/* --- events and what comes out of their rings ------------------------------ */

static struct perf_event_attr base_attr(uint64_t stack)
{
	return (struct perf_event_attr){
		.size = sizeof(struct perf_event_attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_PAGE_FAULTS,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_CALLCHAIN |
			       PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER,
		.sample_regs_user = REGS,
		.sample_stack_user = stack,
		.exclude_callchain_user = 1,
		.disabled = 1,
		.defer_user = 1,
		.defer_output = 1,
	};
}

static int open_event(struct perf_event_attr *attr, pid_t pid, int cpu)
{
	return syscall(SYS_perf_event_open, attr, pid, cpu, -1, 0);
}

struct ring {
	int fd;
	struct perf_event_mmap_page *page;
	uint8_t *data;
};

static struct ring open_ring(struct perf_event_attr *attr, pid_t pid, int cpu)
{
	struct ring r = { .fd = open_event(attr, pid, cpu) };

	if (r.fd < 0)
		fail("perf_event_open: %s", strerror(errno));
	r.page = mmap(NULL, (RING_PAGES + 1) * PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_POPULATE, r.fd, 0);
	if (r.page == MAP_FAILED)
		fail("mmap of the ring: %s", strerror(errno));
	r.data = (uint8_t *)r.page + PAGE;
	return r;
}

static void close_ring(struct ring *r)
{
	munmap(r->page, (RING_PAGES + 1) * PAGE);
	close(r->fd);
}

/* All that a ring holds about one cookie. */
struct capture {
	unsigned int samples;
	uint64_t cookie;
	unsigned int records;
	uint16_t misc;
	uint64_t abi, sp, ip;
	uint64_t addr, size; /* of the data, which is at mem */
	uint8_t *mem;
};

static uint64_t word(const uint8_t **p)
{
	uint64_t v;

	memcpy(&v, *p, sizeof(v));
	*p += sizeof(v);
	return v;
}

static void take_sample(struct capture *c, const uint8_t *p)
{
	uint64_t nr, last = 0, before = 0;

	word(&p); /* ip */
	for (nr = word(&p); nr; nr--) {
		before = last;
		last = word(&p);
	}
	c->samples++;
	check(before == (uint64_t)PERF_CONTEXT_USER_DEFERRED);
	check(last);
	check(!c->cookie || c->cookie == last);
	c->cookie = last;
	check(word(&p) == PERF_SAMPLE_REGS_ABI_NONE);
	check(word(&p) == 0); /* stack size */
}

static void take_stack(struct capture *c, const uint8_t *p, uint16_t misc)
{
	static uint64_t left;
	uint64_t cookie = word(&p), abi = word(&p), addr, size;

	check(!c->cookie || c->cookie == cookie);
	c->cookie = cookie;
	check(c->records++ ? abi == PERF_SAMPLE_REGS_ABI_NONE : abi);
	if (abi) {
		c->abi = abi;
		c->sp = word(&p);
		c->ip = word(&p);
		c->misc = misc;
		left = 0;
	}
	addr = word(&p);
	if (abi)
		c->addr = addr;
	else
		check(left && addr == c->addr + c->size);
	check(abi || left > word(&(const uint8_t *){ p }));
	left = word(&p);
	size = word(&p);
	check(size % 8 == 0);
	if (!size)
		return;
	c->mem = realloc(c->mem, c->size + size);
	memcpy(c->mem + c->size, p, size);
	p += size;
	c->size += size;
	check(word(&p) == size); /* all of it was present */
}

static struct capture take(struct ring *r)
{
	static uint8_t event[64 * KIB];
	uint64_t head, tail = r->page->data_tail, i;
	struct capture c = { 0 };

	check(!ioctl(r->fd, PERF_EVENT_IOC_DISABLE, 0));
	head = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);

	while (tail < head) {
		struct perf_event_header h;

		for (i = 0; i < sizeof(h); i++)
			event[i] = r->data[(tail + i) % (RING_PAGES * PAGE)];
		memcpy(&h, event, sizeof(h));
		for (; i < h.size; i++)
			event[i] = r->data[(tail + i) % (RING_PAGES * PAGE)];
		tail += h.size;
		if (h.type == PERF_RECORD_SAMPLE)
			take_sample(&c, event + sizeof(h));
		else if (h.type == PERF_RECORD_STACK_DEFERRED)
			take_stack(&c, event + sizeof(h), h.misc);
		else
			fail("a record of type %u", h.type);
	}
	__atomic_store_n(&r->page->data_tail, tail, __ATOMIC_RELEASE);
	return c;
}

/* Events count from here to take(): faults on the way are not part of a test. */
static void start(struct ring *r)
{
	check(!ioctl(r->fd, PERF_EVENT_IOC_ENABLE, 0));
}

/* One page fault, and so one sample, here. */
static volatile uint8_t *fresh;

static void fresh_page(void)
{
	fresh = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check((void *)fresh != MAP_FAILED);
}

static __attribute__((noinline)) void fault(void)
{
	*fresh = 1;
}

/* --- tests ------------------------------------------------------------------ */

static int open_errno(struct perf_event_attr attr)
{
	int fd = open_event(&attr, 0, -1);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* What defer_user may be combined with, and how much it may ask for. */
static void test_attr(void)
{
	struct perf_event_attr attr = base_attr(8 * KIB);

	check(open_errno(attr) == 0);
	attr.sample_type &= ~PERF_SAMPLE_CALLCHAIN;
	check(open_errno(attr) == EINVAL);

	attr = base_attr(8 * KIB);
	attr.sample_type &= ~(PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER);
	check(open_errno(attr) == EINVAL);
	attr.sample_type |= PERF_SAMPLE_REGS_USER;
	check(open_errno(attr) == 0);

	check(open_errno(base_attr(8 * MIB)) == 0);
	check(open_errno(base_attr(8 * MIB + 8)) == EINVAL);
	check(open_errno(base_attr(8 * KIB + 4)) == EINVAL);

	attr = base_attr(64 * KIB);
	attr.defer_user = 0;
	check(open_errno(attr) == EINVAL);
}

/*
 * A frame of 1 MiB, of which every other page was never touched, comes back
 * whole: in several records that follow each other, with the pages faulted in.
 */
static __attribute__((noinline)) void test_large(void)
{
	struct perf_event_attr attr = base_attr(2 * MIB);
	struct ring r = open_ring(&attr, 0, -1);
	volatile uint8_t *frame = alloca(MIB);
	struct capture c;
	size_t i, at;

	for (i = 0; i < MIB; i += 2 * PAGE)
		frame[i] = i / PAGE + 1;
	fresh_page();
	start(&r);
	fault();
	c = take(&r);
	check(c.samples == 1 && c.records > 16);
	check(c.abi == PERF_SAMPLE_REGS_ABI_64);
	check(c.addr == c.sp && c.sp <= (uintptr_t)frame);
	check(c.misc == PERF_RECORD_MISC_USER);
	at = (uintptr_t)frame - c.addr;
	check(c.size >= at + MIB);
	for (i = 0; i < MIB; i++) {
		uint8_t want = i % (2 * PAGE) ? 0 : i / PAGE + 1;

		/* What the stack held before is nobody's business here. */
		if (i % (2 * PAGE) < PAGE && i % (2 * PAGE))
			continue;
		if (c.mem[at + i] != (want ?: frame[i]))
			fail("byte %zu of the frame is wrong", i);
	}
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
	check(c.addr + c.size <= start_stack);
	check(c.addr + c.size > start_stack - 8);
	close_ring(&r);
}

/* Whoever asks for defer_output alone, on a CPU, gets the records too. */
static void test_output_event(void)
{
	struct perf_event_attr attr = base_attr(8 * KIB);
	struct ring sampler, output;
	cpu_set_t cpu;
	struct capture c;

	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	check(!sched_setaffinity(0, sizeof(cpu), &cpu));
	attr.defer_output = 0;
	sampler = open_ring(&attr, 0, -1);
	attr = base_attr(256);
	attr.config = PERF_COUNT_SW_DUMMY;
	attr.defer_user = 0;
	output = open_ring(&attr, -1, 0);

	fresh_page();
	start(&output);
	start(&sampler);
	fault();
	c = take(&sampler);
	check(c.samples == 1 && !c.records);
	c = take(&output);
	check(!c.samples && c.records == 1);
	check(c.size == 256);
	close_ring(&sampler);
	close_ring(&output);
}

/*
 * The kernel writes a signal frame to an alternate stack that is not there
 * yet: the fault, and the sample, come while the user's ip and sp are still
 * the old ones, the stack is captured when they are the handler's.
 */
static volatile sig_atomic_t handled;
static struct ring signal_ring;
static struct capture in_handler;

static void handler(int sig)
{
	(void)sig;
	in_handler = take(&signal_ring);
	handled = 1;
}

static void test_changed(void)
{
	struct perf_event_attr attr = base_attr(8 * KIB);
	struct sigaction sa = { .sa_handler = handler,
				.sa_flags = SA_ONSTACK };
	stack_t ss = { .ss_size = 64 * KIB };
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
	check(in_handler.samples && in_handler.records);
	check(in_handler.ip == (uintptr_t)handler);
	check(in_handler.misc & PERF_RECORD_MISC_STACK_CHANGED);
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
	asm volatile("mov %%rsp, %%rbx\n\t"
		     "mov $0x10000, %%esp\n\t"
		     "movb $1, (%0)\n\t"
		     "mov %%rbx, %%rsp" : : "r"(fresh) : "rbx", "memory");
	c = take(&r);
	check(c.samples == 1 && c.records == 1);
	check(c.sp == 0x10000 && !c.size);
	close_ring(&r);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{ "attr", test_attr },
		{ "large", test_large },
		{ "start_stack", test_start_stack },
		{ "output_event", test_output_event },
		{ "changed", test_changed },
		{ "no_vma", test_no_vma },
	};

	if (argc != 1)
		fail("usage: %s", argv[0]);
	setbuf(stdout, NULL);
	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		tests[i].run();
		printf("ok %s\n", tests[i].name);
	}
	return 0;
}
