// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Lengths of x86 instructions, and the operands of those that move the stack. */
#include <errno.h>

#include "unwind/x86/insn.h"

/* What follows an opcode. */
enum {
	MODRM = 1 << 0,		/* modrm, and sib and displacement as it says */
	IMM8 = 1 << 1,
	IMM16 = 1 << 2,		/* unsigned */
	IMM32 = 1 << 3,		/* of 2 bytes with prefix 66 */
	IMM64 = 1 << 4,		/* IMM32, but of 8 bytes with REX.W */
	REL32 = 1 << 5,
	MOFFS = 1 << 6,		/* an address; not followed in 64-bit mode */
	REG = 1 << 7,		/* none: a register is in the opcode */
	PREFIX = 1 << 8,
	STOP = 1 << 9,		/* not valid, not followed, or ends every path */
};

/* add, or, adc, sbb, and, sub, xor, cmp: all have the same six opcodes. */
#define ARITHMETIC(op) \
	[op ... op + 3] = MODRM, [op + 4] = IMM8, [op + 5] = IMM32

static const uint16_t one_byte[256] = {
	ARITHMETIC(0x00), [0x06 ... 0x07] = STOP,
	ARITHMETIC(0x08), [0x0e ... 0x0f] = STOP,
	ARITHMETIC(0x10), [0x16 ... 0x17] = STOP,
	ARITHMETIC(0x18), [0x1e ... 0x1f] = STOP,
	ARITHMETIC(0x20), [0x26] = PREFIX, [0x27] = STOP,
	ARITHMETIC(0x28), [0x2e] = PREFIX, [0x2f] = STOP,
	ARITHMETIC(0x30), [0x36] = PREFIX, [0x37] = STOP,
	ARITHMETIC(0x38), [0x3e] = PREFIX, [0x3f] = STOP,
	/* 40-4f: inc, dec, or REX */
	[0x50 ... 0x5f] = REG,			/* push, pop */
	[0x60 ... 0x62] = STOP,
	[0x63] = MODRM,				/* movsxd */
	[0x64 ... 0x66] = PREFIX,
	[0x68] = IMM32, [0x6a] = IMM8,		/* push */
	[0x69] = MODRM | IMM32, [0x6b] = MODRM | IMM8, /* imul */
	[0x70 ... 0x7f] = IMM8,			/* jcc */
	[0x80] = MODRM | IMM8, [0x81] = MODRM | IMM32, /* arithmetic */
	[0x82] = STOP, [0x83] = MODRM | IMM8,
	[0x84 ... 0x8f] = MODRM,		/* test, xchg, mov, lea, pop */
	[0x9a] = STOP,
	[0xa0 ... 0xa3] = MOFFS,		/* mov */
	[0xa8] = IMM8, [0xa9] = IMM32,		/* test */
	[0xb0 ... 0xb7] = IMM8, [0xb8 ... 0xbf] = REG | IMM64, /* mov */
	[0xc0 ... 0xc1] = MODRM | IMM8,		/* shifts */
	[0xc2] = IMM16,				/* ret */
	[0xc4 ... 0xc5] = STOP,			/* else than as VEX */
	[0xc6] = MODRM | IMM8, [0xc7] = MODRM | IMM32, /* mov */
	[0xc8] = STOP, [0xca ... 0xcc] = STOP,	/* enter, far ret, int3 */
	[0xcd] = IMM8,				/* int */
	[0xce ... 0xcf] = STOP,
	[0xd0 ... 0xd3] = MODRM,		/* shifts */
	[0xd4 ... 0xd6] = STOP,
	[0xd8 ... 0xdf] = MODRM,		/* x87 */
	[0xe0 ... 0xe7] = IMM8,			/* loop, in, out */
	[0xe8 ... 0xe9] = REL32, [0xeb] = IMM8,	/* call, jmp */
	[0xea] = STOP,
	[0xf0] = PREFIX, [0xf1] = STOP, [0xf2 ... 0xf3] = PREFIX,
	[0xf4] = STOP,				/* hlt */
	[0xf6 ... 0xf7] = MODRM,		/* test, not, neg, mul, div */
	[0xfe ... 0xff] = MODRM,		/* inc, dec, call, jmp, push */
};

/* Opcodes behind 0f, with VEX or without. */
static const uint16_t two_byte[256] = {
	[0x00 ... 0x03] = MODRM,
	[0x0b] = STOP,				/* ud2 */
	[0x0d] = MODRM,
	[0x0f] = MODRM | IMM8,			/* 3DNow! */
	[0x10 ... 0x23] = MODRM,
	[0x28 ... 0x2f] = MODRM,
	[0x39] = MODRM,
	[0x3b ... 0x6f] = MODRM,
	[0x70 ... 0x73] = MODRM | IMM8,		/* shuffles, shifts */
	[0x74 ... 0x76] = MODRM,
	[0x78 ... 0x7f] = MODRM,
	[0x80 ... 0x8f] = REL32,		/* jcc; none with VEX */
	[0x90 ... 0x9f] = MODRM,		/* setcc */
	[0xa3] = MODRM, [0xa4] = MODRM | IMM8,	/* bt, shld */
	[0xa5 ... 0xa7] = MODRM,
	[0xab] = MODRM, [0xac] = MODRM | IMM8,	/* bts, shrd */
	[0xad ... 0xb9] = MODRM,
	[0xba] = MODRM | IMM8,			/* bt */
	[0xbb ... 0xc1] = MODRM,
	[0xc2] = MODRM | IMM8,			/* cmpps */
	[0xc3] = MODRM,
	[0xc4 ... 0xc6] = MODRM | IMM8,		/* pinsrw, pextrw, shufps */
	[0xc7] = MODRM,
	[0xd0 ... 0xff] = MODRM,
};

/* Bits of REX: four bits more for operand size, reg, index and rm. */
enum { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };

/* modrm, its sib byte and displacement. */
static void decode_modrm(struct buf *code, struct insn *insn, uint8_t rex)
{
	uint8_t modrm = buf_uint(code, 1), sib;

	insn->has_modrm = true;
	insn->mod = modrm >> 6;
	insn->reg = (modrm >> 3 & 7) | (rex & REX_R ? 8 : 0);
	insn->rm = modrm & 7;
	if (insn->mod != 3 && insn->rm == 4) {
		sib = buf_uint(code, 1);
		insn->rm = sib & 7;
		if ((sib >> 3 & 7) != 4 || rex & REX_X)
			insn->other_address = insn->indexed = true;
	}
	if (insn->mod == 1) {
		insn->disp = buf_sint(code, 1);
	} else if (insn->mod == 2) {
		insn->disp = buf_sint(code, 4);
	} else if (insn->mod == 0 && insn->rm == 5) {
		insn->disp = buf_sint(code, 4);
		insn->other_address = true;
	}
	if (rex & REX_B)
		insn->rm |= 8;
}

static void decode_operands(struct buf *code, struct insn *insn, uint16_t form,
			    uint8_t rex, bool has_66)
{
	if (form & REG)
		insn->reg = (insn->op & 7) | (rex & REX_B ? 8 : 0);
	if (form & MODRM)
		decode_modrm(code, insn, rex);
	/* Of this group, only test has an immediate operand. */
	if (insn->map == MAP_ONE && (insn->op & 0xfe) == 0xf6 &&
	    (insn->reg & 7) < 2)
		form |= insn->op == 0xf6 ? IMM8 : IMM32;
	if (form & IMM8)
		insn->imm = buf_sint(code, 1);
	else if (form & IMM16)
		insn->imm = buf_uint(code, 2);
	else if (form & IMM64 && rex & REX_W)
		insn->imm = buf_sint(code, 8);
	else if (form & (IMM32 | IMM64))
		insn->imm = buf_sint(code, has_66 ? 2 : 4);
	else if (form & (REL32 | MOFFS))
		insn->imm = buf_sint(code, 4);
}

/* The opcode behind all prefixes; the map it is in and the REX byte. */
static int decode_opcode(struct buf *code, struct insn *insn, bool is_64,
			 uint8_t *rex)
{
	static const uint8_t evex_map[8] = {
		MAP_ONE, MAP_0F, MAP_0F38, MAP_0F3A,
		MAP_OTHER, MAP_OTHER, MAP_OTHER, MAP_OTHER,
	};
	uint8_t first;

	if (is_64 && (insn->op & 0xf0) == 0x40) {
		*rex = insn->op;
		insn->op = buf_uint(code, 1);
	}
	if (insn->op == 0xc5 || insn->op == 0xc4 || insn->op == 0x62) {
		first = buf_uint(code, 1);
		/* lds, les, bound */
		if (!is_64 && first < 0xc0)
			return -EINVAL;
		insn->vex = true;
		insn->map = insn->op == 0xc5 ? MAP_0F : evex_map[first & 7];
		if (insn->op != 0xc5)
			buf_skip(code, insn->op == 0xc4 ? 1 : 2);
		insn->op = buf_uint(code, 1);
	} else if (insn->op == 0x0f) {
		insn->map = MAP_0F;
		insn->op = buf_uint(code, 1);
		if (insn->op == 0x38 || insn->op == 0x3a) {
			insn->map = insn->op == 0x38 ? MAP_0F38 : MAP_0F3A;
			insn->op = buf_uint(code, 1);
		}
	}
	return 0;
}

int insn_decode(struct buf *code, struct insn *insn, bool is_64)
{
	const uint8_t *start = code->p;
	bool has_66 = false;
	uint8_t rex = 0;
	uint16_t form;

	*insn = (struct insn){ .map = MAP_ONE };
	for (;;) {
		insn->op = buf_uint(code, 1);
		if (!(one_byte[insn->op] & PREFIX))
			break;
		has_66 |= insn->op == 0x66;
	}
	if (decode_opcode(code, insn, is_64, &rex))
		return -EINVAL;
	switch (insn->map) {
	case MAP_ONE:
		form = one_byte[insn->op];
		break;
	case MAP_0F:
		form = two_byte[insn->op];
		if (insn->vex)
			form &= ~REL32;
		break;
	case MAP_0F3A:
		form = MODRM | IMM8;
		break;
	default:
		form = MODRM;
	}
	if (form & STOP || (form & MOFFS && is_64))
		return -EINVAL;
	decode_operands(code, insn, form, rex, has_66);
	insn->size = code->p - start;
	return code->bad ? -EINVAL : 0;
}
