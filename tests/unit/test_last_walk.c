// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * What is taken over from the last walk of a stack, and what is not.  At the end,
 * random stacks, each compared with the chain of a new unwinder.
 *
 * Functions of "/prog", vaddr 0x1000 at 0x401000; words from sp upwards:
 *	1000 start	the outermost
 *	1100 small	-, RA
 *	1200 saves	-, r12, rbx, RA
 *	1300 framed	-, -, -, rbx, rbp, RA		CFA = rbp + 16
 *	1400 by_expr	-, rbp, RA			CFA by expression
 *	1500 on_rbx	-, -, -, rbx, -, RA		CFA = rbx + 24
 *	1600 saves_more	-, -, rbp, r13, RA
 *	1700 realigned	any number of words, rbp, RA	CFA = rbp + 16 by expression
 */
#include "literal.h"

#define TOP 0x7ffc00100000ULL
#define WORDS 512
#define BASE (TOP - 8 * WORDS)
#define FRAMES 64

enum { RBX = 1, RBP = 6, RSP = 7, RIP = 8, R12 = 20, R13 = 21 };

static struct ustack_images *images;
static struct ustack_space *space;
static struct ustack_unwinder *unwinder;
static struct bytes code, cfi;

/* A stack that ends at TOP, and the registers of its innermost frame. */
static uint64_t words[WORDS];
static struct ustack_regs regs;

static int setup(void **state)
{
	size_t cie;

	(void)state;
	memset(&cfi, 0, sizeof(cfi));
	memset(words, 0, sizeof(words));
	code.size = 0x1000;
	cie = put_cie(&cfi, false);
	FDE(&cfi, cie, 0x1000, 0x100, DW_CFA_undefined, 16);
	FDE(&cfi, cie, 0x1100, 0x100, DW_CFA_def_cfa_offset, 16);
	FDE(&cfi, cie, 0x1200, 0x100, DW_CFA_def_cfa_offset, 32,
	    DW_CFA_offset | 3, 2, DW_CFA_offset | 12, 3);
	FDE(&cfi, cie, 0x1300, 0x100, DW_CFA_def_cfa, 6, 16, DW_CFA_offset | 6,
	    2, DW_CFA_offset | 3, 3);
	FDE(&cfi, cie, 0x1400, 0x100, DW_CFA_def_cfa_expression, 2, DW_OP_breg7,
	    24, DW_CFA_offset | 6, 2);
	FDE(&cfi, cie, 0x1500, 0x100, DW_CFA_def_cfa, 3, 24, DW_CFA_offset | 3,
	    3);
	FDE(&cfi, cie, 0x1600, 0x100, DW_CFA_def_cfa_offset, 40,
	    DW_CFA_offset | 13, 2, DW_CFA_offset | 6, 3);
	FDE(&cfi, cie, 0x1700, 0x100, DW_CFA_def_cfa_expression, 2, DW_OP_breg6,
	    16, DW_CFA_offset | 6, 2);
	assert_int_equal(ustack_images_new(&images, NULL), 0);
	assert_int_equal(ustack_space_new(&space, images), 0);
	assert_int_equal(ustack_unwinder_new(&unwinder), 0);
	literal_image(images, "/prog", &code, &cfi);
	assert_int_equal(map_path(space, 0x401000, 0x1000, 0, "/prog"), 0);
	regs = (struct ustack_regs){ .abi = USTACK_ABI_64 };
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

static void reg(int n, uint64_t val)
{
	regs.mask |= 1ULL << n;
	regs.val[n] = val;
}

/* --- literal stacks ------------------------------------------------------ */

static struct ustack_frame frames[FRAMES];
static enum ustack_end end;

#define CHAIN(end_, ...)                                                     \
	do {                                                                 \
		const uint64_t ips_[] = { __VA_ARGS__ };                     \
		struct ustack_range r_ = { regs.val[RSP],                    \
					   TOP - regs.val[RSP],              \
					   (const uint8_t *)words +          \
						   (regs.val[RSP] - BASE) }; \
		int nr_ = unwind_stack(unwinder, space, &regs, &r_, 1,      \
					frames, FRAMES, &end);               \
		assert_string_equal(ustack_end_name(end),                    \
				    ustack_end_name(end_));                  \
		assert_int_equal(nr_, sizeof(ips_) / 8);                     \
		for (int i_ = 0; i_ < nr_; i_++)                             \
			assert_true(frames[i_].ip == ips_[i_]);              \
	} while (0)

/* For what it leaves behind. */
static void run_only(void)
{
	struct ustack_range r = { regs.val[RSP], TOP - regs.val[RSP],
				  (const uint8_t *)words +
					  (regs.val[RSP] - BASE) };

	unwind_stack(unwinder, space, &regs, &r, 1, frames, FRAMES, &end);
}

#define STACK(...)                                                           \
	do {                                                                 \
		const uint64_t w_[] = { __VA_ARGS__ };                       \
		memcpy(&words[WORDS - sizeof(w_) / 8], w_, sizeof(w_));      \
		reg(RSP, TOP - sizeof(w_));                                  \
	} while (0)

/* small, framed, saves, framed, start: the outer framed by the inner's rbp. */
static void four_frames(void)
{
	STACK(0, 0x401310, 0, 0, 0, 0xb, TOP - 16, 0x401210, 0, 12, 0xb,
	      0x401320, 0, 0, 0, 0xb, 0, 0x401010);
	reg(RIP, 0x401110);
	reg(RBX, 1);
	reg(RBP, TOP - 88 - 8);
	reg(R12, 2);
	reg(R13, 3);
}

static void the_same_again(void **state)
{
	(void)state;
	four_frames();
	for (int n = 0; n < 3; n++) {
		CHAIN(USTACK_END_FINISHED, 0x401110, 0x401310, 0x401210,
		      0x401320, 0x401010);
		assert_true(frames[0].cfa == TOP - 128);
		assert_true(frames[1].cfa == TOP - 80);
		assert_true(frames[2].cfa == TOP - 48);
		assert_true(frames[3].cfa == TOP);
		assert_true(frames[4].cfa == 0);
		assert_int_equal(frames[0].flags, 0);
		for (int i = 1; i < 5; i++)
			assert_int_equal(frames[i].flags, USTACK_FRAME_RETURN);
	}
}

static void another_return_address(void **state)
{
	(void)state;
	four_frames();
	CHAIN(USTACK_END_FINISHED, 0x401110, 0x401310, 0x401210, 0x401320,
	      0x401010);
	words[WORDS - 7] = 0x401330;
	CHAIN(USTACK_END_FINISHED, 0x401110, 0x401310, 0x401210, 0x401330,
	      0x401010);
	words[WORDS - 1] = 0x401020;
	CHAIN(USTACK_END_FINISHED, 0x401110, 0x401310, 0x401210, 0x401330,
	      0x401020);
}

/* All return addresses are unchanged, but a saved rbp leads to another frame. */
static void another_saved_register(void **state)
{
	(void)state;
	four_frames();
	CHAIN(USTACK_END_FINISHED, 0x401110, 0x401310, 0x401210, 0x401320,
	      0x401010);
	words[WORDS - 12] = TOP - 32;
	words[WORDS - 3] = 0x401040;
	CHAIN(USTACK_END_FINISHED, 0x401110, 0x401310, 0x401210, 0x401320,
	      0x401040);
	/* ... and back. */
	words[WORDS - 12] = TOP - 16;
	CHAIN(USTACK_END_FINISHED, 0x401110, 0x401310, 0x401210, 0x401320,
	      0x401010);
}

/* The sample is in saves itself: rbp is still in its register. */
static void another_register(void **state)
{
	(void)state;
	STACK(0, 12, 0xb, 0x401320, 0, 0, 0, 0xb, 0, 0x401010);
	reg(RIP, 0x401210);
	reg(RBX, 1);
	reg(R12, 2);
	reg(RBP, TOP - 16);
	CHAIN(USTACK_END_FINISHED, 0x401210, 0x401320, 0x401010);
	reg(RBP, TOP - 32);
	words[WORDS - 3] = 0x401040;
	CHAIN(USTACK_END_FINISHED, 0x401210, 0x401320, 0x401040);
	regs.mask &= ~(1ULL << RBP);
	CHAIN(USTACK_END_NO_REGS, 0x401210, 0x401320);
}

/*
 * rbp is TOP - 32 in the first walk and TOP - 16 in the second, which takes the
 * two frames of small over from the first.  Neither needs rbp.  Then the third
 * takes over the frames of the second, and its realigned frame has the rbp of it.
 */
static void registers_of_an_older_walk(void **state)
{
	(void)state;
	STACK(0, 0x401110, 0, 0x401120, 0, 0x401701, 0, 0, 0, 0, 0, 0x401010, 0,
	      0x401020);
	reg(RIP, 0x401130);
	reg(RBP, TOP - 32);
	CHAIN(USTACK_END_FINISHED, 0x401130, 0x401110, 0x401120, 0x401701,
	      0x401010);
	STACK(0, 0, TOP - 16, 13, 0x401110, 0, 0x401120, 0, 0x401701, 0, 0,
	      0, 0, 0, 0x401010, 0, 0x401020);
	reg(RIP, 0x401610);
	reg(RBP, 77);
	CHAIN(USTACK_END_FINISHED, 0x401610, 0x401110, 0x401120, 0x401701,
	      0x401020);
	words[WORDS - 9] = 0x401702;
	CHAIN(USTACK_END_FINISHED, 0x401610, 0x401110, 0x401120, 0x401702,
	      0x401020);
}

/*
 * The first walk ends in framed, of which nothing was captured, with rbp at TOP - 16.
 * In the second it is at TOP - 32, and the frames of small, which are taken over, get
 * it: they lead to a step that needs it.  In the third it is at TOP - 16 again.
 */
static void registers_of_a_cut_walk(void **state)
{
	struct ustack_range r = { TOP - 80, 32, (const uint8_t *)&words[WORDS - 10] };

	(void)state;
	STACK(0, 0x401120, 0, 0x401310, 0, 0, 0, 0x401020, 0, 0x401010);
	reg(RIP, 0x401110);
	reg(RBX, 1);
	reg(RBP, TOP - 16);
	assert_int_equal(unwind_stack(unwinder, space, &regs, &r, 1, frames, FRAMES,
				      &end),
			 3);
	assert_int_equal(end, USTACK_END_TRUNCATED);
	reg(RBP, TOP - 32);
	CHAIN(USTACK_END_FINISHED, 0x401110, 0x401120, 0x401310, 0x401020);
	reg(RBP, TOP - 16);
	CHAIN(USTACK_END_FINISHED, 0x401110, 0x401120, 0x401310, 0x401010);
}

/* 1800: sub $8,%rsp; call *%rax; add $8,%rsp; ret, without CFI */
static void without_cfi(void **state)
{
	static const uint8_t bytes[] = { 0x48, 0x83, 0xec, 0x08, 0xff, 0xd0,
					 0x48, 0x83, 0xc4, 0x08, 0xc3 };

	(void)state;
	memcpy(code.data + 0x800, bytes, sizeof(bytes));
	memcpy(code.data + 0x10e, bytes + 4, 2);	/* before 1110 */
	STACK(0, 0x401806, 0, 0x401110, 0, 0x401010);
	reg(RIP, 0x401110);
	for (int n = 0; n < 2; n++) {
		CHAIN(USTACK_END_FINISHED, 0x401110, 0x401806, 0x401110,
		      0x401010);
		assert_int_equal(frames[1].flags, USTACK_FRAME_RETURN);
		assert_int_equal(frames[2].flags, USTACK_FRAME_RETURN |
							  USTACK_FRAME_FALLBACK);
		assert_int_equal(frames[3].flags, USTACK_FRAME_RETURN);
	}
}

/*
 * The same, and then a sample at 1806 itself: the first time, its ip is where the
 * instruction behind the call begins; the return address is looked up by 1805.
 */
static void without_cfi_and_interrupted(void **state)
{
	static const uint8_t bytes[] = { 0x48, 0x83, 0xec, 0x08, 0xff, 0xd0,
					 0x48, 0x83, 0xc4, 0x08, 0xc3 };

	(void)state;
	memcpy(code.data + 0x800, bytes, sizeof(bytes));
	memcpy(code.data + 0x10e, bytes + 4, 2);
	for (uint64_t ip = 0x401805; ip <= 0x401807; ip++) {
		STACK(0, 0x401110, 0, 0x401010);
		reg(RIP, ip);
		run_only();
		STACK(0, 0x401806, 0, 0x401110, 0, 0x401010);
		reg(RIP, 0x401110);
		CHAIN(USTACK_END_FINISHED, 0x401110, 0x401806, 0x401110,
		      0x401010);
	}
}

/* The task has gone over to 32-bit code, at the same ip and sp. */
static void other_width(void **state)
{
	(void)state;
	four_frames();
	CHAIN(USTACK_END_FINISHED, 0x401110, 0x401310, 0x401210, 0x401320,
	      0x401010);
	regs.abi = USTACK_ABI_32;
	CHAIN(USTACK_END_NO_RULE, 0x401110);
	regs.abi = USTACK_ABI_64;
	CHAIN(USTACK_END_FINISHED, 0x401110, 0x401310, 0x401210, 0x401320,
	      0x401010);
}

/* The same words with other maps. */
static void other_maps(void **state)
{
	struct ustack_space *child;

	(void)state;
	four_frames();
	CHAIN(USTACK_END_FINISHED, 0x401110, 0x401310, 0x401210, 0x401320,
	      0x401010);
	assert_int_equal(ustack_space_fork(&child, space), 0);
	/* 0x401320 is now in small: its return address is a word of padding. */
	assert_int_equal(map_path(space, 0x401318, 0x80, 0x110, "/prog"), 0);
	CHAIN(USTACK_END_FINISHED, 0x401110, 0x401310, 0x401210, 0x401320);
	ustack_space_free(space);
	space = child;
	CHAIN(USTACK_END_FINISHED, 0x401110, 0x401310, 0x401210, 0x401320,
	      0x401010);
	ustack_space_clear(space);
	CHAIN(USTACK_END_NO_RULE, 0x401110);
}

/* --- the walk itself ------------------------------------------------------- */

static struct last_walks walks;

/* Two plain steps and one that is not: what the next walk takes over of them. */
static void frames_taken_over(void **state)
{
	const struct rule small = { .cfa_reg = REG_RSP, .cfa_off = 16 };
	const struct rule framed = { .cfa_reg = REG_RBP,
				     .cfa_off = 16,
				     .saved = 1 << KEPT_RBP,
				     .slot = { [KEPT_RBP] = -2 } };
	const uint64_t stack[] = { 0, 0x5000, 7, TOP - 8, 0x6000, 0 };
	struct ustack_range range = { TOP, sizeof(stack),
				      (const uint8_t *)stack };
	struct cpu start = { .known = 0x1ffff }, cpu;
	struct ustack_frame f[3] = { 0 };
	struct walk w;
	bool exact;

	(void)state;
	memset(&walks, 0xa5, sizeof(walks));
	for (int i = 0; i < LAST_WALKS; i++)
		walks.of[i].id = 1;
	last_walks_init(&walks);
	start.reg[REG_RIP] = 0x4000;
	start.reg[REG_RSP] = TOP;
	start.reg[REG_RBP] = TOP + 24;
	cpu = start;
	walk_begin(&w, &walks, 1, &range, 0);
	assert_int_equal(w.last->nr, 0);
	exact = true;
	assert_int_equal(walk_again(&w, &cpu, &exact, f, 3), 0);
	walk_frame_plain(walk_add(&w, &cpu, true), &small);
	cpu.reg[REG_RIP] = 0x5000;
	cpu.reg[REG_RSP] = TOP + 16;
	walk_frame_plain(walk_add(&w, &cpu, false), &framed);
	cpu.reg[REG_RIP] = 0x6000;
	cpu.reg[REG_RSP] = TOP + 40;
	cpu.reg[REG_RBP] = TOP - 8;
	walk_add(&w, &cpu, false);
	walk_end(&w, &cpu, false);

	/* All of it, at most as many as asked for, and not with other maps. */
	for (size_t max = 0; max < 5; max++) {
		cpu = start;
		/* No step depends on it. */
		cpu.reg[REG_RAX] = 1;
		exact = true;
		walk_begin(&w, &walks, 1, &range, 0);
		assert_int_equal(walk_again(&w, &cpu, &exact, f, max),
				 max < 2 ? max : 2);
		assert_int_equal(exact, max == 0);
		if (max < 2)
			continue;
		assert_true(cpu.reg[REG_RIP] == 0x6000);
		assert_true(cpu.reg[REG_RSP] == TOP + 40);
		assert_true(cpu.reg[REG_RBP] == TOP - 8);
		assert_int_equal(cpu.reg[REG_RAX], 1);
		assert_true(f[0].cfa == TOP + 16 && f[1].cfa == TOP + 40);
		assert_true(f[1].ip == 0x5000);
	}
	/* 0x4000 as a return address is another pc. */
	cpu = start;
	walk_begin(&w, &walks, 1, &range, 0);
	exact = false;
	assert_int_equal(walk_again(&w, &cpu, &exact, f, 3), 0);
	/* The first step does not need rbp, but the second does. */
	exact = true;
	cpu.reg[REG_RBP] = TOP + 32;
	walk_begin(&w, &walks, 1, &range, 0);
	assert_int_equal(walk_again(&w, &cpu, &exact, f, 3), 0);
	/* The same value, but it is not known to be valid. */
	cpu = start;
	cpu_forget(&cpu, REG_RBP);
	walk_begin(&w, &walks, 1, &range, 0);
	assert_int_equal(walk_again(&w, &cpu, &exact, f, 3), 0);
	/* The capture begins above the first frame. */
	cpu = start;
	range = (struct ustack_range){ TOP + 8, sizeof(stack) - 8,
				       (const uint8_t *)&stack[1] };
	walk_begin(&w, &walks, 1, &range, 0);
	assert_int_equal(walk_again(&w, &cpu, &exact, f, 3), 0);
	range = (struct ustack_range){ TOP, sizeof(stack),
				       (const uint8_t *)stack };
	/* The word that the second step reads is beyond the capture. */
	cpu = start;
	range.size = 39;
	walk_begin(&w, &walks, 1, &range, 0);
	assert_int_equal(walk_again(&w, &cpu, &exact, f, 3), 1);
	assert_true(cpu.reg[REG_RIP] == 0x5000);
	assert_true(cpu.reg[REG_RBP] == TOP + 24);
	range.size = sizeof(stack);
	for (uint64_t id = 2; id < 300; id++) {
		cpu = start;
		exact = true;
		walk_begin(&w, &walks, id, &range, 0);
		assert_int_equal(walk_again(&w, &cpu, &exact, f, 3), 0);
	}
}

/* A CFA on a register that is not kept. */
static void on_another_register(void **state)
{
	const struct rule rule = { .cfa_reg = REG_R10, .cfa_off = 16 };
	struct cpu cpu = { .known = 0x1ffff };
	struct ustack_range range = { 0 };
	struct walk_frame *f;
	struct walk w;

	(void)state;
	last_walks_init(&walks);
	walk_begin(&w, &walks, 1, &range, 0);
	f = walk_add(&w, &cpu, false);
	walk_frame_plain(f, &rule);
	assert_false(f->plain);
}

/* --- any stack ------------------------------------------------------------- */

static uint64_t seed = 1;

static uint64_t random_below(uint64_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % n;
}

/* By function: words of the frame, and where below the CFA registers are saved. */
static const struct {
	int size, rbx, rbp, r12, r13;
} layout[] = {
	{ 0 }, { 2, 0, 0, 0, 0 }, { 4, 2, 0, 3, 0 }, { 6, 3, 2, 0, 0 },
	{ 3, 0, 2, 0, 0 }, { 6, 3, 0, 0, 0 }, { 5, 0, 3, 0, 2 },
};

static struct {
	int at;		/* index of its innermost word */
	uint64_t ip, rbx, rbp, r12, r13;
} calls[FRAMES];

/* More calls, by calls[depth - 1]; the innermost is the last. */
static int call(int depth, int more)
{
	if (!depth) {
		calls[0].at = WORDS - 4;
		calls[0].ip = 0x401000 + 1 + random_below(9);
		depth = 1;
	}
	for (; more-- && depth < FRAMES - 1; depth++) {
		int f = 1 + random_below(6), cfa = calls[depth - 1].at;

		if (cfa < 16)
			break;
		calls[depth] = calls[depth - 1];
		calls[depth].at = cfa - layout[f].size;
		calls[depth].ip = 0x401000 + 0x100 * f + 1 + random_below(9);
		words[cfa - 1] = calls[depth - 1].ip;
#define SAVE(reg)                                                            \
		if (layout[f].reg) {                                         \
			words[cfa - layout[f].reg] = calls[depth - 1].reg;   \
			calls[depth].reg = random_below(1000);               \
		}
		SAVE(rbx) SAVE(rbp) SAVE(r12) SAVE(r13)
		if (f == 3)
			calls[depth].rbp = BASE + 8 * cfa - 16;
		if (f == 5)
			calls[depth].rbx = BASE + 8 * cfa - 24;
	}
	return depth;
}

static void same_as_without(void **state)
{
	static uint64_t other_words[WORDS];
	int depth = 0, finished = 0, rounds = 30000;

	(void)state;
	for (int n = 0; n < rounds; n++) {
		struct ustack_frame f[2][FRAMES];
		struct ustack_range ranges[2];
		struct ustack_unwinder *fresh;
		enum ustack_end ends[2];
		size_t max = FRAMES, nr = 1;
		uint64_t was = 0, sp;
		int what = random_below(20), damaged = -1, got[2];

		/* As a thread does: returns from some calls, and makes others. */
		depth = call(random_below(depth + 1), random_below(6));
		sp = BASE + 8 * calls[depth - 1].at;
		reg(RIP, calls[depth - 1].ip);
		reg(RSP, sp);
		reg(RBX, calls[depth - 1].rbx);
		reg(RBP, calls[depth - 1].rbp);
		reg(R12, calls[depth - 1].r12);
		reg(R13, calls[depth - 1].r13);
		ranges[0] = (struct ustack_range){
			sp, TOP - sp, (uint8_t *)words + (sp - BASE) };
		if (what < 5) {
			damaged = random_below(WORDS);
			was = words[damaged];
			words[damaged] = random_below(2) ?
				0x401001 + random_below(0x700) :
				BASE + 8 * random_below(WORDS);
		} else if (what == 5) {
			ranges[0].size = random_below(ranges[0].size + 1);
		} else if (what == 6) {
			ranges[0].size = random_below(ranges[0].size / 8 + 1) * 8;
		} else if (what == 7) {
			max = random_below(depth + 3);
		} else if (what == 8) {
			regs.mask &= ~(1ULL << (random_below(2) ? RBP : RBX));
		} else if (what == 9) {
			/* Two ranges that overlap and differ. */
			memcpy(other_words, words, sizeof(words));
			other_words[random_below(WORDS)] = 0x401111;
			ranges[1] = (struct ustack_range){
				BASE, sizeof(words), (uint8_t *)other_words };
			ranges[0].size = random_below(ranges[0].size + 1);
			nr = 2;
			if (random_below(2)) {
				struct ustack_range first = ranges[0];

				ranges[0] = ranges[1];
				ranges[1] = first;
			}
		} else if (what == 10) {
			nr = 0;
		} else if (what == 11 && n % 10 == 0) {
			uint64_t at = 0x401000 + 0x100 * random_below(7);

			assert_int_equal(map_path(space, at, 0x100,
						  0x100 * random_below(7),
						  "/prog"),
					 0);
		} else if (what == 12) {
			struct ustack_space *child;

			assert_int_equal(ustack_space_fork(&child, space), 0);
			ustack_space_free(space);
			space = child;
		} else if (what == 13 && n % 10 == 0) {
			ustack_space_clear(space);
		} else if (what == 14) {
			regs.abi = USTACK_ABI_32;
		} else if (what >= 18) {
			assert_int_equal(map_path(space, 0x401000, 0x1000, 0,
						  "/prog"),
					 0);
		}
		assert_int_equal(ustack_unwinder_new(&fresh), 0);
		got[0] = unwind_stack(fresh, space, &regs, ranges, nr, f[0],
				       max, &ends[0]);
		got[1] = unwind_stack(unwinder, space, &regs, ranges, nr,
				       f[1], max, &ends[1]);
		ustack_unwinder_free(fresh);
		assert_int_equal(got[0], got[1]);
		assert_int_equal(ends[0], ends[1]);
		for (int i = 0; i < got[0]; i++) {
			assert_true(f[0][i].ip == f[1][i].ip);
			assert_true(f[0][i].cfa == f[1][i].cfa);
			assert_int_equal(f[0][i].flags, f[1][i].flags);
		}
		regs.abi = USTACK_ABI_64;
		finished += ends[0] == USTACK_END_FINISHED && got[0] == depth;
		if (damaged >= 0)
			words[damaged] = was;
	}
	/* Enough of them were valid stacks. */
	assert_in_range(finished, rounds / 4, rounds);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_same_again),	      TEST(another_return_address),
		TEST(another_saved_register), TEST(another_register),
		TEST(without_cfi),	      TEST(without_cfi_and_interrupted),
		TEST(other_width),	      TEST(other_maps),
		TEST(registers_of_an_older_walk), TEST(registers_of_a_cut_walk),
		TEST(frames_taken_over),      TEST(on_another_register),
		TEST(same_as_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
