// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Functions of the reader called out of turn: each says so, changes nothing,
 * and the calls that are in turn work afterwards.
 */
#include "perfdata.h"

#define RING (4096 + 8192)

static struct ustack_images *images;
static struct ustack_reader *reader;
static struct perf_event_mmap_page *ring;
static const struct ustack_sample *sample;

static int setup(void **state)
{
	(void)state;
	ring = aligned_alloc(4096, RING);
	if (!ring)
		return -1;
	memset(ring, 0, RING);
	ring->data_offset = 4096;
	ring->data_size = RING - 4096;
	return ustack_images_new(&images, NULL) ||
	       ustack_reader_new(&reader, images);
}

static int teardown(void **state)
{
	(void)state;
	ustack_reader_free(reader);
	ustack_images_free(images);
	free(ring);
	return 0;
}

/* ret is -err, and the line has these words. */
static void refused(int ret, int err, const char *words)
{
	const char *line = ustack_reader_error(reader);

	assert_int_equal(ret, -err);
	if (!strstr(line, words))
		print_error("'%s' has no '%s'\n", line, words);
	assert_non_null(strstr(line, words));
}

static int add_event(void)
{
	struct pd pd = { 0 };
	int ret;

	pd_attr(&pd, DEFER_TYPE, DEFER_FLAGS, DEFER_MASK);
	ret = ustack_reader_add_event(reader,
				      (const struct perf_event_attr *)pd.buf,
				      NULL, 0, NULL);
	free(pd.buf);
	return ret;
}

static int next(void)
{
	return ustack_reader_next(reader, &sample);
}

static int stats(void)
{
	struct ustack_stats st = { .sz = sizeof(st) };

	return ustack_reader_stats(reader, &st);
}

static void nothing_opened(void **state)
{
	(void)state;
	refused(next(), EINVAL, "was not opened");
	assert_null(sample);
	refused(ustack_reader_hold(reader), EINVAL, "no sample to hold");
	refused(stats(), EINVAL, "was not opened");
	refused(ustack_reader_finish(reader), EINVAL, "no rings");
	assert_int_equal(ustack_reader_open_ring(reader, ring, RING), 0);
	refused(next(), EINVAL, "no event");
	assert_int_equal(add_event(), 0);
	assert_int_equal(next(), -EAGAIN);
}

static void events_before_a_file(void **state)
{
	(void)state;
	assert_int_equal(add_event(), 0);
	refused(ustack_reader_open(reader, "/dev/null"), EBUSY,
		"reader of its own");
	refused(next(), EINVAL, "was not opened");
	assert_int_equal(ustack_reader_open_ring(reader, ring, RING), 0);
	assert_int_equal(next(), -EAGAIN);
}

static void rings_end(void **state)
{
	(void)state;
	assert_int_equal(add_event(), 0);
	assert_int_equal(ustack_reader_open_ring(reader, ring, RING), 0);
	refused(ustack_reader_open(reader, "/dev/null"), EBUSY,
		"reader of its own");
	refused(ustack_reader_hold(reader), EINVAL, "no sample to hold");
	assert_int_equal(ustack_reader_finish(reader), 0);
	refused(ustack_reader_open_ring(reader, ring, RING), EINVAL,
		"ustack_reader_finish");
	assert_int_equal(next(), 0);
	assert_int_equal(next(), 0);
}

static void attr_without_size(void **state)
{
	struct perf_event_attr attr = { .sample_period = 1 };

	(void)state;
	refused(ustack_reader_add_event(reader, &attr, NULL, 0, NULL), EINVAL,
		"attr.size");
	attr.size = PERF_ATTR_SIZE_VER0;
	assert_int_equal(
		ustack_reader_add_event(reader, &attr, NULL, 0, NULL), 0);
}

static int add_another(uint64_t sample_type, uint64_t flags, uint64_t id)
{
	struct pd pd = { 0 };
	int ret;

	pd_attr(&pd, sample_type, flags, DEFER_MASK);
	ret = ustack_reader_add_event(reader,
				      (const struct perf_event_attr *)pd.buf,
				      &id, id ? 1 : 0, NULL);
	free(pd.buf);
	return ret;
}

/* Records of two events can be told apart, or the second is refused. */
static void events_with_ids(void **state)
{
	const uint64_t by_id = (DEFER_TYPE & ~(uint64_t)PERF_SAMPLE_IDENTIFIER) |
			       PERF_SAMPLE_ID;

	(void)state;
	assert_int_equal(add_another(DEFER_TYPE, DEFER_FLAGS, 1), 0);
	refused(add_another(DEFER_TYPE, DEFER_FLAGS, 0), EINVAL, "without ids");
	refused(add_another(by_id, DEFER_FLAGS, 2), EINVAL, "different places");
	refused(add_another(DEFER_TYPE, 0, 2), EINVAL, "different places");
	assert_int_equal(
		add_another(DEFER_TYPE | PERF_SAMPLE_CPU, DEFER_FLAGS, 2), 0);
}

static void events_without_ids(void **state)
{
	(void)state;
	assert_int_equal(add_another(DEFER_TYPE, DEFER_FLAGS, 0), 0);
	refused(add_another(DEFER_TYPE, DEFER_FLAGS, 1), EINVAL, "without ids");
	refused(add_another(DEFER_TYPE, DEFER_FLAGS, 0), EINVAL, "without ids");
}

/* Nothing tells them apart, ids or not. */
static void events_without_places(void **state)
{
	const uint64_t none = DEFER_TYPE & ~(uint64_t)PERF_SAMPLE_IDENTIFIER;

	(void)state;
	assert_int_equal(add_another(none, DEFER_FLAGS, 1), 0);
	refused(add_another(none, DEFER_FLAGS, 2), EINVAL, "different places");
}

static void file_stands_alone(void **state)
{
	struct pd_reader file;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_file(&pd, &file);
	assert_int_equal(ustack_reader_open(reader, file.path), 0);
	refused(ustack_reader_open(reader, file.path), EBUSY,
		"reader of its own");
	refused(add_event(), EBUSY, "describes its events itself");
	refused(ustack_reader_add_process(reader, getpid()), EBUSY,
		"tells of its processes itself");
	refused(ustack_reader_open_ring(reader, ring, RING), EBUSY,
		"takes the whole reader");
	refused(ustack_reader_finish(reader), EINVAL, "no rings");
	assert_int_equal(next(), 0);
	assert_int_equal(stats(), 0);
	close(file.fd);
}

/* Whoever does not look at what open() returned learns it from next(). */
static void file_not_opened(void **state)
{
	(void)state;
	refused(ustack_reader_open(reader, "/does/not/exist"), ENOENT,
		"cannot open");
	refused(next(), ENOENT, "cannot open");
	refused(next(), ENOENT, "cannot open");
	refused(ustack_reader_hold(reader), EINVAL, "no sample to hold");
	assert_int_equal(stats(), 0);
	/* And whoever tries something else, that it takes another reader. */
	refused(ustack_reader_open(reader, "/dev/null"), EBUSY,
		"failed to open a file before; free it");
	refused(add_event(), EBUSY, "failed to open");
	refused(ustack_reader_add_process(reader, getpid()), EBUSY,
		"failed to open");
	refused(ustack_reader_open_ring(reader, ring, RING), EBUSY,
		"failed to open");
	refused(ustack_reader_finish(reader), EINVAL, "failed to open");
	refused(next(), ENOENT, "cannot open");
}

/* What ends the reading is told whatever failed before or after. */
static void line_of_the_end(void **state)
{
	uint64_t lie = UINT64_MAX;
	struct pd_reader file;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 101, 1000, 1);
	memcpy(pd.buf + pd.open + 40, &lie, 8); /* the length of its chain */
	pd_file(&pd, &file);
	assert_int_equal(ustack_reader_open(reader, file.path), 0);
	refused(ustack_reader_hold(reader), EINVAL, "no sample to hold");
	refused(next(), EBADMSG, "a record of type 9");
	refused(ustack_reader_hold(reader), EINVAL, "no sample to hold");
	refused(next(), EBADMSG, "a record of type 9");
	close(file.fd);
}

static void held_once(void **state)
{
	const struct ustack_sample *held;
	struct pd_reader file;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 101, 1000, 1);
	pd_sample(&pd, 101, 2000, 2);
	pd_file(&pd, &file);
	assert_int_equal(ustack_reader_open(reader, file.path), 0);
	refused(ustack_reader_hold(reader), EINVAL, "no sample to hold");
	assert_int_equal(next(), 1);
	refused(ustack_reader_release(reader, sample), EINVAL, "is not held");
	refused(ustack_reader_release(reader, NULL), EINVAL, "is not held");
	held = sample;
	assert_int_equal(ustack_reader_hold(reader), 0);
	refused(ustack_reader_hold(reader), EINVAL, "no sample to hold");
	assert_int_equal(next(), 1);
	assert_int_equal(held->time, 1000);
	assert_int_equal(sample->time, 2000);
	assert_int_equal(ustack_reader_release(reader, held), 0);
	refused(ustack_reader_release(reader, held), EINVAL, "is not held");
	assert_int_equal(sample->time, 2000);
	assert_int_equal(next(), 0);
	refused(ustack_reader_hold(reader), EINVAL, "no sample to hold");
	close(file.fd);
}

/* A caller of an older or newer library, and one that forgot sz. */
static void stats_of_any_size(void **state)
{
	struct {
		struct ustack_stats st;
		uint64_t newer;
	} big = { .st.sz = sizeof(big), .newer = 1 };
	struct ustack_stats st;
	struct pd_reader file;
	struct pd pd;

	(void)state;
	pd_start(&pd);
	pd_sample(&pd, 101, 1000, 0);
	pd_file(&pd, &file);
	assert_int_equal(ustack_reader_open(reader, file.path), 0);
	assert_int_equal(next(), 1);
	assert_int_equal(ustack_reader_stats(reader, &big.st), 0);
	assert_int_equal(big.st.samples, 1);
	assert_int_equal(big.st.lost, 1);
	assert_int_equal(big.st.lost_by[USTACK_LOST_COOKIE], 1);
	assert_true(big.st.sample_bytes > 0);
	assert_int_equal(big.newer, 0);
	memset(&st, 0xee, sizeof(st));
	st.sz = offsetof(struct ustack_stats, legacy);
	assert_int_equal(ustack_reader_stats(reader, &st), 0);
	assert_int_equal(st.samples, 1);
	assert_true(st.legacy == 0xeeeeeeeeeeeeeeee);
	st.sz = 0;
	refused(ustack_reader_stats(reader, &st), EINVAL, "stats.sz is 0");
	close(file.fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_opened),	 TEST(events_before_a_file),
		TEST(rings_end),	 TEST(attr_without_size),
		TEST(events_with_ids),	 TEST(events_without_ids),
		TEST(events_without_places),
		TEST(file_stands_alone), TEST(file_not_opened),
		TEST(line_of_the_end),
		TEST(held_once),	 TEST(stats_of_any_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
