// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Chains that had to stay incomplete, told apart. */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>

#include "cli/record/cause.h"
#include "util/bytes.h"

/* As much there is room for in any sample, beside all else. */
#define STACK_SURE (60u << 10)
/* From the record of an exec to that of an end which is none. */
#define BARE_NS 200000
#define TIME_AT 24 /* bytes before the end of a record */

struct process {
	struct hash_node node;
	bool unreadable;
	uint64_t bare; /* the time of an exec, before anything is mapped; or 0 */
};

static struct process *find(const struct record_causes *c, uint32_t pid)
{
	struct hash_node *n = hash_find(&c->processes, pid);

	return n ? container_of(n, struct process, node) : NULL;
}

static int set(struct record_causes *c, uint32_t pid, bool unreadable,
	       uint64_t bare)
{
	struct process *p = find(c, pid);

	if (!p) {
		p = malloc(sizeof(*p));
		if (!p || hash_add(&c->processes, &p->node, pid)) {
			free(p);
			return -ENOMEM;
		}
	}
	p->unreadable = unreadable;
	p->bare = bare;
	return 0;
}

int causes_unreadable(struct record_causes *c, uint32_t pid)
{
	return set(c, pid, true, 0);
}

static bool is_unreadable(const struct record_causes *c, uint32_t pid)
{
	const struct process *p = find(c, pid);

	return p && p->unreadable;
}

static void forget(struct record_causes *c, struct process *p)
{
	hash_del(&c->processes, &p->node);
	free(p);
}

int causes_task(struct record_causes *c, const void *record)
{
	/* header, pid, ppid, tid, ptid; of others than tasks header, pid, tid */
	const uint8_t *r = record;
	const uint32_t pid = get32(r + 8);
	struct process *p;

	switch (get32(r)) {
	case PERF_RECORD_FORK:
		if (pid != get32(r + 12) && is_unreadable(c, get32(r + 12)))
			return causes_unreadable(c, pid);
		break;
	case PERF_RECORD_COMM:
		/* From now on the kernel tells what is mapped. */
		if (get16(r + 4) & PERF_RECORD_MISC_COMM_EXEC)
			return set(c, pid, false, get64(r + get16(r + 6) - TIME_AT));
		break;
	case PERF_RECORD_MMAP2:
		p = find(c, pid);
		if (p && p->bare)
			forget(c, p);
		break;
	case PERF_RECORD_EXIT:
		p = pid == get32(r + 16) ? find(c, pid) : NULL;
		if (!p)
			break;
		/* No program ends so soon: it is out of sight. */
		c->unseen += p->bare && get64(r + 24) - p->bare < BARE_NS;
		forget(c, p);
		break;
	}
	return 0;
}

/* The instruction leaves its own end in rcx. */
static bool is_in_syscall(const struct ustack_sample *s)
{
	const uint64_t both = 1ull << USTACK_REG_X86_CX | 1ull << USTACK_REG_X86_IP;

	return (s->regs.mask & both) == both &&
	       s->regs.val[USTACK_REG_X86_CX] == s->regs.val[USTACK_REG_X86_IP];
}

/* Is it one address of the user, where nothing is mapped? */
static bool is_nowhere(const struct ustack_sample *s, const struct chain *c)
{
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	const struct line *last = c->line + c->nr - 1;

	if (!c->nr || last->kernel || (c->nr > 1 && !last[-1].kernel))
		return false;
	ustack_symbolize(s->space, last->lookup, &sym);
	return !sym.path;
}

static enum cause find_cause(const struct record_causes *c, uint32_t stack,
			     const struct ustack_sample *s,
			     const struct chain *chain)
{
	size_t i, captured = 0;

	if (!chain->unwound || chain->end == USTACK_END_FINISHED)
		return CAUSE_NONE;
	if (chain->end == USTACK_END_NO_RULE && is_unreadable(c, s->pid))
		return CAUSE_UNREADABLE;
	if (s->pair != USTACK_PAIR_LEGACY)
		return CAUSE_NONE;
	for (i = 0; i < s->nr_ranges; i++)
		captured += s->ranges[i].size;
	if (chain->end == USTACK_END_TRUNCATED && captured < stack &&
	    captured < STACK_SURE)
		return captured || sample_is_user(s) || !is_in_syscall(s) ?
			       CAUSE_ABSENT :
			       CAUSE_EXEC;
	if (chain->end == USTACK_END_NO_RULE && !sample_is_user(s) &&
	    is_nowhere(s, chain))
		return CAUSE_EXEC;
	return CAUSE_NONE;
}

enum cause causes_chain(struct record_causes *c, uint32_t stack,
			const struct ustack_sample *s,
			const struct chain *chain)
{
	enum cause cause = find_cause(c, stack, s, chain);

	c->nr[cause]++;
	return cause;
}

void causes_free(struct record_causes *c)
{
	struct hash_node *n;

	while ((n = hash_pop(&c->processes)))
		free(container_of(n, struct process, node));
	hash_free(&c->processes);
}
