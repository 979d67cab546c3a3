// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see nmi-clock-*.sh: the nmi_clock PMU with several events,
 * where CPUs come and go, and where there is no comparator for them.
 */
#include <sys/klog.h>
#include <time.h>

#include "guest.h"

#define MSEC 1000000ull

static struct perf_event_attr clock_attr(uint64_t period)
{
	return (struct perf_event_attr){
		.size = sizeof(struct perf_event_attr),
		.type = nmi_clock_type(),
		.sample_period = period,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_CPU |
			       PERF_SAMPLE_PERIOD,
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED |
			       PERF_FORMAT_TOTAL_TIME_RUNNING,
		.disabled = 1,
	};
}

/* Work in user mode and in the kernel. */
static void work(uint64_t ns)
{
	struct timespec t;
	uint64_t end = 0, now;

	do {
		for (int i = 0; i < 1000; i++)
			asm volatile("");
		for (int i = 0; i < 10; i++)
			syscall(SYS_getppid);
		check(!clock_gettime(CLOCK_MONOTONIC, &t));
		now = t.tv_sec * 1000 * MSEC + t.tv_nsec;
		if (!end)
			end = now + ns;
	} while (now < end);
}

/* What a ring holds, taken out of it, and what read(2) says. */
struct tally {
	uint64_t samples, user, kernel, time;
	uint64_t counted, enabled, running;
};

static struct tally tally(struct ring *r)
{
	struct tally t = { 0 };
	struct record rec;
	uint64_t values[3];

	while (ring_next(r, &rec)) {
		check(rec.type != PERF_RECORD_LOST);
		if (rec.type != PERF_RECORD_SAMPLE)
			continue;
		check(rec.period && rec.period % r->attr.sample_period == 0);
		t.samples++;
		t.time += rec.period;
		t.kernel += rec.ip >> 63;
		t.user += !(rec.ip >> 63);
		check((rec.misc & PERF_RECORD_MISC_CPUMODE_MASK) ==
		      (rec.ip >> 63 ? PERF_RECORD_MISC_KERNEL : PERF_RECORD_MISC_USER));
	}
	check(read(r->fd, values, sizeof(values)) == sizeof(values));
	t.counted = values[0];
	t.enabled = values[1];
	t.running = values[2];
	return t;
}

/* --- one CPU whose time is exact, see nmi-clock-events.sh --------------------- */

/* Each counts its own time, and its samples stand for all of it. */
static void test_several(void)
{
	static const uint64_t periods[] = { 50000, 70001, 100000, 250000, 5000000 };
	enum { NR = sizeof(periods) / sizeof(*periods) };
	struct ring r[NR + 1];
	struct perf_event_attr attr;

	for (int i = 0; i < NR; i++) {
		attr = clock_attr(periods[i]);
		r[i] = open_ring(&attr, 0, -1);
	}
	attr.freq = 1;
	attr.sample_freq = 2000;
	r[NR] = open_ring(&attr, 0, -1);
	r[NR].attr.sample_period = 500000;
	for (int i = 0; i <= NR; i++)
		start(&r[i]);
	work(50 * MSEC);
	for (int i = 0; i <= NR; i++)
		stop(&r[i]);
	for (int i = 0; i <= NR; i++) {
		struct tally t = tally(&r[i]);
		uint64_t period = r[i].attr.sample_period;

		printf("period %" PRIu64 ": %" PRIu64 " samples for %" PRIu64
		       " ns, counted %" PRIu64 "\n", period, t.samples, t.time, t.counted);
		check(t.running == t.enabled);
		/* The last period has no sample yet; the HPET is a clock of its own. */
		check(t.time <= t.counted + t.counted / 100);
		check(t.time + period >= t.counted - t.counted / 100);
	}
}

/* More than the PMU serves at a time take turns. */
static void test_many(void)
{
	enum { NR = 20 };
	struct perf_event_attr attr = clock_attr(MSEC);
	unsigned int waited = 0;
	struct ring r[NR];

	for (int i = 0; i < NR; i++) {
		int fd = open_event(&attr, 0, -1);

		check(fd >= 0);
		r[i] = ring_of(fd, &attr, 64 * KIB);
	}
	for (int i = 0; i < NR; i++)
		start(&r[i]);
	work(200 * MSEC);
	for (int i = 0; i < NR; i++)
		stop(&r[i]);
	for (int i = 0; i < NR; i++) {
		struct tally t = tally(&r[i]);

		check(t.samples && t.running);
		waited += t.running < t.enabled;
	}
	check(waited);
}

static void test_excluded(void)
{
	struct perf_event_attr attr = clock_attr(50000);
	struct ring all = open_ring(&attr, 0, -1), user, kernel;
	struct tally t;

	attr.exclude_kernel = 1;
	user = open_ring(&attr, 0, -1);
	attr.exclude_kernel = 0;
	attr.exclude_user = 1;
	kernel = open_ring(&attr, 0, -1);
	start(&all);
	start(&user);
	start(&kernel);
	work(50 * MSEC);
	stop(&all);
	stop(&user);
	stop(&kernel);
	t = tally(&all);
	check(t.user && t.kernel);
	t = tally(&user);
	check(t.user && !t.kernel);
	t = tally(&kernel);
	check(!t.user && t.kernel);
}

/* A new period holds from then on; nothing comes after the end. */
static void test_period(void)
{
	struct perf_event_attr attr = clock_attr(100000);
	struct ring r = open_ring(&attr, 0, -1);
	uint64_t period = 50000, too_short = 9999, head;
	struct tally before, after;

	start(&r);
	work(20 * MSEC);
	stop(&r);
	before = tally(&r);
	check(!ioctl(r.fd, PERF_EVENT_IOC_PERIOD, &period));
	r.attr.sample_period = period;
	start(&r);
	work(20 * MSEC);
	check(ioctl(r.fd, PERF_EVENT_IOC_PERIOD, &too_short) && errno == EINVAL);
	stop(&r);
	after = tally(&r);
	check(after.samples > before.samples + before.samples / 2);
	head = r.page->data_head;
	work(20 * MSEC);
	check(r.page->data_head == head);
}

static void test_counting(void)
{
	struct perf_event_attr attr = clock_attr(0);
	struct ring r = { .fd = open_event(&attr, 0, -1) };
	uint64_t values[3];

	check(r.fd >= 0);
	start(&r);
	work(20 * MSEC);
	stop(&r);
	check(read(r.fd, values, sizeof(values)) == sizeof(values));
	check(values[0] <= values[2] && values[0] > values[2] / 2);
}

static void test_refused(void)
{
	struct perf_event_attr attr = clock_attr(9999);

	check(open_errno(attr, 0, -1) == ERANGE);
	attr.freq = 1;
	attr.sample_freq = 100001;
	check(open_errno(attr, 0, -1) == EINVAL); /* perf_event_max_sample_rate */
	attr = clock_attr(10000);
	check(open_errno(attr, 0, -1) == 0);
	attr.config = 1;
	check(open_errno(attr, 0, -1) == EINVAL);
	attr = clock_attr(10000);
	attr.precise_ip = 1;
	check(open_errno(attr, 0, -1) == EOPNOTSUPP);
	attr = clock_attr(10000);
	attr.sample_type |= PERF_SAMPLE_BRANCH_STACK;
	attr.branch_sample_type = PERF_SAMPLE_BRANCH_ANY;
	check(open_errno(attr, 0, -1) == EOPNOTSUPP);
}

/* --- two CPUs, see nmi-clock-cpus.sh ----------------------------------------------- */

static void set_online(bool online)
{
	FILE *f = fopen("/sys/devices/system/cpu/cpu1/online", "w");

	check(f && fprintf(f, "%d\n", online) > 0);
	check(!fclose(f));
}

static void work_for_ever(void)
{
	for (;;)
		work(MSEC);
}

/* Until the event has another sample. */
static void wait_sample(const struct ring *r)
{
	uint64_t head = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);

	while (__atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE) == head)
		work(MSEC);
}

/*
 * A CPU goes and comes back while events run on it, on tasks that ran on it,
 * and on the other one. Those of the CPU itself end, as they do with any PMU.
 */
static void test_hotplug(void)
{
	struct perf_event_attr attr = clock_attr(200000);
	struct child child = spawn(work_for_ever);
	struct ring task, stays, goes;
	struct record rec;

	task = open_ring(&attr, child.pid, -1);
	stays = open_ring(&attr, -1, 0);
	start(&task);
	start(&stays);
	go(&child);
	for (int i = 0; i < 5; i++) {
		uint64_t head;

		run_on(child.pid, 1);
		goes = open_ring(&attr, -1, 1);
		start(&goes);
		wait_sample(&goes);
		wait_sample(&task);
		set_online(false);
		check(open_errno(attr, -1, 1) == ENODEV);
		head = goes.page->data_head;
		wait_sample(&task);
		wait_sample(&stays);
		check(goes.page->data_head == head);
		while (ring_next(&goes, &rec))
			check(rec.type != PERF_RECORD_SAMPLE || rec.cpu == 1);
		close_ring(&goes);
		set_online(true);
	}
	while (ring_next(&stays, &rec))
		check(rec.type != PERF_RECORD_SAMPLE || rec.cpu == 0);
	while (ring_next(&task, &rec))
		check(rec.type != PERF_RECORD_SAMPLE || rec.tid == (uint32_t)child.pid);
	check(!kill(child.pid, SIGKILL));
	reap(&child);
}

/* --- too few comparators, see nmi-clock-few.sh --------------------------------------- */

static bool logged(const char *text)
{
	static char log[MIB];
	int size = klogctl(3, log, sizeof(log) - 1); /* SYSLOG_ACTION_READ_ALL */

	check(size > 0);
	log[size] = 0;
	return strstr(log, text);
}

/* An event of the CPU that has none is refused, one of a task does not run there. */
static void test_few(void)
{
	struct perf_event_attr attr = clock_attr(200000), counting = clock_attr(0);
	struct ring r = open_ring(&attr, 0, -1);
	struct tally t;

	check(logged("nmi_clock: 1 of 2 CPUs have a comparator"));
	check(open_errno(attr, -1, 0) == 0);
	check(open_errno(attr, -1, 1) == EBUSY);
	check(open_errno(counting, -1, 1) == 0);
	run_on(0, 1);
	start(&r);
	work(20 * MSEC);
	t = tally(&r);
	check(!t.samples && t.enabled && !t.running);
	run_on(0, 0);
	wait_sample(&r);
	t = tally(&r);
	check(t.samples && t.running && t.running < t.enabled);
}

/* --- the counter wraps, see nmi-clock-wrap.sh ------------------------------------------ */

#define WRAP_NS (10ull << 32) /* 2^32 ticks of 10 ns */

static uint64_t boottime(void)
{
	struct timespec t;

	check(!clock_gettime(CLOCK_BOOTTIME, &t));
	return t.tv_sec * 1000 * MSEC + t.tv_nsec;
}

static void sleep_until(uint64_t time)
{
	struct timespec t = { time / (1000 * MSEC), time % (1000 * MSEC) };

	check(!clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &t, NULL));
}

/* NMIs taken by CPU 0 */
static uint64_t nmis(void)
{
	FILE *f = fopen("/proc/interrupts", "r");
	uint64_t n = UINT64_MAX;
	char line[256];

	while (f && fgets(line, sizeof(line), f) && sscanf(line, " NMI: %" SCNu64, &n) != 1)
		;
	check(n != UINT64_MAX);
	fclose(f);
	return n;
}

/* When the counter wraps after a time, to a step: the comparator fires for that, too. */
static uint64_t find_wrap(uint64_t at, uint64_t step)
{
	struct perf_event_attr attr = clock_attr(5000 * MSEC);
	struct ring r = open_ring(&attr, -1, 0);
	uint64_t before;

	start(&r);
	do {
		sleep_until(at);
		before = nmis();
		tally(&r);
		at += step;
		sleep_until(at);
	} while (nmis() - before == tally(&r).samples);
	close_ring(&r);
	return at;
}

/*
 * If an event is due right after the wrap, the first NMI finds that both were
 * done, and yet there comes another.
 */
static void test_wrap(void)
{
	struct perf_event_attr attr = clock_attr(10000);
	uint64_t at = find_wrap(boottime(), 100 * MSEC);
	struct ring r[2];

	at = find_wrap(at + WRAP_NS - 200 * MSEC, 2 * MSEC);
	for (int i = 0; i < 2; i++)
		r[i] = open_ring(&attr, 0, -1);
	for (int wrap = 0; wrap < 100; wrap++) {
		at += WRAP_NS;
		sleep_until(at - 5 * MSEC);
		for (int i = 0; i < 2; i++)
			start(&r[i]);
		work(8 * MSEC);
		for (int i = 0; i < 2; i++) {
			stop(&r[i]);
			tally(&r[i]);
		}
	}
	check(!logged("NMI received for unknown reason"));
}

/* --- no HPET, see nmi-clock-none.sh --------------------------------------------------- */

static void test_none(void)
{
	check(logged("nmi_clock: not available: no HPET"));
	check(access("/sys/bus/event_source/devices/nmi_clock", F_OK) && errno == ENOENT);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "several", test_several },
		{ "many", test_many },
		{ "excluded", test_excluded },
		{ "period", test_period },
		{ "counting", test_counting },
		{ "refused", test_refused },
		{ "hotplug", test_hotplug },
		{ "few", test_few },
		{ "wrap", test_wrap },
		{ "none", test_none },
	};

	run_on(0, 0);
	return run_tests(tests, sizeof(tests) / sizeof(*tests), argc, argv);
}
