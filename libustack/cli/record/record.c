// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* ustack record and top: their command lines. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cli/record/record.h"
#include "cli/record/depth.h"
#include "cli/record/proc.h"
#include "cli/record/say.h"
#include "util/proc.h"

#define FREQ 999
#define FREQ_MAX 1000000000ul
#define STACK_MAX (8ul << 20)

/* What getopt gives for options without a letter. */
enum { OPT_STACK = 256, OPT_JSON, OPT_PLAIN, OPT_RAW, OPT_OFF_CPU };

/* What is recorded, and with which rings: of both commands. */
#define RECORD_OPTIONS					\
	{ "event", required_argument, NULL, 'e' },	\
	{ "freq", required_argument, NULL, 'F' },	\
	{ "count", required_argument, NULL, 'c' },	\
	{ "pid", required_argument, NULL, 'p' },	\
	{ "tid", required_argument, NULL, 't' },	\
	{ "all-cpus", no_argument, NULL, 'a' },		\
	{ "cgroup", required_argument, NULL, 'G' },	\
	{ "mmap-size", required_argument, NULL, 'm' },	\
	{ "stack", required_argument, NULL, OPT_STACK }

static const struct option long_options[] = {
	RECORD_OPTIONS,
	{ "output", required_argument, NULL, 'o' },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "plain", no_argument, NULL, OPT_PLAIN },
	{ "off-cpu", no_argument, NULL, OPT_OFF_CPU },
	{ "raw", optional_argument, NULL, OPT_RAW },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static const struct option top_options[] = {
	RECORD_OPTIONS,
	{ "delay", required_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* What the options say, before it is known what they mean together. */
struct cmdline {
	struct record_options o;
	struct capture c;
	struct record_events events;
	struct record_rate rate;
	const char *freq, *count; /* as given */
	bool stack_auto;
	struct top top;
	char **event; /* of each -e */
	size_t nr_event;
};

static void target_help(void)
{
	help_line("-e EVENT,...", "as perf names them: cycles, cpu-clock, rNNN, PMU/TERM,.../,");
	help_line("", "SYSTEM:TRACEPOINT, with :u or :k for user mode or the kernel");
	help_line("", "only; cycles if not given, or cpu-clock where there is no PMU");
	help_line("-F HZ", "samples a second: 999 if not given; max is what sysctl allows");
	help_line("-c N", "a sample every N events instead");
	help_line("-p PID,...", "processes that run, and what they start");
	help_line("-t TID,...", "threads that run, and nothing else");
	help_line("-a", "all that runs, on all CPUs");
	help_line("-G CGROUP", "what runs in a cgroup: its path, or below /sys/fs/cgroup");
}

static int help_top(void)
{
	puts("usage: ustack top [OPTION...] [-p PID | -t TID | -a | -G CGROUP]\n"
	     "       ustack top [OPTION...] [-p PID | -t TID | -a | -G CGROUP] COMMAND...\n"
	     "\n"
	     "Shows the functions that take the most time, of all that runs if nothing is\n"
	     "named, anew every second: how much each took itself, and with what it called.\n"
	     "Older samples count less with each table.  What COMMAND prints is not shown.\n"
	     "\n"
	     "Options:");
	target_help();
	help_line("--stack SIZE", "bytes of user stack: as many as are cheap if not given");
	help_line("-m SIZE", "of the ring of each CPU: by rate and --stack if not given");
	help_line("-d SECONDS", "from one table to the next: 1 if not given");
	help_line("-n N", "so many tables, then it ends");
	help_line("-h, --help", "this page");
	puts("\n"
	     "On a terminal q ends it, s sorts by what functions took themselves, t by the\n"
	     "total.  Elsewhere the tables follow each other, with an empty line between.\n"
	     "\n"
	     "Examples:\n"
	     "  ustack top\n"
	     "  ustack top -p $(pidof server)\n"
	     "  ustack top -d 10 -n 1 -a >table");
	return cli_flush();
}

static int help(void)
{
	puts("usage: ustack record [OPTION...] [--] COMMAND [ARG...]\n"
	     "       ustack record [OPTION...] -p PID | -t TID | -a | -G CGROUP [COMMAND...]\n"
	     "\n"
	     "Samples a command; or what runs already, until it ends, or COMMAND does, or ^C.\n"
	     "Unwinds the stacks meanwhile and writes a perf.data of ordinary callchains, for\n"
	     "perf report, ustack fold and others.\n"
	     "\n"
	     "Options:");
	target_help();
	help_line("--off-cpu", "where threads wait, and how long; -e: where they run, too,");
	help_line("", "which -F and -c are for: alone it takes neither");
	help_line("--stack SIZE", "bytes of user stack: as many as are cheap if not given;");
	help_line("", "auto is a little more than the program had the last time");
	help_line("-m SIZE", "of the ring of each CPU: by rate and --stack if not given");
	help_line("-o FILE", "perf.data if not given, - for standard output");
	help_line("--raw[=cut]", "keep stacks: all, or those of chains that end too early");
	help_line("--plain", "do not compress: for readers that know no zstd");
	help_line("--json", "the accounts as JSON on standard output, for scripts");
	help_line("-h, --help", "this page");
	puts("\n"
	     "Sizes are bytes, or with K or M behind.  At the end one line tells how many\n"
	     "samples there are, what was lost, how many chains are complete, and what\n"
	     "can be done about the others.  The exit status is that of COMMAND, or as\n"
	     "perf's 255 after an error and 129 if the command line is wrong.\n"
	     "\n"
	     "Examples:\n"
	     "  ustack record ./program && perf report\n"
	     "  ustack record -F 4999 -o server.data -p $(pidof server) sleep 10\n"
	     "  ustack record -o - make -j4 | ustack fold -i - >folded");
	return cli_flush();
}

/* For the lines that name a page. */
static const char *page = "record";

static bool misuse(const char *option, const char *arg, const char *what)
{
	record_error("%s: '%s' is not %s; see ustack %s --help", option, arg,
		     what, page);
	return false;
}

/* A number with K or M behind if units, 1 to max. */
static bool number(const char *s, bool units, unsigned long max,
		   unsigned long *to)
{
	char *end;
	unsigned int shift = 0;

	errno = 0;
	*to = strtoul(s, &end, 10);
	if (!isdigit((unsigned char)*s) || errno)
		return false;
	if (units && *end && strchr("kKmM", *end))
		shift = tolower((unsigned char)*end++) == 'k' ? 10 : 20;
	if (*end || *to > max >> shift)
		return false;
	*to <<= shift;
	return *to > 0;
}

/* PID,PID,... */
static bool numbers(const char *option, const char *arg, int **list,
		    size_t *nr)
{
	const char *s = arg;
	char *end;
	int *more;

	do {
		errno = 0;
		unsigned long n = strtoul(s, &end, 10);

		if (!isdigit((unsigned char)*s) || errno || !n ||
		    n > 1u << 22 || (*end && *end != ','))
			return misuse(option, arg, "a list of numbers of processes or threads");
		more = realloc(*list, (*nr + 1) * sizeof(*more));
		if (!more)
			return false;
		*list = more;
		more[(*nr)++] = n;
		s = end + 1;
	} while (*end);
	return true;
}

static bool parse_rate(struct cmdline *l)
{
	unsigned long n = FREQ, max;
	FILE *f;

	if (l->freq && l->count) {
		record_error("-F and -c exclude each other; see ustack %s --help",
			     page);
		return false;
	}
	l->rate.given = l->freq || l->count;
	if (l->rate.given && l->o.off_cpu && !l->nr_event)
		return !record_error("--off-cpu takes every wait, whatever %s: name another event with -e; see ustack record --help",
				     l->freq ? "-F" : "-c");
	if (l->count) {
		if (!number(l->count, true, LONG_MAX, &n))
			return misuse("-c", l->count, "a number of events from 1 on");
		l->rate.period = n;
		return true;
	}
	if (l->freq && !strcmp(l->freq, "max")) {
		f = fopen("/proc/sys/kernel/perf_event_max_sample_rate", "re");
		if (f && fscanf(f, "%lu", &max) == 1)
			n = max;
		if (f)
			fclose(f);
	} else if (l->freq && !number(l->freq, false, FREQ_MAX, &n)) {
		return misuse("-F", l->freq, "a number of samples a second, or max");
	}
	l->rate.freq = n;
	return true;
}

static bool add_event_option(struct cmdline *l, char *arg)
{
	char **more = realloc(l->event, (l->nr_event + 1) * sizeof(*more));

	if (!more)
		return false;
	l->event = more;
	more[l->nr_event++] = arg;
	return true;
}

static bool parse_size(const char *option, const char *arg, unsigned long max,
		       unsigned long *to)
{
	char what[64];

	if (number(arg, true, max, to))
		return true;
	snprintf(what, sizeof(what), "a size from 1 to %luM", max >> 20);
	return misuse(option, arg, what);
}

static bool parse_seconds(const char *arg, uint64_t *ns)
{
	char *end;
	double s = strtod(arg, &end);

	if (!isdigit((unsigned char)*arg) || *end || s < 0.1 || s > 1e6)
		return misuse("-d", arg, "a number of seconds from 0.1 on");
	*ns = s * 1e9;
	return true;
}

static bool parse_option(struct cmdline *l, int c)
{
	unsigned long n;

	switch (c) {
	case 'e':
		return add_event_option(l, optarg);
	case 'F':
		l->freq = optarg;
		return true;
	case 'c':
		l->count = optarg;
		return true;
	case 'p':
		return numbers("-p", optarg, &l->o.pid, &l->o.nr_pids);
	case 't':
		return numbers("-t", optarg, &l->o.tid, &l->o.nr_tids);
	case 'a':
		l->o.all = true;
		return true;
	case 'G':
		l->o.cgroup = optarg;
		l->o.all = true;
		return true;
	case 'o':
		l->o.path = optarg;
		return *optarg || misuse("-o", optarg, "the name of a file");
	case 'm':
		if (!parse_size("-m", optarg, RING_MAX, &n))
			return false;
		l->c.ring_size = 4096;
		while (l->c.ring_size < n)
			l->c.ring_size *= 2;
		return true;
	case 'd':
		return parse_seconds(optarg, &l->top.interval);
	case 'n':
		return number(optarg, false, UINT_MAX, &l->top.left) ||
		       misuse("-n", optarg, "a number of tables from 1 on");
	case OPT_STACK:
		l->stack_auto = !strcmp(optarg, "auto");
		l->c.stack = 0;
		if (l->stack_auto)
			return true;
		if (!parse_size("--stack", optarg, STACK_MAX, &n))
			return false;
		l->c.stack = (n + 7) / 8 * 8;
		return true;
	case OPT_JSON:
		l->o.json = true;
		return true;
	case OPT_OFF_CPU:
		l->o.off_cpu = l->c.switches = true;
		return true;
	case OPT_RAW:
		l->o.raw = optarg ? RAW_CUT : RAW_ALL;
		l->c.data_maps = true;
		return !optarg || !strcmp(optarg, "cut") ||
		       misuse("--raw", optarg, "cut");
	case OPT_PLAIN:
		l->o.plain = true;
		return true;
	}
	return false;
}

/* The word that getopt_long() stopped at. */
static bool wrong(char **argv, bool known)
{
	const char letter[] = { '-', optopt < 256 ? optopt : 0, 0 };
	const char *word = argv[optind - 1];

	if (optopt && optopt < 256 && strncmp(word, "--", 2))
		word = letter;
	if (known)
		record_error("%s needs an argument; see ustack %s --help", word,
			     page);
	else
		record_error("%s has no option '%s'; see ustack %s --help", page,
			     word, page);
	return false;
}

/* Just one of -p, -t and -a, until a command ends if there is one; or a command. */
static bool check_target(const struct cmdline *l)
{
	const struct {
		bool given;
		const char *name;
	} by[] = {
		{ l->o.nr_pids, "-p" },
		{ l->o.nr_tids, "-t" },
		{ l->o.all, l->o.cgroup ? "-G" : "-a" },
	};
	const char *before = NULL;
	size_t i;

	for (i = 0; i < sizeof(by) / sizeof(*by); i++) {
		if (!by[i].given)
			continue;
		if (before)
			return !record_error("%s and %s exclude each other; see ustack %s --help",
					     before, by[i].name, page);
		before = by[i].name;
	}
	if (l->o.off_cpu && l->o.raw)
		return !record_error("--off-cpu and --raw exclude each other; see ustack record --help");
	return before || l->o.command ||
	       !record_error("nothing to record: name a command, or -p, -t, -a or -G; see ustack record --help");
}

static bool add_events(struct cmdline *l)
{
	size_t i;
	bool good = true;

	if (!l->nr_event && !l->o.off_cpu)
		return record_events_add(&l->events, "cycles", &l->rate);
	for (i = 0; i < l->nr_event && good; i++)
		good = record_events_add(&l->events, l->event[i], &l->rate);
	for (i = 0; i < l->events.nr; i++)
		l->events.ev[i].given = true;
	if (good && l->o.off_cpu)
		good = record_events_add_off_cpu(&l->events);
	return good;
}

/* The threads of the processes that were named. */
static bool find_threads(struct cmdline *l)
{
	struct capture *c = &l->c;
	char path[64];
	size_t i;
	long nr;
	int *tid, *more;

	for (i = 0; i < l->o.nr_pids; i++) {
		snprintf(path, sizeof(path), "/proc/%d/task", l->o.pid[i]);
		nr = record_numbers(path, &tid);
		if (nr <= 0) {
			record_error("there is no process %d", l->o.pid[i]);
			return false;
		}
		more = realloc(c->tid, (c->nr_tids + nr) * sizeof(*more));
		if (more) {
			c->tid = more;
			memcpy(more + c->nr_tids, tid, nr * sizeof(*tid));
			c->nr_tids += nr;
		}
		free(tid);
		if (!more)
			return false;
	}
	return true;
}

/* The directory of a cgroup; -1 after an error line. */
static int open_cgroup(const char *name)
{
	static const char *const at[] = { "/sys/fs/cgroup/perf_event/",
					  "/sys/fs/cgroup/",
					  "/sys/fs/cgroup/unified/" };
	char path[PATH_MAX];
	size_t i;
	int fd = -1;

	if (*name == '/')
		fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (i = 0; fd < 0 && i < sizeof(at) / sizeof(*at); i++) {
		snprintf(path, sizeof(path), "%s%s", at[i],
			 name + (*name == '/'));
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		record_error("-G: there is no cgroup %s", name);
	return fd;
}

static bool find_target(struct cmdline *l)
{
	struct capture *c = &l->c;

	c->events = &l->events;
	if (l->o.nr_pids) {
		c->inherit = true;
		return find_threads(l);
	}
	c->nr_tids = l->o.nr_tids ? l->o.nr_tids : 1;
	c->tid = malloc(c->nr_tids * sizeof(*c->tid));
	if (!c->tid)
		return false;
	c->tid[0] = -1; /* of a command: to be known */
	if (l->o.cgroup) {
		c->cgroup = true;
		c->tid[0] = open_cgroup(l->o.cgroup);
		return c->tid[0] >= 0;
	}
	if (l->o.nr_tids)
		memcpy(c->tid, l->o.tid, c->nr_tids * sizeof(*c->tid));
	else if (!l->o.all)
		c->inherit = c->on_exec = true;
	return true;
}

/*
 * The kernel tells the numbers that processes have in our PID namespace.  If /proc is
 * that of another one, they are other processes there: what runs already cannot be
 * found, and of a command only what the kernel tells is used.
 */
static bool check_proc(struct cmdline *l)
{
	char number[32] = "";
	const bool running = !l->o.command || l->o.nr_pids || l->o.nr_tids ||
			     l->o.all || l->o.off_cpu;

	if (readlink("/proc/self", number, sizeof(number) - 1) < 0 ||
	    atoi(number) == getpid())
		return true;
	l->o.foreign_proc = true;
	if (running)
		return !record_error("/proc is that of another PID namespace, where this process is %s and not %d: mount this one's, as root: mount -t proc proc /proc",
				     number, (int)getpid());
	fprintf(stderr,
		"ustack: /proc is that of another PID namespace: programs are found by their paths only\n");
	return true;
}

/* The file of a program, as execvp() finds it. */
static char *find_program(const char *name)
{
	char path[PATH_MAX];
	const char *dir = getenv("PATH"), *end;

	if (strchr(name, '/') || !dir)
		return realpath(name, NULL);
	for (;; dir = end + 1) {
		end = dir + strcspn(dir, ":");
		snprintf(path, sizeof(path), "%.*s/%s", (int)(end - dir), dir,
			 name);
		if (!access(path, X_OK))
			return realpath(path, NULL);
		if (!*end)
			return NULL;
	}
}

/* What --stack auto knows of the program; all that runs is one, too. */
static void find_stack(struct cmdline *l)
{
	char path[64];

	if (!l->stack_auto)
		return;
	if (l->o.nr_pids) {
		snprintf(path, sizeof(path), "/proc/%u/exe",
			 proc_with_memory(l->o.pid[0]));
		l->o.program = realpath(path, NULL);
	} else if (l->c.on_exec) {
		l->o.program = find_program(l->o.command[0]);
	} else {
		l->o.program = strdup("-");
	}
	if (l->o.program)
		l->c.stack = depth_load(l->o.program);
}

/* -1, or an exit status. */
static int parse(struct cmdline *l, int argc, char **argv)
{
	const bool top = l->o.top;
	bool good = true;
	int c;

	opterr = 0; /* one line, ours */
	while (good && (c = getopt_long(argc, argv,
					top ? "+:e:F:c:p:t:aG:m:d:n:h" :
					      "+:e:F:c:p:t:aG:o:m:h",
					top ? top_options : long_options,
					NULL)) != -1) {
		if (c == 'h')
			return top ? help_top() : help();
		good = c == '?' || c == ':' ? wrong(argv, c == ':') :
					      parse_option(l, c);
	}
	if (good && optind < argc)
		l->o.command = argv + optind;
	if (top && !l->o.command && !l->o.nr_pids && !l->o.nr_tids)
		l->o.all = true;
	good = good && check_target(l) && parse_rate(l) && add_events(l);
	return good ? -1 : RECORD_MISUSED;
}

static void line_free(struct cmdline *l)
{
	record_events_free(&l->events);
	free(l->c.tid);
	free(l->o.pid);
	free(l->o.tid);
	free(l->event);
	free(l->o.program);
}

/* What ended the command ends us, so that a shell sees it. */
static void die(int signo)
{
	signal(signo, SIG_DFL);
	/* A core of ours could take the place of the command's. */
	prctl(PR_SET_DUMPABLE, 0);
	raise(signo);
}

static int run(struct cmdline *l, int argc, char **argv)
{
	struct sigaction pipe;
	int status;

	sigaction(SIGPIPE, NULL, &pipe);
	l->o.path = "perf.data";
	l->o.argv = argv - 1;
	l->o.argc = argc + 1;
	status = parse(l, argc, argv);
	if (status < 0)
		status = check_proc(l) && find_target(l) ? -1 : RECORD_FAILED;
	if (status < 0) {
		find_stack(l);
		status = record_run(&l->o, &l->c);
	}
	line_free(l);
	if (l->o.json)
		record_error_json(record_json(&l->o), "{", "}\n");
	/* As a program that does not record ends, of the signal that we ignored. */
	if (l->o.top && cli_pipe_left() && pipe.sa_handler != SIG_IGN)
		die(SIGPIPE);
	if (cli_flush() && !status)
		status = RECORD_FAILED;
	if (status < 0) {
		die(-status);
		return 128 - status;
	}
	return status;
}

static int record_main(int argc, char **argv)
{
	struct cmdline l = { 0 };

	return run(&l, argc, argv);
}

static int top_main(int argc, char **argv)
{
	struct cmdline l = { .top.interval = 1000000000 };

	page = "top";
	l.o.top = &l.top;
	return run(&l, argc, argv);
}

const struct command cmd_record = {
	.name = "record",
	.what = "A perf.data of what runs, unwound while it is recorded",
	.main = record_main,
};

const struct command cmd_top = {
	.name = "top",
	.what = "The functions that take the most time, as it goes on",
	.main = top_main,
};
