/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* In: a pc.  Out: how to step from there, in 32 bytes, and cached. */
#ifndef USTACK_UNWIND_RULE_H
#define USTACK_UNWIND_RULE_H

#include <stdint.h>

#include "unwind/cpu.h"
#include "unwind/row.h"

#ifndef RULES			/* fuzz targets need fewer */
#define RULES 16384		/* that are cached; a power of two, below 65536 */
#endif
#define RULE_WAYS 2		/* of the cache */
#define GUESSES (RULES / 16)	/* that are cached, of code without CFI */

enum {
	RULE_NONE = 1,		/* no FDE; of a guess: nothing to go by */
	RULE_BROKEN = 2,	/* an FDE that cannot be used */
	RULE_OUTERMOST = 4,	/* the return address is undefined */
	RULE_SIGNAL = 8,	/* a signal trampoline */
	RULE_EDGE = 32,		/* no return address is behind it: see step_edge() */
	RULE_SWITCHED = 64,	/* it has left the stack of its caller */
	RULE_DOUBTED = 128,	/* CFI that is likely to be wrong: see step_doubted() */
	RULE_FULL = 16,		/* does not fit in here: use cfi_row(), or arch_scan() */
};

/*
 * Without flags: CFA = cfa_reg + cfa_off; the return address is at ra_addr(CFA);
 * kept_reg[n], if bit n of saved is set, is at CFA + 8 * slot[n]; all other
 * registers are unchanged.
 */
struct rule {
	uint64_t image;		/* its id: the image may be gone */
	uint64_t start;		/* it applies to size pcs from here */
	int32_t cfa_off;
	uint16_t size;
	uint8_t cfa_reg;
	uint8_t flags;
	uint8_t saved;
	uint8_t depth;		/* how many words below the CFA it reads */
	int8_t slot[NR_KEPT];	/* -1, which is in the frame in any case, if not saved */
};

/*
 * A rule is what CFI says of all pcs that it applies to, and a guess what the code
 * from its one pc on implies: each depends on the image and that pc alone, on
 * nothing that was looked up before.  So CFI, which is looked up by pc - 1 for a
 * return address, and code, which goes on at pc, have tables of their own.
 *
 * Rules are stored in the order in which they are made.  Scattered by their hash
 * they would touch so many pages that page faults cost more than making them.
 */
struct rules {
	/* Indices of v, or 0, by hash of a block of pcs: see rule_find(). */
	uint16_t near[RULES][RULE_WAYS];
	uint16_t wide[RULES];
	uint16_t nr;		/* index of the newest; the next one is the oldest */
	struct rule v[RULES + 1];
	struct rule guess[GUESSES];	/* by hash of start */
};

/* rules need not be zeroed before. */
void rules_init(struct rules *rules);
/* What CFI says of pc.  Never NULL; borrowed until the next call. */
const struct rule *rule_find(struct rules *rules, const struct image *image,
			     uint64_t pc);
/* What the code implies of insn, the address of an instruction.  As above. */
const struct rule *rule_guess(struct rules *rules, const struct image *image,
			      uint64_t insn);
/* cfi_row(), and what the code of image tells better. */
int rule_row(const struct image *image, uint64_t pc, struct cfi_row *row);
/* The rule that row makes; all but its image, start and size. */
void rule_compile(struct rule *rule, const struct cfi_row *row);

#endif
