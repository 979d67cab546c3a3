// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Bytes of one record to its fields, every length checked. */
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

#include "read/record.h"
#include "read/perf_abi.h"

/* All between the record's header and the last id_size bytes. */
static struct buf body(const struct record *r, size_t id_size)
{
	return (struct buf){ r->data + 8, r->data + record_size(r) - id_size,
			     false };
}

static void skip(struct buf *b, unsigned int words)
{
	buf_skip(b, 8ull * words);
}

/* nr elements of size bytes; nr comes from the file, the product may overflow. */
static const uint8_t *array(struct buf *b, uint64_t nr, unsigned int size)
{
	return buf_skip(b, nr > buf_left(b) ? UINT64_MAX : nr * size);
}

static void skip_read(struct buf *b, uint64_t format)
{
	unsigned int times = !!(format & PERF_FORMAT_TOTAL_TIME_ENABLED) +
			     !!(format & PERF_FORMAT_TOTAL_TIME_RUNNING);
	unsigned int value =
		1 + !!(format & PERF_FORMAT_ID) + !!(format & PERF_FORMAT_LOST);
	uint64_t nr = 1;

	if (format & PERF_FORMAT_GROUP)
		nr = buf_u64(b);
	skip(b, times);
	array(b, nr, value * 8);
}

static void parse_chain_field(struct buf *b, struct parsed_sample *s)
{
	uint64_t nr = buf_u64(b);

	s->chain = (const uint64_t *)array(b, nr, 8);
	if (b->bad)
		return;
	s->nr_chain = nr;
	if (nr >= 2 && s->chain[nr - 2] == CONTEXT_USER_DEFERRED) {
		s->deferred = true;
		s->cookie = s->chain[nr - 1];
	}
}

static void skip_branches(struct buf *b, uint64_t branch_type)
{
	uint64_t nr = buf_u64(b);

	if (branch_type & PERF_SAMPLE_BRANCH_HW_INDEX)
		skip(b, 1);
	array(b, nr, 24);
	if (branch_type & BRANCH_COUNTERS)
		array(b, nr, 8);
}

static const uint64_t *parse_regs(struct buf *b, uint64_t mask, uint64_t *abi)
{
	*abi = buf_u64(b);
	if (!*abi)
		return NULL;
	return (const uint64_t *)array(b, __builtin_popcountll(mask), 8);
}

/* u64 size, data[size], u64 dyn_size if size */
static const uint8_t *parse_bytes(struct buf *b, uint64_t *dyn)
{
	uint64_t size = buf_u64(b);
	const uint8_t *p;

	*dyn = 0;
	if (!size)
		return NULL;
	p = buf_skip(b, size);
	*dyn = buf_u64(b);
	if (*dyn > size)
		b->bad = true;
	return p;
}

int parse_sample(const struct event *ev, const struct record *r,
		 struct parsed_sample *s)
{
	struct buf b = body(r, 0);
	uint64_t type = ev->sample_type, v;

	memset(s, 0, sizeof(*s));
	s->cpu = CPU_NONE;
	s->period = ev->period;
	if (type & PERF_SAMPLE_IDENTIFIER)
		s->id = buf_u64(&b);
	if (type & PERF_SAMPLE_IP)
		s->ip = buf_u64(&b);
	if (type & PERF_SAMPLE_TID) {
		v = buf_u64(&b);
		s->pid = (uint32_t)v;
		s->tid = v >> 32;
	}
	if (type & PERF_SAMPLE_TIME)
		s->time = buf_u64(&b);
	if (type & PERF_SAMPLE_ADDR)
		s->addr = buf_u64(&b);
	if (type & PERF_SAMPLE_ID)
		s->id = buf_u64(&b);
	if (type & PERF_SAMPLE_STREAM_ID)
		skip(&b, 1);
	if (type & PERF_SAMPLE_CPU)
		s->cpu = (uint32_t)buf_u64(&b);
	if (type & PERF_SAMPLE_PERIOD)
		s->period = buf_u64(&b);
	if (type & PERF_SAMPLE_READ)
		skip_read(&b, ev->read_format);
	if (type & PERF_SAMPLE_CALLCHAIN)
		parse_chain_field(&b, s);
	if (type & PERF_SAMPLE_RAW) {
		/* A u32 size and the data together fill whole words. */
		const uint8_t *p = buf_skip(&b, 4);

		if (p && (get32(p) + 4ull) % 8)
			b.bad = true;
		else if (p)
			buf_skip(&b, get32(p));
	}
	if (type & PERF_SAMPLE_BRANCH_STACK)
		skip_branches(&b, ev->branch_type);
	if (type & PERF_SAMPLE_REGS_USER)
		s->regs = parse_regs(&b, ev->regs_user, &s->regs_abi);
	if (type & PERF_SAMPLE_STACK_USER)
		s->stack = parse_bytes(&b, &s->stack_size);
	/* Weight, data_src, regs_intr and what follows are of no use here. */
	return b.bad ? -EBADMSG : 0;
}

int parse_sample_id(const struct event *ev, const struct record *r,
		    struct sample_id *id)
{
	uint64_t type = ev->sample_type;
	struct buf b;
	uint64_t v;

	memset(id, 0, sizeof(*id));
	id->cpu = CPU_NONE;
	if (!(ev->flags & ATTR_SAMPLE_ID_ALL))
		return 0;
	id->size =
		8 * __builtin_popcountll(
			    type & (PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
				    PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID |
				    PERF_SAMPLE_CPU | PERF_SAMPLE_IDENTIFIER));
	if (8 + id->size > record_size(r))
		return -EBADMSG;
	b = (struct buf){ r->data + record_size(r) - id->size,
			  r->data + record_size(r), false };
	if (type & PERF_SAMPLE_TID) {
		v = buf_u64(&b);
		id->pid = (uint32_t)v;
		id->tid = v >> 32;
	}
	if (type & PERF_SAMPLE_TIME)
		id->time = buf_u64(&b);
	if (type & PERF_SAMPLE_ID)
		id->id = buf_u64(&b);
	if (type & PERF_SAMPLE_STREAM_ID)
		skip(&b, 1);
	if (type & PERF_SAMPLE_CPU)
		id->cpu = (uint32_t)buf_u64(&b);
	if (type & PERF_SAMPLE_IDENTIFIER)
		id->id = buf_u64(&b);
	return 0;
}

int parse_stack(const struct event *ev, const struct record *r,
		struct parsed_stack *p)
{
	struct buf b;
	uint64_t ids;

	memset(p, 0, sizeof(*p));
	if (parse_sample_id(ev, r, &p->sample_id))
		return -EBADMSG;
	b = body(r, p->sample_id.size);
	ids = buf_u64(&b);
	p->pid = (uint32_t)ids;
	p->tid = ids >> 32;
	p->cookie = buf_u64(&b);
	p->flags = buf_u64(&b);
	if (p->flags & STACK_FIRST) {
		p->abi = buf_u64(&b);
		p->mask = buf_u64(&b);
		p->regs = (const uint64_t *)array(&b, __builtin_popcountll(p->mask), 8);
	}
	p->range.addr = buf_u64(&b);
	p->left = buf_u64(&b);
	p->range.data = parse_bytes(&b, &p->range.size);
	return b.bad ? -EBADMSG : 0;
}

int parse_chain(const struct event *ev, const struct record *r,
		struct parsed_chain *p)
{
	struct buf b;

	memset(p, 0, sizeof(*p));
	if (parse_sample_id(ev, r, &p->sample_id))
		return -EBADMSG;
	b = body(r, p->sample_id.size);
	p->cookie = buf_u64(&b);
	p->nr = buf_u64(&b);
	p->ips = (const uint64_t *)array(&b, p->nr, 8);
	return b.bad ? -EBADMSG : 0;
}

uint64_t record_time(const struct event *ev, const struct record *r)
{
	uint64_t type = ev->sample_type;
	unsigned int at, size = record_size(r);

	if (!(type & PERF_SAMPLE_TIME))
		return 0;
	if (record_type(r) == PERF_RECORD_SAMPLE) {
		at = 8 + 8 * __builtin_popcountll(
				     type & (PERF_SAMPLE_IDENTIFIER |
					     PERF_SAMPLE_IP | PERF_SAMPLE_TID));
		return at + 8 <= size ? get64(r->data + at) : 0;
	}
	if (!(ev->flags & ATTR_SAMPLE_ID_ALL))
		return 0;
	/* Counted from the end: it and what follows it in the sample_id. */
	at = 8 * __builtin_popcountll(
			 type & (PERF_SAMPLE_TIME | PERF_SAMPLE_ID |
				 PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU |
				 PERF_SAMPLE_IDENTIFIER));
	return 8 + at <= size ? get64(r->data + size - at) : 0;
}

void regs_fill(struct ustack_regs *regs, uint64_t abi, uint64_t mask,
	       const uint64_t *words)
{
	regs->abi = USTACK_ABI_NONE;
	regs->mask = 0;
	if (!words || (abi != USTACK_ABI_32 && abi != USTACK_ABI_64))
		return;
	regs->abi = abi;
	regs->mask = mask;
	for (; mask; mask &= mask - 1)
		regs->val[__builtin_ctzll(mask)] = *words++;
}
