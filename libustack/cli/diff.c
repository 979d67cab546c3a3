// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* ustack diff: the functions of two recordings, by how much their part changed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/profile.h"

struct row {
	const struct func *func;
	double self[NR_TURNS], total[NR_TURNS]; /* parts of all, in percent */
	size_t counted; /* the last chain that it was found in, + 1 */
};

static double part(const struct profile *p, const struct node *n, int turn)
{
	double all = profile_value(p, &p->total[turn].value);

	return all ? 100 * profile_value(p, &n->self[turn]) / all : 0;
}

/* A function that calls itself counts once in a chain. */
static void count(const struct profile *p, struct row *row)
{
	for (size_t i = 0; i < p->nr_nodes; i++) {
		const struct node *n = p->node[i], *up;

		if (!n->self[NOW].samples && !n->self[BEFORE].samples)
			continue;
		for (up = n; up->place; up = up->parent) {
			struct row *r = &row[up->place->at[0].func->id];

			r->func = up->place->at[0].func;
			for (int turn = 0; turn < NR_TURNS; turn++) {
				if (up == n)
					r->self[turn] += part(p, n, turn);
				if (r->counted != i + 1)
					r->total[turn] += part(p, n, turn);
			}
			r->counted = i + 1;
		}
	}
}

/* To the digits that are shown. */
static double change(const double value[NR_TURNS])
{
	return round((value[NOW] - value[BEFORE]) * 100) / 100;
}

static int by_change(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	double d = fabs(change(y->self)) - fabs(change(x->self));
	int ret;

	if (!d)
		d = fabs(change(y->total)) - fabs(change(x->total));
	if (d)
		return d > 0 ? 1 : -1;
	ret = strcmp(x->func->name, y->func->name);
	return ret ? ret : (int)x->func->kind - (int)y->func->kind;
}

static void print_rows(const struct row *row, size_t nr)
{
	puts("# self%: before    after   change  total%: before    after   change  function");
	for (size_t i = 0; i < nr; i++) {
		const struct row *r = &row[i];

		printf("%15.2f %8.2f %+8.2f %15.2f %8.2f %+8.2f  %s",
		       r->self[BEFORE], r->self[NOW], change(r->self),
		       r->total[BEFORE], r->total[NOW], change(r->total),
		       r->func->name);
		if (*r->func->path)
			printf(" (%s)", r->func->path);
		putchar('\n');
	}
}

static void print_diff(const struct cli *cli, const struct profile *p)
{
	struct row *row = calloc(p->funcs.nr + 1, sizeof(*row));
	size_t nr = 0, i;

	if (!row)
		cli_no_memory(cli);
	count(p, row);
	for (i = 0; i < p->funcs.nr; i++)
		if (row[i].func)
			row[nr++] = row[i];
	qsort(row, nr, sizeof(*row), by_change);
	for (i = NR_TURNS; i--;)
		printf("# %s: %llu sample%s of %s\n", i == NOW ? "after" : "before",
		       (unsigned long long)p->total[i].value.samples,
		       plural(p->total[i].value.samples), p->total[i].event);
	print_rows(row, nr);
	free(row);
}

static int diff_run(struct cli *cli)
{
	struct profile p = { .opts = { .step = STEP_FUNCTION, .compare = true } };
	int ret = profile_compare(&p, cli);

	if (profile_has_samples(&p, cli)) {
		profile_sort(&p, cli);
		print_diff(cli, &p);
	} else {
		ret = -1;
	}
	profile_free(&p);
	return ret;
}

static void diff_help(void)
{
	puts("A line is a function, what part of all samples it had itself before, after and\n"
	     "the change, then the same with what it called, in percent.  The largest change\n"
	     "comes first.  ustack flamegraph --diff shows the same in colours.");
}

const struct command cmd_diff = {
	.name = "diff",
	.what = "The functions of two recordings, by how much they changed",
	.one_event = true,
	.inlines = true,
	.compares = COMPARES_TWO,
	.help = diff_help,
	.run = diff_run,
};
