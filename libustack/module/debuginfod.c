// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Files from debuginfod servers.  A server that hangs must not hang who reads a
 * profile: if no byte comes for a while, all servers are done with.
 */
#include <dlfcn.h>
#include <elfutils/debuginfod.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "module/debuginfod.h"
#include "module/find_file.h"
#include "module/images.h"

#define SECONDS 10 /* without a byte; $DEBUGINFOD_TIMEOUT tells another number */
#define LIBRARY "libdebuginfod.so.1"

struct debuginfod {
	pthread_mutex_t lock; /* a client does one thing at a time */
	void *library;
	debuginfod_client *client;
	__typeof__(debuginfod_find_debuginfo) *find[2]; /* by enum debuginfod_file */
	__typeof__(debuginfod_end) *end;
	long bytes; /* that have come */
	time_t since, seconds;
	bool late;
	int failed; /* -errno */
	char urls[256];
};

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* Who asks, for progress(): the client is known there, but not the library. */
static __thread struct debuginfod *asking;

/*
 * Called again and again; to return anything but 0 ends it.  While no server answers,
 * bytes is the number of these calls, and of is 0.
 */
static int progress(debuginfod_client *client, long bytes, long of)
{
	struct debuginfod *d = asking;

	(void)client;
	if (bytes > d->bytes + !of)
		d->since = now();
	d->bytes = bytes;
	d->late = now() - d->since >= d->seconds;
	return d->late;
}

static bool load(struct debuginfod *d)
{
	__typeof__(debuginfod_set_progressfn) *set_progress;
	__typeof__(debuginfod_begin) *begin;

	d->library = dlopen(LIBRARY, RTLD_NOW);
	if (!d->library)
		return false;
#define SYMBOL(to, name) (to = (__typeof__(to))dlsym(d->library, name))
	if (!SYMBOL(d->find[DEBUGINFOD_DEBUG], "debuginfod_find_debuginfo") ||
	    !SYMBOL(d->find[DEBUGINFOD_EXECUTABLE], "debuginfod_find_executable") ||
	    !SYMBOL(d->end, "debuginfod_end") ||
	    !SYMBOL(begin, "debuginfod_begin") ||
	    !SYMBOL(set_progress, "debuginfod_set_progressfn"))
		return false;
#undef SYMBOL
	d->client = begin();
	if (!d->client)
		return false;
	set_progress(d->client, progress);
	return true;
}

static int start(void *arg)
{
	struct ustack_images *images = arg;
	const char *urls = getenv("DEBUGINFOD_URLS");
	const char *seconds = getenv("DEBUGINFOD_TIMEOUT");
	struct debuginfod *d;

	if (!images->opts.debuginfod || !urls || !*urls)
		return 0;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	pthread_mutex_init(&d->lock, NULL);
	snprintf(d->urls, sizeof(d->urls), "%s", urls);
	d->seconds = seconds ? atol(seconds) : 0;
	if (d->seconds <= 0)
		d->seconds = SECONDS;
	if (!load(d))
		d->failed = -ELIBACC;
	images->debuginfod = d;
	return 0;
}

static int ask(struct debuginfod *d, enum debuginfod_file file,
	       const struct elf_id *id)
{
	int fd;

	if (d->failed)
		return -ENOENT;
	d->bytes = 0;
	d->late = false;
	d->since = now();
	asking = d;
	fd = d->find[file](d->client, id->bytes, id->size, NULL);
	if (fd >= 0)
		return fd;
	/* What it returns when it is ended is no reason. */
	if (d->late || fd == -ETIME)
		fd = -ETIMEDOUT;
	if (fd != -ENOENT)
		__atomic_store_n(&d->failed, fd, __ATOMIC_RELAXED);
	return -ENOENT;
}

int debuginfod_open(struct ustack_images *images, enum debuginfod_file file,
		    const struct elf_id *id, size_t *size)
{
	struct debuginfod *d;
	int fd = -ENOENT, err;

	if (!id->size || once_make(&images->once, &images->debuginfod_started,
				   start, images))
		return -ENOENT;
	d = images->debuginfod;
	if (!d)
		return -ENOENT;
	pthread_mutex_lock(&d->lock);
	fd = ask(d, file, id);
	pthread_mutex_unlock(&d->lock);
	err = fd < 0 ? fd : file_size(fd, size);
	if (fd >= 0 && err)
		close(fd);
	return err ? err : fd;
}

int debuginfod_failed(const struct ustack_images *images, const char **urls)
{
	const struct debuginfod *d = images->debuginfod;

	if (once_state(&images->debuginfod_started) || !d)
		return 0;
	*urls = d->urls;
	return __atomic_load_n(&d->failed, __ATOMIC_RELAXED);
}

/* The library stays: curl does not like to be unloaded. */
void debuginfod_free(struct ustack_images *images)
{
	struct debuginfod *d = images->debuginfod;

	if (!d)
		return;
	if (d->client)
		d->end(d->client);
	pthread_mutex_destroy(&d->lock);
	free(d);
}
