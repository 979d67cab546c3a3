// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Compares unwinders on the samples of recordings, with registers and stacks in
 * memory: bench/README.md says what is measured, and how.
 *
 *	unwind [--rounds N] [--framehop PROGRAM] --data FILE [--data FILE]...
 */
/* _GNU_SOURCE has register numbers by names that are also ours. */
#undef _GNU_SOURCE
#define _DEFAULT_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "module/images.h"
#include "module/space.h"
#include "reference/reference.h"
#include "unwind/arch.h"

#define FRAMES_MAX 1024
#define ROUNDS 3

enum { LIBDW, FRAMEHOP, LIBUNWIND, NATIVE, NR_UNWINDERS };
enum { FIRST_PASS, LATER_PASS, NR_PASSES };

static const char *const unwinder_names[] = {
	[LIBDW] = "libdw",
	[FRAMEHOP] = "framehop",
	[LIBUNWIND] = "libunwind",
	[NATIVE] = "native",
};
static const char *const pass_names[] = { "first", "later" };

/* What became of a sample. */
struct outcome {
	uint64_t hash;		/* of the chain; see hash_chain() */
	uint32_t nr;		/* frames */
	uint32_t complete;	/* the outermost was reached */
};

/* What one process measures of one unwinder; bench/unwind-framehop writes it, too. */
struct run {
	uint64_t ns[NR_PASSES];		/* of CPU time */
	uint64_t rss_kb[NR_PASSES];	/* peak, less what was there before */
	struct outcome outcome[];	/* by sample */
};

struct sample {
	struct ustack_regs regs;
	size_t space, range, nr_ranges;
};

struct space {
	uint64_t id, origin;
	struct ustack_space *space;
};

struct data {
	const char *path;
	struct ustack_images *images;
	struct sample *samples;
	size_t nr_samples, max_samples;
	struct ustack_range *ranges;	/* of all samples */
	size_t nr_ranges, max_ranges;
	struct space *spaces;		/* in order of appearance */
	size_t nr_spaces, max_spaces;
};

__attribute__((noreturn, format(printf, 1, 2)))
static void die(const char *fmt, ...)
{
	va_list ap;

	fputs("unwind: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* array, with room for one more element. */
static void *grown(void *array, size_t nr, size_t *max, size_t size)
{
	if (nr < *max)
		return array;
	*max = *max ? 2 * *max : 1024;
	array = realloc(array, *max * size);
	if (!array)
		die("out of memory");
	return array;
}

/* A child can open it as /dev/fd/N. */
static int file_in_memory(const char *name)
{
	return syscall(SYS_memfd_create, name, 0);
}

/* --- the samples, in memory ----------------------------------------------- */

/* Are all files of one space also in the other, at the same addresses? */
static bool is_part(const struct ustack_space *part, struct ustack_space *all)
{
	size_t nr;
	const struct map *m = space_maps(part, &nr);

	for (; nr--; m++) {
		const struct map *same = space_find(all, m->start);

		if (*m->origin->path == '/' &&
		    (!same || same->image != m->image))
			return false;
	}
	return true;
}

/*
 * A process is one space, with all that it ever maps from the start on: no
 * unwinder has to be told about maps one by one.
 */
static size_t space_index(struct data *d, struct ustack_space *space)
{
	uint64_t id = space_id(space);
	struct ustack_space *fork;
	size_t i = d->nr_spaces;

	while (i--)
		if (d->spaces[i].id == id)
			return i;
	if (ustack_space_fork(&fork, space))
		die("out of memory");
	for (i = d->nr_spaces; i--;)
		if (d->spaces[i].origin == space_origin(space) &&
		    is_part(d->spaces[i].space, space))
			break;
	if (i == (size_t)-1) {
		d->spaces = grown(d->spaces, d->nr_spaces, &d->max_spaces,
				  sizeof(*d->spaces));
		i = d->nr_spaces++;
	} else {
		ustack_space_free(d->spaces[i].space);
	}
	d->spaces[i] = (struct space){ id, space_origin(space), fork };
	return i;
}

static void add_sample(struct data *d, const struct ustack_sample *s)
{
	struct sample *to;

	d->samples = grown(d->samples, d->nr_samples, &d->max_samples,
			   sizeof(*d->samples));
	to = &d->samples[d->nr_samples++];
	to->regs = s->regs;
	to->space = space_index(d, s->space);
	to->range = d->nr_ranges;
	to->nr_ranges = s->nr_ranges;
	for (size_t i = 0; i < s->nr_ranges; i++) {
		uint8_t *copy = malloc(s->ranges[i].size + 1);

		if (!copy)
			die("out of memory");
		memcpy(copy, s->ranges[i].data, s->ranges[i].size);
		d->ranges = grown(d->ranges, d->nr_ranges, &d->max_ranges,
				  sizeof(*d->ranges));
		d->ranges[d->nr_ranges] = s->ranges[i];
		d->ranges[d->nr_ranges++].data = copy;
	}
}

static void load(struct data *d, const char *path)
{
	const struct ustack_sample *s;
	struct ustack_reader *reader;
	int ret;

	*d = (struct data){ .path = path };
	if (ustack_images_new(&d->images, NULL) ||
	    ustack_reader_new(&reader, d->images))
		die("out of memory");
	if (ustack_reader_open(reader, path))
		die("%s: %s", path, ustack_reader_error(reader));
	while ((ret = ustack_reader_next(reader, &s)) > 0)
		if (s->regs.abi == USTACK_ABI_64 && s->nr_ranges)
			add_sample(d, s);
	if (ret < 0)
		die("%s: %s", path, ustack_reader_error(reader));
	if (!d->nr_samples)
		die("%s: no samples with user stacks: record with --call-graph dwarf", path);
	ustack_reader_free(reader);
}

static void unload(struct data *d)
{
	for (size_t i = 0; i < d->nr_ranges; i++)
		free((void *)d->ranges[i].data);
	for (size_t i = 0; i < d->nr_spaces; i++)
		ustack_space_free(d->spaces[i].space);
	free(d->ranges);
	free(d->spaces);
	free(d->samples);
	ustack_images_free(d->images);
}

/* --- one unwinder, in a process of its own --------------------------------- */

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* VmRSS of this process, or VmHWM, its peak. */
static uint64_t status_kb(const char *key)
{
	FILE *f = fopen("/proc/self/status", "r");
	unsigned long long kb = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			kb = strtoull(line + strlen(key), NULL, 10);
	if (f)
		fclose(f);
	return kb;
}

static uint64_t hash_chain(const struct ustack_frame *frames, int nr)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (int i = 0; i < nr; i++)
		hash = (hash ^ frames[i].ip) * 0x100000001b3;
	return hash;
}

/* The unwinder of this process; one of the two is NULL. */
static struct ustack_unwinder *ours;
static struct reference *reference;

static void start(int unwinder)
{
	const struct reference_ops *ops = &reference_libdw;

#ifdef WITH_libunwind
	if (unwinder == LIBUNWIND)
		ops = &reference_libunwind;
#endif
	if (unwinder != NATIVE)
		reference = reference_new(ops);
	else if (ustack_unwinder_new(&ours))
		ours = NULL;
	if (!ours && !reference)
		die("out of memory");
}

static int unwind(struct ustack_space *space, const struct sample *s,
		  const struct ustack_range *ranges,
		  struct ustack_frame *frames, enum ustack_end *end)
{
	const struct ustack_stack stack = {
		.sz = sizeof(stack),
		.space = space,
		.regs = &s->regs,
		.ranges = ranges,
		.nr_ranges = s->nr_ranges,
	};

	return ours ? ustack_unwind(ours, &stack, frames, FRAMES_MAX, end) :
		      reference_unwind(reference, &stack, frames, FRAMES_MAX,
				       end);
}

/* All samples once; outcome may be NULL.  Returns the CPU time. */
static uint64_t pass(const struct data *d, struct outcome *outcome)
{
	static struct ustack_frame frames[FRAMES_MAX];
	uint64_t start = cpu_ns();

	for (size_t i = 0; i < d->nr_samples; i++) {
		const struct sample *s = &d->samples[i];
		enum ustack_end end;
		int nr = unwind(d->spaces[s->space].space, s,
				d->ranges + s->range, frames, &end);

		if (nr < 0)
			die("%s", strerror(-nr));
		if (outcome)
			outcome[i] = (struct outcome){
				hash_chain(frames, nr), nr,
				end == USTACK_END_FINISHED,
			};
	}
	return cpu_ns() - start;
}

/* Gives this process copies of pages that it shares with its parent. */
static void touch_bytes(const void *data, size_t size)
{
	volatile uint8_t *p = (volatile uint8_t *)data;

	for (size_t at = 0; at < size; at += 1024)
		p[at] = p[at];
	if (size)
		p[size - 1] = p[size - 1];
}

/*
 * The first access to a page after a fork is a fault, here or in the hypervisor.
 * A profiler, which reads the samples itself, has none.
 */
static void touch(const struct data *d)
{
	touch_bytes(d->samples, d->nr_samples * sizeof(*d->samples));
	touch_bytes(d->ranges, d->nr_ranges * sizeof(*d->ranges));
	for (size_t i = 0; i < d->nr_ranges; i++)
		touch_bytes(d->ranges[i].data, d->ranges[i].size);
	for (size_t i = 0; i < d->nr_spaces; i++) {
		size_t nr;
		const struct map *maps = space_maps(d->spaces[i].space, &nr);

		touch_bytes(d->spaces[i].space, sizeof(struct ustack_space));
		touch_bytes(maps, nr * sizeof(*maps));
		while (nr--)
			touch_bytes(maps[nr].image, sizeof(struct image));
	}
}

/* libdw and libunwind open files on their own: not to be charged for our opening. */
static void open_images(const struct data *d)
{
	for (size_t i = 0; i < d->nr_spaces; i++) {
		struct ustack_space *space = d->spaces[i].space;
		size_t nr;
		const struct map *maps = space_maps(space, &nr);

		while (nr--)
			space_find_image(space, maps[nr].start);
	}
}

static void measure(const struct data *d, int unwinder, struct run *run)
{
	uint64_t begin, rss;

	if (unwinder != NATIVE)
		open_images(d);
	touch(d);
	rss = status_kb("VmRSS:");
	begin = cpu_ns();
	start(unwinder);
	run->ns[FIRST_PASS] = cpu_ns() - begin + pass(d, NULL);
	run->rss_kb[FIRST_PASS] = status_kb("VmHWM:") - rss;
	run->ns[LATER_PASS] = pass(d, NULL);
	run->rss_kb[LATER_PASS] = status_kb("VmHWM:") - rss;
	pass(d, run->outcome);
	_exit(0);
}

/* --- the samples, in a file for an unwinder in another language ------------- */

static void put_u64(FILE *f, uint64_t val)
{
	fwrite(&val, sizeof(val), 1, f);
}

/* Bytes, padded to a multiple of 8. */
static void put_bytes(FILE *f, const void *data, size_t size)
{
	static const uint8_t zero[8];

	fwrite(data, 1, size, f);
	fwrite(zero, 1, -size & 7, f);
}

/*
 * All numbers are u64:
 *	spaces; each: maps; each map: start end pgoff size path[size]
 *	samples; each: space, mask of the known registers, 17 registers as
 *		DWARF numbers them, ranges; each range: addr size data[size]
 */
static int dump(const struct data *d)
{
	int fd = file_in_memory("samples");
	FILE *f = fd < 0 ? NULL : fdopen(dup(fd), "w");

	if (!f)
		die("no memory for the samples: %s", strerror(errno));
	put_u64(f, d->nr_spaces);
	for (size_t i = 0; i < d->nr_spaces; i++) {
		size_t nr;
		const struct map *m = space_maps(d->spaces[i].space, &nr);

		put_u64(f, nr);
		for (; nr--; m++) {
			size_t size = strlen(m->origin->path);

			put_u64(f, m->start);
			put_u64(f, m->end);
			put_u64(f, m->pgoff);
			put_u64(f, size);
			put_bytes(f, m->origin->path, size);
		}
	}
	put_u64(f, d->nr_samples);
	for (size_t i = 0; i < d->nr_samples; i++) {
		const struct sample *s = &d->samples[i];
		struct cpu cpu;

		arch_cpu(&cpu, &s->regs);
		put_u64(f, s->space);
		put_u64(f, cpu.known);
		for (int reg = 0; reg < NR_REGS; reg++)
			put_u64(f, cpu_knows(&cpu, reg) ? cpu.reg[reg] : 0);
		put_u64(f, s->nr_ranges);
		for (size_t j = 0; j < s->nr_ranges; j++) {
			const struct ustack_range *r = &d->ranges[s->range + j];

			put_u64(f, r->addr);
			put_u64(f, r->size);
			put_bytes(f, r->data, r->size);
		}
	}
	if (fclose(f))
		die("cannot write the samples: %s", strerror(errno));
	return fd;
}

/* --- all of them ------------------------------------------------------------ */

static size_t run_size(const struct data *d)
{
	return sizeof(struct run) + d->nr_samples * sizeof(struct outcome);
}

/* A file in memory, shared with child processes. */
static struct run *new_run(const struct data *d, int *fd)
{
	struct run *run = MAP_FAILED;

	*fd = file_in_memory("run");
	if (*fd >= 0 && !ftruncate(*fd, run_size(d)))
		run = mmap(NULL, run_size(d), PROT_READ | PROT_WRITE,
			   MAP_SHARED, *fd, 0);
	if (run == MAP_FAILED)
		die("no memory for the results: %s", strerror(errno));
	return run;
}

static void child(const struct data *d, int unwinder, const char *framehop,
		  int samples, struct run *run, int run_fd)
{
	char in[32], out[32];
	int status = -1;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid && unwinder == FRAMEHOP) {
		snprintf(in, sizeof(in), "/dev/fd/%d", samples);
		snprintf(out, sizeof(out), "/dev/fd/%d", run_fd);
		execl(framehop, framehop, in, out, (char *)NULL);
		die("%s: %s", framehop, strerror(errno));
	}
	if (!pid)
		measure(d, unwinder, run);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
		die("%s: failed", unwinder_names[unwinder]);
}

/* The best of each number: a disturbance only makes it worse. */
static void keep_best(struct run *best, const struct run *run)
{
	for (int i = 0; i < NR_PASSES; i++) {
		if (run->ns[i] < best->ns[i])
			best->ns[i] = run->ns[i];
		if (run->rss_kb[i] < best->rss_kb[i])
			best->rss_kb[i] = run->rss_kb[i];
	}
}

static void print_rows(const struct data *d, int unwinder,
		       const struct run *run, const struct run *libdw)
{
	const char *base = strrchr(d->path, '/');
	uint64_t frames = 0, complete = 0, agree = 0;
	double n = d->nr_samples;

	base = base ? base + 1 : d->path;
	for (size_t i = 0; i < d->nr_samples; i++) {
		const struct outcome *a = &run->outcome[i];
		const struct outcome *b = &libdw->outcome[i];

		frames += a->nr;
		complete += a->complete;
		agree += a->nr == b->nr && a->hash == b->hash;
	}
	for (int i = 0; i < NR_PASSES; i++)
		printf("%.*s,%s,%s,%.1f,%.0f,%.2f,%.2f,%.2f,%llu\n",
		       (int)strcspn(base, "."), base, unwinder_names[unwinder],
		       pass_names[i], (double)run->ns[i] / frames,
		       n * 1e9 / run->ns[i], frames / n, 100 * complete / n,
		       100 * agree / n, (unsigned long long)run->rss_kb[i]);
}

static void compare(const char *path, const char *framehop, int rounds)
{
	struct run *best[NR_UNWINDERS] = { NULL };
	int samples = -1, fd;
	struct data d;

	load(&d, path);
	fprintf(stderr, "unwind: %s: %zu samples in %zu address spaces\n", path,
		d.nr_samples, d.nr_spaces);
	if (framehop)
		samples = dump(&d);
	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < NR_UNWINDERS; i++) {
			struct run *run;

			if (i == FRAMEHOP && !framehop)
				continue;
#ifndef WITH_libunwind
			if (i == LIBUNWIND)
				continue;
#endif
			run = new_run(&d, &fd);
			child(&d, i, framehop, samples, run, fd);
			close(fd);
			if (best[i]) {
				keep_best(best[i], run);
				munmap(run, run_size(&d));
			} else {
				best[i] = run;
			}
		}
	}
	for (int i = NR_UNWINDERS; i--;) {
		if (!best[i])
			continue;
		print_rows(&d, i, best[i], best[LIBDW]);
		if (i != NATIVE)
			fprintf(stderr, "unwind: %s: native is %.2f times as fast as %s, samples/s in the first pass\n",
				path, (double)best[i]->ns[FIRST_PASS] /
					      best[NATIVE]->ns[FIRST_PASS],
				unwinder_names[i]);
	}
	fflush(stdout);
	for (int i = 0; i < NR_UNWINDERS; i++)
		if (best[i])
			munmap(best[i], run_size(&d));
	if (samples >= 0)
		close(samples);
	unload(&d);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "data", required_argument, NULL, 'd' },
		{ "framehop", required_argument, NULL, 'f' },
		{ "rounds", required_argument, NULL, 'r' },
		{ 0 },
	};
	const char **paths = calloc(argc, sizeof(*paths)), *framehop = NULL;
	int rounds = ROUNDS, nr = 0, c;

	if (!paths)
		die("out of memory");
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			paths[nr++] = optarg;
			break;
		case 'f':
			framehop = optarg;
			break;
		case 'r':
			rounds = atoi(optarg);
			break;
		default:
			nr = 0;
		}
	}
	if (!nr || rounds < 1 || optind < argc)
		die("usage: unwind [--rounds N] [--framehop PROGRAM] --data FILE [--data FILE]...");
	puts("data,unwinder,pass,ns_per_frame,samples_per_s,mean_depth,complete_pct,agree_pct,peak_rss_kb");
	for (int i = 0; i < nr; i++)
		compare(paths[i], framehop, rounds);
	free(paths);
	return 0;
}
