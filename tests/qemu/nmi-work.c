// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see nmi-work.sh: an NMI from user mode, and one that hits the
 * kernel with interrupts enabled, have a stack captured without an interrupt that the
 * CPU sends to itself.
 */
#include "guest.h"

/*
 * Was the sample taken with interrupts disabled? x86's flags say so. Of arm64 it is
 * known that they are enabled in user mode and where the kernel clears user memory.
 */
#ifdef __x86_64__
#define INTR_REG PERF_REG_X86_FLAGS

static bool is_disabled(const struct record *rec)
{
	return !(rec->intr_reg & 1u << 9);
}
#else
#define INTR_REG PERF_REG_ARM64_PC

static bool is_disabled(const struct record *rec)
{
	static uint64_t clear_user;

	if ((rec->misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_USER)
		return false;
	if (!clear_user)
		clear_user = address_of("__arch_clear_user");
	return rec->intr_reg - clear_user >= 128;
}
#endif

/* Interrupts for irq_work so far, on all CPUs. */
static uint64_t irq_works(void)
{
	FILE *f = fopen("/proc/interrupts", "r");
	uint64_t sum = 0, n;
	char line[512], *at;

	check(f);
	while (fgets(line, sizeof(line), f)) {
		at = strchr(line, ':');
		if (!at || !strstr(line, "IRQ work interrupts"))
			continue;
		for (at++; sscanf(at, "%" SCNu64, &n) == 1; sum += n)
			at += strspn(at, " ") + strcspn(at + strspn(at, " "), " ");
	}
	fclose(f);
	return sum;
}

/* What was sampled: how often with interrupts disabled, where one has to be sent. */
struct seen {
	uint64_t samples, disabled, records;
};

static struct ring open_nmis(void)
{
	struct perf_event_attr attr = on_nmis(base_attr(KIB), 200003);

	attr.sample_type |= PERF_SAMPLE_REGS_INTR;
	attr.sample_regs_intr = 1ull << INTR_REG;
	return open_ring(&attr, 0, -1);
}

/* Each sample has the cookie of the record that comes next. */
static void look_at(struct ring *r, struct seen *seen)
{
	static uint64_t last;
	struct record rec;

	while (ring_next(r, &rec)) {
		check(rec.type == PERF_RECORD_SAMPLE || rec.type == PERF_RECORD_STACK_DEFERRED);
		check(rec.cookie);
		if (rec.type == PERF_RECORD_SAMPLE) {
			seen->samples++;
			seen->disabled += is_disabled(&rec);
			last = rec.cookie;
		} else {
			check(rec.cookie == last && !rec.left);
			seen->records++;
		}
	}
}

static void check_seen(const struct seen *seen, uint64_t sent)
{
	printf("# %" PRIu64 " samples, %" PRIu64 " with interrupts disabled; %" PRIu64
	       " records, %" PRIu64 " interrupts for irq_work\n",
	       seen->samples, seen->disabled, seen->records, sent);
	check(seen->records >= seen->samples / 2);
	check(sent <= seen->disabled && seen->disabled < seen->samples / 2);
}

static void test_user(void)
{
	struct ring r = open_nmis();
	struct seen seen = { 0 };
	uint64_t before = irq_works();

	while (seen.samples < 500) {
		start(&r);
		for (volatile int i = 0; i < 1000000; i++)
			;
		stop(&r);
		look_at(&r, &seen);
	}
	check_seen(&seen, irq_works() - before);
}

/* In a system call that takes a while, but not as long as two samples, interrupts are enabled. */
static void test_kernel(void)
{
	static char block[128 * KIB];
	struct ring r = open_nmis();
	struct seen seen = { 0 };
	uint64_t before = irq_works();
	int fd = open("/dev/zero", O_RDONLY);

	check(fd >= 0);
	while (seen.samples < 500) {
		start(&r);
		for (int i = 0; i < 80; i++)
			check(read(fd, block, sizeof(block)) == sizeof(block));
		stop(&r);
		look_at(&r, &seen);
	}
	check_seen(&seen, irq_works() - before);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "user", test_user },
		{ "kernel", test_kernel },
	};

	return run_tests(tests, sizeof(tests) / sizeof(*tests), argc, argv);
}
