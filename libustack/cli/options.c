// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The command line of a command, and its --help page. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define JOBS_MAX 1024u

void help_line(const char *word, const char *what)
{
	printf("  %-16s %s\n", word, what);
}

static void report_options_help(void)
{
	help_line("--sort KEY,...", "add up by these, see below: symbol,dso if not given");
	help_line("--callers", "below each row a tree of what called it");
	help_line("--callees", "below each row a tree of what it called");
	help_line("--symbol NAME", "only rows of this function");
	help_line("--min PERCENT", "nothing with a smaller share: 0.5 if not given");
}

static int help(const struct command *cmd)
{
	const bool two = cmd->compares == COMPARES_TWO;
	char what[80];

	printf("usage: ustack %s%s [-j N] [OPTION...]%s [FILTER...]%s\n\n"
	       "%s.\n\n"
	       "Options:\n",
	       cmd->name, two ? "" : " [-i FILE]",
	       cmd->fields ? " [-F FIELD,...]" : "",
	       two ? " BEFORE AFTER" : "", cmd->what);
	if (!two)
		help_line("-i FILE", "the recording: perf.data if not given, - for standard input");
	if (cmd->output) {
		snprintf(what, sizeof(what),
			 "is written: %s if not given, - for stdout",
			 cmd->output);
		help_line("-o FILE", what);
	}
	if (cmd->compares == COMPARES_BY_OPTION)
		help_line("--diff FILE", "a recording before, to compare with");
	help_line("-j N", "use N threads; the output stays the same");
	help_line("--vdso FILE", "vDSO of the recorded kernel: the running one's if not given");
	help_line("--vmlinux FILE", "of the recorded kernel: looked for if not given");
	help_line("--symfs DIR", "where the files of the recording are, as if it were /");
	help_line("--debug-dir DIR", "where separate debug files are; several with colons between");
	help_line("--params", "show functions of C++ with their parameters");
	help_line("--inline", cmd->inlines ? "show functions that were inlined (as without it)" :
					     "show functions that were inlined");
	help_line("--no-inline", cmd->inlines ? "do not show functions that were inlined" :
						"do not (as without it)");
	if (cmd->fields)
		help_line("-F FIELD,...", "what to print, see below");
	if (cmd->reports)
		report_options_help();
	help_line("-h, --help", "this page");
	puts("\nFilters: only samples that pass all of them are taken.");
	help_line("--event NAME", cmd->one_event ? "of this event: of the first if not given" :
						   "of this event");
	help_line("--comm NAME", "of threads with this name");
	help_line("--pid N,...", "of these processes");
	help_line("--tid N,...", "of these threads");
	help_line("--time FROM,TO", "of these seconds on the perf clock; each may be left out");
	putchar('\n');
	cmd->help();
	return cli_flush();
}

static bool parse_jobs(struct cli *cli, const char *arg)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end || !n || n > JOBS_MAX) {
		fprintf(stderr,
			"ustack: -j: '%s' is not a number of threads from 1 to %u\n",
			arg, JOBS_MAX);
		return false;
	}
	cli->jobs = n;
	return true;
}

/* One of the options for struct filter. */
static bool parse_filter(struct filter *f, int c)
{
	bool good = true;

	switch (c) {
	case 'e':
		f->event = optarg;
		return true;
	case 'c':
		f->comm = optarg;
		return true;
	case 'p':
		good = parse_ids(&f->pids, optarg);
		break;
	case 't':
		good = parse_ids(&f->tids, optarg);
		break;
	case 'T':
		good = parse_times(f, optarg);
		if (!good)
			fprintf(stderr,
				"ustack: --time: '%s' is not FROM,TO in seconds\n",
				optarg);
		return good;
	}
	if (!good)
		fprintf(stderr,
			"ustack: --%s: '%s' is not a list of numbers with commas between\n",
			c == 'p' ? "pid" : "tid", optarg);
	return good;
}

static bool parse_file(const struct command *cmd, const char *option,
		       const char **path)
{
	if (!*optarg) {
		fprintf(stderr,
			"ustack: %s: '' is not the name of a file; see ustack %s --help\n",
			option, cmd->name);
		return false;
	}
	*path = optarg;
	return true;
}

/* One of the options of report. */
static bool parse_report(struct cli *cli, int c)
{
	switch (c) {
	case 's':
		return report_keys(cli, optarg);
	case 'm':
		return report_min(cli, optarg);
	case 'y':
		cli->report.symbol = optarg;
		return true;
	case 'r':
		cli->report.callers = true;
		return true;
	default:
		cli->report.callees = true;
		return true;
	}
}

/* The word that getopt_long() stopped at, in one line; returns 2. */
static int wrong(const struct command *cmd, char **argv, bool known)
{
	const char letter[] = { '-', optopt, 0 };
	const char *word = argv[optind - 1];

	/* In -xyz it may be any of the letters. */
	if (optopt && strncmp(word, "--", 2))
		word = letter;
	if (known)
		fprintf(stderr,
			"ustack: %s needs an argument; see ustack %s --help\n",
			word, cmd->name);
	else
		fprintf(stderr,
			"ustack: %s has no option '%s'; see ustack %s --help\n",
			cmd->name, word, cmd->name);
	return 2;
}

/* What is behind the options. */
static bool parse_rest(struct cli *cli, const struct command *cmd, int argc,
		       char **argv)
{
	if (cmd->compares == COMPARES_TWO) {
		if (optind + 2 != argc) {
			fprintf(stderr,
				"ustack: %s takes two recordings, one from before and one from after; see ustack %s --help\n",
				cmd->name, cmd->name);
			return false;
		}
		cli->before = argv[optind];
		cli->path = argv[optind + 1];
	} else if (optind < argc) {
		fprintf(stderr,
			"ustack: '%s' is not an option; name the recording with -i; see ustack %s --help\n",
			argv[optind], cmd->name);
		return false;
	}
	return true;
}

static const struct option all_have[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "vdso", required_argument, NULL, 'v' },
	{ "vmlinux", required_argument, NULL, 'V' },
	{ "symfs", required_argument, NULL, 'S' },
	{ "debug-dir", required_argument, NULL, 'D' },
	{ "params", no_argument, NULL, 'P' },
	{ "inline", no_argument, NULL, 'n' },
	{ "no-inline", no_argument, NULL, 'N' },
	{ "event", required_argument, NULL, 'e' },
	{ "comm", required_argument, NULL, 'c' },
	{ "pid", required_argument, NULL, 'p' },
	{ "tid", required_argument, NULL, 't' },
	{ "time", required_argument, NULL, 'T' },
};
static const struct option to_compare[] = {
	{ "diff", required_argument, NULL, 'd' },
};
static const struct option of_report[] = {
	{ "sort", required_argument, NULL, 's' },
	{ "callers", no_argument, NULL, 'r' },
	{ "callees", no_argument, NULL, 'l' },
	{ "symbol", required_argument, NULL, 'y' },
	{ "min", required_argument, NULL, 'm' },
};

#define NR(array) (sizeof(array) / sizeof(*(array)))
#define MOST_OPTIONS (NR(all_have) + NR(to_compare) + NR(of_report) + 1)

static void find_options(struct option *to, const struct command *cmd)
{
	memcpy(to, all_have, sizeof(all_have));
	to += NR(all_have);
	if (cmd->compares == COMPARES_BY_OPTION) {
		memcpy(to, to_compare, sizeof(to_compare));
		to += NR(to_compare);
	}
	if (cmd->reports)
		memcpy(to, of_report, sizeof(of_report));
}

int cli_options(struct cli *cli, const struct command *cmd, int argc,
		char **argv)
{
	struct option options[MOST_OPTIONS] = { 0 };
	char letters[32];
	bool good = true;
	int c;

	/* Behind the files of diff there may be options. */
	snprintf(letters, sizeof(letters), "%s:hj:%s%s%s",
		 cmd->compares == COMPARES_TWO ? "" : "+",
		 cmd->compares == COMPARES_TWO ? "" : "i:",
		 cmd->fields ? "F:" : "", cmd->output ? "o:" : "");
	find_options(options, cmd);
	opterr = 0; /* one line, ours */
	while (good && (c = getopt_long(argc, argv, letters, options,
					NULL)) != -1) {
		switch (c) {
		case 'h':
			return help(cmd);
		case 'v':
			good = parse_file(cmd, "--vdso", &cli->vdso);
			break;
		case 'V':
			good = parse_file(cmd, "--vmlinux", &cli->vmlinux);
			break;
		case 'S':
			good = parse_file(cmd, "--symfs", &cli->symfs);
			break;
		case 'D':
			good = parse_file(cmd, "--debug-dir", &cli->debug_dirs);
			break;
		case 'n':
		case 'N':
			cli->inlines = c == 'n';
			break;
		case 'P':
			cli->params = true;
			break;
		case 'j':
			good = parse_jobs(cli, optarg);
			break;
		case 'i':
			good = parse_file(cmd, "-i", &cli->path);
			break;
		case 'o':
			good = parse_file(cmd, "-o", &cli->output);
			break;
		case 'd':
			good = parse_file(cmd, "--diff", &cli->before);
			break;
		case 's':
		case 'm':
		case 'y':
		case 'r':
		case 'l':
			good = parse_report(cli, c);
			break;
		case 'F':
			good = cmd->fields(cli, optarg);
			break;
		case 'e':
		case 'c':
		case 'p':
		case 't':
		case 'T':
			good = parse_filter(&cli->filter, c);
			break;
		default:
			return wrong(cmd, argv, c == ':');
		}
	}
	if (good)
		good = parse_rest(cli, cmd, argc, argv);
	return good ? -1 : 2;
}
