// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Symbols and unwind tables that a distribution moved out of an image: to its
 * .gnu_debugdata, a small ELF file compressed by xz, and to its separate debug
 * file, found by build-id or .gnu_debuglink.  Each is looked for once, and only
 * if the image itself has no answer.
 */
#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "module/debug_file.h"
#include "module/debuginfod.h"
#include "module/elf.h"
#include "module/find_file.h"
#include "module/images.h"
#include "module/section.h"
#include "util/note.h"

static int unpack_debugdata(void *arg)
{
	struct image *image = arg, *inner;
	struct section packed;
	size_t size;

	if (image_section(image, ".gnu_debugdata", &packed))
		return 0;
	inner = image_new(image->images);
	if (!inner)
		return -ENOMEM;
	inner->unpacked = section_unxz(&packed, &size);
	inner->data = inner->unpacked;
	inner->size = size;
	if (elf_read(inner))
		image_free(inner);
	else
		image->debugdata = inner;
	return 0;
}

int image_debugdata(struct image *image, struct image **out)
{
	int err = once_make(&image->images->once, &image->debugdata_unpacked,
			    unpack_debugdata, image);

	*out = err ? NULL : image->debugdata;
	return err;
}

/* --- the separate file ---------------------------------------------------- */

/* Does the file match the checksum in .gnu_debuglink? */
static bool same_crc(int fd, uint32_t crc)
{
	uint32_t sum = libdeflate_crc32(0, NULL, 0);
	static const size_t step = 1 << 16;
	uint8_t *buf = malloc(step);
	off_t at = 0;
	ssize_t n;

	if (!buf)
		return false;
	while ((n = pread(fd, buf, step, at)) > 0) {
		sum = libdeflate_crc32(sum, buf, n);
		at += n;
	}
	free(buf);
	return !n && sum == crc;
}

/*
 * The file as an image, if it belongs to the one that has id: build-ids have to
 * match; where one of the two has none, the checksum, if there is one.  Closes fd,
 * which may be -errno.
 */
static struct image *debug_file_of(struct ustack_images *images,
				   const struct elf_id *id, int fd, size_t size,
				   const uint32_t *crc)
{
	struct image *debug = fd < 0 ? NULL : image_new(images);
	bool same = false;

	if (debug && !map_file(debug, fd, size) && !elf_read(debug)) {
		if (id->size && debug->id_found.size)
			same = id->size == debug->id_found.size &&
			       !memcmp(id->bytes, debug->id_found.bytes,
				       id->size);
		else
			same = !crc || same_crc(fd, *crc);
	}
	if (!same) {
		image_free(debug);
		debug = NULL;
	}
	if (fd >= 0)
		close(fd);
	return debug;
}

/* By its sections, as nobody linked it. */
static bool has_build_id(struct image *file, const struct elf_id *id)
{
	Elf *elf = image_elf(file);
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;

	while (elf && (scn = elf_nextscn(elf, scn))) {
		const uint8_t *found = NULL;
		size_t size;

		if (gelf_getshdr(scn, &sh) && sh.sh_type == SHT_NOTE &&
		    sh.sh_offset <= file->size &&
		    sh.sh_size <= file->size - sh.sh_offset)
			found = note_build_id(file->data + sh.sh_offset,
					      sh.sh_size, &size);
		if (found)
			return size == id->size && !memcmp(found, id->bytes, size);
	}
	return false;
}

int bare_file(struct ustack_images *images, const struct elf_id *id, int fd,
	      size_t size, struct image **out)
{
	struct image *file = fd < 0 ? NULL : image_new(images);
	int err = fd < 0 ? fd : file ? map_file(file, fd, size) : -ENOMEM;

	if (fd >= 0)
		close(fd);
	if (!err)
		err = section_unpack_file(file);
	if (!err && !has_build_id(file, id))
		err = -ESTALE;
	if (err) {
		image_free(file);
		return err;
	}
	file->is_64 = file->data[EI_CLASS] == ELFCLASS64;
	*out = file;
	return 0;
}

/* The directory behind dir, which is *len bytes long; *len becomes its length. */
static const char *next_dir(const char *dir, size_t *len)
{
	dir += *len;
	dir += strspn(dir, ":");
	*len = strcspn(dir, ":");
	return *len ? dir : NULL;
}

static struct image *debug_file_by_id(struct ustack_images *images,
				      const struct elf_id *id)
{
	const struct ustack_images_opts *opts = &images->opts;
	const char *dir = opts->debug_dirs;
	struct image *debug = NULL;
	size_t len = 0, size;
	int fd;

	while (!debug && (dir = next_dir(dir, &len))) {
		fd = open_build_id(dir, len, id, ".debug", &size);
		debug = debug_file_of(images, id, fd, size, NULL);
	}
	if (!debug) {
		fd = open_build_id(opts->build_id_dir,
				   strlen(opts->build_id_dir), id, "/debug",
				   &size);
		debug = debug_file_of(images, id, fd, size, NULL);
	}
	return debug;
}

/* The path is that of where it was made, or relative to that. */
struct image *alt_file(struct ustack_images *images, const char *path,
		       const struct elf_id *id)
{
	const struct ustack_images_opts *opts = &images->opts;
	const char *dir = opts->debug_dirs, *base = strrchr(path, '/');
	struct image *alt = NULL;
	size_t len = 0, size = 0;
	int fd;

	base = base ? base + 1 : path;
	if (*path == '/') {
		fd = open_path(&size, "%s%s", opts->root, path);
		bare_file(images, id, fd, size, &alt);
	}
	while (!alt && (dir = next_dir(dir, &len))) {
		fd = open_build_id(dir, len, id, ".debug", &size);
		if (bare_file(images, id, fd, size, &alt)) {
			fd = open_path(&size, "%.*s/.dwz/%s", (int)len, dir,
				       base);
			bare_file(images, id, fd, size, &alt);
		}
	}
	if (!alt) {
		fd = debuginfod_open(images, DEBUGINFOD_DEBUG, id, &size);
		bare_file(images, id, fd, size, &alt);
	}
	return alt;
}

static struct image *from_server(struct image *image)
{
	size_t size = 0;
	int fd = debuginfod_open(image->images, DEBUGINFOD_DEBUG,
				 &image->id_found, &size);

	return debug_file_of(image->images, &image->id_found, fd, size, NULL);
}

static struct image *find_by_link(struct image *image)
{
	const struct ustack_images_opts *opts = &image->images->opts;
	const struct elf_id *id = &image->id_found;
	const char *dir = opts->debug_dirs, *path = image->origin->path, *name,
		   *slash;
	struct image *debug;
	struct section link;
	size_t len = 0, size, n;
	uint32_t crc;
	int fd, own;

	slash = strrchr(path, '/');
	if (!slash || image_section(image, ".gnu_debuglink", &link))
		return NULL;
	own = slash - path;
	name = (const char *)link.data;
	n = strnlen(name, link.size);
	/* The name, zeroes up to a multiple of 4, the checksum. */
	if (!n || memchr(name, '/', n) || (n / 4 + 2) * 4 > link.size)
		return NULL;
	memcpy(&crc, name + (n / 4 + 1) * 4, 4);

	fd = open_path(&size, "%s%.*s/%s", opts->root, own, path, name);
	debug = debug_file_of(image->images, id, fd, size, &crc);
	if (!debug) {
		fd = open_path(&size, "%s%.*s/.debug/%s", opts->root, own, path,
			       name);
		debug = debug_file_of(image->images, id, fd, size, &crc);
	}
	while (!debug && (dir = next_dir(dir, &len))) {
		fd = open_path(&size, "%.*s%.*s/%s", (int)len, dir, own, path,
			       name);
		debug = debug_file_of(image->images, id, fd, size, &crc);
	}
	return debug;
}

static int find_debug_file(void *arg)
{
	struct image *image = arg;
	struct ustack_map map = image->map;
	size_t size = 0;
	int fd;

	if (!map.build_id && image->id_found.size) {
		map.build_id = image->id_found.bytes;
		map.build_id_size = image->id_found.size;
	}
	fd = open_callback(image->images, USTACK_FILE_DEBUG, &map, &size);
	if (fd != -ENOSYS) {
		image->debug_file = debug_file_of(image->images,
						  &image->id_found, fd, size,
						  NULL);
		return 0;
	}
	image->debug_file = debug_file_by_id(image->images, &image->id_found);
	if (!image->debug_file)
		image->debug_file = find_by_link(image);
	if (!image->debug_file)
		image->debug_file = from_server(image);
	return 0;
}

int image_debug_file(struct image *image, struct image **out)
{
	int err = once_make(&image->images->once, &image->debug_file_found,
			    find_debug_file, image);

	*out = err ? NULL : image->debug_file;
	return err;
}

/* --- where its addresses are -------------------------------------------------- */

/* Segment i of file's code, in image: the same among those of its size. */
static const struct code_segment *code_of(const struct image *image,
					  const struct image *file, size_t i)
{
	uint64_t size = file->code[i].size;
	size_t before = 0;

	for (size_t n = 0; n < i; n++)
		before += file->code[n].size == size;
	for (size_t n = 0; n < image->nr_code; n++)
		if (image->code[n].size == size && !before--)
			return &image->code[n];
	return NULL;
}

/*
 * Prelinking moves all segments of an image, and patchelf puts another in front of
 * them: its own segment tells where an address is.
 */
uint64_t debug_bias(const struct image *image, const struct image *file,
		    uint64_t vaddr)
{
	const struct code_segment *code = NULL;
	size_t i = 0;

	while (i < file->nr_code &&
	       vaddr - file->code[i].vaddr >= file->code[i].size)
		i++;
	if (i < file->nr_code)
		code = code_of(image, file, i);
	return code ? code->vaddr - file->code[i].vaddr :
		      image->base - file->base;
}
