/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * In: what is mapped where in a process.  Out: the map at an address, its image,
 * and the bias between the two.
 */
#ifndef USTACK_MODULE_SPACE_H
#define USTACK_MODULE_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ustack.h"
#include "module/image.h"

enum map_state {
	MAP_NEW,		/* nobody needed it yet */
	MAP_NO_FILE,		/* its image could not be opened for this map */
	MAP_UNUSABLE,		/* no segment of its image is mapped there */
	MAP_USABLE,		/* its image is open, and bias is set */
};

/* Forks share maps, and with them threads do: the first to need one resolves it. */
struct map {
	uint64_t start, end, pgoff;
	struct image *image;	/* origin's */
	uint64_t bias;		/* user address - vaddr, once state says usable */
	struct origin *origin;
	uint32_t prot, pid;	/* 0: not known */
	bool code;		/* prot lets it run, or could */
	bool copied;		/* to anonymous memory, from origin: see remap() */
	enum map_state state;	/* written under the images' lock */
};

struct maps;

struct ustack_space {
	struct ustack_images *images;
	struct maps *maps;	/* shared after a fork until one side changes */
	/* Index of the map found last, by address: frames alternate between few. */
	uint32_t last[16];
};

static inline bool map_holds(const struct map *map, uint64_t addr)
{
	return addr - map->start < map->end - map->start;
}

/* It, as open() is told; the strings are borrowed from map. */
struct ustack_map map_describe(const struct map *map);
/* Makes to a copy of from.  Nearly free if it is one already. */
void space_copy(struct ustack_space *to, const struct ustack_space *from);
/* The map that holds addr, or NULL. */
struct map *space_find(struct ustack_space *space, uint64_t addr);
/* The same, but not of data. */
static inline struct map *space_find_code(struct ustack_space *space,
					  uint64_t addr)
{
	struct map *map = space_find(space, addr);

	return map && map->code ? map : NULL;
}

/* The rest of map_usable(). */
bool map_usable_now(struct map *map);

/* Has it a usable image?  Opens it if nobody did. */
static inline bool map_usable(struct map *map)
{
	return __atomic_load_n(&map->state, __ATOMIC_ACQUIRE) == MAP_USABLE ||
	       map_usable_now(map);
}

/* Was any file cut, see image_is_cut()? */
bool space_any_cut(const struct ustack_space *space);
/* Both: the map that holds addr, if it has a usable image. */
struct map *space_find_image(struct ustack_space *space, uint64_t addr);
/*
 * The jitdump of the process, as a map that holds no address: of its JIT's code,
 * wherever that is, it has the names.  NULL: none.
 */
struct map *space_jitdump(struct ustack_space *space);
/* Identifies these maps: changes whenever they do, and is never reused. */
uint64_t space_id(const struct ustack_space *space);
/* The id of the first maps that these grew from, by maps and forks. */
uint64_t space_origin(const struct ustack_space *space);
/* All maps, by address. */
const struct map *space_maps(const struct ustack_space *space, size_t *nr);
/* struct mem's fallback: the read-only segments of the images. */
int space_read(void *space, uint64_t addr, void *buf, size_t size);

#endif
