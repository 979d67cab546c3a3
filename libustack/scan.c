// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Code without CFI: the code itself tells.  Followed from pc to its ret, every
 * push, pop and change of rsp on the way says where the return address lies
 * now.  Conditional jumps are not taken (all ways to a ret leave the stack
 * alike), calls are balanced, a jump that leads elsewhere is a tail call.
 *
 * The result is a guess: who uses it checks that the return address follows a
 * call.
 */
#include <errno.h>

#include "unwind.h"

#define INSNS_MAX 400

/* Sets of opcodes: bit n % 32 of word n / 32. */
static const uint32_t one_modrm[8] = {
	0x0f0f0f0f, 0x0f0f0f0f, 0x00000000, 0x00000a08,
	0x0000fffb, 0x00000000, 0xff0f00c3, 0xc0c00000,
};
static const uint32_t one_imm8[8] = {
	0x10101010, 0x10101010, 0x00000000, 0xffff0c00,
	0x00000009, 0x00ff0100, 0x00002043, 0x000008ff,
};
static const uint32_t one_imm32[8] = {
	0x20202020, 0x20202020, 0x00000000, 0x00000300,
	0x00000002, 0xff000200, 0x00000080, 0x00000300,
};
/* Not in 64-bit mode, not followed, or the end of every path. */
static const uint32_t one_stop[8] = {
	0xc0c0c0c0, 0x80808080, 0x00000000, 0x00000007,
	0x04000004, 0x0000000f, 0x0070dd30, 0x00120400,
};
static const uint32_t two_modrm[8] = {
	0xffffa00f, 0xfa00ff0f, 0xffffffff, 0xff7fffff,
	0xffff0000, 0xfffff8f8, 0xffff00ff, 0xffffffff,
};
static const uint32_t two_imm8[8] = {
	0x00008000, 0x00000000, 0x00000000, 0x000f0000,
	0x00000000, 0x04001010, 0x00000074, 0x00000000,
};

static bool in(const uint32_t *set, uint8_t op)
{
	return set[op / 32] >> (op % 32) & 1;
}

struct insn {
	uint8_t map;		/* 1: one byte, 2: 0f, 3: 0f 38, 4: 0f 3a */
	uint8_t op;
	uint8_t mod, reg, rm;	/* of modrm, with the REX bits */
	bool has_modrm, vex, wide;
	bool rip_relative, has_sib;
	int32_t disp;
	int64_t imm;
};

/* A modrm byte, its sib byte and displacement. */
static void decode_modrm(struct buf *b, struct insn *in, uint8_t rex)
{
	uint8_t modrm = buf_uint(b, 1), sib = 0;

	in->has_modrm = true;
	in->mod = modrm >> 6;
	in->reg = (modrm >> 3 & 7) | (rex & 4 ? 8 : 0);
	in->rm = modrm & 7;
	if (in->mod != 3 && in->rm == 4) {
		in->has_sib = true;
		sib = buf_uint(b, 1);
		in->rm = sib & 7;
		/* An index makes the address one nobody follows. */
		if ((sib >> 3 & 7) != 4 || rex & 2)
			in->rip_relative = true;
	}
	if (in->mod == 1) {
		in->disp = buf_sint(b, 1);
	} else if (in->mod == 2) {
		in->disp = buf_sint(b, 4);
	} else if (in->mod == 0 && in->rm == 5) {
		in->disp = buf_sint(b, 4);
		in->rip_relative = true;
	}
	if (rex & 1)
		in->rm |= 8;
}

static int decode(struct buf *b, struct insn *i, bool is_64)
{
	bool word = false;
	uint8_t rex = 0;

	*i = (struct insn){ .map = 1 };
	for (;;) {
		i->op = buf_uint(b, 1);
		if (i->op == 0x66)
			word = true;
		else if (i->op != 0xf0 && i->op != 0xf2 && i->op != 0xf3 &&
			 i->op != 0x2e && i->op != 0x36 && i->op != 0x3e &&
			 i->op != 0x26 && i->op != 0x64 && i->op != 0x65)
			break;
	}
	if (is_64 && (i->op & 0xf0) == 0x40) {
		rex = i->op;
		i->op = buf_uint(b, 1);
	}
	if (i->op == 0xc5 || i->op == 0xc4 || i->op == 0x62) {
		uint8_t p0 = buf_uint(b, 1);

		/* lds, les, bound */
		if (!is_64 && p0 < 0xc0)
			return -EINVAL;
		i->vex = true;
		i->map = i->op == 0xc5 ? 2 : (p0 & 7) + 1;
		if (i->op != 0xc5)
			buf_uint(b, i->op == 0xc4 ? 1 : 2);
		i->op = buf_uint(b, 1);
	} else if (i->op == 0x0f) {
		i->map = 2;
		i->op = buf_uint(b, 1);
		if (i->op == 0x38 || i->op == 0x3a) {
			i->map = i->op == 0x38 ? 3 : 4;
			i->op = buf_uint(b, 1);
		}
	}
	i->wide = rex & 8;
	if (i->map == 1) {
		bool moffs = !is_64 && (i->op & 0xfc) == 0xa0;

		if (in(one_stop, i->op) && !moffs)
			return -EINVAL;
		if (in(one_modrm, i->op))
			decode_modrm(b, i, rex);
		if (in(one_imm8, i->op))
			i->imm = buf_sint(b, 1);
		else if (i->op >= 0xb8 && i->op <= 0xbf && i->wide)
			i->imm = buf_sint(b, 8);
		else if (i->op == 0xe8 || i->op == 0xe9 || moffs)
			i->imm = buf_sint(b, 4);
		else if (in(one_imm32, i->op))
			i->imm = buf_sint(b, word ? 2 : 4);
		else if (i->op == 0xc2)
			i->imm = buf_uint(b, 2);
		else if ((i->op & 0xfe) == 0xf6 && (i->reg & 7) < 2)
			i->imm = i->op == 0xf6 ? buf_sint(b, 1) :
						 buf_sint(b, word ? 2 : 4);
		/* Registers of opcodes that carry them. */
		if ((i->op & 0xf0) == 0x50 || (i->op & 0xf8) == 0xb8)
			i->reg = (i->op & 7) | (rex & 1 ? 8 : 0);
	} else if (i->map == 2) {
		if (!i->vex && i->op >= 0x80 && i->op <= 0x8f)
			i->imm = buf_sint(b, 4);
		else if (i->op == 0x0b)
			return -EINVAL;	/* ud2 */
		else if (in(two_modrm, i->op))
			decode_modrm(b, i, rex);
		if (in(two_imm8, i->op))
			i->imm = buf_sint(b, 1);
	} else {
		decode_modrm(b, i, rex);
		if (i->map == 4)
			i->imm = buf_sint(b, 1);
	}
	return b->bad ? -EINVAL : 0;
}

/* A value as a sum: what a register held at pc, and an offset. */
struct sum {
	uint8_t base;		/* REG_RSP, REG_RBP, or NR_REGS: not known */
	int64_t off;
};

/* From the numbers of the instruction set to those of DWARF. */
static const uint8_t dwarf_reg[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8,	 REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

struct scan {
	int word;			/* bytes of a push */
	struct sum sp, bp;
	struct sum popped[NR_REGS];	/* where a register was last popped from */
};

static const struct sum unknown = { .base = NR_REGS };

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

static bool touches_flags_only(const struct insn *i)
{
	/* cmp and test write no register. */
	return (i->op >= 0x38 && i->op <= 0x3b) || i->op == 0x84 ||
	       i->op == 0x85;
}

/* What one instruction of the one-byte map does to rsp and rbp. */
static void scan_insn(struct scan *s, const struct insn *i)
{
	uint8_t reg = dwarf_reg[i->reg], rm = dwarf_reg[i->rm & 15];
	struct sum from = unknown;
	uint8_t to = NR_REGS;

	if ((i->op & 0xf8) == 0x50 || i->op == 0x68 || i->op == 0x6a ||
	    i->op == 0x9c || (i->op == 0xff && (i->reg & 7) == 6) ||
	    (i->op == 0xe8 && !i->imm)) {	/* to be popped: i386's own pc */
		s->sp.off -= s->word;
		return;
	}
	if ((i->op & 0xf8) == 0x58) {
		scan_pop(s, reg);
		return;
	}
	if (i->op == 0x9d || i->op == 0x8f) {
		s->sp.off += s->word;
		return;
	}
	if (i->op == 0xc9) {
		s->sp = s->bp;
		scan_pop(s, REG_RBP);
		return;
	}
	if (!i->has_modrm || touches_flags_only(i))
		return;
	if ((i->op == 0x89 || i->op == 0x8b) && i->mod == 3) {
		uint8_t src = i->op == 0x89 ? reg : rm;

		to = i->op == 0x89 ? rm : reg;
		if (src == REG_RSP)
			from = s->sp;
		else if (src == REG_RBP)
			from = s->bp;
	} else if (i->op == 0x8d) {
		to = reg;
		if (i->rip_relative)
			;
		else if (rm == REG_RSP)
			from = s->sp;
		else if (rm == REG_RBP)
			from = s->bp;
		from.off += i->disp;
	} else if ((i->op == 0x81 || i->op == 0x83) && i->mod == 3) {
		to = rm;
		if ((i->reg & 7) == 7)
			return;
		from = rm == REG_RSP ? s->sp : rm == REG_RBP ? s->bp : unknown;
		if ((i->reg & 7) == 0)
			from.off += i->imm;
		else if ((i->reg & 7) == 5)
			from.off -= i->imm;
		else
			from = unknown;
	} else if (i->op < 0x40 || i->op == 0x63 || i->op == 0x69 ||
		   i->op == 0x6b || (i->op >= 0x86 && i->op <= 0x8b)) {
		/* Bit 1 of an arithmetic opcode: the result goes to reg. */
		if (i->op & 2 || (i->op & 0xf0) == 0x60)
			to = reg;
		else if (i->mod == 3)
			to = rm;
	} else if (i->mod == 3) {
		to = rm;
	}
	if (to == REG_RSP)
		s->sp = from;
	else if (to == REG_RBP)
		s->bp = from;
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

		/* Of another base: the function realigned; nobody knows. */
		if (slot->base == s->sp.base) {
			row->reg[reg].kind = CFI_OFFSET;
			row->reg[reg].off = slot->off - row->cfa.off;
		} else if (slot->base != NR_REGS) {
			row->reg[reg].kind = CFI_UNDEFINED;
		}
	}
	return 0;
}

int scan_code(const struct image *image, uint64_t pc, struct cfi_row *row)
{
	struct scan s = { image->is_64 ? 8 : 4, { REG_RSP, 0 },
			  { REG_RBP, 0 }, { { 0 } } };
	uint64_t at = pc, start, end;
	const uint8_t *code;
	size_t left;

	cfi_hole(&image->cfi, pc, &start, &end);
	for (unsigned int reg = 0; reg < NR_REGS; reg++)
		s.popped[reg] = unknown;
	for (int n = 0; n < INSNS_MAX; n++) {
		struct insn i;
		struct buf b;

		/* Code with CFI is another function: this one never returns. */
		code = at >= start && at < end ? image_at(image, at, &left) :
						 NULL;
		if (!code)
			return -ENOENT;
		b = (struct buf){ code, code + left, false };
		if (decode(&b, &i, image->is_64))
			return -ENOENT;
		at += b.p - code;
		if (i.vex || i.map != 1)
			continue;
		if (i.op == 0xc3 || i.op == 0xc2)
			return scan_row(&s, pc, row);
		if (i.op == 0xff && (i.reg & 7) == 4)
			return scan_row(&s, pc, row);
		if (i.op == 0xe9 || i.op == 0xeb) {
			uint64_t to = at + i.imm;

			if (to < start || to >= end)
				return scan_row(&s, pc, row);
			at = to;
			continue;
		}
		scan_insn(&s, &i);
	}
	return -ENOENT;
}
