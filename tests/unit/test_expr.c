// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* DWARF expressions, operation by operation. */
#include "literal.h"

static const uint64_t words[] = { 0x1122334455667788, 0x7010 };
static const struct ustack_range range = { 0x7000, 16, (const uint8_t *)words };
static struct mem mem;
static struct cpu cpu;

#define EVAL(result, ...)                                                    \
	eval((const uint8_t[]){ __VA_ARGS__ },                               \
	     sizeof((const uint8_t[]){ __VA_ARGS__ }), result)

static uint64_t fault;

static int eval(const uint8_t *expr, size_t size, uint64_t *result)
{
	static const uint64_t cfa = 0x1000;

	return expr_eval(expr, size, &cfa, &cpu, &mem, result, &fault);
}

#define IS(val, ...)                                                         \
	do {                                                                 \
		uint64_t r_;                                                 \
		assert_int_equal(EVAL(&r_, __VA_ARGS__), 0);                 \
		assert_true(r_ == (uint64_t)(val));                          \
	} while (0)

static int setup(void **state)
{
	(void)state;
	mem_init(&mem, &range, 1);
	cpu.known = 0;
	cpu_set(&cpu, REG_RSP, 0x7008);
	cpu_set(&cpu, REG_RIP, 0x40101b);
	return 0;
}

static void constants(void **state)
{
	(void)state;
	IS(0x1000, DW_OP_nop);	/* what was pushed first */
	IS(31, DW_OP_lit31);
	IS(0xff, DW_OP_const1u, 0xff);
	IS(-1, DW_OP_const1s, 0xff);
	IS(0x8001, DW_OP_const2u, 0x01, 0x80);
	IS(-32767, DW_OP_const2s, 0x01, 0x80);
	IS(0x80000001, DW_OP_const4u, 1, 0, 0, 0x80);
	IS(-2147483647, DW_OP_const4s, 1, 0, 0, 0x80);
	IS(0x0807060504030201, DW_OP_const8u, 1, 2, 3, 4, 5, 6, 7, 8);
	IS(0x0807060504030201, DW_OP_addr, 1, 2, 3, 4, 5, 6, 7, 8);
	IS(128, DW_OP_constu, 0x80, 0x01);
	IS(-128, DW_OP_consts, 0x80, 0x7f);
}

static void arithmetic(void **state)
{
	(void)state;
	IS(12, DW_OP_lit7, DW_OP_lit5, DW_OP_plus);
	IS(2, DW_OP_lit7, DW_OP_lit5, DW_OP_minus);
	IS(35, DW_OP_lit7, DW_OP_lit5, DW_OP_mul);
	IS(-3, DW_OP_const1s, 0xf7, DW_OP_lit3, DW_OP_div);
	IS(2, DW_OP_lit17, DW_OP_lit5, DW_OP_mod);
	IS(4, DW_OP_lit7, DW_OP_lit12, DW_OP_and);
	IS(15, DW_OP_lit7, DW_OP_lit12, DW_OP_or);
	IS(11, DW_OP_lit7, DW_OP_lit12, DW_OP_xor);
	IS(-8, DW_OP_lit7, DW_OP_not);
	IS(-7, DW_OP_lit7, DW_OP_neg);
	IS(7, DW_OP_const1s, 0xf9, DW_OP_abs);
	IS(56, DW_OP_lit7, DW_OP_lit3, DW_OP_shl);
	IS(0, DW_OP_lit7, DW_OP_const1u, 64, DW_OP_shl);
	IS(0x1fffffffffffffff, DW_OP_const1s, 0xff, DW_OP_lit3, DW_OP_shr);
	IS(-1, DW_OP_const1s, 0xff, DW_OP_const1u, 200, DW_OP_shra);
	IS(0x1080, DW_OP_plus_uconst, 0x80, 0x01);
	IS(1, DW_OP_const1s, 0xff, DW_OP_lit1, DW_OP_lt);
	IS(0, DW_OP_const1s, 0xff, DW_OP_lit1, DW_OP_ge);
	IS(1, DW_OP_lit1, DW_OP_lit1, DW_OP_eq);
	IS(0, DW_OP_lit1, DW_OP_lit1, DW_OP_ne);
}

/* Of a 32-bit program: operands have 4 bytes, and so has all that is made of them. */
static void arithmetic_of_32_bits(void **state)
{
	(void)state;
	mem.is_32 = true;
	cpu_set(&cpu, REG_RSP, 0xffff0000);
	/* esp + 4 + ((unsigned)-16 >> 28) */
	IS(0xffff0013, DW_OP_breg4, 4, DW_OP_const1s, 0xf0, DW_OP_const1u, 28,
	   DW_OP_shr, DW_OP_plus);
	/* esp + 4 + 8 * (esp < 0) */
	IS(0xffff000c, DW_OP_breg4, 4, DW_OP_breg4, 0, DW_OP_lit0, DW_OP_lt,
	   DW_OP_lit3, DW_OP_shl, DW_OP_plus);
	IS(0xffffffff, DW_OP_const1s, 0xff);
	IS(0x04030201, DW_OP_const8u, 1, 2, 3, 4, 5, 6, 7, 8);
	IS(0x10000, DW_OP_breg4, 0, DW_OP_abs);
	IS(0xffff8000, DW_OP_breg4, 0, DW_OP_lit2, DW_OP_div);
	IS(0x80000000, DW_OP_const4u, 0, 0, 0, 0x80, DW_OP_const1s, 0xff,
	   DW_OP_div);
	IS(0xfffff000, DW_OP_breg4, 0, DW_OP_lit4, DW_OP_shra);
	IS(0xffffffff, DW_OP_breg4, 0, DW_OP_const1u, 32, DW_OP_shra);
	IS(0, DW_OP_breg4, 0, DW_OP_const1u, 32, DW_OP_shr);
	IS(0, DW_OP_breg4, 0, DW_OP_const1u, 16, DW_OP_shl);
	IS(0xf, DW_OP_breg4, 0x80, 0x80, 0x04, DW_OP_lit15, DW_OP_plus);
	IS(1, DW_OP_breg4, 0, DW_OP_dup, DW_OP_plus, DW_OP_const4u, 0, 0, 0xfe,
	   0xff, DW_OP_eq);
	IS(1, DW_OP_lit0, DW_OP_not, DW_OP_const1s, 0xff, DW_OP_eq);
	IS(0x7788, DW_OP_const2u, 0, 0x70, DW_OP_deref_size, 2);
	IS(0x55667788, DW_OP_const2u, 0, 0x70, DW_OP_deref_size, 8);
}

static void operands(void **state)
{
	(void)state;
	IS(14, DW_OP_lit7, DW_OP_dup, DW_OP_plus);
	IS(7, DW_OP_lit7, DW_OP_lit5, DW_OP_drop);
	IS(7, DW_OP_lit7, DW_OP_lit5, DW_OP_over);
	IS(7, DW_OP_lit7, DW_OP_lit5, DW_OP_swap);
	IS(0x1000, DW_OP_lit7, DW_OP_lit5, DW_OP_pick, 2);
	/* 1 2 3 becomes 3 1 2. */
	IS(3, DW_OP_lit1, DW_OP_lit2, DW_OP_lit3, DW_OP_rot, DW_OP_drop,
	   DW_OP_drop);
}

static void memory(void **state)
{
	uint64_t r;

	(void)state;
	IS(0x1122334455667788, DW_OP_breg7, 0x78, DW_OP_deref);
	IS(0x7788, DW_OP_breg7, 0x78, DW_OP_deref_size, 2);
	IS(0x7008, DW_OP_bregx, 7, 0);
	assert_int_equal(EVAL(&r, DW_OP_breg7, 8, DW_OP_deref), -EFAULT);
	assert_true(fault == 0x7010);
	assert_int_equal(EVAL(&r, DW_OP_breg3, 0), -ENODATA);
	assert_int_equal(EVAL(&r, DW_OP_breg17, 0), -EINVAL);
}

/*
 * The CFA of a PLT entry: rsp + 8, and 8 more after its push:
 *	rsp + 8 + (((rip & 15) >= 11) << 3)
 */
static void plt(void **state)
{
	(void)state;
	IS(0x7018, DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15, DW_OP_and,
	   DW_OP_lit11, DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus);
	cpu_set(&cpu, REG_RIP, 0x40101a);
	IS(0x7010, DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15, DW_OP_and,
	   DW_OP_lit11, DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus);
}

static void jumps(void **state)
{
	uint64_t r;

	(void)state;
	IS(2, DW_OP_lit2, DW_OP_skip, 1, 0, DW_OP_lit3);
	IS(2, DW_OP_lit2, DW_OP_lit1, DW_OP_bra, 1, 0, DW_OP_lit3);
	IS(3, DW_OP_lit2, DW_OP_lit0, DW_OP_bra, 1, 0, DW_OP_lit3);
	/* Out of the expression, and an endless loop. */
	assert_int_equal(EVAL(&r, DW_OP_skip, 1, 0), -EINVAL);
	assert_int_equal(EVAL(&r, DW_OP_skip, 0xfc, 0xff), -EINVAL);
	assert_int_equal(EVAL(&r, DW_OP_skip, 0xfd, 0xff), -EINVAL);
	assert_int_equal(EVAL(&r, DW_OP_lit1, DW_OP_skip, 0xfc, 0xff), -EINVAL);
}

static void hostile(void **state)
{
	uint8_t many[100];
	uint64_t r;

	(void)state;
	memset(many, DW_OP_lit0, sizeof(many));
	assert_int_equal(eval(many, sizeof(many), &r), -EINVAL);
	assert_int_equal(EVAL(&r, DW_OP_drop), -EINVAL);
	assert_int_equal(EVAL(&r, DW_OP_plus), -EINVAL);
	assert_int_equal(EVAL(&r, DW_OP_pick, 1), -EINVAL);
	assert_int_equal(EVAL(&r, DW_OP_const4u, 1), -EINVAL);
	assert_int_equal(EVAL(&r, DW_OP_lit0, DW_OP_div), -EINVAL);
	assert_int_equal(EVAL(&r, DW_OP_lit0, DW_OP_mod), -EINVAL);
	assert_int_equal(EVAL(&r, DW_OP_deref_size, 9), -EINVAL);
	assert_int_equal(EVAL(&r, DW_OP_call_frame_cfa), -EINVAL);
	/* The one division that traps. */
	IS(INT64_MIN, DW_OP_const8u, 0, 0, 0, 0, 0, 0, 0, 0x80, DW_OP_const1s,
	   0xff, DW_OP_div);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(constants, setup),
		cmocka_unit_test_setup(arithmetic, setup),
		cmocka_unit_test_setup(arithmetic_of_32_bits, setup),
		cmocka_unit_test_setup(operands, setup),
		cmocka_unit_test_setup(memory, setup),
		cmocka_unit_test_setup(plt, setup),
		cmocka_unit_test_setup(jumps, setup),
		cmocka_unit_test_setup(hostile, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
