/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * What ustack report adds up: steps of chains that are alike by its keys make one
 * row.  The tree of all chains comes in, rows and trees of callers go out.
 */
#ifndef USTACK_CLI_REPORT_H
#define USTACK_CLI_REPORT_H

#include "cli/profile.h"

/* All that is no key is empty. */
struct row {
	struct hash_node hash;
	const char *comm, *path, *name, *file;
	uint32_t line;
	uint64_t self, total;
};

#define CELL_ROOM 4096
#define WIDTH_MAX 60 /* longer cells are not waited for */

struct report {
	const struct cli *cli;
	const struct profile *p;
	unsigned int by; /* keys */
	double min; /* percent */
	uint64_t all; /* the value of all samples */
	struct hash_table table;
	struct row **rows; /* in the order they are shown */
	size_t nr_rows, width[4];
	/* By the id of a node of the profile: */
	struct row **row; /* NULL for what belongs to none: threads */
	uint64_t *sum; /* its value, with all below it */
	struct node **child, **sibling;
};

/* Is it worth to be shown? */
bool report_shows(const struct report *r, uint64_t value);
void report_share(const struct report *r, FILE *f, uint64_t value);
/* What it is; in columns, or as short as can be. */
void report_cells(const struct report *r, FILE *f, const struct row *row,
		  bool columns);
int row_compare(const struct row *a, const struct row *b);
/* The nearest step further out in the same row, or NULL. */
const struct node *report_outer(const struct report *r, const struct node *n);

/* --- report_tree.c: the trees below a row ------------------------------------- */

void report_callers(struct report *r, FILE *f, const struct row *row);
void report_callees(struct report *r, FILE *f, const struct row *row);

#endif
