// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The command that ustack record starts, and the signals around it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/record/record.h"
#include "cli/record/say.h"

/*
 * What a shell that starts us in the background ignores is taken all the same, as
 * perf does; a write that fails is told, and not the end.
 */
static const struct {
	int signal;
	void (*handler)(int);
} taken[] = {
	{ SIGINT, SIG_DFL },
	{ SIGTERM, SIG_DFL },
	{ SIGPIPE, SIG_IGN },
	{ SIGXFSZ, SIG_IGN },
};

#define NR_TAKEN (sizeof(taken) / sizeof(*taken))

/* All that ends a program which does not expect it, but for its own mistakes. */
void record_signals(sigset_t *set)
{
	static const int ends[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1,
				    SIGUSR2, SIGALRM, SIGTERM, SIGXCPU };
	size_t i;

	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	for (i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		sigaddset(set, ends[i]);
}

void record_block(struct record_child *ch)
{
	struct sigaction act = { 0 };
	struct rlimit most;
	sigset_t set;
	size_t i;

	record_signals(&set);
	sigprocmask(SIG_BLOCK, &set, &ch->mask);
	/* Each thread takes one on each CPU. */
	if (!getrlimit(RLIMIT_NOFILE, &ch->files)) {
		most = ch->files;
		most.rlim_cur = most.rlim_max;
		setrlimit(RLIMIT_NOFILE, &most);
	}
	for (i = 0; i < NR_TAKEN; i++) {
		act.sa_handler = taken[i].handler;
		sigaction(taken[i].signal, &act, &ch->was[i]);
	}
}

void record_unblock(const struct record_child *ch)
{
	sigprocmask(SIG_SETMASK, &ch->mask, NULL);
}

/* In the child, up to the exec. */
static _Noreturn void become(const struct record_child *ch, char **command,
			     int go, int failed)
{
	char byte;
	size_t i;
	int err;

	for (i = 0; i < NR_TAKEN; i++)
		sigaction(taken[i].signal, &ch->was[i], NULL);
	record_unblock(ch);
	if (ch->files.rlim_max)
		setrlimit(RLIMIT_NOFILE, &ch->files);
	/* If the recorder is gone, so is the reason to run. */
	if (read(go, &byte, 1) == 1) {
		execvp(command[0], command);
		err = errno;
		if (write(failed, &err, sizeof(err)) < 0)
			_exit(126);
	}
	_exit(127);
}

/* Where what the command prints may not be on its standard output. */
static void redirect(enum record_output output)
{
	int fd = STDERR_FILENO;

	if (output == OUTPUT_AWAY)
		fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (output == OUTPUT_AS_IS || fd < 0)
		return;
	dup2(fd, STDOUT_FILENO);
	if (output == OUTPUT_AWAY)
		dup2(fd, STDERR_FILENO);
}

int record_fork(struct record_child *ch, char **command,
		enum record_output output)
{
	int go[2], failed[2];

	fflush(NULL);
	if (pipe2(go, O_CLOEXEC) || pipe2(failed, O_CLOEXEC) ||
	    (ch->pid = fork()) < 0) {
		ch->pid = 0;
		return record_error("cannot start %s: %s%s", command[0],
				    strerror(errno),
				    errno == EMFILE ? "; raise the limit, ulimit -n" : "");
	}
	if (!ch->pid) {
		close(go[1]);
		redirect(output);
		become(ch, command, go[0], failed[1]);
	}
	close(go[0]);
	close(failed[1]);
	ch->go = go[1];
	ch->failed = failed[0];
	return 0;
}

int record_start(struct record_child *ch, const char *name)
{
	ssize_t n;
	int err;

	n = write(ch->go, "", 1);
	close(ch->go);
	if (n == 1)
		n = read(ch->failed, &err, sizeof(err));
	close(ch->failed);
	if (n != sizeof(err))
		return 0;
	return record_error("cannot run %s: %s", name, strerror(err));
}

bool record_child_ended(struct record_child *ch)
{
	if (ch->pid && !ch->ended)
		ch->ended = waitpid(ch->pid, &ch->status, WNOHANG) == ch->pid;
	return ch->ended;
}

int record_child_status(struct record_child *ch)
{
	if (!record_child_ended(ch)) {
		kill(ch->pid, SIGTERM);
		while (waitpid(ch->pid, &ch->status, 0) < 0 && errno == EINTR)
			;
		ch->ended = true;
	}
	return WIFSIGNALED(ch->status) ? -WTERMSIG(ch->status) :
					 WEXITSTATUS(ch->status);
}
