/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * ustack record and top: options (record.c), the command that is recorded
 * (child.c), and the loop from rings to file (run.c).
 */
#ifndef USTACK_CLI_RECORD_H
#define USTACK_CLI_RECORD_H

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "cli/record/capture.h"
#include "cli/record/file.h"
#include "cli/top.h"

#define RING_MAX (1ul << 30) /* what -m takes */

struct record_options {
	const char *path; /* of the file; "-" is standard output */
	bool all; /* CPUs, be it of one cgroup only */
	const char *cgroup; /* as given */
	int *pid, *tid; /* of -p and -t */
	size_t nr_pids, nr_tids;
	bool json;
	char *program; /* of --stack auto: what its stacks are kept for */
	bool off_cpu; /* where threads wait, too */
	bool foreign_proc; /* /proc has other processes by these numbers */
	bool plain; /* nothing is compressed */
	enum { RAW_NONE, RAW_CUT, RAW_ALL } raw; /* which samples keep their stack */
	struct top *top; /* a table instead of a file; NULL: none */
	char **command; /* NULL: none */
	char **argv; /* all of the command line, for the file */
	int argc;
};

/* Exit statuses of perf record: what went wrong, or the command line is. */
enum { RECORD_FAILED = 255, RECORD_MISUSED = 129 };

/* The command, from fork to exit. */
struct record_child {
	pid_t pid; /* 0: there is none */
	int go, failed; /* pipes: it may exec; errno of that */
	bool ended;
	int status; /* as waitpid() has it, if it ended */
	sigset_t mask; /* as it was before us, and as the child gets it */
	struct sigaction was[4];
	struct rlimit files; /* as it was before us, and as the child gets it */
};

/* Of the command: its standard output may be for the recording, or the table. */
enum record_output { OUTPUT_AS_IS, OUTPUT_TO_STDERR, OUTPUT_AWAY };

/*
 * Blocks the signals that end a recording, takes as many descriptors as we may
 * have, and remembers how it was.
 */
void record_block(struct record_child *ch);
void record_unblock(const struct record_child *ch);
/* The signals that are blocked. */
void record_signals(sigset_t *set);
/* Makes a process that waits to become command.  0, or 1 after an error line. */
int record_fork(struct record_child *ch, char **command,
		enum record_output output);
/* Lets it go; 0, or 1 after an error line. */
int record_start(struct record_child *ch, const char *name);
/* Has it ended?  Does not wait. */
bool record_child_ended(struct record_child *ch);
/* Ends it if need be, and waits; the exit status, or minus the signal. */
int record_child_status(struct record_child *ch);

/* Where the accounts go, as JSON. */
FILE *record_json(const struct record_options *o);
/* Records; the exit status, or minus the signal to die of. */
int record_run(const struct record_options *o, struct capture *c);

#endif
