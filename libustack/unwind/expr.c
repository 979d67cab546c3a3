// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The operations of DWARF expressions that call frame information uses. */
#include <dwarf.h>
#include <errno.h>

#include "unwind/expr.h"
#include "util/bytes.h"

/* More than any compiler needs; a malicious file cannot loop forever. */
#define STACK_MAX 64
#define STEPS_MAX 1000

static bool compare(uint8_t op, int64_t a, int64_t b)
{
	switch (op) {
	case DW_OP_eq:
		return a == b;
	case DW_OP_ne:
		return a != b;
	case DW_OP_lt:
		return a < b;
	case DW_OP_le:
		return a <= b;
	case DW_OP_gt:
		return a > b;
	default:		/* DW_OP_ge */
		return a >= b;
	}
}

/* Operands have the size of an address, 4 or 8 bytes. */
static int64_t as_signed(uint64_t val, unsigned int size)
{
	return size == 4 ? (int32_t)val : (int64_t)val;
}

static int binary(uint8_t op, uint64_t a, uint64_t b, uint64_t *r,
		  unsigned int size)
{
	int64_t sa = as_signed(a, size), sb = as_signed(b, size);
	unsigned int bits = 8 * size;

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
		*r = b < bits ? a << b : 0;
		break;
	case DW_OP_shr:
		*r = b < bits ? a >> b : 0;
		break;
	case DW_OP_shra:
		*r = (uint64_t)(sa >> (b < bits ? b : bits - 1));
		break;
	case DW_OP_eq ... DW_OP_ne:
		*r = compare(op, sa, sb);
		break;
	default:
		return -EINVAL;
	}
	return 0;
}

/* How many operands the operation takes from the stack; -1: it is not known. */
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

struct machine {
	const struct cpu *cpu;
	const struct mem *mem;
	const uint8_t *start;	/* of the expression */
	struct buf code;
	uint64_t stack[STACK_MAX + 1];
	int n;			/* operands on it */
	uint64_t *fault;
};

static void push(struct machine *m, uint64_t val)
{
	m->stack[m->n++] = val;
}

static uint64_t constant(struct machine *m, uint8_t op)
{
	struct buf *b = &m->code;

	switch (op) {
	case DW_OP_addr:
		return buf_uint(b, mem_word_size(m->mem));
	case DW_OP_const1u:
		return buf_uint(b, 1);
	case DW_OP_const1s:
		return buf_sint(b, 1);
	case DW_OP_const2u:
		return buf_uint(b, 2);
	case DW_OP_const2s:
		return buf_sint(b, 2);
	case DW_OP_const4u:
		return buf_uint(b, 4);
	case DW_OP_const4s:
		return buf_sint(b, 4);
	case DW_OP_const8u:
	case DW_OP_const8s:
		return buf_uint(b, 8);
	case DW_OP_constu:
		return buf_uleb(b);
	case DW_OP_consts:
		return buf_sleb(b);
	default:
		return op - DW_OP_lit0;
	}
}

static int push_register(struct machine *m, uint8_t op)
{
	uint64_t reg = op == DW_OP_bregx ? buf_uleb(&m->code) :
					   (uint64_t)(op - DW_OP_breg0);
	int64_t off = buf_sleb(&m->code);

	reg = reg_of_dwarf(m->mem->is_32, reg);
	if (reg == NR_REGS)
		return -EINVAL;
	if (!cpu_knows(m->cpu, reg))
		return -ENODATA;
	push(m, m->cpu->reg[reg] + off);
	return 0;
}

/* Operations that copy, move or drop operands. */
static int shuffle(struct machine *m, uint8_t op)
{
	uint64_t *top = &m->stack[m->n], val;	/* one past the last operand */

	switch (op) {
	case DW_OP_dup:
		push(m, top[-1]);
		break;
	case DW_OP_drop:
		m->n--;
		break;
	case DW_OP_over:
		push(m, top[-2]);
		break;
	case DW_OP_pick:
		val = buf_uint(&m->code, 1);
		if (val >= (uint64_t)m->n)
			return -EINVAL;
		push(m, m->stack[m->n - 1 - val]);
		break;
	case DW_OP_swap:
		val = top[-1];
		top[-1] = top[-2];
		top[-2] = val;
		break;
	default:		/* DW_OP_rot */
		val = top[-1];
		top[-1] = top[-2];
		top[-2] = top[-3];
		top[-3] = val;
		break;
	}
	return 0;
}

static int deref(struct machine *m, uint8_t op)
{
	uint64_t *addr = &m->stack[m->n - 1], val = 0;
	size_t size = op == DW_OP_deref ? mem_word_size(m->mem) :
					  buf_uint(&m->code, 1);

	if (!size || size > 8)
		return -EINVAL;
	if (mem_read(m->mem, *addr, &val, size)) {
		*m->fault = *addr;
		return -EFAULT;
	}
	*addr = val;
	return 0;
}

static int unary(struct machine *m, uint8_t op)
{
	uint64_t *val = &m->stack[m->n - 1];

	switch (op) {
	case DW_OP_abs:
		if (as_signed(*val, mem_word_size(m->mem)) < 0)
			*val = -*val;
		break;
	case DW_OP_neg:
		*val = -*val;
		break;
	case DW_OP_not:
		*val = ~*val;
		break;
	default:		/* DW_OP_plus_uconst */
		*val += buf_uleb(&m->code);
		break;
	}
	return 0;
}

static int jump(struct machine *m, uint8_t op)
{
	struct buf *b = &m->code;
	int64_t off = buf_sint(b, 2);

	if (op == DW_OP_bra && !m->stack[--m->n])
		return 0;
	if (off < m->start - b->p || off > b->end - b->p)
		return -EINVAL;
	b->p += off;
	return 0;
}

static int run(struct machine *m, uint8_t op)
{
	int err;

	switch (op) {
	case DW_OP_addr:
	case DW_OP_const1u ... DW_OP_consts:
	case DW_OP_lit0 ... DW_OP_lit31:
		push(m, constant(m, op));
		return 0;
	case DW_OP_breg0 ... DW_OP_breg31:
	case DW_OP_bregx:
		return push_register(m, op);
	case DW_OP_dup ... DW_OP_rot:
		return shuffle(m, op);
	case DW_OP_deref:
	case DW_OP_deref_size:
		return deref(m, op);
	case DW_OP_abs:
	case DW_OP_neg:
	case DW_OP_not:
	case DW_OP_plus_uconst:
		return unary(m, op);
	case DW_OP_bra:
	case DW_OP_skip:
		return jump(m, op);
	case DW_OP_nop:
		return 0;
	default:
		err = binary(op, m->stack[m->n - 2], m->stack[m->n - 1],
			     &m->stack[m->n - 2], mem_word_size(m->mem));
		m->n--;
		return err;
	}
}

int expr_eval(const uint8_t *expr, size_t size, const uint64_t *initial,
	      const struct cpu *cpu, const struct mem *mem, uint64_t *result,
	      uint64_t *fault)
{
	struct machine m;
	int steps = 0, err;

	m.cpu = cpu;
	m.mem = mem;
	m.start = expr;
	m.code = (struct buf){ expr, expr + size, false };
	m.n = 0;
	m.fault = fault;
	if (initial)
		push(&m, mem->is_32 ? (uint32_t)*initial : *initial);
	while (m.code.p < m.code.end) {
		uint8_t op = buf_uint(&m.code, 1);
		int need = pops(op);

		if (++steps > STEPS_MAX || need < 0 || m.n < need ||
		    m.n >= STACK_MAX)
			return -EINVAL;
		err = run(&m, op);
		if (err)
			return err;
		if (m.code.bad)
			return -EINVAL;
		/* All but the last one have been cut before. */
		if (mem->is_32 && m.n)
			m.stack[m.n - 1] = (uint32_t)m.stack[m.n - 1];
	}
	if (!m.n)
		return -EINVAL;
	*result = m.stack[m.n - 1];
	return 0;
}
