/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* What a perf.data begins with: in, its events; out, bytes. */
#ifndef USTACK_CLI_RECORD_HEAD_H
#define USTACK_CLI_RECORD_HEAD_H

#include "cli/record/file.h"
#include "cli/record/grow.h"

struct section {
	uint64_t offset, size;
};

struct file_header {
	char magic[8];
	uint64_t size, attr_size;
	struct section attrs, data, event_types;
	uint64_t features[4];
};

struct head {
	const struct record_event *events;
	size_t nr;
	bool stacks; /* samples may have theirs */
};

/* The following return 0, -ENOMEM, or -E2BIG: a pipe has no room for as many ids. */
int head_pipe(const struct head *head, struct bytes *to);
/* Fills header, too, which is the first of it. */
int head_file(const struct head *head, struct file_header *header,
	      struct bytes *to);
/* The section that has their names. */
int head_event_desc(const struct head *head, struct bytes *to);
/* A string as it stands in sections: u32 length, padding included, and the string. */
int head_string(struct bytes *to, const char *s);

#endif
