// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Hash table with embedded nodes, and the error line of a reader. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "reader.h"

int read_error(struct errline *line, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line->text, sizeof(line->text), fmt, ap);
	va_end(ap);
	return -err;
}

static size_t table_slot(const struct table *t, uint64_t key)
{
	/* Keys are often small numbers: spread them by the golden ratio. */
	return (key * 0x9e3779b97f4a7c15ull >> 32) & (t->cap - 1);
}

static int table_grow(struct table *t)
{
	size_t cap = t->cap ? t->cap * 2 : 64;
	struct table big = { .cap = cap };
	struct node *n;

	big.slot = calloc(cap, sizeof(*big.slot));
	if (!big.slot)
		return -ENOMEM;
	while ((n = table_pop(t))) {
		struct node **s = &big.slot[table_slot(&big, n->key)];

		n->next = *s;
		*s = n;
		big.nr++;
	}
	free(t->slot);
	*t = big;
	return 0;
}

int table_add(struct table *t, struct node *n, uint64_t key)
{
	struct node **s;

	if (t->nr >= t->cap) {
		int ret = table_grow(t);

		if (ret)
			return ret;
	}
	n->key = key;
	s = &t->slot[table_slot(t, key)];
	n->next = *s;
	*s = n;
	t->nr++;
	return 0;
}

struct node *table_find(const struct table *t, uint64_t key)
{
	struct node *n;

	if (!t->nr)
		return NULL;
	for (n = t->slot[table_slot(t, key)]; n; n = n->next)
		if (n->key == key)
			break;
	return n;
}

void table_del(struct table *t, struct node *n)
{
	struct node **s = &t->slot[table_slot(t, n->key)];

	while (*s != n)
		s = &(*s)->next;
	*s = n->next;
	t->nr--;
}

struct node *table_pop(struct table *t)
{
	/* Slots are emptied from the last one down, so that all pops are O(n). */
	while (t->nr && t->cap) {
		struct node *n = t->slot[t->cap - 1];

		if (n) {
			t->slot[t->cap - 1] = n->next;
			t->nr--;
			return n;
		}
		t->cap--;
	}
	return NULL;
}

void table_free(struct table *t)
{
	free(t->slot);
	memset(t, 0, sizeof(*t));
}
