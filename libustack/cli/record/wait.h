/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Where threads wait: samples of context switches come in, and those that are no
 * preemption go to the file once it is known how long the thread was away.  That
 * becomes their period, in ns.
 */
#ifndef USTACK_CLI_RECORD_WAIT_H
#define USTACK_CLI_RECORD_WAIT_H

#include "cli/record/cause.h"
#include "cli/record/file.h"
#include "util/hash.h"

struct record_waits {
	struct hash_table threads;
	uint64_t last; /* time of the last switch */
	/*
	 * Samples of threads that were preempted, or at their end; and what was counted
	 * of their chains, as in struct record_account.
	 */
	uint64_t no_waits, no_wait_ends[NR_ENDS], no_wait_unexplained[NR_ENDS];
	uint64_t no_wait_causes[NR_CAUSES];
	size_t forget_at; /* as many threads */
	struct chain scratch;
};

/*
 * The following return 0 or -errno of the file.  PERF_RECORD_SWITCH or
 * _CPU_WIDE, with the sample_id that RECORD_SAMPLE_TYPE makes.
 */
int waits_switch(struct record_waits *w, struct record_file *f,
		 const void *record);
/* PERF_RECORD_FORK or _EXIT */
int waits_task(struct record_waits *w, const void *record);
int waits_sample(struct record_waits *w, struct record_file *f,
		 const struct ustack_sample *s, const struct chain *c,
		 enum cause cause);
/* Who still waits has waited until then, or the last switch if that is later. */
int waits_end(struct record_waits *w, struct record_file *f, uint64_t until);
void waits_free(struct record_waits *w);

#endif
