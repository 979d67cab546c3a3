// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see uprobe.sh: return addresses that uretprobes have replaced are
 * in the copy of the stack as the program left them, and a task that runs the copy of
 * a probed instruction is where the instruction is.
 */
#include "guest.h"

/* A number from a file of the uprobe PMU. */
static uint64_t pmu_number(const char *file, const char *format)
{
	char path[128];
	uint64_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/event_source/devices/uprobe/%s", file);
	f = fopen(path, "r");
	if (!f || fscanf(f, format, &n) != 1)
		fail("no %s", path);
	fclose(f);
	return n;
}

/* Where in this program's file is that? */
static uint64_t file_offset(const void *at)
{
	FILE *f = fopen("/proc/self/maps", "r");
	uint64_t from, to, offset;
	char line[512];

	check(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64, &from, &to, &offset) == 3 &&
		    (uintptr_t)at >= from && (uintptr_t)at < to) {
			fclose(f);
			return (uintptr_t)at - from + offset;
		}
	}
	fail("%p is nowhere", at);
}

/* Probes that place in this process from here on. */
static int probe(const void *at, bool on_return)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = pmu_number("type", "%" SCNu64),
		.uprobe_path = (uintptr_t)"/proc/self/exe",
		.probe_offset = file_offset(at),
	};
	int fd;

	if (on_return)
		attr.config = 1ull << pmu_number("format/retprobe", "config:%" SCNu64);
	fd = open_event(&attr, 0, -1);
	if (fd < 0)
		fail("uprobe: %s", strerror(errno));
	return fd;
}

/* The page of the probes: the trampoline is at its start. */
static uint64_t trampoline(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	uint64_t from = 0;
	char line[512];

	check(f);
	while (fgets(line, sizeof(line), f))
		if (strstr(line, "[uprobes]"))
			check(sscanf(line, "%" SCNx64, &from) == 1);
	fclose(f);
	return from;
}

/* --- return addresses ------------------------------------------------------------- */

#define DEPTH 6
#define LOOK (2 * KIB)

static uint64_t live[LOOK / 8], live_at;

static NOINLINE int leaf(int n)
{
	/* What is on the stack while the sample is taken. */
	live_at = (uintptr_t)__builtin_frame_address(0) & ~7ul;
	memcpy(live, (void *)live_at, LOOK);
	fault();
	return n + 1;
}

static NOINLINE int recurse(int n)
{
	int (*volatile next)(int) = n ? recurse : leaf;

	return next(n - 1) + 1;
}

static struct capture sampled(struct ring *r)
{
	struct capture c;

	/* Once without the event: the probes' page is faulted in. */
	fresh_page();
	recurse(DEPTH);
	fresh_page();
	start(r);
	recurse(DEPTH);
	c = take(r);
	check(c.samples == 1 && c.records);
	return c;
}

static uint64_t word_at(const struct capture *c, uint64_t at)
{
	const struct range *r = &c->range[0];
	uint64_t word;

	check(at >= r->addr && at + 8 <= r->addr + r->size);
	memcpy(&word, r->mem + (at - r->addr), 8);
	return word;
}

static void test_returns(void)
{
	volatile uint8_t room[2 * LOOK];
	struct perf_event_attr attr = base_attr(65528);
	struct ring r = open_ring(&attr, 0, -1);
	struct capture before, probed;
	unsigned int replaced = 0;
	uint64_t at, tramp;
	int fd[2];

	only_if(PUSHES_RETURNS, "uretprobes replace a register");
	memset((void *)room, 0, sizeof(room));
	before = sampled(&r);
	fd[0] = probe(recurse, true);
	fd[1] = probe(leaf, true);
	probed = sampled(&r);
	tramp = trampoline();
	check(tramp && live_at);
	for (size_t i = 0; i < LOOK / 8; i++) {
		at = live_at + 8 * i;
		if (live[i] != tramp)
			continue;
		check(word_at(&probed, at) == word_at(&before, at));
		replaced++;
	}
	printf("# %u return addresses\n", replaced);
	check(replaced == DEPTH + 2);
	close(fd[0]);
	close(fd[1]);
}

/* --- out of line ------------------------------------------------------------------- */

extern const char probed_store[];

static NOINLINE void store(volatile uint8_t *to)
{
	asm volatile(".globl probed_store\n"
		     "probed_store:\n\t"
		     STORE_BYTE : : "r"(to) : "memory");
}

static void test_out_of_line(void)
{
	struct perf_event_attr attr = base_attr(KIB);
	struct ring r = open_ring(&attr, 0, -1);
	int fd = probe(probed_store, false);
	struct capture c;

	fresh_page();
	store(fresh); /* and the probes' page is faulted in */
	fresh_page();
	start(&r);
	store(fresh);
	c = take(&r);
	check(c.samples == 1 && c.records == 1);
	printf("# ip %#" PRIx64 " in the sample, %#" PRIx64 " in the record\n", c.ip,
	       reg_of(&r, &c, REG_IP));
	check(c.ip != (uintptr_t)probed_store);
	check(reg_of(&r, &c, REG_IP) == (uintptr_t)probed_store);
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "returns", test_returns },
		{ "out_of_line", test_out_of_line },
	};

	return run_tests(tests, sizeof(tests) / sizeof(*tests), argc, argv);
}
