// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Bytes of one record to its fields, every length checked. */
#include <linux/perf_event.h>

#include "reader.h"

/* What is left of a record: 64-bit words, and a fault once one is missing. */
struct words {
	const uint8_t *p, *end;
	bool bad;
};

static const uint8_t *take(struct words *w, uint64_t size)
{
	const uint8_t *p = w->p;

	if (w->bad || size > (uint64_t)(w->end - p)) {
		w->bad = true;
		return NULL;
	}
	w->p += size;
	return p;
}

static uint64_t word(struct words *w)
{
	const uint8_t *p = take(w, 8);

	return p ? get64(p) : 0;
}

static void skip(struct words *w, unsigned int nr)
{
	take(w, 8ull * nr);
}

/* nr elements of size bytes; nr comes from the file. */
static const uint8_t *array(struct words *w, uint64_t nr, unsigned int size)
{
	if (nr > (uint64_t)(w->end - w->p) / size) {
		w->bad = true;
		return NULL;
	}
	return take(w, nr * size);
}

static void skip_read(struct words *w, uint64_t format)
{
	unsigned int times = !!(format & PERF_FORMAT_TOTAL_TIME_ENABLED) +
			     !!(format & PERF_FORMAT_TOTAL_TIME_RUNNING);
	unsigned int value =
		1 + !!(format & PERF_FORMAT_ID) + !!(format & PERF_FORMAT_LOST);
	uint64_t nr = 1;

	if (format & PERF_FORMAT_GROUP)
		nr = word(w);
	skip(w, times);
	array(w, nr, value * 8);
}

static void parse_chain_field(struct words *w, struct parsed *s)
{
	uint64_t nr = word(w);

	s->chain = (const uint64_t *)array(w, nr, 8);
	if (w->bad)
		return;
	s->nr_chain = nr;
	if (nr >= 2 && s->chain[nr - 2] == CONTEXT_USER_DEFERRED) {
		s->deferred = true;
		s->cookie = s->chain[nr - 1];
	}
}

static void skip_branches(struct words *w, uint64_t branch_type)
{
	uint64_t nr = word(w);

	if (branch_type & PERF_SAMPLE_BRANCH_HW_INDEX)
		skip(w, 1);
	array(w, nr, 24);
	if (branch_type & BRANCH_COUNTERS)
		array(w, nr, 8);
}

static const uint64_t *parse_regs(struct words *w, uint64_t mask, uint64_t *abi)
{
	*abi = word(w);
	if (!*abi)
		return NULL;
	return (const uint64_t *)array(w, __builtin_popcountll(mask), 8);
}

/* u64 size, data[size], u64 dyn_size if size */
static const uint8_t *parse_bytes(struct words *w, uint64_t *dyn)
{
	uint64_t size = word(w);
	const uint8_t *p;

	*dyn = 0;
	if (!size)
		return NULL;
	p = take(w, size);
	*dyn = word(w);
	if (*dyn > size)
		w->bad = true;
	return p;
}

int parse_sample(const struct event *ev, const struct rec *r, struct parsed *s)
{
	struct words w = { r->data + 8, r->data + rec_size(r), false };
	uint64_t type = ev->sample_type, v;

	memset(s, 0, sizeof(*s));
	s->cpu = CPU_NONE;
	s->period = ev->period;
	if (type & PERF_SAMPLE_IDENTIFIER)
		s->id = word(&w);
	if (type & PERF_SAMPLE_IP)
		s->ip = word(&w);
	if (type & PERF_SAMPLE_TID) {
		v = word(&w);
		s->pid = (uint32_t)v;
		s->tid = v >> 32;
	}
	if (type & PERF_SAMPLE_TIME)
		s->time = word(&w);
	if (type & PERF_SAMPLE_ADDR)
		s->addr = word(&w);
	if (type & PERF_SAMPLE_ID)
		s->id = word(&w);
	if (type & PERF_SAMPLE_STREAM_ID)
		skip(&w, 1);
	if (type & PERF_SAMPLE_CPU)
		s->cpu = (uint32_t)word(&w);
	if (type & PERF_SAMPLE_PERIOD)
		s->period = word(&w);
	if (type & PERF_SAMPLE_READ)
		skip_read(&w, ev->read_format);
	if (type & PERF_SAMPLE_CALLCHAIN)
		parse_chain_field(&w, s);
	if (type & PERF_SAMPLE_RAW) {
		/* A u32 size and the data together fill whole words. */
		const uint8_t *p = take(&w, 4);

		if (p && (get32(p) + 4ull) % 8)
			w.bad = true;
		else if (p)
			take(&w, get32(p));
	}
	if (type & PERF_SAMPLE_BRANCH_STACK)
		skip_branches(&w, ev->branch_type);
	if (type & PERF_SAMPLE_REGS_USER)
		s->regs = parse_regs(&w, ev->regs_user, &s->regs_abi);
	if (type & PERF_SAMPLE_STACK_USER)
		s->stack = parse_bytes(&w, &s->stack_size);
	/* Weight, data_src, regs_intr and what follows are of no use here. */
	return w.bad ? -EBADMSG : 0;
}

int parse_trailer(const struct event *ev, const struct rec *r,
		  struct trailer *t)
{
	uint64_t type = ev->sample_type;
	struct words w;
	uint64_t v;

	memset(t, 0, sizeof(*t));
	t->cpu = CPU_NONE;
	if (!(ev->flags & ATTR_SAMPLE_ID_ALL))
		return 0;
	t->size =
		8 * __builtin_popcountll(
			    type & (PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
				    PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID |
				    PERF_SAMPLE_CPU | PERF_SAMPLE_IDENTIFIER));
	if (8 + t->size > rec_size(r))
		return -EBADMSG;
	w = (struct words){ r->data + rec_size(r) - t->size,
			    r->data + rec_size(r), false };
	if (type & PERF_SAMPLE_TID) {
		v = word(&w);
		t->pid = (uint32_t)v;
		t->tid = v >> 32;
	}
	if (type & PERF_SAMPLE_TIME)
		t->time = word(&w);
	if (type & PERF_SAMPLE_ID)
		t->id = word(&w);
	if (type & PERF_SAMPLE_STREAM_ID)
		skip(&w, 1);
	if (type & PERF_SAMPLE_CPU)
		t->cpu = (uint32_t)word(&w);
	if (type & PERF_SAMPLE_IDENTIFIER)
		t->id = word(&w);
	return 0;
}

int parse_stack(const struct event *ev, const struct rec *r,
		struct stack_part *p)
{
	struct words w;

	memset(p, 0, sizeof(*p));
	if (parse_trailer(ev, r, &p->id))
		return -EBADMSG;
	w = (struct words){ r->data + 8, r->data + rec_size(r) - p->id.size,
			    false };
	p->cookie = word(&w);
	p->regs = parse_regs(&w, ev->regs_user, &p->abi);
	p->range.addr = word(&w);
	p->left = word(&w);
	p->range.data = parse_bytes(&w, &p->range.size);
	return w.bad ? -EBADMSG : 0;
}

int parse_chain(const struct event *ev, const struct rec *r,
		struct chain_part *p)
{
	struct words w;

	memset(p, 0, sizeof(*p));
	if (parse_trailer(ev, r, &p->id))
		return -EBADMSG;
	w = (struct words){ r->data + 8, r->data + rec_size(r) - p->id.size,
			    false };
	p->cookie = word(&w);
	p->nr = word(&w);
	p->ips = (const uint64_t *)array(&w, p->nr, 8);
	return w.bad ? -EBADMSG : 0;
}

uint64_t rec_time(const struct event *ev, const struct rec *r)
{
	uint64_t type = ev->sample_type;
	struct trailer t;
	unsigned int at;

	if (!(type & PERF_SAMPLE_TIME))
		return 0;
	if (rec_type(r) == PERF_RECORD_SAMPLE) {
		at = 8 + 8 * __builtin_popcountll(
				     type & (PERF_SAMPLE_IDENTIFIER |
					     PERF_SAMPLE_IP | PERF_SAMPLE_TID));
		return at + 8 <= rec_size(r) ? get64(r->data + at) : 0;
	}
	return parse_trailer(ev, r, &t) ? 0 : t.time;
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
