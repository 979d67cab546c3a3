// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* ustack: chains, folded stacks and accounts of a perf.data file. */
#include <errno.h>
#include <getopt.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define JOBS_MAX 1024u
#define CONTEXT_USER_DEFERRED ((uint64_t)-640) /* Linux 7.3 */

static const char help[] =
	"usage: ustack script [-i FILE] [OPTION...] [-F FIELD,...]\n"
	"       ustack fold [-i FILE] [OPTION...]\n"
	"       ustack stat [-i FILE] [OPTION...]\n"
	"       ustack --help | --version\n"
	"\n"
	"Reads FILE (perf.data by default, - for standard input), pairs the samples\n"
	"with their deferred stacks and unwinds them.\n"
	"  --vdso FILE     an image of the vDSO of the kernel that was recorded; else\n"
	"                  that of the running one is taken\n"
	"  -j N            N threads; the output is the same\n"
	"  --unwinder=WHO  native (the default), or libdw or libunwind to compare\n"
	"\n"
	"script  every sample and its chain, the form of perf script\n"
	"fold    folded stacks for flame graphs: comm;outer;...;leaf count\n"
	"stat    accounts, one 'key value' a line\n"
	"\n"
	"Fields of a sample's line, in this order: comm pid tid cpu time period event\n"
	"cookie pair lost changed uip end.  Fields of a frame's line: ip sym symoff\n"
	"dso dsoff.\n"
	"  cookie  cookie=0xN, if the sample has one\n"
	"  pair    pair=legacy (stack in the sample), paired (deferred stack found),\n"
	"          lost (deferred stack never came) or none (no stack was asked for)\n"
	"  lost    lost=WHY, if it is: ring (a ring was full), part (of it is missing),\n"
	"          end (of the recording, before the task was seen again), exit (of the\n"
	"          task), missed (the event was off, or not on the task's CPU), cookie\n"
	"          (it has none), memory (too many samples waited)\n"
	"  changed the word, if user ip or sp changed between sample and stack\n"
	"  uip     uip=0xN, the sample's own ip, if it was taken in user mode\n"
	"  end     end=REASON why the unwinding stopped, finished if the chain is\n"
	"          complete; end=- without a stack\n"
	"  dsoff   the dso and the address in its file\n";

int cli_error(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "ustack: %s: ", cli->path);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return 1;
}

void cli_no_memory(const struct cli *cli)
{
	cli_error(cli, "out of memory");
	_exit(1);
}

/* Whether there is such a backend. */
static bool parse_backend(const char *name, enum ustack_backend *backend)
{
	static const char *const names[] = {
		[USTACK_NATIVE] = "native",
		[USTACK_LIBDW] = "libdw",
		[USTACK_LIBUNWIND] = "libunwind",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(name, names[i]))
			continue;
		*backend = i;
		return true;
	}
	fprintf(stderr,
		"ustack: --unwinder: no unwinder '%s': there are native, libdw and libunwind\n",
		name);
	return false;
}

static bool parse_jobs(const char *arg, unsigned int *jobs)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end || !n || n > JOBS_MAX) {
		fprintf(stderr,
			"ustack: -j: '%s' is not a number of threads from 1 to %u\n",
			arg, JOBS_MAX);
		return false;
	}
	*jobs = n;
	return true;
}

int cli_options(struct cli *cli, int argc, char **argv, const char **path,
		const char **fields)
{
	static const struct option options[] = {
		{ "vdso", required_argument, NULL, 'v' },
		{ "unwinder", required_argument, NULL, 'u' },
		{ 0 },
	};
	const char *letters = fields ? "+i:j:F:" : "+i:j:";
	int c;

	*path = "perf.data";
	cli->jobs = 1;
	while ((c = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		switch (c) {
		case 'v':
			cli->vdso = optarg;
			break;
		case 'u':
			if (!parse_backend(optarg, &cli->backend))
				return 2;
			break;
		case 'j':
			if (!parse_jobs(optarg, &cli->jobs))
				return 2;
			break;
		case 'i':
			*path = optarg;
			break;
		case 'F':
			*fields = optarg;
			break;
		default:
			fputs("ustack: see ustack --help\n", stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr,
			"ustack: '%s' is not an option; name the file with -i; see ustack --help\n",
			argv[optind]);
		return 2;
	}
	return -1;
}

/* A file that is cut while it is read costs its frames, not the rest. */
static struct ustack_images *sigbus_images;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (!ustack_images_fault(sigbus_images, info->si_addr))
		signal(sig, SIG_DFL);
}

int cli_open(struct cli *cli, const char *path)
{
	struct sigaction act = {
		.sa_sigaction = on_sigbus,
		.sa_flags = SA_SIGINFO,
	};
	struct ustack_images_opts opts = {
		.sz = sizeof(opts),
		.vdso = cli->vdso,
	};
	struct ustack_unwinder_opts unwinder = {
		.sz = sizeof(unwinder),
		.backend = cli->backend,
	};
	struct ustack_unwinder *u;
	int ret;

	cli->path = strcmp(path, "-") ? path : "standard input";
	if (cli->vdso && access(cli->vdso, R_OK)) {
		fprintf(stderr, "ustack: --vdso %s: %s\n", cli->vdso,
			strerror(errno));
		return 1;
	}
	ret = ustack_images_new(&cli->images, &opts);
	if (!ret)
		ret = ustack_reader_new(&cli->reader, cli->images);
	/* Only to see whether there is one. */
	if (!ret)
		ret = ustack_unwinder_new(&u, cli->images, &unwinder);
	if (ret == -ENOTSUP) {
		fputs("ustack: --unwinder: this ustack was built without it; install libunwind-dev and build it again\n",
		      stderr);
		return 1;
	}
	if (ret)
		return cli_error(cli, "%s", strerror(-ret));
	ustack_unwinder_free(u);
	sigbus_images = cli->images;
	sigaction(SIGBUS, &act, NULL);
	if (ustack_reader_open(cli->reader, path))
		return cli_error(cli, "%s", ustack_reader_error(cli->reader));
	return 0;
}

int cli_next(struct cli *cli, const struct ustack_sample **sample)
{
	int ret;

	/* Nobody waits for output that cannot be written. */
	if (ferror(stdout))
		return -1;
	ret = ustack_reader_next(cli->reader, sample);
	if (ret < 0) {
		cli_error(cli, "%s", ustack_reader_error(cli->reader));
		return -1;
	}
	return ret;
}

static void say_lost(const struct cli *cli)
{
	char why[256] = "", late[80] = "";
	struct ustack_stats st;
	int lost, n = 0;

	ustack_reader_stats(cli->reader, &st);
	if (!st.lost && !st.lost_records && !st.late_records)
		return;
	for (lost = USTACK_LOST_NOT + 1; lost < USTACK_LOST_NR; lost++)
		if (st.lost_by[lost])
			n += snprintf(why + n, sizeof(why) - n, "%s%s %llu",
				      n ? ", " : " (", ustack_lost_name(lost),
				      (unsigned long long)st.lost_by[lost]);
	if (st.late_records)
		snprintf(late, sizeof(late),
			 "; %llu records came too late for their place",
			 (unsigned long long)st.late_records);
	cli_error(
		cli,
		"%llu of %llu samples lost their stack%s%s; %llu records were lost when recording%s",
		(unsigned long long)st.lost, (unsigned long long)st.samples,
		why, n ? ")" : "", (unsigned long long)st.lost_records, late);
}

/* One line each, but not a screenful. */
#define UNUSABLE_LINES 10

static void print_unusable(void *arg, const char *path, int err)
{
	struct cli *cli = arg;

	if (cli->unusable++ >= UNUSABLE_LINES)
		return;
	cli_error(cli, "no frames and names from %s: %s", path,
		  err == -ESTALE ?
			  "it is another file now, its build-id differs from the recorded one" :
			  strerror(-err));
}

int cli_close(struct cli *cli, int status)
{
	if (cli->reader)
		say_lost(cli);
	if (cli->images)
		ustack_images_unusable(cli->images, print_unusable, cli);
	if (cli->unusable > UNUSABLE_LINES)
		cli_error(cli, "and from %zu more files",
			  cli->unusable - UNUSABLE_LINES);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "ustack: cannot write the output: %s\n",
			strerror(errno));
		status = 1;
	}
	ustack_reader_free(cli->reader);
	ustack_images_free(cli->images);
	return status;
}

const char *pair_name(enum ustack_pair pair)
{
	switch (pair) {
	case USTACK_PAIR_LEGACY:
		return "legacy";
	case USTACK_PAIR_PAIRED:
		return "paired";
	case USTACK_PAIR_LOST:
		return "lost";
	case USTACK_PAIR_NONE:
		break;
	}
	return "none";
}

const char *end_word(enum ustack_end end, char word[END_WORD])
{
	char *p;

	snprintf(word, END_WORD, "%s", ustack_end_name(end));
	for (p = word; (p = strchr(p, ' ')); p++)
		*p = '_';
	return word;
}

/* --- chains --------------------------------------------------------------- */

bool sample_is_user(const struct ustack_sample *s)
{
	return (s->misc & PERF_RECORD_MISC_CPUMODE_MASK) ==
	       PERF_RECORD_MISC_USER;
}

static void add(struct chain *c, uint64_t ip, bool kernel, bool is_return)
{
	if (c->nr < CHAIN_MAX)
		c->line[c->nr++] =
			(struct line){ ip, is_return && !kernel ? ip - 1 : ip,
				       kernel };
}

/* Returns whether the callchain has user frames. */
static bool sampled_chain(struct chain *c, const struct ustack_sample *s,
			  bool want_user)
{
	bool kernel = !sample_is_user(s), user = false;
	size_t i;

	for (i = 0; i < s->nr_chain; i++) {
		uint64_t ip = s->chain[i];

		if (ip == CONTEXT_USER_DEFERRED)
			break; /* the cookie follows */
		if (ip >= (uint64_t)PERF_CONTEXT_MAX) {
			kernel = ip != (uint64_t)PERF_CONTEXT_USER;
			continue;
		}
		if (!kernel && !want_user)
			continue;
		add(c, ip, kernel, user);
		user |= !kernel;
	}
	return user;
}

char *out_room(struct worker *w, size_t n)
{
	struct out *o = &w->out;

	if (o->cap - o->size < n) {
		o->cap = o->cap * 2 + n + 4096;
		o->buf = realloc(o->buf, o->cap);
		if (!o->buf)
			cli_no_memory(w->cli);
	}
	return o->buf + o->size;
}

void worker_chain(struct worker *w, const struct ustack_sample *s)
{
	struct chain *c = &w->chain;
	bool user;
	int i, n;

	c->nr = 0;
	c->unwound = s->regs.abi != USTACK_ABI_NONE;
	user = sampled_chain(c, s, !c->unwound);
	if (!c->unwound) {
		/* The sample itself still tells the innermost address. */
		if (!user && (sample_is_user(s) || !c->nr))
			add(c, s->ip, !sample_is_user(s), false);
		return;
	}
	n = ustack_unwind(w->unwinder, s->space, &s->regs, s->ranges,
			  s->nr_ranges, w->frames, FRAMES_MAX, &c->end);
	for (i = 0; i < n; i++)
		add(c, w->frames[i].ip, false,
		    w->frames[i].flags & USTACK_FRAME_RETURN);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(struct cli *cli, int argc, char **argv);
	} cmds[] = {
		{ "script", cmd_script },
		{ "fold", cmd_fold },
		{ "stat", cmd_stat },
	};
	struct cli *cli;
	size_t i;
	int ret;

	if (argc >= 2 && !strcmp(argv[1], "--help")) {
		fputs(help, stdout);
		return fflush(stdout) ? 1 : 0;
	}
	if (argc >= 2 && !strcmp(argv[1], "--version")) {
		puts("ustack " USTACK_VERSION);
		return fflush(stdout) ? 1 : 0;
	}
	if (argc < 2) {
		fputs(help, stderr);
		return 2;
	}
	for (i = 0; i < sizeof(cmds) / sizeof(*cmds); i++) {
		if (strcmp(argv[1], cmds[i].name))
			continue;
		cli = calloc(1, sizeof(*cli));
		if (!cli) {
			fputs("ustack: out of memory\n", stderr);
			return 1;
		}
		ret = cmds[i].run(cli, argc - 1, argv + 1);
		free(cli);
		return ret;
	}
	fprintf(stderr, "ustack: no command '%s'; see ustack --help\n",
		argv[1]);
	return 2;
}
