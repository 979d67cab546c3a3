/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* Internal: what the subcommands of ustack share. */
#ifndef USTACK_CLI_H
#define USTACK_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "ustack.h"

#define FRAMES_MAX 1024 /* user frames of a chain */
#define CHAIN_MAX (FRAMES_MAX + 8192) /* a callchain fits one 64 KiB record */

/* One line of a chain, innermost first. */
struct line {
	uint64_t ip;
	uint64_t lookup; /* the address whose name is wanted */
	bool kernel;
};

struct chain {
	struct line line[CHAIN_MAX];
	size_t nr;
	bool unwound; /* its user part comes from a captured stack */
	enum ustack_end end; /* if unwound */
};

struct cli {
	const char *path;
	const char *vdso; /* file with the recorded kernel's vDSO, or NULL */
	enum ustack_backend backend;
	unsigned int jobs; /* threads */
	struct ustack_images *images;
	size_t unusable; /* files that were told to be */
	struct ustack_reader *reader;
};

/* Text on its way to standard output. */
struct out {
	char *buf;
	size_t size, cap;
};

/* What one thread works with. */
struct worker {
	struct cli *cli;
	struct ustack_unwinder *unwinder;
	struct chain chain;
	struct ustack_frame frames[FRAMES_MAX];
	struct out out; /* all of it leaves in the order of the samples */
	void *arg; /* the task's */
	void *own; /* task->own_size bytes, zeros at first */
};

/* What a subcommand does with samples. */
struct task {
	void (*sample)(struct worker *w, const struct ustack_sample *s);
	void (*end)(struct worker *w); /* NULL: nothing; one after the other */
	void *arg; /* for all threads: not to be changed but by end() */
	size_t own_size;
};

/* Prints "ustack: FILE: ..." and returns 1, the exit status. */
int cli_error(const struct cli *cli, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* 0, or an exit status after the error line was printed. */
int cli_open(struct cli *cli, const char *path);
/* 1 and a sample; 0 at the end; -1 after an error line. */
int cli_next(struct cli *cli, const struct ustack_sample **sample);
/* All samples through task, in cli->jobs threads.  0, or -1 after an error line. */
int cli_each(struct cli *cli, const struct task *task);
/* An error line, and the end of the program. */
_Noreturn void cli_no_memory(const struct cli *cli);
/* Fills w->chain: the kernel's frames, then the user's. */
void worker_chain(struct worker *w, const struct ustack_sample *s);
/* Room for n bytes at the end of w->out; its size is the caller's to move. */
char *out_room(struct worker *w, size_t n);
/* Says on stderr what was lost, and whether all output could be written. */
int cli_close(struct cli *cli, int status);

/* Was the sample taken in user mode? */
bool sample_is_user(const struct ustack_sample *s);
const char *pair_name(enum ustack_pair pair);
/* ustack_end_name() as one word, for programs that read the output. */
#define END_WORD 32
const char *end_word(enum ustack_end end, char word[END_WORD]);

int cmd_script(struct cli *cli, int argc, char **argv);
int cmd_fold(struct cli *cli, int argc, char **argv);
int cmd_stat(struct cli *cli, int argc, char **argv);

/*
 * Parses the options of a subcommand: -i FILE, those of every subcommand into
 * cli, and -F FIELDS if fields is not NULL.  -1, or the exit status.
 */
int cli_options(struct cli *cli, int argc, char **argv, const char **path,
		const char **fields);

#endif
