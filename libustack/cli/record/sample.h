/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* The record of a sample, first planned, so that there can be room for it. */
#ifndef USTACK_CLI_RECORD_SAMPLE_H
#define USTACK_CLI_RECORD_SAMPLE_H

#include <linux/perf_event.h>

#include "cli/cli.h"

#define RECORD_MAX 65528u /* whole words in 16 bits */

struct sample_plan {
	size_t size; /* of the record */
	uint64_t mask; /* of the registers */
	bool stack; /* registers and stack in place of the user's frames */
	size_t stack_size;
	size_t none; /* words that say there are none */
	size_t lines; /* of the chain, that fit */
	size_t end_marks; /* behind them */
	size_t nr; /* entries of the callchain, all marks included */
};

/*
 * How the user's part of c ended, as the file tells it: of a stack that was lost
 * nothing was captured.  false: there was none to unwind.
 */
bool sample_end(const struct ustack_sample *s, const struct chain *c,
		enum ustack_end *end);
/*
 * stacks: samples of the file may have registers, those of mask, and a stack;
 * stack: this one shall have them.
 */
void sample_plan(struct sample_plan *p, bool stacks, uint64_t mask,
		 const struct ustack_sample *s, const struct chain *c,
		 bool stack);
/* id: of the event, as the file has it */
void sample_put(uint8_t *to, const struct sample_plan *p,
		const struct ustack_sample *s, const struct chain *c,
		uint64_t id);

#endif
