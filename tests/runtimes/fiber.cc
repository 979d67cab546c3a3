// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* A fiber of Boost's: a, b, spin above its own bottom. */
#include <boost/context/fiber.hpp>
#include <ctime>

#define NOINLINE __attribute__((noinline))

extern "C" {
volatile unsigned long sink;

NOINLINE void spin(unsigned long n)
{
	for (unsigned long i = 0; i < n; i++)
		sink = sink + i;
}

NOINLINE void b(unsigned long n)
{
	spin(n);
	sink = sink + 1;
}

NOINLINE void a(unsigned long n)
{
	b(n);
	sink = sink + 1;
}
}

int main()
{
	boost::context::fiber f([](boost::context::fiber &&back) {
		for (clock_t end = clock() + CLOCKS_PER_SEC; clock() < end;)
			a(1000000);
		return std::move(back);
	});

	std::move(f).resume();
	return 0;
}
