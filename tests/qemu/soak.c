// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see the script soak beside it: samples all CPUs from NMIs
 * while COMMAND runs, and keeps account of what comes of each sample.
 *
 *	soak NMIS PERIOD COMMAND [ARGUMENT...]
 *
 * Four events a CPU, each with a ring of its own: from NMIs every PERIOD ns user
 * stacks deferred, user frame-pointer chains deferred, and user stacks copied in
 * the NMI; and user registers deferred from page faults, which the NMIs come in
 * between. COMMAND is ended, by SIGTERM, when NMIS NMIs were taken.
 *
 * Of a sample or a record only a small entry is kept. At the end they are sorted
 * by cookie, to pair samples and records in both directions, and by task and
 * time, to find out what became of those without a partner. The account, one
 * line of CSV an event, goes to stdout. What cannot be explained is shown on
 * stderr and makes exit status 1.
 */
#include "guest.h"
#include <dirent.h>
#include <time.h>

#define CPUS 8
#define RING_SIZE (16 * MIB)
#define ALL_REGS 0xff0fffull
#define FAULTS 16 /* page faults from sample to sample */
#define SHOWN 6 /* of each kind of loss */
#define KTHREADD 2
#define NO_TID UINT32_MAX /* of a task that exited and was waited for */

enum kind { STACK, CHAIN, FAULT, LEGACY, KINDS };
static const char *const kinds[] = { "defer_user", "defer_callchain", "fault", "legacy" };

enum what { SAMPLE, RECORD, PART, FORK, EXIT, COMM, EXEC };
static const char *const whats[] = { "sample", "record", "part", "fork",
				     "exit", "comm", "exec" };

enum fate { ALONE, PAIRED, OTHER_TID, EXITING, NESTED };

struct entry {
	uint64_t time, cookie, ip;
	uint32_t tid, parent; /* parent: of FORK, a process */
	uint8_t what, kind, cpu, fate;
	bool user; /* SAMPLE: of user mode */
	char comm[9];
};

static struct entry *entries;
static size_t nr_entries, room;

static struct account {
	uint64_t samples, cookie;
	uint64_t paired, lost_ring, lost_exit, lost_exec, lost_tid, pending, lost_unknown;
	uint64_t idle, kernel, exiting, nested, unknown;
	uint64_t records, alone, ring_lost;
} accounts[KINDS];

static struct ring rings[CPUS][KINDS];
static int cpus;
static uint64_t do_exit_from, do_exit_to;

/* --- the events ------------------------------------------------------------------ */

static uint64_t page_fault_tracepoint(void)
{
	FILE *f = fopen("/sys/kernel/tracing/events/exceptions/page_fault_user/id", "r");
	uint64_t id;

	check(f && fscanf(f, "%" SCNu64, &id) == 1);
	fclose(f);
	return id;
}

static struct perf_event_attr attr_of(enum kind kind, uint64_t period, int cpu)
{
	struct perf_event_attr a = {
		.size = sizeof(a),
		.type = nmi_clock_type(),
		.sample_period = period,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
			       PERF_SAMPLE_CALLCHAIN,
		.sample_id_all = 1,
		.disabled = 1,
		.defer_output = kind != LEGACY,
	};

	switch (kind) {
	case STACK:
		a.defer_user = 1;
		a.task = 1;
		a.comm = 1;
		/* Each CPU its own size and registers, one with many records. */
		a.sample_regs_user = cpu % 2 ? REGS : ALL_REGS;
		a.sample_stack_user = cpu % 2 ? 160 * KIB : 8 * KIB;
		break;
	case CHAIN:
		a.defer_callchain = 1;
		return a;
	case FAULT:
		/*
		 * Not the software event: where several of them sample the same
		 * fault, Linux 7.3 gives one what it prepared for another.
		 */
		a.type = PERF_TYPE_TRACEPOINT;
		a.config = page_fault_tracepoint();
		a.sample_period = FAULTS;
		a.defer_user = 1;
		a.sample_regs_user = REGS;
		break;
	default:
		a.sample_regs_user = ALL_REGS;
		a.sample_stack_user = 8 * KIB;
	}
	a.exclude_callchain_user = 1;
	a.sample_type |= PERF_SAMPLE_REGS_USER;
	if (a.sample_stack_user)
		a.sample_type |= PERF_SAMPLE_STACK_USER;
	return a;
}

static void open_all(uint64_t period)
{
	struct perf_event_attr a;
	int cpu, kind, fd;

	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	check(cpus <= CPUS);
	for (cpu = 0; cpu < cpus; cpu++)
		for (kind = 0; kind < KINDS; kind++) {
			a = attr_of(kind, period, cpu);
			fd = open_event(&a, -1, cpu);
			if (fd < 0)
				fail("perf_event_open: %s", strerror(errno));
			rings[cpu][kind] = ring_of(fd, &a, RING_SIZE);
		}
	for (cpu = 0; cpu < cpus; cpu++)
		for (kind = 0; kind < KINDS; kind++)
			start(&rings[cpu][kind]);
}

/* Records go on to come, samples do not. */
static void stop_sampling(void)
{
	uint64_t hour = 3600000000000; /* in ns, or page faults */
	int cpu, kind;

	for (cpu = 0; cpu < cpus; cpu++)
		for (kind = 0; kind < KINDS; kind++)
			check(!ioctl(rings[cpu][kind].fd, PERF_EVENT_IOC_PERIOD, &hour));
}

/* --- reading --------------------------------------------------------------------- */

static void add(const struct entry *e)
{
	if (nr_entries == room) {
		room = room ? 2 * room : 1 << 18;
		entries = realloc(entries, room * sizeof(*entries));
		check(entries);
	}
	entries[nr_entries++] = *e;
}

/* Nobody returns from do_exit(), so it is on the stack of whoever is in there. */
static bool in_do_exit(const uint64_t *chain, uint64_t nr)
{
	while (nr--)
		if (chain[nr] >= do_exit_from && chain[nr] < do_exit_to)
			return true;
	return false;
}

static void take_sample(struct entry *e, const struct record *rec)
{
	e->what = SAMPLE;
	e->ip = rec->ip;
	e->cookie = rec->cookie;
	e->user = (rec->misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_USER;
	/*
	 * An NMI in a debug exception that samples, too, finds the buffer for
	 * callchains taken: the sample gets an empty one, with all of perf.
	 */
	if (!e->cookie && !rec->chain_nr && !e->user)
		e->fate = NESTED;
	else if (!e->cookie && in_do_exit(rec->chain, rec->chain_nr))
		e->fate = EXITING;
	add(e);
}

static void take_record(struct entry *e, struct account *acc, enum what what,
			uint64_t cookie)
{
	acc->records++;
	e->what = what;
	e->cookie = cookie;
	add(e);
}

static void read_ring(int cpu, enum kind kind)
{
	struct account *acc = &accounts[kind];
	struct record rec;
	const uint64_t *p;

	while (ring_next(&rings[cpu][kind], &rec)) {
		struct entry e = { .kind = kind, .cpu = cpu, .tid = rec.tid, .time = rec.time };

		p = rec.body;
		switch (rec.type) {
		case PERF_RECORD_SAMPLE:
			acc->samples++;
			if (kind != LEGACY)
				take_sample(&e, &rec);
			break;
		/* Both come to every event with defer_output. */
		case PERF_RECORD_STACK_DEFERRED:
			if (kind != CHAIN)
				take_record(&e, acc, rec.left ? PART : RECORD, rec.cookie);
			break;
		case PERF_RECORD_CALLCHAIN_DEFERRED:
			/* cookie, nr, chain, tid, time */
			e.tid = p[2 + p[1]] >> 32;
			e.time = p[3 + p[1]];
			if (kind == CHAIN)
				take_record(&e, acc, RECORD, p[0]);
			break;
		case PERF_RECORD_LOST:
			acc->ring_lost += rec.lost;
			break;
		case PERF_RECORD_FORK:
		case PERF_RECORD_EXIT:
			/* pid and ppid, tid and ptid, time */
			e.what = rec.type == PERF_RECORD_FORK ? FORK : EXIT;
			e.parent = p[0] >> 32;
			e.tid = p[1];
			e.time = p[2];
			add(&e);
			break;
		case PERF_RECORD_COMM:
			/* pid and tid, name and zeros up to 8 bytes, tid, time */
			e.what = rec.misc & PERF_RECORD_MISC_COMM_EXEC ? EXEC : COMM;
			e.tid = p[0] >> 32;
			memcpy(e.comm, p + 1, sizeof(e.comm) - 1);
			e.time = p[3 + strlen((const char *)(p + 1)) / 8];
			add(&e);
			break;
		}
	}
}

static void read_for(unsigned int ms)
{
	int cpu, kind;

	for (; ms; ms--) {
		for (cpu = 0; cpu < cpus; cpu++)
			for (kind = 0; kind < KINDS; kind++)
				read_ring(cpu, kind);
		usleep(1000);
	}
}

static uint64_t count_nmis(void)
{
	FILE *f = fopen("/proc/interrupts", "r");
	uint64_t sum = 0, n;
	char line[1024], *p;
	int len;

	check(f);
	while (fgets(line, sizeof(line), f)) {
		p = strstr(line, "NMI:");
		if (!p)
			continue;
		for (p += 4; sscanf(p, "%" SCNu64 "%n", &n, &len) == 1; p += len)
			sum += n;
	}
	fclose(f);
	return sum;
}

static void find_do_exit(void)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	char line[256], name[128];
	uint64_t addr;

	check(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 " %*c %127s", &addr, name) != 2)
			continue;
		if (!strcmp(name, "do_exit"))
			do_exit_from = addr;
		else if (do_exit_from && addr > do_exit_from &&
			 (!do_exit_to || addr < do_exit_to))
			do_exit_to = addr;
	}
	fclose(f);
	check(do_exit_to);
}

/* Kernel threads that are there already, as if they were forked now. */
static void find_kernel_threads(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;
	char path[300], line[1024], *p;
	unsigned int parent;
	FILE *f;

	check(dir);
	while ((d = readdir(dir))) {
		struct entry e = { .what = FORK, .tid = atoi(d->d_name), .parent = KTHREADD };

		snprintf(path, sizeof(path), "/proc/%s/stat", d->d_name);
		f = e.tid ? fopen(path, "r") : NULL;
		if (!f)
			continue;
		p = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
		fclose(f);
		if (p && sscanf(p, ") %*c %u", &parent) == 1 &&
		    (parent == KTHREADD || e.tid == KTHREADD))
			add(&e);
	}
	closedir(dir);
}

/* --- the account ------------------------------------------------------------------ */

static int order(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int by_cookie(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;

	return order(a->cookie, b->cookie) ?: order(a->kind, b->kind) ?: order(a->tid, b->tid);
}

static int by_task(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;

	return order(a->tid, b->tid) ?: order(a->time, b->time) ?: order(a->what, b->what);
}

/* One cookie of one kind; all of it belongs to one task, or should. */
static void pair_cookie(struct entry *from, struct entry *to)
{
	struct entry *e, *other;

	for (e = from; e < to; e++) {
		bool partner = false, stranger = false;
		enum what want = e->what == SAMPLE ? RECORD : SAMPLE;

		/* Few have more than two. */
		for (other = from; other < to; other++)
			if (other->what == want) {
				partner |= other->tid == e->tid;
				stranger |= other->tid != e->tid;
			}
		e->fate = partner ? PAIRED : stranger ? OTHER_TID : ALONE;
		if (e->what == RECORD && !partner)
			accounts[e->kind].alone++;
	}
}

static void pair_all(void)
{
	struct entry *from, *to, *end = entries + nr_entries;

	qsort(entries, nr_entries, sizeof(*entries), by_cookie);
	for (from = entries; from < end; from = to) {
		for (to = from; to < end && to->cookie == from->cookie && to->kind == from->kind;)
			to++;
		if (from->cookie)
			pair_cookie(from, to);
	}
}

static bool is_alive(uint32_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u", tid);
	return !access(path, F_OK);
}

/* What an unexplained entry has around it. */
static void show(const char *why, const struct entry *from, const struct entry *to,
		 const struct entry *at, uint64_t nr)
{
	const struct entry *e;

	if (nr > SHOWN)
		return;
	fprintf(stderr, "soak: %s\n", why);
	for (e = at - from > 4 ? at - 4 : from; e < to && e < at + 5; e++)
		fprintf(stderr, "%s %" PRIu64 " tid %u cpu %u %s %s%s cookie %" PRIx64
			" ip %" PRIx64 " %s\n", e == at ? ">" : " ", e->time, e->tid, e->cpu,
			kinds[e->kind], e->user ? "user " : "", whats[e->what], e->cookie,
			e->ip, e->comm);
}

/* Was the record of later's cookie there before e? */
static bool delivered_before(const struct entry *later, const struct entry *e,
			     const struct entry *from)
{
	for (; from < e; from++)
		if (from->what == RECORD && from->cookie == later->cookie)
			return true;
	return false;
}

/*
 * A task that exits gets no cookie from a point in do_exit() on. Where its stack
 * could not be unwound that far, in a context switch for one, it did exit if
 * nothing but its end came later. What asked before that point keeps the cookie
 * of this last stay, whose record came then.
 */
static bool is_exiting(const struct entry *e, const struct entry *from, const struct entry *to)
{
	const struct entry *other;
	bool exited = false;

	if (e->user)
		return false;
	if (e->fate == EXITING || e->tid == NO_TID)
		return true;
	for (other = from; other < to; other++) {
		exited |= other->what == EXIT;
		if (other > e && other->what == SAMPLE && other->cookie &&
		    !delivered_before(other, e, from))
			return false;
	}
	return exited;
}

static void explain_no_cookie(const struct entry *e, bool kernel, const struct entry *from,
			      const struct entry *to)
{
	struct account *acc = &accounts[e->kind];

	if (!e->tid)
		acc->idle++;
	else if (kernel)
		acc->kernel++;
	else if (e->fate == NESTED)
		acc->nested++;
	else if (is_exiting(e, from, to))
		acc->exiting++;
	else
		show("a sample without a cookie", from, to, e, ++acc->unknown);
}

static void explain_cookie(const struct entry *e, const struct entry *from,
			   const struct entry *to)
{
	struct account *acc = &accounts[e->kind];
	const struct entry *later;
	bool last = true, exited = false, new_image = false;

	acc->cookie++;
	if (e->fate == PAIRED) {
		acc->paired++;
		return;
	}
	for (later = e + 1; later < to; later++) {
		exited |= later->what == EXIT;
		new_image |= last && later->what == EXEC;
		last &= later->what != SAMPLE || !later->cookie || later->cookie == e->cookie;
	}
	if (e->fate == OTHER_TID) {
		show("a cookie whose record has another thread's id", from, to, e, ++acc->lost_tid);
	} else if (last && !exited && is_alive(e->tid)) {
		acc->pending++;
	} else if (acc->lost_ring < acc->ring_lost) {
		/* Which ones a full ring dropped is not known, only how many. */
		acc->lost_ring++;
	} else if (new_image) {
		acc->lost_exec++;
	} else if (last && exited) {
		show("a cookie without a record, the task exited", from, to, e, ++acc->lost_exit);
	} else {
		show("a cookie without a record", from, to, e, ++acc->lost_unknown);
	}
}

/* All that is known of a task, from its fork on if that was seen. */
static void explain_task(const struct entry *from, const struct entry *to)
{
	bool kernel = from->what == FORK && from->parent == KTHREADD;
	const struct entry *e;

	/* A worker of io_uring gets its name a little after it starts. */
	for (e = from; e < to; e++)
		kernel |= e->what == COMM && !strncmp(e->comm, "iou-", 4);
	for (e = from; e < to; e++) {
		if (e->what != SAMPLE)
			continue;
		if (e->cookie)
			explain_cookie(e, from, to);
		else
			explain_no_cookie(e, kernel, from, to);
	}
}

static void explain_all(void)
{
	const struct entry *from, *to, *end = entries + nr_entries;

	qsort(entries, nr_entries, sizeof(*entries), by_task);
	for (from = entries; from < end; from = to) {
		for (to = from + 1; to < end && to->tid == from->tid && to->what != FORK;)
			to++;
		explain_task(from, to);
	}
}

static bool print_account(uint64_t nmis, unsigned int seconds)
{
	bool closed = true;

	/* From samples on: the fields of struct account. */
	printf("nmis,seconds,event,samples,with_cookie,paired,lost_ring,lost_exit,lost_exec,"
	       "lost_tid,pending,lost_unknown,no_cookie_idle,no_cookie_kernel,no_cookie_exit,"
	       "no_cookie_nested,no_cookie_unknown,records,records_alone,ring_lost\n");
	for (int kind = 0; kind < KINDS; kind++) {
		const struct account *a = &accounts[kind];
		const uint64_t *field = &a->samples;

		printf("%" PRIu64 ",%u,%s", nmis, seconds, kinds[kind]);
		for (; field <= &a->ring_lost; field++)
			if (kind == LEGACY && field != &a->samples && field != &a->ring_lost)
				printf(",");
			else
				printf(",%" PRIu64, *field);
		printf("\n");
		if (kind == LEGACY)
			continue;
		check(a->samples == a->cookie + a->idle + a->kernel + a->exiting + a->nested +
				    a->unknown);
		check(a->cookie == a->paired + a->lost_ring + a->lost_exit + a->lost_exec +
				   a->lost_tid + a->pending + a->lost_unknown);
		closed &= !a->lost_unknown && !a->unknown;
	}
	return closed;
}

int main(int argc, char **argv)
{
	struct sched_param rr = { .sched_priority = 1 };
	uint64_t goal, before, nmis = 0;
	time_t began = time(NULL), said = began;
	unsigned int seconds;
	pid_t pid;

	if (argc < 4)
		fail("usage: %s NMIS PERIOD COMMAND [ARGUMENT...]", argv[0]);
	goal = strtoull(argv[1], NULL, 0);
	find_do_exit();
	open_all(strtoull(argv[2], NULL, 0));
	find_kernel_threads();
	before = count_nmis();

	pid = fork();
	check(pid >= 0);
	if (!pid) {
		execvp(argv[3], argv + 3);
		fail("%s: %s", argv[3], strerror(errno));
	}
	/* The reader comes before everything that it measures. */
	check(!mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT));
	check(!sched_setscheduler(0, SCHED_RR, &rr));

	while (nmis < goal) {
		read_for(50);
		nmis = count_nmis() - before;
		if (waitpid(pid, NULL, WNOHANG) == pid)
			fail("%s ended after %" PRIu64 " NMIs", argv[3], nmis);
		if (time(NULL) >= said + 30) {
			said = time(NULL);
			fprintf(stderr, "soak: %lu s, %" PRIu64 " NMIs\n", said - began, nmis);
		}
	}
	seconds = time(NULL) - began;
	kill(pid, SIGTERM);
	while (!waitpid(pid, NULL, WNOHANG))
		read_for(50);
	nmis = count_nmis() - before;
	stop_sampling();
	read_for(2000);

	pair_all();
	explain_all();
	return !print_account(nmis, seconds);
}
