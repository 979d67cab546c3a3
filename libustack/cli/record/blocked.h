/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Threads that wait and do not come to tell: where, as /proc shows their stacks to
 * those who may trace them.  They are not disturbed.
 */
#ifndef USTACK_CLI_RECORD_BLOCKED_H
#define USTACK_CLI_RECORD_BLOCKED_H

#include "cli/cli.h"

struct record_blocked {
	struct ustack_images *images; /* the caller's */
	size_t stack_size;
	uint8_t *stack; /* as much as that */
	struct ustack_range range;
	struct ustack_space *space; /* of pid, with the code it had then */
	uint32_t pid;
};

/*
 * Gives s the stack of thread s->tid of s->pid, borrowed until the next call, if it
 * is blocked in the kernel.  1; 0: it is not, or is gone; -EPERM, -EACCES: it is, and
 * not ours to look at; -ENOMEM.
 */
int blocked_stack(struct record_blocked *b, struct ustack_sample *s);
/* What was mapped may be another by now. */
void blocked_forget(struct record_blocked *b);
void blocked_free(struct record_blocked *b);

#endif
