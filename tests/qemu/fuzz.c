// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see soak: random perf_event_open calls around deferred
 * capture, and random things done to the events and under them. It tests for
 * nothing but that the kernel takes it: a splat fails the run.
 *
 *	fuzz SEED [ROUNDS]
 *
 * A round is a process of its own, with a seed made from SEED and its number;
 * what it opened goes with it. Without ROUNDS it goes on until SIGTERM. Last
 * comes a line that says how much of it the kernel accepted.
 */
#include "guest.h"
#include <alloca.h>
#include <linux/hw_breakpoint.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define EVENTS 12 /* open at a time */
#define STEPS 120 /* of a round */
#define ROUND_LIMIT 40 /* seconds */

/* What all rounds count together. */
static struct counts {
	uint64_t opened, refused, deferred, mapped, written;
} *counts;

static struct {
	int fd;
	void *map;
	size_t size;
	int prot;
} events[EVENTS];

/* Of each thread, so that a round does not depend on who runs first. */
static __thread uint64_t state;
static uint32_t nmi_clock;
#define TRACEPOINTS 4
static uint32_t tracepoints[TRACEPOINTS];
static const char *self;

/* --- chance -------------------------------------------------------------------- */

static uint64_t draw(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t below(uint64_t n)
{
	return draw() % n;
}

static bool percent(unsigned int n)
{
	return below(100) < n;
}

#define one_of(...)                                                              \
	({                                                                       \
		static const uint64_t values[] = { __VA_ARGS__ };                \
		values[below(sizeof(values) / sizeof(*values))];                 \
	})

/* --- attributes ---------------------------------------------------------------- */

static void draw_source(struct perf_event_attr *a, bool wide)
{
	switch (below(10)) {
	case 0 ... 3:
		/* 10 us is the least; a guest's CPU would do nothing else. */
		a->type = nmi_clock;
		a->sample_period = 200000 + below(20000000);
		if (percent(10)) {
			a->freq = 1;
			a->sample_freq = 1 + below(2000);
		}
		break;
	case 4 ... 7:
		a->type = PERF_TYPE_SOFTWARE;
		a->config = below(PERF_COUNT_SW_MAX + 1);
		a->sample_period = 1 + below(wide ? 1000 : 20);
		if (a->config == PERF_COUNT_SW_CPU_CLOCK ||
		    a->config == PERF_COUNT_SW_TASK_CLOCK)
			a->sample_period = 1000000 + below(20000000);
		if (wide)
			a->sample_period += 50;
		break;
	case 8:
		a->type = PERF_TYPE_TRACEPOINT;
		a->config = tracepoints[below(TRACEPOINTS)];
		a->sample_period = 1 + below(50) + (wide ? 200 : 0);
		break;
	default:
		/* No watchpoints: QEMU 7.2 crashes over them, see watch.sh. */
		a->type = PERF_TYPE_BREAKPOINT;
		a->bp_type = HW_BREAKPOINT_X;
		a->bp_addr = (uintptr_t)draw_source;
		a->bp_len = sizeof(long);
		a->sample_period = 1 + below(10);
		break;
	}
	if (percent(2))
		a->type = draw();
	if (percent(2))
		a->sample_period = draw();
}

static struct perf_event_attr draw_attr(bool wide)
{
	struct perf_event_attr a = {
		.size = sizeof(a),
		.sample_type = draw() & draw() & (PERF_SAMPLE_MAX - 1),
	};

	draw_source(&a, wide);
	if (percent(85))
		a.sample_type |= PERF_SAMPLE_CALLCHAIN;
	if (percent(70))
		a.sample_type |= PERF_SAMPLE_REGS_USER;
	if (percent(70))
		a.sample_type |= PERF_SAMPLE_STACK_USER;
	if (percent(60))
		a.sample_type |= PERF_SAMPLE_TID | PERF_SAMPLE_TIME;
	/* What this guest has not got would have most of them refused. */
	if (percent(95))
		a.sample_type &= ~(PERF_SAMPLE_BRANCH_STACK | PERF_SAMPLE_AUX |
				   PERF_SAMPLE_WEIGHT_TYPE | PERF_SAMPLE_CGROUP);

	a.defer_user = percent(60);
	a.defer_output = percent(60);
	a.defer_callchain = percent(30);
	a.sample_regs_user = percent(50) ? 0xff0fff & draw() : percent(80) ? 0xff0fff : draw();
	a.sample_stack_user = one_of(0, 8, 256, 4096, 8192, 32768, 65520, 65528);
	if (!wide && a.defer_user)
		a.sample_stack_user = one_of(256, 8192, 65528, 65536, 65544, 131072,
					     1048576, 8388608);
	if (percent(3))
		a.sample_stack_user = one_of(65536, 8388616, 4100, 0xffffffff);
	a.sample_regs_intr = percent(10) ? 0xff0fff & draw() : 0xff;
	a.sample_max_stack = percent(20) ? below(200) : 0;

	a.disabled = percent(50);
	a.inherit = percent(40);
	a.enable_on_exec = percent(20);
	a.remove_on_exec = !a.enable_on_exec && percent(10);
	a.exclude_user = percent(15);
	a.exclude_kernel = percent(20);
	a.exclude_idle = percent(20);
	a.exclude_callchain_user = percent(50);
	a.exclude_callchain_kernel = percent(30);
	a.sample_id_all = percent(60);
	a.mmap = percent(15);
	a.comm = percent(15);
	a.task = percent(15);
	a.context_switch = percent(10);
	a.inherit_stat = percent(5);
	a.inherit_thread = a.inherit && percent(10);
	a.pinned = percent(2);
	a.exclusive = percent(2);
	a.write_backward = percent(15);
	a.watermark = percent(20);
	a.wakeup_events = percent(50) ? 0 : below(100000);
	if (percent(5)) {
		a.sigtrap = 1;
		a.enable_on_exec = 0;
		a.remove_on_exec = 1;
		a.sig_data = draw();
	}
	if (percent(5)) {
		a.use_clockid = 1;
		a.clockid = below(12);
	}
	/* A group's values are not for inherited events. */
	if (a.inherit)
		a.sample_type &= ~PERF_SAMPLE_READ;
	if (percent(30))
		a.read_format = below(PERF_FORMAT_MAX) & (a.inherit ? ~(uint64_t)PERF_FORMAT_GROUP :
									     UINT64_MAX);
	if (percent(2))
		((uint64_t *)&a)[5] ^= 1ull << below(64); /* any of the flags */
	return a;
}

/* --- things to do under an event -------------------------------------------------- */

static void on_signal(int sig)
{
	(void)sig;
	syscall(SYS_getppid);
}

/* Frames, of which not all is touched, with system calls and a fault in them. */
static NOINLINE void work(unsigned int depth)
{
	volatile char *frame = alloca(1 + below(20000));
	volatile char *page;

	frame[0] = depth;
	if (depth) {
		work(depth - 1);
		frame[0] = 0;
		return;
	}
	page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page != MAP_FAILED) {
		page[0] = 1;
		if (percent(30))
			raise(percent(50) ? SIGUSR1 : SIGUSR2);
		page[PAGE] = 1;
		munmap((void *)page, 2 * PAGE);
	}
	for (unsigned int i = below(3000); i; i--)
		if (i % 64)
			frame[0] += i;
		else
			syscall(SYS_getppid);
}

/*
 * A stack pointer that lies anywhere, in a ring too. A system call touches
 * nothing there; a signal would, and end the round.
 */
static void odd_stack(void)
{
	uint64_t sp = draw() >> below(64);
	unsigned int i = below(EVENTS), n = 1 + below(2000);

	if (events[i].map && percent(60))
		sp = (uintptr_t)events[i].map + below(events[i].size + PAGE);
	asm volatile("mov %%rsp, %%rbx\n\t"
		     "mov %[sp], %%rsp\n"
		     "1:\n\t"
		     "mov %[nr], %%eax\n\t"
		     "syscall\n\t"
		     "dec %[n]\n\t"
		     "jnz 1b\n\t"
		     "mov %%rbx, %%rsp"
		     : [n] "+&r"(n)
		     : [sp] "r"(sp), [nr] "i"(SYS_getppid)
		     : "rax", "rbx", "rcx", "r11", "memory", "cc");
}

static void *thread(void *seed)
{
	state = (uintptr_t)seed;
	work(below(10));
	if (percent(5))
		execl(self, self, "nop", NULL);
	if (percent(10))
		syscall(SYS_exit, 0);
	return NULL;
}

static void start_thread(void)
{
	pthread_t id;

	if (!pthread_create(&id, NULL, thread, (void *)draw())) {
		if (percent(50))
			pthread_join(id, NULL);
		else
			pthread_detach(id);
	}
}

static void start_process(void)
{
	pid_t pid = percent(20) ? vfork() : fork();

	if (!pid) {
		/* A child of vfork() has its parent's stack. */
		if (percent(40))
			execl(self, self, "nop", NULL);
		if (percent(30))
			syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
		_exit(0);
	}
	if (pid < 0)
		return;
	if (percent(20))
		kill(pid, percent(50) ? SIGKILL : SIGUSR1);
	if (percent(70))
		waitpid(pid, NULL, 0);
}

/* Swap the stack of some process out, ours or another. */
static void page_out(void)
{
	pid_t pid = percent(50) ? getpid() : (pid_t)(2 + below(3000));
	unsigned long from, to;
	char name[64], line[256];
	struct iovec {
		void *base;
		size_t len;
	} vec;
	FILE *f;
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/maps", pid);
	f = fopen(name, "r");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (!strstr(line, "[stack]") || sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		vec = (struct iovec){ (void *)from, to - from };
		fd = syscall(SYS_pidfd_open, pid, 0);
		if (fd >= 0) {
			syscall(SYS_process_madvise, fd, &vec, 1, MADV_PAGEOUT, 0);
			close(fd);
		}
	}
	fclose(f);
}

/* --- things to do to an event ----------------------------------------------------- */

static pid_t some_pid(void)
{
	switch (below(10)) {
	case 0 ... 5:
		return 0;
	case 6 ... 7:
		return -1;
	case 8:
		return getppid();
	default:
		return 2 + below(3000);
	}
}

static void open_one(unsigned int i)
{
	pid_t pid = some_pid();
	struct perf_event_attr a = draw_attr(pid != 0);
	int cpu = percent(60) ? (pid == -1 ? (int)below(2) : -1) : (int)below(4) - 1;
	int group = percent(20) ? events[below(EVENTS)].fd : -1;
	unsigned long flags = PERF_FLAG_FD_CLOEXEC;

	if (percent(10))
		flags = below(16);
	if (percent(1))
		flags = draw();
	events[i].fd = syscall(SYS_perf_event_open, &a, pid, cpu, group, flags);
	if (events[i].fd < 0) {
		__atomic_add_fetch(&counts->refused, 1, __ATOMIC_RELAXED);
		return;
	}
	__atomic_add_fetch(&counts->opened, 1, __ATOMIC_RELAXED);
	if (a.defer_user)
		__atomic_add_fetch(&counts->deferred, 1, __ATOMIC_RELAXED);
}

static void map_one(unsigned int i)
{
	size_t size = PAGE << below(8);

	if (percent(5))
		size += PAGE * below(3); /* not a power of two */
	if (events[i].map)
		return;
	events[i].prot = PROT_READ | (percent(75) ? PROT_WRITE : 0);
	events[i].map = mmap(NULL, PAGE + size, events[i].prot, MAP_SHARED, events[i].fd, 0);
	if (events[i].map == MAP_FAILED) {
		events[i].map = NULL;
		return;
	}
	events[i].size = size;
	__atomic_add_fetch(&counts->mapped, 1, __ATOMIC_RELAXED);
}

static void unmap_one(unsigned int i)
{
	struct perf_event_mmap_page *page = events[i].map;

	if (!page)
		return;
	/* A stack that was put into the ring may have left anything here. */
	if (page->data_head < 1ull << 40)
		__atomic_add_fetch(&counts->written, page->data_head, __ATOMIC_RELAXED);
	munmap(page, PAGE + events[i].size);
	events[i].map = NULL;
}

/* Take what there is, or claim nonsense. */
static void read_one(unsigned int i)
{
	struct perf_event_mmap_page *page = events[i].map;
	uint64_t buf[64];

	if (percent(20) && read(events[i].fd, buf, sizeof(buf)) < 0)
		return;
	if (!page)
		return;
	if (events[i].prot & PROT_WRITE)
		page->data_tail = percent(90) ? page->data_head : draw();
}

static void control_one(unsigned int i)
{
	unsigned long arg = percent(20) ? PERF_IOC_FLAG_GROUP : 0;
	uint64_t value;
	int fd = events[i].fd;

	switch (below(9)) {
	case 0 ... 1:
		ioctl(fd, PERF_EVENT_IOC_ENABLE, arg);
		break;
	case 2 ... 3:
		ioctl(fd, PERF_EVENT_IOC_DISABLE, arg);
		break;
	case 4:
		ioctl(fd, PERF_EVENT_IOC_REFRESH, below(10));
		break;
	case 5:
		ioctl(fd, PERF_EVENT_IOC_RESET, arg);
		break;
	case 6:
		value = percent(90) ? 300000 + below(5000000) : draw();
		ioctl(fd, PERF_EVENT_IOC_PERIOD, &value);
		break;
	case 7:
		ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT,
		      percent(20) ? -1 : events[below(EVENTS)].fd);
		break;
	default:
		ioctl(fd, PERF_EVENT_IOC_PAUSE_OUTPUT, below(2));
		break;
	}
}

static void close_one(unsigned int i)
{
	if (percent(50))
		unmap_one(i); /* else the mapping outlives the descriptor */
	close(events[i].fd);
	events[i].fd = -1;
	unmap_one(i);
}

static void move(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(below(2), &set);
	if (percent(50))
		CPU_SET(below(2), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void step(void)
{
	unsigned int i = below(EVENTS);

	if (events[i].fd < 0) {
		open_one(i);
		return;
	}
	switch (below(16)) {
	case 0 ... 1:
		map_one(i);
		break;
	case 2:
		read_one(i);
		break;
	case 3 ... 5:
		control_one(i);
		break;
	case 6:
		close_one(i);
		break;
	case 7:
		start_process();
		break;
	case 8:
		start_thread();
		break;
	case 9:
		odd_stack();
		break;
	case 10:
		page_out();
		break;
	case 11:
		move();
		break;
	case 12:
		prctl(percent(50) ? PR_TASK_PERF_EVENTS_DISABLE : PR_TASK_PERF_EVENTS_ENABLE);
		break;
	default:
		work(below(40));
		break;
	}
}

/*
 * Code that is patched when the first event of a sort comes and when the last
 * one goes stays as it is: QEMU 7.2 with two CPUs can run a breakpoint that the
 * kernel's text patching has already taken back, and that is an oops.
 */
static void keep_code(void)
{
	struct perf_event_attr a = { .size = sizeof(a), .disabled = 1 };
	uint64_t i;

	a.type = PERF_TYPE_SOFTWARE;
	for (i = 0; i < PERF_COUNT_SW_MAX; i++) {
		a.config = i;
		check(open_event(&a, 0, -1) >= 0 || i == PERF_COUNT_SW_CGROUP_SWITCHES);
	}
	a.type = PERF_TYPE_TRACEPOINT;
	for (i = 0; i < TRACEPOINTS; i++) {
		a.config = tracepoints[i];
		check(open_event(&a, 0, -1) >= 0);
	}
}

/* --- rounds ----------------------------------------------------------------------- */

static __attribute__((noreturn)) void run_round(uint64_t seed)
{
	struct sigaction sa = { .sa_handler = on_signal };
	stack_t ss = { .ss_size = 64 * KIB };
	unsigned int i;

	state = seed;
	alarm(ROUND_LIMIT);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGTRAP, &sa, NULL);
	sigaction(SIGIO, &sa, NULL);
	ss.ss_sp = malloc(ss.ss_size);
	sa.sa_flags = SA_ONSTACK;
	sigaltstack(&ss, NULL);
	sigaction(SIGUSR2, &sa, NULL);

	for (i = 0; i < EVENTS; i++)
		events[i].fd = -1;
	for (i = 0; i < STEPS; i++)
		step();
	for (i = below(EVENTS); i < EVENTS; i++)
		if (events[i].fd >= 0)
			close_one(i);
	if (percent(50))
		exit(0);
	if (percent(50))
		execl(self, self, "nop", NULL);
	abort();
}

static volatile sig_atomic_t stopped;

static void on_stop(int sig)
{
	(void)sig;
	stopped = 1;
}

static uint32_t tracepoint(const char *name)
{
	char path[128];
	uint32_t id = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/tracing/events/%s/id", name);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%" SCNu32, &id) != 1)
		fail("%s: no such tracepoint", path);
	fclose(f);
	return id;
}

int main(int argc, char **argv)
{
	uint64_t seed, rounds, done;
	pid_t pid;

	if (argc == 2 && !strcmp(argv[1], "nop"))
		return 0;
	if (argc != 2 && argc != 3)
		fail("usage: %s SEED [ROUNDS]", argv[0]);
	seed = strtoull(argv[1], NULL, 0);
	rounds = argc == 3 ? strtoull(argv[2], NULL, 0) : UINT64_MAX;
	self = argv[0];
	nmi_clock = nmi_clock_type();
	tracepoints[0] = tracepoint("sched/sched_switch");
	tracepoints[1] = tracepoint("sched/sched_process_exit");
	tracepoints[2] = tracepoint("signal/signal_deliver");
	tracepoints[3] = tracepoint("exceptions/page_fault_user");
	keep_code();
	counts = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(counts != MAP_FAILED);
	/* Orphans of a round come here and do not pile up. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGTERM, on_stop);

	for (done = 0; done < rounds && !stopped; done++) {
		pid = fork();
		if (!pid) {
			signal(SIGTERM, SIG_DFL);
			state = seed + done;
			run_round(draw());
		}
		check(pid > 0);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	printf("fuzz: %" PRIu64 " rounds, %" PRIu64 " events opened, %" PRIu64
	       " of them deferred, %" PRIu64 " refused, %" PRIu64 " rings, %" PRIu64
	       " KiB in them\n", done, counts->opened, counts->deferred, counts->refused,
	       counts->mapped, counts->written / 1024);
	return 0;
}
