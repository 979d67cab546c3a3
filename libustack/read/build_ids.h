/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Build-ids as perf collected them: they come in with the path of a file, and
 * go out by it.
 */
#ifndef USTACK_READ_BUILD_IDS_H
#define USTACK_READ_BUILD_IDS_H

#include <stdbool.h>

#include "util/hash.h"

struct build_id {
	struct hash_node node;
	uint8_t size;
	uint8_t id[20];
	char path[];
};

struct build_ids {
	struct hash_table by_path;
	bool here; /* the recording was made on this machine */
	uint64_t seen; /* until when, s since 1970; 0: not known */
};

/*
 * One PERF_RECORD_HEADER_BUILD_ID, a record or out of the feature area.  0 or
 * -ENOMEM.
 */
int build_ids_add(struct build_ids *b, const uint8_t *rec, size_t size);
const struct build_id *build_ids_find(const struct build_ids *b,
				      const char *path);
void build_ids_free(struct build_ids *b);

#endif
