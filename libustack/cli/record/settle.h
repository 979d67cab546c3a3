/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Between events as they are wished and a kernel that has not all: in, what a struct
 * capture asks for; out, what of it all events can have together.
 */
#ifndef USTACK_CLI_RECORD_SETTLE_H
#define USTACK_CLI_RECORD_SETTLE_H

#include "cli/record/capture.h"

#define STACK_COPIED 16384u /* asked for where the interrupt copies it */
#define STACK_COPIED_MAX 65528u
#define STACK_DEFERRED 65528u /* the same, and a copy costs what there is */
#define STACK_DEFERRED_MAX (8u << 20)

/* Finds that, by opening each once.  0, or 1 after an error line. */
int settle(struct capture *c);
/* No more samples than the kernel allows. */
void settle_rate(struct capture *c);
/* Event i as it is opened; tells: of processes. */
struct perf_event_attr settle_attr(const struct capture *c, size_t i,
				   bool tells);
/* The one that has no samples: its records have ids as those of others. */
struct perf_event_attr settle_track_attr(const struct capture *c);
/* A descriptor, or -errno. */
int settle_open(const struct capture *c, const struct record_event *ev, int tid,
		int cpu);
/* Is that why it could not be opened? */
bool settle_is_offline(int err, int cpu);

#endif
