// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* A thread: body, a, b, spin. */
#include <pthread.h>
#include <time.h>

#define NOINLINE __attribute__((noinline))

volatile unsigned long sink;

NOINLINE void spin(unsigned long n)
{
	for (unsigned long i = 0; i < n; i++)
		sink += i;
}

NOINLINE void b(unsigned long n)
{
	spin(n);
	sink++;
}

NOINLINE void a(unsigned long n)
{
	b(n);
	sink++;
}

static void *body(void *arg)
{
	for (clock_t end = clock() + CLOCKS_PER_SEC; clock() < end;)
		a(1000000);
	return arg;
}

int main(void)
{
	pthread_t thread;

	pthread_create(&thread, 0, body, 0);
	pthread_join(thread, 0);
	return 0;
}
