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

struct fold {
	struct table t;
	char *buf; /* the chain that is being put together */
	size_t size, cap;
};

static int put(struct fold *f, const char *s)
{
	size_t n = strlen(s), i;

	if (f->cap - f->size < n + 1) {
		size_t cap = f->cap * 2 + n + 1024;
		char *p = realloc(f->buf, cap);

		if (!p)
			return -ENOMEM;
		f->buf = p;
		f->cap = cap;
	}
	if (f->size)
		f->buf[f->size++] = ';';
	/* The separator must not come from a name. */
	for (i = 0; i < n; i++)
		f->buf[f->size++] = s[i] == ';' || s[i] == '\n' ? ':' : s[i];
	return 0;
}

static int put_user(struct fold *f, const struct ustack_sample *s,
		    const struct line *l)
{
	struct ustack_symbol sym = { 0 };
	const char *base;
	char name[256];

	ustack_symbolize(s->space, l->lookup, &sym);
	if (sym.name)
		return put(f, sym.name);
	if (!sym.path)
		return put(f, "[unknown]");
	base = strrchr(sym.path, '/');
	snprintf(name, sizeof(name), "[%s]", base ? base + 1 : sym.path);
	return put(f, name);
}

static int count(struct fold *f)
{
	uint64_t key = 0xcbf29ce484222325ull; /* FNV-1a */
	struct folded *e;
	struct node *n;
	size_t i;
	int ret;

	for (i = 0; i < f->size; i++)
		key = (key ^ (uint8_t)f->buf[i]) * 0x100000001b3ull;
	for (n = table_find(&f->t, key); n; n = n->next) {
		e = container_of(n, struct folded, node);
		if (n->key == key && e->size == f->size &&
		    !memcmp(e->text, f->buf, f->size)) {
			e->count++;
			return 0;
		}
	}
	e = malloc(sizeof(*e) + f->size);
	if (!e)
		return -ENOMEM;
	e->count = 1;
	e->size = f->size;
	memcpy(e->text, f->buf, f->size);
	ret = table_add(&f->t, &e->node, key);
	if (ret)
		free(e);
	return ret;
}

static int fold_sample(struct fold *f, const struct ustack_sample *s,
		       const struct chain *c)
{
	size_t i = c->nr;
	int ret;

	f->size = 0;
	ret = put(f, s->comm);
	if (!ret && s->pair == USTACK_PAIR_LOST)
		ret = put(f, "[stack lost]");
	else if (!ret && c->unwound && c->end != USTACK_END_FINISHED)
		ret = put(f, "[cut short]");
	while (i-- && !ret) {
		if (!c->line[i].kernel) {
			ret = put_user(f, s, &c->line[i]);
			continue;
		}
		/* Without names the kernel's frames are one. */
		ret = put(f, "[kernel]");
		while (i && c->line[i - 1].kernel)
			i--;
	}
	return ret ? ret : count(f);
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
static int print_all(struct fold *f)
{
	size_t nr = f->t.nr, i;
	struct folded **all = malloc((nr + 1) * sizeof(*all));
	struct node *n;

	for (i = 0; (n = table_pop(&f->t)); i++) {
		if (all)
			all[i] = container_of(n, struct folded, node);
		else
			free(container_of(n, struct folded, node));
	}
	table_free(&f->t);
	free(f->buf);
	if (!all)
		return -ENOMEM;
	qsort(all, nr, sizeof(*all), by_text);
	for (i = 0; i < nr; i++) {
		fwrite(all[i]->text, 1, all[i]->size, stdout);
		printf(" %llu\n", (unsigned long long)all[i]->count);
		free(all[i]);
	}
	free(all);
	return 0;
}

int cmd_fold(struct cli *cli, int argc, char **argv)
{
	const struct ustack_sample *s;
	struct fold f = { 0 };
	const char *path;
	int ret, err = 0;

	ret = cli_options(cli, argc, argv, &path, NULL);
	if (ret >= 0)
		return ret;
	ret = cli_open(cli, path);
	if (ret)
		return cli_close(cli, ret);
	while (!err && (ret = cli_next(cli, &s)) > 0) {
		cli_chain(cli, s);
		err = fold_sample(&f, s, &cli->chain);
	}
	if (print_all(&f) || err)
		ret = cli_error(cli, "out of memory");
	return cli_close(cli, ret ? 1 : 0);
}
