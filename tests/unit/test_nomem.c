// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Memory runs out, at each allocation in turn: a recording is read, unwound
 * and named; processes are mapped.  No crash, no leak, and -ENOMEM or all
 * samples, with fewer frames or names where an image could not be read.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "unwind.h"
#include "ustack.h"

/* --- the allocator of the whole process: libelf, libzstd, strdup() too ---- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t nr, size_t size);
void *__libc_memalign(size_t align, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

static bool armed;
static long left;	/* allocations until one fails */
static bool failed;
static long live;	/* made while armed and not freed */

static bool fails(void)
{
	if (!armed || left--)
		return false;
	failed = true;
	errno = ENOMEM;
	return true;
}

static void *made(void *p)
{
	if (armed && p)
		live++;
	return p;
}

void *malloc(size_t size)
{
	return fails() ? NULL : made(__libc_malloc(size));
}

void *calloc(size_t nr, size_t size)
{
	return fails() ? NULL : made(__libc_calloc(nr, size));
}

void *aligned_alloc(size_t align, size_t size)
{
	return fails() ? NULL : made(__libc_memalign(align, size));
}

void *realloc(void *p, size_t size)
{
	if (fails())
		return NULL;
	return p ? __libc_realloc(p, size) : made(__libc_realloc(p, size));
}

void free(void *p)
{
	if (armed && p)
		live--;
	__libc_free(p);
}

/* --- what is read: the seeds of the fuzz target "whole" -------------------- */

static int data_fd, image_fd;
static char data_path[32];

static int open_image(void *arg, enum ustack_file file,
		      const struct ustack_map *map)
{
	(void)arg;
	(void)map;
	return file == USTACK_FILE_IMAGE ? dup(image_fd) : -ENOENT;
}

static int load(const char *name)
{
	static uint8_t buf[16384];
	FILE *f = fopen(name, "r");
	size_t n = f ? fread(buf, 1, sizeof(buf), f) : 0;
	uint32_t size;

	if (f)
		fclose(f);
	if (n < 4)
		return -1;
	memcpy(&size, buf, 4);
	data_fd = memfd_create("data", 0);
	image_fd = memfd_create("image", 0);
	snprintf(data_path, sizeof(data_path), "/proc/self/fd/%d", data_fd);
	if (write(data_fd, buf + 4, size) != size ||
	    write(image_fd, buf + 4 + size, n - 4 - size) !=
		    (ssize_t)(n - 4 - size))
		return -1;
	return 0;
}

struct result {
	bool nomem;		/* somebody said so */
	int samples, frames, names;
};

static void note(struct result *r, int ret, const void *out)
{
	if (ret == -ENOMEM)
		r->nomem = true;
	else
		assert_int_equal(ret, 0);
	assert_int_equal(!out, ret != 0);
}

static void sample_use(struct result *r, struct ustack_unwinder *unwinder,
		       const struct ustack_sample *s)
{
	struct ustack_frame frames[32];
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	enum ustack_end end;
	int n;

	n = unwind_stack(unwinder, s->space, &s->regs, s->ranges, s->nr_ranges,
			  frames, 32, &end);
	if (n == -ENOMEM)
		r->nomem = true;
	r->samples++;
	for (int i = 0; i < n; i++) {
		r->frames++;
		r->names += !ustack_symbolize(
			s->space,
			frames[i].ip - !!(frames[i].flags & USTACK_FRAME_RETURN),
			&sym);
	}
}

static void run_recording(struct result *r)
{
	struct ustack_images_opts opts = { .sz = sizeof(opts),
					   .open = open_image };
	const struct ustack_sample *s, *held = NULL;
	struct ustack_images *images = NULL;
	struct ustack_unwinder *unwinder = NULL;
	struct ustack_reader *reader = NULL;
	int ret;

	memset(r, 0, sizeof(*r));
	ret = ustack_images_new(&images, &opts);
	note(r, ret, images);
	if (images) {
		ret = ustack_unwinder_new(&unwinder);
		note(r, ret, unwinder);
	}
	if (unwinder) {
		ret = ustack_reader_new(&reader, images);
		note(r, ret, reader);
	}
	if (reader) {
		ret = ustack_reader_open(reader, data_path);
		while (ret >= 0 && (ret = ustack_reader_next(reader, &s)) == 1) {
			sample_use(r, unwinder, s);
			if (held)
				continue;
			if (!ustack_reader_hold(reader))
				held = s;
			else
				r->nomem = true;
		}
		if (ret) {
			assert_int_equal(ret, -ENOMEM);
			assert_non_null(strstr(ustack_reader_error(reader),
					       "out of memory"));
			r->nomem = true;
		}
		if (held)
			ustack_reader_release(reader, held);
	}
	ustack_reader_free(reader);
	ustack_unwinder_free(unwinder);
	ustack_images_free(images);
}

/* --- maps without a recording ------------------------------------------------ */

/* One half of a page has the image as a file, the other one as bytes. */
static void use_maps(struct result *r, struct ustack_space *space)
{
	static uint8_t bytes[16384];
	struct ustack_map map = {
		.sz = sizeof(map),
		.size = 0x1000,
		.path = "/image",
	};
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	struct ustack_space *child = NULL;
	int ret;

	ret = ustack_space_map(space, &map);
	if (!ret) {
		map.addr = 0x800;
		map.data = bytes;
		map.data_size = pread(image_fd, bytes, sizeof(bytes), 0);
		ret = ustack_space_map(space, &map);
	}
	if (!ret)
		ret = ustack_space_fork(&child, space);
	if (!ret)
		ret = ustack_space_unmap(child, 0x400, 0x200);
	if (!ret)
		ret = ustack_space_add_process(child, getpid());
	for (uint64_t addr = 0; !ret && addr < 0x1800; addr += 0x10)
		r->names += !ustack_symbolize(child, addr, &sym);
	/* All of this process, or an error. */
	if (!ret) {
		ustack_symbolize(child, (uint64_t)use_maps, &sym);
		r->samples += sym.path != NULL;
		ustack_symbolize(child, (uint64_t)pread, &sym);
		r->samples += sym.path != NULL;
	}
	note(r, ret, ret ? NULL : child);
	ustack_space_free(child);
}

static void run_maps(struct result *r)
{
	struct ustack_images_opts opts = { .sz = sizeof(opts),
					   .open = open_image };
	struct ustack_images *images = NULL;
	struct ustack_space *space = NULL;
	int ret;

	memset(r, 0, sizeof(*r));
	ret = ustack_images_new(&images, &opts);
	note(r, ret, images);
	if (images) {
		ret = ustack_space_new(&space, images);
		note(r, ret, space);
	}
	if (space)
		use_maps(r, space);
	if (images)
		ustack_images_trim(images);
	ustack_space_free(space);
	ustack_images_free(images);
}

/* --- all of them --------------------------------------------------------------- */

static void each_in_turn(void (*run)(struct result *r))
{
	struct result all, r;
	long n;

	run(&all);
	assert_false(all.nomem);
	assert_true(all.names > 0);
	for (n = 0;; n++) {
		left = n;
		failed = false;
		live = 0;
		armed = true;
		run(&r);
		armed = false;
		if (!failed)
			break;
		if (live)
			print_error("allocation %ld: %ld leaked\n", n, live);
		assert_int_equal(live, 0);
		assert_true(r.nomem || r.samples == all.samples);
		assert_true(r.frames <= all.frames && r.names <= all.names);
	}
	assert_true(n > 20);
	assert_int_equal(live, 0);
	assert_int_equal(r.frames, all.frames);
	assert_int_equal(r.names, all.names);
}

static void recording(const char *name)
{
	struct result all;

	if (load(name))
		skip();
	run_recording(&all);
	assert_int_equal(all.samples, 2);
	assert_true(all.frames > 4);
	each_in_turn(run_recording);
	close(data_fd);
	close(image_fd);
}

#define SEED "tests/fuzz/corpus/whole/seed-"

static void legacy(void **state)
{
	(void)state;
	recording(SEED "legacy");
}

static void deferred(void **state)
{
	(void)state;
	recording(SEED "deferred");
}

static void compressed(void **state)
{
	(void)state;
	recording(SEED "pipe-zstd");
}

static void maps(void **state)
{
	(void)state;
	if (load(SEED "legacy"))
		skip();
	each_in_turn(run_maps);
	close(data_fd);
	close(image_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(legacy),
		cmocka_unit_test(deferred),
		cmocka_unit_test(compressed),
		cmocka_unit_test(maps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
