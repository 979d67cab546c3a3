// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Code without CFI tells by itself where its return address is: it is followed
 * from pc to its ret, and every push, pop and change of rsp on the way counts.
 * Conditional jumps are not taken (the stack is the same at every ret), calls
 * are balanced, and a jump that leaves the function is a tail call.
 *
 * The result is a guess: the caller checks that there is a call before the
 * return address.
 */
#include <errno.h>

#include "module/image.h"
#include "unwind/arch.h"
#include "unwind/x86/insn.h"

#define INSNS_MAX 400

/* A value as a sum: what a register held at pc, and an offset. */
struct sum {
	uint8_t base;		/* REG_RSP, REG_RBP, or NR_REGS: not known */
	int64_t off;
};

static const struct sum unknown = { .base = NR_REGS };

struct scan {
	int word;			/* bytes of a push */
	struct sum sp, bp;
	struct sum popped[NR_REGS];	/* where a register was last popped from */
};

/* From the numbers of the instruction set to those of DWARF. */
static const uint8_t dwarf_reg[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8,	 REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

static struct sum value(const struct scan *s, uint8_t reg)
{
	return reg == REG_RSP ? s->sp : reg == REG_RBP ? s->bp : unknown;
}

static bool is_push(const struct insn *i)
{
	return (i->op & 0xf8) == 0x50 || i->op == 0x68 || i->op == 0x6a ||
	       i->op == 0x9c || (i->op == 0xff && (i->reg & 7) == 6) ||
	       /* Popped later: i386 gets its own pc by this call. */
	       (i->op == 0xe8 && !i->imm);
}

static void scan_pop(struct scan *s, uint8_t reg)
{
	s->popped[reg] = s->sp;
	if (reg == REG_RBP)
		s->bp = unknown;
	if (reg == REG_RSP)
		s->sp = unknown;
	else
		s->sp.off += s->word;
}

/* cmp and test */
static bool writes_no_register(const struct insn *i)
{
	return (i->op >= 0x38 && i->op <= 0x3b) || i->op == 0x84 ||
	       i->op == 0x85 ||
	       ((i->op == 0x81 || i->op == 0x83) && (i->reg & 7) == 7);
}

/* mov, lea, add and sub of which the result is known; reg gets it. */
static bool known_result(const struct scan *s, const struct insn *i,
			 uint8_t *reg, struct sum *val)
{
	uint8_t r = dwarf_reg[i->reg], rm = dwarf_reg[i->rm];

	if (i->op == 0x89 && i->mod == 3) {
		*reg = rm;
		*val = value(s, r);
	} else if (i->op == 0x8b && i->mod == 3) {
		*reg = r;
		*val = value(s, rm);
	} else if (i->op == 0x8d) {
		*reg = r;
		*val = i->other_address ? unknown : value(s, rm);
		val->off += i->disp;
	} else if ((i->op == 0x81 || i->op == 0x83) && i->mod == 3 &&
		   ((i->reg & 7) == 0 || (i->reg & 7) == 5)) {
		*reg = rm;
		*val = value(s, rm);
		val->off += (i->reg & 7) == 0 ? i->imm : -i->imm;
	} else {
		return false;
	}
	return true;
}

/* The register that any other instruction with modrm writes, or NR_REGS. */
static uint8_t result_reg(const struct insn *i)
{
	bool to_reg = false;

	/* Bit 1 of an arithmetic opcode: the result goes to reg. */
	if (i->op < 0x40 || (i->op >= 0x86 && i->op <= 0x8b))
		to_reg = i->op & 2;
	else if (i->op == 0x63 || i->op == 0x69 || i->op == 0x6b)
		to_reg = true;
	if (to_reg)
		return dwarf_reg[i->reg];
	return i->mod == 3 ? dwarf_reg[i->rm] : NR_REGS;
}

/* What an instruction of the one-byte map does to rsp and rbp. */
static void scan_insn(struct scan *s, const struct insn *i)
{
	struct sum val = unknown;
	uint8_t reg;

	if (is_push(i)) {
		s->sp.off -= s->word;
	} else if ((i->op & 0xf8) == 0x58) {
		scan_pop(s, dwarf_reg[i->reg]);
	} else if (i->op == 0x9d || i->op == 0x8f) {	/* popf, pop to memory */
		s->sp.off += s->word;
	} else if (i->op == 0xc9) {			/* leave */
		s->sp = s->bp;
		scan_pop(s, REG_RBP);
	} else if (i->has_modrm && !writes_no_register(i)) {
		if (!known_result(s, i, &reg, &val))
			reg = result_reg(i);
		if (reg == REG_RSP)
			s->sp = val;
		else if (reg == REG_RBP)
			s->bp = val;
	}
}

/* The row that says: CFA behind the return address that sp points at. */
static int scan_row(const struct scan *s, uint64_t pc, struct cfi_row *row)
{
	if (s->sp.base == NR_REGS)
		return -ENOENT;
	*row = (struct cfi_row){ .start = pc, .end = pc + 1, .ra = REG_RIP };
	row->cfa.kind = CFI_VAL_OFFSET;
	row->cfa.reg = s->sp.base;
	row->cfa.off = s->sp.off + s->word;
	row->reg[REG_RIP].kind = CFI_OFFSET;
	row->reg[REG_RIP].off = -s->word;
	for (unsigned int reg = 0; reg < REG_RIP; reg++) {
		const struct sum *slot = &s->popped[reg];

		/* The base is another one where the function realigned its stack. */
		if (slot->base == s->sp.base) {
			row->reg[reg].kind = CFI_OFFSET;
			row->reg[reg].off = slot->off - row->cfa.off;
		} else if (slot->base != NR_REGS) {
			row->reg[reg].kind = CFI_UNDEFINED;
		}
	}
	return 0;
}

static bool is_ret_or_far_jump(const struct insn *i)
{
	return i->op == 0xc3 || i->op == 0xc2 ||
	       (i->op == 0xff && (i->reg & 7) == 4);
}

int arch_scan(const struct image *image, uint64_t pc, struct cfi_row *row)
{
	struct scan s = { image->is_64 ? 8 : 4, { REG_RSP, 0 },
			  { REG_RBP, 0 }, { { 0 } } };
	uint64_t at = pc, start, end;

	cfi_hole(&image->cfi, pc, &start, &end);
	for (unsigned int reg = 0; reg < NR_REGS; reg++)
		s.popped[reg] = unknown;
	for (int n = 0; n < INSNS_MAX; n++) {
		const uint8_t *code = NULL;
		struct insn i;
		struct buf b;
		size_t left;

		/* Code with CFI is another function: this one never returns. */
		if (at >= start && at < end)
			code = image_at(image, at, &left);
		if (!code)
			return -ENOENT;
		b = (struct buf){ code, code + left, false };
		if (insn_decode(&b, &i, image->is_64))
			return -ENOENT;
		at += b.p - code;
		if (i.vex || i.map != MAP_ONE)
			continue;
		if (is_ret_or_far_jump(&i))
			return scan_row(&s, pc, row);
		if (i.op == 0xe9 || i.op == 0xeb) {
			at += i.imm;
			/* A tail call. */
			if (at < start || at >= end)
				return scan_row(&s, pc, row);
			continue;
		}
		scan_insn(&s, &i);
	}
	return -ENOENT;
}
