// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* main, a, b, c, spin; with an argument b is called by qsort(). */
#include <stdlib.h>
#include <time.h>

#define NOINLINE __attribute__((noinline, noclone))

volatile unsigned long sink;

NOINLINE void spin(unsigned long n)
{
	for (unsigned long i = 0; i < n; i++)
		sink += i;
}

NOINLINE void c(unsigned long n)
{
	spin(n);
	sink++;
}

NOINLINE void b(unsigned long n)
{
	volatile char room[n % 64 + 16];

	room[0] = 1;
	c(n);
	sink += room[0];
}

NOINLINE int compare(const void *x, const void *y)
{
	b(1000000);
	return *(const int *)x - *(const int *)y;
}

NOINLINE void a(int sort)
{
	int v[3] = { 3, 1, 2 };

	if (sort)
		qsort(v, 3, sizeof(*v), compare);
	else
		b(1000000);
	sink += v[0];
}

int main(int argc, char **argv)
{
	(void)argv;
	for (clock_t end = clock() + CLOCKS_PER_SEC; clock() < end;)
		a(argc > 1);
	return 0;
}
