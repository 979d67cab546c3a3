// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* ustack fold: equal chains counted, one line each, for flame graphs. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "reader.h"

/* One chain as text and how often it came. */
struct folded {
	struct node node;
	uint64_t count;
	size_t size;
	char text[];
};

/* w->own is a table of them; w->out the chain that is being put together. */
static void put(struct worker *w, const char *s)
{
	size_t n = strlen(s), i;
	char *p = out_room(w, n + 1);

	if (w->out.size)
		*p++ = ';';
	/* The separator must not come from a name. */
	for (i = 0; i < n; i++)
		*p++ = s[i] == ';' || s[i] == '\n' ? ':' : s[i];
	w->out.size = p - w->out.buf;
}

static void put_user(struct worker *w, const struct ustack_sample *s,
		     const struct line *l)
{
	struct ustack_symbol sym = { 0 };
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

static struct folded *find(const struct table *t, uint64_t key,
			   const char *text, size_t size)
{
	struct folded *e;
	struct node *n;

	for (n = table_find(t, key); n; n = n->next) {
		e = container_of(n, struct folded, node);
		if (n->key == key && e->size == size &&
		    !memcmp(e->text, text, size))
			return e;
	}
	return NULL;
}

/* Counts the chain that was put together, and begins a new one. */
static void count(struct worker *w)
{
	uint64_t key = 0xcbf29ce484222325ull; /* FNV-1a */
	struct out *o = &w->out;
	struct folded *e;
	size_t i;

	for (i = 0; i < o->size; i++)
		key = (key ^ (uint8_t)o->buf[i]) * 0x100000001b3ull;
	e = find(w->own, key, o->buf, o->size);
	if (!e) {
		e = malloc(sizeof(*e) + o->size);
		if (!e || table_add(w->own, &e->node, key))
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
	put(w, s->comm);
	if (s->pair == USTACK_PAIR_LOST)
		put(w, "[stack lost]");
	else if (c->unwound && c->end != USTACK_END_FINISHED)
		put(w, "[cut short]");
	for (i = c->nr; i--;) {
		if (!c->line[i].kernel) {
			put_user(w, s, &c->line[i]);
			continue;
		}
		/* Without names the kernel's frames are one. */
		put(w, "[kernel]");
		while (i && c->line[i - 1].kernel)
			i--;
	}
	count(w);
}

/* What this thread counted, into the table of all. */
static void fold_end(struct worker *w)
{
	struct table *all = w->arg, *mine = w->own;
	struct folded *e, *same;
	struct node *n;

	while ((n = table_pop(mine))) {
		e = container_of(n, struct folded, node);
		same = find(all, n->key, e->text, e->size);
		if (same) {
			same->count += e->count;
			free(e);
		} else if (table_add(all, n, n->key)) {
			cli_no_memory(w->cli);
		}
	}
	table_free(mine);
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
static void print_all(const struct cli *cli, struct table *t)
{
	size_t nr = t->nr, i;
	struct folded **all = malloc((nr + 1) * sizeof(*all));

	if (!all)
		cli_no_memory(cli);
	for (i = 0; i < nr; i++)
		all[i] = container_of(table_pop(t), struct folded, node);
	table_free(t);
	qsort(all, nr, sizeof(*all), by_text);
	for (i = 0; i < nr; i++) {
		fwrite(all[i]->text, 1, all[i]->size, stdout);
		printf(" %llu\n", (unsigned long long)all[i]->count);
		free(all[i]);
	}
	free(all);
}

int cmd_fold(struct cli *cli, int argc, char **argv)
{
	struct table all = { 0 };
	const struct task task = {
		.sample = fold_sample,
		.end = fold_end,
		.arg = &all,
		.own_size = sizeof(struct table),
	};
	const char *path;
	int ret;

	ret = cli_options(cli, argc, argv, &path, NULL);
	if (ret >= 0)
		return ret;
	ret = cli_open(cli, path);
	if (ret)
		return cli_close(cli, ret);
	ret = cli_each(cli, &task);
	print_all(cli, &all);
	return cli_close(cli, ret ? 1 : 0);
}
