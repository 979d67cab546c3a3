// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Samples over threads, their output in the order of the samples.
 *
 * The threads take turns at reading: who has read a batch unwinds it, while its
 * bytes are still in this CPU's cache.  The text of a batch waits in its slot
 * until those before it are written.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define OUT_FLUSH (64u << 10)
#define BATCH_SAMPLES 64
#define BATCH_BYTES (512u << 10)

struct slot {
	struct out out;
	bool full;
};

struct pool {
	struct cli *cli;
	const struct task *task;
	pthread_mutex_t in; /* the reader, and the next three */
	uint64_t nr_read; /* batches */
	bool ended;
	int status;
	pthread_mutex_t out; /* standard output, and the rest */
	pthread_cond_t moved;
	uint64_t nr_written;
	size_t nr_slots;
	struct slot *slot; /* batch n has number n % nr_slots */
};

struct thread {
	pthread_t id;
	struct pool *pool;
	struct worker *worker;
	const struct ustack_sample *batch[BATCH_SAMPLES];
	size_t nr;
};

static void out_write(struct out *o)
{
	fwrite(o->buf, 1, o->size, stdout);
	o->size = 0;
}

static struct worker *worker_new(struct cli *cli, const struct task *task)
{
	struct ustack_unwinder_opts opts = {
		.sz = sizeof(opts),
		.backend = cli->backend,
	};
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		cli_no_memory(cli);
	w->cli = cli;
	w->arg = task->arg;
	w->own = calloc(1, task->own_size + 1);
	if (!w->own || ustack_unwinder_new(&w->unwinder, cli->images, &opts))
		cli_no_memory(cli);
	return w;
}

static void worker_end(struct worker *w, const struct task *task)
{
	if (task->end)
		task->end(w);
	ustack_unwinder_free(w->unwinder);
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

/* Gives back the last batch and reads the next; in its turn. */
static void batch_read(struct thread *t)
{
	struct pool *p = t->pool;
	const struct ustack_sample *s;
	size_t bytes = 0;

	while (t->nr)
		ustack_reader_release(p->cli->reader, t->batch[--t->nr]);
	while (!p->ended && t->nr < BATCH_SAMPLES && bytes < BATCH_BYTES) {
		int ret = cli_next(p->cli, &s);

		if (ret > 0 && ustack_reader_hold(p->cli->reader))
			cli_no_memory(p->cli);
		if (ret <= 0) {
			p->status = ret;
			p->ended = true;
			break;
		}
		t->batch[t->nr++] = s;
		bytes += bytes_of(s);
	}
}

/* Leaves the text of batch nr to whoever writes the one before it. */
static void batch_write(struct thread *t, uint64_t nr)
{
	struct pool *p = t->pool;
	struct slot *slot = &p->slot[nr % p->nr_slots];
	struct out mine = t->worker->out;

	pthread_mutex_lock(&p->out);
	while (nr - p->nr_written >= p->nr_slots)
		pthread_cond_wait(&p->moved, &p->out);
	t->worker->out = slot->out;
	slot->out = mine;
	slot->full = true;
	while ((slot = &p->slot[p->nr_written % p->nr_slots])->full) {
		out_write(&slot->out);
		slot->full = false;
		p->nr_written++;
		pthread_cond_broadcast(&p->moved);
	}
	pthread_mutex_unlock(&p->out);
}

static void *thread_run(void *arg)
{
	struct thread *t = arg;
	struct pool *p = t->pool;

	for (;;) {
		uint64_t nr;
		size_t i;

		pthread_mutex_lock(&p->in);
		batch_read(t);
		nr = p->nr_read;
		p->nr_read += t->nr > 0;
		pthread_mutex_unlock(&p->in);
		if (!t->nr)
			return NULL;
		for (i = 0; i < t->nr; i++)
			p->task->sample(t->worker, t->batch[i]);
		batch_write(t, nr);
	}
}

static int run_threads(struct pool *p)
{
	unsigned int jobs = p->cli->jobs, i;
	struct thread *t = calloc(jobs, sizeof(*t));

	p->nr_slots = 2 * jobs;
	p->slot = calloc(p->nr_slots, sizeof(*p->slot));
	if (!t || !p->slot)
		cli_no_memory(p->cli);
	for (i = 0; i < jobs; i++) {
		t[i].pool = p;
		t[i].worker = worker_new(p->cli, p->task);
		if (pthread_create(&t[i].id, NULL, thread_run, &t[i]))
			cli_no_memory(p->cli);
	}
	for (i = 0; i < jobs; i++) {
		pthread_join(t[i].id, NULL);
		worker_end(t[i].worker, p->task);
	}
	for (i = 0; i < p->nr_slots; i++)
		free(p->slot[i].out.buf);
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

int cli_each(struct cli *cli, const struct task *task)
{
	struct pool p = {
		.cli = cli,
		.task = task,
		.in = PTHREAD_MUTEX_INITIALIZER,
		.out = PTHREAD_MUTEX_INITIALIZER,
		.moved = PTHREAD_COND_INITIALIZER,
	};

	return cli->jobs > 1 ? run_threads(&p) : run_alone(cli, task);
}
