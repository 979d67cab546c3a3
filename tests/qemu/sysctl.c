// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see sysctl.sh: with kernel.perf_event_nmi_user at 0 nothing
 * in perf reads user memory in an NMI; outside of NMIs nothing changes.
 */
#include <fcntl.h>

#include "guest.h"
#include "nmi_faults.h"

#define SYSCTL "/proc/sys/kernel/perf_event_nmi_user"

/* 0 or errno */
static int try_set(const char *value)
{
	int fd = open(SYSCTL, O_WRONLY), err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, value, strlen(value)) < 0)
		err = errno;
	close(fd);
	return err;
}

static int get(void)
{
	FILE *f = fopen(SYSCTL, "r");
	int value;

	if (!f)
		fail("no " SYSCTL);
	check(fscanf(f, "%d", &value) == 1);
	fclose(f);
	return value;
}

static void reset(void)
{
	try_set("1");
}

static void switch_off(void)
{
	check(get() == 1);
	atexit(reset);
	check(!try_set("0") && get() == 0);
}

/* --- the events of a profiler, old and new ------------------------------------------ */

enum { DWARF, FP, REGISTERS, DEFERRED, EVENTS };

static struct perf_event_attr event_attr(int event)
{
	struct perf_event_attr attr = on_nmis(base_attr(16 * PAGE), 2000000);

	if (event == DEFERRED)
		return attr;
	attr.defer_user = 0;
	if (event == DWARF)
		attr.sample_stack_user = 15 * PAGE;
	if (event == FP) {
		attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_CALLCHAIN;
		attr.exclude_callchain_user = 0;
	}
	if (event == REGISTERS)
		attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_REGS_USER;
	return attr;
}

/* --- a stack with a frame pointer, and with pages that go again and again ------------- */

#define STACK (8 * PAGE)
static uint8_t *stack;

static void make_stack(void)
{
	uint8_t *mem = mmap(NULL, STACK + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	uint64_t *frame;

	check(mem != MAP_FAILED);
	stack = mem + PAGE;
	check(!mprotect(stack, STACK, PROT_READ | PROT_WRITE));
	for (size_t i = 0; i < 2 * PAGE; i++)
		stack[i] = i / 8;
	/* Three frames in the first page, and a fourth where nothing is. */
	frame = (uint64_t *)stack;
	for (size_t i = 8; i <= 32; i += 8) {
		frame[i] = (uintptr_t)&frame[i + 8];
		frame[i + 1] = 0x400000 + i;
	}
	frame[32] = (uintptr_t)stack + 4 * PAGE;
	fresh_page();
}

static bool absent;

/* Computes with sp and the frame pointer on that stack, and touches fresh. */
static NOINLINE void spin(void)
{
	if (absent)
		check(!madvise(stack + 2 * PAGE, STACK - 2 * PAGE, MADV_DONTNEED));
	store_with_frame(stack, stack + 64, fresh, 20000);
}

/* Entries of a chain's user part. */
static unsigned int user_part(const struct record *rec)
{
	bool user = false;
	unsigned int n = 0;

	for (uint64_t i = 0; i < rec->chain_nr; i++) {
		if (rec->chain[i] >= (uint64_t)PERF_CONTEXT_MAX)
			user = rec->chain[i] == (uint64_t)PERF_CONTEXT_USER;
		else
			n += user;
	}
	return n;
}

/* What came of an event without defer_user. */
struct found {
	unsigned int samples, regs, stacks, frames, kernel;
};

static void look_at(struct ring *r, struct found *f)
{
	struct record rec;

	while (ring_next(r, &rec)) {
		if (rec.type != PERF_RECORD_SAMPLE)
			continue;
		f->samples++;
		f->regs += !!rec.regs;
		f->stacks += !!rec.size;
		f->frames += user_part(&rec) > 1;
		f->kernel += rec.chain_nr && rec.chain[0] == (uint64_t)PERF_CONTEXT_KERNEL;
	}
}

static bool on_stack(const struct capture *c)
{
	return c->regs[0] == (uintptr_t)stack;
}

static unsigned int count_on_stack(const struct captures *all)
{
	unsigned int n = 0;

	for (size_t i = 0; i < all->nr; i++)
		n += on_stack(&all->at[i]);
	return n;
}

/*
 * All of them at once, until each was sampled 50 times, the deferred ones on
 * that stack. No round is as long as the one before: rounds and sampling must
 * not get into step.
 */
static uint64_t profile(struct found found[EVENTS], struct captures *all)
{
	struct perf_event_attr attr;
	struct ring ring[EVENTS];
	struct nmi_faults n;
	bool enough;

	for (int i = 0; i < EVENTS; i++) {
		attr = event_attr(i);
		ring[i] = open_ring(&attr, 0, -1);
	}
	n = count_nmi_faults();
	for (int i = 0; i < EVENTS; i++)
		start(&ring[i]);
	for (int round = 0; ; round++) {
		check(round < 20000);
		spin();
		for (int i = 0; i < 50 + round * 37 % 101; i++)
			syscall(SYS_getppid);
		enough = count_on_stack(all) >= 50;
		for (int i = 0; i < EVENTS; i++) {
			if (i == DEFERRED) {
				take_all(&ring[i], all);
				continue;
			}
			look_at(&ring[i], &found[i]);
			enough &= found[i].samples >= 50;
		}
		if (enough)
			break;
	}
	for (int i = 0; i < EVENTS; i++)
		stop(&ring[i]);
	take_all(&ring[DEFERRED], all);
	for (int i = 0; i < EVENTS; i++)
		close_ring(&ring[i]);
	return nmi_faults(&n);
}

/* The deferred ones on that stack have all of it that was ever touched. */
static void check_deferred(const struct captures *all)
{
	check(!all->lost && !all->no_cookie);
	for (size_t i = 0; i < all->nr; i++) {
		const struct capture *c = &all->at[i];

		check(c->samples && c->records && !c->left);
		if (!on_stack(c))
			continue;
		check(c->range[0].addr == (uintptr_t)stack && c->range[0].size >= 2 * PAGE);
		check(!memcmp(c->range[0].mem, stack, c->range[0].size));
	}
}

static void print(const struct found *f, uint64_t faults)
{
	printf("# %u stacks of %u, %u frame-pointer walks of %u, %" PRIu64
	       " faults in NMIs\n",
	       f[DWARF].stacks, f[DWARF].samples, f[FP].frames, f[FP].samples, faults);
}

/* --- tests -------------------------------------------------------------------------------- */

static void test_default(void)
{
	check(get() == 1);
}

/* It is 0 or 1. */
static void test_values(void)
{
	atexit(reset);
	check(try_set("2") == EINVAL);
	check(try_set("-1") == EINVAL);
	check(try_set("on") == EINVAL);
	check(get() == 1);
	check(!try_set("0\n") && get() == 0);
	check(!try_set("1\n") && get() == 1);
}

/* Everybody can read it, root can write it. */
static void test_permission(void)
{
	check(get() == 1);
	check(!seteuid(65534));
	check(get() == 1);
	check(try_set("0") == EACCES);
	check(!seteuid(0));
	check(get() == 1);
}

/* On, NMIs read what they can, and fault on what they cannot. */
static void test_on(void)
{
	struct found found[EVENTS] = { 0 };
	struct captures all = { 0 };
	uint64_t faults;

	check(get() == 1);
	make_stack();
	absent = true;
	faults = profile(found, &all);
	print(found, faults);
	check(faults || !TRACES_FAULTS);
	check(found[DWARF].stacks && found[FP].frames && found[REGISTERS].regs);
	check_deferred(&all);
}

/* Off, they do not; the kernel's part of a chain and registers still come. */
static void test_off(void)
{
	struct found found[EVENTS] = { 0 };
	struct captures all = { 0 };
	uint64_t faults;

	switch_off();
	make_stack();
	absent = true;
	faults = profile(found, &all);
	print(found, faults);
	check(!faults);
	check(!found[DWARF].stacks && !found[FP].frames);
	check(found[REGISTERS].regs && found[FP].kernel);
	check_deferred(&all);
}

/* Not for want of the pages: with all of them there it is the same. */
static void test_off_present(void)
{
	struct found found[EVENTS] = { 0 };
	struct captures all = { 0 };
	uint64_t faults;

	switch_off();
	make_stack();
	memset(stack + 2 * PAGE, 0, STACK - 2 * PAGE);
	faults = profile(found, &all);
	print(found, faults);
	check(!faults && !found[DWARF].stacks && !found[FP].frames);
	check_deferred(&all);
}

/* A sample of that stack has it, and its frames; the event is no NMI. */
static void check_copies(struct perf_event_attr attr)
{
	struct record rec = { 0 };
	struct ring r;

	attr.defer_user = 0;
	attr.exclude_callchain_user = 0;
	attr.exclude_kernel = 1;
	r = open_ring(&attr, 0, -1);
	start(&r);
	for (int round = 0; rec.type != PERF_RECORD_SAMPLE || rec.regs[0] != (uintptr_t)stack;
	     round++) {
		check(round < 100000);
		if (!ring_next(&r, &rec))
			spin();
	}
	stop(&r);
	check(rec.size == KIB && rec.dyn_size == KIB);
	check(!memcmp(rec.stack, stack, KIB));
	check(user_part(&rec) > 3);
	close_ring(&r);
}

/* A page fault's event and that of a timer may read as they always did. */
static void test_outside(void)
{
	struct perf_event_attr attr = base_attr(KIB);

	switch_off();
	make_stack();
	check_copies(attr);
	attr.config = PERF_COUNT_SW_CPU_CLOCK;
	attr.sample_period = 1000000;
	check_copies(attr);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "default", test_default },
		{ "values", test_values },
		{ "permission", test_permission },
		{ "on", test_on },
		{ "off", test_off },
		{ "off_present", test_off_present },
		{ "outside", test_outside },
	};

	return run_tests(tests, sizeof(tests) / sizeof(*tests), argc, argv);
}
