// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Files in memory: the linker sends the library's calls here (--wrap), so that
 * a run costs no system call, and a mapping ends where the file ends.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "fuzz.h"

struct file file_data, file_image;

#define FD_FIRST 1000000
#define NR_FDS 16

/* Open files; a free one has no file. */
static struct {
	const struct file *file;
	size_t at;
} fds[NR_FDS];

int __wrap_open(const char *path, int flags, ...)
{
	const struct file *f = strcmp(path, FILE_DATA) ? &file_image :
							 &file_data;

	(void)flags;
	if (f->data && (f == &file_data || *path == '/'))
		for (int i = 0; i < NR_FDS; i++)
			if (!fds[i].file) {
				fds[i].file = f;
				fds[i].at = 0;
				return FD_FIRST + i;
			}
	errno = f->data ? EMFILE : ENOENT;
	return -1;
}

/* Of /proc. */
FILE *__wrap_fopen(const char *path, const char *mode)
{
	(void)path;
	(void)mode;
	errno = ENOENT;
	return NULL;
}

int __wrap_close(int fd)
{
	fds[fd - FD_FIRST].file = NULL;
	return 0;
}

int __wrap_fstat(int fd, struct stat *st)
{
	const struct file *f = fds[fd - FD_FIRST].file;

	memset(st, 0, sizeof(*st));
	st->st_mode = f->seekable ? S_IFREG : S_IFIFO;
	st->st_size = f->seekable ? f->size : 0;
	return 0;
}

off_t __wrap_lseek(int fd, off_t to, int whence)
{
	size_t *at = &fds[fd - FD_FIRST].at;

	if (!fds[fd - FD_FIRST].file->seekable ||
	    (whence == SEEK_CUR ? to : whence != SEEK_SET))
		abort();	/* nobody asks for more than that */
	if (whence == SEEK_SET)
		*at = to;
	return *at;
}

ssize_t __wrap_pread(int fd, void *buf, size_t size, off_t at)
{
	const struct file *f = fds[fd - FD_FIRST].file;

	if (!f->seekable || at < 0)
		abort();
	if ((size_t)at >= f->size)
		return 0;
	if (size > f->size - at)
		size = f->size - at;
	memcpy(buf, f->data + at, size);
	return size;
}

ssize_t __wrap_read(int fd, void *buf, size_t size)
{
	const struct file *f = fds[fd - FD_FIRST].file;
	size_t *at = &fds[fd - FD_FIRST].at;

	if (size > f->size - *at)
		size = f->size - *at;
	if (size)
		memcpy(buf, f->data + *at, size);
	*at += size;
	return size;
}

void *__wrap_mmap(void *addr, size_t size, int prot, int flags, int fd,
		  off_t at)
{
	void *p = malloc(size);

	(void)addr;
	if (!p || prot != PROT_READ || flags != MAP_PRIVATE ||
	    __wrap_pread(fd, p, size, at) != (ssize_t)size)
		abort();
	return p;
}

int __wrap_munmap(void *p, size_t size)
{
	(void)size;
	free(p);
	return 0;
}

ZSTD_DStream *__real_ZSTD_createDStream(void);

/*
 * Streams may ask for windows of up to 128 MB, which ASan would map and unmap
 * in each run: 620 runs of datafile a second.  perf -z asks for 512 KB.
 */
ZSTD_DStream *__wrap_ZSTD_createDStream(void)
{
	ZSTD_DStream *stream = __real_ZSTD_createDStream();

	if (stream)
		ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, 19);
	return stream;
}
