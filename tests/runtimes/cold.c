// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* main, a, b, spin, where spin is called by the part of b that is hardly ever run. */
#include <time.h>

#define NOINLINE __attribute__((noinline))

volatile unsigned long sink;

NOINLINE __attribute__((cold)) void spin(unsigned long n)
{
	for (unsigned long i = 0; i < n; i++)
		sink += i;
}

NOINLINE void b(unsigned long n)
{
	if (__builtin_expect(n > 1000, 0)) {
		volatile char room[256];

		room[n % 256] = 1;
		spin(n);
		sink += room[n % 256];
	}
	sink++;
}

NOINLINE void a(unsigned long n)
{
	b(n);
	sink++;
}

int main(void)
{
	for (clock_t end = clock() + CLOCKS_PER_SEC; clock() < end;)
		a(1000000);
	return 0;
}
