// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* One record of an event of any kind: its fields lie within it. */
#include <linux/perf_event.h>

#include "fuzz.h"
#include "read/record.h"

/* Reads all of it, which ASan watches. */
static void touch(const void *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		(void)((const volatile uint8_t *)p)[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct event ev = { 0 };
	struct ustack_regs regs;
	struct parsed_stack stack;
	struct parsed_chain chain;
	struct sample_id id;
	struct parsed_sample sample;
	uint16_t rec_size;
	uint64_t time;
	struct record rec;
	uint8_t *p;

	ev.sample_type = input_u64(&in);
	ev.read_format = input_u8(&in);
	ev.flags = input_u64(&in);
	ev.branch_type = input_u64(&in);
	ev.regs_user = input_u64(&in);
	/* datafile lets only whole records through. */
	rec_size = in.left < UINT16_MAX ? in.left : UINT16_MAX;
	if (rec_size < 8)
		return 0;
	p = input_copy(&in, rec_size);
	memcpy(p + 6, &rec_size, 2);
	rec = (struct record){ .data = p };

	time = record_time(&ev, &rec);
	if (!parse_sample(&ev, &rec, &sample)) {
		touch(sample.chain, 8 * sample.nr_chain);
		touch(sample.stack, sample.stack_size);
		regs_fill(&regs, sample.regs_abi, ev.regs_user, sample.regs);
	}
	if (!parse_sample_id(&ev, &rec, &id) &&
	    (id.size > rec_size ||
	     (record_type(&rec) != PERF_RECORD_SAMPLE && time != id.time)))
		abort();
	if (!parse_stack(&ev, &rec, &stack)) {
		touch(stack.range.data, stack.range.size);
		regs_fill(&regs, stack.abi, stack.mask, stack.regs);
	}
	if (!parse_chain(&ev, &rec, &chain))
		touch(chain.ips, 8 * chain.nr);
	free(p);
	return 0;
}
