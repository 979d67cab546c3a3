// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Samples whose innermost function has no name. */
#include <string.h>

#include "cli/record/names.h"

#define PART 10 /* of the samples, for a file to matter */
#define LEAST 4 /* by fewer nothing is known */

bool names_is_jit(const char *path)
{
	const char *base = strrchr(path, '/');

	return !strncmp(path, NAMES_JIT, strlen(NAMES_JIT)) ||
	       (base && !strncmp(base, "/jit-", 5) &&
		strstr(base, ".dump"));
}

/* Every second goes. */
static void thin(struct record_names *n)
{
	size_t i;

	for (i = 1; i < n->nr; i += 2)
		ustack_space_free(n->kept[i].space);
	n->nr /= 2;
	for (i = 1; i < n->nr; i++)
		n->kept[i] = n->kept[2 * i];
	n->step *= 2;
}

int names_sample(struct record_names *n, const struct ustack_sample *s,
		 const struct line *line)
{
	const uint64_t nr = n->samples++;
	struct names_kept *k;
	int ret;

	if (!n->step)
		n->step = 1;
	if (nr % n->step)
		return 0;
	if (n->nr == NAMES_KEPT)
		thin(n);
	if (nr % n->step)
		return 0;
	k = &n->kept[n->nr];
	ret = ustack_space_fork(&k->space, s->space);
	if (ret)
		return ret;
	k->addr = line->lookup;
	n->nr++;
	return 0;
}

static void look(struct names_kept *k)
{
	struct ustack_symbol sym = { .sz = sizeof(sym) };

	if (!ustack_symbolize(k->space, k->addr, &sym) || !sym.path)
		return;
	k->unnamed = strncmp(sym.path, NAMES_JIT, strlen(NAMES_JIT)) ?
			     sym.path :
			     NAMES_JIT;
}

static size_t as_many(const struct record_names *n, const char *path)
{
	size_t i, nr = 0;

	for (i = 0; i < n->nr; i++)
		nr += n->kept[i].unnamed && !strcmp(n->kept[i].unnamed, path);
	return nr;
}

const char *names_worst(struct record_names *n)
{
	size_t i, nr, most = LEAST - 1;
	const char *worst = NULL;

	for (i = 0; i < n->nr; i++)
		look(&n->kept[i]);
	for (i = 0; i < n->nr; i++) {
		nr = n->kept[i].unnamed ? as_many(n, n->kept[i].unnamed) : 0;
		if (nr <= most || nr * PART < n->nr)
			continue;
		most = nr;
		worst = n->kept[i].unnamed;
	}
	return worst;
}

void names_free(struct record_names *n)
{
	while (n->nr)
		ustack_space_free(n->kept[--n->nr].space);
}
