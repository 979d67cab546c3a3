// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Unwinds in several threads; the output keeps the order of the samples.
 *
 * Reading is a good part of the work, and only one thread at a time can do it:
 * whoever finds nobody reading reads the next batch of samples into a free
 * slot, while the others unwind batches that are read.  So no thread waits as
 * long as there is work.  The text of a batch stays in its slot until all
 * earlier batches are written.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#define OUT_FLUSH (64u << 10)
/* With smaller batches threads spend their time waking each other. */
#define BATCH_SAMPLES 512
#define BATCH_BYTES (2u << 20)
#define SLOTS_PER_JOB 2

/* Holds a batch: it is read, taken by a thread, done and written. */
struct slot {
	const struct ustack_sample *sample[BATCH_SAMPLES];
	size_t nr;
	struct out out;
	bool done;
};

struct pipeline {
	struct cli *cli;
	const struct task *task;
	pthread_mutex_t lock;
	pthread_cond_t moved; /* something below changed */
	uint64_t nr_read, nr_taken, nr_written; /* batches */
	bool reading; /* a thread has the reader */
	bool writing; /* a thread has stdout */
	bool ended;
	int status;
	size_t nr_slots;
	struct slot *slot; /* batch n is in slot n % nr_slots */
};

struct thread {
	pthread_t id;
	struct pipeline *pipeline;
	struct worker *worker;
};

static void out_write(struct out *o)
{
	/* Nothing was written yet: there is no buffer. */
	if (o->size && fwrite(o->buf, 1, o->size, stdout) < o->size)
		cli_write_failed();
	o->size = 0;
}

static struct worker *worker_new(struct cli *cli, const struct task *task)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		cli_no_memory(cli);
	w->cli = cli;
	w->arg = task->arg;
	w->own = calloc(1, task->own_size + 1);
	if (!w->own || !named_init(w) || ustack_unwinder_new(&w->unwinder))
		cli_no_memory(cli);
	return w;
}

static void worker_end(struct worker *w, const struct task *task)
{
	if (task->end)
		task->end(w);
	ustack_unwinder_free(w->unwinder);
	named_free(w);
	free(w->out.buf);
	free(w->own);
	free(w);
}

static size_t bytes_of(const struct ustack_sample *s)
{
	size_t i, n = s->record_size;

	for (i = 0; i < s->nr_ranges; i++)
		n += s->ranges[i].size;
	return n;
}

static struct slot *slot_of(struct pipeline *p, uint64_t batch)
{
	return &p->slot[batch % p->nr_slots];
}

/* Releases the samples of the batch before.  For who has the reader. */
static void slot_release(struct pipeline *p, struct slot *slot)
{
	while (slot->nr)
		ustack_reader_release(p->cli->reader, slot->sample[--slot->nr]);
}

/* For who has the reader: 1, or at the end what cli_next() returned. */
static int slot_fill(struct pipeline *p, struct slot *slot)
{
	const struct ustack_sample *s;
	size_t bytes = 0;
	int ret = 1;

	slot_release(p, slot);
	while (slot->nr < BATCH_SAMPLES && bytes < BATCH_BYTES) {
		ret = cli_next(p->cli, &s);
		if (ret <= 0)
			break;
		if (ustack_reader_hold(p->cli->reader))
			cli_no_memory(p->cli);
		slot->sample[slot->nr++] = s;
		bytes += bytes_of(s);
	}
	return ret;
}

/* The next three drop p->lock while they work. */
static void read_batch(struct pipeline *p)
{
	struct slot *slot = slot_of(p, p->nr_read);
	int ret;

	p->reading = true;
	pthread_mutex_unlock(&p->lock);
	ret = slot_fill(p, slot);
	pthread_mutex_lock(&p->lock);
	p->reading = false;
	p->nr_read += slot->nr > 0;
	if (ret <= 0) {
		p->ended = true;
		p->status = ret;
	}
	pthread_cond_broadcast(&p->moved);
}

static void unwind_batch(struct pipeline *p, struct worker *w)
{
	struct slot *slot = slot_of(p, p->nr_taken++);
	struct out last = w->out;
	size_t i;

	pthread_mutex_unlock(&p->lock);
	w->out = slot->out;
	for (i = 0; i < slot->nr; i++)
		p->task->sample(w, slot->sample[i]);
	pthread_mutex_lock(&p->lock);
	slot->out = w->out;
	w->out = last;
	slot->done = true;
}

static void write_batch(struct pipeline *p)
{
	struct slot *slot = slot_of(p, p->nr_written);

	p->writing = true;
	pthread_mutex_unlock(&p->lock);
	out_write(&slot->out);
	pthread_mutex_lock(&p->lock);
	p->writing = false;
	slot->done = false;
	p->nr_written++;
	pthread_cond_broadcast(&p->moved);
}

static void *thread_run(void *arg)
{
	struct thread *t = arg;
	struct pipeline *p = t->pipeline;

	pthread_mutex_lock(&p->lock);
	while (!p->ended || p->nr_written < p->nr_read) {
		if (!p->writing && slot_of(p, p->nr_written)->done)
			write_batch(p);
		else if (!p->reading && !p->ended &&
			 p->nr_read - p->nr_written < p->nr_slots)
			read_batch(p);
		else if (p->nr_taken < p->nr_read)
			unwind_batch(p, t->worker);
		else
			pthread_cond_wait(&p->moved, &p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void start_threads(struct pipeline *p, struct thread *t,
			  unsigned int jobs)
{
	unsigned int i;
	int err;

	/* None gets to work, and prints, before all are there. */
	pthread_mutex_lock(&p->lock);
	for (i = 0; i < jobs; i++) {
		t[i].pipeline = p;
		t[i].worker = worker_new(p->cli, p->task);
		err = pthread_create(&t[i].id, NULL, thread_run, &t[i]);
		if (err) {
			fprintf(stderr,
				"ustack: cannot start %u threads: %s; use a smaller -j\n",
				jobs, strerror(err));
			_exit(1);
		}
	}
	pthread_mutex_unlock(&p->lock);
}

static int run_threads(struct pipeline *p)
{
	unsigned int jobs = p->cli->jobs, i;
	struct thread *t = calloc(jobs, sizeof(*t));

	p->nr_slots = SLOTS_PER_JOB * jobs;
	p->slot = calloc(p->nr_slots, sizeof(*p->slot));
	if (!t || !p->slot)
		cli_no_memory(p->cli);
	start_threads(p, t, jobs);
	for (i = 0; i < jobs; i++) {
		pthread_join(t[i].id, NULL);
		worker_end(t[i].worker, p->task);
	}
	for (i = 0; i < p->nr_slots; i++) {
		slot_release(p, &p->slot[i]);
		free(p->slot[i].out.buf);
	}
	free(p->slot);
	free(t);
	return p->status;
}

static int run_alone(struct cli *cli, const struct task *task)
{
	struct worker *w = worker_new(cli, task);
	const struct ustack_sample *s;
	int ret;

	while ((ret = cli_next(cli, &s)) > 0) {
		task->sample(w, s);
		if (w->out.size >= OUT_FLUSH)
			out_write(&w->out);
	}
	out_write(&w->out);
	worker_end(w, task);
	return ret;
}

void worker_chain(struct worker *w, const struct ustack_sample *s)
{
	chain_fill(&w->chain, w->unwinder, w->unwound, s);
}

int cli_each(struct cli *cli, const struct task *task)
{
	struct pipeline p = {
		.cli = cli,
		.task = task,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.moved = PTHREAD_COND_INITIALIZER,
	};

	return cli->jobs > 1 ? run_threads(&p) : run_alone(cli, task);
}
