/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* What both examples do: the objects they need, and a sample's chain. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ustack.h>

#define FRAMES 256

static struct ustack_images *images;
static struct ustack_reader *reader;
static struct ustack_unwinder *unwinder;

/* ret is what a function of libustack returned. */
static void check(int ret, const char *what)
{
	const char *line = ustack_reader_error(reader);

	if (ret < 0)
		errx(1, "%s: %s", what, *line ? line : strerror(-ret));
}

static void start(void)
{
	int ret = ustack_images_new(&images, NULL);

	if (!ret)
		ret = ustack_unwinder_new(&unwinder);
	if (!ret)
		ret = ustack_reader_new(&reader, images);
	if (ret)
		errx(1, "libustack: %s", strerror(-ret));
}

static void print_chain(const struct ustack_sample *s)
{
	const struct ustack_stack stack = {
		.sz = sizeof(stack),
		.space = s->space,
		.regs = &s->regs,
		.ranges = s->ranges,
		.nr_ranges = s->nr_ranges,
	};
	struct ustack_frame frame[FRAMES];
	enum ustack_end end;
	int i, n;

	n = ustack_unwind(unwinder, &stack, frame, FRAMES, &end);
	printf("%s %u\n", s->comm, s->tid);
	for (i = 0; i < n; i++) {
		struct ustack_symbol sym = { .sz = sizeof(sym) };
		/* What follows a call may be another function: look up the call. */
		int back = frame[i].flags & USTACK_FRAME_RETURN ? 1 : 0;

		ustack_symbolize(s->space, frame[i].ip - back, &sym);
		printf("%16llx %s (%s)\n", (unsigned long long)frame[i].ip,
		       sym.name ? sym.name : "?", sym.path ? sym.path : "?");
	}
	printf("%s\n\n", n ? ustack_end_name(end) : "no stack");
}

/* All that can be read now; what ustack_reader_next() returned then. */
static int print_samples(void)
{
	const struct ustack_sample *sample;
	int ret;

	while ((ret = ustack_reader_next(reader, &sample)) == 1)
		print_chain(sample);
	fflush(stdout);
	return ret;
}

/* Says what was lost, and frees it all. */
static void finish(void)
{
	struct ustack_stats stats = { .sz = sizeof(stats) };

	if (ferror(stdout))
		errx(1, "not all output could be written");
	check(ustack_reader_stats(reader, &stats), "accounts");
	fprintf(stderr, "%llu samples: %llu deferred stacks, %llu copied, %llu lost; the rings had no room for %llu records\n",
		(unsigned long long)stats.samples,
		(unsigned long long)stats.paired,
		(unsigned long long)stats.legacy,
		(unsigned long long)stats.lost,
		(unsigned long long)stats.lost_records);
	ustack_reader_free(reader);
	ustack_unwinder_free(unwinder);
	ustack_images_free(images);
}
