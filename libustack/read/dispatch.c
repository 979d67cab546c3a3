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
		return pair_sample(&r->pairing, th, ev, rec, &s, r->now);
	ret = sample_fill(r, ev, rec, &s, th);
	return ret ? ret : 1;
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
	if (!ret)
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
	if (!ret)
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

static int take_attr(struct ustack_reader *r, const struct record *rec)
{
	const uint8_t *attr = rec->data + 8;
	size_t size = record_size(rec) - 8u, attr_size;
	int ret;

	/* Its own size, 0 in the first version, tells where the ids begin. */
	attr_size = size >= 8 ? get32(attr + 4) : 0;
	if (!attr_size)
		attr_size = PERF_ATTR_SIZE_VER0;
	if (attr_size > size)
		return -EBADMSG;
	ret = events_add(&r->events, attr, attr_size, attr + attr_size,
			 (size - attr_size) / 8, &r->line);
	return ret ? ret : events_name_rest(&r->events);
}

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
		return take_attr(r, rec);
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
