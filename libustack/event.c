// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The events of a recording: attrs, ids and names; and perf's build-ids. */
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>

#include "reader.h"

#define EVENTS_MAX 65536
#define IDS_MAX (1u << 23) /* 1,000 events on 8,192 CPUs */
#define NAME_LEN_MAX 4096

/* Offsets in struct perf_event_attr; every version only adds at its end. */
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
	struct node node;
	struct event *ev;
};

static uint64_t attr_u64(const uint8_t *attr, size_t size, size_t at)
{
	return at + 8 <= size ? get64(attr + at) : 0;
}

static struct event *event_of_id(const struct events *es, uint64_t id)
{
	struct node *n = table_find(&es->ids, id);

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
	ret = table_add(&es->ids, &e->node, id);
	if (ret)
		free(e);
	return ret;
}

int events_add(struct events *es, const uint8_t *attr, size_t attr_size,
	       const uint8_t *ids, size_t nr_ids, struct errline *line)
{
	struct event *ev;
	size_t i;

	if (es->nr >= EVENTS_MAX || nr_ids > IDS_MAX - es->ids.nr)
		return read_error(
			line, E2BIG,
			"is damaged: it describes more events than any perf can open");
	/* The size within is 0 in attrs of the first version. */
	if (attr_size >= 8 && get32(attr + ATTR_SIZE) &&
	    get32(attr + ATTR_SIZE) < attr_size)
		attr_size = get32(attr + ATTR_SIZE);
	if (attr_size < ATTR_SIZE_MIN)
		return read_error(
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
	es->ev[es->nr++] = ev;
	for (i = 0; i < nr_ids; i++)
		if (event_add_id(es, ev, get64(ids + i * 8)))
			goto nomem;
	return 0;
nomem:
	return read_error(line, ENOMEM, "out of memory");
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
		/* Same order as the attrs; the ids are surer. */
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

	for (i = 0; i < es->nr; i++) {
		struct event *ev = es->ev[i];

		if (ev->given || ev->own_name)
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
	return 0;
}

/*
 * Where the id stands in a record does not depend on the event: perf sees to
 * it that all events of a file agree there, so the first one tells.
 */
static int id_of_sample(const struct event *ev, const struct rec *r,
			uint64_t *id)
{
	unsigned int at = 8;

	if (!(ev->sample_type & PERF_SAMPLE_IDENTIFIER)) {
		if (!(ev->sample_type & PERF_SAMPLE_ID))
			return -ENOENT;
		at += 8 * __builtin_popcountll(
				  ev->sample_type &
				  (PERF_SAMPLE_IP | PERF_SAMPLE_TID |
				   PERF_SAMPLE_TIME | PERF_SAMPLE_ADDR));
	}
	if (at + 8 > rec_size(r))
		return -ENOENT;
	*id = get64(r->data + at);
	return 0;
}

static int id_of_other(const struct event *ev, const struct rec *r,
		       uint64_t *id)
{
	unsigned int back = 8;

	if (!(ev->flags & ATTR_SAMPLE_ID_ALL))
		return -ENOENT;
	if (!(ev->sample_type & PERF_SAMPLE_IDENTIFIER)) {
		if (!(ev->sample_type & PERF_SAMPLE_ID))
			return -ENOENT;
		back += 8 * __builtin_popcountll(
				    ev->sample_type &
				    (PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU));
	}
	if (8 + back > rec_size(r))
		return -ENOENT;
	*id = get64(r->data + rec_size(r) - back);
	return 0;
}

const struct event *events_of(const struct events *es, const struct rec *r,
			      uint64_t *id)
{
	int ret;

	*id = 0;
	if (!es->nr)
		return NULL;
	if (es->nr == 1)
		return es->ev[0];
	if (rec_type(r) == PERF_RECORD_SAMPLE)
		ret = id_of_sample(es->ev[0], r, id);
	else
		ret = id_of_other(es->ev[0], r, id);
	/* Records that perf made up have the id 0. */
	if (ret || !*id)
		return es->ev[0];
	return event_of_id(es, *id);
}

void events_free(struct events *es)
{
	struct node *n;
	size_t i;

	while ((n = table_pop(&es->ids)))
		free(container_of(n, struct event_id, node));
	table_free(&es->ids);
	for (i = 0; i < es->nr; i++) {
		free(es->ev[i]->given);
		free(es->ev[i]->own_name);
		free(es->ev[i]);
	}
	free(es->ev);
	memset(es, 0, sizeof(*es));
}

/* --- build-ids ----------------------------------------------------------- */

#define BUILD_IDS_MAX (1u << 20)

static uint64_t path_key(const char *path)
{
	uint64_t h = 0xcbf29ce484222325ull; /* FNV-1a */

	for (; *path; path++)
		h = (h ^ (uint8_t)*path) * 0x100000001b3ull;
	return h;
}

const struct build_id *build_ids_find(const struct build_ids *b,
				      const char *path)
{
	uint64_t key = path_key(path);
	struct node *n;

	for (n = table_find(&b->t, key); n; n = n->next) {
		struct build_id *id = container_of(n, struct build_id, node);

		if (n->key == key && !strcmp(id->path, path))
			return id;
	}
	return NULL;
}

int build_ids_add(struct build_ids *b, const uint8_t *rec, size_t size)
{
	size_t at = 8 + 4 + 24, len;
	struct build_id *id;
	int ret;

	if (size <= at || b->t.nr >= BUILD_IDS_MAX)
		return 0;
	len = strnlen((const char *)rec + at, size - at);
	id = malloc(sizeof(*id) + len + 1);
	if (!id)
		return -ENOMEM;
	memcpy(id->path, rec + at, len);
	id->path[len] = '\0';
	memcpy(id->id, rec + 12, 20);
	id->size = 20;
	/* PERF_RECORD_MISC_BUILD_ID_SIZE; before perf 5.10 always 20. */
	if (get16(rec + 4) & (1u << 15) && rec[32] <= 20)
		id->size = rec[32];
	if (!len || !id->size || build_ids_find(b, id->path)) {
		free(id);
		return 0;
	}
	ret = table_add(&b->t, &id->node, path_key(id->path));
	if (ret)
		free(id);
	return ret;
}

void build_ids_free(struct build_ids *b)
{
	struct node *n;

	while ((n = table_pop(&b->t)))
		free(container_of(n, struct build_id, node));
	table_free(&b->t);
}
