// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The last walk of a stack.  Most samples of a thread share their outer frames
 * with the sample before.  Where the next walk comes to the same frame, and
 * every word that the steps from there on read is still the same, so are they.
 *
 * A link is a claim that holds for its maps alone: from this ip, with these
 * values in sp and in the registers of live, the step reads the slots named.
 * What was in the slots then is only compared with what is there now, so that
 * a stale link costs time and is never wrong.
 */
#include "unwind.h"

/* Bytes of a stack, from sp up: new frames need some, and 8 KB is perf's capture. */
#define FETCH_MIN 512
#define FETCH_MAX 8192

void trails_init(struct trails *trails)
{
	for (int i = 0; i < TRAILS; i++)
		trails->of[i] = (struct trail){ .v = trails->links[i] };
	trails->spare = trails->links[TRAILS];
}

/*
 * Stacks come from afar.  Waiting for one line after the other takes longer
 * than all the rest of a walk: all are asked for that the last one needed.
 */
static void fetch(const struct ustack_range *range, const struct trail *trail)
{
	uint64_t size = FETCH_MIN;

	if (trail->nr && trail->v[trail->nr - 1].sp - range->addr > size)
		size = trail->v[trail->nr - 1].sp - range->addr;
	if (size > FETCH_MAX)
		size = FETCH_MAX;
	if (size > range->size)
		size = range->size;
	for (uint64_t at = 0; at < size; at += 64)
		__builtin_prefetch(range->data + at);
}

void walk_begin(struct walk *walk, struct trails *trails, uint64_t maps_id,
		const struct mem *mem)
{
	static const struct ustack_range none;
	const struct ustack_range *range = mem->nr ? mem->ranges : &none;
	/* A capture begins at sp, which seldom leaves its megabyte. */
	uint64_t hash = ((range->addr >> 20) + maps_id * 64) *
			0x9e3779b97f4a7c15ULL;

	walk->trails = trails;
	walk->trail = &trails->of[hash / (UINT64_MAX / TRAILS + 1)];
	walk->maps_id = maps_id;
	walk->range = range;
	walk->at = 0;
	walk->on_trail = false;
	walk->v = trails->spare;
	walk->nr = 0;
	if (walk->trail->maps_id != maps_id)
		walk->trail->nr = 0;
	fetch(range, walk->trail);
}

/* Of frames with the same ip and sp. */
static bool same_frame(const struct link *l, const struct cpu *cpu, bool exact)
{
	if (l->exact != exact)
		return false;
	for (unsigned int live = l->live; live; live &= live - 1) {
		unsigned int kept = __builtin_ctz(live);

		if (!cpu_knows(cpu, kept_reg[kept]) ||
		    cpu->reg[kept_reg[kept]] != l->kept[kept])
			return false;
	}
	return true;
}

static uint64_t word(const uint8_t *p)
{
	uint64_t val;

	memcpy(&val, p, 8);
	return val;
}

/* Are the words that led from l to next still there? */
static bool same_words(const struct link *l, const struct link *next,
		       const struct ustack_range *range)
{
	const uint8_t *cfa;
	uint64_t differs;

	if (!l->plain || next->sp - range->addr > range->size)
		return false;
	cfa = range->data + (next->sp - range->addr);
	differs = word(cfa - 8) ^ next->ip;
	for (unsigned int saved = l->saved; saved; saved &= saved - 1) {
		unsigned int kept = __builtin_ctz(saved);

		differs |= word(cfa + 8 * (int64_t)l->slot[kept]) ^ next->kept[kept];
	}
	return !differs;
}

static void keep_registers(struct link *l, const struct cpu *cpu)
{
	for (unsigned int kept = 0; kept < NR_KEPT; kept++)
		l->kept[kept] = cpu->reg[kept_reg[kept]];
}

/* Links of the last walk for this one, the first of which is cpu's frame. */
static void copy_links(struct walk *walk, const struct cpu *cpu, size_t n)
{
	struct link *to = &walk->v[walk->nr];

	if (n > TRAIL_MAX - walk->nr)
		n = TRAIL_MAX - walk->nr;
	if (!n)
		return;
	memcpy(to, &walk->trail->v[walk->at], n * sizeof(*to));
	keep_registers(to, cpu);
	walk->nr += n;
}

size_t walk_compare(struct walk *walk, struct cpu *cpu, bool *exact,
		    struct ustack_frame *frames, size_t max)
{
	const struct ustack_range *range = walk->range;
	const struct link *l = walk->trail->v + walk->at;
	const struct link *end = walk->trail->v + walk->trail->nr;
	unsigned int saved = 0;
	size_t n = 0;

	walk->on_trail = same_frame(l, cpu, *exact);
	if (!walk->on_trail || l->sp < range->addr)
		return 0;
	while (n < max && &l[n + 1] < end &&
	       same_words(&l[n], &l[n + 1], range)) {
		if (n) {
			frames[n].ip = l[n].ip;
			frames[n].flags = USTACK_FRAME_RETURN;
		}
		frames[n].cfa = l[n + 1].sp;
		saved |= l[n++].saved;
	}
	if (!n)
		return 0;
	copy_links(walk, cpu, n);
	walk->at += n;
	cpu_set(cpu, REG_RIP, l[n].ip);
	cpu_set(cpu, REG_RSP, l[n].sp);
	for (; saved; saved &= saved - 1) {
		unsigned int kept = __builtin_ctz(saved);

		cpu_set(cpu, kept_reg[kept], l[n].kept[kept]);
	}
	*exact = false;
	return n;
}

struct link *walk_link(struct walk *walk, const struct cpu *cpu, bool exact)
{
	struct link *l = walk->nr < TRAIL_MAX ? &walk->v[walk->nr++] :
						&walk->no_room;

	l->ip = cpu->reg[REG_RIP];
	l->sp = cpu->reg[REG_RSP];
	keep_registers(l, cpu);
	l->exact = exact;
	l->plain = false;
	return l;
}

void link_plain(struct link *link, const struct rule *rule)
{
	static const uint8_t kept_bit[NR_REGS] = {
		[REG_RBX] = 1 << KEPT_RBX, [REG_RBP] = 1 << KEPT_RBP,
		[REG_R12] = 1 << KEPT_R12, [REG_R13] = 1 << KEPT_R13,
		[REG_R14] = 1 << KEPT_R14, [REG_R15] = 1 << KEPT_R15,
	};

	link->reads = kept_bit[rule->cfa_reg];
	link->saved = rule->saved;
	memcpy(link->slot, rule->slot, sizeof(link->slot));
	link->plain = link->reads || rule->cfa_reg == REG_RSP;
}

void walk_end(struct walk *walk, const struct cpu *cpu, bool cut)
{
	struct trail *trail = walk->trail;

	/* What lies beyond the cut may be seen again. */
	if (cut && walk->on_trail && walk->nr && walk->nr < TRAIL_MAX) {
		walk->nr--;
		copy_links(walk, cpu, trail->nr - walk->at);
	}
	for (size_t i = walk->nr; i--;) {
		struct link *l = &walk->v[i];

		l->live = 0;
		if (l->plain && i + 1 < walk->nr)
			l->live = l->reads | (l[1].live & ~l->saved);
	}
	walk->trails->spare = trail->v;
	trail->v = walk->v;
	trail->nr = walk->nr;
	trail->maps_id = walk->maps_id;
}
