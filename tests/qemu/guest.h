/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * What the test programs of the guest share: events, what comes out of their
 * rings, and captures, that is, all that rings hold about one cookie.
 *
 * Most tests sample page faults with a period of 1, so that each sample happens
 * at a place and at a moment of the test's choice.
 */
#include <asm/perf_regs.h>
#include <errno.h>
#include <fcntl.h>
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
#include <sys/wait.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))
#define NOINLINE __attribute__((noinline))

#define KIB 1024ul
#define MIB (1024 * KIB)
#define PAGE 4096ul

#include "arch.h"

#define REGS (1ull << REG_SP | 1ull << REG_IP)

static __attribute__((format(printf, 1, 2), noreturn)) void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	exit(1);
}

/* Ends a test that is not for this architecture. */
static UNUSED void only_if(bool so, const char *what)
{
	if (so)
		return;
	printf("# left out: %s\n", what);
	exit(0);
}

#define check(cond) \
	((cond) ? (void)0 : fail("%s:%d: not so: %s", __func__, __LINE__, #cond))

/* --- events ------------------------------------------------------------------ */

static UNUSED struct perf_event_attr base_attr(uint64_t stack)
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
	};
}

/* attr.type of nmi_clock; its period is in ns. */
static UNUSED uint32_t nmi_clock_type(void)
{
	FILE *f = fopen("/sys/bus/event_source/devices/nmi_clock/type", "r");
	uint32_t type;

	if (!f || fscanf(f, "%" SCNu32, &type) != 1)
		fail("this kernel has no nmi_clock");
	fclose(f);
	return type;
}

/*
 * The event, but sampled from NMIs: every @period ns, less often on a kernel that
 * is slower, see VM_TIME_FACTOR, or it would do nothing else.
 */
static UNUSED struct perf_event_attr on_nmis(struct perf_event_attr attr, uint64_t period)
{
	const char *factor = getenv("VM_TIME_FACTOR");

#ifdef __aarch64__
	/* With pseudo-NMIs; in QEMU a cycle takes a ns. */
	attr.type = PERF_TYPE_HARDWARE;
	attr.config = PERF_COUNT_HW_CPU_CYCLES;
#else
	attr.type = nmi_clock_type();
	attr.config = 0;
#endif
	attr.sample_period = factor ? period * strtod(factor, NULL) : period;
	return attr;
}

/* A sample each time the tracepoint, "group/name", is passed. */
static UNUSED struct perf_event_attr tracepoint_attr(const char *name, uint64_t stack)
{
	struct perf_event_attr attr = base_attr(stack);
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/tracing/events/%s/id", name);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%" SCNu64, (uint64_t *)&attr.config) != 1)
		fail("this kernel has no tracepoint %s", name);
	fclose(f);
	attr.type = PERF_TYPE_TRACEPOINT;
	return attr;
}

static UNUSED int open_event(const struct perf_event_attr *attr, pid_t pid, int cpu)
{
	return syscall(SYS_perf_event_open, attr, pid, cpu, -1,
		       PERF_FLAG_FD_CLOEXEC);
}

/* Of the kernel. */
static UNUSED uint64_t address_of(const char *name)
{
	char line[256], found[128], type;
	uint64_t address;
	FILE *f = fopen("/proc/kallsyms", "r");

	check(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 " %c %127s", &address, &type, found) == 3 &&
		    !strcmp(found, name)) {
			fclose(f);
			return address;
		}
	}
	fail("this kernel has no %s", name);
}

/* 0 if the event can be opened, else errno. */
static UNUSED int open_errno(struct perf_event_attr attr, pid_t pid, int cpu)
{
	int fd = open_event(&attr, pid, cpu);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* --- rings ------------------------------------------------------------------- */

struct ring {
	int fd;
	struct perf_event_attr attr;
	struct perf_event_mmap_page *page;
	uint8_t *data;
	size_t size;
	bool reading; /* up to end */
	uint64_t end;
};

static UNUSED struct ring ring_of(int fd, const struct perf_event_attr *attr, size_t size)
{
	struct ring r = { .fd = fd, .attr = *attr, .size = size };

	r.page = mmap(NULL, PAGE + size, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_POPULATE, fd, 0);
	if (r.page == MAP_FAILED)
		fail("mmap of the ring: %s", strerror(errno));
	r.data = (uint8_t *)r.page + PAGE;
	return r;
}

/* An event with a ring of 16 MiB of its own. */
static UNUSED struct ring open_ring(const struct perf_event_attr *attr, pid_t pid, int cpu)
{
	int fd = open_event(attr, pid, cpu);

	if (fd < 0)
		fail("perf_event_open: %s", strerror(errno));
	return ring_of(fd, attr, 16 * MIB);
}

static UNUSED void close_ring(struct ring *r)
{
	munmap(r->page, PAGE + r->size);
	close(r->fd);
}

/* Of a tracepoint, in terms of its fields: "id == 60". */
static UNUSED void set_filter(struct ring *r, const char *filter)
{
	check(!ioctl(r->fd, PERF_EVENT_IOC_SET_FILTER, filter));
}

/*
 * What is called has its part of the stack present: below a frame that is deeper than
 * any before, or where fork() has made it shared, there may be none. And in a stack that
 * ends with its mapping there is room for the red zone.
 */
static UNUSED NOINLINE void touch_below(void)
{
	volatile uint8_t below[2 * PAGE];

	for (size_t i = 0; i < sizeof(below); i += PAGE)
		below[i] = 1;
}

/* Events count from here on: faults on the way here are not part of a test. */
static UNUSED void start(struct ring *r)
{
	touch_below();
	check(!ioctl(r->fd, PERF_EVENT_IOC_ENABLE, 0));
}

static UNUSED void stop(struct ring *r)
{
	check(!ioctl(r->fd, PERF_EVENT_IOC_DISABLE, 0));
}

/* What of a record the tests look at; the pointers hold until the next one. */
struct record {
	uint32_t type;
	uint16_t misc;
	uint64_t ip, time, addr, id, cookie; /* id: as of PERF_EVENT_IOC_ID */
	uint32_t pid, tid, cpu;
	const uint64_t *chain;
	uint64_t chain_nr, period;
	uint64_t flags; /* PERF_STACK_* */
	uint64_t abi, mask;
	const uint64_t *regs; /* in the order of their bits, NULL without */
	uint64_t left, size, dyn_size;
	const uint8_t *stack;
	const void *raw; /* a tracepoint's fields, with PERF_SAMPLE_RAW */
	uint64_t intr_reg; /* of what was interrupted, with PERF_SAMPLE_REGS_INTR */
	uint64_t lost;
	const uint64_t *body; /* of records not named above, after the header */
};

/* A PERF_RECORD_SAMPLE, as sample_type lays it out. Returns the end. */
static const uint64_t *read_sample(const struct perf_event_attr *a, struct record *out,
				   const uint64_t *p)
{
	uint64_t type = a->sample_type, nr;

	if (type & PERF_SAMPLE_IDENTIFIER)
		out->id = *p++;
	if (type & PERF_SAMPLE_IP)
		out->ip = *p++;
	if (type & PERF_SAMPLE_TID) {
		out->pid = *p;
		out->tid = *p++ >> 32;
	}
	if (type & PERF_SAMPLE_TIME)
		out->time = *p++;
	if (type & PERF_SAMPLE_ADDR)
		out->addr = *p++;
	if (type & PERF_SAMPLE_ID)
		out->id = *p++;
	if (type & PERF_SAMPLE_STREAM_ID)
		p++;
	if (type & PERF_SAMPLE_CPU)
		out->cpu = *p++;
	if (type & PERF_SAMPLE_PERIOD)
		out->period = *p++;
	if (type & PERF_SAMPLE_CALLCHAIN) {
		nr = *p++;
		out->chain = p;
		out->chain_nr = nr;
		p += nr;
		if (nr >= 2 && p[-2] == (uint64_t)PERF_CONTEXT_USER_DEFERRED)
			out->cookie = p[-1]; /* 0: nothing comes */
	}
	if (type & PERF_SAMPLE_RAW) {
		/* A u32 of size before it makes a multiple of 8. */
		out->raw = (const uint32_t *)p + 1;
		p += (*(const uint32_t *)p + 4) / 8;
	}
	if (type & PERF_SAMPLE_REGS_USER) {
		out->abi = *p++;
		if (out->abi) {
			out->regs = p;
			p += __builtin_popcountll(a->sample_regs_user);
		}
	}
	if (type & PERF_SAMPLE_STACK_USER) {
		out->size = *p++;
		if (out->size) {
			out->stack = (const uint8_t *)p;
			p += out->size / 8;
			out->dyn_size = *p++;
		}
	}
	if (type & PERF_SAMPLE_REGS_INTR) {
		check(__builtin_popcountll(a->sample_regs_intr) == 1 && *p++);
		out->intr_reg = *p++;
	}
	return p;
}

static const uint64_t *read_stack(const struct perf_event_attr *a, struct record *out,
				  const uint64_t *p)
{
	out->pid = *p;
	out->tid = *p++ >> 32;
	out->cookie = *p++;
	out->flags = *p++;
	if (out->flags & PERF_STACK_FIRST) {
		out->abi = *p++;
		out->mask = *p++;
		check(!out->mask || out->mask == a->sample_regs_user);
		if (out->mask)
			out->regs = p;
		p += __builtin_popcountll(out->mask);
	}
	out->addr = *p++;
	out->left = *p++;
	out->size = *p++;
	check(out->size % 8 == 0);
	if (out->size) {
		out->stack = (const uint8_t *)p;
		p += out->size / 8;
		out->dyn_size = *p++;
		check(out->dyn_size <= out->size);
	}
	return p;
}

static const uint64_t *read_id(const struct perf_event_attr *a, struct record *out,
			       const uint64_t *p)
{
	uint64_t type = a->sample_type;

	if (!a->sample_id_all)
		return p;
	if (type & PERF_SAMPLE_TID) {
		out->pid = *p;
		out->tid = *p++ >> 32;
	}
	if (type & PERF_SAMPLE_TIME)
		out->time = *p++;
	if (type & PERF_SAMPLE_ID)
		out->id = *p++;
	if (type & PERF_SAMPLE_STREAM_ID)
		p++;
	if (type & PERF_SAMPLE_CPU)
		out->cpu = *p++;
	if (type & PERF_SAMPLE_IDENTIFIER)
		out->id = *p++;
	return p;
}

/*
 * The next of the records that the ring had when it was first asked, false after
 * the last: where samples come as fast as they are read, a loop ends, too.
 */
static UNUSED bool ring_next(struct ring *r, struct record *out)
{
	static uint64_t buf[64 * KIB / 8];
	uint64_t tail = r->page->data_tail, i;
	struct perf_event_header h;
	const uint64_t *p = buf + 1;

	if (!r->reading)
		r->end = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);
	r->reading = tail != r->end;
	if (!r->reading)
		return false;
	/* Records are multiples of 8 and aligned: a header does not wrap. */
	memcpy(&h, r->data + tail % r->size, sizeof(h));
	check(h.size >= sizeof(h) && h.size % 8 == 0);
	for (i = 0; i < h.size; i += 8)
		memcpy((uint8_t *)buf + i, r->data + (tail + i) % r->size, 8);
	__atomic_store_n(&r->page->data_tail, tail + h.size, __ATOMIC_RELEASE);

	*out = (struct record){ .type = h.type, .misc = h.misc, .body = p };
	if (h.type == PERF_RECORD_SAMPLE)
		p = read_sample(&r->attr, out, p);
	else if (h.type == PERF_RECORD_STACK_DEFERRED)
		p = read_id(&r->attr, out, read_stack(&r->attr, out, p));
	else if (h.type == PERF_RECORD_LOST)
		out->lost = p[1];
	else
		return true;
	check(h.type == PERF_RECORD_LOST || p == buf + h.size / 8);
	return true;
}

/* --- captures ---------------------------------------------------------------- */

/* Bytes of user memory without a hole. */
struct range {
	uint64_t addr, size;
	uint8_t *mem;
};

struct capture {
	uint64_t cookie;
	unsigned int samples, records;
	uint64_t ip; /* of the first sample */
	uint16_t sample_misc;
	uint64_t flags; /* of the first record */
	uint64_t abi;
	uint64_t regs[64]; /* the first is that of the lowest bit, and so on */
	uint64_t below; /* bytes in front of the first range: the red zone */
	unsigned int ranges;
	struct range *range; /* has room for two at least */
	uint64_t left; /* of the last record: 0 if it is complete */
	bool sample_first, sample_last; /* one before, after the first record */
};

struct captures {
	struct capture *at;
	size_t nr;
	uint64_t lost; /* PERF_RECORD_LOST */
	unsigned int no_cookie; /* samples without one */
};

static UNUSED struct capture *capture_of(struct captures *all, uint64_t cookie)
{
	size_t i;

	for (i = 0; i < all->nr; i++)
		if (all->at[i].cookie == cookie)
			return &all->at[i];
	all->at = realloc(all->at, (all->nr + 1) * sizeof(*all->at));
	check(all->at);
	all->at[all->nr] = (struct capture){ .cookie = cookie };
	all->at[all->nr].range = calloc(2, sizeof(struct range));
	check(all->at[all->nr].range);
	return &all->at[all->nr++];
}

/* A register of a capture; reg is a PERF_REG_ that r asks for. */
static UNUSED uint64_t reg_of(const struct ring *r, const struct capture *c, int reg)
{
	uint64_t lower = r->attr.sample_regs_user & ((1ull << reg) - 1);

	return c->regs[__builtin_popcountll(lower)];
}

static UNUSED void add_stack(struct capture *c, const struct record *rec)
{
	struct range *range;
	uint64_t addr = rec->addr, size = rec->dyn_size, below = 0;
	const uint8_t *stack = rec->stack;

	check(rec->misc == PERF_RECORD_MISC_USER);
	/* Registers come once, with the first record of a capture. */
	check(!(rec->flags & PERF_STACK_FIRST) == !!c->records);
	if (!c->records++) {
		c->flags = rec->flags;
		c->abi = rec->abi;
		if (rec->regs)
			memcpy(c->regs, rec->regs, 8 * __builtin_popcountll(rec->mask));
		/* Tests look at what is from sp on. */
		if ((rec->mask & REGS) == REGS && size) {
			uint64_t below_sp = rec->mask & ((1ull << REG_SP) - 1);
			uint64_t sp = c->regs[__builtin_popcountll(below_sp)];

			/* And what is below sp in its word. */
			if (sp > addr && sp - addr < RED_ZONE + 8)
				below = sp - addr < size ? sp - addr : size;
		}
		c->below = below;
	} else {
		check(c->left >= rec->left + rec->size);
	}
	c->left = rec->left;
	addr += below;
	size -= below;
	stack += below;

	range = c->ranges ? &c->range[c->ranges - 1] : NULL;
	if (!range || (size && addr != range->addr + range->size)) {
		if (c->ranges >= 2)
			c->range = realloc(c->range, (c->ranges + 1) * sizeof(*range));
		check(c->range);
		range = &c->range[c->ranges++];
		*range = (struct range){ .addr = addr };
	}
	if (!size)
		return;
	range->mem = realloc(range->mem, range->size + size);
	check(range->mem);
	memcpy(range->mem + range->size, stack, size);
	range->size += size;
	check(rec->dyn_size <= rec->size && !(rec->dyn_size % 8));
}

/* Add all that is in the ring now. Of a defer_user event; keep the result. */
static UNUSED void take_all(struct ring *r, struct captures *all)
{
	struct record rec;
	struct capture *c;

	while (ring_next(r, &rec)) {
		switch (rec.type) {
		case PERF_RECORD_SAMPLE:
			if (r->attr.defer_user) {
				check(rec.abi == PERF_SAMPLE_REGS_ABI_NONE);
				check(rec.size == 0);
			}
			if (!rec.cookie) {
				all->no_cookie++;
				break;
			}
			c = capture_of(all, rec.cookie);
			c->sample_first |= !c->records;
			c->sample_last |= c->records;
			if (!c->samples++) {
				c->ip = rec.ip;
				c->sample_misc = rec.misc;
			}
			break;
		case PERF_RECORD_STACK_DEFERRED:
			check(rec.cookie);
			add_stack(capture_of(all, rec.cookie), &rec);
			break;
		case PERF_RECORD_LOST:
			all->lost += rec.lost;
			break;
		}
	}
}

static UNUSED void free_captures(struct captures *all)
{
	for (size_t i = 0; i < all->nr; i++) {
		for (unsigned int j = 0; j < all->at[i].ranges; j++)
			free(all->at[i].range[j].mem);
		free(all->at[i].range);
	}
	free(all->at);
}

/* Stop the event; its ring holds one capture and nothing else. */
static UNUSED struct capture take(struct ring *r)
{
	struct captures all = { 0 };
	static struct range none[2];
	struct capture c = { .range = none };

	stop(r);
	take_all(r, &all);
	check(!all.lost && !all.no_cookie);
	check(all.nr <= 1);
	if (all.nr)
		c = all.at[0];
	check(!c.left);
	free(all.at);
	return c;
}

/* --- places to be sampled at -------------------------------------------------- */

/* One page fault, and so one sample, at fault(). */
static UNUSED volatile uint8_t *fresh;

static UNUSED void fresh_page(void)
{
	fresh = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check((void *)fresh != MAP_FAILED);
}

static UNUSED NOINLINE void fault(void)
{
	*fresh = 1;
}

/* Where the marked places of arch.h are. */
extern const char marked_call_ip[], marked_store_ip[];

#define marked_call(mark, nr, ...) \
	marked_call6(mark, nr, (const long[6]){ __VA_ARGS__ })

/* One record that came in time, of a marked place, with this mark. */
static UNUSED bool is_marked(const struct capture *c, uint64_t mark)
{
	return c->records == 1 && c->flags == PERF_STACK_FIRST &&
	       (c->regs[1] == (uintptr_t)marked_call_ip ||
		c->regs[1] == (uintptr_t)marked_store_ip) &&
	       c->range[0].addr == c->regs[0] && c->range[0].size >= 8 &&
	       !memcmp(c->range[0].mem, &mark, 8);
}

/*
 * Or of a marked call that a signal has interrupted. Where it was made to be restarted
 * by then, ip is that of the call itself, which may be another one than at the sample.
 */
static UNUSED bool is_interrupted(const struct capture *c, uint64_t mark)
{
	struct capture at = *c;

	if (RESTART && c->regs[1] == (uintptr_t)marked_call_ip - RESTART) {
		at.regs[1] += RESTART;
		at.flags &= ~PERF_STACK_CHANGED;
	}
	return is_marked(&at, mark);
}

/* Have the program itself present, so that a test sees no faults but its own. */
static UNUSED void fault_in(void)
{
	check(!mlockall(MCL_CURRENT) && !munlockall());
}

/* --- tasks to be sampled -------------------------------------------------------- */

/* Runs when it is told to, so that events can be opened on it before. */
struct child {
	pid_t pid;
	int go; /* to write to */
};

static UNUSED struct child spawn(void (*run)(void))
{
	struct child child;
	int go[2];
	char c;

	check(!pipe2(go, O_CLOEXEC));
	child.pid = fork();
	check(child.pid >= 0);
	if (!child.pid) {
		close(go[1]);
		fault_in();
		if (read(go[0], &c, 1) == 1)
			run();
		_exit(0);
	}
	close(go[0]);
	child.go = go[1];
	return child;
}

static UNUSED void go(struct child *child)
{
	check(write(child->go, "", 1) == 1);
	close(child->go);
}

/* Its status, as of waitpid(). */
static UNUSED int reap(struct child *child)
{
	int status;

	check(waitpid(child->pid, &status, 0) == child->pid);
	return status;
}

/* The task was sampled, and sleeps: in one of these states of /proc/TID/stat. */
static UNUSED void wait_state(const struct ring *r, pid_t tid, const char *states)
{
	char path[64], line[256], *state;
	FILE *f;

	while (!__atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE))
		sched_yield();
	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	do {
		sched_yield();
		f = fopen(path, "r");
		check(f && fgets(line, sizeof(line), f));
		fclose(f);
		state = strrchr(line, ')');
		check(state && state[2] != 'Z');
	} while (!strchr(states, state[2]));
}

/* Interruptibly, so not for a page of its program. */
static UNUSED void wait_asleep(const struct ring *r, pid_t tid)
{
	wait_state(r, tid, "S");
}

static UNUSED void run_on(pid_t tid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	check(!sched_setaffinity(tid, sizeof(set), &set));
}

/* --- main ---------------------------------------------------------------------- */

struct test {
	const char *name;
	void (*run)(void);
};

static UNUSED void set_cpu_time_max(int percent)
{
	FILE *f = fopen("/proc/sys/kernel/perf_cpu_time_max_percent", "w");

	check(f && fprintf(f, "%d\n", percent) > 0);
	check(!fclose(f));
}

/* Runs all tests, or those named in argv, each in a process of its own. */
static UNUSED int run_tests(const struct test *tests, size_t nr, int argc, char **argv)
{
	int arg, status, failed = 0, found = 0;
	size_t i;
	pid_t pid;

	setbuf(stdout, NULL);
	for (i = 0; i < nr; i++) {
		for (arg = 1; arg < argc; arg++)
			if (!strcmp(argv[arg], tests[i].name))
				break;
		if (argc > 1 && arg == argc)
			continue;
		found++;
		pid = fork();
		check(pid >= 0);
		if (!pid) {
			fault_in();
			tests[i].run();
			exit(0);
		}
		check(waitpid(pid, &status, 0) == pid);
		printf("%s %s\n", status ? "FAILED" : "ok", tests[i].name);
		failed |= !!status;
	}
	if (argc > 1 && found != argc - 1)
		fail("not all of these are tests of this program");
	return failed;
}
