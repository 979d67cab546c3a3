// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Every prefix of small recordings: the reader gives the samples that it
 * holds, says in one line that the rest is missing, and goes on saying so.
 * In pipe mode nothing tells the end, so a cut between two records is none.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ustack.h"

#define SIZE_MAX_SEED 4096 /* all of it fits into a pipe */
#define SAMPLES_MAX 16

struct seed {
	uint8_t data[SIZE_MAX_SEED];
	size_t size;
	bool pipe_mode;
	bool piped; /* cannot be seeked */
	uint64_t time[SAMPLES_MAX]; /* of the samples of all of it */
};

/* The corpus of tests/fuzz: bit 0 of the first byte says that it is piped. */
static void seed_read(struct seed *seed, const char *name)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	FILE *f;

	assert_true(n > 0);
	path[n] = 0;
	*strstr(path, "/build/unit/") = 0;
	n = strlen(path);
	assert_true(snprintf(path + n, sizeof(path) - n,
			     "/tests/fuzz/corpus/datafile/seed-%s",
			     name) < (int)(sizeof(path) - n));
	f = fopen(path, "r");
	assert_non_null(f);
	memset(seed, 0, sizeof(*seed));
	seed->piped = fgetc(f) & 1;
	seed->size = fread(seed->data, 1, sizeof(seed->data), f);
	assert_true(seed->size > 104 && seed->size < sizeof(seed->data));
	fclose(f);
	seed->pipe_mode = seed->data[8] == 16;
}

static uint64_t seed_u64(const struct seed *seed, size_t at)
{
	uint64_t v;

	memcpy(&v, seed->data + at, sizeof(v));
	return v;
}

/* Does nothing tell the reader that there was more than n bytes? */
static bool is_whole(const struct seed *seed, size_t n)
{
	size_t at = 16;
	uint16_t size;

	if (n == seed->size)
		return true;
	if (!seed->pipe_mode) /* what stands behind the data needs a seek */
		return seed->piped &&
		       n >= seed_u64(seed, 40) + seed_u64(seed, 48);
	while (at < n) {
		memcpy(&size, seed->data + at + 6, sizeof(size));
		at += size;
	}
	return at == n;
}

/* A descriptor to read the first n bytes of the seed from. */
static int seed_open(const struct seed *seed, size_t n)
{
	int fd, end[2];

	if (seed->piped) {
		assert_int_equal(pipe2(end, O_CLOEXEC), 0);
		assert_int_equal(write(end[1], seed->data, n), n);
		close(end[1]);
		return end[0];
	}
	fd = memfd_create("cut", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, seed->data, n), n);
	return fd;
}

static bool tells_of_cut(const char *line)
{
	return !strchr(line, '\n') &&
	       (strstr(line, "is cut") || strstr(line, "is empty") ||
		strstr(line, "not a perf.data file"));
}

/* Reads the first n bytes; the number of samples. The last error is in *ret. */
static int read_prefix(struct seed *seed, size_t n, int *ret)
{
	const struct ustack_sample *s;
	struct ustack_images *images;
	struct ustack_reader *reader;
	struct ustack_stats stats = { .sz = sizeof(stats) };
	char path[32];
	int fd = seed_open(seed, n), nr = 0;

	assert_int_equal(ustack_images_new(&images, NULL), 0);
	assert_int_equal(ustack_reader_new(&reader, images), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*ret = ustack_reader_open(reader, path);
	if (!*ret) {
		while ((*ret = ustack_reader_next(reader, &s)) == 1) {
			assert_true(nr < SAMPLES_MAX);
			if (n == seed->size)
				seed->time[nr] = s->time;
			/* What is cut off costs no sample before it. */
			assert_int_equal(s->time, seed->time[nr]);
			nr++;
		}
		assert_null(s);
		assert_int_equal(ustack_reader_next(reader, &s), *ret);
		ustack_reader_stats(reader, &stats);
		assert_int_equal(stats.samples, nr);
		assert_int_equal(stats.legacy + stats.paired + stats.lost +
					 stats.none,
				 nr);
	}
	if (*ret && !tells_of_cut(ustack_reader_error(reader)))
		fail_msg("%zu bytes: %s", n, ustack_reader_error(reader));
	ustack_reader_free(reader);
	ustack_images_free(images);
	close(fd);
	return nr;
}

static void cut(void **state)
{
	struct seed seed;
	size_t n;
	int ret, nr;

	seed_read(&seed, *state);
	nr = read_prefix(&seed, seed.size, &ret);
	assert_int_equal(nr, 2);
	for (n = seed.size + 1; n--;) {
		int fewer = read_prefix(&seed, n, &ret);

		if (is_whole(&seed, n) != !ret)
			fail_msg("%s, %zu of %zu bytes: %s", (char *)*state, n,
				 seed.size, strerror(-ret));
		assert_true(!ret || ret == -ENODATA || ret == -EBADMSG);
		if (fewer > nr)
			fail_msg("%s: %d samples in %zu bytes, but %d in more",
				 (char *)*state, fewer, n, nr);
		nr = fewer;
	}
	assert_int_equal(nr, 0);
}

#define CUT(seed) { "cut: " seed, cut, NULL, NULL, seed }

int main(void)
{
	const struct CMUnitTest tests[] = {
		CUT("deferred"),	CUT("legacy"), CUT("deferred-piped"),
		CUT("legacy-piped"),	CUT("pipe"),   CUT("pipe-zstd"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
