// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * All images, by the identity of their files.
 *
 * A build-id identifies a file wherever it is, unless it is that of a path, where
 * another file may have been before.  Without one it is the bytes that
 * the caller gave, or else device and inode.  Inode numbers are reused: if the
 * generation is not known, the path has to match as well.  The path alone counts
 * only if nothing else is known.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module/debuginfod.h"
#include "module/images.h"
#include "module/path.h"
#include "util/opts.h"
#include "util/unique.h"

/* Our own copy of an option, or of missing and more where it is not set. */
static int opt_string(const char **opt, const char *missing, const char *more)
{
	char *own;

	if (*opt)
		own = strdup(*opt);
	else if (asprintf(&own, "%s%s", missing, more) < 0)
		own = NULL;
	*opt = own;
	return own ? 0 : -ENOMEM;
}

int ustack_images_new(struct ustack_images **out,
		      const struct ustack_images_opts *opts)
{
	const char *home = getenv("HOME");
	struct ustack_images *images;
	struct ustack_images_opts o;
	int err;

	*out = NULL;
	err = opts_copy(&o, sizeof(o), opts);
	if (err)
		return err;
	images = calloc(1, sizeof(*images));
	if (!images)
		return -ENOMEM;
	pthread_mutex_init(&images->lock, NULL);
	onces_init(&images->once);
	images->end = &images->all;
	images->debuginfod_started.state = ONCE_NEW;
	err = opt_string(&o.root, "", "");
	err |= opt_string(&o.vdso, "", "");
	err |= opt_string(&o.vmlinux, "", "");
	err |= opt_string(&o.debug_dirs, o.root ? o.root : "",
			  "/usr/lib/debug");
	err |= opt_string(&o.build_id_dir, home ? home : "",
			  home ? "/.debug" : "");
	images->opts = o;
	if (err) {
		ustack_images_free(images);
		return -ENOMEM;
	}
	*out = images;
	return 0;
}

static void origins_free(struct origin *origin)
{
	struct origin *next;

	for (; origin; origin = next) {
		next = origin->next;
		free(origin);
	}
}

static void all_free(struct image *image)
{
	struct image *next;

	for (; image; image = next) {
		next = image->next;
		origins_free(image->origins);
		image_free(image);
	}
}

void ustack_images_free(struct ustack_images *images)
{
	if (!images)
		return;
	all_free(images->all);
	debuginfod_free(images);
	hash_free(&images->by_origin);
	hash_free(&images->by_identity);
	onces_destroy(&images->once);
	pthread_mutex_destroy(&images->lock);
	free((char *)images->opts.root);
	free((char *)images->opts.vdso);
	free((char *)images->opts.vmlinux);
	free((char *)images->opts.debug_dirs);
	free((char *)images->opts.build_id_dir);
	free(images);
}

/* --- which file ------------------------------------------------------------ */

/* What a map tells about its file. */
struct told {
	const char *path;
	size_t len, base;	/* of path: of all, without DELETED */
	uint32_t maj, min;
	uint64_t ino, generation, seen;
	struct elf_id build_id;
	const void *data;	/* NULL: not given */
	size_t data_size;
	bool is_jit, is_kernel;
};

static void take_build_id(struct elf_id *id, const uint8_t *bytes, size_t size)
{
	id->size = 0;
	if (size > sizeof(id->bytes))
		size = sizeof(id->bytes);
	/* perf writes zeroes if it found none. */
	for (size_t i = 0; bytes && i < size && !id->size; i++)
		if (bytes[i])
			id->size = size;
	if (id->size)
		memcpy(id->bytes, bytes, id->size);
}

static void told_by(struct told *told, const struct ustack_map *map)
{
	size_t len = strlen(map->path), base = path_deleted(map->path, len);

	*told = (struct told){
		.path = map->path,
		.len = len,
		.base = base ? base : len,
		/* Unless the caller has an object file that the JIT made. */
		.is_jit = (path_is_jit(map->path) ||
			   path_is_jitdump(map->path)) &&
			  !map->data && !map->has_fd,
	};
	/* There is no ELF file: only the path matters. */
	if (told->is_jit)
		return;
	told->is_kernel = map->is_kernel;
	told->maj = map->maj;
	told->min = map->min;
	told->ino = map->ino;
	told->generation = map->ino_generation;
	told->seen = map->seen;
	told->data = map->data;
	told->data_size = map->data_size;
	take_build_id(&told->build_id, map->build_id, map->build_id_size);
}

static bool same_build_id(const struct elf_id *a, const struct elf_id *b)
{
	return a->size == b->size && !memcmp(a->bytes, b->bytes, a->size);
}

/* Is the build-id that of what was mapped? */
static bool has_own_id(const struct told *told)
{
	return told->build_id.size && !(told->seen && told->ino);
}

static bool origin_has_own_id(const struct origin *origin)
{
	return origin->build_id.size && !(origin->seen && origin->ino);
}

static bool same_inode(const struct told *told, const struct origin *origin)
{
	return told->maj == origin->maj && told->min == origin->min &&
	       told->ino == origin->ino &&
	       told->generation == origin->generation;
}

/* The same bytes given, or none at all. */
static bool same_data(const struct told *told, const struct image *image)
{
	return !told->data == !image->given &&
	       told->data_size == image->given_size &&
	       (!told->data ||
		!memcmp(told->data, image->given, told->data_size));
}

/* "PATH (deleted)" was PATH. */
static bool same_path(const struct told *told, const struct origin *origin)
{
	const char *rest = origin->path + told->base;

	return !strncmp(told->path, origin->path, told->base) &&
	       (!*rest || !strcmp(rest, DELETED));
}

static uint64_t inode_key(const struct told *told, uint64_t hash)
{
	hash = hash_mix(hash, (uint64_t)told->maj << 32 | told->min);
	return hash_mix(hash_mix(hash, told->ino), told->generation);
}

static uint64_t origin_key(const struct told *told)
{
	uint64_t hash = hash_bytes(told->path, told->len);

	return inode_key(told, hash) ^
	       hash_bytes(told->build_id.bytes, told->build_id.size);
}

static bool is_origin(const struct told *told, const struct origin *origin)
{
	return !strcmp(told->path, origin->path) && same_inode(told, origin) &&
	       told->seen == origin->seen &&
	       told->is_kernel == origin->is_kernel &&
	       same_build_id(&told->build_id, &origin->build_id) &&
	       (told->build_id.size || same_data(told, origin->image));
}

/* Hashes what is_image() compares. */
static uint64_t identity_key(const struct told *told)
{
	if (has_own_id(told))
		return hash_bytes(told->build_id.bytes, told->build_id.size);
	if (told->data)
		return hash_bytes(told->data, told->data_size);
	if (told->ino)
		return inode_key(told, 0);
	return hash_bytes(told->path, told->len);
}

static bool is_image(const struct told *told, const struct image *image)
{
	/* Any of them: all have the same identity. */
	const struct origin *origin = image->origins;

	if (told->is_kernel != origin->is_kernel)
		return false;
	if (has_own_id(told) || origin_has_own_id(origin))
		return has_own_id(told) == origin_has_own_id(origin) &&
		       same_build_id(&told->build_id, &origin->build_id);
	if (told->data || image->given)
		return same_data(told, image);
	if (told->ino || origin->ino)
		return same_inode(told, origin) &&
		       (told->generation || same_path(told, origin));
	return !strcmp(told->path, origin->path);
}

/* --- found or made, under the lock ------------------------------------------ */

static struct origin *find_origin(struct ustack_images *images, uint64_t key,
				  const struct told *told)
{
	struct hash_node *n = hash_find(&images->by_origin, key);

	for (; n; n = hash_next(n)) {
		struct origin *origin = container_of(n, struct origin, node);

		if (is_origin(told, origin))
			return origin;
	}
	return NULL;
}

static struct image *find_image(struct ustack_images *images, uint64_t key,
				const struct told *told)
{
	struct hash_node *n = hash_find(&images->by_identity, key);

	for (; n; n = hash_next(n)) {
		struct image *image = container_of(n, struct image, node);

		if (is_image(told, image))
			return image;
	}
	return NULL;
}

static struct origin *new_origin(struct ustack_images *images, uint64_t key,
				 const struct told *told)
{
	struct origin *origin = calloc(1, sizeof(*origin) + told->len + 1);

	if (!origin)
		return NULL;
	memcpy(origin->path, told->path, told->len);
	origin->maj = told->maj;
	origin->min = told->min;
	origin->ino = told->ino;
	origin->generation = told->generation;
	origin->seen = told->seen;
	origin->build_id = told->build_id;
	origin->is_jit = told->is_jit;
	origin->is_kernel = told->is_kernel;
	if (hash_add(&images->by_origin, &origin->node, key)) {
		free(origin);
		return NULL;
	}
	return origin;
}

static struct image *add_image(struct ustack_images *images, uint64_t key,
			       const struct told *told)
{
	struct image *image = image_new(images);

	if (!image)
		return NULL;
	if (image_copy_data(image, told->data, told->data_size) ||
	    hash_add(&images->by_identity, &image->node, key)) {
		image_free(image);
		return NULL;
	}
	/* By an odd number: none is 0 or comes twice, and they spread well. */
	image->id = unique_number() * 0xd6e8feb86659fd93ULL;
	*images->end = image;
	images->end = &image->next;
	return image;
}

static struct origin *add_origin(struct ustack_images *images, uint64_t key,
				 const struct told *told)
{
	uint64_t identity = identity_key(told);
	struct image *image = find_image(images, identity, told);
	struct origin *origin = new_origin(images, key, told);

	if (!origin)
		return NULL;
	if (!image)
		image = add_image(images, identity, told);
	if (!image) {
		hash_del(&images->by_origin, &origin->node);
		free(origin);
		return NULL;
	}
	origin->image = image;
	origin->next = image->origins;
	image->origins = origin;
	return origin;
}

int images_get(struct ustack_images *images, const struct ustack_map *map,
	       struct origin **out)
{
	struct told told;
	uint64_t key;

	told_by(&told, map);
	key = origin_key(&told);
	pthread_mutex_lock(&images->lock);
	*out = find_origin(images, key, &told);
	if (!*out)
		*out = add_origin(images, key, &told);
	if (*out)
		origin_get(*out);
	pthread_mutex_unlock(&images->lock);
	return *out ? 0 : -ENOMEM;
}

/* --- what is not needed any more ---------------------------------------------- */

static bool is_used(const struct origin *origin)
{
	return __atomic_load_n(&origin->refs, __ATOMIC_ACQUIRE);
}

/*
 * Frees the origins that no map has, except the one that an image in use was
 * opened as.  Is it in use?
 */
static bool trim_origins(struct ustack_images *images, struct image *image)
{
	struct origin **p, *origin;
	bool used = false;

	for (origin = image->origins; origin; origin = origin->next)
		used |= is_used(origin);
	for (p = &image->origins; (origin = *p);) {
		if (is_used(origin) || (used && origin == image->origin)) {
			p = &origin->next;
			continue;
		}
		*p = origin->next;
		hash_del(&images->by_origin, &origin->node);
		free(origin);
	}
	return used;
}

void ustack_images_trim(struct ustack_images *images)
{
	struct image **p = &images->all, *image, *unused = NULL;

	pthread_mutex_lock(&images->lock);
	while ((image = *p)) {
		if (trim_origins(images, image)) {
			p = &image->next;
			continue;
		}
		*p = image->next;
		hash_del(&images->by_identity, &image->node);
		image->next = unused;
		unused = image;
	}
	images->end = p;
	pthread_mutex_unlock(&images->lock);
	all_free(unused);
}

/*
 * Why it could not be used, or not all of it, with the path; 0 if it could, or was
 * not needed.
 */
static int why_unusable(const struct image *image, const char **path)
{
	bool is_jit = image->origins->is_jit;
	bool is_kernel = image->origins->is_kernel;
	/* The kernel has names where there is no file of it. */
	bool is_core = is_kernel && !strcmp(image->origins->path, KERNEL_PATH);
	bool no_file = is_jit || (is_kernel && (!is_core || !*image->images->opts.vmlinux));
	int err = once_state(no_file ? &image->symbols_read : &image->opened);
	const struct origin *origin = no_file ? image->origins : image->origin;

	/* What a JIT's file lacks is told while it is read on, too. */
	if (!err || (is_jit && err > 0))
		err = image_lack(image);
	if (err >= 0)
		return 0;
	*path = origin->path;
	return is_kernel || path_is_file(*path) || path_is_jit(*path) ? err : 0;
}

size_t ustack_images_unusable(struct ustack_images *images,
			      void (*fn)(void *arg, const char *path, int err),
			      void *arg)
{
	const struct image *image;
	const char *urls;
	int failed = debuginfod_failed(images, &urls);
	size_t nr = 0;

	if (failed) {
		nr++;
		if (fn)
			fn(arg, urls, failed);
	}
	pthread_mutex_lock(&images->lock);
	for (image = images->all; image; image = image->next) {
		const char *path;
		int err = why_unusable(image, &path);

		if (!err)
			continue;
		nr++;
		if (fn)
			fn(arg, path, err);
	}
	pthread_mutex_unlock(&images->lock);
	return nr;
}
