// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Where each record goes.  Those with a time wait in the order first; then they
 * change processes, meet their samples, or are samples themselves.
 */
#include <errno.h>
#include <linux/perf_event.h>

#include "read/header.h"
#include "read/perf_abi.h"
#include "read/reader.h"
#include "read/stay.h"

#define PACK_ABOVE 96 /* chunks */
#define TRIM_EVERY (2u << 20) /* bytes */

void reading_ends(struct ustack_reader *r, int ret)
{
	if (r->ended)
		return;
	r->ended = true;
	r->end = ret;
	r->end_line = r->line;
	order_end(&r->order);
}

void reading_fails(struct ustack_reader *r, const struct record *rec, int ret)
{
	/* The first error is the cause of those that follow. */
	if (r->end)
		return;
	r->end = ret;
	if (ret == -ENOMEM)
		errline_set(&r->line, ENOMEM, "out of memory");
	else if (ret == -E2BIG)
		errline_set(
			&r->line, E2BIG,
			"is damaged: it names more threads than a kernel can have");
	else if (!r->line.text[0])
		errline_set(
			&r->line, -ret,
			"is damaged: a record of type %u and size %u does not hold what it should; reading stopped there",
			record_type(rec), record_size(rec));
	r->end_line = r->line;
	reading_ends(r, ret);
}

/* --- records of the kernel, in order --------------------------------------- */

/* A part of a capture, where it is in the file. */
static int bring_part(struct ustack_reader *r, struct thread *th,
		      struct capture_part *part)
{
	const struct event *ev;
	struct parsed_chain chain;
	struct parsed_stack stack;
	struct record rec;
	uint64_t id;
	int ret;

	ret = datafile_fetch(&r->datafile, part->where, part->size, &rec);
	if (ret)
		return ret;
	ev = events_of(&r->events, &rec, &id);
	ret = !ev	  ? -EBADMSG :
	      part->chain ? parse_chain(ev, &rec, &chain) :
			    parse_stack(ev, &rec, &stack);
	if (!ret)
		ret = part->chain ? pair_chain(&r->pairing, th, ev, &rec,
					       &chain, r->now) :
				    pair_stack(&r->pairing, th, ev, &rec,
					       &stack, r->now);
	record_put(&r->pool, &rec);
	return ret;
}

/* All of the capture that a sample is to have, unless its stay has it. */
static int bring_capture(struct ustack_reader *r, struct thread *th,
			 uint64_t cookie, unsigned int want)
{
	struct capture_part *part;
	struct stay *st;
	size_t nr;
	int ret = 0;

	st = pair_stay(&r->pairing, th, cookie, r->now);
	if (!st)
		return -ENOMEM;
	/* It may have come before the sample: the space is that of then. */
	if (st->brought || st->uses || !(want & ~st->have))
		return 0;
	part = captures_find(&r->captures, th->tid, cookie, &nr);
	/* After execve() it is in maps that are yet to come: it waits for these. */
	if (nr && part->changed) {
		st->comes = true;
		return 0;
	}
	stay_forget(&r->pairing, st);
	st->brought = true;
	for (; nr && !ret; nr--, part++)
		ret = bring_part(r, th, part);
	return ret;
}

/* A sample of a file leaves in its turn: what it waits for is brought, if it is there. */
static int take_deferred(struct ustack_reader *r, const struct event *ev,
			 const struct record *rec,
			 const struct parsed_sample *s, struct thread *th)
{
	bool indexed = r->captures.indexed && s->cookie && pair_wants(ev);
	struct stay *st;
	int ret = indexed ? bring_capture(r, th, s->cookie, pair_wants(ev)) : 0;

	if (!ret)
		ret = pair_sample(&r->pairing, th, ev, rec, s, r->now);
	if (ret || !indexed)
		return ret;
	st = pair_stay(&r->pairing, th, s->cookie, r->now);
	if (st && st->uses == 1)
		captures_taken(&r->captures, th->tid, s->cookie);
	return 0;
}

static int take_sample(struct ustack_reader *r, const struct event *ev,
		       const struct record *rec)
{
	struct parsed_sample s;
	struct thread *th;
	int ret;

	ret = parse_sample(ev, rec, &s);
	if (ret)
		return ret;
	if (!(ev->sample_type & PERF_SAMPLE_TID))
		s.pid = s.tid = UINT32_MAX;
	ret = processes_thread(&r->processes, s.pid, s.tid, &th);
	if (ret)
		return ret;
	if (s.deferred)
		return take_deferred(r, ev, rec, &s, th);
	if (pair_holds(&r->pairing))
		return pair_whole(&r->pairing, th, ev, rec, s.time);
	ret = sample_fill(r, ev, rec, &s, th);
	return ret ? ret : 1;
}

/* A sample that came before has all of its stay already. */
static bool was_brought(struct ustack_reader *r, struct thread *th,
			uint64_t cookie)
{
	const struct stay *st;

	if (!r->captures.indexed)
		return false;
	st = pair_stay(&r->pairing, th, cookie, r->now);
	return st && st->brought;
}

static int take_stack(struct ustack_reader *r, const struct event *ev,
		      const struct record *rec)
{
	struct parsed_stack part;
	struct thread *th;
	int ret;

	ret = parse_stack(ev, rec, &part);
	if (!ret && part.flags & ~(uint64_t)STACK_FLAGS)
		return 0;
	if (!ret)
		ret = processes_thread(&r->processes, part.pid, part.tid, &th);
	if (!ret && !was_brought(r, th, part.cookie))
		ret = pair_stack(&r->pairing, th, ev, rec, &part, r->now);
	return ret;
}

static int take_chain(struct ustack_reader *r, const struct event *ev,
		      const struct record *rec)
{
	struct parsed_chain chain;
	struct thread *th;
	int ret;

	ret = parse_chain(ev, rec, &chain);
	if (!ret)
		ret = processes_thread(&r->processes, chain.sample_id.pid,
				       chain.sample_id.tid, &th);
	if (!ret && !was_brought(r, th, chain.cookie))
		ret = pair_chain(&r->pairing, th, ev, rec, &chain, r->now);
	return ret;
}

static int take_exit(struct ustack_reader *r, const struct record *rec,
		     size_t end)
{
	const struct thread *th;
	uint32_t tid;
	int ret;

	ret = processes_exit(&r->processes, rec, end, &tid);
	if (ret)
		return ret;
	th = processes_find_thread(&r->processes, tid);
	if (th)
		pair_task_left(&r->pairing, tid, th->cookie, r->now, true);
	return 0;
}

static int take_lost(struct ustack_reader *r, const struct record *rec,
		     size_t end, uint64_t time)
{
	if (record_type(rec) == PERF_RECORD_LOST) {
		if (end < 24)
			return -EBADMSG;
		r->lost_ring += get64(rec->data + 16);
		r->pairing.nr_lost = r->lost_ring;
		return 0;
	}
	if (end < 16)
		return -EBADMSG;
	/* The kernel's own carry a time, those of perf record do not. */
	if (time)
		r->lost_hw += get64(rec->data + 8);
	else
		r->lost_total += get64(rec->data + 8);
	return 0;
}

int dispatch(struct ustack_reader *r, const struct event *ev,
	     const struct record *rec, uint64_t time)
{
	struct sample_id id;
	size_t end; /* of what is the record's own */

	if (time > r->now) {
		r->now = time;
		pair_expire(&r->pairing, r->now, false);
	}
	switch (record_type(rec)) {
	case PERF_RECORD_SAMPLE:
		return take_sample(r, ev, rec);
	case REC_STACK_DEFERRED:
		return take_stack(r, ev, rec);
	case REC_CALLCHAIN_DEFERRED:
		return take_chain(r, ev, rec);
	}
	if (parse_sample_id(ev, rec, &id))
		return -EBADMSG;
	end = record_size(rec) - id.size;
	switch (record_type(rec)) {
	case PERF_RECORD_MMAP:
	case PERF_RECORD_MMAP2:
		return processes_map(&r->processes, &r->build_ids, rec, end);
	case PERF_RECORD_COMM:
		return processes_comm(&r->processes, rec, end);
	case PERF_RECORD_FORK:
		return processes_fork(&r->processes, rec, end);
	case PERF_RECORD_EXIT:
		return take_exit(r, rec, end);
	case PERF_RECORD_LOST:
	case PERF_RECORD_LOST_SAMPLES:
		return take_lost(r, rec, end, time);
	}
	return 0;
}

/* --- records as they are read ---------------------------------------------- */

/* A record that perf wrote: it counts from its place in the file on. */
static int take_from_perf(struct ustack_reader *r, const struct record *rec)
{
	const uint8_t *d = rec->data;
	size_t size = record_size(rec);

	switch (record_type(rec)) {
	case REC_FINISHED_ROUND:
		order_round(&r->order, UINT64_MAX);
		return 0;
	case REC_HEADER_ATTR:
		return events_take_attr(&r->events, rec, &r->line);
	case REC_EVENT_UPDATE:
		events_update(&r->events, d, size);
		return 0;
	case REC_HEADER_BUILD_ID:
		return build_ids_add(&r->build_ids, d, size);
	case REC_HEADER_FEATURE:
		if (size < 16)
			return -EBADMSG;
		return header_feature(get64(d + 8), d + 16, size - 16,
				      &r->events, &r->build_ids, &r->line);
	}
	return 0;
}

/* Lets the record wait for all that is older.  Takes it over. */
static int put_in_order(struct ustack_reader *r, const struct event *ev,
			uint64_t time, struct record *rec)
{
	struct order_entry e = {
		.time = time,
		.record = *rec,
		.ev = ev,
		.size = record_size(rec),
	};
	int ret;

	if (r->source == SOURCE_RINGS) {
		rings_time(&r->rings, time);
	} else if (order_full(&r->order)) {
		ret = datafile_park(&r->datafile, &e.record, &e.parked);
		*rec = e.record;
		if (ret)
			return ret;
	}
	return order_add(&r->order, &e);
}

/* What is in the record cannot be told, but where the next one begins can. */
static int no_event(struct ustack_reader *r, uint64_t id)
{
	if (!r->events.nr)
		return errline_set(
			&r->line, EBADMSG,
			"is damaged: it has records but describes no event");
	if (!r->stats.unknown_records++)
		r->unknown_id = id;
	return 0;
}

/*
 * A record just read.  1: the current sample is filled and borrows from it;
 * 0: it was taken over, or is not needed any more and rec->chunk is set.
 */
static int take_read(struct ustack_reader *r, struct record *rec)
{
	const struct event *ev;
	uint64_t id, time;
	int ret;

	if (record_type(rec) >= REC_USER_TYPES)
		return take_from_perf(r, rec);
	ev = events_of(&r->events, rec, &id);
	if (!ev)
		return no_event(r, id);
	time = record_time(ev, rec);
	if (!time || time == UINT64_MAX)
		return dispatch(r, ev, rec, 0);
	ret = put_in_order(r, ev, time, rec);
	if (!ret)
		rec->chunk = NULL;
	return ret;
}

/* Keeps the memory within bounds. */
static int trim(struct ustack_reader *r)
{
	int ret;

	pair_trim(&r->pairing);
	if (r->pack_above < PACK_ABOVE)
		r->pack_above = PACK_ABOVE;
	if (r->pool.nr_live <= r->pack_above)
		return 0;
	ret = order_pack(&r->order, &r->pool);
	if (!ret)
		ret = pair_pack(&r->pairing);
	r->pack_above = r->pool.nr_live * 2;
	return ret;
}

static int trim_at_times(struct ustack_reader *r, size_t read)
{
	r->untrimmed += read;
	if (r->untrimmed < TRIM_EVERY)
		return 0;
	r->untrimmed = 0;
	return trim(r);
}

/* All rings were read once.  0, or -EAGAIN if that brought nothing. */
static int round_ends(struct ustack_reader *r)
{
	bool idle = !r->rings.got && r->order.head == r->order.nr;

	order_round(&r->order, rings_bound(&r->rings));
	if (!idle)
		return 0;
	if (!r->finished)
		return -EAGAIN;
	reading_ends(r, 0);
	return 0;
}

int dispatch_next(struct ustack_reader *r)
{
	bool live = r->source == SOURCE_RINGS;
	struct record rec;
	int ret;

	ret = live ? rings_next(&r->rings, &rec) :
		     datafile_next(&r->datafile, &rec);
	if (!ret && live)
		return round_ends(r);
	if (ret <= 0) {
		reading_ends(r, ret);
		return 0;
	}
	ret = trim_at_times(r, record_size(&rec));
	if (!ret)
		ret = take_read(r, &rec);
	if (ret == 1) {
		r->current->record = rec;
		return 1;
	}
	if (ret)
		reading_fails(r, &rec, ret);
	record_put(&r->pool, &rec);
	return 0;
}
