// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* All captures of a file, before the samples. */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>

#include "read/captures.h"
#include "read/pair.h"
#include "read/perf_abi.h"
#include "util/hash.h"
#include "util/search.h"

/* Against hostile files: beyond so many it is read as a stream. */
#define ENTRIES_MAX (1u << 24)
#define TASKS_MAX (1u << 22) /* the kernel's PID_MAX_LIMIT */

/* A thread, as the records that were read so far leave it. */
struct task {
	struct hash_node node; /* by tid */
	uint32_t tid;
	uint64_t cookie; /* of the stay it is in; 0: none was seen */
	uint64_t nr_lost; /* records that the rings had lost by its last sample */
	bool sampled; /* in this stay */
};

struct scan {
	struct captures *c;
	struct datafile *df;
	const struct events *es;
	struct events own; /* es of a recording that describes them by records */
	struct errline line; /* errors are told when it is read again */
	struct hash_table tasks;
	uint64_t nr_lost;
};

static int grow(void **v, size_t nr, size_t *cap, size_t size)
{
	size_t more = *cap ? *cap * 2 : 256;
	void *p;

	if (nr < *cap)
		return 0;
	if (nr >= ENTRIES_MAX)
		return -E2BIG;
	p = realloc(*v, more * size);
	if (!p)
		return -ENOMEM;
	*v = p;
	*cap = more;
	return 0;
}

/* --- stays that end ------------------------------------------------------- */

static int stay_is_over(struct scan *s, struct task *t, bool exited)
{
	struct captures *c = s->c;

	if (!t->sampled)
		return 0;
	if (grow((void **)&c->lost, c->nr_lost, &c->cap_lost, sizeof(*c->lost)))
		return -ENOMEM;
	c->lost[c->nr_lost++] = (struct lost_stay){
		.cookie = t->cookie,
		.tid = t->tid,
		.lost = t->nr_lost != s->nr_lost ? USTACK_LOST_RING :
			exited			 ? USTACK_LOST_EXIT :
						   USTACK_LOST_MISSED,
	};
	t->sampled = false;
	return 0;
}

static struct task *task_find(const struct scan *s, uint32_t tid)
{
	struct hash_node *n = hash_find(&s->tasks, tid);

	return n ? container_of(n, struct task, node) : NULL;
}

static struct task *task_get(struct scan *s, uint32_t tid)
{
	struct task *t = task_find(s, tid);

	if (t || s->tasks.nr >= TASKS_MAX)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->tid = tid;
	if (hash_add(&s->tasks, &t->node, tid)) {
		free(t);
		return NULL;
	}
	return t;
}

static int scan_sample(struct scan *s, const struct event *ev,
		       const struct record *rec)
{
	struct parsed_sample sample;
	struct task *t;
	int ret = 0;

	if (!pair_wants(ev) || parse_sample(ev, rec, &sample) ||
	    !sample.deferred || !sample.cookie)
		return 0;
	t = task_get(s, sample.tid);
	if (!t)
		return -ENOMEM;
	if (t->cookie != sample.cookie)
		ret = stay_is_over(s, t, false);
	t->cookie = sample.cookie;
	t->nr_lost = s->nr_lost;
	t->sampled = true;
	return ret;
}

static int scan_exit(struct scan *s, const struct record *rec)
{
	struct task *t = record_size(rec) < 32 ?
				 NULL :
				 task_find(s, get32(rec->data + 16));
	int ret;

	if (!t)
		return 0;
	ret = stay_is_over(s, t, true);
	hash_del(&s->tasks, &t->node);
	free(t);
	return ret;
}

/* --- captures ------------------------------------------------------------- */

/* Of whom it is; false if it cannot be used. */
static bool read_part(struct capture_part *part, const struct event *ev,
		      const struct record *rec)
{
	struct parsed_stack stack;
	struct parsed_chain chain;

	part->chain = record_type(rec) == REC_CALLCHAIN_DEFERRED;
	part->size = record_size(rec);
	part->taken = part->changed = false;
	if (part->chain) {
		if (parse_chain(ev, rec, &chain))
			return false;
		part->tid = chain.sample_id.tid;
		part->cookie = chain.cookie;
		return true;
	}
	if (parse_stack(ev, rec, &stack) ||
	    stack.flags & ~(uint64_t)STACK_FLAGS)
		return false;
	part->tid = stack.tid;
	part->cookie = stack.cookie;
	part->changed = stack.flags & STACK_CHANGED;
	return true;
}

static int scan_part(struct scan *s, const struct event *ev, struct record *rec)
{
	struct captures *c = s->c;
	struct capture_part part;
	struct task *t;
	int ret;

	if (!read_part(&part, ev, rec))
		return 0;
	ret = grow((void **)&c->part, c->nr, &c->cap, sizeof(*c->part));
	if (!ret)
		ret = datafile_park(s->df, rec, &part.where);
	if (ret)
		return ret;
	c->part[c->nr++] = part;
	/* It tells of the stay, too. */
	t = task_find(s, part.tid);
	return t && t->cookie != part.cookie ? stay_is_over(s, t, false) : 0;
}

static int by_stay(uint32_t tid_a, uint64_t cookie_a, uint32_t tid_b,
		   uint64_t cookie_b)
{
	if (tid_a != tid_b)
		return tid_a < tid_b ? -1 : 1;
	return cookie_a < cookie_b ? -1 : cookie_a > cookie_b;
}

static int part_cmp(const void *a, const void *b)
{
	const struct capture_part *x = a, *y = b;
	int ret = by_stay(x->tid, x->cookie, y->tid, y->cookie);

	return ret ? ret : x->where < y->where ? -1 : x->where > y->where;
}

static int lost_cmp(const void *a, const void *b)
{
	const struct lost_stay *x = a, *y = b;

	return by_stay(x->tid, x->cookie, y->tid, y->cookie);
}

/* --- all records ---------------------------------------------------------- */

static bool defers(const struct events *es)
{
	for (size_t i = 0; i < es->nr; i++)
		if (pair_wants(es->ev[i]))
			return true;
	return false;
}

static int scan_record(struct scan *s, struct record *rec)
{
	const struct event *ev;
	uint64_t id;

	ev = events_of(s->es, rec, &id);
	if (!ev)
		return 0;
	switch (record_type(rec)) {
	case PERF_RECORD_SAMPLE:
		return scan_sample(s, ev, rec);
	case PERF_RECORD_EXIT:
		return scan_exit(s, rec);
	case PERF_RECORD_LOST:
		if (record_size(rec) >= 24)
			s->nr_lost += get64(rec->data + 16);
		return 0;
	case REC_STACK_DEFERRED:
	case REC_CALLCHAIN_DEFERRED:
		return scan_part(s, ev, rec);
	}
	return 0;
}

/*
 * Until the end or the first error, which is told when it is read again; not at all
 * if no event defers stacks, which is known at the first record of the kernel's.
 */
static int scan_all(struct scan *s)
{
	bool first = true;
	struct record rec;
	int ret = 0;

	while (!ret && datafile_next(s->df, &rec) == 1) {
		if (record_type(&rec) == REC_HEADER_ATTR && s->es == &s->own) {
			ret = events_take_attr(&s->own, &rec, &s->line);
		} else if (record_type(&rec) < REC_USER_TYPES) {
			ret = first && !defers(s->es) ? -ENOENT :
							scan_record(s, &rec);
			first = false;
		}
		record_put(s->df->pool, &rec);
	}
	return ret;
}

static void tasks_free(struct hash_table *tasks)
{
	struct hash_node *n;

	while ((n = hash_pop(tasks)))
		free(container_of(n, struct task, node));
	hash_free(tasks);
}

int captures_index(struct captures *c, struct datafile *df,
		   const struct events *es)
{
	struct scan s = { .c = c, .df = df, .es = es };
	struct errline *line = df->line;
	int ret;

	if (!df->seekable || (es->nr && !defers(es)))
		return 0;
	if (!es->nr)
		s.es = &s.own;
	df->line = &s.line;
	ret = scan_all(&s);
	df->line = line;
	tasks_free(&s.tasks);
	events_free(&s.own);
	if (ret) {
		captures_free(c);
	} else {
		if (c->nr)
			qsort(c->part, c->nr, sizeof(*c->part), part_cmp);
		if (c->nr_lost)
			qsort(c->lost, c->nr_lost, sizeof(*c->lost), lost_cmp);
		c->indexed = true;
	}
	return datafile_rewind(df);
}

/* --- what was found ------------------------------------------------------- */

struct stay_key {
	const struct captures *c;
	uint32_t tid;
	uint64_t cookie;
};

static bool part_before(const void *key, size_t i, uint64_t unused)
{
	const struct stay_key *k = key;
	const struct capture_part *p = &k->c->part[i];

	(void)unused;
	return by_stay(p->tid, p->cookie, k->tid, k->cookie) < 0;
}

struct capture_part *captures_find(const struct captures *c, uint32_t tid,
				   uint64_t cookie, size_t *nr)
{
	const struct stay_key key = { c, tid, cookie };
	size_t first = search(c->nr, part_before, &key, 0), end = first;

	while (end < c->nr && c->part[end].tid == tid &&
	       c->part[end].cookie == cookie)
		end++;
	*nr = end - first;
	return *nr ? &c->part[first] : NULL;
}

void captures_taken(const struct captures *c, uint32_t tid, uint64_t cookie)
{
	size_t nr;
	struct capture_part *p = captures_find(c, tid, cookie, &nr);

	while (nr)
		p[--nr].taken = true;
}

enum ustack_lost captures_why(const struct captures *c, uint32_t tid,
			      uint64_t cookie)
{
	const struct lost_stay key = { .tid = tid, .cookie = cookie }, *found;

	found = c->nr_lost ? bsearch(&key, c->lost, c->nr_lost, sizeof(key),
				     lost_cmp) :
			     NULL;
	return found ? found->lost : USTACK_LOST_END;
}

/* A capture is all parts of a stay that are not its callchain. */
void captures_account(const struct captures *c, struct ustack_stats *stats)
{
	const struct capture_part *first = NULL;
	bool taken = true;

	stats->stacks = stats->stacks_unused = stats->stack_bytes = 0;
	for (size_t i = 0; i < c->nr; i++) {
		const struct capture_part *p = &c->part[i];

		if (p->chain)
			continue;
		if (!first || by_stay(first->tid, first->cookie, p->tid,
				      p->cookie)) {
			stats->stacks++;
			stats->stacks_unused += !taken;
			taken = false;
			first = p;
		}
		taken |= p->taken;
		stats->stack_bytes += p->size;
	}
	stats->stacks_unused += !taken;
}

void captures_free(struct captures *c)
{
	free(c->part);
	free(c->lost);
	memset(c, 0, sizeof(*c));
}
