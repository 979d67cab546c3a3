/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Samples and the stacks they asked for.  Samples and captures come in, in time
 * order as far as possible; each sample goes out once, with its capture or as
 * lost, in the order it came: those behind one that waits are held back, for a
 * bounded time and number of bytes.  Where both wait meanwhile: stay.h.
 */
#ifndef USTACK_READ_PAIR_H
#define USTACK_READ_PAIR_H

#include "read/captures.h"
#include "read/process.h"
#include "read/record.h"

/* What a sample waits for. */
enum {
	WANT_STACK = 1, /* PERF_RECORD_STACK_DEFERRED */
	WANT_CHAIN = 2, /* PERF_RECORD_CALLCHAIN_DEFERRED */
};

struct event_record {
	struct record record;
	const struct event *ev;
};

/* One stay of a task in the kernel: the samples that wait, and its capture. */
struct stay {
	struct hash_node node; /* by tid and cookie */
	uint32_t tid;
	uint64_t cookie;
	struct stay *prev, *next; /* all stays, oldest first */
	unsigned int refs; /* the table's, and one per sample on its way out */
	struct pending *first, *last; /* what waits, oldest first */

	bool over; /* the task was seen in another stay, or it exited */
	bool exited;
	uint64_t over_time;
	struct stay *over_prev, *over_next; /* those that are over, in order */

	unsigned int have; /* WANT_* that are complete */
	unsigned int uses; /* samples that the capture served */
	bool broken; /* a part of the capture is missing */
	bool brought; /* it has all that the file has of it */
	bool comes; /* the file has it, but it is of a later state */
	bool throttled; /* there will be no capture */
	bool changed; /* STACK_CHANGED */
	uint64_t id; /* of the event whose capture this is */
	uint64_t left; /* bytes that parts to come carry at most; 0 in the last */
	struct event_record *parts;
	size_t nr_parts, cap_parts;
	struct event_record
		chain; /* the deferred callchain, if have WANT_CHAIN */
	size_t bytes; /* of all parts and the chain */
	struct shared_space *space; /* as it was when the capture was complete */
};

/* A sample that waits for its stack, or is on its way out. */
struct pending {
	struct pending *next; /* of the same stay */
	struct pending *after; /* in the order of leaving */
	struct record record;
	const struct event *ev;
	unsigned int want; /* WANT_* */
	uint64_t nr_lost; /* the pairing's, when this one began to wait */
	uint64_t time;
	uint32_t pid, tid;
	char comm[COMM_MAX];
	bool whole; /* it waits for nothing, but for those before it */
	struct shared_space *space; /* of a whole one */
	bool aside; /* it waited so long that others left */
	/* On its way out: */
	bool ready;
	size_t held; /* bytes, of it and its capture */
	enum ustack_pair pair;
	enum ustack_lost lost;
	struct stay *stay; /* if it is paired: holds a reference */
};

struct pairing {
	struct hash_table stays;
	struct stay *oldest, *newest;
	struct stay *over_first, *over_last;
	size_t nr_over;
	size_t pending_bytes, capture_bytes;
	uint64_t nr_lost; /* records that the rings had no room for, so far */
	struct pending *first, *last; /* all that are to leave in order */
	struct pending *late, *late_last; /* those that were aside, and are ready */
	size_t held_bytes; /* of those that are ready, behind one that is not */
	struct pending *free;
	struct chunk_pool *pool;
	struct ustack_stats *stats;
	const struct captures *captures; /* of a file: no sample waits.  NULL: none */
};

/* Which records a sample of this event waits for (WANT_*). */
unsigned int pair_wants(const struct event *ev);
/*
 * A deferred sample.  It takes a reference of its own on rec.  Sooner or later
 * it leaves through pair_pop().
 */
int pair_sample(struct pairing *p, struct thread *th, const struct event *ev,
		const struct record *rec, const struct parsed_sample *s,
		uint64_t now);
/* Is any sample held back?  Then all others have to queue up, too. */
bool pair_holds(const struct pairing *p);
/* A sample that waits for no stack. */
int pair_whole(struct pairing *p, struct thread *th, const struct event *ev,
	       const struct record *rec, uint64_t time);
int pair_stack(struct pairing *p, struct thread *th, const struct event *ev,
	       const struct record *rec, const struct parsed_stack *part,
	       uint64_t now);
int pair_chain(struct pairing *p, struct thread *th, const struct event *ev,
	       const struct record *rec, const struct parsed_chain *chain,
	       uint64_t now);
/* The task has left the stay it was in, if it was in one; exited: for good. */
void pair_task_left(struct pairing *p, uint32_t tid, uint64_t cookie,
		    uint64_t now, bool exited);
/* The stay of th with that cookie, made if it is new.  NULL: no memory. */
struct stay *pair_stay(struct pairing *p, struct thread *th, uint64_t cookie,
		       uint64_t now);
/* Gives up what cannot come any more at time now, or at the end everything. */
void pair_expire(struct pairing *p, uint64_t now, bool all);
/* Keeps the memory within bounds: call it once in a while. */
void pair_trim(struct pairing *p);
/* Moves what stays out of chunks that it shares with what is gone. */
int pair_pack(struct pairing *p);
/* The next sample that leaves at time now; pair_done() gives it back. */
struct pending *pair_pop(struct pairing *p, uint64_t now);
void pair_done(struct pairing *p, struct pending *w);
void pair_free(struct pairing *p);

#endif
