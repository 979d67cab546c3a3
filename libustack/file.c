// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Files by path and build-id: where they are, and their bytes.
 *
 * They are mmapped, not read: an unwinder touches little of a file, and what
 * it touches stays the kernel's to drop.  Reading the same pages into buffers
 * of our own took two to four times as long.  A mapping has one danger: whoever
 * may write a file can cut it, and touching a lost page then is a SIGBUS.
 * ustack_images_fault() lets a profiler live through that.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unwind.h"

/* --- bytes ---------------------------------------------------------------- */

struct mapping {
	const uint8_t *data;
	size_t size;
	struct mapping *next;
};

const uint8_t *file_map(struct ustack_images *images, int fd, size_t size)
{
	struct mapping *m = malloc(sizeof(*m));
	void *data;

	if (!m)
		return NULL;
	data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED) {
		free(m);
		return NULL;
	}
	m->data = data;
	m->size = size;
	m->next = images->mappings;
	/* From here on a signal handler can find it. */
	__atomic_store_n(&images->mappings, m, __ATOMIC_RELEASE);
	return data;
}

void file_unmap_all(struct ustack_images *images)
{
	struct mapping *m = images->mappings, *next;

	images->mappings = NULL;
	for (; m; m = next) {
		next = m->next;
		munmap((void *)m->data, m->size);
		free(m);
	}
}

int ustack_images_fault(struct ustack_images *images, void *addr)
{
	const struct mapping *m =
		__atomic_load_n(&images->mappings, __ATOMIC_ACQUIRE);
	size_t page = sysconf(_SC_PAGESIZE);
	int err = errno;

	while (m && (uintptr_t)addr - (uintptr_t)m->data >= m->size)
		m = m->next;
	if (!m)
		return 0;
	addr = mmap((void *)((uintptr_t)addr & -page), page, PROT_READ,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	errno = err;
	return addr != MAP_FAILED;
}

/* --- where they are -------------------------------------------------------- */

/* A regular file and its size, or -errno and fd is closed. */
static int file_check(int fd, size_t *size)
{
	struct stat st;
	int err = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -ENOEXEC;
	if (err) {
		close(fd);
		return err;
	}
	*size = st.st_size;
	return fd;
}

int file_open_at(size_t *size, const char *fmt, ...)
{
	char *path;
	va_list ap;
	int fd;

	va_start(ap, fmt);
	fd = vasprintf(&path, fmt, ap);
	va_end(ap);
	if (fd < 0)
		return -ENOMEM;
	/* O_NONBLOCK: a process can have mapped a device or a FIFO's name. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		fd = -errno;
	free(path);
	return file_check(fd, size);
}

int file_open_callback(struct ustack_images *images, enum ustack_file file,
		       const struct image *image, size_t *size)
{
	const struct ustack_images_opts *opts = &images->opts;
	const struct elf_id *id = &image->build_id;

	if (!opts->open)
		return -ENOSYS;
	return file_check(opts->open(opts->arg, file, image->path,
				     id->size ? id->bytes : NULL, id->size),
			  size);
}

int file_open_build_id(const char *dir, size_t len, const struct elf_id *id,
		       const char *name, size_t *size)
{
	char hex[2 * sizeof(id->bytes) + 1];

	if (!len || id->size < 2)
		return -ENOENT;
	for (size_t i = 0; i < id->size; i++)
		snprintf(hex + 2 * i, 3, "%02x", id->bytes[i]);
	return file_open_at(size, "%.*s/.build-id/%.2s/%s%s", (int)len, dir,
			    hex, hex + 2, name);
}

bool file_is_jit(const char *path)
{
	static const char before[] = "/tmp/perf-", behind[] = ".map";
	const char *p = path + sizeof(before) - 1;
	size_t digits;

	if (strncmp(path, before, sizeof(before) - 1))
		return false;
	digits = strspn(p, "0123456789");
	return digits && !strcmp(p + digits, behind);
}
