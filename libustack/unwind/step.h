/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* In: the registers of a frame.  Out: those of its caller, or why there is none. */
#ifndef USTACK_UNWIND_STEP_H
#define USTACK_UNWIND_STEP_H

#include "module/space.h"
#include "unwind/arch.h"
#include "unwind/last_walk.h"
#include "unwind/mem.h"
#include "unwind/row.h"
#include "unwind/rule.h"

/* Where a walk is. */
struct cursor {
	struct rules *rules;
	const struct ustack_stack *stack;
	struct ustack_space *space;	/* of stack */
	struct mem mem;
	struct cpu cpu;		/* of the frame being left */
	bool exact;		/* its pc is that of an instruction, no return address */
	bool fallback;		/* it was found without CFI */
	bool guessed;		/* it, or one that it was found by, is a guess */
	struct map *map;	/* of code, that holds its pc; NULL: not looked up yet */
	struct walk_frame *entry;	/* what is remembered of it */
	/* Only if the caller wants registers: */
	uint32_t restored;	/* those that the last row had a rule for */
	uint32_t valid;		/* those that hold what the frame's code had */
};

/* Steps return this, or an enum ustack_end; then the cursor has not moved. */
#define GO_ON (-1)
#define NO_FRAME (-2)		/* nor is this one a frame: NO_RULE for its callee */

/* The rest of step_land(), where map is a copy of a file's text. */
int step_land_in_copy(struct cursor *c, uint64_t pc);

/* The rest of step_land(), where the return address is 0. */
int step_land_nowhere(struct cursor *c, uint64_t sp);

/* Could there be a frame at pc, with sp?  signal: it was interrupted there. */
static inline int step_land(struct cursor *c, uint64_t pc, uint64_t sp,
			    bool signal)
{
	if (signal) {
		/* It may have got there by a call of something that is no code. */
		c->map = NULL;
		return GO_ON;
	}
	if (!pc)
		return step_land_nowhere(c, sp);
	if (pc >> USER_ADDRESS_BITS || pc < 4096)
		return USTACK_END_BAD_MEMORY;
	/* What was mapped says whether it is code. */
	if (c->map && map_holds(c->map, pc - 1))
		return GO_ON;
	c->map = space_find_code(c->space, pc - 1);
	return !c->map	       ? USTACK_END_NO_RULE :
	       c->map->copied ? step_land_in_copy(c, pc) :
				 GO_ON;
}

/* The kernel put this frame there; the next one's pc was interrupted. */
static inline void mark_signal(struct ustack_frame *frame)
{
	/* Its ip is where the handler returns to, not behind a call. */
	frame->flags |= USTACK_FRAME_SIGNAL;
	frame->flags &= ~USTACK_FRAME_RETURN;
}

/* --- unwind.c --- */

/* By a rule without flags. */
int step_rule(struct cursor *c, const struct rule *rule, uint64_t *cfa);
/* By the CFI of pc, of which rule was made. */
int step_cfi(struct cursor *c, const struct map *map, uint64_t pc,
	     const struct rule *rule, struct ustack_frame *frame);

/* --- step_row.c --- */

/* Moves on to a caller with these registers. */
int step_to(struct cursor *c, const struct cpu *to, bool signal);
/* By a rule without flags, where the frame is not all in one range. */
int step_far(struct cursor *c, const struct rule *rule, uint64_t cfa);
int step_row(struct cursor *c, const struct cfi_row *row, uint64_t *cfa);

/* --- step_guess.c --- */

/*
 * A return address that is not behind a call, but where another function starts:
 * 1, and *end is how the step of that one ended.
 */
bool step_edge(struct cursor *c, const struct map *map, uint64_t pc,
	       struct ustack_frame *frame, int *end);
/* Code that has left its caller's stack. */
int step_switched(struct cursor *c, uint64_t *cfa);
/* A pc with CFI that is not to be relied on. */
int step_doubted(struct cursor *c, const struct map *map, uint64_t pc,
		 struct ustack_frame *frame);
/*
 * The pc of an instruction, and a row that leads to no caller: 1 if its code leads to
 * one, and *end is how that step ended.
 */
bool step_misled(struct cursor *c, const struct map *map,
		 const struct cfi_row *row, struct ustack_frame *frame,
		 int *end);
/* A pc without CFI, in a file that is known. */
int step_without_cfi(struct cursor *c, const struct map *map, uint64_t pc,
		     struct ustack_frame *frame);
/* A pc of which nothing is known; map may be NULL. */
int step_unknown(struct cursor *c, const struct map *map,
		 struct ustack_frame *frame);

#endif
