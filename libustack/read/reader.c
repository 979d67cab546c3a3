// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The public functions of the reader: in what order they work, and the loop. */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>

#include "module/space.h"
#include "read/procfs.h"
#include "read/reader.h"
#include "util/opts.h"

int ustack_reader_new(struct ustack_reader **out, struct ustack_images *images)
{
	struct ustack_reader *r;

	*out = NULL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->datafile.fd = -1;
	r->rings.pool = &r->pool;
	r->rings.line = &r->line;
	r->processes.images = images;
	r->pairing.pool = &r->pool;
	r->pairing.stats = &r->stats;
	*out = r;
	return 0;
}

static int not_opened(struct ustack_reader *r)
{
	return errline_set(
		&r->line, EINVAL,
		"was not opened: call ustack_reader_open() or ustack_reader_open_ring() first");
}

/* What was read of the file before it failed is still in the reader. */
static int open_failed(struct ustack_reader *r, int err)
{
	return errline_set(
		&r->line, err,
		"needs a new reader: this one failed to open a file before; free it and call ustack_reader_new()");
}

int ustack_reader_open(struct ustack_reader *r, const char *path)
{
	int ret;

	if (r->source == SOURCE_FAILED)
		return open_failed(r, EBUSY);
	if (r->source || r->events.nr)
		return errline_set(
			&r->line, EBUSY,
			"needs a reader of its own: this one has a file or rings already");
	r->source = SOURCE_FILE;
	ret = datafile_open(&r->datafile, path, &r->pool, &r->events,
			    &r->build_ids, &r->line);
	if (ret) {
		r->source = SOURCE_FAILED;
		reading_ends(r, ret);
	}
	return ret;
}

int ustack_reader_add_event(struct ustack_reader *r,
			    const struct perf_event_attr *attr,
			    const uint64_t *ids, size_t nr_ids,
			    const char *name)
{
	int ret;

	if (r->source == SOURCE_FAILED)
		return open_failed(r, EBUSY);
	if (r->source == SOURCE_FILE)
		return errline_set(
			&r->line, EBUSY,
			"describes its events itself: ustack_reader_add_event() is for rings");
	if (attr->size < PERF_ATTR_SIZE_VER0)
		return errline_set(
			&r->line, EINVAL,
			"attr.size of an event is %u: set it to sizeof(struct perf_event_attr)",
			attr->size);
	ret = events_tell_apart(&r->events, (const uint8_t *)attr, nr_ids,
				&r->line);
	if (ret)
		return ret;
	ret = events_add(&r->events, (const uint8_t *)attr, attr->size,
			 (const uint8_t *)ids, nr_ids, &r->line);
	if (ret)
		return ret;
	if (name)
		event_name(r->events.ev[r->events.nr - 1], name, strlen(name));
	return events_name_rest(&r->events) ?
		       errline_set(&r->line, ENOMEM, "out of memory") :
		       0;
}

int ustack_reader_add_process(struct ustack_reader *r, uint32_t pid)
{
	int ret;

	if (r->source == SOURCE_FAILED)
		return open_failed(r, EBUSY);
	if (r->source == SOURCE_FILE)
		return errline_set(
			&r->line, EBUSY,
			"tells of its processes itself: ustack_reader_add_process() is for rings");
	ret = procfs_read(&r->processes, pid);
	if (ret)
		errline_set(&r->line, -ret, "cannot read /proc/%u: %s", pid,
			    strerror(-ret));
	return ret;
}

int ustack_reader_open_ring(struct ustack_reader *r, void *base, size_t size)
{
	int ret;

	if (r->source == SOURCE_FAILED)
		return open_failed(r, EBUSY);
	if (r->source == SOURCE_FILE)
		return errline_set(
			&r->line, EBUSY,
			"takes the whole reader: rings need another one");
	if (r->finished)
		return errline_set(
			&r->line, EINVAL,
			"ustack_reader_finish() was called: no ring can follow");
	ret = rings_add(&r->rings, base, size);
	if (!ret)
		r->source = SOURCE_RINGS;
	return ret;
}

int ustack_reader_finish(struct ustack_reader *r)
{
	if (r->source == SOURCE_FAILED)
		return open_failed(r, EINVAL);
	if (r->source != SOURCE_RINGS)
		return errline_set(
			&r->line, EINVAL,
			"there are no rings to finish: call ustack_reader_open_ring() first");
	r->finished = true;
	return 0;
}

/* Gives back what s borrows. */
static void sample_done(struct ustack_reader *r, struct sample *s)
{
	if (s->pending)
		pair_done(&r->pairing, s->pending);
	s->pending = NULL;
	record_put(&r->pool, &s->record);
}

static void sample_free(struct sample *s)
{
	if (!s)
		return;
	ustack_space_free(s->space);
	ustack_space_free(s->kernel);
	free(s->ranges);
	free(s->chain);
	free(s);
}

void ustack_reader_free(struct ustack_reader *r)
{
	if (!r)
		return;
	if (r->current)
		sample_done(r, r->current);
	sample_free(r->current);
	while (r->free) {
		struct sample *s = r->free;

		r->free = s->next;
		sample_free(s);
	}
	pair_free(&r->pairing);
	captures_free(&r->captures);
	order_free(&r->order, &r->pool);
	processes_free(&r->processes);
	datafile_close(&r->datafile);
	rings_free(&r->rings);
	chunk_pool_free(&r->pool);
	events_free(&r->events);
	build_ids_free(&r->build_ids);
	free(r);
}

const char *ustack_reader_error(const struct ustack_reader *r)
{
	return r->line.text;
}

const char *ustack_reader_event(const struct ustack_reader *r, size_t nr)
{
	return nr < r->events.nr ? event_shown(r->events.ev[nr]) : NULL;
}

int ustack_reader_stats(struct ustack_reader *r, struct ustack_stats *stats)
{
	if (!r->source)
		return not_opened(r);
	r->stats.late_records = r->order.late;
	if (r->captures.indexed)
		captures_account(&r->captures, &r->stats);
	if (r->source == SOURCE_FILE)
		datafile_account(&r->datafile, &r->stats);
	/*
	 * At its end perf record adds up what each event lost, which counts
	 * again what the rings already told, and also what no ring had room
	 * to tell.
	 */
	r->stats.lost_records =
		r->lost_hw +
		(r->lost_ring > r->lost_total ? r->lost_ring : r->lost_total);
	if (opts_fill(stats, &r->stats, sizeof(r->stats)))
		return errline_set(
			&r->line, EINVAL,
			"stats.sz is %zu: set it to sizeof(struct ustack_stats)",
			stats->sz);
	return 0;
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
		[USTACK_LOST_THROTTLED] = "throttled",
	};

	return (unsigned int)lost < USTACK_LOST_NR ? names[lost] : "unknown";
}

/* A current sample with nothing in it. */
static int next_sample(struct ustack_reader *r)
{
	if (r->current) {
		sample_done(r, r->current);
		return 0;
	}
	r->current = r->free;
	if (r->current)
		r->free = r->current->next;
	else
		r->current = calloc(1, sizeof(*r->current));
	return r->current ? 0 : -ENOMEM;
}

/* 1 if the sample is filled, 0 if its record cannot be used after all. */
static int give_pending(struct ustack_reader *r, struct pending *p)
{
	int ret;

	r->current->pending = p;
	ret = sample_fill_pending(r, p);
	if (!ret)
		return 1;
	reading_fails(r, &p->record, ret);
	sample_done(r, r->current);
	return 0;
}

/* A record whose turn has come.  1 if it filled the sample. */
static int take_in_order(struct ustack_reader *r, struct order_entry *e)
{
	int ret = 0;

	if (!e->record.chunk)
		ret = datafile_fetch(&r->datafile, e->parked, e->size,
				     &e->record);
	if (!ret)
		ret = dispatch(r, e->ev, &e->record, e->time);
	if (ret == 1) {
		r->current->record = e->record;
		return 1;
	}
	if (ret)
		reading_fails(r, &e->record, ret);
	record_put(&r->pool, &e->record);
	return 0;
}

/* All is out.  What was left out counts as an error if there is no other. */
static int all_read(struct ustack_reader *r)
{
	if (!r->end && r->stats.unknown_records) {
		r->end = errline_set(
			&r->end_line, EBADMSG,
			"has %llu records of events that were not described, the first with the id %llu; all others were read",
			(unsigned long long)r->stats.unknown_records,
			(unsigned long long)r->unknown_id);
	}
	r->line = r->end_line;
	return r->end;
}

/* Before the first sample of a file. */
static int begin(struct ustack_reader *r)
{
	int ret;

	if (r->source != SOURCE_FILE)
		return 0;
	ret = captures_index(&r->captures, &r->datafile, &r->events);
	if (ret) {
		reading_ends(r, ret);
		return ret;
	}
	if (r->captures.indexed)
		r->pairing.captures = &r->captures;
	return 0;
}

int ustack_reader_next(struct ustack_reader *r,
		       const struct ustack_sample **sample)
{
	struct order_entry e;
	struct pending *p;
	int ret = 0;

	*sample = NULL;
	if (!r->source)
		return not_opened(r);
	if (!r->events.nr && r->source == SOURCE_RINGS)
		return errline_set(
			&r->line, EINVAL,
			"no event of the rings was described: call ustack_reader_add_event() first");
	if (next_sample(r))
		return errline_set(&r->line, ENOMEM, "out of memory");
	r->line.text[0] = '\0'; /* a call out of turn may have set it */
	if (!r->begun) {
		r->begun = true;
		ret = begin(r);
		if (ret)
			return ret;
	}
	/* What has left the pairing goes first, then what is in order. */
	while (!ret) {
		if ((p = pair_pop(&r->pairing, r->now))) {
			ret = give_pending(r, p);
		} else if (order_pop(&r->order, &e)) {
			ret = take_in_order(r, &e);
		} else if (!r->ended) {
			ret = dispatch_next(r);
		} else if (!r->flushed) {
			r->flushed = true;
			pair_expire(&r->pairing, r->now, true);
		} else {
			return all_read(r);
		}
	}
	if (ret == 1)
		*sample = &r->current->shown;
	return ret;
}

/* *own, which may be left from a sample before, becomes a fork of space. */
static int own_space(struct ustack_space **own, const struct ustack_space *space)
{
	if (!*own)
		return ustack_space_fork(own, space);
	space_copy(*own, space);
	return 0;
}

int ustack_reader_hold(struct ustack_reader *r)
{
	struct sample *s = r->current;
	int ret;

	if (!s || (!s->pending && !s->record.chunk))
		return errline_set(
			&r->line, EINVAL,
			"there is no sample to hold: ustack_reader_next() has to give one first");
	ret = own_space(&s->space, s->shown.space);
	if (!ret && s->shown.kernel)
		ret = own_space(&s->kernel, s->shown.kernel);
	if (ret)
		return errline_set(&r->line, -ret, "out of memory");
	strcpy(s->comm, s->shown.comm);
	s->shown.space = s->space;
	if (s->shown.kernel)
		s->shown.kernel = s->kernel;
	s->shown.comm = s->comm;
	s->held = true;
	r->current = NULL;
	return 0;
}

int ustack_reader_release(struct ustack_reader *r,
			  const struct ustack_sample *sample)
{
	struct sample *s = container_of(sample, struct sample, shown);

	if (!sample || !s->held)
		return errline_set(
			&r->line, EINVAL,
			"the sample is not held: ustack_reader_hold() has to come first, once for each release");
	s->held = false;
	sample_done(r, s);
	s->next = r->free;
	r->free = s;
	return 0;
}
