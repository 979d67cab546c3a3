// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Sample a command in one exactly defined way and say what came of it.
 *
 *   sampler [OPTION...] MODE STACK-BYTES HZ -- COMMAND [ARGUMENT...]
 *     MODE     off: not at all; none: no user stack; fp, fp-defer: frame
 *              pointers; dwarf, dwarf-defer: user registers and STACK-BYTES
 *     -t MS    end the command after so much processor time
 *     -d MS    sample from then on only, when the command has started up
 *     -k KIB   size of a CPU's ring, a power of 2 (8192)
 *     -o FILE  what the rings held, as a reader saves it; else only counted
 *     -e N     so many events more count what the command does, and take no samples
 *     -n       the length of every NMI too: on x86 from the tracepoint
 *              nmi:nmi_handler, on arm64 from the times of samples
 *
 * Writes one line of NAME=NUMBER: records of each kind and their bytes; the
 * processor time of the command and of this reader in us, both with the
 * interrupts that came while they ran; of -n quantiles of all values.
 */
#include <asm/perf_regs.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __x86_64__
#include <tracefs.h>
#endif

#define PAGE 4096ul
#define MAX_CPUS 256

static __attribute__((format(printf, 1, 2), noreturn)) void die(const char *fmt, ...)
{
	va_list ap;

	fputs("sampler: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	putc('\n', stderr);
	exit(1);
}

/* --- the event --------------------------------------------------------------- */

/* What perf asks for with --call-graph dwarf: all but segment bases and vectors. */
#ifdef __x86_64__
#define REGS (((1ull << PERF_REG_X86_64_MAX) - 1) & \
	      ~(1ull << PERF_REG_X86_DS | 1ull << PERF_REG_X86_ES | \
		1ull << PERF_REG_X86_FS | 1ull << PERF_REG_X86_GS))
#else
#define REGS ((1ull << PERF_REG_ARM64_MAX) - 1)
#endif

static struct perf_event_attr attr_of(const char *mode, uint32_t stack, uint64_t hz)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.freq = 1,
		.sample_freq = hz,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
			       PERF_SAMPLE_PERIOD | PERF_SAMPLE_CALLCHAIN,
		.sample_id_all = 1,
		.exclude_callchain_user = 1,
		.exclude_guest = 1,
		.disabled = 1,
		.enable_on_exec = 1,
		.inherit = 1,
		.watermark = 1,
	};

	if (!strcmp(mode, "none"))
		return attr;
	if (!strncmp(mode, "fp", 2)) {
		attr.exclude_callchain_user = 0;
	} else {
		attr.sample_type |= PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
		attr.sample_regs_user = REGS;
		attr.sample_stack_user = stack;
	}
	if (!strcmp(mode, "fp-defer"))
		attr.defer_callchain = attr.defer_output = 1;
	else if (!strcmp(mode, "dwarf-defer"))
		attr.defer_user = 1;
	else if (strcmp(mode, "fp") && strcmp(mode, "dwarf"))
		die("%s is no mode: off, none, fp, fp-defer, dwarf or dwarf-defer", mode);
	return attr;
}

static int open_event(struct perf_event_attr *attr, pid_t pid, int cpu)
{
	return syscall(SYS_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

/* They are a task's, one on each CPU, as those of a profiler that counts. */
static void open_others(uint64_t n, pid_t pid, int cpus)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.disabled = 1,
		.enable_on_exec = 1,
		.inherit = 1,
	};
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (uint64_t i = 0; i < n; i++)
		for (int cpu = 0; cpu < cpus; cpu++)
			if (open_event(&attr, pid, cpu) < 0)
				die("perf_event_open of event %lu on CPU %d: %s", i, cpu, strerror(errno));
}

/* Cycles where the machine counts them, else nmi_clock; the NMI handler's name. */
static const char *choose_pmu(struct perf_event_attr *attr)
{
	FILE *f;
	int fd;

	attr->type = PERF_TYPE_HARDWARE;
	attr->config = PERF_COUNT_HW_CPU_CYCLES;
	fd = open_event(attr, 0, -1);
	if (fd >= 0) {
		close(fd);
		return "perf_event_nmi_handler";
	}
	attr->config = 0;
	f = fopen("/sys/bus/event_source/devices/nmi_clock/type", "r");
	if (!f || fscanf(f, "%u", &attr->type) != 1)
		die("neither cycles nor nmi_clock can be sampled here: %s", strerror(errno));
	fclose(f);
	return "nmi_clock_handler";
}

/* --- the length of NMIs --------------------------------------------------------- */

struct nmis {
	uint64_t *ns;
	size_t nr, room;
#ifdef __x86_64__
	struct tracefs_instance *instance;
	struct tep_handle *tep;
#else
	uint64_t period, last;	/* between samples; time of the last one, 0 for none */
#endif
};

static void add_length(struct nmis *n, uint64_t ns)
{
	if (n->nr == n->room) {
		n->room = n->room ? 2 * n->room : 4096;
		n->ns = realloc(n->ns, n->room * sizeof(*n->ns));
		if (!n->ns)
			die("no memory");
	}
	n->ns[n->nr++] = ns;
}

#ifdef __x86_64__
static unsigned long address_of(const char *name)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	unsigned long address;
	char line[256], found[256], type;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx %c %255s", &address, &type, found) == 3 &&
		    !strcmp(found, name) && address) {
			fclose(f);
			return address;
		}
	}
	die("/proc/kallsyms does not show %s: is this root?", name);
}

/* The tracepoint fires after the handler's return: it is in no length of its own. */
static void start_nmis(struct nmis *n, struct perf_event_attr *attr, const char *handler)
{
	static const char *const systems[] = { "nmi", NULL };
	char filter[64];

	(void)attr;
	n->tep = tracefs_local_events_system(NULL, systems);
	n->instance = tracefs_instance_create("sampler");
	if (!n->tep || !n->instance)
		die("tracefs is not mounted, or has no nmi:nmi_handler");
	snprintf(filter, sizeof(filter), "handler == 0x%lx", address_of(handler));
	if (tracefs_instance_set_buffer_size(n->instance, 8192, -1) ||
	    tracefs_event_file_write(n->instance, "nmi", "nmi_handler", "filter", filter) < 0 ||
	    tracefs_event_enable(n->instance, "nmi", "nmi_handler") < 0)
		die("nmi:nmi_handler: %s", strerror(errno));
}

static int take_nmi(struct tep_event *event, struct tep_record *record, int cpu, void *arg)
{
	unsigned long long ns, handled;

	(void)cpu;
	if (tep_get_field_val(NULL, event, "delta_ns", record, &ns, 1) ||
	    tep_get_field_val(NULL, event, "handled", record, &handled, 1))
		die("nmi:nmi_handler has other fields here");
	if (handled)
		add_length(arg, ns);
	return 0;
}

static void take_nmis(struct nmis *n)
{
	tracefs_trace_off(n->instance);
	if (tracefs_iterate_raw_events(n->tep, n->instance, NULL, 0, take_nmi, n))
		die("reading nmi:nmi_handler: %s", strerror(errno));
	tracefs_event_disable(n->instance, "nmi", "nmi_handler");
	tracefs_instance_destroy(n->instance);
	tracefs_instance_free(n->instance);
	tep_free(n->tep);
}

static void note_record(struct nmis *n, const struct perf_event_header *h, const uint64_t *body)
{
	(void)n;
	(void)h;
	(void)body;
}
#else
/*
 * The PMU is stopped as long as its interrupt is handled, and counts a period from
 * there: samples are a period and an NMI apart, if the program ran all the time. A
 * cycle has to take a ns, as in QEMU.
 */
static void start_nmis(struct nmis *n, struct perf_event_attr *attr, const char *handler)
{
	(void)handler;
	n->period = 1000000000 / attr->sample_freq;
	attr->freq = 0;
	attr->sample_period = n->period;
	attr->context_switch = 1;
}

static void note_record(struct nmis *n, const struct perf_event_header *h, const uint64_t *body)
{
	if (h->type == PERF_RECORD_SAMPLE) {
		/* ip, pid and tid, time */
		if (n->last && body[2] - n->last >= n->period)
			add_length(n, body[2] - n->last - n->period);
		n->last = body[2];
	} else if (h->type == PERF_RECORD_SWITCH || h->type == PERF_RECORD_LOST) {
		n->last = 0;
	}
}

static void take_nmis(struct nmis *n)
{
	(void)n;
}
#endif

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The smallest value that q/1000 of all values do not exceed. */
static uint64_t quantile(const struct nmis *n, unsigned int q)
{
	return n->ns[(n->nr * q + 999) / 1000 - 1];
}

static void finish_nmis(struct nmis *n)
{
	take_nmis(n);
	if (!n->nr)
		die("no NMI came");
	qsort(n->ns, n->nr, sizeof(*n->ns), compare);
	printf(" n=%zu p50=%lu p90=%lu p99=%lu p999=%lu max=%lu", n->nr, quantile(n, 500),
	       quantile(n, 900), quantile(n, 990), quantile(n, 999), n->ns[n->nr - 1]);
}

/* --- rings: what a profiler does with them ------------------------------------ */

struct ring {
	struct perf_event_mmap_page *page;
	uint8_t *data;
};

struct counts {
	uint64_t samples, sample_bytes, stacks, stack_bytes, chains, chain_bytes, lost;
};

static void count_record(struct counts *n, const struct perf_event_header *h, const uint64_t *body)
{
	switch (h->type) {
	case PERF_RECORD_SAMPLE:
		n->samples++;
		n->sample_bytes += h->size;
		break;
	case PERF_RECORD_STACK_DEFERRED:
		n->stacks++;
		n->stack_bytes += h->size;
		break;
	case PERF_RECORD_CALLCHAIN_DEFERRED:
		n->chains++;
		n->chain_bytes += h->size;
		break;
	case PERF_RECORD_LOST:
		n->lost += body[1];
		break;
	}
}

static void save(int out, const uint8_t *p, size_t size)
{
	while (size) {
		ssize_t done = write(out, p, size);

		if (done <= 0)
			die("writing: %s", done ? strerror(errno) : "no space");
		p += done;
		size -= done;
	}
}

static void drain(struct ring *r, size_t size, int out, struct counts *n, struct nmis *nmis)
{
	uint64_t head = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = r->page->data_tail;

	if (out >= 0) {
		size_t first = size - tail % size;

		if (first > head - tail)
			first = head - tail;
		save(out, r->data + tail % size, first);
		save(out, r->data, head - tail - first);
	} else {
		for (uint64_t at = tail; at < head;) {
			/* Multiples of 8 and aligned: neither of the two wraps. */
			struct perf_event_header *h = (void *)(r->data + at % size);
			uint64_t body[3];

			for (int i = 0; i < 3; i++)
				body[i] = *(uint64_t *)(r->data + (at + 8 + 8 * i) % size);
			count_record(n, h, body);
			note_record(nmis, h, body);
			at += h->size;
		}
	}
	__atomic_store_n(&r->page->data_tail, head, __ATOMIC_RELEASE);
}

static void count_file(const char *path, struct counts *n)
{
	FILE *f = fopen(path, "r");
	struct perf_event_header h;
	static uint64_t body[1 << 13];

	if (!f)
		die("%s: %s", path, strerror(errno));
	while (fread(&h, sizeof(h), 1, f) == 1) {
		if (h.size <= sizeof(h) || fread(body, h.size - sizeof(h), 1, f) != 1)
			die("%s holds no records", path);
		count_record(n, &h, body);
	}
	fclose(f);
}

/* --- main ---------------------------------------------------------------------- */

static uint64_t number(const char *text, uint64_t max)
{
	char *end;
	uint64_t n = strtoull(text, &end, 0);

	if (*end || end == text || n > max)
		die("%s is not a number up to %lu", text, max);
	return n;
}

/* A no-op that bench/parts.c, which sees every instruction, takes as a mark. */
static void mark(void)
{
#ifdef __x86_64__
	__asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00, 0x62, 0x65, 0x6e, 0x63" : : : "memory");
#endif
}

static uint64_t time_of(const struct rusage *u)
{
	return (u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000000 +
	       u->ru_utime.tv_usec + u->ru_stime.tv_usec;
}

int main(int argc, char **argv)
{
	const char *file = NULL, *mode, *handler;
	size_t ring_size = 8192 * 1024ul;
	struct ring rings[MAX_CPUS] = { 0 };
	struct pollfd polled[MAX_CPUS + 1];
	struct counts counts = { 0 };
	struct rusage before, after, program;
	struct perf_event_attr attr;
	struct nmis nmis = { 0 };
	uint64_t limit = 0, delay = 0, others = 0;
	bool nmi = false, ended = false;
	int opt, go[2], status, out = -1, cpus;
	uint32_t stack;
	pid_t pid;

	while ((opt = getopt(argc, argv, "+t:d:k:o:e:n")) != -1) {
		switch (opt) {
		case 't':
			limit = number(optarg, 3600000);
			break;
		case 'd':
			delay = number(optarg, 3600000);
			break;
		case 'k':
			ring_size = number(optarg, 1 << 20) * 1024;
			break;
		case 'o':
			file = optarg;
			break;
		case 'e':
			others = number(optarg, 4096);
			break;
		case 'n':
			nmi = true;
			break;
		default:
			return 2;
		}
	}
	if (argc - optind < 5 || strcmp(argv[optind + 3], "--"))
		die("usage: [-t MS] [-d MS] [-k KIB] [-o FILE] [-e N] [-n] MODE STACK-BYTES HZ -- COMMAND...");
	mode = argv[optind];
	stack = number(argv[optind + 1], 8 << 20);
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (cpus > MAX_CPUS)
		die("%d CPUs are more than %d", cpus, MAX_CPUS);

	if (pipe2(go, O_CLOEXEC))
		die("pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!pid) {
		char c;

		struct itimerval timer = {
			.it_value = { .tv_sec = limit / 1000, .tv_usec = limit % 1000 * 1000 },
		};

		/* It outlives exec; waiting for a disk is not the command's time. */
		setitimer(ITIMER_PROF, &timer, NULL);
		close(go[1]);
		if (read(go[0], &c, 1) != 1)
			_exit(1);
		execvp(argv[optind + 4], argv + optind + 4);
		fprintf(stderr, "sampler: %s: %s\n", argv[optind + 4], strerror(errno));
		_exit(127);
	}
	close(go[0]);

	polled[cpus] = (struct pollfd){ .fd = syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	if (!strcmp(mode, "off")) {
		cpus = 0;
		polled[0] = polled[sysconf(_SC_NPROCESSORS_ONLN)];
	} else {
		attr = attr_of(mode, stack, number(argv[optind + 2], 100000));
		attr.wakeup_watermark = ring_size / 4;
		attr.enable_on_exec = !delay;
		handler = choose_pmu(&attr);
		if (nmi)
			start_nmis(&nmis, &attr, handler);
	}
	open_others(others, pid, cpus);
	for (int cpu = 0; cpu < cpus; cpu++) {
		int fd = open_event(&attr, pid, cpu);

		if (fd < 0)
			die("perf_event_open for %s with %u bytes: %s", mode, stack, strerror(errno));
		rings[cpu].page = mmap(NULL, PAGE + ring_size, PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_POPULATE, fd, 0);
		if (rings[cpu].page == MAP_FAILED)
			die("mmap of a ring of %zu KiB: %s", ring_size / 1024, strerror(errno));
		rings[cpu].data = (uint8_t *)rings[cpu].page + PAGE;
		polled[cpu] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	if (file) {
		out = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (out < 0)
			die("%s: %s", file, strerror(errno));
	}

	getrusage(RUSAGE_SELF, &before);
	mark();
	if (write(go[1], "", 1) != 1)
		die("the command's process is gone");
	if (delay) {
		usleep(delay * 1000);
		for (int cpu = 0; cpu < cpus; cpu++)
			ioctl(polled[cpu].fd, PERF_EVENT_IOC_ENABLE, 0);
	}
	while (!ended) {
		poll(polled, cpus + 1, -1);
		ended = polled[cpus].revents;
		for (int cpu = 0; cpu < cpus; cpu++)
			drain(&rings[cpu], ring_size, out, &counts, &nmis);
	}
	mark();
	getrusage(RUSAGE_SELF, &after);

	if (wait4(pid, &status, 0, &program) != pid)
		die("wait4: %s", strerror(errno));
	if (WIFEXITED(status) ? WEXITSTATUS(status) : !limit || WTERMSIG(status) != SIGPROF)
		die("the command ended with status %#x", status);
	if (file)
		count_file(file, &counts);
	printf("samples=%lu sample_bytes=%lu stacks=%lu stack_bytes=%lu chains=%lu chain_bytes=%lu "
	       "lost=%lu program_us=%lu reader_us=%lu", counts.samples, counts.sample_bytes,
	       counts.stacks, counts.stack_bytes, counts.chains, counts.chain_bytes, counts.lost,
	       time_of(&program), time_of(&after) - time_of(&before));
	if (nmi && cpus)
		finish_nmis(&nmis);
	putchar('\n');
	return 0;
}
