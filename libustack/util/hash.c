// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Hash table with embedded nodes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/hash.h"

static size_t slot_of(const struct hash_table *t, uint64_t key)
{
	/* Keys are often small numbers: spread them by the golden ratio. */
	return (key * 0x9e3779b97f4a7c15ull >> 32) & (t->cap - 1);
}

static void insert(struct hash_table *t, struct hash_node *n)
{
	struct hash_node **slot = &t->slot[slot_of(t, n->key)];

	n->next = *slot;
	*slot = n;
	t->nr++;
}

static int grow(struct hash_table *t)
{
	size_t cap = t->cap ? t->cap * 2 : 64;
	struct hash_table big = { .cap = cap };
	struct hash_node *n;

	big.slot = calloc(cap, sizeof(*big.slot));
	if (!big.slot)
		return -ENOMEM;
	while ((n = hash_pop(t)))
		insert(&big, n);
	free(t->slot);
	*t = big;
	return 0;
}

int hash_add(struct hash_table *t, struct hash_node *n, uint64_t key)
{
	if (t->nr >= t->cap) {
		int ret = grow(t);

		if (ret)
			return ret;
	}
	n->key = key;
	insert(t, n);
	return 0;
}

static struct hash_node *with_key(struct hash_node *n, uint64_t key)
{
	while (n && n->key != key)
		n = n->next;
	return n;
}

struct hash_node *hash_find(const struct hash_table *t, uint64_t key)
{
	return t->nr ? with_key(t->slot[slot_of(t, key)], key) : NULL;
}

struct hash_node *hash_next(const struct hash_node *n)
{
	return with_key(n->next, n->key);
}

void hash_del(struct hash_table *t, struct hash_node *n)
{
	struct hash_node **at = &t->slot[slot_of(t, n->key)];

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	t->nr--;
}

struct hash_node *hash_pop(struct hash_table *t)
{
	/* Slots are emptied from the last one down, so that all pops are O(n). */
	while (t->nr && t->cap) {
		struct hash_node *n = t->slot[t->cap - 1];

		if (n) {
			t->slot[t->cap - 1] = n->next;
			t->nr--;
			return n;
		}
		t->cap--;
	}
	return NULL;
}

void hash_free(struct hash_table *t)
{
	free(t->slot);
	memset(t, 0, sizeof(*t));
}

uint64_t hash_mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

uint64_t hash_bytes(const void *p, size_t size)
{
	uint64_t hash = size, word;

	for (; size >= sizeof(word); size -= sizeof(word), p = (char *)p + 8) {
		memcpy(&word, p, sizeof(word));
		hash = hash_mix(hash, word);
	}
	word = 0;
	if (size)
		memcpy(&word, p, size);
	return hash_mix(hash, word);
}
