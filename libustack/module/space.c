// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The modules of a process: which image is mapped where. */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "module/space.h"
#include "module/images.h"
#include "module/path.h"
#include "util/opts.h"
#include "util/search.h"
#include "util/unique.h"

struct maps {
	size_t refs;		/* spaces that share it, in any thread */
	uint64_t id, origin;
	size_t nr, max;
	bool anonymous_code;	/* there was some */
	struct map jitdump;	/* without origin: none */
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
	if (!maps || __atomic_sub_fetch(&maps->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (size_t i = 0; i < maps->nr; i++)
		origin_put(maps->v[i].origin);
	if (maps->jitdump.origin)
		origin_put(maps->jitdump.origin);
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

/* Another thread may be resolving it: bias is valid if the state says so. */
static void map_copy(struct map *to, const struct map *from)
{
	to->start = from->start;
	to->end = from->end;
	to->pgoff = from->pgoff;
	to->image = from->image;
	to->origin = from->origin;
	to->prot = from->prot;
	to->pid = from->pid;
	to->code = from->code;
	to->copied = from->copied;
	to->state = __atomic_load_n(&from->state, __ATOMIC_ACQUIRE);
	if (to->state == MAP_USABLE)
		to->bias = from->bias;
	origin_get(to->origin);
}

/* Makes sure that the maps are not shared, and have room for more. */
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
	maps->anonymous_code = old && old->anonymous_code;
	maps->jitdump = (struct map){ 0 };
	if (old && old->jitdump.origin)
		map_copy(&maps->jitdump, &old->jitdump);
	for (size_t i = 0; i < nr; i++)
		map_copy(&maps->v[i], &old->v[i]);
	maps_put(old);
	space->maps = maps;
	return 0;
}

static bool ends_below(const void *maps, size_t i, uint64_t addr)
{
	return ((const struct maps *)maps)->v[i].end <= addr;
}

/* Index of the first map that ends above addr. */
static size_t maps_search(const struct maps *maps, uint64_t addr)
{
	return search(maps->nr, ends_below, maps, addr);
}

/*
 * Replaces what is mapped in [start, end) by new, or by nothing.  Parts of maps
 * that stick out on either side stay.
 */
static int space_replace(struct ustack_space *space, uint64_t start,
			 uint64_t end, const struct map *new)
{
	size_t first, last, nr = 0;
	struct map put[3];
	struct maps *maps;
	int err;

	err = space_own(space, 2);
	if (err)
		return err;
	maps = space->maps;
	maps->id = unique_number();
	if (!maps->origin)
		maps->origin = maps->id;

	/* [first, last) overlap. */
	first = maps_search(maps, start);
	last = first;
	while (last < maps->nr && maps->v[last].start < end)
		last++;
	if (first < last && maps->v[first].start < start) {
		map_copy(&put[nr], &maps->v[first]);
		put[nr++].end = start;
	}
	if (new)
		map_copy(&put[nr++], new);
	if (first < last && maps->v[last - 1].end > end) {
		struct map *rest = &put[nr++];

		map_copy(rest, &maps->v[last - 1]);
		rest->pgoff += end - rest->start;
		rest->start = end;
	}
	for (size_t i = first; i < last; i++)
		origin_put(maps->v[i].origin);
	memmove(&maps->v[first + nr], &maps->v[last],
		(maps->nr - last) * sizeof(maps->v[0]));
	memcpy(&maps->v[first], put, nr * sizeof(put[0]));
	maps->nr = maps->nr - (last - first) + nr;
	return 0;
}

struct ustack_map map_describe(const struct map *map)
{
	const struct origin *origin = map->origin;

	return (struct ustack_map){
		.sz = sizeof(struct ustack_map),
		.addr = map->start,
		.size = map->end - map->start,
		.pgoff = map->pgoff,
		.path = origin->path,
		.build_id = origin->build_id.size ? origin->build_id.bytes :
						    NULL,
		.build_id_size = origin->build_id.size,
		.ino = origin->ino,
		.ino_generation = origin->generation,
		.maj = origin->maj,
		.min = origin->min,
		.prot = map->prot,
		.pid = map->pid,
		.seen = origin->seen,
		.is_kernel = origin->is_kernel,
	};
}

/* At once: what the caller gave is only lent. */
static void open_given(const struct map *map, const struct ustack_map *given)
{
	struct ustack_map as = map_describe(map);

	as.data = given->data;
	as.data_size = given->data_size;
	as.fd = given->fd;
	as.has_fd = given->has_fd;
	/* An image that cannot be used is no error, as elsewhere. */
	image_open_given(map->origin, &as);
}

/* Copies the caller's map, checked and completed. */
static int map_read(struct ustack_map *own, const struct ustack_map *map)
{
	struct stat st;
	int err;

	if (!map)
		return -EINVAL;
	err = opts_copy(own, sizeof(*own), map);
	if (err)
		return err;
	if (!own->size || own->addr + own->size < own->addr ||
	    !own->data != !own->data_size || (own->data && own->has_fd))
		return -EINVAL;
	if (!own->path)
		own->path = "//anon";
	if (own->has_fd && fstat(own->fd, &st))
		return -errno;
	if (own->has_fd && !own->ino) {
		own->maj = major(st.st_dev);
		own->min = minor(st.st_dev);
		own->ino = st.st_ino;
	}
	return 0;
}

/* Where the protection is not known, only a stack and the heap are surely data. */
static bool is_code(const struct ustack_map *map)
{
	if (map->prot)
		return map->prot & PROT_EXEC;
	return !path_is_data(map->path);
}

/* Executable, without a file: of a JIT, or text that was copied. */
static bool is_anonymous_code(const struct map *map)
{
	const char *path = map->origin->path;

	return map->prot & PROT_EXEC &&
	       (path_is_jit(path) || path_is_anonymous(path));
}

static bool is_file_code(const struct map *map)
{
	return map->code && !map->origin->is_jit &&
	       path_is_file(map->origin->path);
}

/*
 * Programs copy their text to anonymous memory in place, for huge pages or to
 * patch it: what lay there tells what it is.  Returns where that ends; new becomes
 * its file's, or stays as it is.
 */
static uint64_t remap(struct ustack_space *space, struct map *new)
{
	const struct maps *maps = space->maps;
	size_t i = maps ? maps_search(maps, new->start) : 0;
	const struct map *old = maps && i < maps->nr ? &maps->v[i] : NULL;

	if (!old || old->start >= new->end)
		return new->end;
	if (old->start > new->start)
		return old->start;
	if (is_file_code(old)) {
		new->origin = old->origin;
		new->image = old->image;
		new->pgoff = old->pgoff + (new->start - old->start);
		new->copied = true;
	}
	return old->end < new->end ? old->end : new->end;
}

/* Piece by piece, as old maps end. */
static int map_anonymous_code(struct ustack_space *space, const struct map *new)
{
	struct map piece = *new;
	int err = 0;

	while (!err && piece.start < new->end) {
		uint64_t end;

		piece.end = new->end;
		piece.origin = new->origin;
		piece.image = new->image;
		piece.pgoff = new->pgoff + (piece.start - new->start);
		piece.copied = false;
		end = piece.end = remap(space, &piece);
		/* The old map holds it until it is replaced. */
		origin_get(piece.origin);
		err = space_replace(space, piece.start, end, &piece);
		origin_put(piece.origin);
		piece.start = end;
	}
	if (!err)
		space->maps->anonymous_code = true;
	return err;
}

/*
 * Of a process that did it before it was looked at: anonymous code between two
 * parts of a file, at the distance that they have in the file.
 */
static void fill_gap(struct maps *maps, uint64_t start)
{
	size_t i = maps_search(maps, start);
	struct map *v = &maps->v[i];

	if (i < 2 || i == maps->nr || v->start != start ||
	    !is_anonymous_code(&v[-1]) || v[-2].origin != v->origin ||
	    v[-2].end != v[-1].start || v[-1].end != start ||
	    v->start - v->pgoff != v[-2].start - v[-2].pgoff)
		return;
	origin_put(v[-1].origin);
	origin_get(v->origin);
	v[-1].origin = v->origin;
	v[-1].image = v->image;
	v[-1].pgoff = v[-2].pgoff + (v[-1].start - v[-2].start);
	v[-1].state = MAP_NEW;
	v[-1].copied = true;
}

/* What is mapped of it is only a sign that it is there. */
static int set_jitdump(struct ustack_space *space, const struct map *new)
{
	int err = ustack_space_unmap(space, new->start, new->end - new->start);
	struct map *dump;

	if (!err)
		err = space_own(space, 0);
	if (err)
		return err;
	dump = &space->maps->jitdump;
	if (dump->origin)
		origin_put(dump->origin);
	map_copy(dump, new);
	dump->start = dump->end = 0;
	return 0;
}

struct map *space_jitdump(struct ustack_space *space)
{
	return space->maps && space->maps->jitdump.origin ?
		       &space->maps->jitdump :
		       NULL;
}

int ustack_space_map(struct ustack_space *space, const struct ustack_map *map)
{
	struct ustack_map own;
	struct map new = { 0 };
	int err;

	err = map_read(&own, map);
	if (err)
		return err;
	err = images_get(space->images, &own, &new.origin);
	if (err)
		return err;
	new.image = new.origin->image;
	new.start = own.addr;
	new.end = own.addr + own.size;
	new.pgoff = own.pgoff;
	new.prot = own.prot;
	new.code = is_code(&own);
	new.pid = own.pid;
	if (own.data || own.has_fd) {
		err = space_replace(space, new.start, new.end, &new);
		if (!err)
			open_given(&new, &own);
	} else if (new.code && path_is_jitdump(own.path)) {
		err = set_jitdump(space, &new);
	} else if (is_anonymous_code(&new)) {
		err = map_anonymous_code(space, &new);
	} else {
		err = space_replace(space, new.start, new.end, &new);
		if (!err && space->maps->anonymous_code)
			fill_gap(space->maps, new.start);
	}
	origin_put(new.origin);
	return err;
}

int ustack_space_unmap(struct ustack_space *space, uint64_t addr, uint64_t size)
{
	const struct maps *maps = space->maps;
	size_t first;

	if (!size || addr + size < addr)
		return -EINVAL;
	first = maps ? maps_search(maps, addr) : 0;
	if (!maps || first == maps->nr || maps->v[first].start >= addr + size)
		return 0;
	return space_replace(space, addr, addr + size, NULL);
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
 * The segment that is mapped.  If two share a page of the file it is the
 * executable one, since recorded maps are code.
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

/* What a user address is above the file's.  false: no segment of it is mapped. */
static bool map_bias(const struct map *map, uint64_t *bias)
{
	const struct segment *seg;

	/* _text, which its first segment begins with, is at offset 0. */
	if (map->origin->is_kernel) {
		*bias = map->start - map->pgoff - map->image->base;
		return true;
	}
	seg = map_segment(map);
	if (seg)
		*bias = map->start - map->pgoff + seg->offset - seg->vaddr;
	return seg;
}

static enum map_state map_resolve(struct map *map)
{
	struct ustack_images *images = map->image->images;
	struct ustack_map as = map_describe(map);
	int err = image_open(map->origin, &as);
	uint64_t bias = 0;
	enum map_state state = err		      ? MAP_NO_FILE :
			       map_bias(map, &bias) ? MAP_USABLE :
						      MAP_UNUSABLE;

	if (err == -EDEADLK)
		return MAP_NO_FILE;	/* this time */
	pthread_mutex_lock(&images->lock);
	if (map->state == MAP_USABLE || map->state == MAP_UNUSABLE) {
		/* Another thread was faster: bias is in use. */
		state = map->state;
	} else {
		if (state == MAP_USABLE)
			map->bias = bias;
		__atomic_store_n(&map->state, state, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&images->lock);
	return state;
}

bool map_usable_now(struct map *map)
{
	enum map_state state = __atomic_load_n(&map->state, __ATOMIC_ACQUIRE);

	/* Its image may have been opened for another map since. */
	if (state == MAP_NEW ||
	    (state == MAP_NO_FILE && !once_state(&map->image->opened)))
		state = map_resolve(map);
	return state == MAP_USABLE;
}

struct map *space_find_image(struct ustack_space *space, uint64_t addr)
{
	struct map *map = space_find(space, addr);

	return map && map_usable(map) ? map : NULL;
}

bool space_any_cut(const struct ustack_space *space)
{
	return __atomic_load_n(&space->images->any_cut, __ATOMIC_RELAXED);
}

uint64_t space_id(const struct ustack_space *space)
{
	return space->maps ? space->maps->id : 0;
}

uint64_t ustack_space_id(const struct ustack_space *space)
{
	return space_id(space);
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

		/* The file does not know what the process wrote. */
		if (seg->flags & PF_W || vaddr - seg->vaddr >= seg->size ||
		    size > seg->size - (vaddr - seg->vaddr))
			continue;
		memcpy(buf, image->data + seg->offset + (vaddr - seg->vaddr),
		       size);
		return 0;
	}
	return -EFAULT;
}
