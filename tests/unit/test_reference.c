// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The unwinders that the benches compare with, and ours, on stacks of this
 * process; its functions note down their return addresses.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "reference/reference.h"
#include "mappath.h"
#include "ustack.h"

#define APART __attribute__((noinline, noclone))

/* --- a stack, and its true return addresses -------------------------------- */

static struct {
	struct ustack_regs regs;
	struct ustack_range range;
	uint8_t data[1 << 20];
	uint64_t ra[3];		/* of inner(), handler() or middle(), outer() */
} taken;

static uint64_t stack_end;

static struct ustack_images *images;
static struct ustack_space *space;

static void map_self(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[4200];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		uint64_t start, end, pgoff;
		char prot[5], path[4096] = "//anon";

		if (sscanf(line,
			   "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64
			   " %*s %*s %4095[^\n]",
			   &start, &end, prot, &pgoff, path) < 4)
			continue;
		if ((uintptr_t)line - start < end - start)
			stack_end = end;
		if (prot[2] == 'x')
			assert_int_equal(map_path(space, start, end - start,
						  pgoff, path),
					 0);
	}
	fclose(f);
}

/* The registers and the stack at this point, as perf would capture them. */
static APART void inner(void)
{
	uint64_t *val = taken.regs.val;
	struct iovec from, to;

	taken.ra[0] = (uintptr_t)__builtin_return_address(0);
	__asm__ volatile("mov %%rbx, 1*8(%0)\n"
			 "mov %%rbp, 6*8(%0)\n"
			 "mov %%rsp, 7*8(%0)\n"
			 "mov %%r12, 20*8(%0)\n"
			 "mov %%r13, 21*8(%0)\n"
			 "mov %%r14, 22*8(%0)\n"
			 "mov %%r15, 23*8(%0)\n"
			 "lea 0(%%rip), %%rax\n"
			 "mov %%rax, 8*8(%0)\n"
			 : : "r"(val) : "rax", "memory");
	taken.regs.abi = USTACK_ABI_64;
	taken.regs.mask = 1 << 1 | 1 << 6 | 1 << 7 | 1 << 8 | 0xf << 20;
	taken.range.addr = val[7];
	taken.range.size = stack_end - val[7];
	taken.range.data = taken.data;
	assert_true(taken.range.size <= sizeof(taken.data));
	/* By the kernel, like a capture: valgrind would object to unused parts of it. */
	from = (struct iovec){ (void *)val[7], taken.range.size };
	to = (struct iovec){ taken.data, taken.range.size };
	assert_int_equal(process_vm_readv(getpid(), &to, 1, &from, 1, 0),
			 taken.range.size);
}

static volatile int sink;

static APART void middle(void)
{
	taken.ra[1] = (uintptr_t)__builtin_return_address(0);
	inner();
	sink++;
}

static void handler(int sig)
{
	inner();
	sink += sig;
}

static APART void middle_by_signal(void)
{
	taken.ra[1] = (uintptr_t)__builtin_return_address(0);
	raise(SIGUSR1);
	sink++;
}

static APART void outer(void (*call)(void))
{
	taken.ra[2] = (uintptr_t)__builtin_return_address(0);
	call();
	sink++;
}

/* --- tests ---------------------------------------------------------------- */

#define MAX 64

static struct ustack_frame frames[MAX];
static int nr;

enum who { OURS, LIBDW, LIBUNWIND };

static enum who who;
static struct ustack_unwinder *ours;
static struct reference *reference;

static int setup(void **state)
{
	const struct reference_ops *ops = &reference_libdw;

	who = *(enum who *)*state;
#ifdef WITH_libunwind
	if (who == LIBUNWIND)
		ops = &reference_libunwind;
#endif
	reference = NULL;
	ours = NULL;
	if (who == OURS)
		return ustack_unwinder_new(&ours);
	reference = reference_new(ops);
	return !reference;
}

static int teardown(void **state)
{
	(void)state;
	ustack_unwinder_free(ours);
	reference_free(reference);
	return 0;
}

static enum ustack_end unwind(size_t max)
{
	const struct ustack_stack stack = {
		.sz = sizeof(stack),
		.space = space,
		.regs = &taken.regs,
		.ranges = &taken.range,
		.nr_ranges = 1,
	};
	enum ustack_end end;

	nr = ours ? ustack_unwind(ours, &stack, frames, max, &end) :
		    reference_unwind(reference, &stack, frames, max, &end);
	return end;
}

/* frames[first..] are the noted return addresses. */
static void assert_chain(int first, int from)
{
	assert_true(nr > first + 3 - from);
	for (int i = from; i < 3; i++, first++) {
		assert_int_equal(frames[first].ip, taken.ra[i]);
		assert_int_equal(frames[first].flags, USTACK_FRAME_RETURN);
	}
}

static void calls(void **state)
{
	(void)state;

	/* The second time, by what it remembers. */
	for (int i = 0; i < 2; i++) {
		outer(middle);
		assert_int_equal(unwind(MAX), USTACK_END_FINISHED);
		assert_int_equal(frames[0].ip, taken.regs.val[8]);
		assert_int_equal(frames[0].flags, 0);
		assert_chain(1, 0);
	}
}

/* inner, handler, __restore_rt, raise and what it calls, middle, outer, ... */
static void through_a_signal(void **state)
{
	(void)state;
	int i = 0;

	outer(middle_by_signal);
	assert_int_equal(unwind(MAX), USTACK_END_FINISHED);
	assert_int_equal(frames[1].ip, taken.ra[0]);
	assert_int_equal(frames[1].flags, USTACK_FRAME_RETURN);
	/* It was interrupted behind its system call; libunwind 1.6 does not say so. */
	if (who != LIBUNWIND)
		assert_int_equal(frames[3].flags, 0);
	while (i < nr && frames[i].ip != taken.ra[1])
		i++;
	assert_chain(i, 1);
}

static void limit(void **state)
{
	(void)state;

	outer(middle);
	assert_int_equal(unwind(3), USTACK_END_LIMIT);
	assert_int_equal(nr, 3);
	assert_int_equal(frames[2].ip, taken.ra[1]);
	assert_int_equal(unwind(0), USTACK_END_LIMIT);
	assert_int_equal(nr, 0);
}

/* The capture ends before outer()'s frame does. */
static void truncated(void **state)
{
	(void)state;
	size_t i;

	outer(middle);
	for (i = 0; i + 8 <= taken.range.size; i += 8)
		if (!memcmp(taken.data + i, &taken.ra[2], 8))
			break;
	taken.range.size = i;
	assert_int_equal(unwind(MAX), USTACK_END_TRUNCATED);
	assert_int_equal(nr, 3);
	assert_int_equal(frames[2].ip, taken.ra[1]);
}

/* What it remembers of the old maps is not used with the new ones. */
static void other_maps(void **state)
{
	(void)state;

	outer(middle);
	assert_int_equal(unwind(MAX), USTACK_END_FINISHED);
	/* Another file in place of that of the innermost function. */
	assert_int_equal(map_path(space, taken.regs.val[8] & ~0xfffULL, 0x1000,
				  0, "/nowhere"),
			 0);
	assert_int_not_equal(unwind(MAX), USTACK_END_FINISHED);
	assert_int_equal(frames[0].ip, taken.regs.val[8]);
	ustack_space_clear(space);
	assert_int_not_equal(unwind(MAX), USTACK_END_FINISHED);
	assert_int_equal(frames[0].ip, taken.regs.val[8]);
	map_self();
	assert_int_equal(unwind(MAX), USTACK_END_FINISHED);
	assert_chain(1, 0);
}

static void registers(void **state)
{
	(void)state;

	outer(middle);
	taken.regs.mask &= ~(1 << 7);
	assert_int_equal(unwind(MAX), USTACK_END_NO_REGS);
	assert_int_equal(nr, 1);
	taken.regs.abi = USTACK_ABI_NONE;
	assert_int_equal(unwind(MAX), USTACK_END_NO_REGS);
	assert_int_equal(nr, 0);
}

int main(void)
{
	static enum who us = OURS, dw = LIBDW;
	struct sigaction sa = { .sa_handler = handler };
#define WITH(test, which)                                                    \
	cmocka_unit_test_prestate_setup_teardown(test, setup, teardown, which)
#ifdef WITH_libunwind
	static enum who unw = LIBUNWIND;
#define WITH_ALL(test) WITH(test, &us), WITH(test, &dw), WITH(test, &unw)
#else
#define WITH_ALL(test) WITH(test, &us), WITH(test, &dw)
#endif
	const struct CMUnitTest tests[] = {
		WITH_ALL(calls),
		WITH_ALL(through_a_signal),
		WITH_ALL(limit),
		WITH_ALL(truncated),
		WITH_ALL(other_maps),
		WITH_ALL(registers),
	};
	int failed;

	sigaction(SIGUSR1, &sa, NULL);
	if (ustack_images_new(&images, NULL) ||
	    ustack_space_new(&space, images))
		return 1;
	map_self();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	ustack_space_free(space);
	ustack_images_free(images);
	return failed;
}
