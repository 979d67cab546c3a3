// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* main, outer and work are interrupted by handler, which calls spin. */
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

volatile unsigned long sink;
volatile int hits;

NOINLINE void spin(void)
{
	for (unsigned long i = 0; i < 20000000; i++)
		sink += i;
}

NOINLINE void handler(int sig)
{
	spin();
	/* Where this takes longer than the timer, work() is never on again. */
	if (++hits >= 60)
		_exit(!sig);
}

NOINLINE void work(void)
{
	while (hits >= 0)
		sink++;
}

NOINLINE void outer(void)
{
	work();
	sink++;
}

int main(void)
{
	struct sigaction act = { .sa_handler = handler };
	struct itimerval timer = { { 0, 20000 }, { 0, 20000 } };

	sigaction(SIGALRM, &act, 0);
	setitimer(ITIMER_REAL, &timer, 0);
	outer();
	return 0;
}
