// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Fills in the sample that leaves the reader. */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>

#include "read/perf_abi.h"
#include "read/reader.h"

static int room_for_ranges(struct sample *o, size_t nr)
{
	struct ustack_range *p;

	if (nr <= o->cap_ranges)
		return 0;
	p = realloc(o->ranges, nr * sizeof(*p));
	if (!p)
		return -ENOMEM;
	o->ranges = p;
	o->cap_ranges = nr;
	return 0;
}

static int room_for_chain(struct sample *o, size_t nr)
{
	uint64_t *p;

	if (nr <= o->cap_chain)
		return 0;
	p = realloc(o->chain, nr * sizeof(*p));
	if (!p)
		return -ENOMEM;
	o->chain = p;
	o->cap_chain = nr;
	return 0;
}

/* What stands in the sample's own record, whether or not a stack comes to it. */
static void fill_record(struct ustack_reader *r, const struct event *ev,
			const struct record *rec, const struct parsed_sample *s)
{
	struct ustack_sample *o = &r->current->shown;

	o->time = s->time;
	o->ip = s->ip;
	o->addr = s->addr;
	o->period = s->period;
	o->id = s->id;
	o->pid = s->pid;
	o->tid = s->tid;
	o->cpu = s->cpu;
	o->misc = record_misc(rec);
	o->event = event_shown(ev);
	o->event_nr = ev->nr;
	o->chain = s->chain;
	o->nr_chain = s->nr_chain;
	o->cookie = s->cookie;
	o->lost = USTACK_LOST_NOT;
	o->stack_changed = 0;
	o->regs.abi = USTACK_ABI_NONE;
	o->regs.mask = 0;
	o->kernel = r->processes.kernel;
	o->ranges = NULL;
	o->nr_ranges = 0;
	o->record_size = record_size(rec);
	r->stats.samples++;
	r->stats.sample_bytes += record_size(rec);
}

static int fill_whole(struct ustack_reader *r, const struct event *ev,
		      const struct record *rec, const struct parsed_sample *s,
		      const char *comm, struct ustack_space *space)
{
	struct ustack_sample *o = &r->current->shown;

	if (room_for_ranges(r->current, 1))
		return -ENOMEM;
	fill_record(r, ev, rec, s);
	o->comm = comm;
	o->space = space;
	o->pair = USTACK_PAIR_NONE;
	regs_fill(&o->regs, s->regs_abi, ev->regs_user, s->regs);
	if (!o->regs.abi || !(ev->sample_type & PERF_SAMPLE_STACK_USER)) {
		r->stats.none++;
		return 0;
	}
	o->pair = USTACK_PAIR_LEGACY;
	if (s->stack_size && o->regs.mask & 1ull << USTACK_REG_X86_SP) {
		r->current->ranges[0] =
			(struct ustack_range){ o->regs.val[USTACK_REG_X86_SP],
					       s->stack_size, s->stack };
		o->ranges = r->current->ranges;
		o->nr_ranges = 1;
	}
	r->stats.legacy++;
	return 0;
}

int sample_fill(struct ustack_reader *r, const struct event *ev,
		const struct record *rec, const struct parsed_sample *s,
		const struct thread *th)
{
	return fill_whole(r, ev, rec, s, th->comm, th->proc->space->space);
}

/* The kernel's part of the sample's own chain, then the deferred user part. */
static int join_chain(struct sample *sample, const struct stay *stay)
{
	struct ustack_sample *o = &sample->shown;
	size_t own = o->nr_chain - 2; /* without the mark and the cookie */
	struct parsed_chain user;

	if (parse_chain(stay->chain.ev, &stay->chain.record, &user))
		return -EBADMSG;
	if (room_for_chain(sample, own + 1 + user.nr))
		return -ENOMEM;
	if (own)
		memcpy(sample->chain, o->chain, own * sizeof(*o->chain));
	o->chain = sample->chain;
	o->nr_chain = own;
	if (!user.nr || user.ips[0] != (uint64_t)PERF_CONTEXT_USER)
		sample->chain[o->nr_chain++] = (uint64_t)PERF_CONTEXT_USER;
	if (user.nr)
		memcpy(sample->chain + o->nr_chain, user.ips,
		       user.nr * sizeof(*o->chain));
	o->nr_chain += user.nr;
	return 0;
}

static int join_stack(struct sample *sample, const struct stay *stay)
{
	struct ustack_sample *o = &sample->shown;

	if (room_for_ranges(sample, stay->nr_parts))
		return -ENOMEM;
	for (size_t i = 0; i < stay->nr_parts; i++) {
		const struct event *ev = stay->parts[i].ev;
		struct parsed_stack part;

		if (parse_stack(ev, &stay->parts[i].record, &part))
			return -EBADMSG;
		if (!i)
			regs_fill(&o->regs, part.abi, part.mask, part.regs);
		if (part.range.size)
			sample->ranges[o->nr_ranges++] = part.range;
	}
	o->ranges = sample->ranges;
	o->stack_changed = stay->changed;
	return 0;
}

int sample_fill_pending(struct ustack_reader *r, const struct pending *p)
{
	struct ustack_sample *o = &r->current->shown;
	const struct stay *stay = p->stay;
	struct parsed_sample s;
	struct thread *th;
	int ret;

	ret = parse_sample(p->ev, &p->record, &s);
	if (ret)
		return ret;
	if (p->whole) {
		ret = fill_whole(r, p->ev, &p->record, &s, p->comm,
				 p->space->space);
		o->pid = p->pid;
		o->tid = p->tid;
		return ret;
	}
	fill_record(r, p->ev, &p->record, &s);
	o->pid = p->pid;
	o->tid = p->tid;
	o->comm = p->comm;
	o->pair = p->pair;
	if (stay) {
		r->stats.paired++;
		o->space = stay->space->space;
		if (p->want & WANT_STACK)
			ret = join_stack(r->current, stay);
		if (!ret && p->want & WANT_CHAIN)
			ret = join_chain(r->current, stay);
		return ret;
	}
	_Static_assert(USTACK_LOST_NR <= sizeof(r->stats.lost_by) /
						sizeof(*r->stats.lost_by),
		       "a reason without an account");
	o->lost = p->lost;
	r->stats.lost++;
	r->stats.lost_by[p->lost]++;
	ret = processes_thread(&r->processes, p->pid, p->tid, &th);
	if (!ret)
		o->space = th->proc->space->space;
	return ret;
}
