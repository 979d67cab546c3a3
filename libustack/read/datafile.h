/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * A perf.data file, as a file or out of a pipe, comes in; single records go
 * out, unpacked where they were compressed.  What its header and its features
 * tell goes to the events and the build-ids.
 */
#ifndef USTACK_READ_DATAFILE_H
#define USTACK_READ_DATAFILE_H

#include <stdbool.h>

#include "read/build_ids.h"
#include "read/chunk.h"
#include "read/event.h"
#include "read/park.h"
#include "read/unpack.h"
#include "ustack.h"
#include "util/error.h"

struct datafile {
	int fd;
	struct chunk_pool *pool;
	struct errline *line;
	bool seekable;
	bool piped; /* it has the form of a pipe */
	uint64_t size; /* of the file, if seekable */
	uint64_t mtime; /* of the same, in seconds */
	bool unfinished; /* its header was never completed */
	bool features_cut; /* it ends before what stands behind the data */

	struct stream raw; /* records as they are in the file */
	struct unpacker unpacker;
	uint64_t offset; /* in the file, of raw's head */
	uint64_t left; /* bytes of the data section to read; UINT64_MAX: all */
	uint64_t start, start_left; /* both, at the first record */
	uint64_t last; /* offset of the record given last, or PARK_NONE */

	struct park park;
};

int datafile_open(struct datafile *df, const char *path,
		  struct chunk_pool *pool, struct events *es,
		  struct build_ids *ids, struct errline *line);
/* 1 and a record (a reference of the caller's), 0 at the end, -errno. */
int datafile_next(struct datafile *df, struct record *r);
/* Back to the first record, of a file that is seekable.  0 or -errno and the line. */
int datafile_rewind(struct datafile *df);
/* data_size and data_read. */
void datafile_account(const struct datafile *df, struct ustack_stats *stats);
void datafile_close(struct datafile *df);

#endif
