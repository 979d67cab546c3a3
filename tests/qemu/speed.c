// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * What parts of a sample cost, in instructions: under -icount the TSC counts
 * them. The sample is that of a page fault, and the least of many is the same in
 * every run; each test takes the difference that some fields make.
 */
#include <alloca.h>
#include <sys/resource.h>
#include <x86intrin.h>
#include "guest.h"

static uint64_t fault_cost(uint64_t sample_type, uint64_t regs)
{
	enum { FAULTS = 64 };
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_PAGE_FAULTS,
		.sample_period = 1,
		.sample_type = sample_type,
		.sample_regs_user = regs,
		.disabled = 1,
	};
	struct ring r = open_ring(&attr, 0, -1);
	volatile uint8_t *mem = mmap(NULL, FAULTS * PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t begin, took, least = UINT64_MAX;
	int i;

	check((void *)mem != MAP_FAILED);
	check(!madvise((void *)mem, FAULTS * PAGE, MADV_NOHUGEPAGE));
	start(&r);
	for (i = 0; i < FAULTS; i++) {
		begin = __rdtsc();
		mem[i * PAGE] = 1;
		took = __rdtsc() - begin;
		if (took < least)
			least = took;
	}
	stop(&r);
	check(!munmap((void *)mem, FAULTS * PAGE));
	close_ring(&r);
	return least;
}

/* A field that is a word and known already: to put it there is all it takes. */
static void words(void)
{
	uint64_t none = fault_cost(PERF_SAMPLE_IP, 0);
	uint64_t five = fault_cost(PERF_SAMPLE_IP | PERF_SAMPLE_ADDR | PERF_SAMPLE_ID |
				   PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD, 0);

	printf("five words more: %" PRIu64 " instructions\n", five - none);
	check(five - none < 150);
}

static void registers(void)
{
	uint64_t gp = 0xff0fff; /* all but the segments of data */
	uint64_t two = fault_cost(PERF_SAMPLE_REGS_USER, REGS);
	uint64_t twenty = fault_cost(PERF_SAMPLE_REGS_USER, gp);

	printf("18 registers more: %" PRIu64 " instructions\n", twenty - two);
	check(__builtin_popcountll(gp) == 20);
	check(twenty - two < 18 * 16);
}

/* --- deferred stacks -------------------------------------------------------------- */

/* What a fault costs with its stack, deferred or copied in the sample: the least of many. */
static uint64_t stack_cost(uint64_t stack, bool defer)
{
	enum { FAULTS = 400 };
	struct perf_event_attr attr = base_attr(stack);
	volatile uint8_t *mem = mmap(NULL, FAULTS * PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t begin, took, least = UINT64_MAX;
	struct ring r;

	attr.defer_user = defer;
	r = open_ring(&attr, 0, -1);
	check(!madvise((void *)mem, FAULTS * PAGE, MADV_NOHUGEPAGE));
	start(&r);
	for (int i = 0; i < FAULTS; i++) {
		begin = __rdtsc();
		mem[i * PAGE] = 1;
		took = __rdtsc() - begin;
		if (took < least)
			least = took;
		/* Not into a ring that is full: all of the stack is there. */
		check(r.page->data_head - r.page->data_tail > stack - stack / 64);
		r.page->data_tail = r.page->data_head;
	}
	stop(&r);
	munmap((void *)mem, FAULTS * PAGE);
	close_ring(&r);
	return least;
}

/* Other events of the task are no matter for a capture. */
static void other_events(void)
{
	struct rlimit rl = { 4096, 4096 };
	struct perf_event_attr attr = { .size = sizeof(attr), .type = PERF_TYPE_SOFTWARE,
					.config = PERF_COUNT_SW_DUMMY, .disabled = 1 };
	volatile uint8_t deep[2 * KIB] = { 0 };
	uint64_t alone = stack_cost(sizeof(deep) / 2, true), among;

	check(!setrlimit(RLIMIT_NOFILE, &rl));
	for (int i = 0; i < 512; i++)
		check(open_event(&attr, 0, -1) >= 0);
	among = stack_cost(sizeof(deep) / 2, true);
	printf("a capture: %" PRIu64 " instructions alone, %" PRIu64 " among 512 events\n", alone, among);
	check(among < alone + alone / 50);
}

/*
 * A capture against a copy in the sample: it is a record of its own, on a way back to
 * user mode that has something to do.
 */
static void beside_legacy(void)
{
	static const struct {
		uint64_t size, more;
	} bounds[] = { { 2 * KIB, 1300 }, { 8 * KIB, 1300 }, { 65528, 2300 } };
	volatile uint8_t *deep = alloca(80 * KIB);
	bool over = false;

	for (size_t i = 0; i < 80 * KIB; i += 64)
		deep[i] = i;
	for (size_t i = 0; i < sizeof(bounds) / sizeof(*bounds); i++) {
		uint64_t deferred = stack_cost(bounds[i].size, true);
		uint64_t legacy = stack_cost(bounds[i].size, false);

		printf("%6" PRIu64 " bytes: deferred %" PRIu64 ", legacy %" PRIu64 ": %+" PRId64
		       " instructions, at most +%" PRIu64 "\n", bounds[i].size, deferred, legacy,
		       (int64_t)(deferred - legacy), bounds[i].more);
		over |= deferred > legacy + bounds[i].more;
	}
	check(!over);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = { { "words", words }, { "registers", registers },
		{ "other_events", other_events }, { "beside_legacy", beside_legacy } };

	return run_tests(tests, sizeof(tests) / sizeof(*tests), argc, argv);
}
