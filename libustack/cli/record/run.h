/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * A recording as it goes on: the loop (run.c), its file (output.c), what runs already
 * when it begins (known.c), and CPUs that come and go (follow.c).
 */
#ifndef USTACK_CLI_RECORD_RUN_H
#define USTACK_CLI_RECORD_RUN_H

#include "cli/record/record.h"
#include "cli/record/blocked.h"
#include "cli/record/clock.h"
#include "cli/record/depth.h"
#include "cli/record/verdict.h"
#include "cli/record/wait.h"

struct recorder {
	const struct record_options *o;
	struct capture *c;
	struct record_child child;
	int fd, signals;
	char *temporary; /* name of the file until something is recorded */
	struct record_file *file;
	struct ustack_images *images;
	struct ustack_reader *reader;
	struct ustack_unwinder *unwinder;
	struct record_account account;
	struct record_waits waits;
	struct record_blocked blocked;
	struct record_clock clock;
	unsigned int know_again; /* so many ticks: see follow.c */
	uint64_t disabled; /* when the events were, on the perf clock */
	uint64_t trimmed, resident; /* when files were let go, and bytes there were then */
	struct record_depth depth;
	int signal; /* that ended it */
	bool shown; /* the last table */
	bool failed; /* an error line was written */
	struct chain chain;
	struct ustack_frame frames[FRAMES_MAX];
};

/* All return 0, or -1 after an error line, the first of which counts. */
int record_fail(struct recorder *r, const char *what, int err);
int record_write_failed(struct recorder *r, int err);
int record_take_sample(struct recorder *r, const struct ustack_sample *s);

/* Takes all that the rings have now.  1: more may come; 0: the end; -1. */
int record_drain(struct recorder *r);

/* output.c: opens what is written, and says in it what machine this is. */
int record_open_output(struct recorder *r);
/* Something is recorded: the file gets its name. */
int record_name_file(struct recorder *r);

/* Tells file and reader what runs already. */
int record_known(struct recorder *r);
/* The same of one process; time as for record_process(). */
int record_known_process(struct recorder *r, int pid, uint64_t time);
/* The process of a thread. */
int record_process_of(int tid);
/* Who waits already: no switch tells of that, be it for as long as we record. */
int record_waiting(struct recorder *r);

/* CPUs that came or went since the last call are told, and followed. */
int record_follow_cpus(struct recorder *r);

#endif
