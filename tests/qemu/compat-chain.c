// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A 32-bit program to be unwound at each instruction: callbacks and signals,
 * their trampolines in the vDSO, and system calls from there.  With an argument
 * it leaves out what calls something else inside the vDSO.
 */
#include <alloca.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define APART __attribute__((noipa))

static volatile int sink;

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void handler(int sig)
{
	sink += sig;
}

static void handler_with_info(int sig, siginfo_t *info, void *context)
{
	(void)context;
	sink += sig + info->si_code;
}

/* A frame of more than a page. */
APART static int big(int n)
{
	volatile char buf[5000];

	buf[n] = 1;
	return buf[n / 2];
}

/* CFA on ebp. */
APART static int allocates(int n)
{
	char *p = alloca(n);

	memset(p, 1, n);
	sink += p[n / 2];
	return big(n);
}

APART static void use(char *p)
{
	sink += *p;
}

/* A realigned stack: the CFA is in ecx, later in memory below ebp. */
APART static int realigns(int n)
{
	char buf[64] __attribute__((aligned(64))) = { 1 };
	char *p = alloca(n);

	use(buf);
	p[0] = buf[n & 63];
	use(p);
	return allocates(n);
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_sigaction = handler_with_info,
				.sa_flags = SA_SIGINFO };
	int v[] = { 5, 3, 1, 2, 4 };
	char buf[40];

	(void)argv;
	qsort(v, 5, sizeof(v[0]), compare);
	realigns(100);
	sink += getppid();
	snprintf(buf, sizeof(buf), "%d %f", sink, 1.5 * v[3]);
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	sigaction(SIGUSR2, &sa, NULL);
	raise(SIGUSR2);
	if (argc == 1)
		sink += time(NULL);
	return 0;
}
