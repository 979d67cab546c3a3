/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Where the captures of a file are, by (tid, cookie), found by reading all of it
 * before the first sample leaves: so that each sample leaves in its turn, with its
 * stack or with the reason why there is none.
 */
#ifndef USTACK_READ_CAPTURES_H
#define USTACK_READ_CAPTURES_H

#include <stdbool.h>

#include "ustack.h"
#include "read/datafile.h"

/* A record that belongs to a capture, or a deferred callchain. */
struct capture_part {
	uint64_t cookie;
	uint64_t where; /* for datafile_fetch() */
	uint32_t tid;
	uint16_t size;
	bool chain; /* PERF_RECORD_CALLCHAIN_DEFERRED */
	bool taken; /* a sample had it */
	bool changed; /* of a state that came after the sample's */
};

/* A stay that ended, or not, without a capture; why not, if there is indeed none. */
struct lost_stay {
	uint64_t cookie;
	uint32_t tid;
	enum ustack_lost lost; /* RING, EXIT, MISSED */
};

struct captures {
	bool indexed; /* else they come as they are read */
	struct capture_part *part; /* by tid, cookie, place in the file */
	size_t nr, cap;
	struct lost_stay *lost; /* by tid, cookie */
	size_t nr_lost, cap_lost;
};

/*
 * Reads the rest of the data section and goes back to where it began.  0, with
 * c->indexed set if any event defers stacks and all were found; or -errno and the
 * line if there is no way back.
 */
int captures_index(struct captures *c, struct datafile *df,
		   const struct events *es);
/* The parts of a capture, *nr of them. */
struct capture_part *captures_find(const struct captures *c, uint32_t tid,
				   uint64_t cookie, size_t *nr);
/* A sample has it. */
void captures_taken(const struct captures *c, uint32_t tid, uint64_t cookie);
/* Why a stay has none; USTACK_LOST_END if it was not over when the file ended. */
enum ustack_lost captures_why(const struct captures *c, uint32_t tid,
			      uint64_t cookie);
/* Sets what the accounts tell of stacks. */
void captures_account(const struct captures *c, struct ustack_stats *stats);
void captures_free(struct captures *c);

#endif
