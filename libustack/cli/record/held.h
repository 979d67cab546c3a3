/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Records of processes that no sample needs yet: most processes of a build live for
 * some milliseconds and are never met.  What the kernel tells of a process is kept
 * until there is a sample of it, or of one that it started; if it ends before, it is
 * dropped.
 */
#ifndef USTACK_CLI_RECORD_HELD_H
#define USTACK_CLI_RECORD_HELD_H

#include "util/hash.h"

struct held_process;

struct record_held {
	struct hash_table processes; /* by number */
	struct held_process *first, **end; /* all of them, by age */
	unsigned int turn;
	uint64_t passed; /* records and samples that were let go */
	int (*write)(void *arg, const void *record);
	void *arg;
};

/* write: where records go, and arg for it.  It returns 0 or -errno. */
void held_init(struct record_held *h,
	       int (*write)(void *arg, const void *record), void *arg);
/*
 * The following return 0, -ENOMEM or what write did.  A record of any kind, with the
 * sample_id that RECORD_SAMPLE_TYPE makes.
 */
int held_record(struct record_held *h, const void *record);
/* There is a sample of this process, and none before time: what is kept of it goes. */
int held_release(struct record_held *h, uint32_t pid, uint64_t time);
/*
 * Each second or so, when all samples are there whose records were told before the
 * last time.  What would come too late for readers that sort goes, too.
 */
int held_turn(struct record_held *h);
void held_free(struct record_held *h);

#endif
