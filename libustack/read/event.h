/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * The events of a recording: attributes, ids and names come in, from the header,
 * from records or from the caller; a record's event goes out.
 */
#ifndef USTACK_READ_EVENT_H
#define USTACK_READ_EVENT_H

#include "read/chunk.h"
#include "util/error.h"
#include "util/hash.h"

struct event {
	uint32_t nr; /* its place among all */
	uint32_t type;
	uint64_t config;
	uint64_t period; /* 0 if it varies: then samples carry it */
	uint64_t sample_type;
	uint64_t read_format;
	uint64_t flags;
	uint64_t branch_type;
	uint64_t regs_user;
	/*
	 * The name it was given, and the one that was made up before.  Both
	 * stay: a sample that is held may point to either.
	 */
	char *given, *own_name;
};

/* The name to show. */
static inline const char *event_shown(const struct event *ev)
{
	if (ev->given)
		return ev->given;
	return ev->own_name ? ev->own_name : "";
}

struct events {
	struct event **ev;
	size_t nr, cap;
	size_t named; /* so many of them have a name */
	struct hash_table ids;
};

/*
 * attr: one struct perf_event_attr of any version; ids: its 64-bit ids.  0 or
 * -errno and the line.
 */
int events_add(struct events *es, const uint8_t *attr, size_t attr_size,
	       const uint8_t *ids, size_t nr_ids, struct errline *line);
/* PERF_RECORD_HEADER_ATTR: one with its ids, and a name for now.  0 or -errno. */
int events_take_attr(struct events *es, const struct record *rec,
		     struct errline *line);
/*
 * 0 if records of the event to be added can be told from those of the others;
 * -EINVAL and the line if one of them has no ids, or the id another place.
 */
int events_tell_apart(const struct events *es, const uint8_t *attr,
		      size_t nr_ids, struct errline *line);
/* Gives it the string of at most size bytes as its name, if it has none. */
void event_name(struct event *ev, const char *s, size_t size);
/* The body of an EVENT_DESC feature: names.  Damage costs nothing but names. */
void events_describe(struct events *es, const uint8_t *buf, size_t size);
/* PERF_RECORD_EVENT_UPDATE */
void events_update(struct events *es, const uint8_t *rec, size_t size);
/* Makes up a name, from type and config, where none was given.  0 or -ENOMEM. */
int events_name_rest(struct events *es);
/* The event a record belongs to.  NULL: none has the id, which *id tells. */
const struct event *events_of(const struct events *es, const struct record *r,
			      uint64_t *id);
void events_free(struct events *es);

#endif
