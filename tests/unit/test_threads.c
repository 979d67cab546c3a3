// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Threads that share images and forked maps: every one gets the frames and
 * names that one alone gets.  tests/host/tsan.sh looks at the same with
 * ThreadSanitizer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "ustack.h"

#define THREADS 4
#define ROUNDS 20
#define FRAMES 64
#define STACK_MAX 8192

/* --- one stack, captured in qsort's callback ---------------------------- */

static struct ustack_regs regs;
static uint8_t stack[STACK_MAX];
static struct ustack_range range = { .data = stack };
static const char *stack_end;

static void capture(void)
{
	ucontext_t ctx;
	const greg_t *g = ctx.uc_mcontext.gregs;
	const struct {
		int perf, greg;
	} which[] = {
		{ 1, REG_RBX },	 { 6, REG_RBP },  { 7, REG_RSP },
		{ 8, REG_RIP },	 { 20, REG_R12 }, { 21, REG_R13 },
		{ 22, REG_R14 }, { 23, REG_R15 },
	};

	getcontext(&ctx);
	regs = (struct ustack_regs){ .abi = USTACK_ABI_64 };
	for (size_t i = 0; i < sizeof(which) / sizeof(which[0]); i++) {
		regs.mask |= 1ULL << which[i].perf;
		regs.val[which[i].perf] = g[which[i].greg];
	}
	range.addr = g[REG_RSP];
	range.size = stack_end - (const char *)g[REG_RSP];
	assert_true(range.size <= STACK_MAX);
	memcpy(stack, (const void *)g[REG_RSP], range.size);
}

static int compare(const void *a, const void *b)
{
	if (!range.size)
		capture();
	return *(const int *)a - *(const int *)b;
}

static int setup(void **state)
{
	int v[] = { 3, 1, 2 };

	(void)state;
	/* All that qsort and its callers here need lies below our caller's. */
	stack_end = (const char *)__builtin_frame_address(0) + 256;
	qsort(v, 3, sizeof(v[0]), compare);
	return range.size ? 0 : -1;
}

static int map_module(struct dl_phdr_info *info, size_t size, void *space)
{
	char path[4096];

	(void)size;
	if (*info->dlpi_name != '/') {
		ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

		if (n < 0 || info->dlpi_name[0])
			return 0;
		path[n] = 0;
	} else {
		snprintf(path, sizeof(path), "%s", info->dlpi_name);
	}
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uint64_t in_page = ph->p_offset & 4095;

		if (ph->p_type == PT_LOAD && ph->p_flags & PF_X)
			ustack_space_map(space,
					 info->dlpi_addr + ph->p_vaddr - in_page,
					 ph->p_memsz + in_page,
					 ph->p_offset - in_page, path, NULL, 0);
	}
	return 0;
}

/* --- what every thread does --------------------------------------------- */

struct result {
	int nr;
	enum ustack_end end;
	struct ustack_frame frames[FRAMES];
	const char *names[FRAMES];
};

static void unwind(struct ustack_unwinder *u, struct ustack_space *space,
		   struct result *r)
{
	r->nr = ustack_unwind(u, space, &regs, &range, 1, r->frames, FRAMES,
			      &r->end);
	for (int i = 0; i < r->nr; i++) {
		const struct ustack_frame *f = &r->frames[i];
		struct ustack_symbol sym;

		ustack_symbolize(space, f->ip - (f->flags & USTACK_FRAME_RETURN),
				 &sym);
		r->names[i] = sym.name;
	}
}

/* A name may be another copy: each images_new() has its own. */
static int same(const struct result *a, const struct result *b)
{
	if (a->nr != b->nr || a->end != b->end)
		return 0;
	for (int i = 0; i < a->nr; i++) {
		const struct ustack_frame *x = &a->frames[i];
		const struct ustack_frame *y = &b->frames[i];

		if (x->ip != y->ip || x->cfa != y->cfa ||
		    x->flags != y->flags || !a->names[i] != !b->names[i] ||
		    (a->names[i] && strcmp(a->names[i], b->names[i])))
			return 0;
	}
	return 1;
}

static struct result truth;
static pthread_barrier_t start;

struct worker {
	pthread_t thread;
	struct ustack_images *images;
	struct ustack_space *space;	/* its own fork */
	int wrong;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct ustack_unwinder *u;
	struct result r;

	pthread_barrier_wait(&start);
	if (ustack_unwinder_new(&u, w->images, NULL)) {
		w->wrong++;
		return NULL;
	}
	for (int n = 0; n < 3; n++) {
		struct ustack_space *copy;

		unwind(u, w->space, &r);
		w->wrong += !same(&r, &truth);
		/* Maps of its own from here on, copied while others resolve. */
		if (ustack_space_fork(&copy, w->space)) {
			w->wrong++;
			break;
		}
		w->wrong += ustack_space_map(copy, 4096 * (n + 1), 4096, 0,
					     "/does/not/exist", NULL, 0) != 0;
		unwind(u, copy, &r);
		w->wrong += !same(&r, &truth);
		ustack_space_free(copy);
	}
	ustack_unwinder_free(u);
	ustack_space_free(w->space);
	return NULL;
}

/* New files and new maps all the while. */
static void *map_more(void *arg)
{
	struct worker *w = arg;
	char path[32];

	pthread_barrier_wait(&start);
	for (int i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "/no/such/file/%d", i);
		w->wrong += ustack_space_map(w->space, 4096 * (i + 1), 4096, 0,
					     path, NULL, 0) != 0;
	}
	ustack_space_free(w->space);
	return NULL;
}

static void shared_images(void **state)
{
	struct ustack_images *images;
	struct ustack_space *space;
	struct ustack_unwinder *u;

	(void)state;
	assert_int_equal(ustack_images_new(&images, NULL), 0);
	assert_int_equal(ustack_space_new(&space, images), 0);
	assert_int_equal(ustack_unwinder_new(&u, images, NULL), 0);
	dl_iterate_phdr(map_module, space);
	unwind(u, space, &truth);
	assert_true(truth.nr >= 4);
	assert_string_equal(truth.names[0], "capture");
	assert_string_equal(truth.names[1], "compare");
	ustack_unwinder_free(u);

	pthread_barrier_init(&start, NULL, THREADS + 1);
	for (int n = 0; n < ROUNDS; n++) {
		struct worker workers[THREADS + 1] = { 0 };
		struct ustack_images *cold;
		struct ustack_space *parent;

		/* Nothing is opened yet: the threads race for all of it. */
		assert_int_equal(ustack_images_new(&cold, NULL), 0);
		assert_int_equal(ustack_space_new(&parent, cold), 0);
		dl_iterate_phdr(map_module, parent);
		for (int i = 0; i <= THREADS; i++) {
			struct worker *w = &workers[i];

			w->images = cold;
			assert_int_equal(ustack_space_fork(&w->space, parent),
					 0);
			assert_int_equal(pthread_create(&w->thread, NULL,
							i ? work : map_more, w),
					 0);
		}
		ustack_space_free(parent);
		for (int i = 0; i <= THREADS; i++) {
			pthread_join(workers[i].thread, NULL);
			assert_int_equal(workers[i].wrong, 0);
		}
		ustack_images_free(cold);
	}
	pthread_barrier_destroy(&start);
	ustack_space_free(space);
	ustack_images_free(images);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shared_images),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
