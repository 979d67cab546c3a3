// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The chains of a perf.data file, with names.
 * Build it with common.h beside it:
 *
 *	cc file.c -o file $(pkg-config --cflags --libs libustack)
 *	./file [FILE]
 */
#include "common.h"

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "perf.data";

	if (argc > 2)
		errx(2, "usage: file [FILE]");
	start();
	check(ustack_reader_open(reader, path), path);
	check(print_samples(), path);
	finish();
	return 0;
}
