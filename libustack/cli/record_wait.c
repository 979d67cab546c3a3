// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A sample is taken just before its thread is switched out.  The records of
 * switches come by another way, and mostly sooner: those that a sample to come may
 * need are kept.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/record_wait.h"
#include "util/bytes.h"

#define SWITCHES_MAX 4096 /* of a thread whose samples do not come */
#define SAMPLE_ID_SIZE (4 * 8) /* pid and tid, time, cpu, id */

struct sched_switch {
	uint64_t time;
	bool in, preempted;
};

/* A sample whose thread has not come back. */
struct held {
	struct held *next;
	struct ustack_sample s;
	size_t nr;
	bool unwound;
	enum ustack_end end;
	struct line line[];
};

struct thread {
	struct hash_node node; /* by tid */
	struct sched_switch *sw; /* in order, from the first that may matter */
	size_t nr, cap;
	struct held *first, *last;
};

static struct thread *thread_of(struct record_waits *w, uint32_t tid)
{
	struct hash_node *n = hash_find(&w->threads, tid);
	struct thread *t;

	if (n)
		return container_of(n, struct thread, node);
	t = calloc(1, sizeof(*t));
	if (t && hash_add(&w->threads, &t->node, tid)) {
		free(t);
		t = NULL;
	}
	return t;
}

static void drop_switches(struct thread *t, size_t nr)
{
	t->nr -= nr;
	memmove(t->sw, t->sw + nr, t->nr * sizeof(*t->sw));
}

/* In its place: that of another CPU's ring may be older than what is here. */
static int add_switch(struct thread *t, const struct sched_switch *sw)
{
	size_t i;

	if (t->nr == SWITCHES_MAX)
		drop_switches(t, SWITCHES_MAX / 2);
	if (t->nr == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 8;
		struct sched_switch *more = realloc(t->sw, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->sw = more;
		t->cap = cap;
	}
	for (i = t->nr++; i && t->sw[i - 1].time > sw->time; i--)
		t->sw[i] = t->sw[i - 1];
	t->sw[i] = *sw;
	return 0;
}

/* Writes the first held sample of t, with what it waited. */
static int write_held(struct record_waits *w, struct record_file *f,
		      struct thread *t, uint64_t until)
{
	struct held *h = t->first;
	struct chain *c = &w->scratch;
	int ret;

	t->first = h->next;
	c->nr = h->nr;
	c->unwound = h->unwound;
	c->end = h->end;
	memcpy(c->line, h->line, h->nr * sizeof(*c->line));
	h->s.period = until > h->s.time ? until - h->s.time : 0;
	ret = record_file_sample(f, &h->s, c, false);
	free(h);
	return ret;
}

static void drop_held(struct thread *t)
{
	struct held *h = t->first;

	t->first = h->next;
	free(h);
}

/* Lets go the samples whose threads came back, by the switches that are known. */
static int serve(struct record_waits *w, struct record_file *f,
		 struct thread *t)
{
	size_t i = 0;
	int ret = 0;

	while (t->first && i < t->nr && !ret) {
		const struct sched_switch *sw = &t->sw[i++];

		if (sw->time < t->first->s.time)
			continue;
		if (sw->in) {
			ret = write_held(w, f, t, sw->time);
		} else if (sw->preempted) {
			w->preempted++;
			drop_held(t);
		}
	}
	if (!t->first)
		t->last = NULL;
	drop_switches(t, i);
	return ret;
}

int waits_switch(struct record_waits *w, struct record_file *f,
		 const void *record)
{
	const struct perf_event_header *h = record;
	const uint8_t *id = (const uint8_t *)record + h->size - SAMPLE_ID_SIZE;
	struct sched_switch sw;
	struct thread *t;
	int ret;

	if (h->size < sizeof(*h) + SAMPLE_ID_SIZE || !get32(id + 4))
		return 0; /* the idle task waits for nothing */
	sw.time = get64(id + 8);
	sw.in = !(h->misc & PERF_RECORD_MISC_SWITCH_OUT);
	sw.preempted = !sw.in && h->misc & PERF_RECORD_MISC_SWITCH_OUT_PREEMPT;
	if (sw.time > w->last)
		w->last = sw.time;
	t = thread_of(w, get32(id + 4));
	ret = t ? add_switch(t, &sw) : -ENOMEM;
	return ret || !t->first ? ret : serve(w, f, t);
}

int waits_sample(struct record_waits *w, struct record_file *f,
		 const struct ustack_sample *s, const struct chain *c)
{
	struct thread *t = s->tid ? thread_of(w, s->tid) : NULL;
	struct held *h;

	if (!s->tid)
		return 0;
	h = malloc(sizeof(*h) + c->nr * sizeof(*h->line));
	if (!t || !h) {
		free(h);
		return -ENOMEM;
	}
	h->next = NULL;
	h->s = *s;
	h->nr = c->nr;
	h->unwound = c->unwound;
	h->end = c->end;
	memcpy(h->line, c->line, c->nr * sizeof(*h->line));
	if (t->last)
		t->last->next = h;
	else
		t->first = h;
	t->last = h;
	return serve(w, f, t);
}

int waits_end(struct record_waits *w, struct record_file *f)
{
	struct hash_node *n;
	int ret = 0;

	while ((n = hash_pop(&w->threads))) {
		struct thread *t = container_of(n, struct thread, node);

		while (t->first && !ret)
			ret = write_held(w, f, t, w->last);
		while (t->first)
			drop_held(t);
		free(t->sw);
		free(t);
	}
	hash_free(&w->threads);
	return ret;
}

void waits_free(struct record_waits *w)
{
	struct hash_node *n;

	while ((n = hash_pop(&w->threads))) {
		struct thread *t = container_of(n, struct thread, node);

		while (t->first)
			drop_held(t);
		free(t->sw);
		free(t);
	}
	hash_free(&w->threads);
}
