// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Processes without samples. */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/record/grow.h"
#include "cli/record/held.h"
#include "util/bytes.h"

#define BYTES_MAX (64u << 10) /* of one process */
#define LATE 32768 /* records later a reader may not know where to put them */
#define TIME_AT 24 /* bytes before the end of a record */
#define DEPTH_MAX 64 /* parents whose maps are needed */
#define TURNS 3 /* until there are all samples of a process that ended */

/*
 * One ring is read after the other: what comes first may have happened later.  So the
 * order counts for nothing here, but times do; and a process may be known by any of
 * its records before that of its beginning is there.
 */
struct held_process {
	struct hash_node node;
	struct held_process *next, **back; /* of all */
	struct held_process *parent; /* whose maps it has; NULL: they are known, or none */
	unsigned int depth; /* how many parents there are */
	unsigned int refs; /* one while it is in the table, and one for each child */
	bool open; /* nothing is kept any more */
	bool begun; /* its beginning was told: threads is right, and 0 its end */
	int threads;
	unsigned int turn; /* of its end */
	uint64_t passed; /* before it was known */
	uint64_t exec; /* what is older tells of another program; 0: nothing is */
	struct bytes records;
};

static uint64_t time_of(const uint8_t *r)
{
	return get64(r + get16(r + 6) - TIME_AT);
}

void held_init(struct record_held *h,
	       int (*write)(void *arg, const void *record), void *arg)
{
	memset(h, 0, sizeof(*h));
	h->end = &h->first;
	h->write = write;
	h->arg = arg;
}

static struct held_process *find(const struct record_held *h, uint32_t pid)
{
	struct hash_node *n = hash_find(&h->processes, pid);

	return n ? container_of(n, struct held_process, node) : NULL;
}

static struct held_process *new(struct record_held *h, uint32_t pid)
{
	struct held_process *p = calloc(1, sizeof(*p));

	if (!p || hash_add(&h->processes, &p->node, pid)) {
		free(p);
		return NULL;
	}
	p->refs = 1;
	p->passed = h->passed;
	p->back = h->end;
	*h->end = p;
	h->end = &p->next;
	return p;
}

static void put(struct held_process *p)
{
	while (p && !--p->refs) {
		struct held_process *parent = p->parent;

		free(p->records.p);
		free(p);
		p = parent;
	}
}

/* Its number may be another's from now on. */
static void leave(struct record_held *h, struct held_process *p)
{
	hash_del(&h->processes, &p->node);
	*p->back = p->next;
	if (p->next)
		p->next->back = p->back;
	else
		h->end = p->back;
	put(p);
}

static void empty(struct held_process *p)
{
	put(p->parent);
	p->parent = NULL;
	p->depth = 0;
	free(p->records.p);
	p->records = (struct bytes){ 0 };
}

static int write(struct record_held *h, const void *record)
{
	h->passed++;
	return h->write(h->arg, record);
}

/*
 * Lets go what is needed of its records from time on; behind those of the process
 * that it has its maps of.
 */
static int let_go(struct record_held *h, struct held_process *p, uint64_t time)
{
	const uint64_t from = time < p->exec ? 0 : p->exec;
	const uint8_t *r = p->records.p, *end = r + p->records.size;
	int ret = !from && p->parent ? let_go(h, p->parent, time) : 0;

	for (; r < end && !ret; r += get16(r + 6))
		if (time_of(r) >= from)
			ret = write(h, r);
	empty(p);
	p->open = true;
	return ret;
}

/* Of one process of the user's; pid and what follows it are at the same place in all. */
static bool is_of_process(const uint8_t *r)
{
	switch (get32(r)) {
	case PERF_RECORD_MMAP:
	case PERF_RECORD_MMAP2:
		return (get16(r + 4) & PERF_RECORD_MISC_CPUMODE_MASK) ==
		       PERF_RECORD_MISC_USER;
	case PERF_RECORD_COMM:
	case PERF_RECORD_FORK:
	case PERF_RECORD_EXIT:
		return true;
	}
	return false;
}

static bool is_new_process(const uint8_t *r)
{
	return get32(r) == PERF_RECORD_FORK && get32(r + 8) != get32(r + 12);
}

static bool is_exec(const uint8_t *r)
{
	return get32(r) == PERF_RECORD_COMM &&
	       get16(r + 4) & PERF_RECORD_MISC_COMM_EXEC;
}

static bool has_ended(const struct held_process *p)
{
	return p->begun && p->threads <= 0;
}

static struct held_process *get(struct record_held *h, uint32_t pid)
{
	struct held_process *p = find(h, pid);

	return p ? p : new(h, pid);
}

/* Is p among parent and those that it needs?  Numbers are used again. */
static bool needs(const struct held_process *parent,
		  const struct held_process *p)
{
	for (; parent && parent != p; parent = parent->parent)
		;
	return parent;
}

/* It began, with the maps of another one. */
static int begin(struct record_held *h, struct held_process *p, const uint8_t *r)
{
	struct held_process *parent = get(h, get32(r + 12));

	if (!parent)
		return -ENOMEM;
	p->begun = true;
	/* It still has what was mapped before. */
	if (time_of(r) < parent->exec)
		parent->exec = 0;
	if (parent->open)
		return 0;
	if (p->open || parent->depth == DEPTH_MAX || needs(parent, p))
		return let_go(h, parent, 0);
	p->parent = parent;
	p->depth = parent->depth + 1;
	parent->refs++;
	return 0;
}

/* What the record changes. */
static int follow(struct record_held *h, struct held_process *p, const uint8_t *r)
{
	switch (get32(r)) {
	case PERF_RECORD_FORK:
		p->threads++;
		return is_new_process(r) ? begin(h, p, r) : 0;
	case PERF_RECORD_EXIT:
		p->threads--;
		p->turn = h->turn;
		break;
	case PERF_RECORD_COMM:
		/* Samples of before may still come; and children have those maps. */
		if (is_exec(r) && p->refs == 1 && time_of(r) > p->exec)
			p->exec = time_of(r);
		break;
	}
	return 0;
}

int held_record(struct record_held *h, const void *record)
{
	const uint8_t *r = record;
	struct held_process *p;
	int ret;

	if (!is_of_process(r))
		return write(h, r);
	p = find(h, get32(r + 8));
	/* Its number is another's now. */
	if (p && p->begun && is_new_process(r)) {
		leave(h, p);
		p = NULL;
	}
	if (!p)
		p = new(h, get32(r + 8));
	if (!p)
		return -ENOMEM;
	ret = follow(h, p, r);
	if (!ret)
		ret = p->open ? write(h, r) :
			       bytes_add(&p->records, r, get16(r + 6));
	if (!ret && p->records.size > BYTES_MAX)
		ret = let_go(h, p, 0);
	return ret;
}

int held_release(struct record_held *h, uint32_t pid, uint64_t time)
{
	struct held_process *p = find(h, pid);

	h->passed++;
	return p && !p->open ? let_go(h, p, time) : 0;
}

int held_turn(struct record_held *h)
{
	struct held_process *p, *next;
	int ret = 0;

	h->turn++;
	for (p = h->first; p && !ret; p = next) {
		next = p->next;
		if (has_ended(p) && h->turn - p->turn >= TURNS)
			leave(h, p);
		else if (!p->open && !has_ended(p) &&
			 h->passed - p->passed > LATE)
			ret = let_go(h, p, 0);
	}
	return ret;
}

void held_free(struct record_held *h)
{
	while (h->first)
		leave(h, h->first);
	hash_free(&h->processes);
}
