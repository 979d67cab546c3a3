// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A sample is taken just before its thread is switched out.  The records of
 * switches come by another way, and mostly sooner: those that a sample to come may
 * need are kept.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/record/sample.h"
#include "cli/record/wait.h"
#include "util/bytes.h"

#define SWITCHES_MAX 4096 /* of a thread whose samples do not come */
#define THREADS_FEW 1024
#define FORGET_AFTER 10000000000 /* ns: then samples of a thread that ended have come */
#define SAMPLE_ID_SIZE (4 * 8) /* pid and tid, time, cpu, id */

struct sched_switch {
	uint64_t time;
	bool in, preempted;
};

/* What is counted of a sample already. */
struct told {
	bool stack; /* it was to have one */
	bool unwound;
	enum ustack_end end; /* in the file, if it was to have a stack */
	enum cause cause;
};

/* A sample whose thread has not come back. */
struct held {
	struct held *next;
	struct ustack_sample s;
	size_t nr;
	enum ustack_end end;
	struct told told;
	struct line line[];
};

struct thread {
	struct hash_node node; /* by tid */
	struct sched_switch *sw; /* in order, from the first that may matter */
	size_t nr, cap;
	struct held *first, *last;
	uint64_t dead; /* since then, but for switches on the way out */
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

static struct held *pop_held(struct thread *t)
{
	struct held *h = t->first;

	t->first = h->next;
	if (!t->first)
		t->last = NULL;
	return h;
}

/* Writes the first held sample of t, with what it waited. */
static int write_held(struct record_waits *w, struct record_file *f,
		      struct thread *t, uint64_t until)
{
	struct held *h = pop_held(t);
	struct chain *c = &w->scratch;
	int ret;

	c->nr = h->nr;
	c->unwound = h->told.unwound;
	c->end = h->end;
	memcpy(c->line, h->line, h->nr * sizeof(*c->line));
	h->s.period = until > h->s.time ? until - h->s.time : 0;
	ret = record_file_sample(f, &h->s, c, false);
	free(h);
	return ret;
}

static void drop_held(struct thread *t)
{
	free(pop_held(t));
}

/* A sample that is no wait, and not in the file. */
static void no_wait(struct record_waits *w, const struct told *told)
{
	w->no_waits++;
	w->no_wait_ends[told->end] += told->stack;
	w->no_wait_causes[told->cause]++;
	w->no_wait_unexplained[told->end] += told->unwound && !told->cause;
}

static void drop_no_wait(struct record_waits *w, struct thread *t)
{
	no_wait(w, &t->first->told);
	drop_held(t);
}

/* Who is dead waits for nothing. */
static void bury(struct record_waits *w, struct thread *t)
{
	while (t->first && t->dead && t->first->s.time >= t->dead)
		drop_no_wait(w, t);
}

/* Lets go the samples whose threads came back, by the switches that are known. */
static int serve(struct record_waits *w, struct record_file *f,
		 struct thread *t)
{
	size_t i = 0;
	int ret = 0;

	bury(w, t);
	while (t->first && i < t->nr && !ret) {
		const struct sched_switch *sw = &t->sw[i++];

		if (sw->time < t->first->s.time)
			continue;
		if (sw->in) {
			ret = write_held(w, f, t, sw->time);
		} else if (sw->preempted) {
			drop_no_wait(w, t);
		}
		bury(w, t);
	}
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

static void thread_free(struct thread *t)
{
	while (t->first)
		drop_held(t);
	free(t->sw);
	free(t);
}

/* Lets go those that ended long ago. */
static int forget(struct record_waits *w)
{
	struct hash_table kept = { 0 };
	struct hash_node *n;
	int ret = 0;

	while ((n = hash_pop(&w->threads))) {
		struct thread *t = container_of(n, struct thread, node);

		if (t->dead && t->dead + FORGET_AFTER < w->last) {
			thread_free(t);
		} else if (ret || hash_add(&kept, n, n->key)) {
			thread_free(t);
			ret = -ENOMEM;
		}
	}
	hash_free(&w->threads);
	w->threads = kept;
	w->forget_at = kept.nr < THREADS_FEW ? 2 * THREADS_FEW : kept.nr * 2;
	return ret;
}

int waits_task(struct record_waits *w, const void *record)
{
	/* header, pid, ppid, tid, ptid, time */
	const uint8_t *r = record;
	const uint64_t time = get64(r + 24);
	struct thread *t = thread_of(w, get32(r + 16));

	if (!t)
		return -ENOMEM;
	if (get32(r) == PERF_RECORD_FORK) {
		/* With a number that was another's; or it is told late. */
		if (time > t->dead)
			t->dead = 0;
		return 0;
	}
	t->dead = time;
	bury(w, t);
	if (time > w->last)
		w->last = time;
	return w->threads.nr < w->forget_at || w->threads.nr < THREADS_FEW ?
		       0 :
		       forget(w);
}

int waits_sample(struct record_waits *w, struct record_file *f,
		 const struct ustack_sample *s, const struct chain *c,
		 enum cause cause)
{
	struct told told = { .unwound = c->unwound, .cause = cause };
	struct thread *t;
	struct held *h;

	told.stack = sample_end(s, c, &told.end);
	/* The idle task, and one that has no number any more. */
	if (!s->tid || s->tid == UINT32_MAX) {
		no_wait(w, &told);
		return 0;
	}
	t = thread_of(w, s->tid);
	h = malloc(sizeof(*h) + c->nr * sizeof(*h->line));
	if (!t || !h) {
		free(h);
		return -ENOMEM;
	}
	h->next = NULL;
	h->s = *s;
	h->nr = c->nr;
	h->end = c->end;
	h->told = told;
	memcpy(h->line, c->line, c->nr * sizeof(*h->line));
	if (t->last)
		t->last->next = h;
	else
		t->first = h;
	t->last = h;
	return serve(w, f, t);
}

int waits_end(struct record_waits *w, struct record_file *f, uint64_t until)
{
	struct hash_node *n;
	int ret = 0;

	if (until < w->last)
		until = w->last;
	while ((n = hash_pop(&w->threads))) {
		struct thread *t = container_of(n, struct thread, node);

		while (t->first && !ret)
			ret = write_held(w, f, t, until);
		thread_free(t);
	}
	hash_free(&w->threads);
	return ret;
}

void waits_free(struct record_waits *w)
{
	struct hash_node *n;

	while ((n = hash_pop(&w->threads)))
		thread_free(container_of(n, struct thread, node));
	hash_free(&w->threads);
}
