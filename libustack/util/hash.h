/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * A hash table whose nodes are embedded in the objects: it allocates nothing
 * but its slots and frees none of the objects.  Several nodes may have one key.
 */
#ifndef USTACK_UTIL_HASH_H
#define USTACK_UTIL_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_node {
	struct hash_node *next;
	uint64_t key;
};

/* Empty when all zero. */
struct hash_table {
	struct hash_node **slot;
	size_t nr, cap;
};

/* 0 or -ENOMEM */
int hash_add(struct hash_table *t, struct hash_node *n, uint64_t key);
/* The first node with key, and the one with the same key behind n; or NULL. */
struct hash_node *hash_find(const struct hash_table *t, uint64_t key);
struct hash_node *hash_next(const struct hash_node *n);
void hash_del(struct hash_table *t, struct hash_node *n);
/* Takes out any node, NULL when the table is empty: for freeing the objects. */
struct hash_node *hash_pop(struct hash_table *t);
void hash_free(struct hash_table *t);

/* Slot of key, a number of any kind, in a table of size slots. */
static inline size_t hash_slot(uint64_t key, size_t size)
{
	/* The golden ratio: what is close together gets far apart. */
	return key * 0x9e3779b97f4a7c15 / (UINT64_MAX / size + 1);
}

/* A key for size bytes at p, and for more than one number. */
uint64_t hash_bytes(const void *p, size_t size);
uint64_t hash_mix(uint64_t hash, uint64_t word);

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr)-offsetof(type, member)))

#endif
