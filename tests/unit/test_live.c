// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * This process samples itself through the public header: the rings of two
 * events, read while they are written.  --defer: with deferred stacks, or fail;
 * else with legacy ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "unwind.h"
#include "ustack.h"

#define PAGES 64 /* a small ring: it wraps around many times */
#define STACK 4096

static int defer;

static struct perf_event_attr attr_of(uint64_t config)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = config,
		.sample_period = 500000,
		.disabled = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	assert_int_equal(ustack_attr_init(&attr, STACK, defer), 0);
	return attr;
}

static int event_open(struct perf_event_attr *attr)
{
	return syscall(SYS_perf_event_open, attr, 0, -1, -1,
		       PERF_FLAG_FD_CLOEXEC);
}

static volatile unsigned long sink;

__attribute__((noinline)) static void leaf(void)
{
	for (int i = 0; i < 1000; i++)
		sink += i;
}

__attribute__((noinline)) static void caller(void)
{
	leaf();
	sink++;
}

struct seen {
	unsigned int samples, whole, lost, in_order, event[2];
	uint64_t last;
};

static void look_at(const struct ustack_sample *s, struct ustack_unwinder *u,
		    struct seen *seen)
{
	struct ustack_frame frames[64];
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	enum ustack_end end;
	int n;

	assert_int_equal(s->pid, getpid());
	assert_int_equal(s->tid, gettid());
	assert_string_equal(s->comm, "live \xc3\xa4");
	seen->samples++;
	seen->event[!strcmp(s->event, "second")]++;
	seen->in_order += s->time >= seen->last;
	seen->last = s->time;
	if (s->pair == USTACK_PAIR_LOST) {
		seen->lost++; /* a small ring may lose some */
		return;
	}
	assert_int_equal(s->pair, defer ? USTACK_PAIR_PAIRED :
					  USTACK_PAIR_LEGACY);
	n = unwind_stack(u, s->space, &s->regs, s->ranges, s->nr_ranges,
			  frames, 64, &end);
	if (n < 3 || end != USTACK_END_FINISHED)
		return;
	if (ustack_symbolize(s->space, frames[0].ip, &sym) || !sym.name ||
	    strcmp(sym.name, "leaf"))
		return;
	assert_int_equal(ustack_symbolize(s->space, frames[1].ip - 1, &sym), 0);
	assert_string_equal(sym.name, "caller");
	seen->whole++;
}

struct live {
	struct ustack_images *images;
	struct ustack_unwinder *unwinder;
	struct ustack_reader *reader;
	size_t size;		/* of a ring's mapping */
	void *base[2];
	int fd[2];
};

static void live_open(struct live *l)
{
	struct perf_event_attr attr[2] = { attr_of(PERF_COUNT_SW_CPU_CLOCK),
					   attr_of(PERF_COUNT_SW_TASK_CLOCK) };

	l->size = (PAGES + 1) * (size_t)getpagesize();
	assert_int_equal(ustack_images_new(&l->images, NULL), 0);
	assert_int_equal(ustack_unwinder_new(&l->unwinder), 0);
	assert_int_equal(ustack_reader_new(&l->reader, l->images), 0);
	for (int i = 0; i < 2; i++) {
		uint64_t id;

		l->fd[i] = event_open(&attr[i]);
		assert_true(l->fd[i] >= 0);
		l->base[i] = mmap(NULL, l->size, PROT_READ | PROT_WRITE,
				  MAP_SHARED, l->fd[i], 0);
		assert_true(l->base[i] != MAP_FAILED);
		assert_int_equal(ioctl(l->fd[i], PERF_EVENT_IOC_ID, &id), 0);
		assert_int_equal(ustack_reader_add_event(l->reader, &attr[i],
							 &id, 1,
							 i ? "second" : NULL),
				 0);
		assert_int_equal(ustack_reader_open_ring(l->reader, l->base[i],
							 l->size),
				 0);
	}
}

static void live_ioctl(const struct live *l, unsigned long request)
{
	for (int i = 0; i < 2; i++)
		assert_int_equal(ioctl(l->fd[i], request, 0), 0);
}

static void live_close(struct live *l)
{
	ustack_reader_free(l->reader);
	ustack_unwinder_free(l->unwinder);
	ustack_images_free(l->images);
	for (int i = 0; i < 2; i++) {
		munmap(l->base[i], l->size);
		close(l->fd[i]);
	}
}

static void samples_of_myself(void **state)
{
	struct ustack_stats st = { .sz = sizeof(st) };
	const struct ustack_sample *s;
	struct seen seen = { 0 };
	int ret, empty = 0;
	struct live l;

	(void)state;
	live_open(&l);
	assert_int_equal(ustack_reader_open(l.reader, "/dev/null"), -EBUSY);
	assert_int_equal(ustack_reader_add_process(l.reader, getpid()), 0);
	assert_int_equal(ustack_reader_next(l.reader, &s), -EAGAIN);
	live_ioctl(&l, PERF_EVENT_IOC_ENABLE);
	while (seen.samples < 2000) {
		caller();
		ret = ustack_reader_next(l.reader, &s);
		if (ret == 1)
			look_at(s, l.unwinder, &seen);
		else
			assert_int_equal(ret, -EAGAIN);
		empty += ret == -EAGAIN;
	}
	live_ioctl(&l, PERF_EVENT_IOC_DISABLE);
	assert_int_equal(ustack_reader_finish(l.reader), 0);
	while ((ret = ustack_reader_next(l.reader, &s)) == 1)
		look_at(s, l.unwinder, &seen);
	assert_int_equal(ret, 0);
	assert_int_equal(ustack_reader_next(l.reader, &s), 0);

	assert_int_equal(ustack_reader_stats(l.reader, &st), 0);
	printf("%u samples, %u whole, %u in order, %llu lost, %llu records lost, %d times nothing\n",
	       seen.samples, seen.whole, seen.in_order,
	       (unsigned long long)st.lost, (unsigned long long)st.lost_records,
	       empty);
	assert_int_equal(st.samples, seen.samples);
	assert_true(empty > 0);
	assert_true(seen.event[0] > 100 && seen.event[1] > 100);
	assert_int_equal(st.lost, seen.lost);
	/* How many hit leaf() depends on the machine. */
	assert_true(seen.whole > seen.samples / 20);
	live_close(&l);
}

/* A copy of this program, of which only the mapping is left. */
static void *map_and_unlink(void)
{
	char path[] = "/tmp/test_live-XXXXXX";
	int from = open("/proc/self/exe", O_RDONLY), to = mkstemp(path);
	struct stat st;
	void *map;

	assert_true(from >= 0 && to >= 0);
	assert_int_equal(fstat(from, &st), 0);
	assert_int_equal(sendfile(to, from, NULL, st.st_size), st.st_size);
	map = mmap(NULL, st.st_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, to, 0);
	assert_true(map != MAP_FAILED);
	unlink(path);
	close(from);
	close(to);
	return map;
}

/* What was mapped is known by its build-id, though the file is gone. */
static void file_goes_while_it_runs(void **state)
{
	struct ustack_symbol own = { .sz = sizeof(own) };
	struct ustack_symbol gone = { .sz = sizeof(gone) };
	const struct ustack_sample *s;
	struct live l;
	void *map;
	int ret;

	(void)state;
	live_open(&l);
	assert_int_equal(ustack_reader_add_process(l.reader, getpid()), 0);
	live_ioctl(&l, PERF_EVENT_IOC_ENABLE);
	map = map_and_unlink();
	do {
		caller();
		ret = ustack_reader_next(l.reader, &s);
		if (ret == 1)
			ustack_symbolize(s->space, (uint64_t)map, &gone);
		else
			assert_int_equal(ret, -EAGAIN);
	} while (ret != 1 || !gone.path);
	assert_int_equal(ustack_symbolize(s->space, (uint64_t)caller, &own), 0);
	assert_non_null(strstr(gone.path, "/tmp/test_live-"));
	assert_true(own.build_id_size > 0);
	assert_int_equal(gone.build_id_size, own.build_id_size);
	assert_memory_equal(gone.build_id, own.build_id, own.build_id_size);
	live_close(&l);
}

static void attr_is_checked(void **state)
{
	struct perf_event_attr attr = { .size = sizeof(attr) };

	(void)state;
	assert_int_equal(ustack_attr_init(&attr, 0, 0), -EINVAL);
	assert_int_equal(ustack_attr_init(&attr, 4097, 0), -EINVAL);
	assert_int_equal(ustack_attr_init(&attr, 65536, 0), -EINVAL);
	assert_int_equal(ustack_attr_init(&attr, 65528, 0), 0);
	/* ax, bx, cx, dx, si, di, bp, sp, ip and r8 to r15 */
	assert_int_equal(attr.sample_regs_user, 0xff01ff);
	assert_int_equal(ustack_attr_init(&attr, 8 << 20, 1), 0);
	assert_int_equal(ustack_attr_init(&attr, (8 << 20) + 8, 1), -EINVAL);
	/* bits 39 and 40 of the flags: defer_output is not needed, defer_user is */
	assert_int_equal(((uint64_t *)&attr)[5] >> 39, 2);
	assert_int_equal(((uint64_t *)&attr)[5] >> 34 & 1, 1); /* build_id */
	assert_int_equal(ustack_attr_init(&attr, 8192, 0), 0);
	assert_int_equal(((uint64_t *)&attr)[5] >> 39, 0);
	attr.size = 80;
	assert_int_equal(ustack_attr_init(&attr, 8192, 0), -EINVAL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attr_is_checked),
		cmocka_unit_test(samples_of_myself),
		cmocka_unit_test(file_goes_while_it_runs),
	};
	struct perf_event_attr attr;
	FILE *f;
	int fd;

	defer = argc == 2 && !strcmp(argv[1], "--defer");
	attr = attr_of(PERF_COUNT_SW_CPU_CLOCK);
	fd = event_open(&attr);
	if (fd < 0 && !defer) {
		printf("skipped: perf_event_open() is not permitted here: %s\n",
		       strerror(errno));
		return 77;
	}
	close(fd);
	f = fopen("/proc/self/comm", "w");
	if (f) {
		fputs("live \xc3\xa4", f);
		fclose(f);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
