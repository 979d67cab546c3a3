// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see several.sh: several samples, or several events, of
 * one stay in the kernel share a cookie and a capture, of which each event
 * gets what its own attr asks for.
 */
#include <alloca.h>
#include <sys/ptrace.h>

#include "guest.h"

#define MARK 0x5741434b454d4552ull

/* --- one event, several samples ---------------------------------------------- */

/* A read into pages that are absent: a fault for each, and one way back. */
static void test_samples(void)
{
	struct perf_event_attr attr = base_attr(4 * KIB);
	struct ring r = open_ring(&attr, 0, -1);
	int fd = memfd_create("pages", MFD_CLOEXEC);
	struct capture c;
	long got;
	char *to;

	check(fd >= 0 && !ftruncate(fd, 8 * PAGE));
	to = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(to != MAP_FAILED);
	/* There are none in a kernel with PREEMPT_RT. */
	check(!madvise(to, 8 * PAGE, MADV_NOHUGEPAGE) || errno == EINVAL);
	start(&r);
	got = marked_call(MARK, SYS_pread64, fd, (long)to, 8 * PAGE);
	c = take(&r);
	check(got == 8 * PAGE);
	check(c.samples == 8 && c.sample_first && !c.sample_last);
	check(is_marked(&c, MARK));
}

/* Each stay has a cookie of its own. */
static void test_stays(void)
{
	struct perf_event_attr attr = base_attr(4 * KIB);
	struct ring r = open_ring(&attr, 0, -1);
	struct captures all = { 0 };
	size_t i;

	start(&r);
	for (i = 0; i < 100; i++) {
		fresh_page();
		marked_store(MARK + i, fresh);
	}
	stop(&r);
	take_all(&r, &all);
	check(all.nr == 100);
	for (i = 0; i < all.nr; i++)
		check(all.at[i].samples == 1 && is_marked(&all.at[i], MARK + i));
}

/* --- several events, one sample each --------------------------------------------- */

#define RECORD 65520ul

static const struct want {
	const char *name;
	uint64_t stack; /* 0: no PERF_SAMPLE_STACK_USER */
	uint64_t regs; /* 0: no PERF_SAMPLE_REGS_USER */
	uint64_t more; /* of sample_type */
	bool sample_id_all;
} wants[] = {
	{ "all there is", 8 * MIB, GPRS, 0, 0 },
	{ "all there is, with ids", 8 * MIB, REGS,
	  PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID |
	  PERF_SAMPLE_CPU | PERF_SAMPLE_IDENTIFIER, 1 },
	{ "registers alone", 0, GPRS, PERF_SAMPLE_TID, 0 },
	{ "one register, with ids", 0, 1ull << REG_KEPT, PERF_SAMPLE_CPU, 1 },
	{ "a stack alone", 256, 0, 0, 0 },
	{ "a stack alone, with ids", 64 * KIB, 0, PERF_SAMPLE_TIME, 1 },
	{ "a word", 8, REGS, 0, 0 },
	{ "a page", PAGE, 1ull << REG_IP, PERF_SAMPLE_TIME, 0 },
	{ "one record's fill", RECORD, REGS, PERF_SAMPLE_IDENTIFIER, 1 },
	{ "a large stack", MIB, 1ull << REG_SP, PERF_SAMPLE_TID, 1 },
};

#define NR_WANTS (sizeof(wants) / sizeof(*wants))

static struct perf_event_attr attr_of(const struct want *w, struct perf_event_attr attr)
{
	attr.sample_stack_user = w->stack;
	if (!w->stack)
		attr.sample_type &= ~PERF_SAMPLE_STACK_USER;
	attr.sample_regs_user = w->regs;
	if (!w->regs)
		attr.sample_type &= ~PERF_SAMPLE_REGS_USER;
	attr.sample_type |= w->more;
	attr.sample_id_all = w->sample_id_all;
	return attr;
}

/* Those that ask for less have the same of it. all asks for everything. */
static void check_want(const struct want *w, const struct ring *r,
		       const struct capture *c, const struct capture *all)
{
	uint64_t size = w->stack < all->range[0].size ? w->stack : all->range[0].size;
	/* Without the registers nobody knows where sp is in it. */
	uint64_t below = w->stack && (w->regs & REGS) != REGS ? RED_ZONE : 0;
	const uint64_t *reg = c->regs;

	if (c->cookie != all->cookie || c->samples != 1 || !c->records)
		fail("%s: not a sample and a capture of the cookie", w->name);
	if (c->flags != all->flags || c->left)
		fail("%s: flags %" PRIx64 ", left %" PRIu64, w->name, c->flags, c->left);
	if (c->abi != all->abi)
		fail("%s: abi %" PRIu64, w->name, c->abi);
	/* What is less than a record's size is cut to what one has room for. */
	if (size == RECORD && c->records == 1 && c->range[0].size > RECORD - KIB)
		size = c->range[0].size;
	if (c->range[0].size != size + below)
		fail("%s: %" PRIu64 " bytes of stack, not %" PRIu64, w->name,
		     c->range[0].size, size);
	if (size && (c->range[0].addr != all->range[0].addr - below ||
		     memcmp(c->range[0].mem + below, all->range[0].mem, size)))
		fail("%s: another stack", w->name);
	for (int bit = 0; bit < 64; bit++)
		if (r->attr.sample_type & PERF_SAMPLE_REGS_USER &&
		    w->regs & 1ull << bit &&
		    *reg++ != all->regs[__builtin_popcountll(GPRS & ((1ull << bit) - 1))])
			fail("%s: another register %d", w->name, bit);
}

/* Leave something to copy: more than one record holds. */
static NOINLINE void sample_deep(void)
{
	volatile uint8_t *frame = alloca(200 * KIB);

	for (size_t i = 0; i < 200 * KIB; i++)
		frame[i] = i * 7;
	touch_below();
	marked_store(MARK, fresh);
	marked_call(MARK, SYS_getppid);
}

static void check_sizes(struct perf_event_attr attr)
{
	struct ring rings[NR_WANTS];
	struct capture captures[NR_WANTS];
	size_t i;

	for (i = 0; i < NR_WANTS; i++) {
		struct perf_event_attr its = attr_of(&wants[i], attr);

		rings[i] = open_ring(&its, 0, -1);
		if (attr.type == PERF_TYPE_TRACEPOINT)
			set_filter(&rings[i], IS_GETPPID);
	}
	fresh_page();
	sample_deep(); /* fault its frame in */
	/* The first round makes room for more events than a task has it for. */
	for (int round = 0; round < 2; round++) {
		fresh_page();
		/* Memory for these is faulted in: not when some are started already. */
		for (i = 0; i < NR_WANTS; i++) {
			struct captures first = { 0 };

			take_all(&rings[i], &first);
		}
		for (i = 0; i < NR_WANTS; i++)
			start(&rings[i]);
		sample_deep();
		for (i = 0; i < NR_WANTS; i++)
			stop(&rings[i]);
	}
	for (i = 0; i < NR_WANTS; i++)
		captures[i] = take(&rings[i]);
	check(captures[0].range[0].size > 200 * KIB);
	check(captures[0].range[0].addr ==
	      reg_of(&rings[0], &captures[0], REG_SP));
	for (i = 0; i < NR_WANTS; i++)
		check_want(&wants[i], &rings[i], &captures[i], &captures[0]);
}

static void test_tracepoints(void)
{
	check_sizes(tracepoint_attr("raw_syscalls/sys_enter", 0));
}

/* The kernel hands all software events of a fault the same struct perf_sample_data. */
static void test_page_faults(void)
{
	check_sizes(base_attr(0));
}

/* On the task, on the CPU, inherited by a child: alone or together, it is one capture. */
static void call_in_child(void)
{
	marked_call(MARK, SYS_getppid);
}

static struct capture marked_in(struct ring *r)
{
	struct captures all = { 0 };
	struct capture *found = NULL;
	size_t i;

	stop(r);
	take_all(r, &all);
	for (i = 0; i < all.nr; i++)
		if (is_marked(&all.at[i], MARK)) {
			check(!found);
			found = &all.at[i];
		}
	check(found);
	return *found;
}

static void fork_and_call(void)
{
	struct child child = spawn(call_in_child);

	go(&child);
	check(!reap(&child));
}

static void test_attached(void)
{
	struct perf_event_attr attr = tracepoint_attr("raw_syscalls/sys_enter", 256);
	struct child child = spawn(fork_and_call);
	struct ring rings[3];
	struct capture c[3];

	rings[0] = open_ring(&attr, -1, 0);
	attr.sample_stack_user = 128;
	attr.inherit = 1;
	rings[1] = open_ring(&attr, child.pid, 0);
	attr.sample_stack_user = 64;
	attr.sample_id_all = 1;
	attr.sample_type |= PERF_SAMPLE_TID;
	rings[2] = open_ring(&attr, child.pid, 0);
	for (int i = 0; i < 3; i++) {
		set_filter(&rings[i], IS_GETPPID);
		start(&rings[i]);
	}
	go(&child);
	check(!reap(&child));
	for (int i = 0; i < 3; i++) {
		c[i] = marked_in(&rings[i]);
		check(c[i].samples == 1 && c[i].cookie == c[0].cookie);
		check(c[i].range[0].size == rings[i].attr.sample_stack_user);
		check(!memcmp(c[i].range[0].mem, c[0].range[0].mem, c[i].range[0].size));
	}
}

/* --- what goes with a record ------------------------------------------------------ */

/* With sample_id_all a record says whose it is, and comes after the sample. */
static void test_id(void)
{
	struct perf_event_attr attr = attr_of(&wants[1], base_attr(0));
	struct ring r = open_ring(&attr, 0, -1);
	struct record sample, rec;
	uint64_t id;

	check(!ioctl(r.fd, PERF_EVENT_IOC_ID, &id));
	fresh_page();
	start(&r);
	marked_store(MARK, fresh);
	stop(&r);
	check(ring_next(&r, &sample) && sample.type == PERF_RECORD_SAMPLE);
	check(sample.id == id && sample.tid == (uint32_t)gettid());
	check(ring_next(&r, &rec) && rec.type == PERF_RECORD_STACK_DEFERRED);
	check(rec.cookie == sample.cookie && rec.id == id);
	check(rec.pid == sample.pid && rec.tid == sample.tid);
	/* A guest's clock stands still at a tick's end if the host had the CPU elsewhere. */
	check(rec.cpu == sample.cpu && rec.time >= sample.time);
}

/* Two events in one ring, as perf record has them, each with its own records. */
static void test_one_ring(void)
{
	struct perf_event_attr attr = tracepoint_attr("raw_syscalls/sys_enter", 512);
	struct record rec;
	struct ring r, other;
	unsigned int samples[2] = { 0 }, records[2] = { 0 };
	uint64_t id[2], cookie = 0;

	attr.sample_type |= PERF_SAMPLE_IDENTIFIER;
	attr.sample_id_all = 1;
	r = open_ring(&attr, 0, 0);
	attr.sample_stack_user = 64;
	other = (struct ring){ .fd = open_event(&attr, 0, 0), .attr = attr };
	check(other.fd >= 0);
	check(!ioctl(other.fd, PERF_EVENT_IOC_SET_OUTPUT, r.fd));
	check(!ioctl(r.fd, PERF_EVENT_IOC_ID, &id[0]));
	check(!ioctl(other.fd, PERF_EVENT_IOC_ID, &id[1]));
	set_filter(&r, IS_GETPPID);
	set_filter(&other, IS_GETPPID);
	start(&r);
	start(&other);
	marked_call(MARK, SYS_getppid);
	stop(&r);
	stop(&other);
	while (ring_next(&r, &rec)) {
		int which = rec.id == id[1];

		check(rec.id == id[which]);
		if (!cookie)
			cookie = rec.cookie;
		check(cookie && rec.cookie == cookie);
		if (rec.type == PERF_RECORD_SAMPLE) {
			samples[which]++;
			continue;
		}
		check(rec.type == PERF_RECORD_STACK_DEFERRED && !rec.left);
		check(rec.size == (which ? 64 : 512) + RED_ZONE);
		records[which]++;
	}
	for (int i = 0; i < 2; i++)
		check(samples[i] == 1 && records[i] == 1);
}

/* --- deferred callchains beside it ------------------------------------------------- */

/* Records of deferred callchains with this cookie. */
static unsigned int callchains(struct ring *r, uint64_t cookie)
{
	struct record rec;
	unsigned int nr = 0;

	stop(r);
	while (ring_next(r, &rec)) {
		check(rec.type != PERF_RECORD_STACK_DEFERRED);
		if (rec.type == 22) /* PERF_RECORD_CALLCHAIN_DEFERRED */
			nr += rec.body[0] == cookie;
	}
	return nr;
}

static struct perf_event_attr callchain_attr(struct perf_event_attr attr)
{
	only_if(DEFERS_CALLCHAIN, "deferred callchains");
	attr.sample_type = PERF_SAMPLE_CALLCHAIN;
	attr.sample_regs_user = 0;
	attr.sample_stack_user = 0;
	attr.exclude_callchain_user = 0;
	attr.defer_callchain = 1;
	attr.defer_output = 1;
	attr.defer_user = 0;
	return attr;
}

static void test_callchain(void)
{
	struct perf_event_attr attr = tracepoint_attr("raw_syscalls/sys_enter", PAGE);
	struct perf_event_attr chain = callchain_attr(attr);
	struct ring r = open_ring(&attr, 0, -1);
	struct ring other = open_ring(&chain, 0, -1);
	struct capture c;

	set_filter(&r, IS_GETPPID);
	set_filter(&other, IS_GETPPID);
	start(&other);
	start(&r);
	marked_call(MARK, SYS_getppid);
	c = take(&r);
	check(c.samples == 1 && is_marked(&c, MARK));
	check(callchains(&other, c.cookie) == 1);
}

/*
 * One of them asks when the other has had its record already: at the second
 * of two ptrace stops, before which task work runs. Neither comes twice.
 */
static void traced(void)
{
	marked_call(MARK, SYS_getppid);
}

static void test_callchain_later(void)
{
	struct perf_event_attr attr = tracepoint_attr("raw_syscalls/sys_enter", PAGE);
	struct perf_event_attr chain = tracepoint_attr("sched/sched_switch", PAGE);
	struct child child = spawn(traced);
	struct ring r, other;
	struct capture c;
	int status;

	r = open_ring(&attr, child.pid, -1);
	set_filter(&r, IS_GETPPID);
	attr = callchain_attr(chain);
	other = open_ring(&attr, child.pid, -1);
	set_filter(&other, "prev_state == 8"); /* traced */
	check(!ptrace(PTRACE_SEIZE, child.pid, 0, PTRACE_O_TRACESYSGOOD));
	check(!ptrace(PTRACE_INTERRUPT, child.pid, 0, 0));
	check(waitpid(child.pid, &status, 0) == child.pid && WIFSTOPPED(status));
	start(&r);
	go(&child);
	for (;;) {
		struct __ptrace_syscall_info info;

		check(!ptrace(PTRACE_SYSCALL, child.pid, 0, 0));
		check(waitpid(child.pid, &status, 0) == child.pid);
		if (!WIFSTOPPED(status))
			break;
		check(ptrace(PTRACE_GET_SYSCALL_INFO, child.pid, sizeof(info), &info) > 0);
		/* Not at its entry, when nothing is asked for yet. */
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == SYS_getppid)
			start(&other);
	}
	check(!status);
	c = take(&r);
	check(c.samples == 1 && is_marked(&c, MARK));
	check(callchains(&other, c.cookie) == 1);
}

/* Whoever asks for defer_output alone, on a CPU, gets the callchains too. */
static void test_output_event(void)
{
	struct perf_event_attr attr = callchain_attr(tracepoint_attr("raw_syscalls/sys_enter", 0));
	struct perf_event_attr dummy = attr;
	struct ring sampler, output;
	struct record rec;

	attr.defer_output = 0;
	sampler = open_ring(&attr, 0, -1);
	set_filter(&sampler, IS_GETPPID);
	dummy.type = PERF_TYPE_SOFTWARE;
	dummy.config = PERF_COUNT_SW_DUMMY;
	dummy.defer_callchain = 0;
	output = open_ring(&dummy, -1, 0);
	start(&output);
	start(&sampler);
	marked_call(MARK, SYS_getppid);
	stop(&sampler);
	check(ring_next(&sampler, &rec) && rec.type == PERF_RECORD_SAMPLE && rec.cookie);
	check(callchains(&output, rec.cookie) == 1);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "samples", test_samples },
		{ "stays", test_stays },
		{ "tracepoints", test_tracepoints },
		{ "page_faults", test_page_faults },
		{ "attached", test_attached },
		{ "id", test_id },
		{ "one_ring", test_one_ring },
		{ "callchain", test_callchain },
		{ "callchain_later", test_callchain_later },
		{ "output_event", test_output_event },
	};

	run_on(0, 0);
	return run_tests(tests, sizeof(tests) / sizeof(*tests), argc, argv);
}
