/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* For the fuzz targets: how an input is taken apart, and files in memory. */
#ifndef FUZZ_H
#define FUZZ_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of an input; reads behind its end give zeros. */
struct input {
	const uint8_t *p;
	size_t left;
};

static inline void input_take(struct input *in, void *to, size_t size)
{
	size_t n = size < in->left ? size : in->left;

	memset(to, 0, size);
	if (n)
		memcpy(to, in->p, n);
	in->p += n;
	in->left -= n;
}

static inline uint64_t input_u64(struct input *in)
{
	uint64_t v;

	input_take(in, &v, sizeof(v));
	return v;
}

static inline uint16_t input_u16(struct input *in)
{
	uint16_t v;

	input_take(in, &v, sizeof(v));
	return v;
}

static inline uint8_t input_u8(struct input *in)
{
	uint8_t v;

	input_take(in, &v, sizeof(v));
	return v;
}

/* A copy of its own, so that ASan sees a read past its end.  Never NULL. */
static inline uint8_t *input_copy(struct input *in, size_t size)
{
	uint8_t *p;

	if (size > in->left)
		size = in->left;
	p = malloc(size ? size : 1);
	if (!p)
		abort();
	input_take(in, p, size);
	return p;
}

/*
 * The file system of the targets (files.c): FILE_DATA is one file, every other
 * absolute path is the other one; NULL data: there is none.  seekable: else a
 * read is all that can be done.
 */
#define FILE_DATA "perf.data"

struct file {
	const uint8_t *data;
	size_t size;
	bool seekable;
};

extern struct file file_data, file_image;

#endif
