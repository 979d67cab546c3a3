/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Records that have to wait for longer than memory lasts: they stay in the file,
 * or go to a temporary one, and come back one by one.
 */
#ifndef USTACK_READ_PARK_H
#define USTACK_READ_PARK_H

#include "read/chunk.h"

struct datafile;

#define PARK_BLOCKS 16 /* what is read ahead of as many CPUs' records */

/* Bytes of a file as they were read. */
struct park_block {
	uint8_t *data;
	uint64_t where; /* the first of them */
	uint32_t size;
	uint64_t used; /* the turn that it was used in last */
};

struct park {
	int fd; /* the temporary file; -1: there is none yet */
	uint64_t size; /* of all records that go there */
	uint8_t *tail; /* the last of them, which are not in it yet */
	uint32_t tail_size;
	struct park_block block[PARK_BLOCKS];
	uint64_t turn;
	struct chunk *fetched; /* where records come back to */
};

#define PARK_NONE UINT64_MAX

/*
 * Lets go of the record that datafile_next() gave last.  *where is what fetches
 * it again: out of the file itself if it stands there as it is, else out of a
 * temporary one.
 */
int datafile_park(struct datafile *df, struct record *r, uint64_t *where);
int datafile_fetch(struct datafile *df, uint64_t where, uint32_t size,
		   struct record *r);
void park_free(struct datafile *df);

#endif
