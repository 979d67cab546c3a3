// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Threads that share images and forked maps: every one gets the frames and
 * names that one alone gets.  tests/host/tsan.sh looks at the same with
 * ThreadSanitizer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "mappath.h"
#include "unwind.h"
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

/* Whatever is between variables: that is none of AddressSanitizer's business. */
__attribute__((no_sanitize_address)) static void
copy_stack(const uint8_t *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		stack[i] = ((const volatile uint8_t *)from)[i];
}

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
	copy_stack((const uint8_t *)g[REG_RSP], range.size);
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
			map_path(space, info->dlpi_addr + ph->p_vaddr - in_page,
				 ph->p_memsz + in_page, ph->p_offset - in_page,
				 path);
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
	r->nr = unwind_stack(u, space, &regs, &range, 1, r->frames, FRAMES,
			      &r->end);
	for (int i = 0; i < r->nr; i++) {
		const struct ustack_frame *f = &r->frames[i];
		struct ustack_symbol sym = { .sz = sizeof(sym) };

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
	if (ustack_unwinder_new(&u)) {
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
		w->wrong += map_path(copy, 4096 * (n + 1), 4096, 0,
				     "/does/not/exist") != 0;
		unwind(u, copy, &r);
		w->wrong += !same(&r, &truth);
		/* As a SIGBUS handler, while files come and go. */
		w->wrong += ustack_images_fault(w->images, &r);
		ustack_space_free(copy);
	}
	ustack_unwinder_free(u);
	ustack_space_free(w->space);
	return NULL;
}

/* New files and new maps all the while, gone as fast as they came. */
static void *map_more(void *arg)
{
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	struct worker *w = arg;
	char path[32];

	pthread_barrier_wait(&start);
	for (int i = 0; i < 200; i++) {
		struct ustack_map map = { .sz = sizeof(map),
					  .addr = 4096 * (i + 1),
					  .size = 4096,
					  .path = path,
					  .ino = i + 1 };

		snprintf(path, sizeof(path),
			 i % 2 ? "/no/such/file/%d" : "/proc/self/exe", i);
		w->wrong += ustack_space_map(w->space, &map) != 0;
		ustack_symbolize(w->space, map.addr, &sym);
		w->wrong += strcmp(sym.path, path) != 0;
		if (i % 8)
			continue;
		w->wrong += ustack_space_unmap(w->space, 0, map.addr) != 0;
		ustack_images_trim(w->images);
	}
	ustack_space_free(w->space);
	ustack_images_trim(w->images);
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
	assert_int_equal(ustack_unwinder_new(&u), 0);
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

/* --- open() in several threads ------------------------------------------------ */

/*
 * Files "/0" and "/1", both this program, at different addresses.  Thread n
 * needs "/n" first.  In open() for it each waits for the other thread, which is
 * why neither may hold a lock; then it may need the other file itself.
 */
static struct opening {
	struct ustack_space *space[2];
	pthread_barrier_t both;
	bool cross;
	int opened[2], crossed, wrong;
} opening;

static uint64_t text_addr, text_size, text_pgoff;

static uint64_t addr_of(int file)
{
	return (0x10000000ULL << file) + ((uint64_t)capture - text_addr);
}

static bool has_name(struct ustack_space *space, int file)
{
	struct ustack_symbol sym = { .sz = sizeof(sym) };

	return !ustack_symbolize(space, addr_of(file), &sym) &&
	       !strcmp(sym.name, "capture");
}

/* In open(): the space itself is in use. */
static bool has_name_now(int thread, int file)
{
	struct ustack_space *own;
	bool has = false;

	if (!ustack_space_fork(&own, opening.space[thread]))
		has = has_name(own, file);
	ustack_space_free(own);
	return has;
}

static int open_slowly(void *arg, enum ustack_file file,
		       const struct ustack_map *map)
{
	struct opening *o = arg;
	int n = map->path[1] - '0';

	if (file != USTACK_FILE_IMAGE)
		return -ENOENT;
	if (__atomic_add_fetch(&o->opened[n], 1, __ATOMIC_RELAXED) == 1) {
		pthread_barrier_wait(&o->both);
		/* The pid is the thread's that is opening it. */
		if (o->cross && has_name_now(map->pid, !n))
			__atomic_add_fetch(&o->crossed, 1, __ATOMIC_RELAXED);
	}
	return open("/proc/self/exe", O_RDONLY);
}

static void *open_both(void *arg)
{
	int n = (struct ustack_space **)arg - opening.space;

	if (!has_name(opening.space[n], n) || !has_name(opening.space[n], !n))
		__atomic_add_fetch(&opening.wrong, 1, __ATOMIC_RELAXED);
	return NULL;
}

static int find_text(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X))
			continue;
		text_addr = info->dlpi_addr + ph->p_vaddr;
		text_size = ph->p_memsz;
		text_pgoff = ph->p_offset;
	}
	return 1; /* the program itself comes first */
}

static void open_at_once(bool cross)
{
	struct ustack_images_opts opts = { .sz = sizeof(opts),
					   .open = open_slowly,
					   .arg = &opening };
	struct ustack_images *images;
	pthread_t thread[2];

	dl_iterate_phdr(find_text, NULL);
	for (int round = 0; round < ROUNDS; round++) {
		opening = (struct opening){ .cross = cross };
		pthread_barrier_init(&opening.both, NULL, 2);
		assert_int_equal(ustack_images_new(&images, &opts), 0);
		for (int n = 0; n < 2; n++) {
			struct ustack_space **space = &opening.space[n];

			assert_int_equal(ustack_space_new(space, images), 0);
			for (int file = 0; file < 2; file++) {
				struct ustack_map map = {
					.sz = sizeof(map),
					.addr = 0x10000000ULL << file,
					.size = text_size,
					.pgoff = text_pgoff,
					.path = file ? "/1" : "/0",
					.pid = n,
				};

				assert_int_equal(ustack_space_map(*space, &map),
						 0);
			}
		}
		for (int n = 0; n < 2; n++)
			pthread_create(&thread[n], NULL, open_both,
				       &opening.space[n]);
		for (int n = 0; n < 2; n++)
			pthread_join(thread[n], NULL);
		assert_int_equal(opening.wrong, 0);
		assert_int_equal(opening.opened[0], 1);
		assert_int_equal(opening.opened[1], 1);
		/* One of the two has to do without. */
		if (cross)
			assert_int_equal(opening.crossed, 1);
		for (int n = 0; n < 2; n++)
			ustack_space_free(opening.space[n]);
		ustack_images_free(images);
		pthread_barrier_destroy(&opening.both);
	}
}

static void two_files_at_once(void **state)
{
	(void)state;
	open_at_once(false);
}

static void each_needs_the_other(void **state)
{
	(void)state;
	open_at_once(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shared_images),
		cmocka_unit_test(two_files_at_once),
		cmocka_unit_test(each_needs_the_other),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
