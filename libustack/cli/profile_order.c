// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The tree of all chains in the order that comes out: by text, whoever grew it. */
#include <stdlib.h>
#include <string.h>

#include "cli/profile.h"

static int by_number(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int by_text(const void *a, const void *b)
{
	const struct place *x = *(struct place *const *)a;
	const struct place *y = *(struct place *const *)b;
	int ret = 0;

	for (uint32_t i = 0; !ret && i < x->nr && i < y->nr; i++) {
		const struct func *f = x->at[x->nr - 1 - i].func;
		const struct func *g = y->at[y->nr - 1 - i].func;

		ret = strcmp(f->name, g->name);
		ret = ret ? ret : strcmp(f->path, g->path);
		ret = ret ? ret : by_number(f->kind, g->kind);
		ret = ret ? ret : by_number(x->at[x->nr - 1 - i].line,
					    y->at[y->nr - 1 - i].line);
	}
	ret = ret ? ret : by_number(x->nr, y->nr);
	return ret ? ret : by_number(x->addr, y->addr);
}

static int by_thread(const struct thread_of *x, const struct thread_of *y)
{
	int ret = strcmp(x->comm, y->comm);

	ret = ret ? ret : by_number(x->pid, y->pid);
	ret = ret ? ret : by_number(x->tid, y->tid);
	return ret ? ret : by_number(x->event_nr, y->event_nr);
}

/* Those of one parent together; ids are still in the order of creation. */
static int by_parent(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a;
	const struct node *y = *(struct node *const *)b;

	if (!x->parent || !y->parent)
		return x->parent || y->parent ?
			       by_number(!!x->parent, !!y->parent) :
			       by_thread(x->thread, y->thread);
	if (x->parent != y->parent)
		return by_number(x->parent->id, y->parent->id);
	return by_number(x->place->rank, y->place->rank);
}

static void *array(const struct cli *cli, size_t nr, size_t size)
{
	void *v = calloc(nr + 1, size);

	if (!v)
		cli_no_memory(cli);
	return v;
}

static void rank_places(struct profile *p, const struct cli *cli)
{
	struct place **v = array(cli, p->places.nr, sizeof(*v)), *pl;
	uint32_t nr = 0;

	for (pl = p->place; pl; pl = pl->next)
		v[nr++] = pl;
	qsort(v, nr, sizeof(*v), by_text);
	while (nr--)
		v[nr]->rank = nr;
	free(v);
}

/* From all sorted by parent to a walk through the tree. */
static void walk(struct profile *p, const struct cli *cli, struct node **sorted)
{
	size_t nr = p->nr_nodes, i, n = 0, depth = 0;
	size_t *first = array(cli, nr, sizeof(*first)); /* child, by parent's id; 0: none */
	size_t *stack = array(cli, nr, sizeof(*stack));

	/* A root is at 0, so no child is. */
	for (i = nr; i--;)
		if (sorted[i]->parent)
			first[sorted[i]->parent->id] = i;
	for (i = nr; i--;)
		if (!sorted[i]->parent)
			stack[depth++] = i;
	while (depth) {
		struct node *node = sorted[stack[--depth]];
		size_t from = first[node->id], to = from;

		while (from && to < nr && sorted[to]->parent == node)
			to++;
		while (to > from)
			stack[depth++] = --to;
		p->node[n++] = node;
	}
	free(first);
	free(stack);
}

static int by_time(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;

	int ret = by_number(x->node->thread->id, y->node->thread->id);

	ret = ret ? ret : by_number(x->time, y->time);
	return ret ? ret : by_number(x->node->id, y->node->id);
}

/* Numbers what the nodes lead to, as they do. */
static void number(struct profile *p)
{
	uint32_t places = 0, funcs = 0, threads = 0;
	struct place *pl;
	struct func *f;
	size_t i;

	for (pl = p->place; pl; pl = pl->next)
		pl->id = UINT32_MAX;
	for (f = p->func; f; f = f->next)
		f->id = UINT32_MAX;
	for (i = 0; i < p->nr_nodes; i++) {
		p->node[i]->id = i;
		pl = p->node[i]->place;
		if (!pl)
			((struct thread_of *)p->node[i]->thread)->id = threads++;
		if (!pl || pl->id != UINT32_MAX)
			continue;
		pl->id = places++;
		for (uint32_t n = 0; n < pl->nr; n++)
			if (pl->at[n].func->id == UINT32_MAX)
				pl->at[n].func->id = funcs++;
	}
}

void profile_sort(struct profile *p, const struct cli *cli)
{
	struct node **sorted = array(cli, p->nr_nodes, sizeof(*sorted)), *n;
	uint32_t nr = 0;

	rank_places(p, cli);
	for (n = p->first_node; n; n = n->next) {
		n->id = nr;
		sorted[nr++] = n;
	}
	qsort(sorted, nr, sizeof(*sorted), by_parent);
	p->node = array(cli, nr, sizeof(*p->node));
	walk(p, cli, sorted);
	free(sorted);
	number(p);
	if (p->nr_moments)
		qsort(p->moment, p->nr_moments, sizeof(*p->moment), by_time);
}
