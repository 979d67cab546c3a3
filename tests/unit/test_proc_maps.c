// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The space of a process that runs already. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ustack.h"

static struct ustack_images *images;
static struct ustack_space *space;
static struct ustack_map told;	/* of this program */
static struct stat self;

static int open_it(void *arg, enum ustack_file file,
		   const struct ustack_map *map)
{
	(void)arg;
	if (file == USTACK_FILE_IMAGE && map->ino == self.st_ino)
		told = *map;
	return -ENOSYS;
}

static int setup(void **state)
{
	struct ustack_images_opts opts = { .sz = sizeof(opts),
					   .open = open_it };

	(void)state;
	return stat("/proc/self/exe", &self) ||
	       ustack_images_new(&images, &opts) ||
	       ustack_space_new(&space, images);
}

static int teardown(void **state)
{
	(void)state;
	ustack_space_free(space);
	ustack_images_free(images);
	return 0;
}

static const char *path_at(const void *addr)
{
	struct ustack_symbol sym = { .sz = sizeof(sym) };

	ustack_symbolize(space, (uint64_t)addr, &sym);
	return sym.path ? sym.path : "";
}

static void own(void **state)
{
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	char path[4096], jit[64];
	int on_stack;
	void *code;
	ssize_t n;

	(void)state;
	code = mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(code != MAP_FAILED);
	n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	assert_true(n > 0);
	path[n] = 0;
	assert_int_equal(ustack_space_add_process(space, getpid()), 0);
	assert_int_equal(ustack_symbolize(space, (uint64_t)own, &sym), 0);
	assert_string_equal(sym.name, "own");
	assert_string_equal(sym.path, path);
	assert_true(told.ino == self.st_ino);
	assert_true(told.addr <= (uint64_t)own &&
		    (uint64_t)own - told.addr < told.size);
	assert_int_equal(told.prot, PROT_READ | PROT_EXEC);
	assert_int_equal(told.pid, getpid());
	/* libc and a JIT's code, but nothing that is no code. */
	assert_non_null(strstr(path_at(mmap), "libc"));
	snprintf(jit, sizeof(jit), "/tmp/perf-%d.map", getpid());
	assert_string_equal(path_at(code), jit);
	assert_string_equal(path_at(&space), "");
	assert_string_equal(path_at(&on_stack), "");
	munmap(code, 4096);
}

/* One that is gone, and one that is not for us to see. */
static void other(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (!pid)
		_exit(0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(ustack_space_add_process(space, pid), -ESRCH);
	if (geteuid())
		return;
	pid = fork();
	if (!pid)
		_exit(setuid(65534) || ustack_space_add_process(space, 1) !=
					       -EACCES);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(own), TEST(other) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
