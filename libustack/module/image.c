// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* One image: where its file is looked for, and whether it is that file. */
#include <errno.h>
#include <inttypes.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "module/debug_file.h"
#include "module/debuginfod.h"
#include "module/elf.h"
#include "module/find_file.h"
#include "module/images.h"
#include "module/kernel.h"
#include "module/layout.h"
#include "module/path.h"
#include "module/section.h"
#include "util/proc.h"

/* Old recordings pad short build-ids to 20 bytes and truncate longer ones. */
bool elf_id_is(const struct elf_id *file, const struct elf_id *told)
{
	size_t n = told->size;

	if (!file->size || (file->size > n && n < 20))
		return false;
	if (file->size < n)
		n = file->size;
	for (size_t i = n; i < told->size; i++)
		if (told->bytes[i])
			return false;
	return !memcmp(file->bytes, told->bytes, n);
}

/*
 * Reads the headers in data and size.  -ESTALE: it is another file; -ENOKEY: it
 * may be, as it has no build-id to compare.
 */
static int image_read(struct image *image)
{
	const struct elf_id *told = &image->origin->build_id;
	int err = elf_read(image);

	if (err)
		return err;
	if (!image->nr_segments)
		return -ENOEXEC;
	if (!told->size || elf_id_is(&image->id_found, told))
		return 0;
	return image->id_found.size ? -ESTALE : -ENOKEY;
}

/*
 * What is at a path need not be what was mapped from there.  Where no build-id
 * tells, the inode does; below a root it is a copy.  And what had the build-id
 * when the recording ended is another file, if it was there by then and has
 * another inode; if it came later, it was built again.
 */
static int check_path(struct image *image, int fd)
{
	const struct origin *origin = image->origin;
	bool has_id = origin->build_id.size;
	struct stat st;

	if (*image->images->opts.root || (has_id && !origin->seen) ||
	    fstat(fd, &st))
		return 0;
	if (origin->ino && !file_is(fd, image->data, origin)) {
		image->replaced = has_id && st.st_ctime <= (time_t)origin->seen;
		return has_id && !image->replaced ? 0 : -ESTALE;
	}
	/* The same inode, but written since. */
	return !has_id && origin->seen && st.st_mtime > (time_t)origin->seen ?
		       -ESTALE :
		       0;
}

/*
 * Could the process that mapped it show it?  Below a root its number is that of
 * another machine's.
 */
static bool is_alive(const struct image *image)
{
	return image->map.pid && *image->origin->path == '/' &&
	       !*image->images->opts.root;
}

/* Its number may be another process's by now: only what is known counts. */
static int check_process(const struct image *image, int fd)
{
	const struct origin *origin = image->origin;

	if (origin->ino)
		return file_is(fd, image->data, origin) > 0 ? 0 : -ENOENT;
	return origin->build_id.size ? 0 : -ENOENT;
}

static int image_read_fd(struct image *image, int fd, size_t size)
{
	int err = map_file(image, fd, size);

	return err ? err : image_read(image);
}

/* The vDSO has no file; the kernel maps all of it, section headers included. */
static int image_read_own_vdso(struct image *image)
{
	const Elf64_Ehdr *ehdr = (void *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Phdr *phdr;
	uint64_t end;

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
	return image_read(image);
}

/* The ways to a file, in the order they are tried. */
enum way {
	WAY_CALLBACK,
	WAY_PATH,
	WAY_OWN_VDSO,
	WAY_DELETED,	/* the path of a deleted file, if its build-id is known */
	WAY_MAPPED,	/* what the process has mapped, if it is alive */
	WAY_PROCESS,	/* the path in the process's own root */
	WAY_CACHE,
	WAY_SERVER,
	NR_WAYS,
};

static int image_try(struct image *image, enum way way)
{
	const struct ustack_images_opts *opts = &image->images->opts;
	const struct elf_id *id = &image->origin->build_id;
	const char *path = image->origin->path;
	size_t deleted = path_deleted(path, strlen(path));
	bool vdso = !strcmp(path, "[vdso]");
	int fd = -ENOENT, err;
	size_t size = 0;

	switch (way) {
	case WAY_CALLBACK:
		fd = open_callback(image->images, USTACK_FILE_IMAGE,
				   &image->map, &size);
		break;
	case WAY_PATH:
		if (vdso && *opts->vdso)
			fd = open_path(&size, "%s", opts->vdso);
		else if (*path == '/')
			fd = open_path(&size, "%s%s", opts->root, path);
		break;
	case WAY_OWN_VDSO:
		/* Only its build-id can tell that ours replaces the one named. */
		if (vdso && (!*opts->vdso || id->size))
			return image_read_own_vdso(image);
		break;
	case WAY_DELETED:
		if (*path == '/' && id->size && deleted)
			fd = open_path(&size, "%s%.*s", opts->root,
				       (int)deleted, path);
		break;
	case WAY_MAPPED:
		if (is_alive(image))
			fd = open_path(&size, "/proc/%" PRIu32 "/map_files/%" PRIx64 "-%" PRIx64,
				       proc_with_memory(image->map.pid),
				       image->map.addr,
				       image->map.addr + image->map.size);
		break;
	case WAY_PROCESS:
		if (is_alive(image))
			fd = open_path(&size, "/proc/%" PRIu32 "/root%s",
				       proc_with_memory(image->map.pid), path);
		break;
	case WAY_CACHE:
		fd = open_build_id(opts->build_id_dir,
				   strlen(opts->build_id_dir), id,
				   vdso ? "/vdso" : "/elf", &size);
		break;
	case WAY_SERVER:
		if (!vdso)
			fd = debuginfod_open(image->images,
					     DEBUGINFOD_EXECUTABLE, id, &size);
		break;
	case NR_WAYS:
		break;
	}
	if (fd < 0)
		return fd;
	err = image_read_fd(image, fd, size);
	if (!err && way == WAY_PATH)
		err = check_path(image, fd);
	else if (!err && (way == WAY_MAPPED || way == WAY_PROCESS))
		err = check_process(image, fd);
	close(fd);
	return err;
}

/* Back to what it was before it was opened. */
static void image_close(struct image *image)
{
	cfi_free(&image->cfi);
	cfi_free(&image->all_cfi);
	cfi_free(&image->debug_cfi);
	if (image->symbols)
		image->symbols_free(image->symbols);
	image->symbols = NULL;
	image->table_checked.state = image->all_cfi_made.state = ONCE_NEW;
	if (image->sources)
		image->sources_free(image->sources);
	image->sources = NULL;
	image->sources_opened.state = ONCE_NEW;
	image->debug_cfi_made.state = image->symbols_read.state = ONCE_NEW;
	image_free(image->debugdata);
	image_free(image->debug_file);
	image->debugdata = image->debug_file = NULL;
	image->debugdata_unpacked.state = image->debug_file_found.state =
		ONCE_NEW;
	section_free(image);
	unmap_file(image);
	free(image->unpacked);
	image->unpacked = NULL;
	layout_free(image->layout);
	image->layout = NULL;
	image->data = NULL;
	image->size = 0;
	image->id_found.size = 0;
	image_lacks(image, 0);
	__atomic_store_n(&image->cut, false, __ATOMIC_RELAXED);
	free(image->segments);
	image->segments = NULL;
	image->nr_segments = 0;
	free(image->code);
	image->code = NULL;
	image->nr_code = 0;
	image->eh_frame_hdr = image->eh_frame = (struct section){ 0 };
}

/* One without build-id may be any kernel. */
static int kernel_search(struct image *image)
{
	int err = -ENOENT, fd, tried;
	size_t size;

	if (!image->origin->build_id.size)
		return -ENOKEY;
	for (unsigned int n = 0;; n++) {
		fd = kernel_open_image(image, n, &size);
		if (fd == -ENOSYS)
			return err;
		tried = fd < 0 ? fd : image_read_fd(image, fd, size);
		if (fd >= 0)
			close(fd);
		if (!tried)
			return 0;
		if (err == -ENOENT || tried == -ESTALE)
			err = tried;
		image_close(image);
	}
}

static int image_search(struct image *image)
{
	int err = -ENOENT, tried;
	enum way way;

	image->replaced = false;
	if (image->origin->is_kernel)
		return kernel_search(image);
	for (way = WAY_CALLBACK; way < NR_WAYS; way++) {
		tried = image_try(image, way);
		if (way == WAY_CALLBACK && tried == -ENOSYS)
			continue;
		/* That another file is there says more than that none is. */
		if (!tried || err == -ENOENT || tried == -ESTALE ||
		    tried == -ENOKEY)
			err = tried;
		if (!tried || way == WAY_CALLBACK || image->replaced)
			break;
		image_close(image);
	}
	return err;
}

int image_copy_data(struct image *image, const void *data, size_t size)
{
	uint8_t *own;

	if (!data ||
	    (size == image->given_size && !memcmp(data, image->given, size)))
		return 0;
	own = malloc(size);
	if (!own)
		return -ENOMEM;
	memcpy(own, data, size);
	free(image->given);
	image->given = own;
	image->given_size = size;
	return 0;
}

/* The caller's bytes, or its descriptor. */
static int image_use_given(struct image *image)
{
	const struct ustack_map *map = &image->map;
	size_t size;
	int err;

	if (!map->data) {
		err = file_size(map->fd, &size);
		return err ? err : image_read_fd(image, map->fd, size);
	}
	err = image_copy_data(image, map->data, map->data_size);
	image->data = image->given;
	image->size = image->given_size;
	return err ? err : image_read(image);
}

struct attempt {
	const struct origin *origin;
	const struct ustack_map *map;
	bool given;
};

/* Would this attempt only fail again?  Each process may have the file. */
static bool tried_before(const struct image *image, const struct attempt *a)
{
	const struct ustack_images_opts *opts = &image->images->opts;

	return image->err && !a->given && image->origin == a->origin &&
	       ((!opts->open && *opts->root) || image->map.pid == a->map->pid);
}

static int image_attempt(void *arg)
{
	const struct attempt *a = arg;
	struct image *image = a->origin->image;

	if (tried_before(image, a))
		return image->err;
	pthread_mutex_lock(&image->images->lock);
	image->origin = a->origin;
	pthread_mutex_unlock(&image->images->lock);
	image->map = *a->map;
	image->err = a->given ? image_use_given(image) : image_search(image);
	if (!image->err)
		image->err = cfi_init(&image->cfi, image);
	if (image->err)
		image_close(image);
	/* They were lent for this call. */
	image->map.data = NULL;
	image->map.has_fd = 0;
	return image->err;
}

static int image_make(struct attempt *a)
{
	struct image *image = a->origin->image;
	struct onces *once = &image->images->once;

	/* What is at the path of a JIT is text, and nobody says whose. */
	if (a->origin->is_jit)
		return -ENOENT;
	if (once_state(&image->opened) < 0)
		once_again(once, &image->opened);
	return once_make(once, &image->opened, image_attempt, a);
}

int image_open(const struct origin *origin, const struct ustack_map *map)
{
	return image_make(&(struct attempt){ origin, map, false });
}

int image_open_given(const struct origin *origin, const struct ustack_map *map)
{
	return image_make(&(struct attempt){ origin, map, true });
}

struct image *image_new(struct ustack_images *images)
{
	struct image *image = calloc(1, sizeof(*image));

	if (!image)
		return NULL;
	image->images = images;
	image->opened.state = ONCE_NEW;
	image->debugdata_unpacked.state = image->debug_file_found.state =
		ONCE_NEW;
	image->table_checked.state = image->all_cfi_made.state = ONCE_NEW;
	image->debug_cfi_made.state = image->symbols_read.state = ONCE_NEW;
	image->sources_opened.state = ONCE_NEW;
	pthread_mutex_init(&image->lock, NULL);
	return image;
}

void image_free(struct image *image)
{
	if (!image)
		return;
	image_close(image);
	pthread_mutex_destroy(&image->lock);
	free(image->given);
	free(image);
}

void image_was_cut(struct image *image)
{
	image_lacks(image, -ENODATA);
	__atomic_store_n(&image->cut, true, __ATOMIC_RELAXED);
	__atomic_store_n(&image->images->any_cut, true, __ATOMIC_RELAXED);
}

bool image_is_cut(const struct image *image)
{
	const struct image *file = NULL;

	if (!once_state(&image->debug_cfi_made))
		file = image->debug_cfi.file;
	return __atomic_load_n(&image->cut, __ATOMIC_RELAXED) ||
	       (file && __atomic_load_n(&file->cut, __ATOMIC_RELAXED));
}
