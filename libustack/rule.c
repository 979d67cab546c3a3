// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Rows made small, and the cache that keeps them by pc. */
#include <errno.h>
#include <limits.h>

#include "unwind.h"

#define NEAR 16			/* pcs that share a set */
#define WIDE 1024		/* pcs that share the last rule for more than NEAR */

void rules_init(struct rules *rules)
{
	memset(rules->near, 0, sizeof(rules->near));
	memset(rules->wide, 0, sizeof(rules->wide));
	rules->nr = 0;
	rules->v[0].image = NULL;
}

/* The pcs around pc that row holds for, as many as size can tell. */
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

	rule->flags = row->signal ? RULE_SIGNAL : 0;
	rule->saved = 0;
	rule->depth = 1;
	memset(rule->slot, -1, sizeof(rule->slot));
	if (ra->kind == CFI_UNDEFINED) {
		rule->flags |= RULE_OUTERMOST;
		return;
	}
	if (row->ra != REG_RIP || ra->kind != CFI_OFFSET || ra->off != -8 ||
	    row->cfa.kind != CFI_VAL_OFFSET || row->cfa.off < INT32_MIN ||
	    row->cfa.off > INT32_MAX || row->signal)
		goto full;
	rule->cfa_reg = row->cfa.reg;
	rule->cfa_off = row->cfa.off;
	for (unsigned int reg = 0, kept = 0; reg < REG_RIP; reg++) {
		const struct cfi_rule *r = &row->reg[reg];
		bool keeps = kept < NR_KEPT && kept_reg[kept] == reg;

		if (r->kind != CFI_SAME) {
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

static uint64_t hash(const struct image *image, uint64_t block)
{
	return (block ^ (uintptr_t)image) * 0x9e3779b97f4a7c15ULL /
	       (UINT64_MAX / RULES + 1);
}

static bool holds(const struct rule *rule, const struct image *image,
		  uint64_t pc)
{
	return rule->image == image && pc - rule->start < rule->size;
}

static void rule_make(struct rule *rule, const struct image *image,
		      uint64_t pc, uint64_t insn)
{
	struct cfi_row row;
	int err = cfi_row(&image->cfi, pc, &row);

	rule->image = image;
	rule->start = pc;
	rule->size = 1;
	if (!err) {
		rule_range(rule, &row, pc);
		rule_compile(rule, &row);
		/* Slots of 4 bytes are no compact ones. */
		if (!image->is_64 && !(rule->flags & RULE_OUTERMOST))
			rule->flags |= RULE_FULL;
	} else if (err != -ENOENT) {
		rule->flags = RULE_BROKEN;
	} else {
		rule->flags = RULE_FULL;
		if (image->is_64 && !scan_code(image, insn, &row))
			rule_compile(rule, &row);
		rule->flags = rule->flags & RULE_FULL ? RULE_NONE : RULE_GUESS;
	}
}

/*
 * A few pcs share a set, which is where nearly all are found.  Most rules hold
 * for more pcs than that: who comes to one of them through another set takes
 * it into that one, and does not make it again.
 */
const struct rule *rule_find(struct rules *rules, const struct image *image,
			     uint64_t pc, uint64_t insn)
{
	uint16_t *near = rules->near[hash(image, pc / NEAR)], *wide, found;

	for (int i = 0; i < RULE_WAYS; i++)
		if (holds(&rules->v[near[i]], image, pc))
			return &rules->v[near[i]];
	wide = &rules->wide[hash(image, pc / WIDE)];
	found = *wide;
	if (!holds(&rules->v[found], image, pc)) {
		found = rules->nr = rules->nr % RULES + 1;
		rule_make(&rules->v[found], image, pc, insn);
		if (rules->v[found].size > NEAR)
			*wide = found;
	}
	near[1] = near[0];
	near[0] = found;
	return &rules->v[found];
}
