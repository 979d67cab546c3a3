// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* On a terminal, long output goes through a pager, as git's and man's does. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"

static pid_t pager;
static bool no_pager; /* it could not be started */
static void (*was_pipe)(int), (*was_int)(int); /* what the signals did without it */

/* Behind a pager that is left early, nobody wants the rest. */
static FILE *start(const char *command)
{
	int fd[2];

	if (pipe(fd))
		return NULL;
	fflush(stdout);
	pager = fork();
	if (!pager) {
		interrupt_as_before();
		dup2(fd[0], 0);
		close(fd[0]);
		close(fd[1]);
		/* Colours as they are; no pager for what fits the screen. */
		setenv("LESS", "FRX", 0);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	close(fd[0]);
	if (pager < 0) {
		close(fd[1]);
		return NULL;
	}
	was_pipe = signal(SIGPIPE, SIG_IGN);
	/* ^C is the pager's. */
	was_int = signal(SIGINT, SIG_IGN);
	return fdopen(fd[1], "w");
}

FILE *pager_open(void)
{
	const char *command = getenv("PAGER");
	FILE *f;

	if (no_pager || !isatty(STDOUT_FILENO))
		return stdout;
	if (!command)
		command = "less";
	if (!*command || !strcmp(command, "cat"))
		return stdout;
	f = start(command);
	return f ? f : stdout;
}

bool pager_close(FILE *f)
{
	int status;

	if (f == stdout)
		return true;
	fclose(f);
	while (waitpid(pager, &status, 0) < 0 && errno == EINTR)
		;
	signal(SIGPIPE, was_pipe);
	signal(SIGINT, was_int);
	no_pager = WIFEXITED(status) && WEXITSTATUS(status) == 127;
	if (no_pager)
		fputs("ustack: there is no such pager: set PAGER, or to cat for none\n",
		      stderr);
	return !no_pager;
}
