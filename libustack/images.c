// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The cache of images: which file belongs to a path and a build-id. */
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "unwind.h"

/* --- one file -------------------------------------------------------------- */

/* Old recordings fill a short build-id up to 20 bytes, and cut longer ones. */
static bool same_id(const struct elf_id *file, const struct elf_id *recorded)
{
	size_t n = recorded->size;

	if (!file->size || (file->size > n && n < 20))
		return false;
	if (file->size < n)
		n = file->size;
	for (size_t i = n; i < recorded->size; i++)
		if (recorded->bytes[i])
			return false;
	return !memcmp(file->bytes, recorded->bytes, n);
}

static int image_check(const struct image *image)
{
	if (!image->nr_segments)
		return -ENOEXEC;
	return image->build_id.size && !same_id(&image->id, &image->build_id) ?
		       -ESTALE :
		       0;
}

/* fd is closed, or was none and is an error already. */
static int image_use_fd(struct image *image, int fd, size_t size)
{
	int err = fd < 0 ? fd : elf_read_fd(image, fd, size);

	if (!err)
		err = image_check(image);
	if (!err)
		err = elf_map(image, fd);
	if (fd >= 0)
		close(fd);
	return err;
}

/* The vDSO has no file; the kernel maps all of it, section headers included. */
static int image_use_own_vdso(struct image *image)
{
	const Elf64_Ehdr *ehdr = (void *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Phdr *phdr;
	uint64_t end;
	int err;

	if (!ehdr || ehdr->e_ident[EI_CLASS] != ELFCLASS64)
		return -ENOENT;
	end = ehdr->e_shoff + (uint64_t)ehdr->e_shnum * ehdr->e_shentsize;
	phdr = (void *)((const uint8_t *)ehdr + ehdr->e_phoff);
	for (int i = 0; i < ehdr->e_phnum; i++)
		if (phdr[i].p_type == PT_LOAD &&
		    phdr[i].p_offset + phdr[i].p_filesz > end)
			end = phdr[i].p_offset + phdr[i].p_filesz;
	image->data = (const uint8_t *)ehdr;
	image->size = end;
	err = elf_read(image, &(struct head){ image->data, end, end });
	if (!err)
		err = image_check(image);
	return err ? err : elf_map(image, -1);
}

/* The ways to an image, in the order they are tried. */
enum way {
	WAY_CALLBACK,
	WAY_PATH,
	WAY_OWN_VDSO,
	WAY_DELETED,	/* the path again, but only by build-id */
	WAY_CACHE,
	NR_WAYS,
};

static int image_try(struct image *image, enum way way)
{
	const struct ustack_images_opts *opts = &image->images->opts;
	static const char deleted[] = " (deleted)";
	bool vdso = !strcmp(image->path, "[vdso]");
	size_t len = strlen(image->path), size = 0;
	int fd = -ENOENT;

	switch (way) {
	case WAY_CALLBACK:
		fd = file_open_callback(image->images, USTACK_FILE_IMAGE, image,
					&size);
		break;
	case WAY_PATH:
		if (vdso && *opts->vdso)
			fd = file_open_at(&size, "%s", opts->vdso);
		else if (*image->path == '/')
			fd = file_open_at(&size, "%s%s", opts->root,
					  image->path);
		break;
	case WAY_OWN_VDSO:
		/* A file that was named is not replaced by a mere guess. */
		if (vdso && (!*opts->vdso || image->build_id.size))
			return image_use_own_vdso(image);
		break;
	case WAY_DELETED:
		if (*image->path == '/' && image->build_id.size &&
		    len > strlen(deleted) &&
		    !strcmp(image->path + len - strlen(deleted), deleted))
			fd = file_open_at(&size, "%s%.*s", opts->root,
					  (int)(len - strlen(deleted)),
					  image->path);
		break;
	case WAY_CACHE:
		fd = file_open_build_id(opts->build_id_dir,
					strlen(opts->build_id_dir),
					&image->build_id,
					vdso ? "/vdso" : "/elf", &size);
		break;
	case NR_WAYS:
		break;
	}
	return image_use_fd(image, fd, size);
}

static void image_close(struct image *image)
{
	cfi_free(&image->cfi);
	symbols_free(image->symbols);
	image->symbols = NULL;
	free(image->segments);
	image->segments = NULL;
	image->nr_segments = 0;
	cfi_free(&image->debug_cfi);
	image->debug_state = 1;
	debugfile_free(image);
	section_free(image);
	image->data = NULL;
	image->id.size = 0;
	image->eh_frame_hdr = image->eh_frame = (struct section){ 0 };
}

static int image_load(struct image *image)
{
	int err = -ENOENT, tried;
	enum way way;

	for (way = WAY_CALLBACK; way < NR_WAYS; way++) {
		tried = image_try(image, way);
		if (way == WAY_CALLBACK && tried == -ENOSYS)
			continue;
		/* Another file in its place is more than no file. */
		if (!tried || err == -ENOENT || tried == -ESTALE)
			err = tried;
		if (!tried || way == WAY_CALLBACK)
			break;
		image_close(image);
	}
	image->by_path = way == WAY_PATH && *image->path == '/';
	return err ? err : cfi_init(&image->cfi, image);
}

int image_open(struct ustack_images *images, struct image *image)
{
	int state = __atomic_load_n(&image->state, __ATOMIC_ACQUIRE);

	if (state != 1)
		return state;
	pthread_mutex_lock(&images->lock);
	state = image->state;
	if (state == 1) {
		state = image_load(image);
		if (state)
			image_close(image);
		__atomic_store_n(&image->state, state, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&images->lock);
	return state;
}

/* --- all files ----------------------------------------------------------- */

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
	struct ustack_images_opts o = { 0 };
	int err;

	*out = NULL;
	images = calloc(1, sizeof(*images));
	if (!images)
		return -ENOMEM;
	/* Older callers know fewer options. */
	if (opts)
		memcpy(&o, opts, opts->sz < sizeof(o) ? opts->sz : sizeof(o));
	pthread_mutex_init(&images->lock, NULL);
	err = opt_string(&o.root, "", "");
	err |= opt_string(&o.vdso, "", "");
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

void ustack_images_free(struct ustack_images *images)
{
	if (!images)
		return;
	for (int i = 0; i < IMAGES_BUCKETS; i++) {
		struct image *image = images->bucket[i], *next;

		for (; image; image = next) {
			next = image->next;
			image_close(image);
			free(image->path);
			free(image);
		}
	}
	file_unmap_all(images);
	pthread_mutex_destroy(&images->lock);
	free((char *)images->opts.root);
	free((char *)images->opts.vdso);
	free((char *)images->opts.debug_dirs);
	free((char *)images->opts.build_id_dir);
	free(images);
}

static struct image *images_find(struct ustack_images *images, uint32_t hash,
				 const char *path, const struct elf_id *id)
{
	struct image *image = images->bucket[hash % IMAGES_BUCKETS];

	for (; image; image = image->next)
		if (image->hash == hash &&
		    image->build_id.size == id->size &&
		    !memcmp(image->build_id.bytes, id->bytes, id->size) &&
		    !strcmp(image->path, path))
			return image;

	image = calloc(1, sizeof(*image));
	if (!image)
		return NULL;
	image->path = strdup(path);
	if (!image->path) {
		free(image);
		return NULL;
	}
	image->images = images;
	image->state = image->debug_state = 1;
	image->hash = hash;
	image->build_id = *id;
	image->next = images->bucket[hash % IMAGES_BUCKETS];
	images->bucket[hash % IMAGES_BUCKETS] = image;
	return image;
}

struct image *images_get(struct ustack_images *images, const char *path,
			 const uint8_t *build_id, size_t build_id_size)
{
	struct elf_id id = { 0 };
	uint32_t hash = 5381;
	struct image *image;

	if (build_id_size > sizeof(id.bytes))
		build_id_size = sizeof(id.bytes);
	/* All zero is perf's way to say that there is none. */
	for (size_t i = 0; build_id && i < build_id_size; i++)
		if (build_id[i])
			id.size = build_id_size;
	if (id.size)
		memcpy(id.bytes, build_id, id.size);
	for (const char *p = path; *p; p++)
		hash = hash * 33 + (unsigned char)*p;
	pthread_mutex_lock(&images->lock);
	image = images_find(images, hash, path, &id);
	pthread_mutex_unlock(&images->lock);
	return image;
}

/* Memory that never was a file is not missing. */
static bool is_file(const char *path)
{
	return (path[0] == '/' && path[1] != '/') || !strcmp(path, "[vdso]");
}

size_t ustack_images_unusable(struct ustack_images *images,
			      void (*fn)(void *arg, const char *path, int err),
			      void *arg)
{
	size_t nr = 0;

	pthread_mutex_lock(&images->lock);
	for (int i = 0; i < IMAGES_BUCKETS; i++) {
		const struct image *image = images->bucket[i];

		for (; image; image = image->next) {
			if (image->state >= 0 || !is_file(image->path) ||
			    file_is_jit(image->path))
				continue;
			nr++;
			if (fn)
				fn(arg, image->path, image->state);
		}
	}
	pthread_mutex_unlock(&images->lock);
	return nr;
}
