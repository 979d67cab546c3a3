// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Depths of stacks, counted and kept. */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/record/depth.h"

#define STEP 1024u
#define LINEAR 64 /* steps */
#define LINEAR_BITS 16 /* of what they count up to */
#define PER_MILLE_CUT 5 /* chains that may be cut for all that */
#define PROGRAMS_MAX 1000 /* the oldest go */

static size_t step_of(uint32_t depth)
{
	unsigned int shift;

	if (depth < LINEAR * STEP)
		return depth / STEP;
	shift = 31 - __builtin_clz(depth) - 3;
	return LINEAR + (shift - (LINEAR_BITS - 3)) * 8 + (depth >> shift & 7);
}

/* In STEPs: what all depths of step i are below. */
static uint32_t step_end(size_t i)
{
	if (i < LINEAR)
		return i + 1;
	i -= LINEAR;
	return (8 + i % 8 + 1) << (LINEAR_BITS - 3 + i / 8) >> 10;
}

void depth_chain(struct record_depth *d, uint64_t sp,
		 const struct ustack_frame *frames, size_t nr,
		 enum ustack_end end)
{
	uint64_t depth = 0;
	size_t i;

	if (end == USTACK_END_TRUNCATED)
		d->truncated++;
	if (end != USTACK_END_FINISHED)
		return;
	/* A signal's frame may be on another stack. */
	for (i = 0; i < nr; i++)
		if (frames[i].cfa - sp > depth && frames[i].cfa - sp < DEPTH_MOST)
			depth = frames[i].cfa - sp;
	d->nr[step_of(depth)]++;
	d->complete++;
}

uint32_t depth_next(const struct record_depth *d, uint32_t stack, uint32_t most)
{
	uint64_t all = d->complete + d->truncated, sum = 0;
	uint32_t next;
	size_t i = 0;

	if (!all)
		return 0;
	if (d->truncated * 1000 > all * PER_MILLE_CUT)
		return stack < most / 2 ? stack * 2 : most;
	while (i < DEPTH_STEPS &&
	       sum * 1000 < d->complete * (1000 - PER_MILLE_CUT))
		sum += d->nr[i++];
	next = i ? step_end(i - 1) : 0;
	/* And a quarter for what was not met. */
	next = (next + (next + 3) / 4) * STEP;
	return next < most ? next : most;
}

/* --- the file: a line "BYTES PROGRAM" each, the last met at the end ------------- */

static bool file_name(char path[PATH_MAX], bool make)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int n;

	if (cache && *cache == '/')
		n = snprintf(path, PATH_MAX, "%s", cache);
	else if (home && *home == '/')
		n = snprintf(path, PATH_MAX, "%s/.cache", home);
	else
		return false;
	if (n > PATH_MAX - 32)
		return false;
	if (make)
		mkdir(path, 0700);
	strcat(path, "/ustack");
	if (make)
		mkdir(path, 0700);
	strcat(path, "/stacks");
	return true;
}

/* Of a line: its number, and the program without the newline; 0 if it is none. */
static uint32_t parse(char *line, const char **program)
{
	char *end;
	unsigned long n = strtoul(line, &end, 10);

	line[strcspn(line, "\n")] = 0;
	if (*end != ' ' || !n || n > DEPTH_MOST)
		return 0;
	*program = end + 1;
	return n;
}

uint32_t depth_load(const char *program)
{
	char path[PATH_MAX], *line = NULL;
	const char *name;
	uint32_t found = 0, n;
	size_t cap = 0;
	FILE *f;

	f = file_name(path, false) ? fopen(path, "re") : NULL;
	while (f && getline(&line, &cap, f) > 0) {
		n = parse(line, &name);
		if (n && !strcmp(name, program))
			found = n / 8 * 8;
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

/* All lines of from but those of program, and at most PROGRAMS_MAX. */
static void copy_others(FILE *from, FILE *to, const char *program)
{
	char *line = NULL;
	const char *name;
	size_t cap = 0, nr = 0, skip;
	uint32_t n;

	while (getline(&line, &cap, from) > 0)
		nr++;
	skip = nr > PROGRAMS_MAX ? nr - PROGRAMS_MAX : 0;
	rewind(from);
	while (getline(&line, &cap, from) > 0) {
		n = parse(line, &name);
		if (skip)
			skip--;
		else if (n && strcmp(name, program))
			fprintf(to, "%" PRIu32 " %s\n", n, name);
	}
	free(line);
}

void depth_keep(const char *program, uint32_t stack)
{
	char path[PATH_MAX], new[PATH_MAX + 16];
	FILE *from, *to;
	int fd;

	if (!stack || strchr(program, '\n') || !file_name(path, true))
		return;
	snprintf(new, sizeof(new), "%s.XXXXXX", path);
	fd = mkstemp(new);
	to = fd < 0 ? NULL : fdopen(fd, "w");
	if (!to)
		return;
	from = fopen(path, "re");
	if (from) {
		copy_others(from, to, program);
		fclose(from);
	}
	fprintf(to, "%" PRIu32 " %s\n", stack, program);
	/* Whole, or as it was. */
	if (fclose(to) || rename(new, path))
		unlink(new);
}
