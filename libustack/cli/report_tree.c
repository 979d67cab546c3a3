// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Below a row of ustack report: who called it, or what it called, as a tree of rows.
 * Of a recursion the innermost call counts for callers, the outermost for callees.
 */
#include <stdlib.h>

#include "cli/report.h"

#define DEPTH_MAX 64 /* levels that are shown */

struct branch {
	struct branch *next, *child;
	const struct row *row;
	uint64_t value;
};

static struct branch *branch_to(struct report *r, struct branch *from,
				const struct row *row)
{
	struct branch *b;

	for (b = from->child; b; b = b->next)
		if (b->row == row)
			return b;
	b = calloc(1, sizeof(*b));
	if (!b)
		cli_no_memory(r->cli);
	b->row = row;
	b->next = from->child;
	from->child = b;
	return b;
}

static int by_value(const void *a, const void *b)
{
	const struct branch *x = *(struct branch *const *)a;
	const struct branch *y = *(struct branch *const *)b;

	if (x->value != y->value)
		return x->value > y->value ? -1 : 1;
	return row_compare(x->row, y->row);
}

/* The largest first. */
static void sort_branches(struct report *r, struct branch *from)
{
	struct branch **all, *b, **end = &from->child;
	size_t nr = 0, i;

	for (b = from->child; b; b = b->next)
		nr++;
	if (nr < 2)
		return;
	all = malloc(nr * sizeof(*all));
	if (!all)
		cli_no_memory(r->cli);
	for (i = nr, b = from->child; b; b = b->next)
		all[--i] = b;
	qsort(all, nr, sizeof(*all), by_value);
	for (i = 0; i < nr; i++) {
		*end = all[i];
		end = &all[i]->next;
	}
	*end = NULL;
	free(all);
}

static void print_branches(struct report *r, FILE *f, struct branch *from,
			   const char *mark, int depth)
{
	sort_branches(r, from);
	for (struct branch *b = from->child; b; b = b->next) {
		if (!report_shows(r, b->value))
			break;
		fprintf(f, "%8s", "");
		report_share(r, f, b->value);
		fprintf(f, "%*s%s ", 2 * depth, "", mark);
		report_cells(r, f, b->row, false);
		if (depth < DEPTH_MAX)
			print_branches(r, f, b, mark, depth + 1);
	}
}

/* However deep it is. */
static void free_branches(struct branch *b)
{
	while (b) {
		struct branch *next = b->child, *last = next;

		/* Its children come first. */
		if (next) {
			while (last->next)
				last = last->next;
			last->next = b->next;
		} else {
			next = b->next;
		}
		free(b);
		b = next;
	}
}

/* Steps of one row in a row are one. */
void report_callers(struct report *r, FILE *f, const struct row *row)
{
	const struct profile *p = r->p;
	struct branch root = { .row = row };
	uint64_t *value = calloc(p->nr_nodes + 1, sizeof(*value));
	size_t i;

	if (!value)
		cli_no_memory(r->cli);
	for (i = 0; i < p->nr_nodes; i++) {
		const struct node *outer;

		if (r->row[i] != row)
			continue;
		value[i] += r->sum[i];
		outer = report_outer(r, p->node[i]);
		if (outer)
			value[outer->id] -= r->sum[i];
	}
	for (i = 0; i < p->nr_nodes; i++) {
		const struct node *n = p->node[i];
		struct branch *b = &root;

		if (!value[i])
			continue;
		for (n = n->parent; n->parent; n = n->parent) {
			if (!r->row[n->id] || r->row[n->id] == b->row)
				continue;
			b = branch_to(r, b, r->row[n->id]);
			b->value += value[i];
		}
	}
	free(value);
	print_branches(r, f, &root, "<-", 1);
	free_branches(root.child);
}

/* All that is below node. */
static void add_callees(struct report *r, struct branch *from,
			const struct node *node, int depth)
{
	for (const struct node *n = r->child[node->id]; n;
	     n = r->sibling[n->id]) {
		struct branch *b = from;

		if (r->row[n->id] != from->row) {
			b = branch_to(r, from, r->row[n->id]);
			b->value += r->sum[n->id];
		}
		if (depth < 2 * DEPTH_MAX)
			add_callees(r, b, n, depth + 1);
	}
}

void report_callees(struct report *r, FILE *f, const struct row *row)
{
	const struct profile *p = r->p;
	struct branch root = { .row = row };

	for (size_t i = 0; i < p->nr_nodes; i++)
		if (r->row[i] == row && !report_outer(r, p->node[i]))
			add_callees(r, &root, p->node[i], 1);
	print_branches(r, f, &root, "->", 1);
	free_branches(root.child);
}
