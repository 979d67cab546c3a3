/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * In: the frames of a stack as they are walked.  Out: at the next walk of that
 * stack, those of its outer frames that are still the same.
 */
#ifndef USTACK_UNWIND_LAST_WALK_H
#define USTACK_UNWIND_LAST_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unwind/cpu.h"
#include "unwind/rule.h"

/*
 * A frame, and the step from there to its caller.  plain: a rule without flags
 * was applied, and all that it read lay in the frame, in the walk's range; then
 * the next frame holds what was read.
 */
struct walk_frame {
	uint64_t ip, sp;
	uint64_t kept[NR_KEPT];
	int8_t slot[NR_KEPT];	/* as in struct rule */
	uint8_t saved;
	uint8_t reads;		/* of the kept registers: the one its CFA is on */
	uint8_t live;		/* those that plain steps from here on read */
	bool exact, plain;
};

#define LAST_WALKS 32		/* stacks that are remembered */
#ifndef WALK_FRAMES_MAX
#define WALK_FRAMES_MAX 512	/* of each, the innermost */
#endif

struct last_walk {
	uint64_t id;
	size_t nr;
	struct walk_frame *frame;	/* innermost first */
};

struct last_walks {
	struct last_walk of[LAST_WALKS];
	struct walk_frame *spare;	/* for the next walk */
	struct walk_frame frames[LAST_WALKS + 1][WALK_FRAMES_MAX];
};

/* A walk that is under way. */
struct walk {
	struct last_walks *walks;
	struct last_walk *last;	/* of this stack, most likely */
	uint64_t id;
	const struct ustack_range *range;	/* that holds the stack */
	size_t at;		/* the frame of last that may come next */
	bool met;		/* the current frame is that one */
	struct walk_frame *frame;
	size_t nr;
	struct walk_frame no_room;
};

/* walks need not be zeroed before. */
void last_walks_init(struct last_walks *walks);
/*
 * id: of the maps and of the steps' width; walks of another one have nothing in
 * common with this. Prefetches what the walk will read of range, from its byte at
 * from on; range is borrowed until the walk ends.
 */
void walk_begin(struct walk *walk, struct last_walks *walks, uint64_t id,
		const struct ustack_range *range, size_t from);
/* The rest of walk_again(), where the last walk had a frame with this ip and sp. */
size_t walk_compare(struct walk *walk, struct cpu *cpu, bool *exact,
		    struct ustack_frame *frames, size_t max);

/*
 * If the last walk came through the frame in cpu: follows it as long as the words
 * that it read are unchanged, for at most max frames, and writes those that are
 * left behind to frames.  Returns how many; cpu is the frame that comes next.
 */
static inline size_t walk_again(struct walk *walk, struct cpu *cpu, bool *exact,
				struct ustack_frame *frames, size_t max)
{
	const struct last_walk *last = walk->last;
	uint64_t ip = cpu_pc(cpu), sp = cpu_sp(cpu);
	size_t at = walk->at + walk->met;

	while (at < last->nr && last->frame[at].sp < sp)
		at++;
	walk->at = at;
	walk->met = at < last->nr && last->frame[at].sp == sp &&
		    last->frame[at].ip == ip;
	return walk->met ? walk_compare(walk, cpu, exact, frames, max) : 0;
}

/* Adds the frame in cpu; its step fills in the rest. */
struct walk_frame *walk_add(struct walk *walk, const struct cpu *cpu,
			    bool exact);
/* Its step was a plain one. */
void walk_frame_plain(struct walk_frame *frame, const struct rule *rule);
/* cut: at the frame in cpu the capture ends, not the stack. */
void walk_end(struct walk *walk, const struct cpu *cpu, bool cut);

#endif
