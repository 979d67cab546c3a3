/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* What became of the samples of a recording, and what its user can do about it. */
#ifndef USTACK_CLI_RECORD_VERDICT_H
#define USTACK_CLI_RECORD_VERDICT_H

#include "cli/record/record.h"
#include "cli/record/cause.h"
#include "cli/record/names.h"

/* Files without unwind information that are told apart. */
#define ACCOUNT_FILES 8

struct record_account {
	struct ustack_images *images; /* borrowed */
	uint64_t samples; /* all of them */
	uint64_t ends[NR_ENDS]; /* of their chains, as the file tells them */
	uint64_t read_back; /* stacks that the recording was too short for, but /proc had */
	uint64_t untraced; /* threads whose stack nobody let us read */
	uint64_t cpus_came, cpus_went; /* while it went on */
	uint64_t throttled; /* how often the kernel did it */
	uint64_t lost; /* records, by the kernel's count at the end; 0: none, or no count */
	struct record_causes causes;
	uint64_t unexplained[NR_ENDS]; /* of chains without one of these */
	uint64_t looked; /* chains without a rule, for which it is known */
	/* where they end: */
	struct {
		char *path; /* "": no file is mapped there */
		uint64_t nr;
	} file[ACCOUNT_FILES];
	struct record_names names;
	uint64_t start, shown; /* seconds; samples at the last progress line */
	bool progress; /* there is a line to be cleared */
};

/* 0 or -ENOMEM.  stack: bytes of it that were asked for. */
int account_sample(struct record_account *a, const struct ustack_sample *s,
		   const struct chain *c, uint32_t stack, enum cause *cause);
/* Records and stacks; and of the stacks that there should be, %. */
uint64_t account_lost(const struct record_account *a,
		      const struct ustack_stats *st);
double account_complete(const struct record_account *a);
/* The line of a terminal; now in seconds. */
void account_progress(struct record_account *a, const struct ustack_stats *st,
		      uint64_t now);
void account_progress_ends(struct record_account *a);
/* The line at the end: in_file samples and bytes are in the file. */
void account_verdict(struct record_account *a,
		     const struct ustack_stats *st,
		     const struct record_options *o, const struct capture *c,
		     uint64_t in_file, uint64_t bytes);
void account_free(struct record_account *a);

#endif
