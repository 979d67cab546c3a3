/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Internal: the ustack tool.  A command hands cli_each() a function that gets
 * every sample; what that writes to its worker's out reaches standard output.
 */
#ifndef USTACK_CLI_H
#define USTACK_CLI_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "ustack.h"

#define FRAMES_MAX 65536 /* user frames of a chain: a capture of 1 MB has no more */
#define CHAIN_MAX (FRAMES_MAX + 8192) /* a callchain fits one 64 KiB record */

/* The event of ustack record --off-cpu: periods are ns, and weigh the samples. */
#define OFF_CPU_EVENT "offcpu-time"

struct ids {
	uint32_t *id;
	size_t nr; /* 0: all */
};

/* The samples that are wanted. */
struct filter {
	const char *event, *comm; /* names, NULL: all */
	struct ids pids, tids;
	uint64_t from, to; /* ns */
	bool one_event; /* without --event, only the first */
	bool event_known; /* only samples of event_nr */
	uint32_t event_nr;
	bool passed; /* a sample did */
};

/* What report shows. */
struct report_opts {
	unsigned int keys; /* 0: those of its own */
	double min; /* percent, if has_min */
	bool has_min, callers, callees;
	const char *symbol; /* only rows of this function; NULL: all */
};

/* What the command line asks for, and what is open. */
struct cli {
	const char *path; /* of the recording */
	const char *vdso; /* file with the recorded kernel's vDSO, or NULL */
	unsigned int jobs; /* threads */
	unsigned int fields; /* of script */
	const char *output; /* the file to write, - for standard output */
	const char *before; /* the recording to compare with, or NULL */
	bool params; /* of C++ functions are shown */
	bool inlines; /* functions that were inlined are shown, too */
	const char *vmlinux; /* of the recorded kernel, or NULL */
	const char *symfs; /* before every path of the recording, or NULL */
	const char *debug_dirs; /* with separate debug files, or NULL */
	struct report_opts report;
	struct filter filter;
	struct ustack_images *images;
	struct ustack_reader *reader;
};

struct command {
	const char *name;
	const char *what; /* it prints, in one line */
	bool one_event; /* of several events it shows the first */
	const char *output; /* the file it writes without -o; NULL: no -o */
	/* A recording to compare with: by --diff, or before that of -i in its place. */
	enum { COMPARES_NOT, COMPARES_BY_OPTION, COMPARES_TWO } compares;
	bool as_it_goes; /* its output does not wait for the last sample */
	bool inlines; /* without --inline or --no-inline */
	bool reports; /* has the options of report */
	/* Takes the argument of -F: false after an error line.  NULL: no -F. */
	bool (*fields)(struct cli *cli, const char *list);
	/* The rest of the page that --help prints: what the output means. */
	void (*help)(void);
	/* 0, or -1 after an error line. */
	int (*run)(struct cli *cli);
	/* In place of all that: the exit status, for one that reads no recording. */
	int (*main)(int argc, char **argv);
};

extern const struct command cmd_record, cmd_top, cmd_report,
	cmd_script, cmd_fold, cmd_flamegraph,
	cmd_pprof, cmd_gecko, cmd_diff, cmd_stat;

/* --- options.c ---------------------------------------------------------- */

/*
 * Parses what is behind the command's name.  -1, or an exit status: after an
 * error line, or after the page that --help asked for.
 */
int cli_options(struct cli *cli, const struct command *cmd, int argc,
		char **argv);
/* One line of a --help page. */
void help_line(const char *word, const char *what);

/* --- report.c ------------------------------------------------------------------- */

/* The arguments of --sort and --min: false after an error line. */
bool report_keys(struct cli *cli, const char *list);
bool report_min(struct cli *cli, const char *arg);

/* --- pager.c -------------------------------------------------------------------- */

/* Where long output goes: to a pager if standard output is a terminal. */
FILE *pager_open(void);
/* False after an error line: there is no such pager.  Next time it is not opened. */
bool pager_close(FILE *f);

/* --- interrupt.c ---------------------------------------------------------------- */

/* Signals that end us leave no part of a file in the cache of debuginfod. */
void interrupt_begin(struct ustack_images *images);
/* In a child, before it becomes another program: signals are as they were. */
void interrupt_as_before(void);
/* Before they are freed. */
void interrupt_end(const struct ustack_images *images);

/* --- filter.c -------------------------------------------------------------- */

/* The arguments of options: false if they are none. */
bool parse_ids(struct ids *ids, const char *list);
bool parse_times(struct filter *f, const char *arg);
/* By whoever has the reader. */
bool cli_wants(struct cli *cli, const struct ustack_sample *s);
/* At the end, if no sample passed: says why. */
void cli_say_none(struct cli *cli);
/* Says of which events there are samples, too. */
void cli_say_events(struct cli *cli);

/* --- given.c: files that options name -------------------------------------- */

/* 0 if the file is a vDSO, else exit status 1 after an error line. */
int cli_check_vdso(const char *path);
/* The same of an ELF file: whether it is of the recorded kernel is seen later. */
int cli_check_vmlinux(const char *path);
/* Of directories with one of the characters in between between them: all are there. */
int cli_check_dirs(const char *option, const char *dirs, const char *between);

/* --- recording.c: the file that is read -------------------------------------- */

/* 0, or exit status 1 after an error line. */
int cli_open(struct cli *cli);
/* A file of images that is truncated costs its frames, not the rest. */
void cli_survive_sigbus(struct ustack_images *images);
/*
 * 1 and a sample that is wanted; 0 at the end; -1 after an error line, which is there
 * at the end, too, if no sample was wanted.
 */
int cli_next(struct cli *cli, const struct ustack_sample **sample);
/*
 * Says on stderr what was lost and which files could not be used; the exit
 * status, which is 1 if not all output could be written.
 */
int cli_close(struct cli *cli, int status);
/* The words for what ustack_images_unusable() says of path. */
const char *cli_why(const char *path, int err);
/* After a write to standard output that failed: cli_flush() says why. */
void cli_write_failed(void);
/* Was it as nobody reads standard output any more? */
bool cli_pipe_left(void);
/* 0 if all of standard output was written, else 1 after an error line. */
int cli_flush(void);
/* Prints "ustack: FILE: ..." and returns 1, the exit status. */
int cli_error(const struct cli *cli, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* An error line, and the end of the program. */
_Noreturn void cli_no_memory(const struct cli *cli);

/* --- output.c: what is written to a file -------------------------------------- */

/* -1 after an error line if -o names a recording that is to be read. */
int output_check(const struct cli *cli);
/*
 * Opens what -o names, or standard output.  The file appears when all is written.
 * NULL after an error line.
 */
FILE *output_open(const struct cli *cli);
/*
 * Opens path to write it from its start.  For whoever reads a pipe it waits five
 * seconds: -1 and ENXIO if nobody does, ENODEV where no device is, or what open(2)
 * says.
 */
int output_fd(const char *path, mode_t mode);
/* The words for what output_fd() says. */
const char *output_why(int err);
/* Writes the rest.  0, or -1 after an error line. */
int output_close(const struct cli *cli, FILE *f);
/* As a string of JSON that may stand in HTML; s is printable. */
void output_json(FILE *f, const char *s);

/* --- progress.c: how far the recording is read ------------------------------- */

/* A bar on standard error from now on, if that is a terminal. */
void progress_begin(const struct command *cmd);
/* By whoever has the reader, after each sample. */
void progress_sample(struct cli *cli);
/* Takes the bar away: before any other line on standard error, and at the end. */
void progress_clear(void);

/* --- chain.c ------------------------------------------------------------------ */

/* One entry of a chain, innermost first. */
struct line {
	uint64_t ip;
	uint64_t lookup; /* the address to look up: in the call, not behind it */
	bool kernel;
	bool guest; /* of a virtual machine, which has a kernel of its own */
	bool signal; /* where a signal handler returns to */
};

struct chain {
	struct line line[CHAIN_MAX];
	size_t nr;
	bool unwound; /* its user part comes from a captured stack, now or when recorded */
	enum ustack_end end; /* if unwound */
	bool changed; /* if unwound: it is of a later state than the sample */
};

/* The kernel's frames, then the user's; frames is scratch. */
void chain_fill(struct chain *c, struct ustack_unwinder *unwinder,
		struct ustack_frame frames[FRAMES_MAX],
		const struct ustack_sample *s);
bool sample_is_user(const struct ustack_sample *s);

/* --- frame.c: what a line is called ----------------------------------------------- */

/*
 * One function of a line.  Names, paths and files are valid until the images are
 * freed, and the same pointer is the same name; not the other way round.
 */
struct frame {
	const char *function; /* NULL: unknown */
	const char *path; /* of the module; NULL: none is mapped there */
	const char *file; /* of the source; NULL: unknown, or not looked for */
	uint64_t start; /* without function: where in path it begins; else 0 */
	uint32_t line; /* in file */
	bool inlined; /* into the next one */
	bool kernel;
};

#define INLINES_MAX 64 /* deeper ones count as the outermost */

/* All functions of a line, innermost first: one, or more if some were inlined. */
struct frames {
	size_t nr;
	struct frame frame[INLINES_MAX];
	struct ustack_symbol sym; /* of the last one, which is no inlined one */
	bool stay; /* as long as nothing else is mapped */
};

/* Inlined ones and files only if wanted. */
void line_frames(struct frames *f, const struct ustack_sample *s,
		 const struct line *l, bool inlines);
/*
 * As people see it: the function; for one without name FILE+0xSTART, or [FILE] if
 * nothing tells functions of the file apart there; [kernel] or [unknown].  In room,
 * or borrowed as f->function is.
 */
#define FRAME_ROOM 256
const char *frame_text(const struct frame *f, char room[FRAME_ROOM]);

/* --- out.c ---------------------------------------------------------------------- */

/* Text on its way to standard output, or anything else that grows. */
struct out {
	char *buf;
	size_t size, cap;
};

/* Room for n bytes at the end of out, whose size the caller then moves. */
char *out_room(const struct cli *cli, struct out *out, size_t n);
void out_add(const struct cli *cli, struct out *out, const void *p, size_t n);

/* --- threads.c ---------------------------------------------------------------- */

struct named;

/* What one thread works with. */
struct worker {
	struct cli *cli;
	struct ustack_unwinder *unwinder;
	struct chain chain;
	struct ustack_frame unwound[FRAMES_MAX];
	struct frames frames; /* of the line that is looked at */
	struct named *named;
	struct out out;
	void *arg; /* the task's */
	void *own; /* task->own_size bytes, zeros at first */
};

struct task {
	void (*sample)(struct worker *w, const struct ustack_sample *s);
	/* After the last sample, for one worker after the other; or NULL. */
	void (*end)(struct worker *w);
	void *arg; /* shared by all threads: only end() may write to it */
	size_t own_size;
};

/* Runs task on every sample, in cli->jobs threads.  0, or -1 after an error line. */
int cli_each(struct cli *cli, const struct task *task);
/* Fills w->chain. */
void worker_chain(struct worker *w, const struct ustack_sample *s);

/* --- named.c: lines that were met before ---------------------------------------- */

/*
 * A line, and what the command makes of its functions: most come again and again.
 * Room for few thousand, the last ones.
 */
struct named {
	uint64_t space; /* id of what is mapped */
	struct line line;
	bool stays;
	bool nameless; /* the first function is one of the kernel without name */
	struct out made; /* empty: it has to be made */
};

/* inlines as line_frames().  If nothing is made of it yet, w->frames has its functions. */
struct named *named_line(struct worker *w, const struct ustack_sample *s,
			 const struct line *l, bool inlines);
/* After it was made: there are many, so that none has more room than it needs. */
void named_made(struct named *n);
/* false: no memory. */
bool named_init(struct worker *w);
void named_free(struct worker *w);

/* --- name.c ------------------------------------------------------------------- */

#define NAME_ROOM 4 /* bytes for each of a name */
/*
 * Writes a name that the recording or its files chose, without a 0, and returns
 * the end: control characters and what is not UTF-8 become \xNN.
 */
char *put_name(char *to, const char *name);

/* --- words.c: enums in the output --------------------------------------------- */

/* What is behind the noun of so many: "s", or nothing. */
const char *plural(uint64_t nr);
const char *pair_word(enum ustack_pair pair);
const char *pair_what(enum ustack_pair pair);
const char *lost_what(enum ustack_lost lost);
/* ustack_end_name() as one word, for programs that read the output. */
#define END_WORD 32
const char *end_word(enum ustack_end end, char word[END_WORD]);
const char *end_what(enum ustack_end end);

#define NR_PAIRS (USTACK_PAIR_LOST + 1)
#define NR_ENDS (USTACK_END_NO_REGS + 1)

#endif
