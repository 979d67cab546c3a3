// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* main, a, b, and spin in a destructor that an exception runs. */
#include <ctime>

#define NOINLINE __attribute__((noinline))

extern "C" {
volatile unsigned long sink;

NOINLINE void spin(unsigned long n)
{
	for (unsigned long i = 0; i < n; i++)
		sink = sink + i;
}

struct guard {
	NOINLINE ~guard() { spin(1000000); sink = sink + 1; }
};

NOINLINE void b()
{
	guard g;

	throw 1;
}

NOINLINE void a()
{
	try {
		b();
	} catch (int) {
		sink = sink + 1;
	}
}
}

int main()
{
	for (clock_t end = clock() + CLOCKS_PER_SEC; clock() < end;)
		a();
	return 0;
}
