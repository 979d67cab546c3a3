// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* ustack report: what took how much, by itself and with all it called. */
#include <stdlib.h>
#include <string.h>

#include "cli/profile.h"
#include "cli/report.h"

enum key { COMM, DSO, SYMBOL, LINE, NR_KEYS };

static const struct {
	const char *name, *what;
} keys[NR_KEYS] = {
	[COMM] = { "comm", "name of the thread" },
	[DSO] = { "dso", "file that the code is from" },
	[SYMBOL] = { "symbol", "function" },
	[LINE] = { "line", "FILE:LINE of the source" },
};

#define BIT(key) (1u << (key))
#define DEFAULT (BIT(SYMBOL) | BIT(DSO))
#define MIN_DEFAULT 0.5

bool report_keys(struct cli *cli, const char *list)
{
	const char *p = list;

	cli->report.keys = 0;
	do {
		size_t n = strcspn(p, ","), i;

		for (i = 0; i < NR_KEYS; i++)
			if (strlen(keys[i].name) == n &&
			    !strncmp(p, keys[i].name, n))
				break;
		if (i == NR_KEYS) {
			fprintf(stderr,
				"ustack: --sort: no key '%.*s'; there are comm, dso, symbol and line\n",
				(int)n, p);
			return false;
		}
		cli->report.keys |= BIT(i);
		p += n;
	} while (*p++);
	return true;
}

bool report_min(struct cli *cli, const char *arg)
{
	char *end;
	double min = strtod(arg, &end);

	if (!*arg || *end || !(min >= 0 && min <= 100)) {
		fprintf(stderr,
			"ustack: --min: '%s' is not a share from 0 to 100 percent\n",
			arg);
		return false;
	}
	cli->report.min = min;
	cli->report.has_min = true;
	return true;
}

/* --- rows: what steps of chains are alike by the keys ------------------------- */

static const char *text_or_empty(bool wanted, const char *s)
{
	return wanted ? s : "";
}

/* What row a step belongs to. */
static struct row row_like(unsigned int by, const struct node *n)
{
	const struct func *f = n->place->at[0].func;

	return (struct row){
		.comm = text_or_empty(by & BIT(COMM), n->thread->comm),
		.path = text_or_empty(by & BIT(DSO), f->path),
		.name = text_or_empty(by & BIT(SYMBOL), f->name),
		.file = text_or_empty(by & BIT(LINE), f->file),
		.line = by & BIT(LINE) ? n->place->at[0].line : 0,
	};
}

static uint64_t row_key(const struct row *r)
{
	uint64_t key = hash_mix(r->line, hash_bytes(r->comm, strlen(r->comm)));

	key = hash_mix(key, hash_bytes(r->path, strlen(r->path)));
	key = hash_mix(key, hash_bytes(r->name, strlen(r->name)));
	return hash_mix(key, hash_bytes(r->file, strlen(r->file)));
}

int row_compare(const struct row *a, const struct row *b)
{
	int ret = strcmp(a->comm, b->comm);

	ret = ret ? ret : strcmp(a->name, b->name);
	ret = ret ? ret : strcmp(a->path, b->path);
	ret = ret ? ret : strcmp(a->file, b->file);
	return ret ? ret : (a->line > b->line) - (a->line < b->line);
}

static struct row *row_of(struct report *r, const struct node *node)
{
	struct row like = row_like(r->by, node), *row;
	uint64_t key = row_key(&like);
	struct hash_node *n;

	for (n = hash_find(&r->table, key); n; n = hash_next(n)) {
		row = container_of(n, struct row, hash);
		if (!row_compare(row, &like))
			return row;
	}
	row = malloc(sizeof(*row));
	if (!row)
		cli_no_memory(r->cli);
	*row = like;
	if (hash_add(&r->table, &row->hash, key))
		cli_no_memory(r->cli);
	return row;
}

static void *array(const struct report *r, size_t nr, size_t size)
{
	void *p = calloc(nr + 1, size);

	if (!p)
		cli_no_memory(r->cli);
	return p;
}

const struct node *report_outer(const struct report *r, const struct node *n)
{
	const struct row *row = r->row[n->id];

	for (n = n->parent; n->parent; n = n->parent)
		if (r->row[n->id] == row)
			return n;
	return NULL;
}

/* Parents come before their children. */
static void sum_up(struct report *r)
{
	const struct profile *p = r->p;
	size_t i;

	r->row = array(r, p->nr_nodes, sizeof(*r->row));
	r->sum = array(r, p->nr_nodes, sizeof(*r->sum));
	r->child = array(r, p->nr_nodes, sizeof(*r->child));
	r->sibling = array(r, p->nr_nodes, sizeof(*r->sibling));
	for (i = p->nr_nodes; i--;) {
		struct node *n = p->node[i];
		uint64_t self = profile_value(p, &n->self[NOW]);

		r->sum[i] += self;
		if (!n->parent) {
			r->all += r->sum[i];
			continue;
		}
		r->sum[n->parent->id] += r->sum[i];
		r->sibling[i] = r->child[n->parent->id];
		r->child[n->parent->id] = n;
		/* What is no function is in no file. */
		if (n->place->at[0].func->kind == FUNC_MARK &&
		    !(r->by & BIT(SYMBOL)))
			continue;
		r->row[i] = row_of(r, n);
		r->row[i]->self += self;
	}
	for (i = 0; i < p->nr_nodes; i++)
		/* A recursion counts once. */
		if (r->row[i] && !report_outer(r, p->node[i]))
			r->row[i]->total += r->sum[i];
}

/* --- output ------------------------------------------------------------------------ */

static double share(const struct report *r, uint64_t value)
{
	return r->all ? value * 100.0 / r->all : 0;
}

bool report_shows(const struct report *r, uint64_t value)
{
	return value && share(r, value) >= r->min;
}

static int by_self(const void *a, const void *b)
{
	const struct row *x = *(struct row *const *)a;
	const struct row *y = *(struct row *const *)b;

	if (x->self != y->self)
		return x->self > y->self ? -1 : 1;
	if (x->total != y->total)
		return x->total > y->total ? -1 : 1;
	return row_compare(x, y);
}

/* One key of a row. */
static const char *cell(const struct row *row, enum key key, char room[CELL_ROOM])
{
	switch (key) {
	case COMM:
		return row->comm;
	case DSO:
		return *row->path ? row->path : "-";
	case SYMBOL:
		return row->name;
	default:
		if (!*row->file)
			return "-";
		snprintf(room, CELL_ROOM, "%s:%u", row->file, row->line);
		return room;
	}
}

/* The order in which the keys of a row are shown. */
static const enum key order[NR_KEYS] = { COMM, SYMBOL, LINE, DSO };

static void find_widths(struct report *r)
{
	char room[CELL_ROOM];

	for (size_t i = 0; i < r->nr_rows; i++)
		for (int k = 0; k < NR_KEYS; k++) {
			size_t n = strlen(cell(r->rows[i], k, room));

			if (report_shows(r, r->rows[i]->total) &&
			    n > r->width[k])
				r->width[k] = n < WIDTH_MAX ? n : WIDTH_MAX;
		}
}

void report_cells(const struct report *r, FILE *f, const struct row *row,
		  bool columns)
{
	unsigned int left = r->by;
	char room[CELL_ROOM];

	for (int i = 0; i < NR_KEYS; i++) {
		enum key k = order[i];

		if (!(r->by & BIT(k)))
			continue;
		left &= ~BIT(k);
		/* No spaces at the end. */
		fprintf(f, "%-*s%s", columns && left ? (int)r->width[k] : 0,
			cell(row, k, room), left ? "  " : "");
	}
	putc('\n', f);
}

void report_share(const struct report *r, FILE *f, uint64_t value)
{
	fprintf(f, "%7.2f%%", share(r, value));
}

static void print_head(const struct report *r, FILE *f)
{
	const struct total *t = &r->p->total[NOW];
	bool first = true;

	fprintf(f, "# %llu sample%s of %s",
		(unsigned long long)t->value.samples, plural(t->value.samples),
		t->event);
	if (profile_by_period(r->p))
		fprintf(f, "; shares are of %llu event%s",
			(unsigned long long)t->value.period,
			plural(t->value.period));
	fprintf(f, "\n#  self    total  ");
	for (int i = 0; i < NR_KEYS; i++)
		if (r->by & BIT(order[i])) {
			fprintf(f, "%s%s", first ? "" : ", ",
				keys[order[i]].name);
			first = false;
		}
	putc('\n', f);
}

/* False: no row is of the function that is wanted. */
static bool print_rows(struct report *r, FILE *f)
{
	const struct report_opts *o = &r->cli->report;
	size_t left_out = 0;
	bool any = false;

	for (size_t i = 0; i < r->nr_rows; i++) {
		const struct row *row = r->rows[i];

		if (o->symbol && strcmp(row->name, o->symbol))
			continue;
		any = true;
		if (!report_shows(r, row->total)) {
			left_out++;
			continue;
		}
		report_share(r, f, row->self);
		report_share(r, f, row->total);
		fputs("  ", f);
		report_cells(r, f, row, true);
		if (o->callers)
			report_callers(r, f, row);
		if (o->callees)
			report_callees(r, f, row);
	}
	if (left_out)
		fprintf(f, "# %zu more below %g%%: see --min\n", left_out,
			r->min);
	return any;
}

/* 0, or -1 after an error line. */
static int print(struct report *r)
{
	const char *symbol = r->cli->report.symbol;
	struct hash_node *n;
	bool any;
	FILE *f;

	r->rows = array(r, r->table.nr, sizeof(*r->rows));
	while ((n = hash_pop(&r->table)))
		r->rows[r->nr_rows++] = container_of(n, struct row, hash);
	hash_free(&r->table);
	qsort(r->rows, r->nr_rows, sizeof(*r->rows), by_self);
	find_widths(r);
	do {
		f = pager_open();
		print_head(r, f);
		any = print_rows(r, f);
	} while (!pager_close(f));
	if (!any && symbol)
		cli_error(r->cli, "no sample is in a function '%s': ustack report without --symbol lists them",
			  symbol);
	return any || !symbol ? 0 : -1;
}

static void report_free(struct report *r)
{
	for (size_t i = 0; i < r->nr_rows; i++)
		free(r->rows[i]);
	free(r->rows);
	free(r->row);
	free(r->sum);
	free(r->child);
	free(r->sibling);
}

static int report_run(struct cli *cli)
{
	const struct report_opts *o = &cli->report;
	unsigned int by = o->keys ? o->keys : DEFAULT;
	struct profile p = {
		.opts.step = by & BIT(LINE) ? STEP_LINE : STEP_FUNCTION,
	};
	struct report r = {
		.cli = cli,
		.p = &p,
		.by = o->symbol ? by | BIT(SYMBOL) : by,
		.min = o->has_min ? o->min : MIN_DEFAULT,
	};
	int ret = profile_read(&p, cli);

	profile_sort(&p, cli);
	sum_up(&r);
	if (!profile_has_samples(&p, cli) || print(&r))
		ret = -1;
	report_free(&r);
	profile_free(&p);
	return ret;
}

static void report_help(void)
{
	puts("A line is the share of the samples in which it was the innermost, that of those\n"
	     "in which it was anywhere in the chain, and what it is.  With trees, below it is\n"
	     "what called it, or what it called, and the share of the samples for which that\n"
	     "holds.  Keys:");
	for (int i = 0; i < NR_KEYS; i++)
		help_line(keys[i].name, keys[i].what);
}

const struct command cmd_report = {
	.name = "report",
	.what = "What took how much, by itself and with what it called",
	.one_event = true,
	.inlines = true,
	.reports = true,
	.help = report_help,
	.run = report_run,
};
