/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * The reader as a whole, for the three files that make it up.  Records come in
 * from a file or from rings (dispatch.c); samples go out, filled as they leave
 * (sample.c), to whoever calls the public functions (reader.c).
 */
#ifndef USTACK_READ_READER_H
#define USTACK_READ_READER_H

#include "read/captures.h"
#include "read/datafile.h"
#include "read/order.h"
#include "read/pair.h"
#include "read/ring.h"

/* A sample outside of the reader, and what it borrows from. */
struct sample {
	struct ustack_sample shown; /* what the caller sees */
	struct sample *next; /* of those that are free */
	struct pending *pending; /* if it waited for its stack, else NULL */
	struct record record; /* if it did not */
	struct ustack_range *ranges;
	size_t cap_ranges;
	uint64_t *chain;
	size_t cap_chain;
	/*
	 * A held sample has a space and a name of its own, as the reader goes
	 * on to change the originals.  Its space is not freed on release: the
	 * next one to be held mostly has the same maps, and then nothing has
	 * to be copied.
	 */
	bool held;
	struct ustack_space *space, *kernel;
	char comm[COMM_MAX];
};

struct ustack_reader {
	/* SOURCE_FAILED: a file that could not be opened */
	enum { SOURCE_NONE, SOURCE_FAILED, SOURCE_FILE, SOURCE_RINGS } source;
	struct errline line;
	struct chunk_pool pool;
	struct events events;
	struct build_ids build_ids;
	struct datafile datafile;
	struct rings rings;
	struct order order;
	struct processes processes;
	struct pairing pairing;
	struct captures captures; /* of a file */
	bool begun; /* a sample was asked for */

	uint64_t now; /* time of the youngest record so far */
	size_t untrimmed; /* bytes read since memory was last looked at */
	size_t pack_above; /* live chunks that set off a packing */
	bool finished; /* by ustack_reader_finish() */
	bool ended; /* no record is left to be read */
	bool flushed; /* what waited at the end was given up */
	int end; /* what ustack_reader_next() returns when all is out */
	struct errline end_line; /* and why, whatever fails in between */

	struct ustack_stats stats;
	uint64_t unknown_id; /* of the first record whose event is not known */
	uint64_t lost_ring; /* by PERF_RECORD_LOST */
	uint64_t lost_hw; /* by the kernel's PERF_RECORD_LOST_SAMPLES */
	uint64_t lost_total; /* by those that perf record adds at the end */

	struct sample *current; /* given last, or about to be filled */
	struct sample *free;
};

/*
 * Reads one record and sends it on its way.  1 if the current sample is filled,
 * 0 if not or at the end, -EAGAIN if the rings are empty.
 */
int dispatch_next(struct ustack_reader *r);
/*
 * One record of the kernel's, in order.  time: when it was written, 0 if that
 * is not known.  1 if the current sample is filled, 0 or -errno.
 */
int dispatch(struct ustack_reader *r, const struct event *ev,
	     const struct record *rec, uint64_t time);
/* Ends the reading with ret; what was read before still leaves. */
void reading_ends(struct ustack_reader *r, int ret);
/*
 * The same where rec cannot be used.  Makes the error line if there is none yet;
 * rec may be without data only if there is one.
 */
void reading_fails(struct ustack_reader *r, const struct record *rec, int ret);

/* Fills the current sample from the one record that has all of it. */
int sample_fill(struct ustack_reader *r, const struct event *ev,
		const struct record *rec, const struct parsed_sample *s,
		const struct thread *th);
/* Fills it from a sample that waited and the capture that came, or did not. */
int sample_fill_pending(struct ustack_reader *r, const struct pending *p);

#endif
