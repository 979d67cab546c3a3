// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Fields of literal records, and records whose lengths lie. */
#include "perfdata.h"

/* Everything that stands before the user registers and stack. */
#define ALL_TYPE                                                              \
	(PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID |          \
	 PERF_SAMPLE_TIME | PERF_SAMPLE_ADDR | PERF_SAMPLE_ID |               \
	 PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD |       \
	 PERF_SAMPLE_READ | PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_RAW |         \
	 PERF_SAMPLE_BRANCH_STACK | PERF_SAMPLE_REGS_USER |                   \
	 PERF_SAMPLE_STACK_USER | PERF_SAMPLE_WEIGHT | PERF_SAMPLE_DATA_SRC | \
	 PERF_SAMPLE_REGS_INTR)

static const struct event all = {
	.sample_type = ALL_TYPE,
	.read_format = PERF_FORMAT_GROUP | PERF_FORMAT_ID |
		       PERF_FORMAT_TOTAL_TIME_ENABLED,
	.flags = ATTR_SAMPLE_ID_ALL,
	.branch_type = PERF_SAMPLE_BRANCH_HW_INDEX | BRANCH_COUNTERS,
	.regs_user = 1u << 0 | 1u << 7 | 1u << 8 | 1u << 23,
};

struct at {
	size_t chain, raw, branch, stack, end;
};

static void all_fields(struct pd *pd, struct at *at)
{
	memset(pd, 0, sizeof(*pd));
	pd_begin(pd, PERF_RECORD_SAMPLE, PERF_RECORD_MISC_USER);
	pd_u64(pd, 77); /* identifier */
	pd_u64(pd, 0x401000); /* ip */
	pd_u32x2(pd, 100, 101);
	pd_u64(pd, 5000); /* time */
	pd_u64(pd, 0xadd8); /* addr */
	pd_u64(pd, 77); /* id */
	pd_u64(pd, 78); /* stream id */
	pd_u32x2(pd, 3, 0); /* cpu */
	pd_u64(pd, 999); /* period */
	pd_u64(pd, 2); /* read: nr, time enabled, 2 * (value, id) */
	pd_u64(pd, 1);
	pd_u64(pd, 11);
	pd_u64(pd, 12);
	pd_u64(pd, 21);
	pd_u64(pd, 22);
	at->chain = pd->n;
	pd_u64(pd, 2);
	pd_u64(pd, PERF_CONTEXT_USER);
	pd_u64(pd, 0x401000);
	at->raw = pd->n;
	pd_u32x2(pd, 12, 0xaaaaaaaa); /* raw: u32 size, 12 bytes */
	pd_u64(pd, 0xaaaaaaaaaaaaaaaa);
	at->branch = pd->n;
	pd_u64(pd, 1); /* branch stack: nr, hw_idx, entry, counters */
	pd_u64(pd, 0);
	pd_u64(pd, 0xb1);
	pd_u64(pd, 0xb2);
	pd_u64(pd, 0xb3);
	pd_u64(pd, 0xb4);
	pd_u64(pd, USTACK_ABI_64);
	pd_u64(pd, 0xa0); /* ax, sp, ip, r15 */
	pd_u64(pd, 0x7ffe0000);
	pd_u64(pd, 0x401000);
	pd_u64(pd, 0xf15);
	at->stack = pd->n;
	pd_u64(pd, 16); /* size, data, dyn_size */
	pd_u64(pd, 0x1111);
	pd_u64(pd, 0x2222);
	pd_u64(pd, 8);
	at->end = pd->n;
	pd_u64(pd, 5); /* weight */
	pd_u64(pd, 6); /* data_src */
	pd_u64(pd, USTACK_ABI_64);
	pd_u64(pd, 0xffffffff81000000);
	pd_end(pd);
}

static struct record rec_of(const struct pd *pd)
{
	return (struct record){ pd->buf + pd->open, NULL };
}

static void all_sample_fields(void **state)
{
	struct ustack_regs regs;
	struct parsed_sample s;
	struct pd pd;
	struct record r;
	struct at at;

	(void)state;
	all_fields(&pd, &at);
	r = rec_of(&pd);
	assert_int_equal(record_time(&all, &r), 5000);
	assert_int_equal(parse_sample(&all, &r, &s), 0);
	assert_int_equal(s.ip, 0x401000);
	assert_int_equal(s.pid, 100);
	assert_int_equal(s.tid, 101);
	assert_int_equal(s.time, 5000);
	assert_int_equal(s.addr, 0xadd8);
	assert_int_equal(s.id, 77);
	assert_int_equal(s.cpu, 3);
	assert_int_equal(s.period, 999);
	assert_int_equal(s.nr_chain, 2);
	assert_int_equal(s.chain[1], 0x401000);
	assert_false(s.deferred);
	assert_int_equal(s.stack_size, 8);
	assert_int_equal(get64(s.stack), 0x1111);
	regs_fill(&regs, s.regs_abi, all.regs_user, s.regs);
	assert_int_equal(regs.abi, USTACK_ABI_64);
	assert_int_equal(regs.val[0], 0xa0);
	assert_int_equal(regs.val[7], 0x7ffe0000);
	assert_int_equal(regs.val[8], 0x401000);
	assert_int_equal(regs.val[23], 0xf15);
	free(pd.buf);
}

/* The time of what is no sample stands at its end, if it has room for it. */
static void time_of_a_short_record(void **state)
{
	const struct event ev = {
		.sample_type = PERF_SAMPLE_TIME | PERF_SAMPLE_CPU,
		.flags = ATTR_SAMPLE_ID_ALL,
	};
	uint8_t data[24] = { PERF_RECORD_COMM, [6] = 24, [8] = 77, [16] = 3 };
	struct record r = { data, NULL };

	(void)state;
	assert_int_equal(record_time(&ev, &r), 77);
	data[6] = 23;
	assert_int_equal(record_time(&ev, &r), 0);
	data[6] = 8;
	assert_int_equal(record_time(&ev, &r), 0);
}

/* Cut anywhere before the last field that is read, a record is refused. */
static void cut_sample(void **state)
{
	struct parsed_sample s;
	struct pd pd;
	struct record r;
	struct at at;
	size_t n;

	(void)state;
	all_fields(&pd, &at);
	for (n = 8; n <= pd.n; n++) {
		/* A block of its own, so that a sanitizer sees every byte. */
		uint8_t *copy = malloc(n);
		uint16_t size = n;

		memcpy(copy, pd.buf, n);
		memcpy(copy + 6, &size, 2);
		r = (struct record){ copy, NULL };
		assert_int_equal(parse_sample(&all, &r, &s),
				 n < at.end ? -EBADMSG : 0);
		free(copy);
	}
	free(pd.buf);
}

static void lying_lengths(void **state)
{
	static const uint64_t lies[] = {
		1ull << 13,	1ull << 32,	     1ull << 60,
		1ull << 61,	(1ull << 61) + 1,    1ull << 63,
		UINT64_MAX / 8, UINT64_MAX / 24 + 1, UINT64_MAX,
	};
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		for (k = 0; k < 4; k++) {
			struct parsed_sample s;
			struct pd pd;
			struct record r;
			struct at at;
			size_t where;

			all_fields(&pd, &at);
			where = k == 0 ? at.chain :
				k == 1 ? at.raw :
				k == 2 ? at.branch :
					 at.stack;
			if (k == 1) /* raw has 32 bits */
				memset(pd.buf + where, 0xff, 4);
			else
				memcpy(pd.buf + where, &lies[i], 8);
			r = rec_of(&pd);
			assert_int_equal(parse_sample(&all, &r, &s), -EBADMSG);
			free(pd.buf);
		}
	}
}

/* Raw data that would put the registers off their alignment. */
static void odd_raw(void **state)
{
	struct parsed_sample s;
	struct pd pd;
	struct record r;
	struct at at;
	uint32_t size = 11;

	(void)state;
	all_fields(&pd, &at);
	memcpy(pd.buf + at.raw, &size, 4);
	r = rec_of(&pd);
	assert_int_equal(parse_sample(&all, &r, &s), -EBADMSG);
	free(pd.buf);
}

static void dyn_size_over_size(void **state)
{
	uint64_t dyn = 17;
	struct parsed_sample s;
	struct pd pd;
	struct record r;
	struct at at;

	(void)state;
	all_fields(&pd, &at);
	memcpy(pd.buf + at.end - 8, &dyn, 8);
	r = rec_of(&pd);
	assert_int_equal(parse_sample(&all, &r, &s), -EBADMSG);
	free(pd.buf);
}

static void trailer(void **state)
{
	struct event ev = {
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
			       PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID |
			       PERF_SAMPLE_CPU | PERF_SAMPLE_IDENTIFIER,
		.flags = ATTR_SAMPLE_ID_ALL,
	};
	struct pd pd = { 0 };
	struct sample_id t;
	struct record r;

	(void)state;
	pd_begin(&pd, PERF_RECORD_COMM, 0);
	pd_u32x2(&pd, 1, 2);
	pd_str(&pd, "x");
	pd_u32x2(&pd, 100, 101);
	pd_u64(&pd, 5000);
	pd_u64(&pd, 77);
	pd_u64(&pd, 78);
	pd_u32x2(&pd, 3, 0);
	pd_u64(&pd, 77);
	pd_end(&pd);
	r = rec_of(&pd);
	assert_int_equal(parse_sample_id(&ev, &r, &t), 0);
	assert_int_equal(t.size, 48);
	assert_int_equal(t.pid, 100);
	assert_int_equal(t.tid, 101);
	assert_int_equal(t.time, 5000);
	assert_int_equal(t.cpu, 3);
	assert_int_equal(t.id, 77);
	assert_int_equal(record_time(&ev, &r), 5000);
	ev.flags = 0;
	assert_int_equal(parse_sample_id(&ev, &r, &t), 0);
	assert_int_equal(t.size, 0);
	free(pd.buf);
	/* no room for it */
	memset(&pd, 0, sizeof(pd));
	pd_begin(&pd, PERF_RECORD_COMM, 0);
	pd_u64(&pd, 0);
	pd_end(&pd);
	r = rec_of(&pd);
	ev.flags = ATTR_SAMPLE_ID_ALL;
	assert_int_equal(parse_sample_id(&ev, &r, &t), -EBADMSG);
	free(pd.buf);
}

static void stack_record(void **state)
{
	static const struct event ev = {
		.sample_type = DEFER_TYPE,
		.flags = DEFER_FLAGS,
		.regs_user = DEFER_MASK,
	};
	struct parsed_stack p;
	struct pd pd = { 0 };
	struct record r;
	size_t n;

	(void)state;
	pd_part(&pd, 101, 5000, 0xc1, 1, 0x7ffe0000, 64, 128);
	r = rec_of(&pd);
	assert_int_equal(parse_stack(&ev, &r, &p), 0);
	assert_int_equal(p.cookie, 0xc1);
	assert_int_equal(p.abi, USTACK_ABI_64);
	assert_int_equal(p.regs[0], 0x7ffe0000);
	assert_int_equal(p.regs[1], 0x401000);
	assert_int_equal(p.range.addr, 0x7ffe0000);
	assert_int_equal(p.range.size, 64);
	assert_int_equal(p.left, 128);
	assert_int_equal(p.sample_id.tid, 101);
	assert_int_equal(p.sample_id.time, 5000);
	for (n = 8; n < pd.n; n += 8) {
		uint8_t *copy = malloc(n);
		uint16_t size = n;

		memcpy(copy, pd.buf, n);
		memcpy(copy + 6, &size, 2);
		r = (struct record){ copy, NULL };
		assert_int_equal(parse_stack(&ev, &r, &p), -EBADMSG);
		free(copy);
	}
	free(pd.buf);
}

/* record_time() finds what parse_sample_id() reads, whatever is beside it. */
static void time_in_every_layout(void **state)
{
	static const uint64_t bits[] = {
		PERF_SAMPLE_TID,       PERF_SAMPLE_TIME, PERF_SAMPLE_ID,
		PERF_SAMPLE_STREAM_ID, PERF_SAMPLE_CPU,	 PERF_SAMPLE_IDENTIFIER,
		PERF_SAMPLE_IP,
	};
	uint64_t words[8];
	struct perf_event_header head = { .type = PERF_RECORD_COMM };
	struct record r = { (uint8_t *)words, NULL };

	(void)state;
	for (unsigned int set = 0; set < 2 << 7; set++) {
		struct event ev = {
			.flags = set & 1 << 7 ? ATTR_SAMPLE_ID_ALL : 0,
		};

		for (unsigned int i = 0; i < 7; i++)
			if (set & 1 << i)
				ev.sample_type |= bits[i];
		for (head.size = 8; head.size <= 64; head.size += 8) {
			struct sample_id id;

			for (unsigned int i = 1; i < 8; i++)
				words[i] = 0x100 + i;
			memcpy(words, &head, sizeof(head));
			if (!parse_sample_id(&ev, &r, &id))
				assert_int_equal(record_time(&ev, &r), id.time);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_sample_fields),
		cmocka_unit_test(time_of_a_short_record),
		cmocka_unit_test(cut_sample),
		cmocka_unit_test(lying_lengths),
		cmocka_unit_test(odd_raw),
		cmocka_unit_test(dyn_size_over_size),
		cmocka_unit_test(trailer),
		cmocka_unit_test(stack_record),
		cmocka_unit_test(time_in_every_layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
