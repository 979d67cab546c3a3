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

static int help(const struct command *cmd)
{
	printf("usage: ustack %s [-i FILE] [-j N] [--vdso FILE]%s\n\n"
	       "%s.\n\n"
	       "Options:\n",
	       cmd->name, cmd->fields ? " [-F FIELD,...]" : "", cmd->what);
	help_line("-i FILE", "the recording: perf.data if not given, - for standard input");
	help_line("-j N", "use N threads; the output stays the same");
	help_line("--vdso FILE", "vDSO of the recorded kernel: the running one's if not given");
	if (cmd->fields)
		help_line("-F FIELD,...", "what to print, see below");
	help_line("-h, --help", "this page");
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

int cli_options(struct cli *cli, const struct command *cmd, int argc,
		char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "vdso", required_argument, NULL, 'v' },
		{ 0 },
	};
	const char *letters = cmd->fields ? "+:hi:j:F:" : "+:hi:j:";
	bool good = true;
	int c;

	opterr = 0; /* one line, ours */
	while (good && (c = getopt_long(argc, argv, letters, options,
					NULL)) != -1) {
		switch (c) {
		case 'h':
			return help(cmd);
		case 'v':
			good = parse_file(cmd, "--vdso", &cli->vdso);
			break;
		case 'j':
			good = parse_jobs(cli, optarg);
			break;
		case 'i':
			good = parse_file(cmd, "-i", &cli->path);
			break;
		case 'F':
			good = cmd->fields(cli, optarg);
			break;
		default:
			return wrong(cmd, argv, c == ':');
		}
	}
	if (good && optind < argc) {
		fprintf(stderr,
			"ustack: '%s' is not an option; name the recording with -i; see ustack %s --help\n",
			argv[optind], cmd->name);
		good = false;
	}
	return good ? -1 : 2;
}
