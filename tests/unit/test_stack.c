// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * What a caller of ustack_unwind() can ask for: a start that is a return
 * address, registers of each frame, memory of its own, thousands of ranges.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "literal.h"

#define SP 0x7ffc0000ULL
#define FRAMES 8

static struct ustack_images *images;
static struct ustack_space *space;
static struct ustack_unwinder *unwinder;
static struct bytes code, cfi;

static struct ustack_regs regs;
static struct ustack_frame frames[FRAMES];
static enum ustack_end end;

/*
 * The image has vaddr 0x1000 at 0x401000.
 *
 * 1000: _start, the outermost
 * 1100: main: sub $24,%rsp at its start
 * 1200: f: push %rbx; push %r12 at its start
 * 1300: the end of a function without return, and of its frame of 8 bytes:
 *	 1310 begins another one, with none
 * 1400: saves rcx, too, which no caller expects back
 */
static int setup(void **state)
{
	size_t cie;

	(void)state;
	memset(&code, 0, sizeof(code));
	memset(&cfi, 0, sizeof(cfi));
	code.size = 0x1000;
	code.data[0x30b] = 0xe8;	/* call */
	cie = put_cie(&cfi, false);
	FDE(&cfi, cie, 0x1000, 0x20, DW_CFA_undefined, 16);
	FDE(&cfi, cie, 0x1100, 0x40, DW_CFA_def_cfa_offset, 32);
	FDE(&cfi, cie, 0x1200, 0x40, DW_CFA_def_cfa_offset, 24,
	    DW_CFA_offset | 3, 2, DW_CFA_offset | 12, 3);
	FDE(&cfi, cie, 0x1300, 0x10, DW_CFA_def_cfa_offset, 16);
	FDE(&cfi, cie, 0x1310, 0x10, DW_CFA_nop);
	FDE(&cfi, cie, 0x1400, 0x10, DW_CFA_def_cfa_offset, 16,
	    DW_CFA_offset | 2, 2);
	regs = (struct ustack_regs){ .abi = USTACK_ABI_64 };
	if (ustack_images_new(&images, NULL) ||
	    ustack_space_new(&space, images) || ustack_unwinder_new(&unwinder))
		return -1;
	literal_image(images, "/prog", &code, &cfi);
	return map_path(space, 0x401000, 0x1000, 0, "/prog");
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

static void at(uint64_t ip, uint64_t sp)
{
	reg(USTACK_REG_X86_IP, ip);
	reg(USTACK_REG_X86_SP, sp);
}

#define STACK(...)                                                           \
	const uint64_t words_[] = { __VA_ARGS__ };                           \
	const struct ustack_range range = { SP, sizeof(words_),              \
					    (const uint8_t *)words_ };       \
	struct ustack_stack stack = {                                        \
		.sz = sizeof(stack),                                         \
		.space = space,                                              \
		.regs = &regs,                                               \
		.ranges = &range,                                            \
		.nr_ranges = 1,                                              \
	}

static void chain(const struct ustack_stack *stack, enum ustack_end how,
		  size_t nr, const uint64_t *ips)
{
	memset(frames, 0xa5, sizeof(frames));
	assert_int_equal(ustack_unwind(unwinder, stack, frames, FRAMES, &end),
			 nr);
	assert_string_equal(ustack_end_name(end), ustack_end_name(how));
	for (size_t i = 0; i < nr; i++) {
		assert_true(frames[i].ip == ips[i]);
		assert_int_equal(frames[i].reserved, 0);
	}
}

#define CHAIN(stack, how, ...)                                               \
	chain(stack, how, sizeof((const uint64_t[]){ __VA_ARGS__ }) / 8,     \
	      (const uint64_t[]){ __VA_ARGS__ })

static void starts_at_a_return_address(void **state)
{
	STACK(0x11, 0x401110, 0x22, 0x33, 0x44, 0x401010);

	(void)state;
	/* As an ip, it is in the second function, whose frame is empty. */
	at(0x401310, SP + 8);
	CHAIN(&stack, USTACK_END_FINISHED, 0x401310, 0x401110, 0x401010);
	assert_int_equal(frames[0].flags, 0);
	/* As a return address, it is in the first. */
	at(0x401310, SP);
	stack.flags = USTACK_STACK_RETURN;
	for (int again = 0; again < 2; again++) {
		CHAIN(&stack, USTACK_END_FINISHED, 0x401310, 0x401110, 0x401010);
		assert_int_equal(frames[0].flags, USTACK_FRAME_RETURN);
		assert_true(frames[0].cfa == SP + 16);
	}
	/* What was remembered of it is not taken for the other. */
	stack.flags = 0;
	CHAIN(&stack, USTACK_END_BAD_MEMORY, 0x401310);
	regs.mask = 1 << USTACK_REG_X86_IP;
	stack.flags = USTACK_STACK_RETURN;
	CHAIN(&stack, USTACK_END_NO_REGS, 0x401310);
	assert_int_equal(frames[0].flags, USTACK_FRAME_RETURN);
}

/* No call is before 1400 and its caller is not to be seen: a bad word, but the start. */
static void starts_where_no_frame_is(void **state)
{
	STACK(0, 0, 0, 0);

	(void)state;
	at(0x401400, SP);
	stack.flags = USTACK_STACK_RETURN;
	CHAIN(&stack, USTACK_END_NO_RULE, 0x401400);
}

#define BIT(reg) (1ULL << USTACK_REG_X86_##reg)
#define KEPT (BIT(IP) | BIT(SP) | BIT(BX) | BIT(BP) | BIT(R12) | BIT(R13) | \
	      BIT(R14) | BIT(R15))

static void registers_of_each_frame(void **state)
{
	static struct ustack_regs got[FRAMES];
	/* f: r12, rbx, ra; 1400: rcx, ra; main: 3 words, ra */
	STACK(0x12, 0xb, 0x401408, 0xc, 0x401110, 1, 2, 3, 0x401010);

	(void)state;
	at(0x401210, SP);
	for (int n = 0; n < 24; n++)
		if (n < 6 || n == USTACK_REG_X86_BP || n >= USTACK_REG_X86_R8)
			reg(n, 0x1000 + n);
	stack.frame_regs = got;
	for (int again = 0; again < 2; again++) {
		memset(got, 0xa5, sizeof(got));
		CHAIN(&stack, USTACK_END_FINISHED, 0x401210, 0x401408, 0x401110,
		      0x401010);
		assert_memory_equal(&got[0], &regs, sizeof(regs));
		/* Unchanged, restored, and nothing that f may have clobbered. */
		assert_true(got[1].mask == KEPT);
		assert_int_equal(got[1].abi, USTACK_ABI_64);
		assert_true(got[1].val[USTACK_REG_X86_IP] == 0x401408);
		assert_true(got[1].val[USTACK_REG_X86_SP] == SP + 24);
		assert_true(got[1].val[USTACK_REG_X86_BX] == 0xb);
		assert_true(got[1].val[USTACK_REG_X86_R12] == 0x12);
		assert_true(got[1].val[USTACK_REG_X86_R13] == 0x1000 + 21);
		assert_true(got[1].val[USTACK_REG_X86_BP] == 0x1000 + 6);
		assert_true(got[2].mask == (KEPT | BIT(CX)));
		assert_true(got[2].val[USTACK_REG_X86_CX] == 0xc);
		assert_true(got[2].val[USTACK_REG_X86_R12] == 0x12);
		assert_true(got[3].mask == KEPT);
		assert_true(got[3].val[USTACK_REG_X86_SP] ==
			    SP + sizeof(words_));
		/* In between, by the last walk. */
		stack.frame_regs = NULL;
		CHAIN(&stack, USTACK_END_FINISHED, 0x401210, 0x401408, 0x401110,
		      0x401010);
		stack.frame_regs = got;
	}
	/* What is not known at the start is not known later. */
	regs.mask &= ~(BIT(R13) | BIT(BX));
	CHAIN(&stack, USTACK_END_FINISHED, 0x401210, 0x401408, 0x401110,
	      0x401010);
	assert_true(got[1].mask == (KEPT & ~BIT(R13)));
	/* No more than asked for. */
	memset(got, 0xa5, sizeof(got));
	assert_int_equal(ustack_unwind(unwinder, &stack, frames, 2, &end), 2);
	assert_int_equal(end, USTACK_END_LIMIT);
	assert_true(got[1].mask == (KEPT & ~BIT(R13)));
	assert_true(got[2].mask == 0xa5a5a5a5a5a5a5a5);
}

/* Reads words from where arg points, at SP. */
static int read_words(void *arg, uint64_t addr, void *buf, size_t size)
{
	if (addr < SP || addr - SP > 64 - size)
		return -EFAULT;
	memcpy(buf, (const uint8_t *)arg + (addr - SP), size);
	return 0;
}

static void reads_what_the_call_says(void **state)
{
	uint64_t one[8] = { 0, 0, 0, 0x401010 };
	uint64_t two[8] = { 0, 0, 0, 0x401110, 0, 0, 0, 0x401010 };
	STACK(0);

	(void)state;
	at(0x401110, SP);
	stack.nr_ranges = 0;
	for (int again = 0; again < 2; again++) {
		stack.read = read_words;
		stack.arg = one;
		CHAIN(&stack, USTACK_END_FINISHED, 0x401110, 0x401010);
		stack.arg = two;
		CHAIN(&stack, USTACK_END_FINISHED, 0x401110, 0x401110, 0x401010);
		stack.read = NULL;
		CHAIN(&stack, USTACK_END_TRUNCATED, 0x401110);
	}
}

/*
 * A stack among thousands of ranges, as of a core file: anywhere, in one range or
 * cut into several, sorted and told to be so or not.
 */
static void many_ranges(void **state)
{
	static struct ustack_range many[4000];
	const size_t max = sizeof(many) / sizeof(*many);
	STACK(0x12, 0xb, 0x401408, 0xc, 0x401110, 1, 2, 3, 0x401010);

	(void)state;
	at(0x401210, SP);
	stack.ranges = many;
	for (size_t first = 0; first < max - 9; first += 1 + first / 3) {
		for (size_t parts = 1; parts <= 9; parts += 2) {
			size_t nr = first, from = 0;

			for (size_t i = 0; i < first; i++)
				many[i] = (struct ustack_range){
					0x10000 * i, 64, (uint8_t *)words_ };
			for (size_t i = 1; i <= parts; i++) {
				/* Bytes, not words. */
				size_t to = sizeof(words_) * i / parts;

				many[nr++] = (struct ustack_range){
					SP + from, to - from,
					(uint8_t *)words_ + from };
				from = to;
			}
			for (size_t i = nr; i < max; i++)
				many[i] = (struct ustack_range){
					2 * SP + 0x10000 * i, 64,
					(uint8_t *)words_ };
			stack.nr_ranges = max;
			stack.flags = USTACK_STACK_SORTED;
			CHAIN(&stack, USTACK_END_FINISHED, 0x401210, 0x401408,
			      0x401110, 0x401010);
			stack.flags = 0;
			many[max - 1] = many[first];
			many[first] = (struct ustack_range){ 2 * SP, 64,
							     many[0].data };
			CHAIN(&stack, USTACK_END_FINISHED, 0x401210, 0x401408,
			      0x401110, 0x401010);
		}
	}
}

/*
 * One unwinder for two caches of images, both of which have a "/prog" that is
 * mapped there: what it remembers of one is not taken for the other.
 */
static void spaces_of_two_caches(void **state)
{
	static struct bytes other_cfi;
	struct ustack_images *other_images;
	struct ustack_space *other_space;
	STACK(0, 0x401010, 0, 0x401110, 0, 0, 0, 0x401010);
	size_t cie;

	(void)state;
	cie = put_cie(&other_cfi, false);
	FDE(&other_cfi, cie, 0x1000, 0x20, DW_CFA_undefined, 16);
	FDE(&other_cfi, cie, 0x1100, 0x40, DW_CFA_def_cfa_offset, 16);
	assert_int_equal(ustack_images_new(&other_images, NULL), 0);
	assert_int_equal(ustack_space_new(&other_space, other_images), 0);
	literal_image(other_images, "/prog", &code, &other_cfi);
	assert_int_equal(map_path(other_space, 0x401000, 0x1000, 0, "/prog"),
			 0);
	at(0x401110, SP);
	for (int again = 0; again < 2; again++) {
		stack.space = space;
		CHAIN(&stack, USTACK_END_FINISHED, 0x401110, 0x401110, 0x401010);
		stack.space = other_space;
		CHAIN(&stack, USTACK_END_FINISHED, 0x401110, 0x401010);
	}
	ustack_space_free(other_space);
	ustack_images_free(other_images);
}

/* The last word captured is a return address; memory behind it cannot be read. */
static void nothing_behind_the_capture(void **state)
{
	static const uint64_t ips[] = {
		0x401110, 0x401210, 0x401408, 0x401310, 0xffffffffff600400 };
	size_t page = sysconf(_SC_PAGESIZE);
	uint8_t *mem = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t outermost = 0x401010;
	STACK(0);
	struct ustack_range end_of_page = { .data = mem };

	(void)state;
	(void)range;
	assert_true(mem != MAP_FAILED);
	assert_int_equal(mprotect(mem + page, page, PROT_NONE), 0);
	memcpy(mem + page - 8, &outermost, 8);
	stack.ranges = &end_of_page;
	for (size_t i = 0; i < sizeof(ips) / sizeof(*ips); i++) {
		for (size_t size = 8; size <= 64; size += 8) {
			end_of_page.size = size;
			end_of_page.addr = SP - size;
			end_of_page.data = mem + page - size;
			at(ips[i], SP - size);
			ustack_unwind(unwinder, &stack, frames, FRAMES, &end);
			if (end == USTACK_END_FINISHED)
				break;
		}
		/* One of them is the size of the frame. */
		assert_int_equal(end, USTACK_END_FINISHED);
		assert_true(frames[1].ip == outermost);
	}
	munmap(mem, 2 * page);
}

static void what_it_does_not_know(void **state)
{
	struct {
		struct ustack_stack stack;
		uint64_t more;
	} newer = { .more = 0 };
	STACK(0, 0, 0, 0x401010);

	(void)state;
	at(0x401110, SP);
	CHAIN(&stack, USTACK_END_FINISHED, 0x401110, 0x401010);
#define REFUSED(s)                                                           \
	assert_int_equal(ustack_unwind(unwinder, s, frames, FRAMES, &end),   \
			 -EINVAL)
	REFUSED(NULL);
	stack.flags = 1u << 31;
	REFUSED(&stack);
	stack.flags = 0;
	stack.reserved = 1;
	REFUSED(&stack);
	stack.reserved = 0;
	stack.sz = 0;
	REFUSED(&stack);
	stack.sz = sizeof(stack);
	stack.space = NULL;
	REFUSED(&stack);
	stack.space = space;
	stack.regs = NULL;
	REFUSED(&stack);
	stack.regs = &regs;
	/* Another release's idea of the struct. */
	newer.stack = stack;
	newer.stack.sz = sizeof(newer);
	CHAIN(&newer.stack, USTACK_END_FINISHED, 0x401110, 0x401010);
	newer.more = 1;
	REFUSED(&newer.stack);
	stack.sz = offsetof(struct ustack_stack, frame_regs);
	stack.frame_regs = (void *)8;
	CHAIN(&stack, USTACK_END_FINISHED, 0x401110, 0x401010);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(starts_at_a_return_address),
		TEST(starts_where_no_frame_is),
		TEST(registers_of_each_frame),
		TEST(reads_what_the_call_says),
		TEST(many_ranges),
		TEST(spaces_of_two_caches),
		TEST(nothing_behind_the_capture),
		TEST(what_it_does_not_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
