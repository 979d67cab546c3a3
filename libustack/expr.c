// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* DWARF expressions, as call frame information uses them. */
#include <dwarf.h>
#include <errno.h>

#include "unwind.h"

/* Enough for every known producer; loops of a hostile file end here. */
#define STACK_MAX 64
#define STEPS_MAX 1000

static int binary(uint8_t op, uint64_t a, uint64_t b, uint64_t *r)
{
	int64_t sa = (int64_t)a, sb = (int64_t)b;

	switch (op) {
	case DW_OP_and:
		*r = a & b;
		break;
	case DW_OP_or:
		*r = a | b;
		break;
	case DW_OP_xor:
		*r = a ^ b;
		break;
	case DW_OP_plus:
		*r = a + b;
		break;
	case DW_OP_minus:
		*r = a - b;
		break;
	case DW_OP_mul:
		*r = a * b;
		break;
	case DW_OP_div:
		if (!b)
			return -EINVAL;
		*r = sb == -1 ? -a : (uint64_t)(sa / sb);
		break;
	case DW_OP_mod:
		if (!b)
			return -EINVAL;
		*r = a % b;
		break;
	case DW_OP_shl:
		*r = b < 64 ? a << b : 0;
		break;
	case DW_OP_shr:
		*r = b < 64 ? a >> b : 0;
		break;
	case DW_OP_shra:
		*r = (uint64_t)(sa >> (b < 64 ? b : 63));
		break;
	case DW_OP_eq:
		*r = sa == sb;
		break;
	case DW_OP_ne:
		*r = sa != sb;
		break;
	case DW_OP_lt:
		*r = sa < sb;
		break;
	case DW_OP_le:
		*r = sa <= sb;
		break;
	case DW_OP_gt:
		*r = sa > sb;
		break;
	case DW_OP_ge:
		*r = sa >= sb;
		break;
	default:
		return -EINVAL;
	}
	return 0;
}

/* Operands the operation takes from the stack, or -1 where it is unknown. */
static int pops(uint8_t op)
{
	switch (op) {
	case DW_OP_addr:
	case DW_OP_const1u ... DW_OP_consts:
	case DW_OP_lit0 ... DW_OP_lit31:
	case DW_OP_breg0 ... DW_OP_breg31:
	case DW_OP_bregx:
	case DW_OP_pick:
	case DW_OP_skip:
	case DW_OP_nop:
		return 0;
	case DW_OP_dup:
	case DW_OP_drop:
	case DW_OP_deref:
	case DW_OP_deref_size:
	case DW_OP_abs:
	case DW_OP_neg:
	case DW_OP_not:
	case DW_OP_plus_uconst:
	case DW_OP_bra:
		return 1;
	case DW_OP_over:
	case DW_OP_swap:
	case DW_OP_and:
	case DW_OP_or:
	case DW_OP_xor:
	case DW_OP_plus:
	case DW_OP_minus:
	case DW_OP_mul:
	case DW_OP_div:
	case DW_OP_mod:
	case DW_OP_shl:
	case DW_OP_shr:
	case DW_OP_shra:
	case DW_OP_eq ... DW_OP_ne:
		return 2;
	case DW_OP_rot:
		return 3;
	default:
		return -1;
	}
}

int expr_eval(const uint8_t *expr, size_t size, const uint64_t *initial,
	      const struct cpu *cpu, const struct mem *mem, uint64_t *result,
	      uint64_t *fault)
{
	struct buf b = { expr, expr + size, false };
	uint64_t stack[STACK_MAX + 1];
	uint64_t *top;		/* one past the last operand */
	unsigned int steps = 0;
	int n = 0;		/* operands on the stack */

	if (initial)
		stack[n++] = *initial;
	while (b.p < b.end) {
		uint8_t op = buf_uint(&b, 1);
		uint64_t reg, val;
		int64_t off;
		int need = pops(op), err;

		if (++steps > STEPS_MAX || need < 0 || n < need ||
		    n >= STACK_MAX)
			return -EINVAL;
		top = &stack[n];
		switch (op) {
		case DW_OP_addr:
			stack[n++] = buf_uint(&b, mem_word_size(mem));
			break;
		case DW_OP_const8u:
		case DW_OP_const8s:
			stack[n++] = buf_uint(&b, 8);
			break;
		case DW_OP_const1u:
			stack[n++] = buf_uint(&b, 1);
			break;
		case DW_OP_const1s:
			stack[n++] = buf_sint(&b, 1);
			break;
		case DW_OP_const2u:
			stack[n++] = buf_uint(&b, 2);
			break;
		case DW_OP_const2s:
			stack[n++] = buf_sint(&b, 2);
			break;
		case DW_OP_const4u:
			stack[n++] = buf_uint(&b, 4);
			break;
		case DW_OP_const4s:
			stack[n++] = buf_sint(&b, 4);
			break;
		case DW_OP_constu:
			stack[n++] = buf_uleb(&b);
			break;
		case DW_OP_consts:
			stack[n++] = buf_sleb(&b);
			break;
		case DW_OP_lit0 ... DW_OP_lit31:
			stack[n++] = op - DW_OP_lit0;
			break;
		case DW_OP_breg0 ... DW_OP_breg31:
		case DW_OP_bregx:
			reg = op == DW_OP_bregx ? buf_uleb(&b) :
						  (uint64_t)(op - DW_OP_breg0);
			off = buf_sleb(&b);
			reg = reg_of_dwarf(mem->is_32, reg);
			if (reg == NR_REGS)
				return -EINVAL;
			if (!cpu_knows(cpu, reg))
				return -ENODATA;
			stack[n++] = cpu->reg[reg] + off;
			break;
		case DW_OP_dup:
			stack[n] = top[-1];
			n++;
			break;
		case DW_OP_drop:
			n--;
			break;
		case DW_OP_over:
			stack[n] = top[-2];
			n++;
			break;
		case DW_OP_pick:
			val = buf_uint(&b, 1);
			if (val >= (uint64_t)n)
				return -EINVAL;
			stack[n] = stack[n - 1 - val];
			n++;
			break;
		case DW_OP_swap:
			val = top[-1];
			top[-1] = top[-2];
			top[-2] = val;
			break;
		case DW_OP_rot:
			val = top[-1];
			top[-1] = top[-2];
			top[-2] = top[-3];
			top[-3] = val;
			break;
		case DW_OP_deref:
		case DW_OP_deref_size:
			reg = op == DW_OP_deref ? mem_word_size(mem) :
						  buf_uint(&b, 1);
			if (!reg || reg > 8)
				return -EINVAL;
			val = 0;
			if (mem->is_32)
				top[-1] = (uint32_t)top[-1];
			if (mem_read(mem, top[-1], &val, reg)) {
				*fault = top[-1];
				return -EFAULT;
			}
			top[-1] = val;
			break;
		case DW_OP_abs:
			if ((int64_t)top[-1] < 0)
				top[-1] = -top[-1];
			break;
		case DW_OP_neg:
			top[-1] = -top[-1];
			break;
		case DW_OP_not:
			top[-1] = ~top[-1];
			break;
		case DW_OP_plus_uconst:
			top[-1] += buf_uleb(&b);
			break;
		case DW_OP_bra:
		case DW_OP_skip:
			off = buf_sint(&b, 2);
			if (op == DW_OP_bra && !stack[--n])
				break;
			if (off < expr - b.p || off > b.end - b.p)
				return -EINVAL;
			b.p += off;
			break;
		case DW_OP_nop:
			break;
		default:
			err = binary(op, top[-2], top[-1], &top[-2]);
			if (err)
				return err;
			n--;
			break;
		}
		if (b.bad)
			return -EINVAL;
	}
	if (!n)
		return -EINVAL;
	*result = mem->is_32 ? (uint32_t)stack[n - 1] : stack[n - 1];
	return 0;
}
