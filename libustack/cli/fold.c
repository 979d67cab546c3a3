// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* ustack fold: equal chains counted, one line each, for flame graphs. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "util/hash.h"

/* A chain as text, and the number of samples that had it. */
struct folded {
	struct hash_node node;
	uint64_t count;
	size_t size;
	char text[];
};

/*
 * w->own is a hash table of them, w->out the chain that is being put together:
 * this adds one name to it.
 */
static void put(struct worker *w, const char *s)
{
	char *p = out_room(w, strlen(s) * NAME_ROOM + 1), *end;

	if (w->out.size)
		*p++ = ';';
	end = put_name(p, s);
	/* No name may hold the separator. */
	while ((p = memchr(p, ';', end - p)))
		*p++ = ':';
	w->out.size = end - w->out.buf;
}

static void put_user(struct worker *w, const struct ustack_sample *s,
		     const struct line *l)
{
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	const char *base;
	char name[256];

	ustack_symbolize(s->space, l->lookup, &sym);
	if (sym.name) {
		put(w, sym.name);
	} else if (sym.path) {
		base = strrchr(sym.path, '/');
		snprintf(name, sizeof(name), "[%s]",
			 base ? base + 1 : sym.path);
		put(w, name);
	} else {
		put(w, "[unknown]");
	}
}

static struct folded *find(const struct hash_table *t, uint64_t key,
			   const char *text, size_t size)
{
	struct folded *e;
	struct hash_node *n;

	for (n = hash_find(t, key); n; n = hash_next(n)) {
		e = container_of(n, struct folded, node);
		if (e->size == size && !memcmp(e->text, text, size))
			return e;
	}
	return NULL;
}

/* Counts the chain in w->out, and starts a new one. */
static void count(struct worker *w)
{
	struct out *o = &w->out;
	uint64_t key = hash_bytes(o->buf, o->size);
	struct folded *e;

	e = find(w->own, key, o->buf, o->size);
	if (!e) {
		e = malloc(sizeof(*e) + o->size);
		if (!e || hash_add(w->own, &e->node, key))
			cli_no_memory(w->cli);
		e->count = 0;
		e->size = o->size;
		memcpy(e->text, o->buf, o->size);
	}
	e->count++;
	o->size = 0;
}

static void fold_sample(struct worker *w, const struct ustack_sample *s)
{
	const struct chain *c = &w->chain;
	size_t i;

	worker_chain(w, s);
	put(w, *s->comm ? s->comm : "[no name]");
	if (s->pair == USTACK_PAIR_LOST)
		put(w, "[stack lost]");
	else if (c->unwound && c->end != USTACK_END_FINISHED)
		put(w, "[cut short]");
	for (i = c->nr; i--;) {
		if (!c->line[i].kernel) {
			put_user(w, s, &c->line[i]);
			continue;
		}
		/* The kernel's frames have no names: one for all of them. */
		put(w, "[kernel]");
		while (i && c->line[i - 1].kernel)
			i--;
	}
	count(w);
}

/* Adds what this thread counted to the table of all. */
static void fold_end(struct worker *w)
{
	struct hash_table *all = w->arg, *mine = w->own;
	struct folded *e, *same;
	struct hash_node *n;

	while ((n = hash_pop(mine))) {
		e = container_of(n, struct folded, node);
		same = find(all, n->key, e->text, e->size);
		if (same) {
			same->count += e->count;
			free(e);
		} else if (hash_add(all, n, n->key)) {
			cli_no_memory(w->cli);
		}
	}
	hash_free(mine);
}

static int by_text(const void *a, const void *b)
{
	const struct folded *x = *(struct folded *const *)a;
	const struct folded *y = *(struct folded *const *)b;
	int ret =
		memcmp(x->text, y->text, x->size < y->size ? x->size : y->size);

	return ret ? ret : x->size < y->size ? -1 : x->size > y->size;
}

/* Prints all lines, sorted, and frees them. */
static void print_all(const struct cli *cli, struct hash_table *t)
{
	size_t nr = t->nr, i;
	struct folded **all = malloc((nr + 1) * sizeof(*all));

	if (!all)
		cli_no_memory(cli);
	for (i = 0; i < nr; i++)
		all[i] = container_of(hash_pop(t), struct folded, node);
	hash_free(t);
	qsort(all, nr, sizeof(*all), by_text);
	for (i = 0; i < nr; i++) {
		fwrite(all[i]->text, 1, all[i]->size, stdout);
		printf(" %llu\n", (unsigned long long)all[i]->count);
		free(all[i]);
	}
	free(all);
}

static void fold_help(void)
{
	puts("A line is the thread's name, then the functions from the outermost to the\n"
	     "innermost with semicolons between, a space, and how many samples had this\n"
	     "chain.  In brackets:");
	help_line("[no name]", "a thread whose name is empty");
	help_line("[stack lost]", "after the thread's name: the stack never came");
	help_line("[cut short]", "after the thread's name: the outermost frames are missing");
	help_line("[FILE]", "a function of FILE that has no name");
	help_line("[unknown]", "an address where no file is mapped");
	help_line("[kernel]", "all of the kernel's frames");
}

static int fold_run(struct cli *cli)
{
	struct hash_table all = { 0 };
	const struct task task = {
		.sample = fold_sample,
		.end = fold_end,
		.arg = &all,
		.own_size = sizeof(struct hash_table),
	};
	int ret = cli_each(cli, &task);

	print_all(cli, &all);
	return ret;
}

const struct command cmd_fold = {
	.name = "fold",
	.what = "Equal chains counted, one line each, for flame graphs",
	.help = fold_help,
	.run = fold_run,
};
