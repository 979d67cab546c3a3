/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Whether whoever looks at the recording will see names: of few samples, spread
 * over all, and not before the end, as to read symbols takes time in which rings
 * run full.
 */
#ifndef USTACK_CLI_RECORD_NAMES_H
#define USTACK_CLI_RECORD_NAMES_H

#include "cli/cli.h"

#define NAMES_KEPT 64

struct names_kept {
	struct ustack_space *space;
	uint64_t addr;
	const char *unnamed; /* the file, at the end */
};

struct record_names {
	struct names_kept kept[NAMES_KEPT];
	size_t nr;
	uint64_t samples, step; /* each step-th is kept */
};

/* line: the innermost of the user.  0 or -ENOMEM. */
int names_sample(struct record_names *n, const struct ustack_sample *s,
		 const struct line *line);
/*
 * The file in which most of those without a name run, borrowed; NULL: hardly any
 * do.  NAMES_JIT stands for all that JITs wrote.
 */
#define NAMES_JIT "/tmp/perf-"
const char *names_worst(struct record_names *n);
/* Is path, of a symbol, a file in which JITs name their code? */
bool names_is_jit(const char *path);
void names_free(struct record_names *n);

#endif
