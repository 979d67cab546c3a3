/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* In: bytes of code.  Out: one instruction, as far as stack and frame pointer need it. */
#ifndef USTACK_UNWIND_X86_INSN_H
#define USTACK_UNWIND_X86_INSN_H

#include <stdbool.h>
#include <stdint.h>

#include "util/bytes.h"

/* Opcode maps, by the bytes that select them. */
enum insn_map {
	MAP_ONE,		/* none */
	MAP_0F,
	MAP_0F38,
	MAP_0F3A,
	MAP_OTHER,		/* of EVEX alone */
};

struct insn {
	uint8_t map;		/* enum insn_map */
	uint8_t op;
	uint8_t size;		/* bytes, with prefixes */
	bool vex;		/* VEX or EVEX: another instruction than without */
	bool has_modrm;
	bool other_address;	/* not just rm + disp: an index, or relative to rip */
	bool indexed;		/* an index */
	uint8_t mod, reg, rm;	/* of modrm, with the REX bits; reg also of op */
	int32_t disp;
	int64_t imm;
};

/*
 * Takes one instruction off code.  -EINVAL: it is cut, is not valid, or is one
 * that does not go on behind it or is not worth following.
 */
int insn_decode(struct buf *code, struct insn *insn, bool is_64);

#endif
