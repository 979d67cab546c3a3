// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The modules of a process: which image is mapped where. */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>

#include "unwind.h"

struct maps {
	size_t refs;		/* spaces that have it; they may be in any thread */
	uint64_t id, origin;
	size_t nr, max;
	struct map v[];		/* sorted, not overlapping */
};

int ustack_space_new(struct ustack_space **out, struct ustack_images *images)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->images = images;
	return 0;
}

static void maps_put(struct maps *maps)
{
	if (maps && !__atomic_sub_fetch(&maps->refs, 1, __ATOMIC_ACQ_REL))
		free(maps);
}

void ustack_space_clear(struct ustack_space *space)
{
	maps_put(space->maps);
	space->maps = NULL;
}

void space_copy(struct ustack_space *to, const struct ustack_space *from)
{
	if (to->maps == from->maps)
		return;
	maps_put(to->maps);
	to->maps = from->maps;
	memcpy(to->last, from->last, sizeof(to->last));
	if (to->maps)
		__atomic_add_fetch(&to->maps->refs, 1, __ATOMIC_RELAXED);
}

void ustack_space_free(struct ustack_space *space)
{
	if (!space)
		return;
	ustack_space_clear(space);
	free(space);
}

int ustack_space_fork(struct ustack_space **out,
		      const struct ustack_space *parent)
{
	int err = ustack_space_new(out, parent->images);

	if (!err)
		space_copy(*out, parent);
	return err;
}

/* Another thread may be resolving it: bias is there once the state says so. */
static void map_copy(struct map *to, const struct map *from)
{
	to->start = from->start;
	to->end = from->end;
	to->pgoff = from->pgoff;
	to->image = from->image;
	to->state = __atomic_load_n(&from->state, __ATOMIC_ACQUIRE);
	if (to->state == MAP_USABLE)
		to->bias = from->bias;
}

/* Maps of our own, with room for more. */
static int space_own(struct ustack_space *space, size_t more)
{
	struct maps *old = space->maps, *maps;
	size_t nr = old ? old->nr : 0, max;

	if (old && __atomic_load_n(&old->refs, __ATOMIC_ACQUIRE) == 1 &&
	    nr + more <= old->max)
		return 0;
	max = nr + nr / 2 + more + 16;
	maps = malloc(sizeof(*maps) + max * sizeof(maps->v[0]));
	if (!maps)
		return -ENOMEM;
	maps->refs = 1;
	maps->origin = old ? old->origin : 0;
	maps->nr = nr;
	maps->max = max;
	for (size_t i = 0; i < nr; i++)
		map_copy(&maps->v[i], &old->v[i]);
	maps_put(old);
	space->maps = maps;
	return 0;
}

/* Index of the first map that ends above addr. */
static size_t maps_search(const struct maps *maps, uint64_t addr)
{
	size_t lo = 0, hi = maps->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (maps->v[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int ustack_space_map(struct ustack_space *space, uint64_t addr, uint64_t size,
		     uint64_t pgoff, const char *path, const uint8_t *build_id,
		     size_t build_id_size)
{
	struct map new = { .start = addr, .end = addr + size, .pgoff = pgoff };
	struct map put[3];
	size_t first, last, nr = 0;
	struct maps *maps;
	int err;

	if (!size || new.end < addr)
		return -EINVAL;
	new.image = images_get(space->images, path, build_id, build_id_size);
	if (!new.image)
		return -ENOMEM;
	err = space_own(space, 2);
	if (err)
		return err;
	maps = space->maps;
	maps->id = __atomic_add_fetch(&space->images->maps_id, 1,
				      __ATOMIC_RELAXED);
	if (!maps->origin)
		maps->origin = maps->id;

	/* [first, last) overlap; what sticks out of the new map stays. */
	first = maps_search(maps, addr);
	last = first;
	while (last < maps->nr && maps->v[last].start < new.end)
		last++;
	if (first < last && maps->v[first].start < addr) {
		put[nr] = maps->v[first];
		put[nr++].end = addr;
	}
	put[nr++] = new;
	if (first < last && maps->v[last - 1].end > new.end) {
		struct map *rest = &put[nr++];

		*rest = maps->v[last - 1];
		rest->pgoff += new.end - rest->start;
		rest->start = new.end;
	}
	memmove(&maps->v[first + nr], &maps->v[last],
		(maps->nr - last) * sizeof(maps->v[0]));
	memcpy(&maps->v[first], put, nr * sizeof(put[0]));
	maps->nr = maps->nr - (last - first) + nr;
	return 0;
}

struct map *space_find(struct ustack_space *space, uint64_t addr)
{
	struct maps *maps = space->maps;
	uint32_t *last = &space->last[addr >> 20 & 15];
	size_t i = *last;

	if (!maps)
		return NULL;
	if (i >= maps->nr || !map_holds(&maps->v[i], addr)) {
		i = maps_search(maps, addr);
		if (i == maps->nr || addr < maps->v[i].start)
			return NULL;
		*last = i;
	}
	return &maps->v[i];
}

/*
 * The segment a map shows.  Two segments can share a page of the file: the
 * executable one is meant, as the maps of a recording are those of code.
 */
static const struct segment *map_segment(const struct map *map)
{
	const struct segment *found = NULL;

	for (size_t i = 0; i < map->image->nr_segments; i++) {
		const struct segment *seg = &map->image->segments[i];

		if (map->pgoff >= seg->offset + seg->size ||
		    map->pgoff + (map->end - map->start) <= seg->offset)
			continue;
		if (!found || (seg->flags & PF_X && !(found->flags & PF_X)))
			found = seg;
	}
	return found;
}

static enum map_state map_resolve(struct ustack_images *images,
				  struct map *map)
{
	int err = image_open(images, map->image);

	pthread_mutex_lock(&images->lock);
	if (map->state == MAP_NEW) {
		const struct segment *seg = err ? NULL : map_segment(map);

		if (seg)
			map->bias = map->start - map->pgoff + seg->offset -
				    seg->vaddr;
		__atomic_store_n(&map->state, seg ? MAP_USABLE : MAP_UNUSABLE,
				 __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&images->lock);
	return map->state;
}

bool space_usable(struct ustack_space *space, struct map *map)
{
	enum map_state state = __atomic_load_n(&map->state, __ATOMIC_ACQUIRE);

	if (state == MAP_NEW)
		state = map_resolve(space->images, map);
	return state == MAP_USABLE;
}

struct map *space_find_image(struct ustack_space *space, uint64_t addr)
{
	struct map *map = space_find(space, addr);

	return map && space_usable(space, map) ? map : NULL;
}

uint64_t space_id(const struct ustack_space *space)
{
	return space->maps ? space->maps->id : 0;
}

uint64_t space_origin(const struct ustack_space *space)
{
	return space->maps ? space->maps->origin : 0;
}

const struct map *space_maps(const struct ustack_space *space, size_t *nr)
{
	*nr = space->maps ? space->maps->nr : 0;
	return *nr ? space->maps->v : NULL;
}

int space_read(void *space, uint64_t addr, void *buf, size_t size)
{
	struct map *map = space_find_image(space, addr);
	const struct image *image;
	uint64_t vaddr;

	if (!map || size > map->end - addr)
		return -EFAULT;
	image = map->image;
	vaddr = addr - map->bias;
	for (size_t i = 0; i < image->nr_segments; i++) {
		const struct segment *seg = &image->segments[i];

		/* What the process could write, the file does not tell. */
		if (seg->flags & PF_W || vaddr - seg->vaddr >= seg->size ||
		    size > seg->size - (vaddr - seg->vaddr))
			continue;
		memcpy(buf, image->data + seg->offset + (vaddr - seg->vaddr),
		       size);
		return 0;
	}
	return -EFAULT;
}
