/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Compressed records, as perf record -z writes them, come in one after the
 * other; the records that were packed into them go out of a stream.  A record
 * may begin in one and end in the next.
 */
#ifndef USTACK_READ_UNPACK_H
#define USTACK_READ_UNPACK_H

#include "read/stream.h"

struct unpacker {
	struct stream out;
	void *zstd;
	struct chunk *packed; /* where the input lies, NULL: all was unpacked */
	const uint8_t *in;
	size_t size, pos; /* of the input; in[pos..size) is left */
};

/* The next input, once all before it was unpacked.  0, -EBADMSG or -ENOMEM. */
int unpack_begin(struct unpacker *u, const struct record *r);
/*
 * Unpacks as much as there is room for, while u->packed is set.  0, -ENOMEM, or
 * -EBADMSG and what is wrong with the input.
 */
int unpack_more(struct unpacker *u, const char **why);
void unpack_free(struct unpacker *u);

#endif
