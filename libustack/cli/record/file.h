/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * The perf.data that ustack record writes: what the kernel told of processes,
 * as it came, and samples with the callchains that were unwound.  Into a file
 * that can be seeked it goes as perf record's does; into any other, in the form
 * that perf has for pipes.
 *
 * A write that fails costs what did not fit and all that follows.  What was
 * written stays a sound file, whether record_file_end() is ever called or not.
 */
#ifndef USTACK_CLI_RECORD_FILE_H
#define USTACK_CLI_RECORD_FILE_H

#include <linux/perf_event.h>

#include "cli/cli.h"

/* What the samples of such a file have, and the ends of all other records. */
#define RECORD_SAMPLE_TYPE                                               \
	(PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID |      \
	 PERF_SAMPLE_TIME | PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD |        \
	 PERF_SAMPLE_CALLCHAIN)

struct record_event {
	char *name;
	bool given; /* by -e */
	struct perf_event_attr attr; /* as the kernel got it */
	uint64_t *ids; /* of its descriptors */
	size_t nr_ids;
};

/* Sections behind the data that hold strings (tools/perf/util/header.h). */
enum record_feature {
	RECORD_BUILD_ID = 2,
	RECORD_HOSTNAME,
	RECORD_OSRELEASE,
	RECORD_VERSION,
	RECORD_ARCH,
	RECORD_NRCPUS,
	RECORD_CMDLINE = 11,
	RECORD_EVENT_DESC,
	RECORD_SAMPLE_TIME = 21,
	RECORD_COMPRESSED = 27,
	RECORD_FEATURES = 32
};

struct record_file;

enum {
	RECORD_ZSTD = 1, /* perf reads it since Linux 5.2, but not from a pipe */
	RECORD_STACKS = 2, /* samples may have their stack */
	RECORD_NOWHERE = 4 /* nothing is written, and fd is none */
};

/*
 * Begins the file on fd, which stays the caller's.  events are borrowed until
 * record_file_free().  flags: those above.  0 or -errno.
 */
int record_file_new(struct record_file **out, int fd,
		    const struct record_event *events, size_t nr,
		    unsigned int flags);
/*
 * The following return 0, or -errno of the write that failed, then or before.
 * A record of the kernel's, whole words with its sample_id at the end.
 */
int record_file_record(struct record_file *f, const void *record);
/*
 * stack: with RECORD_STACKS, the sample has its registers and its stack, as much
 * of it as one record holds, instead of the user's part of c.
 */
int record_file_sample(struct record_file *f, const struct ustack_sample *s,
		       const struct chain *c, bool stack);
/* What comes with this id is of an event that the file has: it gets one of that. */
int record_file_alias(struct record_file *f, uint64_t id, size_t event);
/* A file whose build-id stands in no record: the kernel. */
int record_file_build_id(struct record_file *f, uint16_t misc,
			 const char *path, const uint8_t *id, size_t size);
/* Writes out what was kept back; and the first time, the sections of a file. */
int record_file_flush(struct record_file *f);
/*
 * A section: strings, or bytes as they are, before the first flush.  A pipe has none.
 * 0 or -ENOMEM.
 */
int record_file_strings(struct record_file *f, enum record_feature feature,
			const char *const *strings, size_t nr);
int record_file_bytes(struct record_file *f, enum record_feature feature,
		      const void *p, size_t size);
/* Writes out all that was kept back. */
int record_file_end(struct record_file *f);
void record_file_free(struct record_file *f);

uint64_t record_file_size(const struct record_file *f); /* bytes, by now */
uint64_t record_file_samples(const struct record_file *f); /* that are in it */

#endif
