// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The perf.data that ustack record writes, byte by byte, and on a full disk. */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <zstd.h>

#include "cli/record/file.h"
#include "perfdata.h"

static uint64_t ids[] = { 7, 8 };
static char name[] = "cpu-clock";

/* As record opens it: the file must not tell of registers, stacks and new bits. */
static struct record_event event(void)
{
	struct record_event ev = { .name = name, .ids = ids, .nr_ids = 2 };

	ev.attr.type = PERF_TYPE_SOFTWARE;
	ev.attr.size = sizeof(ev.attr);
	ev.attr.config = PERF_COUNT_SW_CPU_CLOCK;
	ev.attr.sample_freq = 999;
	ev.attr.freq = 1;
	assert_int_equal(ustack_attr_init(&ev.attr, 8192, 1), 0);
	return ev;
}

static const struct ustack_sample sample = {
	.id = 7,
	.ip = 0x1010,
	.pid = 1,
	.tid = 2,
	.time = 30,
	.cpu = 4,
	.period = 5,
	.misc = PERF_RECORD_MISC_KERNEL | 0x2000,
};

/* Two frames of the kernel, two of the user: one that runs, one that called. */
static struct chain *chain(void)
{
	static struct chain c = {
		.line = {
			{ 0xffffffff81000010, 0xffffffff81000010, true },
			{ 0xffffffff81000020, 0xffffffff81000020, true },
			{ 0x1010, 0x1010, false },
			{ 0x2020, 0x201f, false },
		},
		.nr = 4,
	};

	return &c;
}

/* Sections of a file without build-ids: their table, times, events. */
#define SECTIONS (2 * 16 + 16 + 8 + 128 + 4 + 68 + 16)

#define SAMPLE_WORDS 15
#define SAMPLE_SIZE (8 * SAMPLE_WORDS)

static const uint64_t sample_words[SAMPLE_WORDS] = {
	9 | (uint64_t)PERF_RECORD_MISC_KERNEL << 32 | (8ull * SAMPLE_WORDS) << 48,
	7, 0x1010, 1 | 2ull << 32, 30, 4, 5,
	7, (uint64_t)PERF_CONTEXT_KERNEL, 0xffffffff81000010,
	0xffffffff81000020, (uint64_t)PERF_CONTEXT_USER,
	(uint64_t)PERF_CONTEXT_USER, 0x1010, 0x201f,
};

/* MMAP2 of event 7 at 0x1000, /a, with the build-id 1, 2, 3. */
static const uint64_t mmap_words[] = {
	10 | (PERF_RECORD_MISC_USER | 1ull << 14) << 32 | 112ull << 48,
	1 | 2ull << 32, 0x1000, 0x1000, 0,
	3 | 0x030201ull << 32, 0, 0, 0, 0x612f /* "/a" */,
	1 | 2ull << 32, 20, 4, 7,
};

static int tmp_file(void)
{
	char path[] = "/tmp/record-file-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

/* All that is in fd, to be freed. */
static uint8_t *contents(int fd, size_t *size)
{
	uint8_t *p;

	*size = lseek(fd, 0, SEEK_END);
	p = malloc(*size + 1);
	assert_int_equal(pread(fd, p, *size, 0), *size);
	return p;
}

static void assert_words(const uint8_t *p, const uint64_t *words, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		assert_int_equal(get64(p + i * 8), words[i]);
}

/* What the file says of the event above. */
static void assert_attr(const uint8_t *p)
{
	assert_int_equal(get32(p), PERF_TYPE_SOFTWARE);
	assert_int_equal(get32(p + 4), 128);
	assert_int_equal(get64(p + 8), PERF_COUNT_SW_CPU_CLOCK);
	assert_int_equal(get64(p + 16), 999);
	/* IP, TID, TIME, CALLCHAIN, CPU, PERIOD, IDENTIFIER */
	assert_int_equal(get64(p + 24), 0x101a7);
	/* mmap, comm, freq, task, sample_id_all, mmap2, comm_exec, build_id */
	assert_int_equal(get64(p + 40), 0x401842700);
	assert_int_equal(get64(p + 80), 0); /* registers */
	assert_int_equal(get32(p + 88), 0); /* stack */
}

static void write_all_of_it(struct record_file *f)
{
	static const char *const args[] = { "ustack", "record" };

	assert_int_equal(record_file_record(f, mmap_words), 0);
	assert_int_equal(record_file_record(f, mmap_words), 0);
	assert_int_equal(record_file_sample(f, &sample, chain(), false), 0);
	assert_int_equal(record_file_strings(f, RECORD_CMDLINE, args, 2), 0);
	assert_int_equal(record_file_strings(f, RECORD_ARCH, args, 1), 0);
	assert_int_equal(record_file_end(f), 0);
	assert_int_equal(record_file_samples(f), 1);
}

/* The section of a feature; sections follow the data in the order of their bits. */
static const uint8_t *section(const uint8_t *p, unsigned int feature,
			      uint64_t *size)
{
	uint64_t bits = get64(p + 72);
	const uint8_t *at = p + get64(p + 40) + get64(p + 48);

	assert_true(bits >> feature & 1);
	at += 16 * __builtin_popcountll(bits & ((1ull << feature) - 1));
	*size = get64(at + 8);
	return p + get64(at);
}

static void file(void **state)
{
	const struct record_event ev = event();
	struct record_file *f;
	const uint8_t *s;
	uint64_t size;
	size_t n;
	uint8_t *p;
	int fd = tmp_file();

	(void)state;
	assert_int_equal(record_file_new(&f, fd, &ev, 1, 0), 0);
	write_all_of_it(f);
	p = contents(fd, &n);
	assert_memory_equal(p, "PERFILE2", 8);
	assert_int_equal(get64(p + 8), 104);
	assert_int_equal(get64(p + 16), 144);
	assert_int_equal(get64(p + 24), 120); /* attrs, behind two ids */
	assert_int_equal(get64(p + 32), 144);
	assert_int_equal(get64(p + 40), 264); /* data */
	assert_int_equal(get64(p + 48), 2 * 112 + SAMPLE_SIZE);
	assert_int_equal(get64(p + 56) | get64(p + 64), 0);
	assert_int_equal(get64(p + 72), 1 << 2 | 1 << 6 | 1 << 11 | 1 << 12 | 1 << 21);
	assert_int_equal(get64(p + 80) | get64(p + 88) | get64(p + 96), 0);
	assert_words(p + 104, ids, 2);
	assert_attr(p + 120);
	assert_int_equal(get64(p + 248), 104);
	assert_int_equal(get64(p + 256), 16);
	assert_words(p + 264, mmap_words, 14);
	assert_words(p + 264 + 112, mmap_words, 14);
	assert_words(p + 264 + 224, sample_words, SAMPLE_WORDS);

	/* One file, however often it was mapped: header, pid -1, id, 3, "/a" */
	s = section(p, 2, &size);
	assert_int_equal(size, 44);
	assert_int_equal(get64(s), 67 | (2ull | 1ull << 15) << 32 | 44ull << 48);
	assert_int_equal(get32(s + 8), UINT32_MAX);
	assert_memory_equal(s + 12, "\1\2\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\3\0\0\0/a\0\0\0\0\0\0", 32);
	s = section(p, 6, &size);
	assert_int_equal(size, 68);
	assert_int_equal(get32(s), 64);
	assert_string_equal((const char *)s + 4, "ustack");
	s = section(p, 11, &size);
	assert_int_equal(size, 4 + 68 + 68);
	assert_int_equal(get32(s), 2);
	assert_string_equal((const char *)s + 8 + 68, "record");
	s = section(p, 12, &size);
	assert_int_equal(size, 8 + 128 + 4 + 68 + 16);
	assert_int_equal(get64(s), 1 | 128ull << 32);
	assert_attr(s + 8);
	assert_int_equal(get32(s + 136), 2);
	assert_string_equal((const char *)s + 144, "cpu-clock");
	assert_words(s + 208, ids, 2);
	s = section(p, 21, &size);
	assert_int_equal(size, 16);
	assert_int_equal(get64(s), 30);
	assert_int_equal(get64(s + 8), 30);
	assert_ptr_equal(s + size, p + n); /* nothing behind */
	free(p);
	record_file_free(f);
	close(fd);
}

static void pipe_mode(void **state)
{
	const struct record_event ev = event();
	struct record_file *f;
	uint8_t p[4096];
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(record_file_new(&f, fds[1], &ev, 1, 0), 0);
	write_all_of_it(f);
	record_file_free(f);
	close(fds[1]);
	assert_int_equal(read(fds[0], p, sizeof(p)), 16 + 152 + 40 + 2 * 112 + SAMPLE_SIZE + 44);
	assert_memory_equal(p, "PERFILE2", 8);
	assert_int_equal(get64(p + 8), 16);
	assert_int_equal(get64(p + 16), 64 | 152ull << 48); /* HEADER_ATTR */
	assert_attr(p + 24);
	assert_words(p + 152, ids, 2);
	assert_int_equal(get64(p + 168), 78 | 40ull << 48); /* EVENT_UPDATE: a name */
	assert_int_equal(get64(p + 176), 2);
	assert_int_equal(get64(p + 184), 7);
	assert_string_equal((const char *)p + 192, "cpu-clock");
	assert_int_equal(get32(p + 208), 67); /* before what is of that file */
	assert_words(p + 252, mmap_words, 14);
	assert_words(p + 252 + 224, sample_words, SAMPLE_WORDS);
	close(fds[0]);
}

/* A tracepoint: perf would refuse it, as its fields are not described. */
static void tracepoint(void **state)
{
	struct record_event ev = event();
	struct record_file *f;
	uint8_t *p;
	size_t n;
	int fd = tmp_file();

	(void)state;
	ev.attr.type = PERF_TYPE_TRACEPOINT;
	ev.attr.config = 4711;
	assert_int_equal(record_file_new(&f, fd, &ev, 1, 0), 0);
	assert_int_equal(record_file_end(f), 0);
	p = contents(fd, &n);
	assert_int_equal(get32(p + 120), PERF_TYPE_RAW);
	assert_int_equal(get64(p + 128), 4711);
	free(p);
	record_file_free(f);
	close(fd);
}

/* A chain that one record cannot hold is cut on its outer side. */
static void long_chain(void **state)
{
	static struct chain c = { .nr = CHAIN_MAX };
	const struct record_event ev = event();
	struct record_file *f;
	uint8_t *p;
	size_t n, i, nr;
	int fd = tmp_file();

	(void)state;
	for (i = 0; i < c.nr; i++)
		c.line[i] = (struct line){ .ip = i, .lookup = i };
	assert_int_equal(record_file_new(&f, fd, &ev, 1, 0), 0);
	assert_int_equal(record_file_sample(f, &sample, &c, false), 0);
	assert_int_equal(record_file_flush(f), 0);
	p = contents(fd, &n);
	/* Nine words are left for marks, of which those of "limit" take five. */
	n -= SECTIONS;
	assert_int_equal(n, 264 + 65528 - 4 * 8);
	assert_int_equal(get16(p + 264 + 6), 65528 - 4 * 8);
	nr = (65528 - 64) / 8 - 4;
	assert_int_equal(get64(p + 264 + 56), nr);
	for (i = 1; i <= 5; i++)
		assert_int_equal(get64(p + n - 8 * i),
				 (uint64_t)PERF_CONTEXT_USER);
	assert_int_equal(get64(p + n - 8 * 6), nr - 2 - 5 - 1);
	free(p);
	record_file_free(f);
	close(fd);
}

/* What is flushed can be read even if the end is never written. */
static void killed(void **state)
{
	const struct record_event ev = event();
	struct record_file *f;
	uint8_t *p;
	size_t n;
	int fd = tmp_file();

	(void)state;
	assert_int_equal(record_file_new(&f, fd, &ev, 1, 0), 0);
	assert_int_equal(record_file_sample(f, &sample, chain(), false), 0);
	assert_int_equal(record_file_flush(f), 0);
	p = contents(fd, &n);
	assert_int_equal(n, 264 + SAMPLE_SIZE + SECTIONS);
	assert_int_equal(get64(p + 48), SAMPLE_SIZE);
	assert_words(p + 264, sample_words, SAMPLE_WORDS);
	free(p);
	record_file_free(f);
	close(fd);
}

/* --- with stacks ---------------------------------------------------------------- */

/* Two records of a deferred stack that begins below sp, and another stack. */
static const uint8_t stack_bytes[32] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
					 14, 15, 16, 17, 18, 19, 20 };
static const struct ustack_range ranges[] = {
	{ 0x7000, 16, stack_bytes },
	{ 0x9000, 16, stack_bytes },
	{ 0x7010, 4, stack_bytes + 16 },
};

static void stacks(void **state)
{
	const struct record_event ev = event();
	struct ustack_sample s = sample;
	struct record_file *f;
	size_t n, i, at = 264;
	uint8_t *p;
	int fd = tmp_file();

	(void)state;
	s.regs.abi = USTACK_ABI_64;
	s.regs.mask = ev.attr.sample_regs_user & ~2ull; /* bx is not known */
	for (i = 0; i < USTACK_REGS_MAX; i++)
		s.regs.val[i] = 0x100 + i;
	s.regs.val[USTACK_REG_X86_SP] = 0x7008;
	s.ranges = ranges;
	s.nr_ranges = 3;
	assert_int_equal(record_file_new(&f, fd, &ev, 1, RECORD_STACKS), 0);
	assert_int_equal(record_file_sample(f, &s, chain(), true), 0);
	s.nr_ranges = 0;
	assert_int_equal(record_file_sample(f, &s, chain(), true), 0);
	assert_int_equal(record_file_sample(f, &s, chain(), false), 0);
	s.regs.abi = USTACK_ABI_NONE;
	assert_int_equal(record_file_sample(f, &s, chain(), true), 0);
	assert_int_equal(record_file_flush(f), 0);
	p = contents(fd, &n);
	assert_int_equal(get64(p + 144), 0x131a7);
	assert_int_equal(get64(p + 200), ev.attr.sample_regs_user);
	assert_int_equal(get32(p + 208), 8192);

	/* fields, 3 of chain, abi, 17 registers, size, 12 bytes and 4, size */
	assert_int_equal(get16(p + at + 6), 64 + 24 + 8 + 17 * 8 + 8 + 16 + 8);
	assert_int_equal(get64(p + at + 56), 3);
	assert_words(p + at + 64, sample_words + 8, 3);
	at += 88;
	assert_int_equal(get64(p + at), 2);
	assert_int_equal(get64(p + at + 8), 0x100);
	assert_int_equal(get64(p + at + 16), 0);
	assert_int_equal(get64(p + at + 24), 0x102);
	assert_int_equal(get64(p + at + 8 * 17), 0x100 + USTACK_REG_X86_R15);
	at += 8 + 17 * 8;
	assert_int_equal(get64(p + at), 16);
	assert_memory_equal(p + at + 8, "\11\12\13\14\15\16\17\20\21\22\23\24\0\0\0\0", 16);
	assert_int_equal(get64(p + at + 24), 12);
	at += 32;
	/* No stack: its size is 0, and not told twice. */
	assert_int_equal(get16(p + at + 6), 64 + 24 + 8 + 17 * 8 + 8);
	at += 64 + 24 + 8 + 17 * 8;
	assert_int_equal(get64(p + at), 0);
	at += 8;
	/* And the chain instead of both. */
	for (i = 0; i < 2; i++) {
		assert_int_equal(get16(p + at + 6), SAMPLE_SIZE + 16);
		assert_words(p + at + 8, sample_words + 1, SAMPLE_WORDS - 1);
		assert_int_equal(get64(p + at + SAMPLE_SIZE), 0);
		assert_int_equal(get64(p + at + SAMPLE_SIZE + 8), 0);
		at += SAMPLE_SIZE + 16;
	}
	assert_int_equal(at + SECTIONS, n);
	free(p);
	record_file_free(f);
	close(fd);
}

/* A stack of megabytes: as much as a record holds. */
static void large_stack(void **state)
{
	const struct record_event ev = event();
	struct ustack_sample s = sample;
	uint8_t *stack = calloc(1, 1 << 20), *p;
	const struct ustack_range range = { 0x7000, 1 << 20, stack };
	struct record_file *f;
	size_t n;
	int fd = tmp_file();

	(void)state;
	s.regs.abi = USTACK_ABI_64;
	s.regs.mask = ev.attr.sample_regs_user;
	s.regs.val[USTACK_REG_X86_SP] = 0x7000;
	s.ranges = &range;
	s.nr_ranges = 1;
	assert_int_equal(record_file_new(&f, fd, &ev, 1, RECORD_STACKS), 0);
	assert_int_equal(record_file_sample(f, &s, chain(), true), 0);
	assert_int_equal(record_file_flush(f), 0);
	p = contents(fd, &n);
	n -= SECTIONS;
	assert_int_equal(n, 264 + 65528);
	assert_int_equal(get64(p + n - 8), 65528 - 88 - 8 - 17 * 8 - 16);
	free(p);
	free(stack);
	record_file_free(f);
	close(fd);
}

/* Of a later state: a mark of the kernel before the user's frames, or a stack. */
static void later_state(void **state)
{
	static struct ustack_frame frames[FRAMES_MAX];
	static struct chain later, got;
	const struct record_event ev = event();
	struct ustack_sample s = sample;
	const struct ustack_sample *read;
	struct ustack_unwinder *unwinder;
	struct ustack_images *images;
	struct ustack_reader *reader;
	struct record_file *f;
	char path[64];
	uint8_t *p;
	size_t n;
	int fd = tmp_file();

	(void)state;
	later = *chain();
	later.unwound = later.changed = true;
	s.regs.abi = USTACK_ABI_64;
	s.regs.mask = ev.attr.sample_regs_user;
	assert_int_equal(record_file_new(&f, fd, &ev, 1, RECORD_STACKS), 0);
	assert_int_equal(record_file_sample(f, &s, &later, false), 0);
	assert_int_equal(record_file_sample(f, &s, &later, true), 0);
	assert_int_equal(record_file_sample(f, &s, chain(), true), 0);
	assert_int_equal(record_file_end(f), 0);
	record_file_free(f);

	p = contents(fd, &n);
	assert_int_equal(get16(p + 264 + 6), SAMPLE_SIZE + 8 + 16);
	assert_int_equal(get64(p + 264 + 56), 8);
	assert_words(p + 264 + 64, sample_words + 8, 3);
	assert_int_equal(get64(p + 264 + 88), (uint64_t)PERF_CONTEXT_KERNEL);
	assert_words(p + 264 + 96, sample_words + 11, 4);
	n = 264 + SAMPLE_SIZE + 8 + 16;
	assert_int_equal(get64(p + n + 56), 4);
	assert_words(p + n + 64, sample_words + 8, 3);
	assert_int_equal(get64(p + n + 88), (uint64_t)PERF_CONTEXT_KERNEL);
	assert_int_equal(get64(p + n + 96), USTACK_ABI_64);
	free(p);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(ustack_images_new(&images, NULL), 0);
	assert_int_equal(ustack_unwinder_new(&unwinder), 0);
	assert_int_equal(ustack_reader_new(&reader, images), 0);
	assert_int_equal(ustack_reader_open(reader, path), 0);
	for (n = 0; n < 3; n++) {
		assert_int_equal(ustack_reader_next(reader, &read), 1);
		chain_fill(&got, unwinder, frames, read);
		assert_true(got.unwound);
		assert_int_equal(got.changed, n < 2);
		assert_int_equal(got.nr, n ? 3 : 4);
	}
	ustack_reader_free(reader);
	ustack_unwinder_free(unwinder);
	ustack_images_free(images);
	close(fd);
}

/* --- read again --------------------------------------------------------------- */

/* A chain of up to 40 lines, the kernel's before the user's. */
static void random_chain(struct chain *c, struct ustack_sample *s)
{
	size_t kernel = rand() % 3 ? 0 : rand() % 5, i;

	memset(c, 0, sizeof(*c));
	c->nr = kernel + rand() % 35;
	c->unwound = rand() % 4;
	c->end = c->unwound ? rand() % NR_ENDS : USTACK_END_FINISHED;
	c->changed = c->unwound && !(rand() % 4);
	s->misc = kernel ? PERF_RECORD_MISC_KERNEL : PERF_RECORD_MISC_USER;
	for (i = 0; i < c->nr; i++) {
		struct line *l = &c->line[i];

		l->kernel = i < kernel;
		l->ip = l->lookup = rand() + 1ull;
		if (l->kernel)
			l->ip = l->lookup |= 1ull << 63;
		else if (i > kernel)
			l->ip += rand() % 2; /* most are return addresses */
	}
	s->ip = c->nr ? c->line[0].ip : 4711;
}

/* What ustack makes of a file is what went into it, end and look-ups included. */
static void again(void **state)
{
	static struct chain c, got;
	static struct ustack_frame frames[FRAMES_MAX];
	const struct record_event ev = event();
	struct ustack_sample s = sample;
	const struct ustack_sample *read;
	struct ustack_images *images;
	struct ustack_reader *reader;
	struct record_file *f;
	char path[64];
	size_t i, j;
	int fd = tmp_file();

	(void)state;
	assert_int_equal(record_file_new(&f, fd, &ev, 1, RECORD_ZSTD), 0);
	srand(1);
	for (i = 0; i < 3000; i++) {
		random_chain(&c, &s);
		s.time = i + 1;
		assert_int_equal(record_file_sample(f, &s, &c, false), 0);
	}
	assert_int_equal(record_file_end(f), 0);
	record_file_free(f);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(ustack_images_new(&images, NULL), 0);
	assert_int_equal(ustack_reader_new(&reader, images), 0);
	assert_int_equal(ustack_reader_open(reader, path), 0);
	srand(1);
	for (i = 0; i < 3000; i++) {
		bool user, alone;

		random_chain(&c, &s);
		user = c.nr && !c.line[c.nr - 1].kernel;
		/* With no frame at all its own address has to do. */
		alone = !c.nr && !c.end;
		assert_int_equal(ustack_reader_next(reader, &read), 1);
		assert_int_equal(read->time, i + 1);
		chain_fill(&got, NULL, frames, read);
		assert_int_equal(got.unwound, user || c.end);
		assert_int_equal(got.changed, user && c.changed);
		assert_int_equal(got.nr, alone ? 1 : c.nr);
		assert_int_equal(got.end, c.end);
		for (j = 0; j < c.nr; j++) {
			assert_int_equal(got.line[j].kernel, c.line[j].kernel);
			/* The kernel's are as it walked them. */
			assert_int_equal(c.line[j].kernel ? got.line[j].ip :
							    got.line[j].lookup,
					 c.line[j].lookup);
		}
	}
	assert_int_equal(ustack_reader_next(reader, &read), 0);
	ustack_reader_free(reader);
	ustack_images_free(images);
	close(fd);
}

/* --- compressed --------------------------------------------------------------- */

/* The records of p, which a file has as its data, without compression. */
static uint8_t *unpacked(const uint8_t *p, size_t *size)
{
	const uint8_t *at = p + get64(p + 40), *end = at + get64(p + 48);
	uint8_t *out = NULL;
	size_t n;

	for (*size = 0; at < end; at += get16(at + 6)) {
		out = realloc(out, *size + (256 << 10));
		assert_non_null(out);
		if (get32(at) == 81) {
			n = ZSTD_decompress(out + *size, 256 << 10, at + 8,
					    get16(at + 6) - 8);
			assert_false(ZSTD_isError(n));
		} else {
			n = get16(at + 6);
			memcpy(out + *size, at, n);
		}
		*size += n;
	}
	assert_ptr_equal(at, end);
	return out;
}

/* Samples whose chains are random, most of them few, some as long as can be. */
static void random_samples(struct record_file *f, unsigned int seed)
{
	static struct chain c;
	struct ustack_sample s = sample;
	size_t i, j;

	srand(seed);
	for (i = 0; i < 1500; i++) {
		uint64_t mask = i % 3 ? 0xfff : UINT64_MAX;

		c.nr = i % 50 ? rand() % 60 : CHAIN_MAX;
		for (j = 0; j < c.nr; j++)
			c.line[j].lookup = (rand() * 0x123456789abcdefull) & mask;
		s.time = i;
		assert_int_equal(record_file_sample(f, &s, &c, false), 0);
		if (!(rand() % 100))
			assert_int_equal(record_file_flush(f), 0);
	}
}

/* Compressed it holds, record by record, what it does without. */
static void compressed(void **state)
{
	const struct record_event ev = event();
	struct record_file *f;
	uint8_t *file[2], *data[2];
	size_t size[2], n, i, seed;
	uint64_t words;
	const uint8_t *s;

	(void)state;
	for (seed = 1; seed < 5; seed++) {
		for (i = 0; i < 2; i++) {
			int fd = tmp_file();

			assert_int_equal(record_file_new(&f, fd, &ev, 1, i ? RECORD_ZSTD : 0), 0);
			random_samples(f, seed);
			assert_int_equal(record_file_end(f), 0);
			file[i] = contents(fd, &n);
			data[i] = unpacked(file[i], &size[i]);
			record_file_free(f);
			close(fd);
		}
		assert_int_equal(size[0], size[1]);
		assert_int_equal(size[0], get64(file[0] + 48));
		assert_memory_equal(data[0], data[1], size[0]);
		assert_int_equal(get64(file[0] + 72) >> 27 & 1, 0);
		s = section(file[1], 27, &words);
		assert_int_equal(words, 20);
		assert_int_equal(get32(s + 4), 1); /* zstd */
		assert_int_equal(get32(s + 16), 256 << 10);
		for (i = 0; i < 2; i++) {
			free(file[i]);
			free(data[i]);
		}
	}
}

/* What is flushed has what it takes to read it, at any time. */
static void compressed_killed(void **state)
{
	const struct record_event ev = event();
	struct record_file *f;
	uint8_t *p, *data;
	uint64_t words;
	size_t n, size;
	int fd = tmp_file(), i;

	(void)state;
	assert_int_equal(record_file_new(&f, fd, &ev, 1, RECORD_ZSTD), 0);
	for (i = 1; i < 4; i++) {
		assert_int_equal(record_file_sample(f, &sample, chain(), false), 0);
		assert_int_equal(record_file_flush(f), 0);
		p = contents(fd, &n);
		section(p, 27, &words);
		assert_int_equal(words, 20);
		data = unpacked(p, &size);
		assert_int_equal(size, SAMPLE_SIZE * i);
		assert_words(data + size - SAMPLE_SIZE, sample_words, SAMPLE_WORDS);
		free(data);
		free(p);
	}
	record_file_free(f);
	close(fd);
}

/*
 * A disk that is full after limit bytes: the file is sound, holds as many samples
 * as it says and as there is room for, and has its sections.
 */
static void full_at(size_t limit)
{
	const struct rlimit small = { limit, RLIM_INFINITY };
	const struct rlimit large = { RLIM_INFINITY, RLIM_INFINITY };
	const struct record_event ev = event();
	struct record_file *f;
	uint64_t size, i;
	uint8_t *p;
	size_t n;
	int ret = 0, fd = tmp_file();

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(record_file_new(&f, fd, &ev, 1, 0), 0);
	for (i = 0; i < 20000 && !ret; i++)
		ret = record_file_sample(f, &sample, chain(), false);
	assert_int_equal(ret, -EFBIG);
	assert_int_equal(record_file_sample(f, &sample, chain(), false), -EFBIG);
	assert_int_equal(record_file_end(f), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &large), 0);
	p = contents(fd, &n);
	assert_true(n <= limit && n + SAMPLE_SIZE > limit);
	assert_int_equal(get64(p + 48), SAMPLE_SIZE * record_file_samples(f));
	for (i = 0; i < record_file_samples(f); i++)
		assert_memory_equal(p + 264 + i * SAMPLE_SIZE, sample_words,
				    SAMPLE_SIZE);
	section(p, 21, &size);
	assert_int_equal(size, 16);
	free(p);
	record_file_free(f);
	close(fd);
}

static void full(void **state)
{
	const size_t flush = (256 << 10) / SAMPLE_SIZE * SAMPLE_SIZE;

	(void)state;
	full_at(1000000);
	/* Room for three flushes, and not for what comes behind them. */
	full_at(264 + 3 * flush);
	full_at(264 + 3 * flush + 100);
	/* For one sample, and for less than a flush. */
	full_at(264 + SECTIONS + SAMPLE_SIZE);
	full_at(264 + SECTIONS + 5000);
}

/* Compressed, and build-ids come with the records until nothing more fits. */
static void full_compressed(void **state)
{
	const struct rlimit large = { RLIM_INFINITY, RLIM_INFINITY };
	const struct record_event ev = event();
	size_t limit, n, size;

	(void)state;
	for (limit = 800; limit < 100000; limit += limit / 3) {
		const struct rlimit small = { limit, RLIM_INFINITY };
		uint64_t map[14], id, words, samples = 0, i;
		int ret = 0, fd = tmp_file();
		struct record_file *f;
		uint8_t *p, *data;

		memcpy(map, mmap_words, sizeof(map));
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
		assert_int_equal(record_file_new(&f, fd, &ev, 1, RECORD_ZSTD), 0);
		assert_int_equal(record_file_flush(f), 0);
		for (i = 0; i < 1000000 && !ret; i++) {
			id = hash_mix(i, limit);
			memcpy((uint8_t *)map + 44, &id, 3);
			ret = record_file_record(f, map);
			if (!ret)
				ret = record_file_sample(f, &sample, chain(), false);
			if (!ret && !(i % 100))
				ret = record_file_flush(f);
		}
		assert_int_equal(ret, -EFBIG);
		assert_int_equal(record_file_end(f), -EFBIG);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &large), 0);
		p = contents(fd, &n);
		assert_true(n <= limit);
		section(p, 27, &words);
		assert_int_equal(words, 20);
		data = unpacked(p, &size);
		for (i = 0; i < size; i += get16(data + i + 6))
			samples += get32(data + i) == PERF_RECORD_SAMPLE;
		assert_int_equal(samples, record_file_samples(f));
		free(data);
		free(p);
		record_file_free(f);
		close(fd);
	}
}

/* A disk with no room at all, and a device that is always full. */
static void never(void **state)
{
	const struct rlimit none = { 0, RLIM_INFINITY };
	const struct rlimit large = { RLIM_INFINITY, RLIM_INFINITY };
	const struct record_event ev = event();
	struct record_file *f;
	int fd = tmp_file();

	(void)state;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(record_file_new(&f, fd, &ev, 1, 0), -EFBIG);
	assert_null(f);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &large), 0);
	close(fd);
	fd = open("/dev/full", O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(record_file_new(&f, fd, &ev, 1, 0), 0);
	assert_int_equal(record_file_sample(f, &sample, chain(), false), 0);
	assert_int_equal(record_file_end(f), -ENOSPC);
	assert_int_equal(record_file_samples(f), 0);
	record_file_free(f);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file),
		cmocka_unit_test(pipe_mode),
		cmocka_unit_test(tracepoint),
		cmocka_unit_test(long_chain),
		cmocka_unit_test(killed),
		cmocka_unit_test(stacks),
		cmocka_unit_test(large_stack),
		cmocka_unit_test(later_state),
		cmocka_unit_test(again),
		cmocka_unit_test(compressed),
		cmocka_unit_test(compressed_killed),
		cmocka_unit_test(full),
		cmocka_unit_test(full_compressed),
		cmocka_unit_test(never),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
