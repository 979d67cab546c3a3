/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* The events of a command line, as perf_event_open(2) wants them. */
#ifndef USTACK_CLI_RECORD_EVENT_H
#define USTACK_CLI_RECORD_EVENT_H

#include "cli/record/file.h"

struct record_events {
	struct record_event *ev;
	size_t nr;
};

/* How often to sample, where an event does not say so itself; one is not 0. */
struct record_rate {
	uint64_t freq, period;
	bool given; /* by an option: tracepoints are taken at each time else */
};

/*
 * Adds the events in list, as perf record -e names them; false after an error
 * line, or without memory.
 */
bool record_events_add(struct record_events *all, const char *list,
		       const struct record_rate *rate);
/* The event that samples where threads wait: see wait.h. */
bool record_events_add_off_cpu(struct record_events *all);
void record_events_free(struct record_events *all);

#endif
