// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* ustack: records, and chains, folded stacks and accounts of a perf.data file. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static const struct command *const cmds[] = {
	&cmd_record,
	&cmd_top,
	&cmd_report,
	&cmd_script,
	&cmd_fold,
	&cmd_flamegraph,
	&cmd_pprof,
	&cmd_gecko,
	&cmd_diff,
	&cmd_stat,
};

#define NR_CMDS (sizeof(cmds) / sizeof(*cmds))

static int help(void)
{
	size_t i;

	puts("usage: ustack COMMAND [OPTION...]\n"
	     "       ustack --help | --version\n"
	     "\n"
	     "Records, or reads a recording of perf: pairs samples with their user stacks,\n"
	     "unwinds and names them.\n"
	     "\n"
	     "Commands:");
	for (i = 0; i < NR_CMDS; i++)
		help_line(cmds[i]->name, cmds[i]->what);
	puts("\n"
	     "ustack COMMAND --help lists the options and explains the output of a command.\n"
	     "See also the manual, ustack(1).");
	return cli_flush();
}

/* The write that made a file larger than it may be fails, and says so. */
static void on_too_large(int sig)
{
	(void)sig;
}

static int run(const struct command *cmd, int argc, char **argv)
{
	struct cli cli = {
		.path = "perf.data",
		.output = cmd->output,
		.jobs = 1,
		.inlines = cmd->inlines,
		.filter = { .to = UINT64_MAX, .one_event = cmd->one_event },
	};
	int ret;

	if (cmd->main)
		return cmd->main(argc, argv);
	ret = cli_options(&cli, cmd, argc, argv);
	if (ret >= 0)
		return ret;
	signal(SIGXFSZ, on_too_large);
	ret = cli_open(&cli);
	progress_begin(cmd);
	if (!ret)
		ret = cmd->run(&cli) ? 1 : 0;
	ret = cli_close(&cli, ret);
	free(cli.filter.pids.id);
	free(cli.filter.tids.id);
	return ret;
}

/* What --help and --version have to be. */
static bool alone(int argc, char **argv)
{
	if (argc > 2)
		fprintf(stderr,
			"ustack: %s takes no argument, '%s'; see ustack --help\n",
			argv[1], argv[2]);
	return argc == 2;
}

/*
 * Where one of these is closed the next file would take its place, and be written to
 * as standard output.  What is there instead fails as a closed one does.
 */
static void keep_places(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : NULL;
	size_t i;

	keep_places();
	if (!word) {
		fputs("ustack: no command; see ustack --help for those there are\n",
		      stderr);
		return 2;
	}
	if (!strcmp(word, "--help") || !strcmp(word, "-h"))
		return alone(argc, argv) ? help() : 2;
	if (!strcmp(word, "--version")) {
		if (!alone(argc, argv))
			return 2;
		puts("ustack " USTACK_VERSION);
		return cli_flush();
	}
	for (i = 0; i < NR_CMDS; i++)
		if (!strcmp(word, cmds[i]->name))
			return run(cmds[i], argc - 1, argv + 1);
	fprintf(stderr,
		"ustack: no %s '%s'; see ustack --help for those there are\n",
		*word == '-' ? "option" : "command", word);
	return 2;
}
