/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * --stack auto: how deep the stacks of a program were the last time, so that
 * little more is copied the next time.  It is kept in a file of the user's cache.
 */
#ifndef USTACK_CLI_RECORD_DEPTH_H
#define USTACK_CLI_RECORD_DEPTH_H

#include "cli/cli.h"

#define DEPTH_MOST (8u << 20) /* no kernel takes more */
#define DEPTH_STEPS 120 /* of 1 KiB up to 64 KiB, then eight to the double */

struct record_depth {
	uint64_t nr[DEPTH_STEPS]; /* complete chains by depth */
	uint64_t complete, truncated;
};

/* A chain with frames, innermost first, of a stack that began at sp. */
void depth_chain(struct record_depth *d, uint64_t sp,
		 const struct ustack_frame *frames, size_t nr,
		 enum ustack_end end);
/*
 * What to ask for the next time, if it was stack bytes, and at most the most that
 * this kernel takes; 0: nothing is known.
 */
uint32_t depth_next(const struct record_depth *d, uint32_t stack,
		    uint32_t most);

/* What was kept for a program; 0: nothing. */
uint32_t depth_load(const char *program);
/* Keeps it; whether it could does not matter to a recording. */
void depth_keep(const char *program, uint32_t stack);

#endif
