// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Opening files: by path, by build-id, by the user's own search. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "module/find_file.h"
#include "module/images.h"

int file_size(int fd, size_t *size)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -ENOTSUP;
	*size = st.st_size;
	return 0;
}

/* What identifies a file, as the kernel tells it of mappings. */
struct inode {
	uint32_t maj, min;
	uint64_t ino;
};

/* Nobody need know the device. */
static bool same_inode(const struct inode *i, const struct origin *origin)
{
	return i->ino == origin->ino &&
	       ((!origin->maj && !origin->min) ||
		(i->maj == origin->maj && i->min == origin->min));
}

/* The file that is mapped at data. */
static int inode_at(const void *data, struct inode *i)
{
	FILE *f = fopen("/proc/self/maps", "re");
	uintptr_t start, end;
	char *line = NULL;
	size_t size = 0;
	int err = -ENOENT;

	while (err && f && getline(&line, &size, f) > 0)
		if (sscanf(line,
			   "%" SCNxPTR "-%" SCNxPTR " %*s %*x %" SCNx32
			   ":%" SCNx32 " %" SCNu64,
			   &start, &end, &i->maj, &i->min, &i->ino) == 5 &&
		    (uintptr_t)data - start < end - start)
			err = 0;
	free(line);
	if (f)
		fclose(f);
	return err;
}

/*
 * The number of a file that was deleted is given to another, with another
 * generation.  perf has 0 for what ran before, and perf inject 1 for all that a
 * JIT compiled.  Not every file system tells.
 */
static bool other_generation(int fd, const struct origin *origin)
{
	unsigned int generation;

	return origin->generation > 1 &&
	       !ioctl(fd, FS_IOC_GETVERSION, &generation) &&
	       generation != (uint32_t)origin->generation;
}

int file_is(int fd, const void *data, const struct origin *origin)
{
	struct inode i;
	struct stat st;

	if (fstat(fd, &st))
		return -ENOENT;
	i = (struct inode){ major(st.st_dev), minor(st.st_dev), st.st_ino };
	/* btrfs and overlayfs show other numbers in stat() than in maps. */
	if (!same_inode(&i, origin)) {
		if (inode_at(data, &i))
			return -ENOENT;
		if (!same_inode(&i, origin))
			return 0;
	}
	return !other_generation(fd, origin);
}

/* fd, if it is a regular file's; else it is closed.  Passes errors on. */
static int regular(int fd, size_t *size)
{
	int err = fd < 0 ? 0 : file_size(fd, size);

	if (err)
		close(fd);
	return err ? err : fd;
}

/* A descriptor or -errno. */
static int open_read(int flags, const char *fmt, va_list ap)
{
	char *path;
	int fd;

	if (vasprintf(&path, fmt, ap) < 0)
		return -ENOMEM;
	/* O_NONBLOCK: the path may be that of a device or FIFO by now. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
	if (fd < 0)
		fd = -errno;
	free(path);
	return fd;
}

int open_path(size_t *size, const char *fmt, ...)
{
	va_list ap;
	int fd;

	va_start(ap, fmt);
	fd = open_read(0, fmt, ap);
	va_end(ap);
	return regular(fd, size);
}

/* Is the file root's, ours, or of the user that the process has? */
static bool has_trusted_owner(int fd, uint32_t pid)
{
	struct stat file, process;
	char path[32];

	if (fstat(fd, &file))
		return false;
	if (!file.st_uid || file.st_uid == geteuid())
		return true;
	snprintf(path, sizeof(path), "/proc/%" PRIu32, pid);
	return pid && !stat(path, &process) && file.st_uid == process.st_uid;
}

int open_trusted(size_t *size, uint32_t pid, const char *fmt, ...)
{
	va_list ap;
	int fd;

	va_start(ap, fmt);
	fd = open_read(O_NOFOLLOW, fmt, ap);
	va_end(ap);
	if (fd >= 0 && !has_trusted_owner(fd, pid)) {
		close(fd);
		fd = -EPERM;
	}
	fd = regular(fd, size);
	/* A link, a socket, anything else that is no file. */
	return fd == -ELOOP || fd == -ENXIO || fd == -EISDIR || fd == -ENOTSUP ?
		       -EPERM :
		       fd;
}

int open_build_id(const char *dir, size_t len, const struct elf_id *id,
		  const char *name, size_t *size)
{
	char hex[2 * sizeof(id->bytes) + 1];

	if (!len || id->size < 2)
		return -ENOENT;
	for (size_t i = 0; i < id->size; i++)
		snprintf(hex + 2 * i, 3, "%02x", id->bytes[i]);
	return open_path(size, "%.*s/.build-id/%.2s/%s%s", (int)len, dir, hex,
			 hex + 2, name);
}

int open_callback(const struct ustack_images *images, enum ustack_file file,
		  const struct ustack_map *map, size_t *size)
{
	const struct ustack_images_opts *opts = &images->opts;
	int fd = opts->open ? opts->open(opts->arg, file, map) : -ENOSYS;

	/* It may pass on what it got; to once_make() that is no result at all. */
	return fd == -EDEADLK ? -EBUSY : regular(fd, size);
}
