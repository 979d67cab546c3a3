// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Chains from literal registers and stack words.  The image "/prog" has vaddr
 * 0x1000 at 0x401000, so that ip 0x401234 is pc 0x1234 of the comments.
 */
#include <sys/mman.h>

#include "literal.h"

#define SP 0x7ffc0000ULL

static struct ustack_images *images;
static struct ustack_space *space;
static struct ustack_unwinder *unwinder;
static struct bytes code, cfi;
static size_t cie;
static struct image *prog;

static struct ustack_regs regs;
static struct ustack_range ranges[2];
static size_t nr_ranges;
static struct ustack_frame frames[16];
static enum ustack_end end;
static int nr;

static int setup(void **state)
{
	(void)state;
	memset(&code, 0, sizeof(code));
	memset(&cfi, 0, sizeof(cfi));
	memset(&regs, 0, sizeof(regs));
	memset(frames, 0, sizeof(frames));
	code.size = 0x1000;
	cie = put_cie(&cfi, false);
	/* _start: xor %ebp,%ebp; ... call main at 1012; hlt */
	FDE(&cfi, cie, 0x1000, 0x20, DW_CFA_undefined, 16);
	assert_int_equal(ustack_images_new(&images, NULL), 0);
	assert_int_equal(ustack_space_new(&space, images), 0);
	assert_int_equal(ustack_unwinder_new(&unwinder), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ustack_unwinder_free(unwinder);
	ustack_space_free(space);
	ustack_images_free(images);
	return 0;
}

/* All FDEs are there: map the image. */
static void map_prog(void)
{
	prog = literal_image(images, "/prog", &code, &cfi);
	assert_int_equal(map_path(space, 0x401000, 0x1000, 0, "/prog"), 0);
}

static void at(uint64_t ip, uint64_t sp)
{
	regs.abi = USTACK_ABI_64;
	regs.mask |= 1 << 7 | 1 << 8;
	regs.val[7] = sp;
	regs.val[8] = ip;
}

enum { AX, BX, CX, DX, SI, DI, BP, R10 = 18, R12 = 20 };

static void reg(int n, uint64_t val)
{
	regs.mask |= 1ULL << n;
	regs.val[n] = val;
}

static void run(void)
{
	nr = unwind_stack(unwinder, space, &regs, ranges, nr_ranges, frames, 16, &end);
}

#define STACK(addr_, ...)                                                    \
	static const uint64_t words_[] = { __VA_ARGS__ };                    \
	ranges[0] = (struct ustack_range){ addr_, sizeof(words_),            \
					   (const uint8_t *)words_ };        \
	nr_ranges = 1

#define CHAIN(end_, ...)                                                     \
	do {                                                                 \
		const uint64_t ips_[] = { __VA_ARGS__ };                     \
		run();                                                       \
		assert_string_equal(ustack_end_name(end),                    \
				    ustack_end_name(end_));                  \
		assert_int_equal(nr, sizeof(ips_) / 8);                      \
		for (int i_ = 0; i_ < nr; i_++)                              \
			assert_true(frames[i_].ip == ips_[i_]);              \
	} while (0)

/*
 * 1100: sub $24,%rsp          main
 * 1104: call 1200
 * 1109: ...
 * 1200: push %rbx             f
 * 1201: ...
 */
static void two_functions(void)
{
	FDE(&cfi, cie, 0x1100, 0x40, DW_CFA_advance_loc | 4,
	    DW_CFA_def_cfa_offset, 32);
	FDE(&cfi, cie, 0x1200, 0x40, DW_CFA_advance_loc | 1,
	    DW_CFA_def_cfa_offset, 16, DW_CFA_offset | 3, 2);
	map_prog();
}

/*
 * The function at 1400 + 10 * set saves that set of callee-saved registers, each
 * in a slot of its own; the one at 1300 + 20 * n has its CFA on the n-th of them.
 * A register that is not saved is unchanged, and garbage is in its slot.
 */
static void every_set_of_saved_registers(void **state)
{
	static const struct {
		uint8_t dwarf, perf;
	} kept[] = { { 3, BX }, { 6, BP }, { 12, 20 }, { 13, 21 }, { 14, 22 }, { 15, 23 } };
	uint64_t words[48];

	(void)state;
	for (int n = 0; n < 6; n++)
		FDE(&cfi, cie, 0x1300 + 0x20 * n, 0x20, DW_CFA_def_cfa,
		    kept[n].dwarf, 16);
	for (int set = 0; set < 64; set++) {
		uint8_t insns[16] = { DW_CFA_def_cfa_offset, 56 }, size = 2;

		for (int n = 0; n < 6; n++) {
			if (!(set >> n & 1))
				continue;
			insns[size++] = DW_CFA_offset | kept[n].dwarf;
			insns[size++] = 2 + n;
		}
		put_fde(&cfi, cie, 0x1400 + 0x10 * set, 0x10, insns, size);
	}
	map_prog();
	ranges[0] = (struct ustack_range){ SP, sizeof(words),
					   (const uint8_t *)words };
	nr_ranges = 1;
	for (int set = 0; set < 64; set++) {
		for (int n = 0; n < 6; n++) {
			memset(words, 0, sizeof(words));
			for (int i = 0; i < 6; i++) {
				uint64_t val = SP + 0x100 + 0x10 * i;
				bool saved = set >> i & 1;

				words[5 - i] = saved ? val : 0x5555;
				reg(kept[i].perf, saved ? 0x6666 : val);
			}
			words[6] = 0x401304 + 0x20 * n;
			/* Only the n-th leads to a caller. */
			words[(0x100 + 0x10 * n + 8) / 8] = 0x401012;
			at(0x401404 + 0x10 * set, SP);
			CHAIN(USTACK_END_FINISHED, 0x401404 + 0x10 * set,
			      0x401304 + 0x20 * n, 0x401012);
		}
	}
}

static void finished(void **state)
{
	(void)state;
	two_functions();
	STACK(SP, 0xb, 0x401109, 1, 2, 3, 0x401012, 0);
	at(0x401201, SP);
	CHAIN(USTACK_END_FINISHED, 0x401201, 0x401109, 0x401012);
	assert_int_equal(frames[0].flags, 0);
	assert_int_equal(frames[1].flags, USTACK_FRAME_RETURN);
	assert_true(frames[0].cfa == SP + 16);
	assert_true(frames[1].cfa == SP + 48);
	assert_true(frames[2].cfa == 0);
}

/* Before the first instruction of f, nothing is pushed yet. */
static void exact_pc_of_the_sample(void **state)
{
	(void)state;
	two_functions();
	STACK(SP, 0x401109, 1, 2, 3, 0x401012, 0);
	at(0x401200, SP);
	CHAIN(USTACK_END_FINISHED, 0x401200, 0x401109, 0x401012);
}

/* At vaddr, a call that ends there. */
static void put_call_before(uint64_t vaddr)
{
	static const uint8_t call[] = { 0xe8, 0, 0, 0, 0 };

	memcpy(code.data + (vaddr - 0x1000) - 5, call, sizeof(call));
}

/* A call that never returns ends its function: 1240 is in the next one. */
static void noreturn_call(void **state)
{
	(void)state;
	put_call_before(0x1240);
	FDE(&cfi, cie, 0x1240, 0x40, DW_CFA_def_cfa_offset, 64);
	two_functions();
	STACK(SP, 0xb, 0x401240, 0xb, 0x401109, 1, 2, 3, 0x401012);
	at(0x401201, SP);
	CHAIN(USTACK_END_FINISHED, 0x401201, 0x401240, 0x401109, 0x401012);
}

/*
 * 1300: push %rbp; mov %rsp,%rbp; push %rbx; sub $8,%rsp
 * 1309: push $1; push $2; call thrower		(16 bytes of arguments)
 * 1312: ...
 * 1320: mov %rax,%rbx				the landing pad
 * 1323: call cleanup
 * 1328: mov %rbx,%rdi; call _Unwind_Resume
 * 1330: another function
 */
static void throws(void)
{
	put_call_before(0x1328);
	put_call_before(0x1330);
	FDE(&cfi, cie, 0x1300, 0x30, DW_CFA_advance_loc | 4, DW_CFA_def_cfa, 6,
	    16, DW_CFA_offset | 6, 2, DW_CFA_offset | 3, 3,
	    DW_CFA_advance_loc | 9, DW_CFA_GNU_args_size, 16,
	    DW_CFA_advance_loc | 5, DW_CFA_GNU_args_size, 0);
	FDE(&cfi, cie, 0x1330, 0x10, DW_CFA_def_cfa_offset, 64);
	two_functions();
}

static void landing_pad(void **state)
{
	(void)state;
	throws();
	/* libgcc has restored rsp, with the arguments still pushed. */
	STACK(SP, 2, 1, 8, 0xb, SP + 0x100, 0x401109, 1, 2, 3, 0x401012);
	at(0x401320, SP);
	reg(BP, SP + 32);
	CHAIN(USTACK_END_FINISHED, 0x401320, 0x401109, 0x401012);
	assert_true(frames[0].cfa == SP + 48);
}

/* In the cleanup that the landing pad calls, and in libgcc again. */
static void calls_of_a_landing_pad(void **state)
{
	static uint64_t words[] = { 0xb, 0x401328, 2, 1, 8, 0xb, SP + 0x100,
				    0x401109, 1, 2, 3, 0x401012 };

	(void)state;
	throws();
	ranges[0] = (struct ustack_range){ SP, sizeof(words),
					   (const uint8_t *)words };
	nr_ranges = 1;
	at(0x401201, SP);
	reg(BP, SP + 48);
	CHAIN(USTACK_END_FINISHED, 0x401201, 0x401328, 0x401109, 0x401012);
	words[1] = 0x401330;
	CHAIN(USTACK_END_FINISHED, 0x401201, 0x401330, 0x401109, 0x401012);
}

/*
 * _Unwind_RaiseException, which also saves rax and rdx: their slots get what the
 * landing pad expects.
 * 1300: push %rbp; mov %rsp,%rbp; push %rbx; push %rdx; push %rax
 * 1308: ...
 * 1330: mov -8(%rbp),%rbx; mov 0(%rbp),%rbp; lea 8(%rbp,%rdx,1),%rcx
 * 133c: mov %rcx,%rsp		CFA = rcx + 8
 * 133f: pop %rcx		CFA = rsp + 8, which holds the landing pad
 * 1340: jmp *%rcx		CFA = rsp, return address in rcx
 */
static void frames_of_libgcc(void **state)
{
	(void)state;
	FDE(&cfi, cie, 0x1300, 0x42, DW_CFA_advance_loc | 8, DW_CFA_def_cfa, 6,
	    16, DW_CFA_offset | 6, 2, DW_CFA_offset | 3, 3, DW_CFA_offset | 1,
	    4, DW_CFA_offset | 0, 5, DW_CFA_advance_loc | 0x34, DW_CFA_def_cfa,
	    2, 8, DW_CFA_restore | 6, DW_CFA_advance_loc | 3, DW_CFA_def_cfa, 7,
	    8, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 0,
	    DW_CFA_register, 16, 2);
	/* __cxa_throw: its CFA is rbx. */
	FDE(&cfi, cie, 0x1400, 0x20, DW_CFA_def_cfa, 3, 8);
	two_functions();
	STACK(SP, 0xa, 0xd, SP + 48, SP + 0x100, 0x401410, 7, 0x401109, 1, 2, 3,
	      0x401012);
	at(0x401310, SP);
	reg(BP, SP + 24);
	reg(BX, 0xb);
	CHAIN(USTACK_END_FINISHED, 0x401310, 0x401410, 0x401109, 0x401012);
	assert_true(frames[0].cfa == SP + 40);
	/* Out of both frames at once, to main's landing pad. */
	reg(CX, SP + 48);
	at(0x40133c, SP);
	CHAIN(USTACK_END_FINISHED, 0x40133c, 0x401109, 0x401012);
	at(0x40133f, SP + 48);
	CHAIN(USTACK_END_FINISHED, 0x40133f, 0x401109, 0x401012);
	reg(CX, 0x401109);
	at(0x401340, SP + 56);
	CHAIN(USTACK_END_FINISHED, 0x401340, 0x401109, 0x401012);
}

static void return_address_zero(void **state)
{
	(void)state;
	two_functions();
	STACK(SP, 0xb, 0x401109, 1, 2, 3, 0);
	at(0x401201, SP);
	CHAIN(USTACK_END_FINISHED, 0x401201, 0x401109);
}

/* A return address behind it: CFI has missed a push, and 0 was pushed. */
static void zero_was_pushed(void **state)
{
	(void)state;
	two_functions();
	put_call_before(0x1012);
	STACK(SP, 0xb, 0x401109, 1, 2, 3, 0, 4, 0x401012);
	at(0x401201, SP);
	CHAIN(USTACK_END_NO_RULE, 0x401201, 0x401109);
}

/* What is too far away is no matter of pushes. */
static void zero_and_nothing_near(void **state)
{
	(void)state;
	two_functions();
	put_call_before(0x1012);
	STACK(SP, 0xb, 0x401109, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x401012);
	at(0x401201, SP);
	CHAIN(USTACK_END_FINISHED, 0x401201, 0x401109);
}

static void truncated(void **state)
{
	(void)state;
	two_functions();
	STACK(SP, 0xb, 0x401109, 1, 2, 3);
	at(0x401201, SP);
	CHAIN(USTACK_END_TRUNCATED, 0x401201, 0x401109);
	nr_ranges = 0;
	CHAIN(USTACK_END_TRUNCATED, 0x401201);
}

/* A capture in two records, cut in the middle of the frame of main. */
static void two_records(void **state)
{
	static const uint64_t rest[] = { 3, 0x401012 };

	(void)state;
	two_functions();
	STACK(SP, 0xb, 0x401109, 1, 2);
	ranges[1] = (struct ustack_range){ SP + 32, 16, (const uint8_t *)rest };
	nr_ranges = 2;
	at(0x401201, SP);
	CHAIN(USTACK_END_FINISHED, 0x401201, 0x401109, 0x401012);
}

static void limit(void **state)
{
	(void)state;
	two_functions();
	STACK(SP, 0xb, 0x401109, 1, 2, 3, 0x401012, 0);
	at(0x401201, SP);
	nr = unwind_stack(unwinder, space, &regs, ranges, 1, frames, 2, &end);
	assert_int_equal(nr, 2);
	assert_int_equal(end, USTACK_END_LIMIT);
	assert_int_equal(frames[2].ip, 0);
	nr = unwind_stack(unwinder, space, &regs, ranges, 1, frames, 0, &end);
	assert_int_equal(nr, 0);
}

static void no_registers(void **state)
{
	(void)state;
	two_functions();
	STACK(SP, 0xb, 0x401109, 1, 2, 3, 0x401012, 0);
	run();
	assert_int_equal(nr, 0);
	assert_int_equal(end, USTACK_END_NO_REGS);
	at(0x401201, SP);
	regs.mask = 1 << 8;	/* ip, but no sp */
	CHAIN(USTACK_END_NO_REGS, 0x401201);
}

/* CFA on a register that was not captured: no guess. */
static void register_not_captured(void **state)
{
	(void)state;
	FDE(&cfi, cie, 0x1300, 0x10, DW_CFA_def_cfa, 6, 16);
	two_functions();
	STACK(SP, 0xb, 0x401109, 1, 2, 3, 0x401012, 0);
	at(0x401300, SP);
	CHAIN(USTACK_END_NO_REGS, 0x401300);
}

/* ... and one that no frame can hold, as an NMI in kernel mode reports rbx. */
static void cfa_that_is_no_stack(void **state)
{
	(void)state;
	FDE(&cfi, cie, 0x1300, 0x10, DW_CFA_def_cfa, 3, 16);
	two_functions();
	STACK(SP, 0xb, 0x401109, 1, 2, 3, 0x401012, 0);
	at(0x401300, SP);
	reg(BX, ~0ULL);
	CHAIN(USTACK_END_BAD_MEMORY, 0x401300);
	reg(BX, 0xffffffff81000000);
	CHAIN(USTACK_END_BAD_MEMORY, 0x401300);
}

/* No frame where nothing is mapped. */
static void invented_frame(void **state)
{
	(void)state;
	two_functions();
	STACK(SP, 0xb, 0x401109, 1, 2, 3, 0x7f0012345678);
	at(0x401201, SP);
	CHAIN(USTACK_END_NO_RULE, 0x401201, 0x401109);
}

static void map_as(uint64_t addr, const char *path, uint32_t prot)
{
	struct ustack_map map = { .sz = sizeof(map), .addr = addr,
				  .size = 0x1000, .path = path, .prot = prot };

	assert_int_equal(ustack_space_map(space, &map), 0);
}

/* A word that looks like a return address, but nothing can run there. */
static void return_to_data(void **state)
{
	static uint64_t words[] = { 0xb, 0x401109, 1, 2, 3, 0, 4, 0x401109 };

	(void)state;
	two_functions();
	map_as(0x500000, NULL, PROT_READ | PROT_WRITE);
	map_as(0x501000, "[heap]", 0);
	map_as(0x502000, "[stack]", 0);
	map_as(0x503000, "/prog", PROT_READ);
	map_as(0x504000, NULL, PROT_READ | PROT_EXEC);
	map_as(0x505000, NULL, 0);
	ranges[0] = (struct ustack_range){ SP, sizeof(words),
					   (const uint8_t *)words };
	nr_ranges = 1;
	at(0x401201, SP);
	for (words[5] = 0x500010; words[5] < 0x504000; words[5] += 0x1000) {
		/* By CFI, and by frame pointer from code without any. */
		CHAIN(USTACK_END_NO_RULE, 0x401201, 0x401109);
		at(0x504800, SP);
		reg(BP, SP + 32);
		CHAIN(USTACK_END_NO_RULE, 0x504800);
		at(0x401201, SP);
	}
	for (; words[5] < 0x506000; words[5] += 0x1000)
		CHAIN(USTACK_END_NO_RULE, 0x401201, 0x401109, words[5]);
}

/* CFI that leads back down the stack. */
static void loop(void **state)
{
	(void)state;
	FDE(&cfi, cie, 0x1300, 0x10, DW_CFA_def_cfa, 6, 16);
	two_functions();
	STACK(SP, SP, 0x401309, SP, 0x401309);
	at(0x401309, SP + 16);
	reg(BP, SP);
	CHAIN(USTACK_END_LOOP, 0x401309);
}

/*
 * 1300: push %rbp
 * 1301: mov %rsp,%rbp
 * 1304: ...
 * 1310: pop %rbp              (CFA = rsp + 8, rbp still said to be at CFA - 16)
 * 1311: ret
 * Its caller at 1400 has its CFA on rbp.
 */
static void epilogue_slot_below_sp(void **state)
{
	(void)state;
	FDE(&cfi, cie, 0x1300, 0x12, DW_CFA_advance_loc | 1,
	    DW_CFA_def_cfa_offset, 16, DW_CFA_offset | 6, 2,
	    DW_CFA_advance_loc | 3, DW_CFA_def_cfa_register, 6,
	    DW_CFA_advance_loc | 13, DW_CFA_def_cfa, 7, 8);
	FDE(&cfi, cie, 0x1400, 0x20, DW_CFA_def_cfa, 6, 16, DW_CFA_offset | 6,
	    2);
	two_functions();
	STACK(SP, 0x401410, 1, 2, SP + 0x100, 0x401109, 1, 2, 3, 0x401012);
	at(0x401311, SP);
	reg(BP, SP + 24);
	CHAIN(USTACK_END_FINISHED, 0x401311, 0x401410, 0x401109, 0x401012);
}

/*
 * Leaves that keep rbx below rsp, at CFA - 136 and CFA - 144: 128 bytes are the
 * function's own, what is below is anybody's.  Their caller has its CFA on rbx.
 */
static void red_zone(void **state)
{
	static const uint64_t words[] = {
		SP + 0xa0, SP + 0xa0,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		/* sp: SP + 0x88 */
		0x401410, 0, 0, 0x401109, 7, 0x401012, 0, 0x401012, 0, 0,
	};

	(void)state;
	FDE(&cfi, cie, 0x1300, 0x10, DW_CFA_offset | 3, 17);
	FDE(&cfi, cie, 0x1310, 0x10, DW_CFA_offset | 3, 18);
	FDE(&cfi, cie, 0x1400, 0x20, DW_CFA_def_cfa, 3, 8);
	two_functions();
	ranges[0] = (struct ustack_range){ SP, sizeof(words),
					   (const uint8_t *)words };
	nr_ranges = 1;
	/* rbx itself leads to _start at once. */
	reg(BX, SP + 0xb0);
	at(0x401308, SP + 0x88);
	CHAIN(USTACK_END_FINISHED, 0x401308, 0x401410, 0x401109, 0x401012);
	at(0x401318, SP + 0x88);
	CHAIN(USTACK_END_FINISHED, 0x401318, 0x401410, 0x401012);
}

/* Another stack may lie lower: CFI that leads to another range is no loop. */
static void lower_stack(void **state)
{
	static const uint64_t lower[] = { 0x401109, 1, 2, 3, 0x401012 };

	(void)state;
	FDE(&cfi, cie, 0x1300, 0x10, DW_CFA_def_cfa, 3, 8);
	two_functions();
	STACK(SP, 1, 2, 3);
	at(0x401300, SP);
	reg(BX, SP - 0x8000);
	CHAIN(USTACK_END_BAD_MEMORY, 0x401300);
	ranges[1] = (struct ustack_range){ SP - 0x8000, sizeof(lower),
					   (const uint8_t *)lower };
	nr_ranges = 2;
	CHAIN(USTACK_END_FINISHED, 0x401300, 0x401109, 0x401012);
	/* The same within one range is. */
	nr_ranges = 1;
	ranges[0] = ranges[1];
	at(0x401300, SP - 0x8000 + 16);
	CHAIN(USTACK_END_LOOP, 0x401300);
}

/*
 * 1300: lea 8(%rsp),%r10      CFA = r10
 * 1305: and $-32,%rsp
 * 1309: push -8(%r10)
 * 130d: push %rbp             rbp at *(rbp)
 * 130e: mov %rsp,%rbp
 * 1311: push %r10             CFA at *(rbp - 8)
 * 1313: ...
 * 1320: pop %r10              CFA = r10
 * 1322: pop %rbp
 * 1323: lea -8(%r10),%rsp     CFA = rsp + 8
 * 1327: ret
 */
static void realigned(void)
{
	FDE(&cfi, cie, 0x1300, 0x28, DW_CFA_advance_loc | 5, DW_CFA_def_cfa, 10,
	    0, DW_CFA_advance_loc | 12, DW_CFA_expression, 6, 2, DW_OP_breg6, 0,
	    DW_CFA_advance_loc | 2, DW_CFA_def_cfa_expression, 3, DW_OP_breg6,
	    0x78, DW_OP_deref, DW_CFA_advance_loc | 15, DW_CFA_def_cfa, 10, 0,
	    DW_CFA_advance_loc | 5, DW_CFA_def_cfa, 7, 8);
	FDE(&cfi, cie, 0x1400, 0x20, DW_CFA_def_cfa, 6, 16, DW_CFA_offset | 6,
	    2);
	two_functions();
}

/* SP: r10, rbp, copy of the return address, gap, return address */
#define REALIGNED                                                            \
	SP + 48, SP + 64, 0x401410, 0, 0, 0x401410, 1, 2, 3, 0x401109, 1, 2, \
		3, 0x401012

static void realigned_body(void **state)
{
	(void)state;
	realigned();
	STACK(SP, REALIGNED);
	at(0x401313, SP);
	reg(BP, SP + 8);
	CHAIN(USTACK_END_FINISHED, 0x401313, 0x401410, 0x401109, 0x401012);
	assert_true(frames[0].cfa == SP + 48);
}

static void realigned_epilogue(void **state)
{
	(void)state;
	realigned();
	STACK(SP, REALIGNED);
	reg(R10, SP + 48);
	reg(BP, SP + 8);
	at(0x401322, SP + 8);
	CHAIN(USTACK_END_FINISHED, 0x401322, 0x401410, 0x401109, 0x401012);
	/* rbp is the caller's already: *(rbp) is the caller's caller's. */
	reg(BP, SP + 64);
	at(0x401323, SP + 16);
	CHAIN(USTACK_END_FINISHED, 0x401323, 0x401410, 0x401109, 0x401012);
	at(0x401327, SP + 40);
	CHAIN(USTACK_END_FINISHED, 0x401327, 0x401410, 0x401109, 0x401012);
}

/* ld.so's lazy resolver: push %rbx; mov %rsp,%rbx; and $-64,%rsp; ... */
static void cfa_on_rbx(void **state)
{
	(void)state;
	FDE(&cfi, cie, 0x1300, 0x80, DW_CFA_def_cfa_offset, 32,
	    DW_CFA_offset | 3, 4, DW_CFA_def_cfa_register, 3);
	two_functions();
	/* f keeps its caller's rbx; rbx finds the CFA through the callee. */
	STACK(SP, SP + 32, 0x401340, 9, 9, 0xb, 1, 2, 0x401109, 1, 2, 3,
	      0x401012);
	at(0x401201, SP);
	CHAIN(USTACK_END_FINISHED, 0x401201, 0x401340, 0x401109, 0x401012);
}

/*
 * 1020: push $0; jmp 1010: a PLT entry, the CFA by expression:
 * rsp + 8 + ((rip & 15) >= 11) * 8
 */
static void plt_entry(void **state)
{
	(void)state;
	FDE(&cfi, cie, 0x1020, 0x10, DW_CFA_def_cfa_expression, 11, DW_OP_breg7,
	    8, DW_OP_breg16, 0, DW_OP_lit15, DW_OP_and, DW_OP_lit11, DW_OP_ge,
	    DW_OP_lit3, DW_OP_shl, DW_OP_plus);
	two_functions();
	STACK(SP, 0, 0x401109, 1, 2, 3, 0x401012);
	at(0x40102b, SP);
	CHAIN(USTACK_END_FINISHED, 0x40102b, 0x401109, 0x401012);
	at(0x401026, SP + 8);
	CHAIN(USTACK_END_FINISHED, 0x401026, 0x401109, 0x401012);
}

/*
 * ffffffffff600400: mov $201,%rax; syscall; ret		the vsyscall time
 * It keeps all registers of its caller f, which has no frame pointer.
 */
static void vsyscall(void **state)
{
	static const uint64_t where[] = { 0xffffffffff600400,
					  0xffffffffff600407,
					  0xffffffffff600409 };

	(void)state;
	two_functions();
	STACK(SP, 0x401210, 0xb, 0x401109, SP + 48, 0x401012, 3, 0x401012);
	/* A frame pointer that would lead from f to _start. */
	reg(BP, SP + 24);
	for (int mapped = 0; mapped < 2; mapped++) {
		/* The second time the chain is that of the first walk. */
		for (int i = 0; i < 6; i++) {
			at(where[i / 2], SP);
			CHAIN(USTACK_END_FINISHED, where[i / 2], 0x401210,
			      0x401109, 0x401012);
			assert_int_equal(frames[0].flags, 0);
			assert_true(frames[0].cfa == SP + 8);
			assert_int_equal(frames[1].flags,
					 USTACK_FRAME_RETURN |
						 USTACK_FRAME_FALLBACK);
			assert_int_equal(frames[2].flags, USTACK_FRAME_RETURN);
		}
		/* As /proc/PID/maps shows it. */
		assert_int_equal(map_path(space, 0xffffffffff600000, 0x1000, 0,
					  "[vsyscall]"),
				 0);
	}
	nr_ranges = 0;
	CHAIN(USTACK_END_TRUNCATED, 0xffffffffff600409);
}

/* No code in that page calls anything. */
static void return_to_a_vsyscall(void **state)
{
	(void)state;
	two_functions();
	STACK(SP, 0xb, 0xffffffffff600409, 0x401109, 1, 2, 3, 0x401012);
	at(0x401201, SP);
	CHAIN(USTACK_END_BAD_MEMORY, 0x401201);
}

/* 1300: pop %rdi; mov $58,%eax; syscall; 1308: push %rdi; ret */
static void vfork_return_address_in_rdi(void **state)
{
	(void)state;
	FDE(&cfi, cie, 0x1300, 0x18, DW_CFA_advance_loc | 1,
	    DW_CFA_def_cfa_offset, 0, DW_CFA_register, 16, 5,
	    DW_CFA_advance_loc | 8, DW_CFA_def_cfa_offset, 8,
	    DW_CFA_offset | 16, 1);
	two_functions();
	STACK(SP, 1, 2, 3, 0x401012);
	at(0x401308, SP);
	reg(DI, 0x401109);
	CHAIN(USTACK_END_FINISHED, 0x401308, 0x401109, 0x401012);
	regs.mask &= ~(1 << DI);
	CHAIN(USTACK_END_NO_REGS, 0x401308);
}

/*
 * __restore_rt: mov $15,%rax; syscall.  Its FDE begins a byte early and ends
 * behind the syscall.  In this frame rsp is at rsp + 32, rbx at + 40, rip at
 * + 48; f was interrupted before its push.
 */
static void restorer(void)
{
	FDE(&cfi, put_cie(&cfi, true), 0x132f, 0xa, DW_CFA_def_cfa_expression,
	    3, DW_OP_breg7, 32, DW_OP_deref, DW_CFA_expression, 7, 2,
	    DW_OP_breg7, 32, DW_CFA_expression, 3, 2, DW_OP_breg7, 40,
	    DW_CFA_expression, 16, 2, DW_OP_breg7, 48);
	FDE(&cfi, cie, 0x1400, 0x20, DW_CFA_nop);	/* the handler */
	two_functions();
}

static void signal_frame(void **state)
{
	(void)state;
	restorer();
	STACK(SP, 0x401330, 0, 0, 0, 0, SP + 0x58, 0xb, 0x401200, 0, 0, 0,
	      0x401109, 1, 2, 3, 0x401012);
	at(0x401408, SP);
	CHAIN(USTACK_END_FINISHED, 0x401408, 0x401330, 0x401200, 0x401109,
	      0x401012);
	assert_int_equal(frames[1].flags, USTACK_FRAME_SIGNAL);
	assert_int_equal(frames[2].flags, 0);
	assert_int_equal(frames[3].flags, USTACK_FRAME_RETURN);
	/* At the entry of rt_sigreturn the ip is one past the FDE. */
	at(0x401339, SP + 8);
	CHAIN(USTACK_END_FINISHED, 0x401339, 0x401200, 0x401109, 0x401012);
}

/* A vsyscall got a bad address, and its caller a SIGSEGV. */
static void signal_in_a_vsyscall(void **state)
{
	(void)state;
	restorer();
	STACK(SP, 0x401330, 0, 0, 0, 0, SP + 0x58, 0xb, 0xffffffffff600000, 0,
	      0, 0, 0x401109, 1, 2, 3, 0x401012);
	at(0x401408, SP);
	for (int i = 0; i < 2; i++) {
		CHAIN(USTACK_END_FINISHED, 0x401408, 0x401330,
		      0xffffffffff600000, 0x401109, 0x401012);
		assert_int_equal(frames[2].flags, 0);
		assert_int_equal(frames[3].flags,
				 USTACK_FRAME_RETURN | USTACK_FRAME_FALLBACK);
	}
}

/* The handler is on an alternate stack, above or below: a second range. */
static void alternate_stack(void **state)
{
	static const uint64_t interrupted[] = { 0x401109, 1, 2, 3, 0x401012 };

	(void)state;
	restorer();
	STACK(SP, 0x401330, 0, 0, 0, 0, SP - 0x8000, 0xb, 0x401200);
	at(0x401408, SP);
	CHAIN(USTACK_END_TRUNCATED, 0x401408, 0x401330, 0x401200);
	ranges[1] = (struct ustack_range){ SP - 0x8000, sizeof(interrupted),
					   (const uint8_t *)interrupted };
	nr_ranges = 2;
	CHAIN(USTACK_END_FINISHED, 0x401408, 0x401330, 0x401200, 0x401109,
	      0x401012);
}

/* 1500: no CFI; sub $8,%rsp; call *%rax; add $8,%rsp; ret */
static void no_cfi(void **state)
{
	static const uint8_t init[] = { 0x48, 0x83, 0xec, 0x08, 0xff, 0xd0,
					0x48, 0x83, 0xc4, 0x08, 0xc3 };
	static const uint8_t call[] = { 0xe8, 0xf7, 0x03, 0, 0 };

	(void)state;
	memcpy(code.data + 0x500, init, sizeof(init));
	memcpy(code.data + 0x104, call, sizeof(call));	/* before 1109 */
	two_functions();
	STACK(SP, 0xb, 0x401506, 8, 0x401109, 1, 2, 3, 0x401012);
	at(0x401201, SP);
	CHAIN(USTACK_END_FINISHED, 0x401201, 0x401506, 0x401109, 0x401012);
	assert_int_equal(frames[1].flags, USTACK_FRAME_RETURN);
	assert_int_equal(frames[2].flags,
			 USTACK_FRAME_RETURN | USTACK_FRAME_FALLBACK);
	at(0x40150a, SP + 24);
	CHAIN(USTACK_END_FINISHED, 0x40150a, 0x401109, 0x401012);
	/* A return address is not accepted if it does not follow a call. */
	code.data[0x104] = 0x90;
	CHAIN(USTACK_END_NO_RULE, 0x40150a);
}

/* JIT code: there is only the frame pointer. */
/*
 * 1300: push %rax; nop; pop %rax; ret, whose CFI has the sign of the push wrong: what
 * it says is below rsp, where something else was once.
 * 1310: push %rax; hlt
 */
static void cfa_below_sp(void **state)
{
	STACK(SP - 16, 0x401109, 1, 2, 0x401109, 3, 4, 5, 0x401012, 0);

	(void)state;
	FDE(&cfi, cie, 0x1300, 4, DW_CFA_advance_loc | 1,
	    DW_CFA_def_cfa_offset_sf, 1, DW_CFA_advance_loc | 2,
	    DW_CFA_def_cfa_offset, 8);
	FDE(&cfi, cie, 0x1310, 4, DW_CFA_advance_loc | 1,
	    DW_CFA_def_cfa_offset_sf, 1);
	two_functions();
	put_call_before(0x1109);
	memcpy(code.data + 0x300, (const uint8_t[]){ 0x50, 0x90, 0x58, 0xc3 },
	       4);
	memcpy(code.data + 0x310, (const uint8_t[]){ 0x50, 0xf4 }, 2);
	/* For all of its row, and whatever came before. */
	for (int i = 0; i < 4; i++) {
		at(0x401301 + i % 2, SP);
		CHAIN(USTACK_END_FINISHED, 0x401301 + i % 2, 0x401109, 0x401012);
		assert_true(frames[0].cfa == SP + 16);
		assert_int_equal(frames[1].flags,
				 USTACK_FRAME_RETURN | USTACK_FRAME_FALLBACK);
		at(0x401303, SP + 8);
		CHAIN(USTACK_END_FINISHED, 0x401303, 0x401109, 0x401012);
		assert_int_equal(frames[1].flags, USTACK_FRAME_RETURN);
	}
	/* Nor does this code lead to a caller. */
	at(0x401311, SP);
	CHAIN(USTACK_END_NO_RULE, 0x401311);
}

static void frame_pointer(void **state)
{
	static const uint8_t call[] = { 0xff, 0xd0 };

	(void)state;
	memcpy(code.data + 0x107, call, sizeof(call));
	two_functions();
	map_path(space, 0x7f0000000000, 0x10000, 0, "//anon");
	STACK(SP, 1, 2, SP + 40, 0x7f0000000100, 3, SP + 0x1000, 0x401109, 1,
	      2, 3, 0x401012);
	at(0x7f0000000200, SP);
	reg(BP, SP + 16);
	CHAIN(USTACK_END_FINISHED, 0x7f0000000200, 0x7f0000000100, 0x401109,
	      0x401012);
	assert_int_equal(frames[1].flags,
			 USTACK_FRAME_RETURN | USTACK_FRAME_FALLBACK);
	reg(BP, SP + 17);
	CHAIN(USTACK_END_NO_RULE, 0x7f0000000200);
	reg(BP, SP - 8);
	CHAIN(USTACK_END_NO_RULE, 0x7f0000000200);
	reg(BP, SP);	/* 2 is no return address */
	CHAIN(USTACK_END_NO_RULE, 0x7f0000000200);
	reg(BP, 0x1000);
	CHAIN(USTACK_END_NO_RULE, 0x7f0000000200);
}

/* mono's is code of a JIT, too, but rbp is what the run-time had. */
static void no_frame_pointer(void **state)
{
	static const uint8_t call[] = { 0xff, 0xd0 };

	(void)state;
	memcpy(code.data + 0x107, call, sizeof(call));
	two_functions();
	map_path(space, 0x7f0000000000, 0x10000, 0, "//anon");
	at(0x7f0000000200, SP);
	reg(BP, SP + 32);
	{
		STACK(SP, 1, 0x7f0000000100, 2, 0x7f0000000180, 3, 0x401109, 1,
		      2, 3, 0x401012);
		CHAIN(USTACK_END_NO_RULE, 0x7f0000000200);
	}
	{
		/* The same with nothing of the JIT's between. */
		STACK(SP, 1, 2, 0x401109, 0x7f0000010000, 3, 0x401109, 1, 2, 3,
		      0x401012);
		CHAIN(USTACK_END_FINISHED, 0x7f0000000200, 0x401109, 0x401012);
	}
	/* Nor is it known what lies between two ranges. */
	{
		STACK(SP, 1, 2);
		ranges[1] = (struct ustack_range){ SP + 32, 48,
						   (const uint8_t *)(const uint64_t[]){
							   3, 0x401109, 1, 2, 3, 0x401012 } };
		nr_ranges = 2;
		CHAIN(USTACK_END_NO_RULE, 0x7f0000000200);
	}
}

/*
 * 200: push %rbp     the JIT's
 * 201: mov %rsp,%rbp
 */
static void frame_pointer_of_another(void **state)
{
	static const uint8_t call[] = { 0xff, 0xd0 };

	(void)state;
	memcpy(code.data + 0x107, call, sizeof(call));
	two_functions();
	/* Java has several maps. */
	map_path(space, 0x7f0000000000, 0x10000, 0, "//anon");
	map_path(space, 0x7f0000100000, 0x10000, 0, "//anon");
	at(0x7f0000000200, SP);
	{
		STACK(SP, 1, 0x7f0000100100, 2, 0x7f0000100180, 3, 0x401109, 1,
		      2, 3, 0x401012);
		reg(BP, SP + 32);
		CHAIN(USTACK_END_NO_RULE, 0x7f0000000200);
	}
	{
		STACK(SP, 0x7f0000100100, 1, 2, 3, 4, 0x401109, 1, 2, 3,
		      0x401012);
		CHAIN(USTACK_END_NO_RULE, 0x7f0000000200);
	}
	{
		/* From JIT to JIT: saved by a frame that is skipped, or not. */
		STACK(SP, 1, SP + 32, 0x7f0000100180, 2, SP + 0x1000,
		      0x7f0000100100);
		CHAIN(USTACK_END_NO_RULE, 0x7f0000000200);
	}
	{
		STACK(SP, 1, SP + 40, 0x7f0000100180, 2, SP + 0x1000,
		      0x7f0000100100);
		CHAIN(USTACK_END_NO_RULE, 0x7f0000000200, 0x7f0000100100);
	}
}

/* The second frame is where the run-time starts the JIT's code, or is not. */
static void frame_pointer_at_a_return_address(void **state)
{
	static const uint8_t call[] = { 0xff, 0xd0 };
	uint64_t words[] = {
		SP + 144, 0x7f0000000100, [18] = 3, 0x401109, 1, 2, 3, 0x401012,
	};
	uint64_t *fp = words + 18;

	(void)state;
	memcpy(code.data + 0x107, call, sizeof(call));
	two_functions();
	map_path(space, 0x7f0000000000, 0x10000, 0, "//anon");
	at(0x7f0000000200, SP);
	reg(BP, SP);
	ranges[0] = (struct ustack_range){ SP, sizeof(words),
					   (const uint8_t *)words };
	nr_ranges = 1;
	CHAIN(USTACK_END_FINISHED, 0x7f0000000200, 0x7f0000000100, 0x401109,
	      0x401012);
	/* No call that keeps the stack aligned has its return address there. */
	fp[-4] = 0x7f0000000180;
	CHAIN(USTACK_END_FINISHED, 0x7f0000000200, 0x7f0000000100, 0x401109,
	      0x401012);
	fp[-15] = 0x7f0000000180;
	CHAIN(USTACK_END_NO_RULE, 0x7f0000000200, 0x7f0000000100);
	/* Java's: in arguments, but not behind an rbp that was saved. */
	fp[-2] = 0x7f0000000300;
	CHAIN(USTACK_END_FINISHED, 0x7f0000000200, 0x7f0000000100, 0x401109,
	      0x401012);
	fp[-16] = SP + 144;
	CHAIN(USTACK_END_NO_RULE, 0x7f0000000200, 0x7f0000000100);
	fp[-16] = 0;
	fp[-13] = 0x7f0000000180;
	CHAIN(USTACK_END_NO_RULE, 0x7f0000000200, 0x7f0000000100);
}

static void frame_pointer_in_prologue(void **state)
{
	static const uint8_t call[] = { 0xff, 0xd0 };

	(void)state;
	memcpy(code.data + 0x107, call, sizeof(call));
	two_functions();
	map_path(space, 0x7f0000000000, 0x10000, 0, "//anon");
	STACK(SP, SP + 32, 0x7f0000000100, 1, 2, SP + 0x1000, 0x401109, 1, 2,
	      3, 0x401012);
	reg(BP, SP + 32);
	at(0x7f0000000200, SP + 8);
	CHAIN(USTACK_END_FINISHED, 0x7f0000000200, 0x7f0000000100, 0x401109,
	      0x401012);
	assert_int_equal(frames[1].flags,
			 USTACK_FRAME_RETURN | USTACK_FRAME_FALLBACK);
	at(0x7f0000000201, SP);
	CHAIN(USTACK_END_FINISHED, 0x7f0000000201, 0x7f0000000100, 0x401109,
	      0x401012);
}

/* ld.so's _start has no CFI, and is the outermost frame. */
static void entry_point(void **state)
{
	(void)state;
	two_functions();
	prog->entry = 0x1500;
	STACK(SP, 0xb, 0x401508, 1, 0x7ffc0100, 0x7ffc0110, 0, 0x7ffc0200);
	at(0x401201, SP);
	reg(BP, SP + 24);
	CHAIN(USTACK_END_FINISHED, 0x401201, 0x401508);
	at(0x401500, SP + 16);
	CHAIN(USTACK_END_FINISHED, 0x401500);
}

/*
 * 1600: mov $435,%eax         clone3; its FDE ends before the syscall
 * 1605: syscall
 * 1607: test %rax,%rax; je 160d; ret
 * 160d: call *%rdx            another FDE: undefined return address
 */
static void clone_of_both(void **state)
{
	static const uint8_t bytes[] = { 0xb8, 0xb3, 0x01, 0, 0, 0x0f, 0x05,
					 0x48, 0x85, 0xc0, 0x74, 0x01, 0xc3,
					 0xff, 0xd2 };
	static const uint8_t call[] = { 0xff, 0xd0 };

	(void)state;
	memcpy(code.data + 0x600, bytes, sizeof(bytes));
	memcpy(code.data + 0x107, call, sizeof(call));
	FDE(&cfi, cie, 0x1600, 5, DW_CFA_nop);
	FDE(&cfi, cie, 0x160d, 9, DW_CFA_undefined, 16);
	two_functions();
	STACK(SP, 0x401109, 1, 2, 3, 0x401012);
	at(0x401607, SP);
	reg(AX, 1234);
	CHAIN(USTACK_END_FINISHED, 0x401607, 0x401109, 0x401012);
	/* The child's stack is of no use. */
	at(0x401607, SP + 40);
	reg(AX, 0);
	CHAIN(USTACK_END_FINISHED, 0x401607);
	at(0x40160a, SP + 40);
	CHAIN(USTACK_END_FINISHED, 0x40160a);
}

/*
 * Code without CFI, as of a main() that _start comes right behind, has no new thread,
 * whatever is in rax:
 * 1630: syscall; ret
 * 1633: nop; ret
 * 1640: _start, another FDE: undefined return address
 */
static void zero_before_the_outermost(void **state)
{
	static const uint8_t bytes[] = { 0x0f, 0x05, 0xc3, 0x90, 0xc3 };
	static const uint8_t call[] = { 0xff, 0xd0 };

	(void)state;
	memcpy(code.data + 0x630, bytes, sizeof(bytes));
	memcpy(code.data + 0x107, call, sizeof(call));
	FDE(&cfi, cie, 0x1640, 9, DW_CFA_undefined, 16);
	two_functions();
	STACK(SP, 0x401109, 1, 2, 3, 0x401012);
	reg(AX, 0);
	at(0x401633, SP);
	CHAIN(USTACK_END_FINISHED, 0x401633, 0x401109, 0x401012);
	at(0x401634, SP);
	CHAIN(USTACK_END_FINISHED, 0x401634, 0x401109, 0x401012);
}

/*
 * The return address that makecontext() writes: the start of __start_context.
 * It may lie right behind another function.
 *
 * 1700: mov %rbx,%rsp; mov (%rsp),%rdi; test %rdi,%rdi; je 1711
 * 170c: call __setcontext
 * 1711: call exit; hlt
 */
static void start_of_a_context(void **state)
{
	static const uint8_t bytes[] = {
		0x48, 0x89, 0xdc, 0x48, 0x8b, 0x3c, 0x24, 0x48, 0x85, 0xff,
		0x74, 0x05, 0xe8, 0, 0, 0, 0, 0xe8, 0, 0, 0, 0, 0xf4,
	};

	(void)state;
	memcpy(code.data + 0x700, bytes, sizeof(bytes));
	FDE(&cfi, cie, 0x1700, 0x20, DW_CFA_nop);
	FDE(&cfi, cie, 0x1750, 0x10, DW_CFA_def_cfa_offset, 16);
	FDE(&cfi, cie, 0x1760, 0x20, DW_CFA_nop);
	memcpy(code.data + 0x760, bytes, sizeof(bytes));
	two_functions();
	{
		STACK(SP, 0xb, 0x401700, 0x7f0000001000, 0);
		at(0x401201, SP);
		CHAIN(USTACK_END_FINISHED, 0x401201, 0x401700);
	}
	{
		STACK(SP, 0xb, 0x401760, 0x7f0000001000, 0);
		CHAIN(USTACK_END_FINISHED, 0x401201, 0x401760);
	}
}

/*
 * A pointer to a function that returns, where a coroutine keeps its argument: it
 * was not called there.  What never returns, but was called, has a caller.
 */
static void pointer_to_a_function(void **state)
{
	static const uint8_t bytes[] = { 0x48, 0x83, 0xec, 0x08, 0xff, 0xd0,
					 0x48, 0x83, 0xc4, 0x08, 0xc3 };

	(void)state;
	FDE(&cfi, cie, 0x1700, 0x10, DW_CFA_nop);
	FDE(&cfi, cie, 0x1710, 0x20, DW_CFA_nop);
	memcpy(code.data + 0x700, bytes, sizeof(bytes));
	memcpy(code.data + 0x710, bytes, sizeof(bytes));
	two_functions();
	for (int again = 0; again < 2; again++) {
		{
			STACK(SP, 0xb, 0x401700, 1, 0);
			at(0x401201, SP);
			CHAIN(USTACK_END_NO_RULE, 0x401201);
			assert_true(frames[0].cfa == SP + 16);
		}
		{
			STACK(SP, 0xb, 0x401710, 1, 0);
			CHAIN(USTACK_END_NO_RULE, 0x401201);
		}
	}
}

/* mov $15,%rax; syscall: of musl, of Go, of programs' own; without any CFI. */
static const uint8_t trampoline[] = {
	0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05, 0xcc,
};

/*
 * At sp is the trampoline that the handler returns to, then the kernel's frame:
 * what it interrupted is pc, with its stack at old.
 */
static void put_signal(uint64_t *words, uint64_t to, uint64_t old, uint64_t pc)
{
	memset(words, 0, 32 * 8);
	words[0] = to;
	words[1 + 160 / 8] = old;
	words[1 + 168 / 8] = pc;
	words[1 + 128 / 8] = 0xb;
}

/* f was interrupted before its push, and its handler at 1400 waits. */
static void interrupted(uint64_t to, uint64_t *words)
{
	put_signal(words, to, SP + 32 * 8, 0x401200);
	memcpy(words + 32,
	       (const uint64_t[]){ 0x401109, 1, 2, 3, 0x401012 }, 5 * 8);
	ranges[0] = (struct ustack_range){ SP, 37 * 8,
					   (const uint8_t *)words };
	nr_ranges = 1;
}

/*
 * 1400: the handler, with CFI; 1420: one without, that ends in ret
 * 1700, 1750, 1790: trampolines: far from all CFI; right behind a function, with
 * bytes before that could be a call; with CFI as Go has it.
 */
static void trampolines_without_cfi(void **state)
{
	static const uint64_t at_[] = { 0x700, 0x750, 0x790 };
	uint64_t words[37];

	(void)state;
	FDE(&cfi, cie, 0x1400, 0x20, DW_CFA_nop);
	FDE(&cfi, cie, 0x1740, 0x10, DW_CFA_def_cfa_offset, 64);
	FDE(&cfi, cie, 0x1790, 0x0a, DW_CFA_nop);
	code.data[0x420] = 0x90;
	code.data[0x421] = 0xc3;
	for (int i = 0; i < 3; i++)
		memcpy(code.data + at_[i], trampoline, sizeof(trampoline));
	put_call_before(0x1750);
	two_functions();
	for (int i = 0; i < 3; i++) {
		uint64_t to = 0x401000 + at_[i];

		interrupted(to, words);
		for (int again = 0; again < 2; again++) {
			at(0x401408, SP);
			CHAIN(USTACK_END_FINISHED, 0x401408, to, 0x401200,
			      0x401109, 0x401012);
			assert_int_equal(frames[1].flags, USTACK_FRAME_SIGNAL);
			assert_int_equal(frames[2].flags, USTACK_FRAME_FALLBACK);
			assert_int_equal(frames[3].flags, USTACK_FRAME_RETURN);
			at(0x401420, SP);
			CHAIN(USTACK_END_FINISHED, 0x401420, to, 0x401200,
			      0x401109, 0x401012);
		}
		/* In the trampoline, and in the system call of it. */
		for (int n = 0; n < 3; n++) {
			uint64_t ip = to + (n ? 5 + 2 * n : 0);

			at(ip, SP + 8);
			CHAIN(USTACK_END_FINISHED, ip, 0x401200, 0x401109,
			      0x401012);
		}
	}
}

/* call *%rax with 0, with a wild pointer, or with a pointer to data. */
static void calls_of_no_code(void **state)
{
	static const uint8_t call[] = { 0xff, 0xd0 };
	static const uint64_t wild[] = { 0, 8, 0x500010, 0x123456789,
					 0xdeadbeefdeadbeef };
	uint64_t words[41];

	(void)state;
	FDE(&cfi, cie, 0x1400, 0x20, DW_CFA_nop);
	memcpy(code.data + 0x20e, call, sizeof(call));
	memcpy(code.data + 0x107, call, sizeof(call));
	memcpy(code.data + 0x700, trampoline, sizeof(trampoline));
	two_functions();
	map_as(0x500000, NULL, PROT_READ | PROT_WRITE);
	for (size_t i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		STACK(SP, 0x401210, 0xb, 0x401109, SP + 64, 0x401109, 3,
		      0x401012, 0);
		/* The frame pointer leads past the caller. */
		reg(BP, SP + 24);
		at(wild[i], SP);
		CHAIN(USTACK_END_FINISHED, wild[i], 0x401210, 0x401109,
		      0x401012);
		assert_int_equal(frames[1].flags,
				 USTACK_FRAME_RETURN | USTACK_FRAME_FALLBACK);
		/* The handler of the signal that it got. */
		put_signal(words, 0x401700, SP + 32 * 8, wild[i]);
		memcpy(words + 32, words_, sizeof(words_));
		ranges[0] = (struct ustack_range){ SP, sizeof(words),
						   (const uint8_t *)words };
		at(0x401408, SP);
		CHAIN(USTACK_END_FINISHED, 0x401408, 0x401700, wild[i],
		      0x401210, 0x401109, 0x401012);
	}
	/* A signal in data: what is there is not returned to for that. */
	map_as(0x503000, "/prog", PROT_READ);
	put_signal(words, 0x401700, SP + 32 * 8, 0x503201);
	words[33] = 0x503109;
	at(0x401408, SP);
	CHAIN(USTACK_END_NO_RULE, 0x401408, 0x401700, 0x503201);
}

/* 1500: sub $8,%rsp; call *%rax; add $8,%rsp; ret, without CFI */
static void nothing_above_a_guess(void **state)
{
	static const uint8_t init[] = { 0x48, 0x83, 0xec, 0x08, 0xff, 0xd0,
					0x48, 0x83, 0xc4, 0x08, 0xc3 };

	(void)state;
	memcpy(code.data + 0x500, init, sizeof(init));
	put_call_before(0x1109);
	two_functions();
	map_as(0x504000, NULL, PROT_READ | PROT_EXEC);
	/* By CFI alone, a return address of 0 is the end. */
	STACK(SP, 0xb, 0x401506, 8, 0x401109, 1, 2, 3, 0, 0);
	at(0x401201, SP);
	CHAIN(USTACK_END_NO_RULE, 0x401201, 0x401506, 0x401109);
	at(0x401109, SP + 32);
	CHAIN(USTACK_END_FINISHED, 0x401109);
	/* By frame pointer. */
	at(0x504010, SP);
	reg(BP, SP + 64);
	CHAIN(USTACK_END_NO_RULE, 0x504010);
}

/*
 * 1500: xor %rbp,%rbp; mov %rsp,%rdi; and $-16,%rsp; call 1600	_start of musl
 * 150f: nop; ret						another function
 * 1511: push %rbx; call *%rax; pop %rbx; ret
 */
static void entry_and_what_follows(void **state)
{
	static const uint8_t bytes[] = {
		0x48, 0x31, 0xed, 0x48, 0x89, 0xe7, 0x48, 0x83, 0xe4, 0xf0,
		0xe8, 0xf1, 0, 0, 0, 0x90, 0xc3, 0x53, 0xff, 0xd0, 0x5b, 0xc3,
	};

	(void)state;
	memcpy(code.data + 0x500, bytes, sizeof(bytes));
	put_call_before(0x1109);
	two_functions();
	prog->entry = 0x1500;
	STACK(SP, 0xb, 0x40150f, 1, 0x7ffc0100, 0, 0);
	at(0x401201, SP);
	CHAIN(USTACK_END_FINISHED, 0x401201, 0x40150f);
	{
		STACK(SP, 0xb, 0x401514, 0xb, 0x401109, 1, 2, 3, 0x401012);
		CHAIN(USTACK_END_FINISHED, 0x401201, 0x401514, 0x401109,
		      0x401012);
	}
	{
		STACK(SP, 0xb, 0x401514, 0xb, 0x7ffc0100, 1, 2, 3, 0x401012);
		reg(BP, 0);
		CHAIN(USTACK_END_NO_RULE, 0x401201, 0x401514);
	}
}

/*
 * 1500: xor %rbp,%rbp; call 1600; jmp 1500		_start of musl
 * 1600: sub $24,%rsp; call main; call exit; int3
 * 1700: xor %ebp,%ebp; pop %rdi; call *%r9		clone() in the child
 * 1706: mov %eax,%edi; xor %eax,%eax; mov $60,%al; syscall; hlt
 */
static void musl(void)
{
	static const uint8_t start[] = { 0x48, 0x31, 0xed, 0xe8, 0xf8, 0, 0, 0,
					 0xeb, 0xf6 };
	static const uint8_t calls_main[] = { 0x48, 0x83, 0xec, 0x18,
					      0xe8, 0, 0, 0, 0,
					      0xe8, 0, 0, 0, 0, 0xcc };
	static const uint8_t clone[] = { 0x31, 0xed, 0x5f, 0x41, 0xff, 0xd1,
					 0x89, 0xc7, 0x31, 0xc0, 0xb0, 0x3c,
					 0x0f, 0x05, 0xf4 };

	memcpy(code.data + 0x500, start, sizeof(start));
	memcpy(code.data + 0x600, calls_main, sizeof(calls_main));
	memcpy(code.data + 0x700, clone, sizeof(clone));
	two_functions();
	prog->entry = 0x1500;
}

/* What calls main() never returns: its caller is next on the stack, or unknown. */
static void bottom_of_a_process(void **state)
{
	(void)state;
	put_call_before(0x1109);
	musl();
	STACK(SP, 0xb, 0x401609, 1, 2, 3, 0x401508, 1, 0x7ffc0100, 0);
	at(0x401201, SP);
	CHAIN(USTACK_END_FINISHED, 0x401201, 0x401609, 0x401508);
	assert_int_equal(frames[2].flags,
			 USTACK_FRAME_RETURN | USTACK_FRAME_FALLBACK);
	{
		/* Somebody is between. */
		STACK(SP, 0xb, 0x401609, 1, 0x401109, 3, 0x401508, 1, 0);
		CHAIN(USTACK_END_NO_RULE, 0x401201, 0x401609);
	}
}

static void bottom_of_a_thread(void **state)
{
	(void)state;
	musl();
	/* Its first function returns, or does not. */
	STACK(SP, 0xb, 0x401706, 1, 2);
	at(0x401201, SP);
	reg(BP, 0);
	CHAIN(USTACK_END_FINISHED, 0x401201, 0x401706);
	{
		STACK(SP, 0xb, 0x401609, 1, 2, 3, 0x401706, 0);
		CHAIN(USTACK_END_FINISHED, 0x401201, 0x401609, 0x401706);
	}
	/* A function that calls exit() has a caller. */
	code.data[0x701] = 0xc0;	/* xor %eax,%eax */
	ustack_unwinder_free(unwinder);
	assert_int_equal(ustack_unwinder_new(&unwinder), 0);
	{
		STACK(SP, 0xb, 0x401706, 1, 2);
		CHAIN(USTACK_END_NO_RULE, 0x401201, 0x401706);
	}
}

/*
 * Go.  1500: nop; call goexit1; nop	1520: mov %rbx,%rsp; call *%rdi; ret
 * with CFI that has its caller at rsp + 8, as it was before.
 */
static void stacks_of_go(void **state)
{
	static const uint8_t goexit[] = { 0x90, 0xe8, 0, 0, 0, 0, 0x90, 0xcc };
	static const uint8_t systemstack[] = { 0x48, 0x89, 0xdc, 0xff, 0xd7,
					       0xc3 };
	static const uint8_t mcall[] = { 0x49, 0x8b, 0x66, 0x38, 0x50, 0x41,
					 0xff, 0xd4, 0x58, 0xc3 };
	static const uint8_t ret[] = { 0x48, 0x83, 0xc4, 0x08, 0xc3 };

	(void)state;
	memcpy(code.data + 0x500, goexit, sizeof(goexit));
	memcpy(code.data + 0x520, systemstack, sizeof(systemstack));
	memcpy(code.data + 0x600, mcall, sizeof(mcall));
	memcpy(code.data + 0x700, ret, sizeof(ret));
	FDE(&cfi, cie, 0x1520, 6, DW_CFA_nop);
	put_call_before(0x1109);
	two_functions();
	for (int go = 0; go < 2; go++) {
		prog->is_go = go;
		ustack_unwinder_free(unwinder);
		assert_int_equal(ustack_unwinder_new(&unwinder), 0);
		for (int again = 0; again < 2; again++) {
			/* A row of the same function, where it is right. */
			STACK(SP, 0xb, 0x401525, 0x401109, 1, 2, 3, 0x401012);
			at(0x401520, SP + 16);
			CHAIN(USTACK_END_FINISHED, 0x401520, 0x401109,
			      0x401012);
			at(0x401201, SP);
			if (go)
				CHAIN(USTACK_END_NO_RULE, 0x401201, 0x401525);
			else
				CHAIN(USTACK_END_FINISHED, 0x401201, 0x401525,
				      0x401109, 0x401012);
		}
		{
			/* Without CFI; not by frame pointer either. */
			STACK(SP, 0xb, 0x401608, 0xa, 0x401109, 0, 0x401109, 3,
			      0x401012);
			reg(BP, SP + 32);
			if (go)
				CHAIN(USTACK_END_NO_RULE, 0x401201, 0x401608);
			else
				CHAIN(USTACK_END_FINISHED, 0x401201, 0x401608,
				      0x401109, 0x401012);
		}
		{
			STACK(SP, 8, 0x401501, 0, 0);
			at(0x401700, SP);
			if (go)
				CHAIN(USTACK_END_FINISHED, 0x401700, 0x401501);
			else
				CHAIN(USTACK_END_NO_RULE, 0x401700);
		}
	}
}

/*
 * A goroutine in C, whose stack was captured too:
 * 1580: mov 0x38(%rsi),%rsp; sub $64,%rsp; and $-16,%rsp; call *%rax	asmcgocall
 */
static void stack_that_a_goroutine_left(void **state)
{
	static const uint8_t asmcgocall[] = {
		0x48, 0x8b, 0x66, 0x38, 0x48, 0x83, 0xec, 0x40,
		0x48, 0x83, 0xe4, 0xf0, 0xff, 0xd0,
	};
	enum { G = 0xc000000000, LO = 0xc000100000, HI = LO + 0x1000 };
	uint64_t left[] = { 0x401109, 1, 2, 3, 0x401012 };
	uint64_t g[] = { LO, HI, 0, 0, 0, 0, 0, HI - sizeof(left) };
	/* f() of C, called with rsp = SP + 16 */
	uint64_t words[] = {
		0xb, 0x40158e, 0, 0, 0, 0, 0, sizeof(left), G, 0x401109,
	};
	struct ustack_range three[] = {
		{ SP, sizeof(words), (const uint8_t *)words },
		{ G, sizeof(g), (const uint8_t *)g },
		{ HI - sizeof(left), sizeof(left), (const uint8_t *)left },
	};

	(void)state;
	memcpy(code.data + 0x580, asmcgocall, sizeof(asmcgocall));
	put_call_before(0x1109);
	FDE(&cfi, cie, 0x1580, 0x20, DW_CFA_nop);
	two_functions();
	prog->is_go = true;
	at(0x401201, SP);
	for (int again = 0; again < 2; again++) {
		nr = unwind_stack(unwinder, space, &regs, three, 3, frames, 16,
				  &end);
		assert_int_equal(end, USTACK_END_FINISHED);
		assert_int_equal(nr, 4);
		assert_true(frames[1].ip == 0x40158e);
		assert_true(frames[1].cfa == HI - sizeof(left) + 8);
		assert_true(frames[2].ip == 0x401109);
		assert_true(frames[3].ip == 0x401012);
		/* Not captured, or not where it left it, or no return address. */
		for (int lacks = 1; lacks < 3; lacks++) {
			nr = unwind_stack(unwinder, space, &regs, three, lacks,
					  frames, 16, &end);
			assert_int_equal(end, USTACK_END_NO_RULE);
			assert_int_equal(nr, 2);
		}
		g[7] += 8;
		nr = unwind_stack(unwinder, space, &regs, three, 3, frames, 16,
				  &end);
		assert_int_equal(end, USTACK_END_NO_RULE);
		assert_int_equal(nr, 2);
		g[7] -= 8;
		left[0] = 0x401105;
		nr = unwind_stack(unwinder, space, &regs, three, 3, frames, 16,
				  &end);
		assert_int_equal(end, USTACK_END_NO_RULE);
		assert_int_equal(nr, 2);
		left[0] = 0x401109;
	}
}

/*
 * 1540: mov %rdi,%r12; mov 0x40(%r13),%r12; mov %rbp,%rsp; mov %rsp,%rsi
 * 154d: call *%rax
 * 1560: push %rbp; mov %rsp,%rbp; mov %rbx,%rsp; call *%rax	C, of cgo
 */
static void go_that_stays_on_its_stack(void **state)
{
	static const uint8_t stays[] = {
		0x49, 0x89, 0xfc, 0x4d, 0x8b, 0x65, 0x40, 0x48, 0x89, 0xec,
		0x48, 0x89, 0xe6, 0xff, 0xd0,
	};
	static const uint8_t moves[] = { 0x55, 0x48, 0x89, 0xe5, 0x48, 0x89,
					 0xdc, 0xff, 0xd0 };

	(void)state;
	memcpy(code.data + 0x540, stays, sizeof(stays));
	memcpy(code.data + 0x560, moves, sizeof(moves));
	FDE(&cfi, cie, 0x1540, 0x20, DW_CFA_nop);
	FDE(&cfi, cie, 0x1560, 0x20, DW_CFA_advance_loc | 4, DW_CFA_def_cfa,
	    6, 16);
	put_call_before(0x1109);
	two_functions();
	prog->is_go = true;
	{
		STACK(SP, 0xb, 0x40154f, 0x401109, 1, 2, 3, 0x401012);
		at(0x401201, SP);
		CHAIN(USTACK_END_FINISHED, 0x401201, 0x40154f, 0x401109,
		      0x401012);
	}
	{
		STACK(SP, 0xb, 0x401569, 1, 0, 0x401109, 1, 2, 3, 0x401012);
		reg(BP, SP + 24);
		CHAIN(USTACK_END_FINISHED, 0x401201, 0x401569, 0x401109,
		      0x401012);
	}
}

static void map_at(uint64_t addr, uint64_t end_, uint64_t pgoff,
		   const char *path)
{
	assert_int_equal(map_path(space, addr, end_ - addr, pgoff, path), 0);
}

static void lies_in(uint64_t ip, const char *path, uint64_t vaddr)
{
	struct ustack_symbol sym = { .sz = sizeof(sym) };

	ustack_symbolize(space, ip, &sym);
	assert_string_equal(sym.path, path);
	assert_true(sym.addr == vaddr);
}

/*
 * "/other" is mapped over a part of "/prog", or all of it, and f in it is
 *
 * 1200: sub $24,%rsp
 * 1204: ...
 *
 * Both have g, that is
 *
 * 1300: sub $8,%rsp
 * 1304: ...
 */
static void map_over_a_map(void **state)
{
	static const uint64_t over[][2] = {
		{ 0x401200, 0x401280 },	/* both ends of the old one stay */
		{ 0x400000, 0x401280 },	/* its end */
		{ 0x401180, 0x403000 },	/* its beginning */
		{ 0x401000, 0x402000 },	/* nothing */
		{ 0x400000, 0x403000 },
	};
	static const uint8_t file[0x3000];
	static struct bytes others;
	struct image *other;
	size_t c;

	(void)state;
	others.size = 0;
	c = put_cie(&others, false);
	FDE(&others, c, 0x1000, 0x20, DW_CFA_undefined, 16);
	FDE(&others, c, 0x1200, 0x40, DW_CFA_advance_loc | 4,
	    DW_CFA_def_cfa_offset, 32);
	FDE(&others, c, 0x1300, 0x40, DW_CFA_advance_loc | 4,
	    DW_CFA_def_cfa_offset, 16);
	other = literal_image(images, "/other", &code, &others);
	other->data = file;
	other->size = sizeof(file);
	other->segments[0] = (struct segment){ 0, 0, sizeof(file), PF_R | PF_X };
	FDE(&cfi, cie, 0x1300, 0x40, DW_CFA_advance_loc | 4,
	    DW_CFA_def_cfa_offset, 16);
	two_functions();
	/* f's caller is main, or g. */
	STACK(SP, 0xb, 0x401109, 0xc, 0x401309, 1, 0x401012);
	at(0x401210, SP);
	for (size_t i = 0; i < 2 * sizeof(over) / sizeof(over[0]); i++) {
		uint64_t start = over[i / 2][0], stop = over[i / 2][1];

		map_at(0x401000, 0x402000, 0, "/prog");
		/* Walked before, or not even resolved. */
		if (i % 2)
			CHAIN(USTACK_END_FINISHED, 0x401210, 0x401109,
			      0x401012);
		map_at(start, stop, start - 0x400000, "/other");
		CHAIN(USTACK_END_FINISHED, 0x401210, 0x401309, 0x401012);
		lies_in(0x401210, "/other", 0x1210);
		lies_in(0x401012, start > 0x401000 ? "/prog" : "/other",
			0x1012);
		lies_in(0x401fff, stop < 0x402000 ? "/prog" : "/other",
			0x1fff);
	}
	map_at(0x401000, 0x402000, 0, "/prog");
	CHAIN(USTACK_END_FINISHED, 0x401210, 0x401109, 0x401012);
}

/*
 * Text that the program copied to anonymous pages in place: first writable, then
 * not.  What is called there has to be called in the file, too.
 */
static void remapped_text(void **state)
{
	static const uint32_t prots[] = {
		PROT_READ | PROT_WRITE | PROT_EXEC, PROT_READ | PROT_EXEC,
	};

	(void)state;
	put_call_before(0x1109);
	put_call_before(0x1012);
	two_functions();
	STACK(SP, 0xb, 0x401109, 1, 2, 3, 0x401012);
	for (int i = 0; i < 4; i++) {
		struct ustack_map map = { .sz = sizeof(map), .addr = 0x401000,
					  .size = i < 2 ? 0x180 : 0x1000,
					  .prot = prots[i % 2] };

		assert_int_equal(ustack_space_map(space, &map), 0);
		at(0x401201, SP);
		CHAIN(USTACK_END_FINISHED, 0x401201, 0x401109, 0x401012);
		assert_int_equal(frames[2].flags, USTACK_FRAME_RETURN);
		lies_in(0x401109, "/prog", 0x1109);
	}
	{
		STACK(SP, 0xb, 0x401108, 1, 2, 3, 0x401012);
		CHAIN(USTACK_END_NO_RULE, 0x401201);
	}
	/* Data is no text, and what lies behind the file is not the file's. */
	map_as(0x402000, NULL, PROT_READ | PROT_EXEC);
	map_as(0x400000, "/prog", PROT_READ);
	map_as(0x400000, NULL, PROT_READ | PROT_EXEC);
	lies_in(0x402109, "//anon", 0x109);
	lies_in(0x400109, "//anon", 0x109);
}

/* The same of a process whose maps are read later: in the order of addresses. */
static void text_was_remapped(void **state)
{
	(void)state;
	put_call_before(0x1109);
	put_call_before(0x1012);
	FDE(&cfi, cie, 0x1100, 0x40, DW_CFA_advance_loc | 4,
	    DW_CFA_def_cfa_offset, 32);
	FDE(&cfi, cie, 0x1200, 0x40, DW_CFA_advance_loc | 1,
	    DW_CFA_def_cfa_offset, 16, DW_CFA_offset | 3, 2);
	prog = literal_image(images, "/prog", &code, &cfi);
	map_at(0x401000, 0x401080, 0, "/prog");
	for (int far = 0; far < 2; far++) {
		struct ustack_map map = { .sz = sizeof(map), .addr = 0x401080,
					  .size = 0x100,
					  .prot = PROT_READ | PROT_EXEC };
		STACK(SP, 0xb, 0x401109, 1, 2, 3, 0x401012);

		assert_int_equal(ustack_space_unmap(space, 0x401080, 0xf80), 0);
		assert_int_equal(ustack_space_map(space, &map), 0);
		/* Where the rest of the file is somewhere else, it is no copy. */
		map_at(0x401180, 0x402000, far ? 0x190 : 0x180, "/prog");
		lies_in(0x401109, far ? "//anon" : "/prog",
			far ? 0x89 : 0x1109);
		at(0x401201, SP);
		if (!far)
			CHAIN(USTACK_END_FINISHED, 0x401201, 0x401109,
			      0x401012);
	}
}

/*
 * The program above, but with vaddrs from 0x3000001000 on: where that was free
 * it lies there, else elsewhere.
 */
static void prelinked(void **state)
{
	(void)state;
	FDE(&cfi, cie, 0x3000001000, 0x20, DW_CFA_undefined, 16);
	FDE(&cfi, cie, 0x3000001100, 0x40, DW_CFA_advance_loc | 4,
	    DW_CFA_def_cfa_offset, 32);
	FDE(&cfi, cie, 0x3000001200, 0x40, DW_CFA_advance_loc | 1,
	    DW_CFA_def_cfa_offset, 16, DW_CFA_offset | 3, 2);
	prog = literal_image(images, "/prog", &code, &cfi);
	prog->segments[0].vaddr = prog->base = 0x3000001000;
	map_at(0x3000001000, 0x3000002000, 0, "/prog");
	map_at(0x7f0000001000, 0x7f0000002000, 0, "/prog");
	STACK(SP, 0xb, 0x7f0000001109, 1, 2, 3, 0x3000001012);
	at(0x3000001201, SP);
	CHAIN(USTACK_END_FINISHED, 0x3000001201, 0x7f0000001109, 0x3000001012);
	lies_in(0x3000001201, "/prog", 0x3000001201);
	lies_in(0x7f0000001109, "/prog", 0x3000001109);
}

/* Any registers and any stack: an end, at most max frames. */
static void garbage(void **state)
{
	uint64_t words[64], seed = 1;

	(void)state;
	FDE(&cfi, cie, 0x1300, 0x10, DW_CFA_def_cfa, 6, 16, DW_CFA_offset | 6,
	    2);
	restorer();
	for (int n = 0; n < 20000; n++) {
		for (int i = 0; i < 64; i++) {
			seed = seed * 6364136223846793005ULL + 1;
			words[i] = seed >> 62 ? 0x401000 + (seed >> 20) % 0x900 :
						SP + (seed >> 20) % 600;
		}
		ranges[0] = (struct ustack_range){ SP, sizeof(words),
						   (const uint8_t *)words };
		nr_ranges = 1;
		at(words[3], words[4]);
		reg(BP, words[5]);
		reg(BX, words[6]);
		nr = unwind_stack(unwinder, space, &regs, ranges, 1, frames, 16, &end);
		assert_in_range(nr, 1, 16);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(finished),
		TEST(exact_pc_of_the_sample),
		TEST(noreturn_call),
		TEST(landing_pad),
		TEST(calls_of_a_landing_pad),
		TEST(frames_of_libgcc),
		TEST(return_address_zero),
		TEST(zero_was_pushed),
		TEST(zero_and_nothing_near),
		TEST(truncated),
		TEST(two_records),
		TEST(limit),
		TEST(no_registers),
		TEST(register_not_captured),
		TEST(cfa_that_is_no_stack),
		TEST(invented_frame),
		TEST(return_to_data),
		TEST(loop),
		TEST(epilogue_slot_below_sp),
		TEST(red_zone),
		TEST(lower_stack),
		TEST(realigned_body),
		TEST(realigned_epilogue),
		TEST(cfa_on_rbx),
		TEST(every_set_of_saved_registers),
		TEST(plt_entry),
		TEST(vsyscall),
		TEST(return_to_a_vsyscall),
		TEST(vfork_return_address_in_rdi),
		TEST(signal_frame),
		TEST(signal_in_a_vsyscall),
		TEST(alternate_stack),
		TEST(no_cfi),
		TEST(frame_pointer), TEST(cfa_below_sp),
		TEST(go_that_stays_on_its_stack),
		TEST(zero_before_the_outermost),
		TEST(stack_that_a_goroutine_left),
		TEST(frame_pointer_of_another),
		TEST(frame_pointer_at_a_return_address),
		TEST(no_frame_pointer),
		TEST(frame_pointer_in_prologue),
		TEST(entry_point),
		TEST(clone_of_both),
		TEST(start_of_a_context),
		TEST(pointer_to_a_function),
		TEST(trampolines_without_cfi),
		TEST(calls_of_no_code),
		TEST(nothing_above_a_guess),
		TEST(entry_and_what_follows),
		TEST(bottom_of_a_process),
		TEST(bottom_of_a_thread),
		TEST(stacks_of_go),
		TEST(map_over_a_map),
		TEST(remapped_text),
		TEST(text_was_remapped),
		TEST(prelinked),
		TEST(garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
