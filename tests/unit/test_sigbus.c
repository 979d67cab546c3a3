// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* A file that its owner cuts while libustack has it mapped. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mappath.h"
#include "unwind.h"
#include "ustack.h"

static char path[] = "/tmp/test_sigbus.XXXXXX";
static struct ustack_images *images;
static struct ustack_space *space;
static uint64_t bias;	/* from our own addresses to those of the space */
static volatile int faults;

static int map_text(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X))
			continue;
		if (map_path(space, 0x10000000 + ph->p_offset, ph->p_memsz,
			     ph->p_offset, path))
			return -1;
		bias = 0x10000000 + ph->p_offset - ph->p_vaddr -
		       info->dlpi_addr;
	}
	return 1;	/* the program itself comes first */
}

/* A copy of this program, opened and looked into. */
static int setup(void **state)
{
	char cmd[128];

	(void)state;
	close(mkstemp(path));
	snprintf(cmd, sizeof(cmd), "cp /proc/%d/exe %s", getpid(), path);
	if (system(cmd) || ustack_images_new(&images, NULL) ||
	    ustack_space_new(&space, images) ||
	    dl_iterate_phdr(map_text, NULL) != 1)
		return -1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ustack_space_free(space);
	ustack_images_free(images);
	return unlink(path);
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	(void)context;
	faults++;
	if (!ustack_images_fault(images, info->si_addr))
		signal(sig, SIG_DFL);
}

/* One step from function, with a stack that holds nothing but zeroes. */
static enum ustack_end unwind_by(struct ustack_unwinder *unwinder,
				 const void *function)
{
	static const uint8_t stack[256];
	struct ustack_range range = { 0x7000, sizeof(stack), stack };
	struct ustack_regs regs = {
		.abi = USTACK_ABI_64,
		.mask = 1 << 7 | 1 << 8,
		.val = { [7] = 0x7000, [8] = (uint64_t)function + bias },
	};
	struct ustack_frame frames[4];
	enum ustack_end end;

	assert_int_equal(unwind_stack(unwinder, space, &regs, &range, 1, frames,
				       4, &end),
			 1);
	return end;
}

static enum ustack_end unwind(const void *function)
{
	struct ustack_unwinder *unwinder;
	enum ustack_end end;

	assert_int_equal(ustack_unwinder_new(&unwinder), 0);
	end = unwind_by(unwinder, function);
	ustack_unwinder_free(unwinder);
	return end;
}

static void cut(void **state)
{
	struct sigaction act = { .sa_sigaction = on_sigbus,
				 .sa_flags = SA_SIGINFO };
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	struct ustack_unwinder *warm;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(ustack_unwinder_new(&warm), 0);
	assert_int_equal(unwind_by(warm, setup), USTACK_END_FINISHED);
	assert_int_equal(unwind(setup), USTACK_END_FINISHED);
	assert_int_equal(truncate(path, 100), 0);
	/* Who does not care dies. */
	pid = fork();
	if (!pid) {
		signal(SIGBUS, SIG_DFL);
		unwind(setup);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);

	sigaction(SIGBUS, &act, NULL);
	assert_int_equal(unwind(setup), USTACK_END_NO_RULE);
	assert_true(faults > 0);
	/* It has the rule still, but the next frame may be one of zeroes. */
	assert_int_equal(unwind_by(warm, setup), USTACK_END_NO_RULE);
	ustack_unwinder_free(warm);
	assert_int_not_equal(ustack_symbolize(space, (uint64_t)setup + bias,
					      &sym),
			     0);
	signal(SIGBUS, SIG_DFL);
	/* What is not ours is left alone. */
	assert_int_equal(ustack_images_fault(images, &act), 0);
	assert_int_equal(ustack_images_fault(images, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(cut) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
