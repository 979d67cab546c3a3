/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Caches as a server's core has them, one that all CPUs share: what goes in are
 * the addresses of lines, what comes out is whether they were there. There is
 * no prefetching and no TLB.
 */
#ifndef BENCH_CACHES_H
#define BENCH_CACHES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LINE_SHIFT 6
#define MAX_WAYS 16

struct cache {
	unsigned int sets, ways;
	uint64_t (*lines)[MAX_WAYS]; /* of a set, the one used last first; 0: none */
};

static uint64_t l1d_lines[64][MAX_WAYS], l1i_lines[64][MAX_WAYS], l2_lines[1024][MAX_WAYS];
static struct cache l1d = { 64, 8, l1d_lines };	 /* 32 KiB */
static struct cache l1i = { 64, 8, l1i_lines };	 /* 32 KiB */
static struct cache l2 = { 1024, 16, l2_lines }; /* 1 MiB, for both */

/* Was the line there? It is now. */
static bool cache_has(struct cache *c, uint64_t line)
{
	uint64_t *set = c->lines[line % c->sets];
	unsigned int at = 0;
	bool hit;

	while (at < c->ways - 1 && set[at] != line)
		at++;
	hit = set[at] == line;
	memmove(set + 1, set, at * sizeof(*set));
	set[0] = line;
	return hit;
}

#endif
