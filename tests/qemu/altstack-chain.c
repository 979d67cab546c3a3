// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Recorded by altstack-chain.sh: page faults in a signal handler on its own stack. */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#define NOINLINE __attribute__((noinline, noipa))

static volatile char *fresh;
static volatile int calls;

static NOINLINE void inner(void)
{
	*fresh = 1;
	calls++;
}

static NOINLINE void handler(int sig)
{
	(void)sig;
	inner();
	calls++;
}

static NOINLINE void outer(int depth)
{
	volatile char room[256];

	room[0] = depth;
	if (depth)
		outer(depth - 1);
	else
		raise(SIGUSR1);
	calls += room[0];
}

int main(void)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_ONSTACK };
	stack_t ss = { .ss_size = 1 << 16 };

	ss.ss_sp = malloc(ss.ss_size);
	fresh = mmap(NULL, 100 * 4096, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!ss.ss_sp || fresh == MAP_FAILED || sigaltstack(&ss, NULL) ||
	    sigaction(SIGUSR1, &sa, NULL))
		return 1;
	for (int i = 0; i < 100; i++, fresh += 4096)
		outer(3);
	return 0;
}
