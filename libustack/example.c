// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The chains of a perf.data file, with names.
 *
 *	cc example.c $(pkg-config --cflags --libs libustack) -o example
 *	./example perf.data
 */
#include <stdio.h>
#include <stdlib.h>
#include <ustack.h>

#define FRAMES 256

static void chain(struct ustack_unwinder *unwinder,
		  const struct ustack_sample *s)
{
	struct ustack_frame frame[FRAMES];
	enum ustack_end end;
	int nr = ustack_unwind(unwinder, s->space, &s->regs, s->ranges,
			       s->nr_ranges, frame, FRAMES, &end);

	printf("%s %u\n", s->comm, s->tid);
	for (int i = 0; i < nr; i++) {
		struct ustack_symbol sym;
		/* The call is what a caller is known by, not what follows it. */
		int back = frame[i].flags & USTACK_FRAME_RETURN ? 1 : 0;

		ustack_symbolize(s->space, frame[i].ip - back, &sym);
		printf("%16llx %s (%s)\n", (unsigned long long)frame[i].ip,
		       sym.name ? sym.name : "?", sym.path ? sym.path : "?");
	}
	printf("%s\n\n", nr ? ustack_end_name(end) : "no stack");
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "perf.data";
	const struct ustack_sample *sample;
	struct ustack_images *images;
	struct ustack_unwinder *unwinder;
	struct ustack_reader *reader;
	int ret;

	if (ustack_images_new(&images, NULL) ||
	    ustack_unwinder_new(&unwinder, images, NULL) ||
	    ustack_reader_new(&reader, images))
		return EXIT_FAILURE;
	ret = ustack_reader_open(reader, path);
	if (!ret)
		while ((ret = ustack_reader_next(reader, &sample)) == 1)
			chain(unwinder, sample);
	if (ret)
		fprintf(stderr, "%s %s\n", path, ustack_reader_error(reader));
	ustack_reader_free(reader);
	ustack_unwinder_free(unwinder);
	ustack_images_free(images);
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
