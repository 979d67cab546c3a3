// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Two threads that search, sort and sum for as much processor time as asked for: work
// [MILLISECONDS [TURNS OF sum FOR EACH OF THE OTHERS]].
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <map>
#include <string>
#include <thread>
#include <vector>

#define SEEN __attribute__((noinline))

static volatile double sink;
static long milliseconds = 300, turns = 1;

struct Index {
	std::map<std::string, int> words;
	SEEN void add(int n) { words["word" + std::to_string(n % 500)]++; }
	SEEN void fill()
	{
		for (int n = 0; n < 2000; n++)
			add(n);
	}
};

extern "C" {
SEEN void sum()
{
	double x = 0;
	for (int n = 1; n < 20000; n++)
		x += std::sqrt(n);
	sink = x;
}

SEEN void sorted()
{
	std::vector<int> v;
	for (int n = 0; n < 10000; n++)
		v.push_back(n * 7919 % 10007);
	std::sort(v.begin(), v.end());
	sink = v[0];
}

SEEN void work()
{
	Index index;
	timespec t;

	do {
		index.fill();
		for (long n = 0; n < turns; n++)
			sum();
		sorted();
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	} while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < milliseconds);
}
}

int main(int argc, char **argv)
{
	milliseconds = argc > 1 ? atol(argv[1]) : milliseconds;
	turns = argc > 2 ? atol(argv[2]) : turns;
	std::thread other(work);
	work();
	other.join();
}
