// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The public reader: drives the stages and fills in each sample. */
#include <linux/perf_event.h>
#include <stdlib.h>

#include "reader.h"
#include "unwind.h" /* space_copy() */

#define REG_SP 7 /* PERF_REG_X86_SP */
#define PACK_ABOVE 96 /* chunks */
#define TRIM_EVERY (2u << 20) /* bytes */

/* A sample outside, and what it borrows from. */
struct out {
	struct ustack_sample sample; /* first: the caller's pointer leads to both */
	struct out *next;
	struct wait *wait;
	struct rec rec;
	struct ustack_range *ranges;
	size_t cap_ranges;
	uint64_t *chain;
	size_t cap_chain;
	/* Of one that is held: the reader's own go on.  Kept for the next, as the
	 * maps of a process seldom change. */
	struct ustack_space *space;
	char comm[COMM_MAX];
};

struct ustack_reader {
	struct errline line;
	struct chunk_pool pool;
	struct events events;
	struct build_ids ids;
	struct datafile df;
	struct rings rings;
	struct order order;
	struct processes ps;
	struct pair pair;
	struct ustack_stats stats;
	uint64_t now;
	/* PERF_RECORD_LOST; kernel's LOST_SAMPLES; perf's own LOST_SAMPLES */
	uint64_t lost_ring, lost_hw, lost_total;
	size_t untrimmed; /* bytes */
	size_t pack_above; /* live chunks that set off a packing */
	enum { SOURCE_NONE, SOURCE_FILE, SOURCE_RINGS } source;
	bool opened, finished, ended, flushed;
	int end; /* what next() returns when all is out */

	struct out *out; /* the sample that is out */
	struct out *free;
};

int ustack_reader_new(struct ustack_reader **out, struct ustack_images *images)
{
	struct ustack_reader *r;

	*out = NULL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->df.fd = -1;
	r->rings.pool = &r->pool;
	r->rings.line = &r->line;
	r->ps.images = images;
	r->pair.pool = &r->pool;
	r->pair.stats = &r->stats;
	*out = r;
	return 0;
}

int ustack_reader_open(struct ustack_reader *r, const char *path)
{
	int ret;

	if (r->opened || r->events.nr)
		return read_error(&r->line, EBUSY,
				  "a reader opens one file, or rings");
	r->opened = true;
	ret = datafile_open(&r->df, path, &r->pool, &r->events, &r->ids,
			    &r->line);
	if (!ret)
		r->source = SOURCE_FILE;
	return ret;
}

int ustack_reader_add_event(struct ustack_reader *r,
			    const struct perf_event_attr *attr,
			    const uint64_t *ids, size_t nr_ids,
			    const char *name)
{
	int ret;

	if (r->source == SOURCE_FILE)
		return read_error(&r->line, EBUSY,
				  "a file describes its events itself");
	ret = events_add(&r->events, (const uint8_t *)attr, attr->size,
			 (const uint8_t *)ids, nr_ids, &r->line);
	if (ret)
		return ret;
	if (name)
		event_name(r->events.ev[r->events.nr - 1], name, strlen(name));
	return events_name_rest(&r->events);
}

int ustack_reader_add_process(struct ustack_reader *r, uint32_t pid)
{
	int ret = procfs_read(&r->ps, pid);

	if (ret)
		read_error(&r->line, -ret, "cannot read /proc/%u: %s", pid,
			   strerror(-ret));
	return ret;
}

int ustack_reader_open_ring(struct ustack_reader *r, void *base, size_t size)
{
	int ret;

	if (r->source == SOURCE_FILE)
		return read_error(&r->line, EBUSY,
				  "a reader opens one file, or rings");
	ret = rings_add(&r->rings, base, size);
	if (ret)
		return ret;
	r->opened = true;
	r->source = SOURCE_RINGS;
	return 0;
}

void ustack_reader_finish(struct ustack_reader *r)
{
	r->finished = true;
}

/* Gives back what o borrows. */
static void out_done(struct ustack_reader *r, struct out *o)
{
	if (o->wait)
		pair_done(&r->pair, o->wait);
	o->wait = NULL;
	rec_put(&r->pool, &o->rec);
}

static void out_free(struct out *o)
{
	if (!o)
		return;
	ustack_space_free(o->space);
	free(o->ranges);
	free(o->chain);
	free(o);
}

void ustack_reader_free(struct ustack_reader *r)
{
	if (!r)
		return;
	if (r->out)
		out_done(r, r->out);
	out_free(r->out);
	while (r->free) {
		struct out *o = r->free;

		r->free = o->next;
		out_free(o);
	}
	pair_free(&r->pair);
	order_free(&r->order, &r->pool);
	processes_free(&r->ps);
	datafile_close(&r->df);
	rings_free(&r->rings);
	chunk_pool_free(&r->pool);
	events_free(&r->events);
	build_ids_free(&r->ids);
	free(r);
}

const char *ustack_reader_error(const struct ustack_reader *r)
{
	return r->line.text;
}

void ustack_reader_stats(const struct ustack_reader *r,
			 struct ustack_stats *stats)
{
	*stats = r->stats;
	stats->late_records = r->order.late;
	/*
	 * At its end perf record adds up what each event lost, which counts
	 * again what the rings already told, and also what no ring had room
	 * to tell.
	 */
	stats->lost_records =
		r->lost_hw +
		(r->lost_ring > r->lost_total ? r->lost_ring : r->lost_total);
}

const char *ustack_lost_name(enum ustack_lost lost)
{
	static const char *const names[USTACK_LOST_NR] = {
		[USTACK_LOST_NOT] = "not",
		[USTACK_LOST_RING] = "ring",
		[USTACK_LOST_PART] = "part",
		[USTACK_LOST_END] = "end",
		[USTACK_LOST_EXIT] = "exit",
		[USTACK_LOST_MISSED] = "missed",
		[USTACK_LOST_COOKIE] = "cookie",
		[USTACK_LOST_MEMORY] = "memory",
	};

	return (unsigned int)lost < USTACK_LOST_NR ? names[lost] : "unknown";
}

/* --- filling in a sample -------------------------------------------------- */

static int ranges_room(struct out *out, size_t nr)
{
	struct ustack_range *p;

	if (nr <= out->cap_ranges)
		return 0;
	p = realloc(out->ranges, nr * sizeof(*p));
	if (!p)
		return -ENOMEM;
	out->ranges = p;
	out->cap_ranges = nr;
	return 0;
}

static void sample_base(struct ustack_reader *r, const struct event *ev,
			const struct rec *rec, const struct parsed *s)
{
	struct ustack_sample *o = &r->out->sample;

	o->time = s->time;
	o->ip = s->ip;
	o->addr = s->addr;
	o->period = s->period;
	o->id = s->id;
	o->pid = s->pid;
	o->tid = s->tid;
	o->cpu = s->cpu;
	o->misc = rec_misc(rec);
	o->event = event_shown(ev);
	o->chain = s->chain;
	o->nr_chain = s->nr_chain;
	o->cookie = s->cookie;
	o->lost = USTACK_LOST_NOT;
	o->stack_changed = 0;
	o->regs.abi = USTACK_ABI_NONE;
	o->regs.mask = 0;
	o->ranges = NULL;
	o->nr_ranges = 0;
	o->record_size = rec_size(rec);
	r->stats.samples++;
	r->stats.sample_bytes += rec_size(rec);
}

/* A sample that brings all it has in its own record. */
static int sample_own(struct ustack_reader *r, const struct event *ev,
		      const struct rec *rec, const struct parsed *s,
		      const struct thread *th)
{
	struct ustack_sample *o = &r->out->sample;

	if (ranges_room(r->out, 1))
		return -ENOMEM;
	sample_base(r, ev, rec, s);
	o->comm = th->comm;
	o->space = th->proc->space->space;
	o->pair = USTACK_PAIR_NONE;
	regs_fill(&o->regs, s->regs_abi, ev->regs_user, s->regs);
	if (o->regs.abi && ev->sample_type & PERF_SAMPLE_STACK_USER) {
		o->pair = USTACK_PAIR_LEGACY;
		if (s->stack_size && o->regs.mask & 1ull << REG_SP) {
			r->out->ranges[0] = (struct ustack_range){
				o->regs.val[REG_SP], s->stack_size, s->stack
			};
			o->ranges = r->out->ranges;
			o->nr_ranges = 1;
		}
		r->stats.legacy++;
	} else {
		r->stats.none++;
	}
	return 0;
}

/* The kernel's part of the sample's chain, then the deferred user part. */
static int chain_merge(struct ustack_reader *r, const struct stay *st)
{
	struct ustack_sample *o = &r->out->sample;
	struct chain_part cp;
	size_t nr, own = o->nr_chain - 2;

	if (parse_chain(st->chain.ev, &st->chain.rec, &cp))
		return -EBADMSG;
	nr = own + 1 + cp.nr;
	if (nr > r->out->cap_chain) {
		uint64_t *p = realloc(r->out->chain, nr * sizeof(*p));

		if (!p)
			return -ENOMEM;
		r->out->chain = p;
		r->out->cap_chain = nr;
	}
	if (own)
		memcpy(r->out->chain, o->chain, own * sizeof(*r->out->chain));
	o->nr_chain = own;
	if (!cp.nr || cp.ips[0] != (uint64_t)PERF_CONTEXT_USER)
		r->out->chain[o->nr_chain++] = (uint64_t)PERF_CONTEXT_USER;
	if (cp.nr)
		memcpy(r->out->chain + o->nr_chain, cp.ips, cp.nr * 8);
	o->nr_chain += cp.nr;
	o->chain = r->out->chain;
	return 0;
}

static int stack_join(struct ustack_reader *r, const struct stay *st)
{
	struct ustack_sample *o = &r->out->sample;
	size_t i;

	if (ranges_room(r->out, st->nr_parts))
		return -ENOMEM;
	for (i = 0; i < st->nr_parts; i++) {
		const struct event *ev = st->parts[i].ev;
		struct stack_part sp;

		if (parse_stack(ev, &st->parts[i].rec, &sp))
			return -EBADMSG;
		if (!i)
			regs_fill(&o->regs, sp.abi, ev->regs_user, sp.regs);
		if (sp.range.size)
			r->out->ranges[o->nr_ranges++] = sp.range;
	}
	o->ranges = r->out->ranges;
	o->stack_changed = st->changed;
	return 0;
}

/* A sample that waited, or whose capture was there before it. */
static int sample_waited(struct ustack_reader *r, const struct wait *w)
{
	struct ustack_sample *o = &r->out->sample;
	const struct stay *st = w->stay;
	struct parsed s;
	int ret;

	ret = parse_sample(w->ev, &w->rec, &s);
	if (ret)
		return ret;
	sample_base(r, w->ev, &w->rec, &s);
	o->comm = w->comm;
	o->pair = w->pair;
	if (st) {
		r->stats.paired++;
		o->space = st->space->space;
		if (w->want & WANT_STACK)
			ret = stack_join(r, st);
		if (!ret && w->want & WANT_CHAIN)
			ret = chain_merge(r, st);
	} else {
		struct thread *th;

		o->lost = w->lost;
		r->stats.lost++;
		r->stats.lost_by[w->lost]++;
		ret = processes_thread(&r->ps, w->pid, w->tid, &th);
		if (!ret)
			o->space = th->proc->space->space;
	}
	return ret;
}

/* --- records -------------------------------------------------------------- */

/* Returns 1 if r->out is filled from rec itself. */
static int take_sample(struct ustack_reader *r, const struct event *ev,
		       const struct rec *rec)
{
	struct thread *th;
	struct parsed s;
	int ret;

	ret = parse_sample(ev, rec, &s);
	if (ret)
		return ret;
	if (!(ev->sample_type & PERF_SAMPLE_TID))
		s.pid = s.tid = UINT32_MAX;
	ret = processes_thread(&r->ps, s.pid, s.tid, &th);
	if (ret)
		return ret;
	if (s.deferred)
		return pair_sample(&r->pair, th, ev, rec, &s, r->now);
	ret = sample_own(r, ev, rec, &s, th);
	return ret ? ret : 1;
}

static int take_stack(struct ustack_reader *r, const struct event *ev,
		      const struct rec *rec)
{
	struct stack_part sp;
	struct thread *th;
	int ret;

	ret = parse_stack(ev, rec, &sp);
	if (!ret)
		ret = processes_thread(&r->ps, sp.id.pid, sp.id.tid, &th);
	if (!ret)
		ret = pair_stack(&r->pair, th, ev, rec, &sp, r->now);
	return ret;
}

static int take_chain(struct ustack_reader *r, const struct event *ev,
		      const struct rec *rec)
{
	struct chain_part cp;
	struct thread *th;
	int ret;

	ret = parse_chain(ev, rec, &cp);
	if (!ret)
		ret = processes_thread(&r->ps, cp.id.pid, cp.id.tid, &th);
	if (!ret)
		ret = pair_chain(&r->pair, th, ev, rec, &cp, r->now);
	return ret;
}

static int take_exit(struct ustack_reader *r, const struct rec *rec, size_t end)
{
	struct node *n;
	uint32_t tid;
	int ret;

	ret = processes_exit(&r->ps, rec, end, &tid);
	if (ret)
		return ret;
	n = table_find(&r->ps.threads, tid);
	if (n)
		pair_leave(&r->pair, tid,
			   container_of(n, struct thread, node)->cookie,
			   r->now, true);
	return 0;
}

static int take_lost(struct ustack_reader *r, const struct rec *rec, size_t end,
		     uint64_t time)
{
	if (rec_type(rec) == PERF_RECORD_LOST) {
		if (end < 24)
			return -EBADMSG;
		r->lost_ring += get64(rec->data + 16);
		r->pair.nr_lost = r->lost_ring;
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

/* One record of the kernel, in order. Returns 1 if r->out is filled. */
static int take(struct ustack_reader *r, const struct event *ev,
		const struct rec *rec, uint64_t time)
{
	struct trailer t;
	size_t end;

	if (time > r->now) {
		r->now = time;
		pair_expire(&r->pair, r->now, false);
	}
	switch (rec_type(rec)) {
	case PERF_RECORD_SAMPLE:
		return take_sample(r, ev, rec);
	case REC_STACK_DEFERRED:
		return take_stack(r, ev, rec);
	case REC_CALLCHAIN_DEFERRED:
		return take_chain(r, ev, rec);
	}
	if (parse_trailer(ev, rec, &t))
		return -EBADMSG;
	end = rec_size(rec) - t.size;
	switch (rec_type(rec)) {
	case PERF_RECORD_MMAP:
	case PERF_RECORD_MMAP2:
		return processes_map(&r->ps, &r->ids, rec, end);
	case PERF_RECORD_COMM:
		return processes_comm(&r->ps, rec, end);
	case PERF_RECORD_FORK:
		return processes_fork(&r->ps, rec, end);
	case PERF_RECORD_EXIT:
		return take_exit(r, rec, end);
	case PERF_RECORD_LOST:
	case PERF_RECORD_LOST_SAMPLES:
		return take_lost(r, rec, end, time);
	}
	return 0;
}

/* One of perf's own records, at the place where it stands in the file. */
static int take_own(struct ustack_reader *r, const struct rec *rec)
{
	const uint8_t *d = rec->data;
	size_t size = rec_size(rec), attr_size;
	int ret;

	switch (rec_type(rec)) {
	case REC_FINISHED_ROUND:
		order_round(&r->order, UINT64_MAX);
		return 0;
	case REC_HEADER_ATTR:
		/* attr.size tells where the ids begin. */
		attr_size = size >= 16 ? get32(d + 12) : 0;
		if (!attr_size)
			attr_size = 64;
		if (8 + attr_size > size)
			return -EBADMSG;
		ret = events_add(&r->events, d + 8, attr_size,
				 d + 8 + attr_size, (size - 8 - attr_size) / 8,
				 &r->line);
		return ret ? ret : events_name_rest(&r->events);
	case REC_EVENT_UPDATE:
		events_update(&r->events, d, size);
		return 0;
	case REC_HEADER_BUILD_ID:
		return build_ids_add(&r->ids, d, size);
	case REC_HEADER_FEATURE:
		if (size < 16)
			return -EBADMSG;
		return header_feature(get64(d + 8), d + 16, size - 16,
				      &r->events, &r->ids, &r->line);
	}
	return 0;
}

/* --- the loop ------------------------------------------------------------- */

/* Ends the reading; what was read before still leaves. */
static void end_reading(struct ustack_reader *r, int ret)
{
	if (r->ended)
		return;
	r->ended = true;
	r->end = ret;
	order_end(&r->order);
}

static void bad_record(struct ustack_reader *r, const struct rec *rec, int ret)
{
	/* rec may have no data where there is a line already. */
	/* A second one tells nothing that the first did not. */
	if (r->end)
		return;
	r->end = ret;
	if (ret == -ENOMEM)
		read_error(&r->line, ENOMEM, "out of memory");
	else if (ret == -E2BIG)
		read_error(
			&r->line, E2BIG,
			"is damaged: it names more threads than a kernel can have");
	else if (!r->line.text[0])
		read_error(
			&r->line, -ret,
			"is damaged: a record of type %u and size %u does not hold what it should; reading stopped there",
			rec_type(rec), rec_size(rec));
	end_reading(r, ret);
}

/* Keeps the memory within bounds. */
static int trim(struct ustack_reader *r)
{
	int ret;

	pair_trim(&r->pair);
	if (r->pack_above < PACK_ABOVE)
		r->pack_above = PACK_ABOVE;
	if (r->pool.nr_live <= r->pack_above)
		return 0;
	ret = order_pack(&r->order, &r->pool);
	if (!ret)
		ret = pair_pack(&r->pair);
	r->pack_above = r->pool.nr_live * 2;
	return ret;
}

/* To wait until all that is older is there. */
static int put_in_order(struct ustack_reader *r, const struct event *ev,
			uint64_t time, struct rec *rec)
{
	struct order_entry e = {
		.time = time,
		.rec = *rec,
		.ev = ev,
		.size = rec_size(rec),
	};
	int ret;

	if (r->source == SOURCE_RINGS)
		rings_time(&r->rings, time);
	else if (order_full(&r->order)) {
		ret = datafile_park(&r->df, &e.rec, &e.parked);
		*rec = e.rec;
		if (ret)
			return ret;
	}
	return order_add(&r->order, &e);
}

/* A round through the rings is over.  0, or -EAGAIN if it brought nothing. */
static int end_round(struct ustack_reader *r)
{
	bool idle = !r->rings.got && r->order.head == r->order.nr;

	order_round(&r->order, rings_bound(&r->rings));
	if (!idle)
		return 0;
	if (!r->finished)
		return -EAGAIN;
	end_reading(r, 0);
	return 0;
}

/*
 * Reads one record and sends it on its way.  1 if r->out is filled, -EAGAIN if
 * there is none now.
 */
static int read_one(struct ustack_reader *r)
{
	bool live = r->source == SOURCE_RINGS;
	const struct event *ev;
	struct rec rec;
	uint64_t id, time;
	int ret;

	ret = live ? rings_next(&r->rings, &rec) : datafile_next(&r->df, &rec);
	if (!ret && live)
		return end_round(r);
	if (ret <= 0) {
		end_reading(r, ret);
		return 0;
	}
	r->untrimmed += rec_size(&rec);
	if (r->untrimmed >= TRIM_EVERY) {
		r->untrimmed = 0;
		ret = trim(r);
		if (ret)
			goto bad;
	}
	if (rec_type(&rec) >= REC_USER_TYPES) {
		ret = take_own(r, &rec);
		if (ret)
			goto bad;
		rec_put(&r->pool, &rec);
		return 0;
	}
	ev = events_of(&r->events, &rec, &id);
	if (!ev) {
		if (r->events.nr)
			read_error(
				&r->line, EBADMSG,
				"is damaged: a record has the id %llu, which no event of the file has; reading stopped there",
				(unsigned long long)id);
		else
			read_error(
				&r->line, EBADMSG,
				"is damaged: it has records but describes no event");
		ret = -EBADMSG;
		goto bad;
	}
	time = rec_time(ev, &rec);
	if (time && time != UINT64_MAX) {
		ret = put_in_order(r, ev, time, &rec);
		if (ret)
			goto bad;
		return 0;
	}
	ret = take(r, ev, &rec, 0);
	if (ret < 0)
		goto bad;
	if (ret)
		r->out->rec = rec;
	else
		rec_put(&r->pool, &rec);
	return ret;
bad:
	bad_record(r, &rec, ret);
	rec_put(&r->pool, &rec);
	return 0;
}

/* r->out with nothing in it. */
static int out_clear(struct ustack_reader *r)
{
	if (r->out) {
		out_done(r, r->out);
		return 0;
	}
	r->out = r->free;
	if (r->out)
		r->free = r->out->next;
	else
		r->out = calloc(1, sizeof(*r->out));
	return r->out ? 0 : -ENOMEM;
}

int ustack_reader_next(struct ustack_reader *r,
		       const struct ustack_sample **sample)
{
	struct order_entry e;
	struct wait *w;
	int ret;

	*sample = NULL;
	if (r->source == SOURCE_NONE)
		return -EBADF;
	if (out_clear(r))
		return read_error(&r->line, ENOMEM, "out of memory");
	for (;;) {
		w = pair_pop(&r->pair);
		if (w) {
			r->out->wait = w;
			ret = sample_waited(r, w);
			if (!ret)
				break;
			bad_record(r, &w->rec, ret);
			out_done(r, r->out);
		} else if (order_pop(&r->order, &e)) {
			ret = 0;
			if (!e.rec.chunk)
				ret = datafile_fetch(&r->df, e.parked, e.size,
						     &e.rec);
			if (!ret)
				ret = take(r, e.ev, &e.rec, e.time);
			if (ret == 1) {
				r->out->rec = e.rec;
				break;
			}
			if (ret)
				bad_record(r, &e.rec, ret);
			rec_put(&r->pool, &e.rec);
		} else if (!r->ended) {
			ret = read_one(r);
			if (ret == 1)
				break;
			if (ret)
				return ret;
		} else if (!r->flushed) {
			r->flushed = true;
			pair_expire(&r->pair, r->now, true);
		} else {
			return r->end;
		}
	}
	*sample = &r->out->sample;
	return 1;
}

int ustack_reader_hold(struct ustack_reader *r)
{
	struct out *o = r->out;
	int ret = 0;

	if (!o || (!o->wait && !o->rec.chunk))
		return -EINVAL;
	if (o->space)
		space_copy(o->space, o->sample.space);
	else
		ret = ustack_space_fork(&o->space, o->sample.space);
	if (ret)
		return ret;
	strcpy(o->comm, o->sample.comm);
	o->sample.space = o->space;
	o->sample.comm = o->comm;
	r->out = NULL;
	return 0;
}

void ustack_reader_release(struct ustack_reader *r,
			   const struct ustack_sample *sample)
{
	struct out *o = container_of(sample, struct out, sample);

	out_done(r, o);
	o->next = r->free;
	r->free = o;
}
