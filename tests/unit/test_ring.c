// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Rings as the kernel leaves them in memory, byte by byte. */
#include "perfdata.h"

#define DATA 8192 /* bytes of a ring; its control page is 4096 */

struct fake {
	struct perf_event_mmap_page *page;
	uint8_t *data;
};

static struct fake fake_ring(void)
{
	struct fake f;

	f.page = aligned_alloc(4096, 4096 + DATA);
	assert_non_null(f.page);
	memset(f.page, 0, 4096 + DATA);
	f.page->data_offset = 4096;
	f.page->data_size = DATA;
	f.data = (uint8_t *)f.page + 4096;
	return f;
}

/* The kernel's part: all records of pd behind the head, then pd is empty. */
static void fake_write(struct fake *f, struct pd *pd)
{
	size_t i;

	assert_true(f->page->data_head + pd->n - f->page->data_tail <= DATA);
	for (i = 0; i < pd->n; i++)
		f->data[(f->page->data_head + i) % DATA] = pd->buf[i];
	f->page->data_head += pd->n;
	pd->n = 0;
}

static void rings_open(struct pd_reader *r, struct fake *f, size_t nr)
{
	struct pd pd = { 0 };
	size_t i;

	memset(r, 0, sizeof(*r));
	r->fd = -1;
	assert_int_equal(ustack_images_new(&r->images, NULL), 0);
	assert_int_equal(ustack_reader_new(&r->reader, r->images), 0);
	pd_attr(&pd, DEFER_TYPE, DEFER_FLAGS, DEFER_MASK);
	assert_int_equal(
		ustack_reader_add_event(
			r->reader, (const struct perf_event_attr *)pd.buf,
			(const uint64_t[]){ DEFER_ID }, 1, "clock"),
		0);
	for (i = 0; i < nr; i++) {
		f[i] = fake_ring();
		assert_int_equal(ustack_reader_open_ring(r->reader, f[i].page,
							 4096 + DATA),
				 0);
	}
	free(pd.buf);
}

static void rings_close(struct pd_reader *r, struct fake *f, size_t nr)
{
	pd_close(r);
	while (nr--)
		free(f[nr].page);
}

/* Records of all sizes, so that headers and bodies lie across the end. */
static void wraparound(void **state)
{
	const struct ustack_sample *s;
	struct pd_reader r;
	struct pd pd = { 0 };
	struct fake f;
	uint64_t i, j;

	(void)state;
	rings_open(&r, &f, 1);
	for (i = 1; i <= 2000; i++) {
		pd_sample(&pd, 101, i * 1000, i);
		pd_part(&pd, 101, i * 1000 + 1, i, 1, 0x7ffe0000, 8 * (i % 400),
			0);
		fake_write(&f, &pd);
		s = pd_next(&r);
		assert_int_equal(s->time, i * 1000);
		assert_int_equal(s->pair, USTACK_PAIR_PAIRED);
		assert_string_equal(s->event, "clock");
		assert_int_equal(s->nr_ranges, i % 400 != 0);
		for (j = 0; s->nr_ranges && j < i % 400; j++)
			assert_int_equal(get64(s->ranges[0].data + 8 * j),
					 0x7ffe0000 + 8 * j);
		/* the kernel has all its room back */
		assert_int_equal(f.page->data_tail, f.page->data_head);
		pd_expect_end(&r, -EAGAIN);
	}
	pd_sample(&pd, 101, i * 1000, i);
	fake_write(&f, &pd);
	pd_expect_end(&r, -EAGAIN);
	assert_int_equal(ustack_reader_finish(r.reader), 0);
	pd_expect(&r, i * 1000, USTACK_PAIR_LOST);
	pd_expect_end(&r, 0);
	free(pd.buf);
	rings_close(&r, &f, 1);
}

/* The second ring has the older records; what comes late still finds its place. */
static void two_rings(void **state)
{
	struct pd_reader r;
	struct pd pd = { 0 };
	struct fake f[2];

	(void)state;
	rings_open(&r, f, 2);
	pd_sample(&pd, 101, 2000, 0);
	pd_sample(&pd, 101, 4000, 0);
	fake_write(&f[0], &pd);
	pd_sample(&pd, 102, 1000, 0);
	pd_sample(&pd, 102, 3000, 0);
	fake_write(&f[1], &pd);
	pd_expect(&r, 1000, USTACK_PAIR_LOST);
	pd_expect(&r, 2000, USTACK_PAIR_LOST);
	pd_expect(&r, 3000, USTACK_PAIR_LOST);
	pd_expect(&r, 4000, USTACK_PAIR_LOST);
	pd_expect_end(&r, -EAGAIN);
	rings_close(&r, f, 2);
	free(pd.buf);
}

/*
 * A round that stops before the end of a ring: what the other ring brought
 * waits for what is left.
 */
static void round_has_an_end(void **state)
{
	struct errline line = { "" };
	struct chunk_pool pool = { 0 };
	struct rings rs = { .pool = &pool, .line = &line };
	struct fake f[2] = { fake_ring(), fake_ring() };
	struct pd pd = { 0 };
	struct record rec;

	(void)state;
	assert_int_equal(rings_add(&rs, f[0].page, 4096 + DATA), 0);
	assert_int_equal(rings_add(&rs, f[1].page, 4096 + DATA), 0);
	pd_sample(&pd, 101, 1000, 0);
	pd_sample(&pd, 101, 2000, 0);
	fake_write(&f[0], &pd);
	pd_sample(&pd, 102, 5000, 0);
	fake_write(&f[1], &pd);
	assert_int_equal(rings_next(&rs, &rec), 1);
	rings_time(&rs, 1000);
	record_put(&pool, &rec);
	rs.ring[0].stop = rs.ring[0].tail;
	assert_int_equal(rings_next(&rs, &rec), 1);
	rings_time(&rs, 5000);
	record_put(&pool, &rec);
	assert_int_equal(rings_next(&rs, &rec), 0);
	assert_int_equal(rings_bound(&rs), 1000);
	assert_int_equal(rings_next(&rs, &rec), 1);
	assert_int_equal(get64(rec.data + 32), 2000);
	rings_time(&rs, 2000);
	record_put(&pool, &rec);
	assert_int_equal(rings_next(&rs, &rec), 0);
	assert_int_equal(rings_bound(&rs), UINT64_MAX);
	rings_free(&rs);
	chunk_pool_free(&pool);
	free(pd.buf);
	free(f[0].page);
	free(f[1].page);
}

static void damaged(void **state)
{
	static const uint16_t sizes[] = { 0, 4, 12, 72 };
	struct pd_reader r;
	struct pd pd = { 0 };
	struct fake f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		rings_open(&r, &f, 1);
		pd_sample(&pd, 101, 1000, 0);
		pd_begin(&pd, PERF_RECORD_SAMPLE, 0);
		memset(pd.buf + pd.n, 0, 56);
		pd.n += 56; /* 64 bytes with its header */
		memcpy(pd.buf + pd.open + 6, &sizes[i], 2);
		fake_write(&f, &pd);
		pd_expect(&r, 1000, USTACK_PAIR_LOST);
		pd_expect_end(&r, -EBADMSG);
		assert_non_null(strstr(ustack_reader_error(r.reader),
				       "record of size"));
		rings_close(&r, &f, 1);
	}
	free(pd.buf);
}

static void misuse(void **state)
{
	struct fake f = fake_ring();
	struct pd_reader r;
	struct fake g;

	(void)state;
	rings_open(&r, &g, 1);
	assert_int_equal(ustack_reader_open_ring(r.reader, f.page, 100),
			 -EINVAL);
	assert_int_equal(ustack_reader_open_ring(r.reader, f.page, 4096),
			 -EINVAL);
	f.page->data_size = 4096 + 8;
	assert_int_equal(ustack_reader_open_ring(r.reader, f.page, 4096 + DATA),
			 -EINVAL);
	f.page->data_size = DATA;
	f.page->data_tail = 0x1234567890;
	assert_int_equal(mprotect(f.page, 4096, PROT_READ), 0);
	assert_int_equal(ustack_reader_open_ring(r.reader, f.page, 4096 + DATA),
			 -EINVAL);
	assert_non_null(strstr(ustack_reader_error(r.reader), "PROT_WRITE"));
	assert_int_equal(mprotect(f.page, 4096, PROT_READ | PROT_WRITE), 0);
	assert_int_equal(ustack_reader_open_ring(r.reader, f.page, 4096 + DATA),
			 0);
	assert_true(f.page->data_tail == 0x1234567890);
	assert_int_equal(ustack_reader_open_ring(r.reader, NULL, 4096 + DATA),
			 -EINVAL);
	assert_int_equal(ustack_reader_open_ring(r.reader, MAP_FAILED,
						 4096 + DATA),
			 -EINVAL);
	assert_int_equal(ustack_reader_open(r.reader, "/dev/null"), -EBUSY);
	rings_close(&r, &g, 1);
	free(f.page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wraparound),
		cmocka_unit_test(two_rings),
		cmocka_unit_test(round_has_an_end),
		cmocka_unit_test(damaged),
		cmocka_unit_test(misuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
