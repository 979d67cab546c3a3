// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* ustack fold: equal chains counted, one line each, for flame graphs. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "util/hash.h"

/* A chain as text, and how often it was met. */
struct folded {
	struct hash_node node;
	uint64_t samples, period; /* the periods of all */
	size_t size;
	char text[];
};

/* Those of a thread, or of all. */
struct chains {
	struct hash_table table;
	uint64_t least, most; /* period of a sample; 0: there was none yet */
	bool times; /* periods are times: they say more than numbers, equal or not */
};

/* Adds a name to a chain that is being put together. */
static void put(const struct cli *cli, struct out *out, const char *s,
		const char *mark)
{
	char *p = out_room(cli, out, strlen(s) * NAME_ROOM + strlen(mark) + 1);
	char *end;

	*p++ = ';';
	end = put_name(p, s);
	/* No name may hold the separator. */
	while ((p = memchr(p, ';', end - p)))
		*p++ = ':';
	end = stpcpy(end, mark);
	out->size = end - out->buf;
}

/* All of a line, outermost first. */
static void put_line(const struct cli *cli, struct out *out,
		     const struct frames *f)
{
	char room[FRAME_ROOM];

	for (size_t i = f->nr; i--;)
		put(cli, out, frame_text(&f->frame[i], room),
		    f->frame[i].kernel && f->frame[i].function ? "_[k]" : "");
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

static void add_periods(struct chains *c, uint64_t least, uint64_t most)
{
	if (!c->most || least < c->least)
		c->least = least;
	if (most > c->most)
		c->most = most;
}

/* Counts the chain in w->out, without the separator before it, and starts a new one. */
static void count(struct worker *w, uint64_t period)
{
	struct out *o = &w->out;
	struct chains *mine = w->own;
	const char *text = o->buf + 1;
	size_t size = o->size - 1;
	uint64_t key = hash_bytes(text, size);
	struct folded *e;

	e = find(&mine->table, key, text, size);
	if (!e) {
		e = malloc(sizeof(*e) + size);
		if (!e || hash_add(&mine->table, &e->node, key))
			cli_no_memory(w->cli);
		e->samples = e->period = 0;
		e->size = size;
		memcpy(e->text, text, size);
	}
	e->samples++;
	e->period += period;
	add_periods(mine, period, period);
	o->size = 0;
}

/* w->own is struct chains, w->out the chain that is being put together. */
static void fold_sample(struct worker *w, const struct ustack_sample *s)
{
	const struct chain *c = &w->chain;
	const struct cli *cli = w->cli;
	bool was_nameless = false;
	struct named *k;
	size_t i;

	worker_chain(w, s);
	put(cli, &w->out, *s->comm ? s->comm : "[no name]", "");
	if (s->pair == USTACK_PAIR_LOST)
		put(cli, &w->out, "[stack lost]", "");
	else if (c->unwound && c->end != USTACK_END_FINISHED)
		put(cli, &w->out, "[cut short]", "");
	if (c->changed)
		put(cli, &w->out, "[changed]", "");
	for (i = c->nr; i--;) {
		k = named_line(w, s, &c->line[i], cli->inlines);
		if (!k->made.size) {
			put_line(cli, &k->made, &w->frames);
			named_made(k);
		}
		/* Kernel functions without name have one for all of them in a row. */
		if (!k->nameless || !was_nameless)
			out_add(cli, &w->out, k->made.buf, k->made.size);
		was_nameless = k->nameless;
	}
	((struct chains *)w->own)->times |= !strcmp(s->event, OFF_CPU_EVENT);
	count(w, s->period);
}

/* Adds what this thread counted to the table of all. */
static void fold_end(struct worker *w)
{
	struct chains *all = w->arg, *mine = w->own;
	struct folded *e, *same;
	struct hash_node *n;

	while ((n = hash_pop(&mine->table))) {
		e = container_of(n, struct folded, node);
		same = find(&all->table, n->key, e->text, e->size);
		if (same) {
			same->samples += e->samples;
			same->period += e->period;
			free(e);
		} else if (hash_add(&all->table, n, n->key)) {
			cli_no_memory(w->cli);
		}
	}
	all->times |= mine->times;
	if (mine->most)
		add_periods(all, mine->least, mine->most);
	hash_free(&mine->table);
}

static int by_text(const void *a, const void *b)
{
	const struct folded *x = *(struct folded *const *)a;
	const struct folded *y = *(struct folded *const *)b;
	int ret =
		memcmp(x->text, y->text, x->size < y->size ? x->size : y->size);

	return ret ? ret : x->size < y->size ? -1 : x->size > y->size;
}

/*
 * Prints all lines, sorted, and frees them.  Where the samples stand for different
 * numbers of events, their number says nothing.
 */
static void print_all(const struct cli *cli, struct chains *chains)
{
	bool by_period = chains->times || chains->least != chains->most;
	struct hash_table *t = &chains->table;
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
		printf(" %llu\n",
		       (unsigned long long)(by_period ? all[i]->period :
							all[i]->samples));
		free(all[i]);
	}
	free(all);
}

static void fold_help(void)
{
	puts("A line is the thread's name, then the functions from the outermost to the\n"
	     "innermost with semicolons between, a space, and how many samples had this\n"
	     "chain, or the sum of their periods if these differ or are the nanoseconds of\n"
	     "waits.  A function without name is FILE+0xSTART.  _[k] is behind functions of\n"
	     "the kernel.  In brackets:");
	help_line("[no name]", "a thread whose name is empty");
	help_line("[stack lost]", "after the thread's name: the stack never came");
	help_line("[cut short]", "after the thread's name: the outermost frames are missing");
	help_line("[changed]", "the stack is of a later state than the sample");
	help_line("[FILE]", "code of FILE of which nothing is known");
	help_line("[unknown]", "an address where no file is mapped");
	help_line("[kernel]", "frames of the kernel without a name");
}

static int fold_run(struct cli *cli)
{
	struct chains all = { 0 };
	const struct task task = {
		.sample = fold_sample,
		.end = fold_end,
		.arg = &all,
		.own_size = sizeof(struct chains),
	};
	int ret = cli_each(cli, &task);

	print_all(cli, &all);
	return ret;
}

const struct command cmd_fold = {
	.name = "fold",
	.what = "Equal chains counted, one line each, for flame graphs",
	.one_event = true,
	.help = fold_help,
	.run = fold_run,
};
