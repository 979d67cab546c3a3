// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Lines that were met before.  A line has its place in the table by its address: what
 * was there before, it replaces.
 */
#include <stdlib.h>

#include "cli/cli.h"
#include "util/hash.h"

#ifndef NR_NAMED /* a test has less */
#define NR_NAMED 16384
#endif

bool named_init(struct worker *w)
{
	w->named = calloc(NR_NAMED, sizeof(*w->named));
	return w->named;
}

void named_free(struct worker *w)
{
	for (size_t i = 0; i < NR_NAMED; i++)
		free(w->named[i].made.buf);
	free(w->named);
}

void named_made(struct named *n)
{
	char *fit = realloc(n->made.buf, n->made.size);

	if (!fit)
		return;
	n->made.buf = fit;
	n->made.cap = n->made.size;
}

static bool same_line(const struct line *a, const struct line *b)
{
	return a->ip == b->ip && a->lookup == b->lookup &&
	       a->kernel == b->kernel && a->guest == b->guest &&
	       a->signal == b->signal;
}

struct named *named_line(struct worker *w, const struct ustack_sample *s,
			 const struct line *l, bool inlines)
{
	const struct ustack_space *space = l->kernel ? s->kernel : s->space;
	const uint64_t id = space ? ustack_space_id(space) : 0;
	struct named *k = &w->named[hash_slot(l->ip ^ id << 48, NR_NAMED)];

	if (k->stays && k->space == id && same_line(&k->line, l))
		return k;
	line_frames(&w->frames, s, l, inlines);
	k->space = id;
	k->line = *l;
	k->stays = w->frames.stay && id;
	k->nameless = w->frames.frame[0].kernel && !w->frames.frame[0].function;
	k->made.size = 0;
	return k;
}
