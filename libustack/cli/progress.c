// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * How far the recording is read, from the second second on: a bar on a terminal,
 * which goes away before anything else is said there.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

#define FIRST 1000000000ull /* ns */
#define NEXT 100000000ull
#define WIDTH 30
#define SAMPLES 64 /* from one look at the clock to the next */

/* One thread at a time has the reader; nothing is said before the others end. */
static struct {
	bool wanted, shown;
	uint64_t begin, next; /* ns */
	uint64_t samples;
} bar;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

void progress_begin(const struct command *cmd)
{
	bar.wanted = isatty(STDERR_FILENO) &&
		     !(cmd->as_it_goes && isatty(STDOUT_FILENO));
	bar.begin = now();
	bar.next = bar.begin + FIRST;
	bar.samples = 0;
}

static void show(const struct ustack_stats *st, uint64_t ns)
{
	static const char full[] = "##############################",
			  empty[] = "..............................";
	double part = (double)st->data_read / st->data_size;
	int n;

	if (!st->data_size) {
		fprintf(stderr, "\r\033[Kustack: %llu sample%s, %llu s",
			(unsigned long long)st->samples, plural(st->samples),
			(unsigned long long)(ns / 1000000000));
		return;
	}
	/* Never more than all, should the file grow meanwhile. */
	part = part > 1 ? 1 : part;
	n = part * WIDTH;
	fprintf(stderr, "\r\033[Kustack: [%.*s%.*s] %3.0f %%, %.0f s left", n,
		full, WIDTH - n, empty, part * 100,
		part > 0 ? ns * (1 - part) / part / 1e9 : 0);
}

void progress_sample(struct cli *cli)
{
	struct ustack_stats st = { .sz = sizeof(st) };
	uint64_t at;

	if (!bar.wanted || ++bar.samples % SAMPLES)
		return;
	at = now();
	if (at < bar.next || ustack_reader_stats(cli->reader, &st))
		return;
	show(&st, at - bar.begin);
	bar.shown = true;
	bar.next = at + NEXT;
}

void progress_clear(void)
{
	if (bar.shown)
		fputs("\r\033[K", stderr);
	bar.shown = false;
}
