// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Files are mapped, not read: an unwinder touches little of a file, and the
 * kernel can drop those pages at any time.  Reading the same pages into buffers
 * took two to four times as long.  The danger is that whoever can write to a
 * file can truncate it, and touching a page that is gone raises SIGBUS.
 * ustack_images_fault() lets a profiler survive that.
 */
#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "module/images.h"
#include "module/mapping.h"

int map_file(struct image *image, int fd, size_t size)
{
	struct ustack_images *images = image->images;
	struct mapping *m = &image->mapping;
	void *data;

	if (!size)
		return -ENODATA;
	data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return -errno;
	image->data = m->data = data;
	image->size = m->size = size;
	pthread_mutex_lock(&images->lock);
	m->next = images->mappings;
	/* From now on signal handlers can find it. */
	__atomic_store_n(&images->mappings, m, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&images->lock);
	return 0;
}

void unmap_file(struct image *image)
{
	struct ustack_images *images = image->images;
	struct mapping *m = &image->mapping, **p = &images->mappings;

	if (!m->data)
		return;
	pthread_mutex_lock(&images->lock);
	while (*p != m)
		p = &(*p)->next;
	__atomic_store_n(p, m->next, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&images->lock);
	/* A signal handler may have found it before. */
	while (__atomic_load_n(&images->faults, __ATOMIC_SEQ_CST))
		sched_yield();
	munmap((void *)m->data, m->size);
	m->data = NULL;
}

int ustack_images_fault(struct ustack_images *images, void *addr)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct mapping *m;
	int err = errno;

	__atomic_add_fetch(&images->faults, 1, __ATOMIC_SEQ_CST);
	m = __atomic_load_n(&images->mappings, __ATOMIC_SEQ_CST);
	while (m && (uintptr_t)addr - (uintptr_t)m->data >= m->size)
		m = __atomic_load_n(&m->next, __ATOMIC_SEQ_CST);
	if (m) {
		/* Whoever reads the zeroes finds that it was. */
		image_was_cut((struct image *)((char *)m - offsetof(struct image, mapping)));
		addr = mmap((void *)((uintptr_t)addr & -page), page, PROT_READ,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	}
	__atomic_sub_fetch(&images->faults, 1, __ATOMIC_SEQ_CST);
	errno = err;
	return m && addr != MAP_FAILED;
}
