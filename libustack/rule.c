// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Rows made small, and the cache that keeps them by pc. */
#include <errno.h>
#include <limits.h>

#include "unwind.h"

void rule_compile(struct rule *rule, const struct cfi_row *row)
{
	const struct cfi_rule *ra = &row->reg[row->ra];
	int slots = 0;

	rule->flags = row->signal ? RULE_SIGNAL : 0;
	rule->saved = 0;
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
	for (unsigned int reg = 0; reg < REG_RIP; reg++) {
		const struct cfi_rule *r = &row->reg[reg];

		if (r->kind == CFI_SAME)
			continue;
		if (r->kind != CFI_OFFSET || r->off % 8 ||
		    r->off / 8 < INT16_MIN || r->off / 8 >= 0 ||
		    reg == REG_RSP || slots == RULE_SLOTS)
			goto full;
		rule->saved |= 1u << reg;
		rule->slot[slots++] = r->off / 8;
	}
	return;
full:
	rule->flags |= RULE_FULL;
}

const struct rule *rule_find(struct rule *rules, const struct image *image,
			     uint64_t pc, uint64_t insn)
{
	uint64_t hash = (pc ^ (uintptr_t)image) * 0x9e3779b97f4a7c15ULL;
	struct rule *rule = &rules[hash / (UINT64_MAX / RULES + 1)];
	struct cfi_row row;
	int err;

	if (rule->image == image && rule->pc == pc)
		return rule;
	rule->image = image;
	rule->pc = pc;
	err = cfi_row(&image->cfi, pc, &row);
	if (!err) {
		rule_compile(rule, &row);
	} else if (err != -ENOENT) {
		rule->flags = RULE_BROKEN;
	} else {
		rule->flags = RULE_FULL;
		if (!scan_code(image, insn, &row))
			rule_compile(rule, &row);
		rule->flags = rule->flags & RULE_FULL ? RULE_NONE : RULE_GUESS;
	}
	return rule;
}
