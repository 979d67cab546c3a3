// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Files from debuginfod servers.  A server that hangs, trickles or never ends must
 * neither hang who reads a profile nor fill the disk: then all servers are done with.
 */
#include <dlfcn.h>
#include <elfutils/debuginfod.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "module/debuginfod.h"
#include "module/find_file.h"
#include "module/images.h"

#define SECONDS 10 /* without a byte; $DEBUGINFOD_TIMEOUT tells another number */
#define SPEED (10L << 10) /* bytes a second, over as many, once the first has come */
#define SIZE (2L << 30) /* of a file; $DEBUGINFOD_MAXSIZE tells another number */
#define LIBRARY "libdebuginfod.so.1"

struct debuginfod {
	pthread_mutex_t lock; /* a client does one thing at a time */
	void *library;
	debuginfod_client *client;
	__typeof__(debuginfod_find_debuginfo) *find[2]; /* by enum debuginfod_file */
	__typeof__(debuginfod_end) *end;
	long max_size, seconds, max_seconds; /* of one question; max_seconds may be 0 */
	long bytes; /* as progress() was told last */
	long got, mark; /* bytes that have come, now and at since */
	long long start, since; /* ms */
	const int *interrupted;
	int ended; /* -errno, by progress() */
	int failed; /* -errno */
	char urls[256];
};

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Who asks, for progress(): the client is known there, but not the library. */
static __thread struct debuginfod *asking;

/*
 * Called again and again; to return anything but 0 ends it.  While no server answers,
 * bytes is the number of these calls, and of is 0; of stays 0 where no length is told.
 */
static int progress(debuginfod_client *client, long bytes, long of)
{
	struct debuginfod *d = asking;
	long long t = now();

	(void)client;
	if (bytes > d->bytes + !of)
		d->got += bytes - d->bytes;
	d->bytes = bytes;
	/* A server may take its time to find a file: speed counts from the first byte. */
	if (d->got - d->mark >= (d->mark ? SPEED * d->seconds : 1)) {
		d->since = t;
		d->mark = d->got;
	}
	if (__atomic_load_n(d->interrupted, __ATOMIC_RELAXED))
		d->ended = -EINTR;
	else if (d->got > d->max_size || of > d->max_size)
		d->ended = -EFBIG;
	else if (t - d->since >= d->seconds * 1000LL ||
		 (d->max_seconds && t - d->start >= d->max_seconds * 1000LL))
		d->ended = -ETIMEDOUT;
	return d->ended;
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

/* A positive number in the environment, no more than max; or missing. */
static long limit(const char *name, long missing, long max)
{
	const char *value = getenv(name);
	long number = value ? atol(value) : 0;

	if (number <= 0)
		return missing;
	return number < max ? number : max;
}

static int start(void *arg)
{
	struct ustack_images *images = arg;
	const char *urls = getenv("DEBUGINFOD_URLS");
	struct debuginfod *d;

	if (!images->opts.debuginfod || !urls || !*urls)
		return 0;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	pthread_mutex_init(&d->lock, NULL);
	snprintf(d->urls, sizeof(d->urls), "%s", urls);
	d->seconds = limit("DEBUGINFOD_TIMEOUT", SECONDS, INT_MAX);
	d->max_seconds = limit("DEBUGINFOD_MAXTIME", 0, INT_MAX);
	d->max_size = limit("DEBUGINFOD_MAXSIZE", SIZE, LONG_MAX);
	d->interrupted = &images->interrupted;
	if (!load(d))
		d->failed = -ELIBACC;
	__atomic_store_n(&images->debuginfod, d, __ATOMIC_RELEASE);
	return 0;
}

/*
 * libdebuginfod of Debian 12 takes what progress() ended for a file that no server has:
 * an empty one in its cache says so, and for ten minutes no server would be asked.
 */
static void forget_miss(enum debuginfod_file file, const struct elf_id *id)
{
	static const struct {
		const char *variable, *dir;
	} caches[] = {
		{ "DEBUGINFOD_CACHE_PATH", "" },
		{ "XDG_CACHE_HOME", "/debuginfod_client" },
		{ "HOME", "/.cache/debuginfod_client" },
		{ "HOME", "/.debuginfod_client_cache" },
	};
	const char *name = file == DEBUGINFOD_DEBUG ? "debuginfo" : "executable";
	char hex[2 * sizeof(id->bytes) + 1], path[PATH_MAX];
	struct stat st;
	size_t i;

	for (i = 0; i < id->size; i++)
		snprintf(hex + 2 * i, 3, "%02x", id->bytes[i]);
	for (i = 0; i < sizeof(caches) / sizeof(*caches); i++) {
		const char *top = getenv(caches[i].variable);

		if (!top || !*top)
			continue;
		/* A path that is cut is longer than any file's. */
		snprintf(path, sizeof(path), "%s%s/%s/%s", top, caches[i].dir, hex, name);
		if (!lstat(path, &st) && S_ISREG(st.st_mode) && !st.st_size)
			unlink(path);
	}
}

static int ask(struct debuginfod *d, enum debuginfod_file file,
	       const struct elf_id *id)
{
	int fd;

	if (d->failed || __atomic_load_n(d->interrupted, __ATOMIC_RELAXED))
		return -ENOENT;
	d->bytes = d->got = d->mark = 0;
	d->ended = 0;
	d->start = d->since = now();
	asking = d;
	fd = d->find[file](d->client, id->bytes, id->size, NULL);
	if (fd >= 0)
		return fd;
	/* What it returns when it is ended is no reason. */
	if (d->ended) {
		fd = d->ended;
		forget_miss(file, id);
	} else if (fd == -ETIME) { /* libdebuginfod's own limits */
		fd = -ETIMEDOUT;
	}
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

void ustack_images_interrupt(struct ustack_images *images)
{
	struct debuginfod *d;

	__atomic_store_n(&images->interrupted, 1, __ATOMIC_RELAXED);
	d = __atomic_load_n(&images->debuginfod, __ATOMIC_ACQUIRE);
	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	pthread_mutex_unlock(&d->lock);
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
