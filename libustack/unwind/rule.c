// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The rule of a row, and the cache of rules. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "module/image.h"
#include "unwind/arch.h"
#include "unwind/rule.h"
#include "util/hash.h"

/* Bytes of code in a block. */
#define NEAR 16
#define WIDE 1024

void rules_init(struct rules *rules)
{
	memset(rules->near, 0, sizeof(rules->near));
	memset(rules->wide, 0, sizeof(rules->wide));
	rules->nr = 0;
	rules->v[0].image = 0;
	for (size_t i = 0; i < GUESSES; i++)
		rules->guess[i].image = 0;
}

/* The pcs around pc that row applies to, up to what fits into size. */
static void rule_range(struct rule *rule, const struct cfi_row *row,
		       uint64_t pc)
{
	uint64_t size;

	rule->start = row->start;
	if (pc - rule->start >= UINT16_MAX)
		rule->start = pc;
	size = row->end - rule->start;
	rule->size = size < UINT16_MAX ? size : UINT16_MAX;
}

void rule_compile(struct rule *rule, const struct cfi_row *row)
{
	const struct cfi_rule *ra = &row->reg[row->ra];

	rule->flags = (row->signal ? RULE_SIGNAL : 0) |
		      (row->doubted ? RULE_DOUBTED : 0);
	rule->saved = 0;
	rule->depth = 1;
	memset(rule->slot, -1, sizeof(rule->slot));
	if (ra->kind == CFI_UNDEFINED) {
		rule->flags |= RULE_OUTERMOST;
		return;
	}
	if (row->signal || row->lands || row->installs ||
	    !row_has_usual_ra(row) ||
	    row->cfa.kind != CFI_VAL_OFFSET || row->cfa.off < INT32_MIN ||
	    row->cfa.off > INT32_MAX)
		goto full;
	rule->cfa_reg = row->cfa.reg;
	rule->cfa_off = row->cfa.off;
	for (unsigned int reg = 0, kept = 0; reg < NR_REGS; reg++) {
		const struct cfi_rule *r = &row->reg[reg];
		bool keeps = kept < NR_KEPT && kept_reg[kept] == reg;

		if (r->kind != CFI_SAME && reg != REG_PC) {
			if (r->kind != CFI_OFFSET || r->off % 8 ||
			    r->off / 8 < INT8_MIN || r->off >= 0 || !keeps)
				goto full;
			rule->saved |= 1u << kept;
			rule->slot[kept] = r->off / 8;
			if (-rule->slot[kept] > rule->depth)
				rule->depth = -rule->slot[kept];
		}
		kept += keeps;
	}
	return;
full:
	rule->flags |= RULE_FULL;
}

int rule_row(const struct image *image, uint64_t pc, struct cfi_row *row)
{
	int err = cfi_row(&image->cfi, pc, row);

	if (!err)
		arch_mend_row(image, pc, row);
	return err;
}

static bool holds(const struct rule *rule, const struct image *image,
		  uint64_t pc)
{
	return rule->image == image->id && pc - rule->start < rule->size;
}

/* Slots are 8 bytes each. */
static void compile_for(struct rule *rule, const struct image *image,
			const struct cfi_row *row)
{
	rule_compile(rule, row);
	if (!image->is_64 && !(rule->flags & RULE_OUTERMOST))
		rule->flags |= RULE_FULL;
}

#define TRAMPOLINE_MAX 16	/* bytes of one, at most */

/*
 * Go has CFI for the trampoline that its handlers return to, but it says that it
 * is a function like any other: it is better known by its code.
 */
static bool is_trampoline(const struct image *image, const struct cfi_row *row)
{
	return row->func_end - row->func <= TRAMPOLINE_MAX && !row->signal &&
	       arch_is_sigreturn(image, row->func);
}

/*
 * The last byte of a function is where a return address behind it is looked up.
 * There is one if the function ends in a call.  Else that address was put on the
 * stack as the start of what follows, and the function has nothing to do with it.
 */
static void part_edge(struct rule *rule, const struct image *image,
		      struct cfi_row *row, uint64_t pc)
{
	size_t left;

	if (row->end != row->func_end || row->end - row->start < 2)
		return;
	if (pc != row->end - 1) {
		row->end--;
		return;
	}
	row->start = pc;
	if (image_at(image, pc, &left) &&
	    (!arch_after_call(image, pc + 1) ||
	     arch_is_sigreturn(image, pc + 1)))
		rule->flags |= RULE_EDGE;
}

#define SWITCHER_MAX 512	/* bytes of a function that switches stacks */
#define SWITCH_MAX 48		/* from there to the call on the other stack */

/* Go's CFI says of its own run-time that the caller is where it was. */
static void go_rule(struct rule *rule, const struct image *image,
		    struct cfi_row *row, uint64_t pc)
{
	uint64_t from = pc - row->func > SWITCH_MAX ? pc - SWITCH_MAX :
						      row->func;

	/* C, which cgo adds, may move its rsp; then its CFA is on rbp. */
	if (row->cfa.reg != REG_SP || row->func_end - row->func > SWITCHER_MAX ||
	    !arch_switches_stack(image, row->func, row->func_end))
		return;
	row->start = pc;
	row->end = pc + 1;
	if (arch_switches_stack(image, from, pc))
		rule->flags |= RULE_SWITCHED;
}

static void rule_make(struct rule *rule, const struct image *image, uint64_t pc)
{
	struct cfi_row row;
	int err = rule_row(image, pc, &row);

	rule->image = image->id;
	rule->start = pc;
	rule->size = 1;
	if (!err && is_trampoline(image, &row)) {
		rule->flags = RULE_NONE;
	} else if (!err) {
		compile_for(rule, image, &row);
		part_edge(rule, image, &row, pc);
		if (image->is_go)
			go_rule(rule, image, &row, pc);
		rule_range(rule, &row, pc);
	} else {
		rule->flags = err == -ENOENT ? RULE_NONE : RULE_BROKEN;
	}
}

/*
 * Nearly all rules are found in the set of their block of NEAR pcs.  Most rules
 * apply to more than one block: a pc whose block does not have it yet gets it
 * from the last such rule of the WIDE block, rather than making it again.
 */
const struct rule *rule_find(struct rules *rules, const struct image *image,
			     uint64_t pc)
{
	uint16_t *near = rules->near[hash_slot(image->id ^ pc / NEAR, RULES)];
	uint16_t *wide, found;

	for (int i = 0; i < RULE_WAYS; i++)
		if (holds(&rules->v[near[i]], image, pc))
			return &rules->v[near[i]];
	wide = &rules->wide[hash_slot(image->id ^ pc / WIDE, RULES)];
	found = *wide;
	if (!holds(&rules->v[found], image, pc)) {
		found = rules->nr = rules->nr % RULES + 1;
		rule_make(&rules->v[found], image, pc);
		if (rules->v[found].size > NEAR)
			*wide = found;
	}
	near[1] = near[0];
	near[0] = found;
	return &rules->v[found];
}

const struct rule *rule_guess(struct rules *rules, const struct image *image,
			      uint64_t insn)
{
	size_t slot = hash_slot(image->id ^ insn, GUESSES);
	struct rule *rule = &rules->guess[slot];
	struct cfi_row row;

	if (holds(rule, image, insn))
		return rule;
	rule->image = image->id;
	rule->start = insn;
	rule->size = 1;
	if (image->is_go &&
	    arch_switches_stack(image, insn - SWITCH_MAX, insn))
		rule->flags = RULE_SWITCHED;
	else if (arch_scan(image, insn, &row))
		rule->flags = RULE_NONE;
	else
		compile_for(rule, image, &row);
	return rule;
}
