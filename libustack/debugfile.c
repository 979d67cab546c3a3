// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * What distributions take out of an image: its .gnu_debugdata, a small ELF file
 * packed into it, and its separate debug file, found by build-id or by
 * .gnu_debuglink.  Looked for once, when an image itself has no answer.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "unwind.h"

/* An image that stands for a file which belongs to another. */
static struct image *child_new(struct image *image)
{
	struct image *child = calloc(1, sizeof(*child));

	if (child)
		child->images = image->images;
	return child;
}

static void child_free(struct image *child)
{
	if (!child)
		return;
	section_free(child);
	free(child->segments);
	free(child->unpacked);
	free(child);
}

void debugfile_free(struct image *image)
{
	child_free(image->mini);
	child_free(image->debug_file);
	image->mini = image->debug_file = NULL;
	image->looked = 0;
}

struct image *image_mini(struct image *image)
{
	struct section packed;
	struct image *mini;
	size_t size;

	if (image->looked & LOOKED_MINI)
		return image->mini;
	image->looked |= LOOKED_MINI;
	if (image_section(image, ".gnu_debugdata", &packed))
		return NULL;
	mini = child_new(image);
	if (!mini)
		return NULL;
	mini->unpacked = section_unxz(&packed, &size);
	mini->data = mini->unpacked;
	mini->size = size;
	if (!mini->data ||
	    elf_read(mini, &(struct head){ mini->data, size, size })) {
		child_free(mini);
		return NULL;
	}
	image->mini = mini;
	return mini;
}

/* --- the separate file ---------------------------------------------------- */

/* Does the file have the checksum that .gnu_debuglink tells? */
static bool same_crc(int fd, uint32_t crc)
{
	uLong sum = crc32(0, NULL, 0);
	static const size_t step = 1 << 16;
	uint8_t *buf = malloc(step);
	off_t at = 0;
	ssize_t n;

	if (!buf)
		return false;
	while ((n = pread(fd, buf, step, at)) > 0) {
		sum = crc32(sum, buf, n);
		at += n;
	}
	free(buf);
	return !n && sum == crc;
}

/*
 * Takes the file if it is the image's: the build-id says so, or, where one of
 * the two has none, the checksum, or who found it.  fd is closed, or is an
 * error already.
 */
static struct image *debug_use_fd(struct image *image, int fd, size_t size,
				  const uint32_t *crc)
{
	struct image *debug = fd < 0 ? NULL : child_new(image);
	bool same = false;

	if (debug && !elf_read_fd(debug, fd, size)) {
		if (image->id.size && debug->id.size)
			same = image->id.size == debug->id.size &&
			       !memcmp(image->id.bytes, debug->id.bytes,
				       debug->id.size);
		else
			same = !crc || same_crc(fd, *crc);
	}
	if (!same || elf_map(debug, fd)) {
		child_free(debug);
		debug = NULL;
	}
	if (fd >= 0)
		close(fd);
	return debug;
}

/* Goes on to the next of the directories; *len is the length of its name. */
static const char *next_dir(const char *dir, size_t *len)
{
	dir += *len;
	dir += strspn(dir, ":");
	*len = strcspn(dir, ":");
	return *len ? dir : NULL;
}

static struct image *find_by_build_id(struct image *image)
{
	const struct ustack_images_opts *opts = &image->images->opts;
	const char *dir = opts->debug_dirs;
	struct image *debug = NULL;
	size_t len = 0, size;
	int fd;

	while (!debug && (dir = next_dir(dir, &len))) {
		fd = file_open_build_id(dir, len, &image->id, ".debug", &size);
		debug = debug_use_fd(image, fd, size, NULL);
	}
	if (!debug) {
		fd = file_open_build_id(opts->build_id_dir,
					strlen(opts->build_id_dir), &image->id,
					"/debug", &size);
		debug = debug_use_fd(image, fd, size, NULL);
	}
	return debug;
}

static struct image *find_by_link(struct image *image)
{
	const struct ustack_images_opts *opts = &image->images->opts;
	const char *dir = opts->debug_dirs, *path = image->path, *name, *slash;
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

	fd = file_open_at(&size, "%s%.*s/%s", opts->root, own, path, name);
	debug = debug_use_fd(image, fd, size, &crc);
	if (!debug) {
		fd = file_open_at(&size, "%s%.*s/.debug/%s", opts->root, own,
				  path, name);
		debug = debug_use_fd(image, fd, size, &crc);
	}
	while (!debug && (dir = next_dir(dir, &len))) {
		fd = file_open_at(&size, "%.*s%.*s/%s", (int)len, dir, own,
				  path, name);
		debug = debug_use_fd(image, fd, size, &crc);
	}
	return debug;
}

struct image *image_debug_file(struct image *image)
{
	size_t size = 0;
	int fd;

	if (image->looked & LOOKED_FILE)
		return image->debug_file;
	image->looked |= LOOKED_FILE;
	fd = file_open_callback(image->images, USTACK_FILE_DEBUG, image, &size);
	if (fd != -ENOSYS) {
		image->debug_file = debug_use_fd(image, fd, size, NULL);
		return image->debug_file;
	}
	image->debug_file = find_by_build_id(image);
	if (!image->debug_file)
		image->debug_file = find_by_link(image);
	return image->debug_file;
}
