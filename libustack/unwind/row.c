// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Runs the call frame instructions of a CIE and an FDE up to one pc. */
#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "unwind/arch.h"
#include "unwind/row.h"
#include "util/bytes.h"

#define STATES_MAX 64		/* nested DW_CFA_remember_state */

struct state {
	struct cfi_rule cfa;
	struct cfi_rule cfa_before;	/* where cfa is an expression: register and offset */
	uint32_t set;		/* registers with a rule; the others are CFI_SAME */
	struct cfi_rule reg[NR_REGS];
};

struct machine {
	const struct cfi *cfi;
	const struct cie *cie;
	struct state now, initial;
	struct state saved[STATES_MAX];
	int nr_saved;
	struct cfi_rule sink;	/* for registers that are not tracked, as vectors */
	uint64_t start, end;	/* pcs that now applies to, as far as is known */
};

/* The rule of a register, to be set. */
static struct cfi_rule *machine_reg(struct machine *m, uint64_t column)
{
	unsigned int reg = reg_of_dwarf(m->cfi->is_32, column);

	if (reg == NR_REGS)
		return &m->sink;
	m->now.set |= 1u << reg;
	return &m->now.reg[reg];
}

static void machine_restore(struct machine *m, uint64_t column)
{
	unsigned int reg = reg_of_dwarf(m->cfi->is_32, column);

	if (reg == NR_REGS)
		return;
	if (m->initial.set & 1u << reg)
		*machine_reg(m, column) = m->initial.reg[reg];
	else
		m->now.set &= ~(1u << reg);
}

/* Any function with two exits saves and restores a state; few registers are set. */
static void copy_state(struct state *to, const struct state *from)
{
	to->cfa = from->cfa;
	to->cfa_before = from->cfa_before;
	to->set = from->set;
	for (uint32_t set = from->set; set; set &= set - 1) {
		unsigned int reg = __builtin_ctz(set);

		to->reg[reg] = from->reg[reg];
	}
}

static int set_expr(struct buf *b, struct cfi_rule *rule, uint8_t kind)
{
	uint64_t size = buf_uleb(b);
	const uint8_t *expr = buf_skip(b, size);

	if (!expr || size > UINT16_MAX)
		return -EINVAL;
	*rule = (struct cfi_rule){ .kind = kind, .size = size, .expr = expr };
	return 0;
}

static void set_off(struct cfi_rule *rule, uint8_t kind, int64_t off)
{
	*rule = (struct cfi_rule){ .kind = kind, .off = off };
}

static void set_cfa(struct machine *m, uint64_t reg, int64_t off)
{
	m->now.cfa = (struct cfi_rule){
		.kind = CFI_VAL_OFFSET,
		.reg = reg_of_dwarf(m->cfi->is_32, reg),
		.off = off,
	};
}

static int64_t factored_uleb(struct machine *m, struct buf *b)
{
	return buf_uleb(b) * m->cie->data_align;
}

static int64_t factored_sleb(struct machine *m, struct buf *b)
{
	return (uint64_t)buf_sleb(b) * m->cie->data_align;
}

/* Operations whose first operand is a register, to set its rule. */
static int set_register(struct machine *m, struct buf *b, uint8_t op)
{
	struct cfi_rule *rule = machine_reg(m, buf_uleb(b));
	unsigned int from;

	switch (op) {
	case DW_CFA_offset_extended:
		set_off(rule, CFI_OFFSET, factored_uleb(m, b));
		return 0;
	case DW_CFA_offset_extended_sf:
		set_off(rule, CFI_OFFSET, factored_sleb(m, b));
		return 0;
	case DW_CFA_GNU_negative_offset_extended:
		set_off(rule, CFI_OFFSET, -(uint64_t)factored_uleb(m, b));
		return 0;
	case DW_CFA_val_offset:
		set_off(rule, CFI_VAL_OFFSET, factored_uleb(m, b));
		return 0;
	case DW_CFA_val_offset_sf:
		set_off(rule, CFI_VAL_OFFSET, factored_sleb(m, b));
		return 0;
	case DW_CFA_undefined:
		set_off(rule, CFI_UNDEFINED, 0);
		return 0;
	case DW_CFA_same_value:
		set_off(rule, CFI_SAME, 0);
		return 0;
	case DW_CFA_register:
		from = reg_of_dwarf(m->cfi->is_32, buf_uleb(b));
		/* A register that is not tracked has an unknown value. */
		*rule = (struct cfi_rule){
			.kind = from < NR_REGS ? CFI_REGISTER : CFI_UNDEFINED,
			.reg = from,
		};
		return 0;
	case DW_CFA_expression:
		return set_expr(b, rule, CFI_EXPR);
	default:		/* DW_CFA_val_expression */
		return set_expr(b, rule, CFI_VAL_EXPR);
	}
}

static int define_cfa(struct machine *m, struct buf *b, uint8_t op)
{
	struct cfi_rule *cfa = &m->now.cfa;
	uint64_t reg;

	switch (op) {
	case DW_CFA_def_cfa:
		reg = buf_uleb(b);
		set_cfa(m, reg, buf_uleb(b));
		return 0;
	case DW_CFA_def_cfa_sf:
		reg = buf_uleb(b);
		set_cfa(m, reg, factored_sleb(m, b));
		return 0;
	case DW_CFA_def_cfa_expression:
		if (cfa->kind != CFI_VAL_EXPR)
			m->now.cfa_before = *cfa;
		return set_expr(b, cfa, CFI_VAL_EXPR);
	}
	if (cfa->kind == CFI_SAME)
		return -EINVAL;
	/*
	 * The others change either the register or the offset.  Behind an expression
	 * it is that of before, as gcc's run-time has it: hand-written CFI relies on
	 * it.  Only a register ends the expression.
	 */
	if (cfa->kind == CFI_VAL_EXPR)
		cfa = &m->now.cfa_before;
	if (op == DW_CFA_def_cfa_register)
		set_cfa(m, buf_uleb(b), cfa->off);
	else if (op == DW_CFA_def_cfa_offset)
		cfa->off = buf_uleb(b);
	else
		cfa->off = factored_sleb(m, b);
	return 0;
}

/* All but DW_CFA_advance_loc; *delta becomes the bytes that it advances by. */
static int machine_op(struct machine *m, struct buf *b, uint8_t op,
		      uint64_t *delta)
{
	uint8_t low = op & 0x3f;

	switch (op & 0xc0) {
	case DW_CFA_offset:
		set_off(machine_reg(m, low), CFI_OFFSET, factored_uleb(m, b));
		return 0;
	case DW_CFA_restore:
		machine_restore(m, low);
		return 0;
	}
	switch (op) {
	case DW_CFA_nop:
		return 0;
	case DW_CFA_set_loc:
		*delta = cfi_pc(m->cfi, m->cie, b) - m->start;
		return 0;
	case DW_CFA_advance_loc1:
	case DW_CFA_advance_loc2:
	case DW_CFA_advance_loc4:
		*delta = buf_uint(b, 1 << (op - DW_CFA_advance_loc1)) *
			 m->cie->code_align;
		return 0;
	case DW_CFA_restore_extended:
		machine_restore(m, buf_uleb(b));
		return 0;
	case DW_CFA_remember_state:
		if (m->nr_saved == STATES_MAX)
			return -ENOTSUP;
		copy_state(&m->saved[m->nr_saved++], &m->now);
		return 0;
	case DW_CFA_restore_state:
		if (!m->nr_saved)
			return -EINVAL;
		copy_state(&m->now, &m->saved[--m->nr_saved]);
		return 0;
	case DW_CFA_def_cfa ... DW_CFA_def_cfa_expression:
	case DW_CFA_def_cfa_sf:
	case DW_CFA_def_cfa_offset_sf:
		return define_cfa(m, b, op);
	case DW_CFA_offset_extended:
	case DW_CFA_undefined ... DW_CFA_register:
	case DW_CFA_expression ... DW_CFA_offset_extended_sf:
	case DW_CFA_val_offset ... DW_CFA_val_expression:
	case DW_CFA_GNU_negative_offset_extended:
		return set_register(m, b, op);
	case DW_CFA_GNU_args_size:
		buf_uleb(b);
		return 0;
	default:
		return arch_cfa_op(op, b, m->now.reg);
	}
}

/* 0 at the end, 1 as soon as the row of pc is complete, or -errno. */
static int machine_run(struct machine *m, struct buf *b, uint64_t pc)
{
	const uint64_t code_align = m->cie->code_align;
	const uint64_t data_align = m->cie->data_align;
	const uint8_t *p = b->p, *end = b->end;

	while (p < end) {
		uint8_t op = *p++, low = op & 0x3f;
		uint64_t delta = 0;

		/* The fast path: what most prologues and epilogues consist of. */
		if ((op & 0xc0) == DW_CFA_advance_loc) {
			delta = low * code_align;
		} else if (op == DW_CFA_def_cfa_offset && p < end &&
			   *p < 0x80 && m->now.cfa.kind == CFI_VAL_OFFSET) {
			m->now.cfa.off = *p++;
			continue;
		} else if ((op & 0xc0) == DW_CFA_offset && p < end &&
			   *p < 0x80) {
			set_off(machine_reg(m, low), CFI_OFFSET,
				*p++ * data_align);
			continue;
		} else {
			int err;

			b->p = p;
			err = machine_op(m, b, op, &delta);
			if (err)
				return err;
			if (b->bad)
				return -EINVAL;
			p = b->p;
		}
		if (pc - m->start < delta) {
			if (delta < m->end - m->start)
				m->end = m->start + delta;
			b->p = p;
			return 1;
		}
		m->start += delta;
	}
	return 0;
}

/* The word at CFA + off is below sp: nothing that is saved there would last. */
static bool below_sp(const struct machine *m, int64_t off)
{
	const struct cfi_rule *cfa = &m->now.cfa;

	if (cfa->kind != CFI_VAL_OFFSET || cfa->reg != REG_SP)
		return false;
	off += cfa->off;
	return (m->cfi->is_32 ? (int32_t)off : off) < 0;
}

/*
 * 32-bit assembly with a sign that is wrong, as glibc's, has CFI that loses count
 * there and for the rest of the function.  It shows where the return address would
 * be below sp: the function's other rows are not better then.
 */
static bool loses_count(struct machine *m, const struct fde *fde)
{
	struct buf insns = fde->insns;
	int more;

	copy_state(&m->now, &m->initial);
	m->nr_saved = 0;
	m->start = fde->start;
	do {
		m->end = fde->end;
		more = machine_run(m, &insns, m->start);
		if (m->now.set & 1u << REG_PC &&
		    m->now.reg[REG_PC].kind == CFI_OFFSET &&
		    below_sp(m, m->now.reg[REG_PC].off))
			return true;
		m->start = m->end;
	} while (more > 0);
	return false;
}

/* The row of pc in an FDE that was found. */
static inline __attribute__((always_inline)) int
fde_row(const struct cfi *cfi, const struct fde *fde, uint64_t pc,
	struct cfi_row *row)
{
	unsigned int ra = reg_of_dwarf(cfi->is_32, fde->cie.ra);
	struct machine m;
	struct buf insns;
	int err;

	if (ra == NR_REGS)
		return -ENOTSUP;
	m.cfi = cfi;
	m.cie = &fde->cie;
	m.nr_saved = 0;
	m.start = fde->start;
	m.end = fde->end;
	m.now.cfa = m.now.cfa_before = (struct cfi_rule){ .kind = CFI_SAME };
	m.now.set = m.initial.set = 0;
	insns = fde->cie.insns;
	err = machine_run(&m, &insns, fde->start);
	if (err)
		return err < 0 ? err : -EINVAL;
	copy_state(&m.initial, &m.now);
	insns = fde->insns;
	err = machine_run(&m, &insns, pc);
	if (err < 0)
		return err;
	if (m.now.cfa.kind == CFI_SAME)
		return -EINVAL;	/* never defined */
	if (m.now.cfa.kind == CFI_VAL_OFFSET && m.now.cfa.reg >= NR_REGS)
		return -ENOTSUP;
	row->start = m.start > fde->from ? m.start : fde->from;
	row->end = m.end < fde->to ? m.end : fde->to;
	row->func = fde->start;
	row->func_end = fde->end;
	row->ra = ra;
	row->signal = fde->cie.signal;
	row->lands = row->installs = false;
	row->cfa = m.now.cfa;
	memset(row->reg, 0, sizeof(row->reg));
	for (uint32_t set = m.now.set; set; set &= set - 1) {
		unsigned int reg = __builtin_ctz(set);

		row->reg[reg] = m.now.reg[reg];
	}
	/* Where the caller's stack would begin below this one. */
	row->doubted = below_sp(&m, 0) || (cfi->is_32 && loses_count(&m, fde));
	return 0;
}

int cfi_row(const struct cfi *cfi, uint64_t pc, struct cfi_row *row)
{
	int first = 0, err;
	struct fde fde;

	for (; cfi; cfi = cfi_next(cfi)) {
		err = cfi_find(&cfi, pc, &fde);
		if (!err)
			err = fde_row(cfi, &fde, pc, row);
		if (!err)
			break;
		if (!first)
			first = err;
		if (!cfi || err == -ENOENT)
			return first;
	}
	if (first && cfi) {
		/* The broken one may have something to say of other pcs. */
		row->start = pc;
		row->end = pc + 1;
	}
	return cfi ? 0 : first;
}
