// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* File and pipe mode, compressed, cut, damaged and foreign files. */
#include <zstd.h>

#include "perfdata.h"

/* Opens what must be refused, with this in the line. */
static void refused(struct pd *pd, const char *why)
{
	struct pd_reader r;

	assert_true(pd_open(pd, &r) < 0);
	if (!strstr(ustack_reader_error(r.reader), why))
		print_error("%s\n", ustack_reader_error(r.reader));
	assert_non_null(strstr(ustack_reader_error(r.reader), why));
	pd_close(&r);
}

static void foreign(void **state)
{
	struct pd pd = { 0 };

	(void)state;
	refused(&pd, "is empty");
	pd_bytes(&pd, "PERF", 4);
	refused(&pd, "is not a perf.data file");
	pd_bytes(&pd, "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0\x3e\0", 20);
	refused(&pd, "is not a perf.data file");
	pd_bytes(&pd, "2ELIFREP", 8);
	pd_u64(&pd, 16ull << 56);
	refused(&pd, "other byte order");
	pd_bytes(&pd, "PERFFILE", 8);
	pd_u64(&pd, 104);
	refused(&pd, "version 1");
	pd_bytes(&pd, "PERFILE2", 8);
	refused(&pd, "is cut");
	pd_bytes(&pd, "PERFILE2", 8);
	pd_u64(&pd, 4711);
	refused(&pd, "header of 4711 bytes");
}

static void no_such_file(void **state)
{
	struct ustack_images *images;
	struct ustack_reader *r;

	(void)state;
	assert_int_equal(ustack_images_new(&images, NULL), 0);
	assert_int_equal(ustack_reader_new(&r, images), 0);
	assert_int_equal(ustack_reader_open(r, "/nonexistent/file"), -ENOENT);
	assert_non_null(strstr(ustack_reader_error(r), "No such file"));
	ustack_reader_free(r);
	assert_int_equal(ustack_reader_new(&r, images), 0);
	assert_int_equal(ustack_reader_open(r, "/"), -EISDIR);
	ustack_reader_free(r);
	ustack_images_free(images);
	ustack_reader_free(NULL);
}

/*
 * File mode: header, ids, attr, data, then the table of the features and
 * EVENT_DESC and ARCH themselves.
 */
static void file_mode(struct pd *pd, uint64_t data_size, const char *arch)
{
	struct pd data = { 0 }, desc = { 0 }, a = { 0 };
	uint64_t attr_at = 104 + 8, data_at = attr_at + 120 + 16, at;
	uint64_t features[4] = { 1u << FEAT_EVENT_DESC | 1u << FEAT_ARCH };

	pd_sample(&data, 101, 1000, 0xc1);
	pd_stack(&data, 101, 2000, 0xc1);
	pd_round(&data);
	pd_sample(&data, 101, 3000, 0xc2);
	pd_stack(&data, 101, 4000, 0xc2);
	pd_round(&data);

	pd_u32x2(&desc, 1, 120);
	pd_attr(&desc, DEFER_TYPE, DEFER_FLAGS, DEFER_MASK);
	pd_u32x2(&desc, 1, 64);
	pd_bytes(
		&desc,
		"my_event\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		"\0\0\0\0\0\0\0\0",
		64);
	pd_u64(&desc, DEFER_ID);
	pd_bytes(&a, &(uint32_t){ 64 }, 4);
	pd_str(&a, arch);

	memset(pd, 0, sizeof(*pd));
	pd_bytes(pd, "PERFILE2", 8);
	pd_u64(pd, 104);
	pd_u64(pd, 120 + 16); /* of an entry of the attrs */
	pd_u64(pd, attr_at);
	pd_u64(pd, 120 + 16);
	pd_u64(pd, data_at);
	pd_u64(pd, data_size == 1 ? data.n : data_size);
	pd_u64(pd, 0);
	pd_u64(pd, 0);
	pd_bytes(pd, features, 32);
	pd_u64(pd, DEFER_ID);
	pd_attr(pd, DEFER_TYPE, DEFER_FLAGS, DEFER_MASK);
	pd_u64(pd, 104); /* its ids */
	pd_u64(pd, 8);
	assert_int_equal(pd->n, data_at);
	pd_bytes(pd, data.buf, data.n);
	if (data_size == 1) {
		at = pd->n + 2 * 16;
		pd_u64(pd, at); /* ARCH is number 6, EVENT_DESC number 12 */
		pd_u64(pd, a.n);
		pd_u64(pd, at + a.n);
		pd_u64(pd, desc.n);
		pd_bytes(pd, a.buf, a.n);
		pd_bytes(pd, desc.buf, desc.n);
	}
	free(data.buf);
	free(desc.buf);
	free(a.buf);
}

static void file_is_read(void **state)
{
	struct ustack_stats st = { .sz = sizeof(st) };
	const struct ustack_sample *s;
	struct pd_reader r;
	struct pd pd;
	uint64_t size;

	(void)state;
	file_mode(&pd, 1, "x86_64");
	size = get64(pd.buf + 48);
	assert_int_equal(pd_open(&pd, &r), 0);
	assert_int_equal(ustack_reader_stats(r.reader, &st), 0);
	assert_int_equal(st.data_size, size);
	assert_int_equal(st.data_read, 0);
	s = pd_next(&r);
	assert_int_equal(s->time, 1000);
	assert_string_equal(s->event, "my_event");
	pd_expect(&r, 3000, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, 0);
	pd_expect_end(&r, 0);
	assert_int_equal(ustack_reader_stats(r.reader, &st), 0);
	assert_int_equal(st.data_read, st.data_size);
	pd_close(&r);
}

/* Moves what stands behind the header of file_mode()'s file. */
static void gap(struct pd *pd, size_t size)
{
	size_t attr_at = get64(pd->buf + 24), data_at = get64(pd->buf + 40);
	const size_t offsets[] = {
		24, 40, attr_at + 120, /* attrs, data, ids */
		data_at + get64(pd->buf + 48), /* ARCH */
		data_at + get64(pd->buf + 48) + 16, /* EVENT_DESC */
	};
	struct pd old = *pd;
	uint8_t *zeros = calloc(1, size);

	for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++)
		*(uint64_t *)(old.buf + offsets[i]) += size;
	memset(pd, 0, sizeof(*pd));
	pd_bytes(pd, old.buf, 104);
	pd_bytes(pd, zeros, size);
	pd_bytes(pd, old.buf + 104, old.n - 104);
	free(old.buf);
	free(zeros);
}

/* The ids of many events on many CPUs take more than 64 MB. */
static void large_header(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	file_mode(&pd, 1, "x86_64");
	gap(&pd, 65 << 20);
	assert_int_equal(pd_open(&pd, &r), 0);
	assert_string_equal(pd_next(&r)->event, "my_event");
	pd_expect(&r, 3000, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, 0);
	pd_close(&r);
	/* But not whatever a damaged file says. */
	file_mode(&pd, 1, "x86_64");
	*(uint64_t *)(pd.buf + 40) = 2ull << 30;
	refused(&pd, "has a header of 2147483648 bytes");
}

/* Two events that have all of the header as their ids. */
static void ids_overlap(void **state)
{
	struct pd pd = { 0 };
	int i;

	(void)state;
	pd_bytes(&pd, "PERFILE2", 8);
	pd_u64(&pd, 104);
	pd_u64(&pd, 120 + 16);
	pd_u64(&pd, 104);
	pd_u64(&pd, 2 * (120 + 16));
	pd_u64(&pd, 104 + 2 * (120 + 16)); /* data */
	for (i = 0; i < 7; i++)
		pd_u64(&pd, 0);
	for (i = 0; i < 2; i++) {
		pd_attr(&pd, DEFER_TYPE, DEFER_FLAGS, DEFER_MASK);
		pd_u64(&pd, 0);
		pd_u64(&pd, 104 + 2 * (120 + 16));
	}
	refused(&pd, "more ids than fit");
}

/* More events than a u16 counts, one id each. */
static void many_events(void **state)
{
	const uint64_t nr = (1 << 16) + 9;
	struct pd_reader r;
	struct pd pd;
	uint64_t id;

	(void)state;
	pd_start(&pd);
	for (id = DEFER_ID + 1; id < nr; id++)
		pd_defer_attr(&pd, id, DEFER_FLAGS);
	pd_begin(&pd, REC_EVENT_UPDATE, 0);
	pd_u64(&pd, 2);
	pd_u64(&pd, nr - 1);
	pd_str(&pd, "the last one");
	pd_end(&pd);
	pd_sample_of(&pd, nr - 1, 100, 101, 1000, 0xc1);
	assert_int_equal(pd_open(&pd, &r), 0);
	assert_string_equal(pd_next(&r)->event, "the last one");
	pd_expect_end(&r, 0);
	pd_close(&r);
}

static void other_machine(void **state)
{
	struct pd pd;

	(void)state;
	file_mode(&pd, 1, "aarch64");
	refused(&pd, "aarch64");
}

/* perf record was killed: the size was never written. */
static void unfinished(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	file_mode(&pd, 0, "");
	assert_int_equal(pd_open(&pd, &r), 0);
	pd_expect(&r, 1000, USTACK_PAIR_PAIRED);
	pd_expect(&r, 3000, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, -ENODATA);
	assert_non_null(
		strstr(ustack_reader_error(r.reader), "did not finish"));
	pd_close(&r);
}

/* Cut at every byte: all whole records come out, then one error line. */
static void cut_anywhere(void **state)
{
	struct pd whole;
	size_t n, first, second;

	(void)state;
	pd_start(&whole);
	pd_sample(&whole, 101, 1000, 0xc1);
	pd_stack(&whole, 101, 2000, 0xc1);
	first = whole.n;
	pd_sample(&whole, 101, 3000, 0xc2);
	pd_stack(&whole, 101, 4000, 0xc2);
	second = whole.n;
	for (n = 16; n <= whole.n; n++) {
		const struct ustack_sample *s;
		struct pd_reader r;
		struct pd pd = { 0 };
		int got = 0, ret;

		pd_bytes(&pd, whole.buf, n);
		assert_int_equal(pd_open(&pd, &r), 0);
		while ((ret = ustack_reader_next(r.reader, &s)) == 1)
			got += s->pair == USTACK_PAIR_PAIRED;
		assert_int_equal(got, n >= second ? 2 : n >= first ? 1 : 0);
		/* a pipe may end between two records */
		assert_true(ret == 0 || ret == -ENODATA);
		if (ret)
			assert_non_null(strstr(ustack_reader_error(r.reader),
					       "is cut"));
		if (n % 8)
			assert_int_equal(ret, -ENODATA);
		pd_close(&r);
	}
	free(whole.buf);
}

static void damaged(void **state)
{
	struct pd_reader r;
	struct pd pd;
	uint64_t lie = UINT64_MAX;

	(void)state;
	/* a record of size 4 */
	pd_start(&pd);
	pd_sample(&pd, 101, 1000, 0xc1);
	pd_stack(&pd, 101, 2000, 0xc1);
	pd_begin(&pd, PERF_RECORD_SAMPLE, 0);
	memcpy(pd.buf + pd.open + 6, &(uint16_t){ 4 }, 2);
	assert_int_equal(pd_open(&pd, &r), 0);
	pd_expect(&r, 1000, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, -EBADMSG);
	assert_non_null(strstr(ustack_reader_error(r.reader), "is damaged"));
	pd_close(&r);
	/* a callchain longer than its record; what came before still leaves */
	pd_start(&pd);
	pd_sample(&pd, 101, 1000, 0xc1);
	pd_stack(&pd, 101, 2000, 0xc1);
	pd_sample(&pd, 101, 3000, 0xc2);
	memcpy(pd.buf + pd.open + 40, &lie, 8);
	assert_int_equal(pd_open(&pd, &r), 0);
	pd_expect(&r, 1000, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, -EBADMSG);
	assert_non_null(strstr(ustack_reader_error(r.reader), "type 9"));
	pd_close(&r);
	/* records without any event */
	memset(&pd, 0, sizeof(pd));
	pd_pipe(&pd);
	pd_sample(&pd, 101, 1000, 0xc1);
	assert_int_equal(pd_open(&pd, &r), 0);
	pd_expect_end(&r, -EBADMSG);
	assert_non_null(strstr(ustack_reader_error(r.reader), "no event"));
	pd_close(&r);
}

/* Ids that no event has, in a file of one event and of two. */
static void unknown_events(void **state)
{
	struct ustack_stats st = { .sz = sizeof(st) };
	struct pd_reader r;
	struct pd pd;
	int nr;

	(void)state;
	for (nr = 1; nr <= 2; nr++) {
		pd_start(&pd);
		if (nr == 2)
			pd_defer_attr(&pd, 8, DEFER_FLAGS);
		pd_sample(&pd, 101, 1000, 0xc1);
		pd_sample_of(&pd, 9, 100, 101, 1500, 0xc1);
		pd_part_of(&pd, 10, 0, 101, 2000, 0xc1, 1, 0x1000, 8, 0);
		pd_stack(&pd, 101, 2000, 0xc1);
		/* what perf synthesizes has the id 0 */
		pd_sample_of(&pd, 0, 100, 101, 3000, 0xc2);
		assert_int_equal(pd_open(&pd, &r), 0);
		pd_expect(&r, 1000, USTACK_PAIR_PAIRED);
		pd_expect(&r, 3000, USTACK_PAIR_LOST);
		pd_expect_end(&r, -EBADMSG);
		pd_expect_end(&r, -EBADMSG);
		assert_non_null(strstr(ustack_reader_error(r.reader),
				       "2 records of events that were not described, the first with the id 9"));
		assert_int_equal(ustack_reader_stats(r.reader, &st), 0);
		assert_int_equal(st.unknown_records, 2);
		assert_int_equal(st.samples, 2);
		assert_int_equal(st.stacks, 1);
		pd_close(&r);
	}
}

/* The only event may have no ids: then all is its own. */
static void event_without_ids(void **state)
{
	struct pd_reader r;
	struct pd pd = { 0 };

	(void)state;
	pd_pipe(&pd);
	pd_begin(&pd, REC_HEADER_ATTR, 0);
	pd_attr(&pd, DEFER_TYPE, DEFER_FLAGS, DEFER_MASK);
	pd_end(&pd);
	pd_sample_of(&pd, 9, 100, 101, 1000, 0xc1);
	pd_stack(&pd, 101, 2000, 0xc1);
	assert_int_equal(pd_open(&pd, &r), 0);
	pd_expect(&r, 1000, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, 0);
	pd_close(&r);
	/* and no place for one */
	pd_pipe(&pd);
	pd_begin(&pd, REC_HEADER_ATTR, 0);
	pd_attr(&pd, PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME, 0, 0);
	pd_u64(&pd, 7);
	pd_end(&pd);
	pd_begin(&pd, PERF_RECORD_SAMPLE, PERF_RECORD_MISC_USER);
	pd_u64(&pd, 0x401000);
	pd_u32x2(&pd, 100, 101);
	pd_u64(&pd, 1000);
	pd_end(&pd);
	assert_int_equal(pd_open(&pd, &r), 0);
	pd_expect(&r, 1000, USTACK_PAIR_NONE);
	pd_expect_end(&r, 0);
	pd_close(&r);
}

/*
 * The records of two compressed blocks, one of them cut in two by the block's
 * end.  v2: PERF_RECORD_COMPRESSED2, padded; else blocks of any length, after
 * which nothing is aligned.
 */
static void compressed(struct pd *pd, int v2, size_t at)
{
	struct pd plain = { 0 };
	ZSTD_CCtx *z = ZSTD_createCCtx();
	uint8_t out[8192];
	int part;

	pd_sample(&plain, 101, 1000, 0xc1);
	pd_stack(&plain, 101, 2000, 0xc1);
	pd_sample(&plain, 101, 3000, 0xc2);
	pd_stack(&plain, 101, 4000, 0xc2);
	pd_start(pd);
	for (part = 0; part < 2; part++) {
		ZSTD_inBuffer in = { plain.buf + (part ? at : 0),
				     part ? plain.n - at : at, 0 };
		ZSTD_outBuffer to = { out, sizeof(out), 0 };

		assert_int_equal(
			ZSTD_compressStream2(z, &to, &in, ZSTD_e_flush), 0);
		assert_int_equal(in.pos, in.size);
		pd_begin(pd, v2 ? REC_COMPRESSED2 : REC_COMPRESSED, 0);
		if (v2)
			pd_u64(pd, to.pos);
		pd_bytes(pd, out, to.pos);
		if (v2)
			pd_bytes(pd, "\0\0\0\0\0\0\0", -to.pos & 7);
		pd_end(pd);
		pd_round(pd);
	}
	/* a record that perf itself wrote behind them */
	pd_sample(pd, 101, 5000, 0xc3);
	pd_stack(pd, 101, 6000, 0xc3);
	ZSTD_freeCCtx(z);
	free(plain.buf);
}

static void compressed_records(void **state)
{
	size_t at;
	int v2;

	(void)state;
	for (v2 = 0; v2 < 2; v2++) {
		for (at = 1; at < 400; at += 13) {
			const struct ustack_sample *s;
			struct pd_reader r;
			struct pd pd;

			compressed(&pd, v2, at);
			assert_int_equal(pd_open(&pd, &r), 0);
			pd_expect(&r, 1000, USTACK_PAIR_PAIRED);
			pd_expect(&r, 3000, USTACK_PAIR_PAIRED);
			s = pd_next(&r);
			assert_int_equal(s->time, 5000);
			assert_int_equal((uintptr_t)s->chain % 8, 0);
			assert_int_equal((uintptr_t)s->ranges[0].data % 8, 0);
			pd_expect_end(&r, 0);
			pd_close(&r);
		}
	}
}

static void compressed_garbage(void **state)
{
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_begin(&pd, REC_COMPRESSED, 0);
	pd_str(&pd, "no zstd at all");
	pd_end(&pd);
	assert_int_equal(pd_open(&pd, &r), 0);
	pd_expect_end(&r, -EBADMSG);
	assert_non_null(strstr(ustack_reader_error(r.reader), "do not unpack"));
	pd_close(&r);
	/* data_size beyond the record */
	pd_start(&pd);
	pd_begin(&pd, REC_COMPRESSED2, 0);
	pd_u64(&pd, UINT64_MAX);
	pd_end(&pd);
	assert_int_equal(pd_open(&pd, &r), 0);
	pd_expect_end(&r, -EBADMSG);
	pd_close(&r);
}

/* Records that bring data behind them, in file order. */
static void payload_is_skipped(void **state)
{
	struct pd_reader r;
	struct pd pd;
	size_t i;

	(void)state;
	pd_start(&pd);
	pd_begin(&pd, REC_AUXTRACE, 0);
	pd_u64(&pd, 1000000);
	for (i = 0; i < 4; i++)
		pd_u64(&pd, 0);
	pd_end(&pd);
	for (i = 0; i < 1000000 / 8; i++)
		pd_u64(&pd, UINT64_MAX);
	pd_sample(&pd, 101, 1000, 0xc1);
	pd_stack(&pd, 101, 2000, 0xc1);
	assert_int_equal(pd_open(&pd, &r), 0);
	pd_expect(&r, 1000, USTACK_PAIR_PAIRED);
	pd_expect_end(&r, 0);
	pd_close(&r);
}

/* Many more records than a chunk holds, with every record size in between. */
static void across_chunks(void **state)
{
	struct pd_reader r;
	struct pd pd;
	uint64_t i;

	(void)state;
	pd_start(&pd);
	for (i = 1; i <= 2000; i++) {
		pd_sample(&pd, 101, i * 10, i);
		pd_part(&pd, 101, i * 10 + 1, i, 1, 0x1000 * i, i * 8 % 4096,
			0);
		if (i % 50 == 0)
			pd_round(&pd);
	}
	assert_int_equal(pd_open(&pd, &r), 0);
	for (i = 1; i <= 2000; i++) {
		const struct ustack_sample *s = pd_next(&r);

		assert_int_equal(s->time, i * 10);
		assert_int_equal(s->pair, USTACK_PAIR_PAIRED);
		if (!s->nr_ranges)
			continue;
		assert_int_equal(s->ranges[0].size, i * 8 % 4096);
		assert_int_equal(
			get64(s->ranges[0].data + s->ranges[0].size - 8),
			0x1000 * i + s->ranges[0].size - 8);
	}
	pd_expect_end(&r, 0);
	pd_close(&r);
}

static void event_update_names(void **state)
{
	const struct ustack_sample *s;
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_begin(&pd, REC_EVENT_UPDATE, 0);
	pd_u64(&pd, 2);
	pd_u64(&pd, DEFER_ID);
	pd_str(&pd, "nmi_clock//");
	pd_end(&pd);
	pd_sample(&pd, 101, 1000, 0xc1);
	assert_int_equal(pd_open(&pd, &r), 0);
	s = pd_next(&r);
	assert_string_equal(s->event, "nmi_clock//");
	pd_expect_end(&r, 0);
	pd_close(&r);
}

/* Names go by id: EVENT_DESC may have another order than the attrs. */
static void event_desc_names(void **state)
{
	static const char *const name[] = { "second", "first" };
	const struct ustack_sample *s;
	struct pd_reader r;
	struct pd pd;
	int i;

	(void)state;
	pd_start(&pd);
	pd_defer_attr(&pd, 8, DEFER_FLAGS);
	pd_begin(&pd, REC_HEADER_FEATURE, 0);
	pd_u64(&pd, FEAT_EVENT_DESC);
	pd_u32x2(&pd, 2, 120);
	for (i = 0; i < 2; i++) {
		pd_attr(&pd, DEFER_TYPE, DEFER_FLAGS, DEFER_MASK);
		pd_u32x2(&pd, 1, 8);
		pd_str(&pd, name[i]);
		pd_u64(&pd, i ? DEFER_ID : 8);
	}
	pd_end(&pd);
	pd_sample_of(&pd, DEFER_ID, 100, 101, 1000, 0xc1);
	pd_sample_of(&pd, 8, 100, 101, 1001, 0xc1);
	assert_int_equal(pd_open(&pd, &r), 0);
	s = pd_next(&r);
	assert_string_equal(s->event, "first");
	assert_int_equal(s->event_nr, 0);
	s = pd_next(&r);
	assert_string_equal(s->event, "second");
	assert_int_equal(s->event_nr, 1);
	assert_string_equal(ustack_reader_event(r.reader, 0), "first");
	assert_string_equal(ustack_reader_event(r.reader, 1), "second");
	assert_null(ustack_reader_event(r.reader, 2));
	pd_expect_end(&r, 0);
	pd_close(&r);
}

/* What datafile_open() needs, of a file of n samples with chains of any length. */
struct parking {
	struct chunk_pool pool;
	struct build_ids ids;
	struct events events;
	struct errline line;
	struct datafile df;
	struct pd_reader r;
};

static void parking_open(struct parking *p, int n, unsigned int *seed)
{
	struct pd pd;
	struct record attr;

	memset(p, 0, sizeof(*p));
	pd_start(&pd);
	while (n--) {
		/* small ones, and some as large as they can be */
		int size = rand_r(seed) % (rand_r(seed) % 8 ? 600 : RECORD_MAX - 8);

		pd_begin(&pd, PERF_RECORD_SAMPLE, 0);
		for (size /= 8; size--;)
			pd_u64(&pd, (uint64_t)rand_r(seed) << 32 | rand_r(seed));
		pd_end(&pd);
	}
	pd_file(&pd, &p->r);
	assert_int_equal(datafile_open(&p->df, p->r.path, &p->pool, &p->events,
				       &p->ids, &p->line),
			 0);
	assert_int_equal(datafile_next(&p->df, &attr), 1);
	record_put(&p->pool, &attr);
}

static void parking_close(struct parking *p)
{
	datafile_close(&p->df);
	assert_int_equal(p->pool.nr_live, 0);
	chunk_pool_free(&p->pool);
	events_free(&p->events);
	build_ids_free(&p->ids);
	close(p->r.fd);
}

/* Parked records that are no longer there: nothing refers to their chunk then. */
static void parked_and_gone(void **state)
{
	unsigned int seed = 1;

	(void)state;
	for (int cut = 0; cut < 2; cut++) {
		struct record rec, back = { 0 };
		struct parking p;
		uint64_t where;
		uint32_t size;

		parking_open(&p, 1, &seed);
		assert_int_equal(datafile_next(&p.df, &rec), 1);
		size = record_size(&rec);
		assert_int_equal(datafile_park(&p.df, &rec, &where), 0);
		assert_null(rec.chunk);
		if (cut)
			assert_int_equal(ftruncate(p.r.fd, where), 0);
		else
			assert_int_equal(pwrite(p.r.fd, "\0\0", 2, where + 6), 2);
		assert_int_equal(datafile_fetch(&p.df, where, size, &back), -EIO);
		assert_null(back.chunk);
		parking_close(&p);
	}
}

#define PARKED 2000

/*
 * Whatever was read ahead or is not written yet, each record comes back as it was:
 * out of the file or a temporary one, in any order, some before others are parked.
 */
static void parked_and_back(void **state)
{
	unsigned int seed = getenv("SEED") ? atoi(getenv("SEED")) : 1;
	static struct {
		uint64_t where;
		uint32_t size;
		void *copy;
	} is[PARKED];
	struct record rec;
	struct parking p;
	int n = 0, ret;

	(void)state;
	parking_open(&p, PARKED, &seed);
	while ((ret = datafile_next(&p.df, &rec)) == 1) {
		is[n].size = record_size(&rec);
		is[n].copy = memcpy(malloc(is[n].size), rec.data, is[n].size);
		if (rand_r(&seed) % 2)
			p.df.last = PARK_NONE;
		assert_int_equal(datafile_park(&p.df, &rec, &is[n].where), 0);
		n++;
		/* near the last, and so some on the way to be written; or anywhere */
		for (int back = rand_r(&seed) % 8; back--;) {
			int i = rand_r(&seed) % 2 ? rand_r(&seed) % n :
			       n - 1 - rand_r(&seed) % (n < 40 ? n : 40);

			assert_int_equal(datafile_fetch(&p.df, is[i].where, is[i].size,
							&rec), 0);
			assert_memory_equal(rec.data, is[i].copy, is[i].size);
			record_put(&p.pool, &rec);
		}
	}
	assert_int_equal(ret, 0);
	assert_int_equal(n, PARKED);
	for (int i = 0; i < n; i++) {
		assert_int_equal(datafile_fetch(&p.df, is[i].where, is[i].size, &rec), 0);
		assert_memory_equal(rec.data, is[i].copy, is[i].size);
		record_put(&p.pool, &rec);
		free(is[i].copy);
	}
	parking_close(&p);
}

static void lost_counts(void **state)
{
	struct ustack_stats st = { .sz = sizeof(st) };
	struct pd_reader r;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_begin(&pd, PERF_RECORD_LOST, 0);
	pd_u64(&pd, DEFER_ID);
	pd_u64(&pd, 5);
	pd_trailer(&pd, 100, 100, 1000, DEFER_ID);
	pd_end(&pd);
	pd_begin(&pd, PERF_RECORD_LOST_SAMPLES, 0);
	pd_u64(&pd, 3); /* by the hardware */
	pd_trailer(&pd, 100, 100, 2000, DEFER_ID);
	pd_end(&pd);
	pd_begin(&pd, PERF_RECORD_LOST_SAMPLES, 0);
	pd_u64(&pd, 7); /* perf record's sum: the 5 and 2 untold ones */
	pd_trailer(&pd, 0, 0, 0, DEFER_ID);
	pd_end(&pd);
	assert_int_equal(pd_open(&pd, &r), 0);
	pd_expect_end(&r, 0);
	ustack_reader_stats(r.reader, &st);
	assert_int_equal(st.lost_records, 10);
	pd_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(foreign),
		cmocka_unit_test(no_such_file),
		cmocka_unit_test(file_is_read),
		cmocka_unit_test(large_header),
		cmocka_unit_test(ids_overlap),
		cmocka_unit_test(many_events),
		cmocka_unit_test(other_machine),
		cmocka_unit_test(unfinished),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(damaged),
		cmocka_unit_test(unknown_events),
		cmocka_unit_test(event_without_ids),
		cmocka_unit_test(compressed_records),
		cmocka_unit_test(compressed_garbage),
		cmocka_unit_test(payload_is_skipped),
		cmocka_unit_test(across_chunks),
		cmocka_unit_test(event_update_names),
		cmocka_unit_test(event_desc_names),
		cmocka_unit_test(parked_and_gone),
		cmocka_unit_test(parked_and_back),
		cmocka_unit_test(lost_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
