/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* ustack top: a table of functions, from samples as they come, shown anew and anew. */
#ifndef USTACK_CLI_TOP_H
#define USTACK_CLI_TOP_H

#include <termios.h>

#include "cli/cli.h"
#include "util/hash.h"

struct top {
	uint64_t interval; /* ns from one table to the next */
	unsigned long left; /* tables, then it ends; 0: no end */

	struct hash_table functions;
	double all; /* the weight of all samples; old ones count less and less */
	uint64_t serial; /* of the sample */
	uint64_t next, begin; /* ns: of the table, of it all */
	uint64_t samples; /* since the last table */
	struct ustack_space *kernel; /* NULL: it is nobody's business */
	struct frames frames;
	bool any; /* a table was shown */
	bool terminal, keys, by_total;
	struct termios was;
};

/* What the line above the table tells. */
struct top_head {
	const char *event;
	uint64_t lost;
	double complete; /* % */
};

int top_begin(struct top *t, struct ustack_images *images);
/* 0 or -ENOMEM. */
int top_sample(struct top *t, const struct ustack_sample *s,
	       const struct chain *c);
/* Shows the table if it is time: 1 if it was the last, or a key says so. */
int top_tick(struct top *t, const struct top_head *head);
/* At the end: shows what there is, if no table was. */
int top_last(struct top *t, const struct top_head *head);
void top_end(struct top *t);

#endif
