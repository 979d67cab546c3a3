// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * What is sampled: load KIND COUNT [STACK-BYTES [TASKS]].
 *   spin     user mode only
 *   syscall  a system call each turn
 *   fault    a page fault each turn
 * COUNT turns of about 100 instructions of user mode, the stack STACK-BYTES deep; TASKS
 * processes share them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 256ul

static unsigned long turns, depth;
static int kind;
static volatile char *pages;
static char *top;

static __attribute__((noinline)) unsigned long work(unsigned long x)
{
	for (unsigned long n = 0; n < turns; n++) {
		for (int i = 0; i < 25; i++)
			x = x * 6364136223846793005ul + (x >> 29);
		if (kind == 'y') {
			x += syscall(SYS_getppid);
		} else if (kind == 'f') {
			if (n % PAGES == 0)
				madvise((void *)pages, PAGES * 4096, MADV_DONTNEED);
			pages[n % PAGES * 4096]++;
		}
	}
	return x;
}

static __attribute__((noinline)) unsigned long dig(unsigned long x)
{
	volatile char frame[128];

	frame[0] = x;
	if (top - (char *)frame < (long)depth)
		return dig(x + 1) + frame[0];
	return work(x) + frame[0];
}

int main(int argc, char **argv)
{
	unsigned long tasks, child = 0;
	char here;

	if (argc < 3 || (strcmp(argv[1], "spin") && strcmp(argv[1], "syscall") && strcmp(argv[1], "fault"))) {
		fprintf(stderr, "usage: load spin|syscall|fault COUNT [STACK-BYTES [TASKS]]\n");
		return 2;
	}
	kind = argv[1][0] == 's' ? argv[1][1] : 'f';
	tasks = argc > 4 ? strtoul(argv[4], NULL, 0) : 1;
	turns = strtoul(argv[2], NULL, 0) / (tasks ? tasks : 1);
	depth = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;
	top = &here;
	pages = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED) {
		perror("load: mmap");
		return 1;
	}
	while (child + 1 < tasks) {
		pid_t pid = fork();

		if (pid < 0) {
			perror("load: fork");
			return 1;
		}
		if (!pid)
			_exit(dig(1) == 0);
		child++;
	}
	if (!dig(1))
		return 1;
	while (child--) {
		int status;

		if (wait(&status) < 0 || status)
			return 1;
	}
	return 0;
}
