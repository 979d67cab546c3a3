// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The events of a recording: attrs, ids and names. */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "read/event.h"
#include "read/perf_abi.h"
#include "util/bytes.h"

#define NAME_LEN_MAX 4096

/* Offsets in struct perf_event_attr: later versions add at its end only. */
enum {
	ATTR_SIZE_MIN = 64,
	ATTR_TYPE = 0,
	ATTR_SIZE = 4,
	ATTR_CONFIG = 8,
	ATTR_PERIOD = 16,
	ATTR_SAMPLE_TYPE = 24,
	ATTR_READ_FORMAT = 32,
	ATTR_BRANCH_TYPE = 72,
	ATTR_REGS_USER = 80,
};

struct event_id {
	struct hash_node node;
	struct event *ev;
};

static uint64_t attr_u64(const uint8_t *attr, size_t size, size_t at)
{
	return at + 8 <= size ? get64(attr + at) : 0;
}

static struct event *event_of_id(const struct events *es, uint64_t id)
{
	struct hash_node *n = hash_find(&es->ids, id);

	return n ? container_of(n, struct event_id, node)->ev : NULL;
}

static int event_add_id(struct events *es, struct event *ev, uint64_t id)
{
	struct event_id *e;
	int ret;

	if (event_of_id(es, id))
		return 0;
	e = malloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->ev = ev;
	ret = hash_add(&es->ids, &e->node, id);
	if (ret)
		free(e);
	return ret;
}

int events_add(struct events *es, const uint8_t *attr, size_t attr_size,
	       const uint8_t *ids, size_t nr_ids, struct errline *line)
{
	struct event *ev;
	size_t i;

	/* The first version of the struct left its size 0. */
	if (attr_size >= 8 && get32(attr + ATTR_SIZE) &&
	    get32(attr + ATTR_SIZE) < attr_size)
		attr_size = get32(attr + ATTR_SIZE);
	if (attr_size < ATTR_SIZE_MIN)
		return errline_set(
			line, EBADMSG,
			"is damaged: the attributes of an event take %zu bytes",
			attr_size);
	if (es->nr == es->cap) {
		size_t cap = es->cap ? es->cap * 2 : 8;
		struct event **p = realloc(es->ev, cap * sizeof(*p));

		if (!p)
			goto nomem;
		es->ev = p;
		es->cap = cap;
	}
	ev = calloc(1, sizeof(*ev));
	if (!ev)
		goto nomem;
	ev->type = get32(attr + ATTR_TYPE);
	ev->config = get64(attr + ATTR_CONFIG);
	ev->sample_type = get64(attr + ATTR_SAMPLE_TYPE);
	ev->read_format = get64(attr + ATTR_READ_FORMAT);
	ev->flags = get64(attr + ATTR_FLAGS_AT);
	if (!(ev->flags & ATTR_FREQ))
		ev->period = get64(attr + ATTR_PERIOD);
	ev->branch_type = attr_u64(attr, attr_size, ATTR_BRANCH_TYPE);
	ev->regs_user = attr_u64(attr, attr_size, ATTR_REGS_USER);
	ev->nr = es->nr;
	es->ev[es->nr++] = ev;
	for (i = 0; i < nr_ids; i++)
		if (event_add_id(es, ev, get64(ids + i * 8)))
			goto nomem;
	return 0;
nomem:
	return errline_set(line, ENOMEM, "out of memory");
}

void event_name(struct event *ev, const char *s, size_t size)
{
	if (ev->given || !size || !*s)
		return;
	if (size > NAME_LEN_MAX)
		size = NAME_LEN_MAX;
	ev->given = strndup(s, size);
}

void events_describe(struct events *es, const uint8_t *buf, size_t size)
{
	uint32_t nr, attr_size, i;

	if (size < 8)
		return;
	nr = get32(buf);
	attr_size = get32(buf + 4);
	buf += 8;
	size -= 8;
	for (i = 0; i < nr; i++) {
		struct event *ev = NULL;
		const uint8_t *name;
		uint32_t nr_ids, len;

		if (size < 8 || attr_size > size - 8)
			return;
		nr_ids = get32(buf + attr_size);
		len = get32(buf + attr_size + 4);
		name = buf + attr_size + 8;
		size -= attr_size + 8;
		if (len > size || nr_ids > (size - len) / 8)
			return;
		/* They come in the order of the attrs, but ids are safer. */
		if (nr_ids)
			ev = event_of_id(es, get64(name + len));
		if (!ev && i < es->nr)
			ev = es->ev[i];
		if (ev)
			event_name(ev, (const char *)name, len);
		buf = name + len + (size_t)nr_ids * 8;
		size -= len + (size_t)nr_ids * 8;
	}
}

void events_update(struct events *es, const uint8_t *rec, size_t size)
{
	struct event *ev;

	/* header, u64 type (2: name), u64 id, name */
	if (size <= 24 || get64(rec + 8) != 2)
		return;
	ev = event_of_id(es, get64(rec + 16));
	if (ev)
		event_name(ev, (const char *)rec + 24, size - 24);
}

int events_name_rest(struct events *es)
{
	static const char *const hw[] = {
		"cycles",
		"instructions",
		"cache-references",
		"cache-misses",
		"branches",
		"branch-misses",
		"bus-cycles",
		"stalled-cycles-frontend",
		"stalled-cycles-backend",
		"ref-cycles",
	};
	static const char *const sw[] = {
		"cpu-clock",	    "task-clock",
		"page-faults",	    "context-switches",
		"cpu-migrations",   "minor-faults",
		"major-faults",	    "alignment-faults",
		"emulation-faults", "dummy",
		"bpf-output",	    "cgroup-switches",
	};
	size_t i;

	for (i = es->named; i < es->nr; i++) {
		struct event *ev = es->ev[i];

		if (ev->given)
			continue;
		if (ev->type == PERF_TYPE_HARDWARE &&
		    ev->config < sizeof(hw) / sizeof(*hw))
			ev->own_name = strdup(hw[ev->config]);
		else if (ev->type == PERF_TYPE_SOFTWARE &&
			 ev->config < sizeof(sw) / sizeof(*sw))
			ev->own_name = strdup(sw[ev->config]);
		else if (asprintf(&ev->own_name, "type-%u-config-0x%llx",
				  ev->type, (unsigned long long)ev->config) < 0)
			ev->own_name = NULL;
		if (!ev->own_name)
			return -ENOMEM;
	}
	es->named = es->nr;
	return 0;
}

int events_take_attr(struct events *es, const struct record *rec,
		     struct errline *line)
{
	const uint8_t *attr = rec->data + 8;
	size_t size = record_size(rec) - 8u, attr_size;
	int ret;

	/* Its own size, 0 in the first version, tells where the ids begin. */
	attr_size = size >= 8 ? get32(attr + 4) : 0;
	if (!attr_size)
		attr_size = ATTR_SIZE_MIN;
	if (attr_size > size)
		return -EBADMSG;
	ret = events_add(es, attr, attr_size, attr + attr_size,
			 (size - attr_size) / 8, line);
	return ret ? ret : events_name_rest(es);
}

/*
 * The id comes before the event is known.  That works as perf makes all events
 * of a file agree on where the id stands, and events_tell_apart() those of
 * rings: any of them tells.
 */

/* Bytes from the start of a sample to its id; 0: it has none. */
static size_t id_in_sample(const struct event *ev)
{
	if (ev->sample_type & PERF_SAMPLE_IDENTIFIER)
		return 8;
	if (!(ev->sample_type & PERF_SAMPLE_ID))
		return 0;
	return 8 + 8 * __builtin_popcountll(
			       ev->sample_type &
			       (PERF_SAMPLE_IP | PERF_SAMPLE_TID |
				PERF_SAMPLE_TIME | PERF_SAMPLE_ADDR));
}

/* Bytes from the id of any other record to its end; 0: it has none. */
static size_t id_in_other(const struct event *ev)
{
	if (!(ev->flags & ATTR_SAMPLE_ID_ALL))
		return 0;
	if (ev->sample_type & PERF_SAMPLE_IDENTIFIER)
		return 8;
	if (!(ev->sample_type & PERF_SAMPLE_ID))
		return 0;
	return 8 + 8 * __builtin_popcountll(
			       ev->sample_type &
			       (PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU));
}

int events_tell_apart(const struct events *es, const uint8_t *attr,
		      size_t nr_ids, struct errline *line)
{
	const struct event ev = {
		.sample_type = get64(attr + ATTR_SAMPLE_TYPE),
		.flags = get64(attr + ATTR_FLAGS_AT),
	};

	if (!es->nr)
		return 0;
	if (!nr_ids || !es->ids.nr)
		return errline_set(
			line, EINVAL,
			"has several events, one of them without ids: pass those of PERF_EVENT_IOC_ID for each");
	if (!id_in_sample(&ev) ||
	    id_in_sample(&ev) != id_in_sample(es->ev[0]) ||
	    id_in_other(&ev) != id_in_other(es->ev[0]))
		return errline_set(
			line, EINVAL,
			"has events whose records have their ids in different places: set PERF_SAMPLE_IDENTIFIER and sample_id_all in every attr");
	return 0;
}

const struct event *events_of(const struct events *es, const struct record *r,
			      uint64_t *id)
{
	bool sample = record_type(r) == PERF_RECORD_SAMPLE;
	size_t at;

	*id = 0;
	if (!es->nr)
		return NULL;
	/* A single event needs none. */
	if (!es->ids.nr && es->nr == 1)
		return es->ev[0];
	at = sample ? id_in_sample(es->ev[0]) : id_in_other(es->ev[0]);
	if (at && 8 + at <= record_size(r))
		*id = get64(r->data + (sample ? at : record_size(r) - at));
	/* The records that perf synthesizes have the id 0. */
	if (!*id)
		return es->ev[0];
	return event_of_id(es, *id);
}

void events_free(struct events *es)
{
	struct hash_node *n;
	size_t i;

	while ((n = hash_pop(&es->ids)))
		free(container_of(n, struct event_id, node));
	hash_free(&es->ids);
	for (i = 0; i < es->nr; i++) {
		free(es->ev[i]->given);
		free(es->ev[i]->own_name);
		free(es->ev[i]);
	}
	free(es->ev);
	memset(es, 0, sizeof(*es));
}
