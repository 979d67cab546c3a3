/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* Error lines of what the kernel refuses. */
#ifndef USTACK_CLI_RECORD_REFUSAL_H
#define USTACK_CLI_RECORD_REFUSAL_H

#include "cli/record/capture.h"

/* A number of /proc/sys/kernel: false if it is not there. */
bool refusal_limit(const char *name, long *to);
/* What a line on an event begins with: its option, and none if nobody asked for it. */
#define REFUSAL_ROOM 512
const char *refusal_prefix(const struct capture *c,
			   const struct record_event *ev,
			   char room[REFUSAL_ROOM]);
/* That an event cannot be opened on tid, or no ring of asked bytes be mapped.  1. */
int refusal_say(const struct capture *c, const struct record_event *ev,
		int tid, int err);
int refusal_say_ring(const struct capture *c, size_t asked, int err);

#endif
