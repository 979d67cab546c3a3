// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* DWARF expressions: registers, a small stack, then the expression. */
#include "fuzz.h"
#include "unwind/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t stack[8] = { 1, 0x7ff8, 3, ~0ull, 0x8000 };
	const struct ustack_range range = { 0x8000, sizeof(stack),
					    (const uint8_t *)stack };
	struct mem mem;
	struct input in = { data, size };
	uint64_t initial, result, fault;
	struct cpu cpu = { 0 };
	uint8_t *expr, flags = input_u8(&in);

	mem_init(&mem, &range, 1);
	cpu.known = input_u16(&in) | (flags & 1) << REG_RIP;
	initial = input_u16(&in);
	for (int i = 0; i < NR_REGS; i++)
		cpu.reg[i] = 0x8000 + 8 * i;
	size = in.left;
	expr = input_copy(&in, size);
	expr_eval(expr, size, flags & 2 ? &initial : NULL, &cpu, &mem, &result,
		  &fault);
	free(expr);
	return 0;
}
