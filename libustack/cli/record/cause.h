/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Why chains are not complete where neither a file nor --stack is to blame, and
 * which programs have no samples at all: by samples and their chains, and by what the
 * kernel tells of processes.
 */
#ifndef USTACK_CLI_RECORD_CAUSE_H
#define USTACK_CLI_RECORD_CAUSE_H

#include "cli/cli.h"
#include "util/hash.h"

enum cause {
	CAUSE_NONE, /* none of these, or it is complete */
	CAUSE_EXEC, /* in exec() or exit(): the old stack is gone, the new one empty */
	CAUSE_ABSENT, /* a page of the stack was not in memory */
	CAUSE_UNREADABLE, /* nobody lets us see what the process has mapped */
	NR_CAUSES
};

struct record_causes {
	uint64_t nr[NR_CAUSES]; /* of chains */
	uint64_t unseen; /* programs: the kernel took its events away as they began */
	struct hash_table processes; /* by number: unreadable, or just in exec() */
};

/* 0 or -ENOMEM. */
int causes_unreadable(struct record_causes *c, uint32_t pid);
/*
 * PERF_RECORD_FORK, _EXIT, _COMM or _MMAP2, with the sample_id that RECORD_SAMPLE_TYPE
 * makes; others are passed over.  0 or -ENOMEM.
 */
int causes_task(struct record_causes *c, const void *record);
/* stack: bytes of it that were asked for. */
enum cause causes_chain(struct record_causes *c, uint32_t stack,
			const struct ustack_sample *s,
			const struct chain *chain);
void causes_free(struct record_causes *c);

#endif
