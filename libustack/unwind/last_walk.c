// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The last walk of a stack.  Most samples of a thread share their outer frames
 * with the sample before: where a walk gets to a frame of the last one, and all
 * words that the steps from there on read are unchanged, the frames are, too.
 *
 * What is remembered of a step depends on the maps and its width alone: from this
 * ip, with these values in sp and the registers of live, it reads these slots.
 * The words are compared with what is in the slots now, so that a stale frame
 * costs time but is never wrong.
 *
 * Where a step from f to f + 1 is plain, this holds for every kept register:
 * f[1].kept is what f's slot had if f saves it, and else f[0].kept.  A frame that
 * is taken over is one of this walk from then on: it gets this walk's registers,
 * those too that no step needed so far, for a later one may.
 */
#include <string.h>

#include "unwind/arch.h"
#include "unwind/last_walk.h"
#include "util/hash.h"
#include "util/huge.h"

/* Bytes from sp up: new frames need some, and 8 KB is what perf captures. */
#define PREFETCH_MIN 512
#define PREFETCH_MAX 8192

void last_walks_init(struct last_walks *walks)
{
	for (int i = 0; i < LAST_WALKS; i++)
		walks->of[i] = (struct last_walk){ .frame = walks->frames[i] };
	walks->spare = walks->frames[LAST_WALKS];
}

/*
 * A captured stack is not in the cache.  To wait for its lines one by one takes
 * longer than the rest of a walk, so all that the last walk read are prefetched.
 */
static void prefetch(const struct ustack_range *range, size_t from,
		     const struct last_walk *last)
{
	uint64_t sp = range->addr + from, size = PREFETCH_MIN;

	if (last->nr && last->frame[last->nr - 1].sp - sp > size)
		size = last->frame[last->nr - 1].sp - sp;
	if (size > PREFETCH_MAX)
		size = PREFETCH_MAX;
	if (size > range->size - from)
		size = range->size - from;
	for (uint64_t at = 0; at < size; at += CACHE_LINE)
		__builtin_prefetch(range->data + from + at);
}

void walk_begin(struct walk *walk, struct last_walks *walks, uint64_t id,
		const struct ustack_range *range, size_t from)
{
	/* A capture begins at sp, which rarely leaves its megabyte. */
	uint64_t stack = (range->addr >> 20) + id * 64;

	walk->walks = walks;
	walk->last = &walks->of[hash_slot(stack, LAST_WALKS)];
	walk->id = id;
	walk->range = range;
	walk->at = 0;
	walk->met = false;
	walk->frame = walks->spare;
	walk->nr = 0;
	if (walk->last->id != id)
		walk->last->nr = 0;
	prefetch(range, from, walk->last);
}

/* Of frames with the same ip and sp: do plain steps lead on from both alike? */
static bool same_frame(const struct walk_frame *f, const struct cpu *cpu,
		       bool exact)
{
	if (f->exact != exact)
		return false;
	for (unsigned int live = f->live; live; live &= live - 1) {
		unsigned int kept = __builtin_ctz(live);

		if (!cpu_knows(cpu, kept_reg[kept]) ||
		    cpu->reg[kept_reg[kept]] != f->kept[kept])
			return false;
	}
	return true;
}

/* Are the words that led from f to next still there? */
static bool same_words(const struct walk_frame *f,
		       const struct walk_frame *next,
		       const struct ustack_range *range)
{
	const uint8_t *cfa;
	uint64_t differs;

	if (!f->plain || next->sp - range->addr > range->size)
		return false;
	cfa = range->data + (next->sp - range->addr);
	differs = ra_at(cfa) ^ next->ip;
	for (unsigned int saved = f->saved; saved; saved &= saved - 1) {
		unsigned int kept = __builtin_ctz(saved);

		differs |= get64(cfa + 8 * (int64_t)f->slot[kept]) ^
			   next->kept[kept];
	}
	return !differs;
}

static void copy_kept(struct walk_frame *f, const struct cpu *cpu)
{
	for (unsigned int kept = 0; kept < NR_KEPT; kept++)
		f->kept[kept] = cpu->reg[kept_reg[kept]];
}

/*
 * The first of n frames has what is in cpu: so do the others, each register up to
 * the plain step that restores it.
 */
static void pass_on_kept(struct walk_frame *f, const struct cpu *cpu, size_t n)
{
	unsigned int differs = 0;

	for (unsigned int kept = 0; kept < NR_KEPT; kept++)
		if (f->kept[kept] != cpu->reg[kept_reg[kept]])
			differs |= 1u << kept;
	copy_kept(f, cpu);
	for (size_t i = 1; i < n && f[i - 1].plain; i++) {
		differs &= ~f[i - 1].saved;
		if (!differs)
			break;
		for (unsigned int rest = differs; rest; rest &= rest - 1) {
			unsigned int kept = __builtin_ctz(rest);

			f[i].kept[kept] = f[0].kept[kept];
		}
	}
}

/* Takes n frames over from the last walk, the first of which is in cpu. */
static void take_over(struct walk *walk, const struct cpu *cpu, size_t n)
{
	struct walk_frame *to = &walk->frame[walk->nr];

	if (n > WALK_FRAMES_MAX - walk->nr)
		n = WALK_FRAMES_MAX - walk->nr;
	if (!n)
		return;
	memcpy(to, &walk->last->frame[walk->at], n * sizeof(*to));
	pass_on_kept(to, cpu, n);
	walk->nr += n;
}

size_t walk_compare(struct walk *walk, struct cpu *cpu, bool *exact,
		    struct ustack_frame *frames, size_t max)
{
	const struct ustack_range *range = walk->range;
	const struct walk_frame *f = walk->last->frame + walk->at;
	const struct walk_frame *end = walk->last->frame + walk->last->nr;
	unsigned int saved = 0;
	size_t n = 0;

	walk->met = same_frame(f, cpu, *exact);
	if (!walk->met || f->sp < range->addr)
		return 0;
	while (n < max && &f[n + 1] < end &&
	       same_words(&f[n], &f[n + 1], range)) {
		if (n) {
			frames[n].ip = f[n].ip;
			frames[n].flags = USTACK_FRAME_RETURN;
			frames[n].reserved = 0;
		}
		frames[n].cfa = f[n + 1].sp;
		saved |= f[n++].saved;
	}
	if (!n)
		return 0;
	take_over(walk, cpu, n);
	walk->at += n;
	cpu_set(cpu, REG_PC, f[n].ip);
	cpu_set(cpu, REG_SP, f[n].sp);
	for (; saved; saved &= saved - 1) {
		unsigned int kept = __builtin_ctz(saved);

		cpu_set(cpu, kept_reg[kept], f[n].kept[kept]);
	}
	*exact = false;
	return n;
}

struct walk_frame *walk_add(struct walk *walk, const struct cpu *cpu,
			    bool exact)
{
	struct walk_frame *f = walk->nr < WALK_FRAMES_MAX ?
				       &walk->frame[walk->nr++] :
				       &walk->no_room;

	f->ip = cpu_pc(cpu);
	f->sp = cpu_sp(cpu);
	copy_kept(f, cpu);
	f->exact = exact;
	f->plain = false;
	return f;
}

void walk_frame_plain(struct walk_frame *frame, const struct rule *rule)
{
	frame->reads = kept_bit(rule->cfa_reg);
	frame->saved = rule->saved;
	memcpy(frame->slot, rule->slot, sizeof(frame->slot));
	/* A CFA on any other register cannot be compared. */
	frame->plain = frame->reads || rule->cfa_reg == REG_SP;
}

void walk_end(struct walk *walk, const struct cpu *cpu, bool cut)
{
	struct last_walk *last = walk->last;

	/* The next capture may reach further. */
	if (cut && walk->met && walk->nr && walk->nr < WALK_FRAMES_MAX) {
		walk->nr--;
		take_over(walk, cpu, last->nr - walk->at);
	}
	for (size_t i = walk->nr; i--;) {
		struct walk_frame *f = &walk->frame[i];

		f->live = 0;
		if (f->plain && i + 1 < walk->nr)
			f->live = f->reads | (f[1].live & ~f->saved);
	}
	walk->walks->spare = last->frame;
	last->frame = walk->frame;
	last->nr = walk->nr;
	last->id = walk->id;
}
