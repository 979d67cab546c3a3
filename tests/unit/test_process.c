// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Names and modules follow FORK, COMM, MMAP and EXIT. */
#include "module/space.h"
#include "perfdata.h"

#ifndef PERF_RECORD_MISC_MMAP_BUILD_ID
#define PERF_RECORD_MISC_MMAP_BUILD_ID (1 << 14)
#endif

static void expect(struct pd_reader *r, uint64_t time, const char *comm,
		   uint64_t addr, const char *path)
{
	const struct ustack_sample *s = pd_next(r);
	struct ustack_symbol sym = { .sz = sizeof(sym) };

	assert_int_equal(s->time, time);
	assert_string_equal(s->comm, comm);
	ustack_symbolize(s->space, addr, &sym);
	if (path) {
		assert_non_null(sym.path);
		assert_string_equal(sym.path, path);
	} else {
		assert_null(sym.path);
	}
}

/* A sample, and its stack at once. */
static void sample(struct pd *pd, uint32_t pid, uint32_t tid, uint64_t time)
{
	pd_sample_of(pd, DEFER_ID, pid, tid, time, time);
	pd_stack(pd, tid, time + 1, time);
	/* pd_stack() says pid 100: write the right one, in front and at the end */
	memcpy(pd->buf + pd->open + 8, &pid, 4);
	memcpy(pd->buf + pd->n - 24, &pid, 4);
}

static void fork_exec_exit(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_comm(&pd, 0, 100, 100, 100, "parent");
	pd_mmap2(&pd, 100, 110, 0x400000, 0x1000, "/no/parent");
	pd_task(&pd, PERF_RECORD_FORK, 0, 200, 100, 200, 100, 200);
	sample(&pd, 200, 200, 210);
	/* the child's own mapping is not the parent's */
	pd_mmap2(&pd, 200, 220, 0x500000, 0x1000, "/no/lib");
	sample(&pd, 200, 200, 230);
	sample(&pd, 100, 100, 240);
	pd_comm(&pd, PERF_RECORD_MISC_COMM_EXEC, 200, 200, 300, "child");
	sample(&pd, 200, 200, 310);
	pd_mmap2(&pd, 200, 320, 0x400000, 0x1000, "/no/child");
	sample(&pd, 200, 200, 330);
	/* its exit, a late sample, and another process with its number */
	pd_task(&pd, PERF_RECORD_EXIT, 0, 200, 100, 200, 100, 400);
	sample(&pd, 200, 200, 410);
	pd_task(&pd, PERF_RECORD_FORK, 0, 200, 100, 200, 100, 500);
	sample(&pd, 200, 200, 510);
	assert_int_equal(pd_open(&pd, &r), 0);
	expect(&r, 210, "parent", 0x400800, "/no/parent");
	expect(&r, 230, "parent", 0x500800, "/no/lib");
	expect(&r, 240, "parent", 0x500800, NULL);
	expect(&r, 310, "child", 0x400800, NULL);
	expect(&r, 330, "child", 0x400800, "/no/child");
	expect(&r, 410, "child", 0x400800, "/no/child");
	expect(&r, 510, "parent", 0x400800, "/no/parent");
	pd_expect_end(&r, 0);
	pd_close(&r);
}

/* Code without a file goes by the symbol file that its JIT may have left. */
static void jit(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_comm(&pd, 0, 100, 100, 100, "node");
	pd_mmap2(&pd, 100, 110, 0x400000, 0x1000, "//anon");
	pd_mmap2(&pd, 100, 110, 0x402000, 0x1000, "/memfd:code (deleted)");
	pd_mmap2(&pd, 100, 110, 0x404000, 0x1000, "/anon");
	pd_task(&pd, PERF_RECORD_FORK, 0, 200, 100, 200, 100, 200);
	sample(&pd, 200, 200, 210);
	sample(&pd, 100, 100, 220);
	sample(&pd, 100, 100, 230);
	assert_int_equal(pd_open(&pd, &r), 0);
	/* A fork keeps its parent's. */
	expect(&r, 210, "node", 0x400800, "/tmp/perf-100.map");
	expect(&r, 220, "node", 0x402800, "/tmp/perf-100.map");
	expect(&r, 230, "node", 0x404800, "/anon");
	pd_expect_end(&r, 0);
	pd_close(&r);
}

/* The first file after an exec is the program, whatever JITs do with theirs. */
static void memfd_program(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_comm(&pd, PERF_RECORD_MISC_COMM_EXEC, 100, 100, 100, "prog");
	pd_mmap2(&pd, 100, 110, 0x7ff000, 0x1000, "[stack]");
	memcpy(pd.buf + pd.open + 64, &(uint32_t){ PROT_READ | PROT_WRITE }, 4);
	pd_mmap2(&pd, 100, 110, 0x400000, 0x1000, "/memfd:prog (deleted)");
	pd_mmap2(&pd, 100, 110, 0x401000, 0x1000, "/memfd:prog (deleted)");
	pd_mmap2(&pd, 100, 110, 0x500000, 0x1000, "/no/ld.so");
	pd_mmap2(&pd, 100, 110, 0x600000, 0x1000, "/memfd:prog (deleted)");
	sample(&pd, 100, 100, 210);
	sample(&pd, 100, 100, 220);
	sample(&pd, 100, 100, 230);
	assert_int_equal(pd_open(&pd, &r), 0);
	expect(&r, 210, "prog", 0x400800, "/memfd:prog (deleted)");
	expect(&r, 220, "prog", 0x401800, "/memfd:prog (deleted)");
	expect(&r, 230, "prog", 0x600800, "/tmp/perf-100.map");
	pd_expect_end(&r, 0);
	/* It is said, as of any file that is gone. */
	assert_int_equal(ustack_images_unusable(r.images, NULL, NULL), 1);
	pd_close(&r);
}

/* MMAP2 with device and inode, or with the 24 bytes of a build-id in their place. */
static void put_prot(struct pd *pd, uint64_t addr, uint16_t misc,
		     const uint64_t id[3], uint32_t prot, const char *path)
{
	pd->n = 0;
	pd_begin(pd, PERF_RECORD_MMAP2, PERF_RECORD_MISC_USER | misc);
	pd_u32x2(pd, 100, 100);
	pd_u64(pd, addr);
	pd_u64(pd, 0x1000);
	pd_u64(pd, 0x3000);
	pd_bytes(pd, id, 24);
	pd_u32x2(pd, prot, MAP_PRIVATE);
	pd_str(pd, path);
	pd_end(pd);
}

static void put_map(struct pd *pd, uint64_t addr, uint16_t misc,
		    const uint64_t id[3], const char *path)
{
	put_prot(pd, addr, misc, id, PROT_READ | PROT_EXEC, path);
}

static const struct map *take_map(struct processes *ps,
				  const struct build_ids *ids, struct pd *pd)
{
	struct record r = { pd->buf, NULL };
	struct thread *th;

	assert_int_equal(processes_map(ps, ids, &r, record_size(&r)), 0);
	assert_int_equal(processes_thread(ps, 100, 100, &th), 0);
	return space_find(th->proc->space->space, get64(pd->buf + 16));
}

static void what_maps_tell(void **state)
{
	/* maj and min, ino, generation; size and bytes of a build-id */
	static const uint64_t inode[3] = { 8 | 2ULL << 32, 77, 5 };
	static const uint64_t build_id[3] = { 20 | 0xabULL << 32, 0xcd, 0xef };
	static const uint64_t short_id[3] = { 8 | 0xabULL << 32, 0xcd, 0 };
	static const uint32_t major[] = { 0, 7, 8, 254, 259 };
	uint8_t table[8 + 4 + 24 + 8] = { [12] = 0x99, [36] = '/', [37] = 'x' };
	struct processes ps = { 0 };
	struct build_ids ids = { 0 };
	const struct map *m;
	struct pd pd = { 0 };

	(void)state;
	assert_int_equal(ustack_images_new(&ps.images, NULL), 0);
	assert_int_equal(build_ids_add(&ids, table, sizeof(table)), 0);
	put_map(&pd, 0x400000, 0, inode, "/a");
	m = take_map(&ps, &ids, &pd);
	assert_true(m->end == 0x401000 && m->pgoff == 0x3000);
	assert_int_equal(m->pid, 100);
	assert_int_equal(m->prot, PROT_READ | PROT_EXEC);
	assert_true(m->origin->maj == 8 && m->origin->min == 2 &&
		    m->origin->ino == 77 && m->origin->generation == 5);
	assert_int_equal(m->origin->build_id.size, 0);
	put_map(&pd, 0x402000, PERF_RECORD_MISC_MMAP_BUILD_ID, build_id, "/a");
	m = take_map(&ps, &ids, &pd);
	assert_int_equal(m->origin->ino, 0);
	assert_int_equal(m->origin->build_id.size, 20);
	assert_memory_equal(m->origin->build_id.bytes, (uint8_t *)build_id + 4,
			    20);
	put_map(&pd, 0x40a000, PERF_RECORD_MISC_MMAP_BUILD_ID, short_id, "/s");
	m = take_map(&ps, &ids, &pd);
	assert_int_equal(m->origin->build_id.size, 8);
	/* The bit is another event's: disks of these numbers, and one without. */
	for (size_t i = 0; i < sizeof(major) / sizeof(*major); i++) {
		const uint64_t disk[3] = { major[i] | 2ULL << 32, 77, 5 };

		put_map(&pd, 0x410000 + 0x1000 * i,
			PERF_RECORD_MISC_MMAP_BUILD_ID, disk, "/d");
		m = take_map(&ps, &ids, &pd);
		assert_int_equal(m->origin->build_id.size, 0);
		assert_true(m->origin->maj == major[i] && m->origin->min == 2 &&
			    m->origin->ino == 77 && m->origin->generation == 5);
	}
	/* perf collected it for a path. */
	put_map(&pd, 0x404000, 0, inode, "/x");
	m = take_map(&ps, &ids, &pd);
	assert_int_equal(m->origin->ino, 77);
	assert_int_equal(m->origin->build_id.size, 20);
	assert_int_equal(m->origin->build_id.bytes[0], 0x99);
	/* What lies behind a JIT's memory does not matter. */
	put_map(&pd, 0x406000, 0, inode, "/memfd:jit (deleted)");
	m = take_map(&ps, &ids, &pd);
	assert_string_equal(m->origin->path, "/tmp/perf-100.map");
	assert_int_equal(m->origin->ino, 0);
	/* perf inject -j: the mode of a file, 0100600. */
	put_prot(&pd, 0x408000, 0, inode, 0100600, "/tmp/jitted-1-2.so");
	m = take_map(&ps, &ids, &pd);
	assert_int_equal(m->prot, PROT_READ | PROT_EXEC);
	processes_free(&ps);
	build_ids_free(&ids);
	ustack_images_free(ps.images);
	free(pd.buf);
}

/* PERF_RECORD_MMAP says by a bit of its header whether it is code. */
static void old_maps_tell_data(void **state)
{
	struct processes ps = { 0 };
	struct build_ids ids = { 0 };

	(void)state;
	assert_int_equal(ustack_images_new(&ps.images, NULL), 0);
	for (int data = 0; data < 2; data++) {
		uint64_t addr = 0x400000 + 0x1000 * data;
		const struct map *m;
		struct pd pd = { 0 };

		pd_begin(&pd, PERF_RECORD_MMAP,
			 PERF_RECORD_MISC_USER |
				 (data ? PERF_RECORD_MISC_MMAP_DATA : 0));
		pd_u32x2(&pd, 100, 100);
		pd_u64(&pd, addr);
		pd_u64(&pd, 0x1000);
		pd_u64(&pd, addr);
		pd_str(&pd, "//anon");
		pd_end(&pd);
		m = take_map(&ps, &ids, &pd);
		assert_int_equal(m->code, !data);
		assert_string_equal(m->origin->path,
				    data ? "//anon" : "/tmp/perf-100.map");
		free(pd.buf);
	}
	processes_free(&ps);
	ustack_images_free(ps.images);
}

static void threads_share(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_comm(&pd, 0, 100, 100, 100, "main");
	pd_task(&pd, PERF_RECORD_FORK, 0, 100, 100, 101, 100, 200);
	pd_comm(&pd, 0, 100, 101, 210, "worker");
	pd_mmap2(&pd, 100, 220, 0x400000, 0x1000, "/no/lib");
	sample(&pd, 100, 101, 230);
	sample(&pd, 100, 100, 240);
	/* the main thread ends first, the process lives on */
	pd_task(&pd, PERF_RECORD_EXIT, 0, 100, 100, 100, 100, 300);
	sample(&pd, 100, 101, 310);
	assert_int_equal(pd_open(&pd, &r), 0);
	expect(&r, 230, "worker", 0x400800, "/no/lib");
	expect(&r, 240, "main", 0x400800, "/no/lib");
	expect(&r, 310, "worker", 0x400800, "/no/lib");
	pd_expect_end(&r, 0);
	pd_close(&r);
}

/* What perf synthesizes for tasks that ran before: FORK, COMM, maps, time 0. */
static void synthesized(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_task(&pd, PERF_RECORD_FORK, 1 << 13, 100, 1, 100, 1, 0);
	pd_comm(&pd, 0, 100, 100, 0, "old");
	pd_mmap2(&pd, 100, 0, 0x400000, 0x1000, "/no/old");
	pd_task(&pd, PERF_RECORD_FORK, 1 << 13, 100, 100, 101, 100, 0);
	pd_comm(&pd, 0, 100, 101, 0, "thread");
	/* the kernel's own text belongs to nobody */
	pd_mmap2(&pd, UINT32_MAX, 0, 0xffffffff81000000, 0x1000000, "[k]");
	sample(&pd, 100, 101, 10);
	sample(&pd, 300, 300, 20);
	sample(&pd, 0, 0, 30);
	assert_int_equal(pd_open(&pd, &r), 0);
	expect(&r, 10, "thread", 0x400800, "/no/old");
	expect(&r, 20, ":300", 0x400800, NULL);
	expect(&r, 30, "swapper", 0x400800, NULL);
	pd_expect_end(&r, 0);
	pd_close(&r);
}

/* Many short tasks leave nothing behind. */
static void short_tasks(void **state)
{
	const struct ustack_sample *s;
	struct pd_reader r;
	struct pd pd;
	uint32_t pid;
	int ret, n = 0;

	(void)state;
	pd_start(&pd);
	for (pid = 1000; pid < 9000; pid++) {
		pd_task(&pd, PERF_RECORD_FORK, 0, pid, 100, pid, 100, pid * 4);
		sample(&pd, pid, pid, pid * 4 + 1);
		pd_task(&pd, PERF_RECORD_EXIT, 0, pid, 100, pid, 100,
			pid * 4 + 3);
	}
	assert_int_equal(pd_open(&pd, &r), 0);
	while ((ret = ustack_reader_next(r.reader, &s)) == 1) {
		assert_int_equal(s->pair, USTACK_PAIR_PAIRED);
		n++;
	}
	assert_int_equal(ret, 0);
	assert_int_equal(n, 8000);
	pd_close(&r);
}

static void ended_threads_are_dropped(void **state)
{
	struct processes ps = { 0 };
	struct pd pd = { 0 };
	uint32_t pid, tid;

	(void)state;
	assert_int_equal(ustack_images_new(&ps.images, NULL), 0);
	for (pid = 1000; pid < 9000; pid++) {
		struct thread *th;
		struct record r;

		pd.n = 0;
		pd_task(&pd, PERF_RECORD_EXIT, 0, pid, 100, pid, 100, 1);
		r = (struct record){ pd.buf, NULL };
		assert_int_equal(processes_thread(&ps, pid, pid, &th), 0);
		assert_int_equal(processes_exit(&ps, &r, record_size(&r), &tid),
				 0);
		assert_int_equal(tid, pid);
	}
	assert_true(ps.threads.nr <= 1024);
	assert_int_equal(ps.threads.nr, ps.procs.nr);
	processes_free(&ps);
	ustack_images_free(ps.images);
	free(pd.buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fork_exec_exit),
		cmocka_unit_test(jit), cmocka_unit_test(memfd_program),
		cmocka_unit_test(what_maps_tell),
		cmocka_unit_test(old_maps_tell_data),
		cmocka_unit_test(threads_share),
		cmocka_unit_test(synthesized),
		cmocka_unit_test(short_tasks),
		cmocka_unit_test(ended_threads_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
