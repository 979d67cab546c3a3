// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Code that goes over to another context, from literal registers and stack words.
 * The image "/prog" has vaddr 0x1000 at 0x401000, so that ip 0x401234 is pc 0x1234
 * of the comments.
 */
#include "literal.h"

#define SP 0x7ffc0000ULL
#define NEW_SP 0x7ffd0000ULL

enum { AX, BX, CX, DX, SI, DI, BP, REG_SP_, IP, R12 = 20, R13, R14, R15 };

static struct ustack_images *images;
static struct ustack_space *space;
static struct ustack_unwinder *unwinder;
static struct bytes code, cfi;
static size_t cie;
static struct ustack_regs regs;
static struct ustack_range ranges[3];
static size_t nr_ranges;
static struct ustack_frame frames[16];

static void put_code(uint64_t pc, const void *bytes, size_t size)
{
	memcpy(code.data + (pc - 0x1000), bytes, size);
}

#define CODE(pc, ...)                                                       \
	put_code(pc, (const uint8_t[]){ __VA_ARGS__ },                      \
		 sizeof((const uint8_t[]){ __VA_ARGS__ }))

/*
 * 1000: _start, which calls at 100d
 * 1100: f, with 24 bytes of stack, which calls at 1104
 * 1140: g, the same, of which the first call ends at 1149
 */
static int setup(void **state)
{
	(void)state;
	memset(&code, 0, sizeof(code));
	memset(&cfi, 0, sizeof(cfi));
	memset(&regs, 0, sizeof(regs));
	memset(ranges, 0, sizeof(ranges));
	nr_ranges = 0;
	code.size = 0x1000;
	cie = put_cie(&cfi, false);
	FDE(&cfi, cie, 0x1000, 0x20, DW_CFA_undefined, 16);
	CODE(0x100d, 0xe8, 0, 0, 0, 0);
	FDE(&cfi, cie, 0x1100, 0x40, DW_CFA_advance_loc | 4,
	    DW_CFA_def_cfa_offset, 32);
	CODE(0x1104, 0xe8, 0, 0, 0, 0);
	FDE(&cfi, cie, 0x1140, 0x40, DW_CFA_advance_loc | 4,
	    DW_CFA_def_cfa_offset, 32);
	CODE(0x1144, 0xe8, 0, 0, 0, 0);
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

static void map_prog(void)
{
	literal_image(images, "/prog", &code, &cfi);
	assert_int_equal(map_path(space, 0x401000, 0x1000, 0, "/prog"), 0);
}

static void reg(int n, uint64_t val)
{
	regs.mask |= 1ULL << n;
	regs.val[n] = val;
}

static void at(uint64_t ip, uint64_t sp)
{
	regs.abi = USTACK_ABI_64;
	reg(REG_SP_, sp);
	reg(IP, ip);
}

#define RANGE(addr_, ...)                                                   \
	do {                                                                \
		static const uint64_t words_[] = { __VA_ARGS__ };           \
		ranges[nr_ranges++] = (struct ustack_range){                \
			addr_, sizeof(words_), (const uint8_t *)words_      \
		};                                                          \
	} while (0)

/* By a fresh unwinder, and again by one that has just seen it. */
#define CHAIN(end_, ...)                                                    \
	do {                                                                \
		const uint64_t ips_[] = { __VA_ARGS__ };                    \
		enum ustack_end e_;                                         \
		for (int again_ = 0; again_ < 2; again_++) {                \
			int nr_ = unwind_stack(unwinder, space, &regs,      \
					       ranges, nr_ranges, frames,   \
					       16, &e_);                    \
			assert_string_equal(ustack_end_name(e_),            \
					    ustack_end_name(end_));         \
			assert_int_equal(nr_, sizeof(ips_) / 8);            \
			for (int i_ = 0; i_ < nr_; i_++)                    \
				assert_true(frames[i_].ip == ips_[i_]);     \
		}                                                           \
	} while (0)

/*
 * 1200: xor %ebp,%ebp; ... mov $60,%eax      clone(), of a thread
 * 120d: syscall
 * 120f: the next function
 */
static void exit_of_a_thread(void **state)
{
	(void)state;
	FDE(&cfi, cie, 0x1200, 0xf, DW_CFA_undefined, 16);
	FDE(&cfi, cie, 0x120f, 0x10, DW_CFA_nop);
	CODE(0x120d, 0x0f, 0x05);
	map_prog();
	/* Nothing is above it. */
	RANGE(SP - 8, 0);
	at(0x40120f, SP);
	reg(AX, -ENOSYS);
	reg(CX, 0x40120f);
	CHAIN(USTACK_END_FINISHED, 0x40120f);
	/* The next function itself, called through rcx; then the thread again. */
	nr_ranges = 0;
	RANGE(SP, 0x401109, 1, 2, 3, 0x401012);
	reg(AX, 0);
	CHAIN(USTACK_END_FINISHED, 0x40120f, 0x401109, 0x401012);
	reg(AX, -ENOSYS);
	CHAIN(USTACK_END_FINISHED, 0x40120f);
	reg(CX, 0x401210);
	CHAIN(USTACK_END_FINISHED, 0x40120f, 0x401109, 0x401012);
}

/* No syscall is before the function. */
static void function_that_fails(void **state)
{
	(void)state;
	FDE(&cfi, cie, 0x1200, 0xf, DW_CFA_undefined, 16);
	FDE(&cfi, cie, 0x120f, 0x10, DW_CFA_nop);
	map_prog();
	RANGE(SP, 0x401109, 1, 2, 3, 0x401012);
	at(0x40120f, SP);
	reg(AX, -ENOSYS);
	reg(CX, 0x40120f);
	CHAIN(USTACK_END_FINISHED, 0x40120f, 0x401109, 0x401012);
}

/*
 * 1300: mov %rbx,%rsp           __start_context
 * 1303: mov (%rsp),%rdi
 * 1307: test %rdi,%rdi; je 1314
 * 130c: call setcontext
 * 1311: mov %rax,%rdi
 * 1314: call exit
 * 1319: hlt
 */
static void start_context(void)
{
	FDE(&cfi, cie, 0x1300, 0x1a, DW_CFA_nop);
	CODE(0x1300, 0x48, 0x89, 0xdc, 0x48, 0x8b, 0x3c, 0x24, 0x48, 0x85,
	     0xff, 0x74, 0x08, 0xe8, 0, 0, 0, 0, 0x48, 0x89, 0xc7, 0xe8, 0, 0,
	     0, 0, 0xf4);
}

static void bottom_of_a_context(void **state)
{
	(void)state;
	start_context();
	map_prog();
	RANGE(SP, 1, 2, 3, 0x401300, 0x401109, 1, 2, 3, 0x401012);
	/* In the coroutine's function; behind it; in the calls of what comes then. */
	at(0x401109, SP);
	CHAIN(USTACK_END_FINISHED, 0x401109, 0x401300);
	at(0x401300, SP + 32);
	CHAIN(USTACK_END_FINISHED, 0x401300);
	at(0x401307, SP + 32);
	CHAIN(USTACK_END_FINISHED, 0x401307);
	nr_ranges = 0;
	RANGE(SP, 1, 2, 3, 0x401311, 0x404000, 2, 0x401109, 1, 2, 3, 0x401012);
	at(0x401109, SP);
	CHAIN(USTACK_END_FINISHED, 0x401109, 0x401311);
	nr_ranges = 0;
	RANGE(SP, 1, 2, 3, 0x401319, 0x404000, 2, 0x401109, 1, 2, 3, 0x401012);
	CHAIN(USTACK_END_FINISHED, 0x401109, 0x401319);
}

/*
 * 1400: mov %r12,%rdx           the end of swapcontext()
 * 1403: mov 0xa0(%rdx),%rsp
 * 140a: mov 0x80(%rdx),%rbx
 * 1411: mov 0x78(%rdx),%rbp
 * 1415: mov 0xa8(%rdx),%rcx
 * 141c: push %rcx
 * 141d: mov 0x68(%rdx),%rdi
 * 1421: mov 0x88(%rdx),%rdx
 * 1428: xor %eax,%eax
 * 142a: ret
 * 142b: or $-1,%rax             where it failed
 * 142f: ret
 */
static void swapcontext_(void)
{
	FDE(&cfi, cie, 0x1400, 0x30, DW_CFA_nop);
	CODE(0x1400, 0x4c, 0x89, 0xe2, 0x48, 0x8b, 0xa2, 0xa0, 0, 0, 0, 0x48,
	     0x8b, 0x9a, 0x80, 0, 0, 0, 0x48, 0x8b, 0x6a, 0x78, 0x48, 0x8b,
	     0x8a, 0xa8, 0, 0, 0, 0x51, 0x48, 0x8b, 0x7a, 0x68, 0x48, 0x8b,
	     0x92, 0x88, 0, 0, 0, 0x31, 0xc0, 0xc3, 0x48, 0x83, 0xc8, 0xff,
	     0xc3);
	start_context();
	/* Its CFA is on rbp. */
	FDE(&cfi, cie, 0x1500, 0x40, DW_CFA_def_cfa, 6, 16);
	CODE(0x1504, 0xe8, 0, 0, 0, 0);
	map_prog();
}

#define UC (SP + 0x1000)
#define UC_WORDS(pc_)                                                       \
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NEW_SP + 16, 0xb, 0,   \
		0, 0, NEW_SP, pc_

/* On its way to a function that had called it, and whose frame is on rbp. */
static void swapcontext_returns(void **state)
{
	static const uint64_t in_load[] = { 0x40140a, 0x401411, 0x401415,
					    0x40141c };

	(void)state;
	swapcontext_();
	RANGE(SP, 0x401109, 1, 2, 3, 0x401012);
	RANGE(NEW_SP, 7, 8, 0xb0, 0x401149, 1, 2, 3, 0x401012);
	RANGE(UC, UC_WORDS(0x401509));
	reg(DX, UC);
	at(0x401403, SP);
	CHAIN(USTACK_END_FINISHED, 0x401403, 0x401109, 0x401012);
	for (int i = 0; i < 4; i++) {
		at(in_load[i], NEW_SP);
		reg(BP, i < 2 ? 0xbad : NEW_SP + 16);
		reg(CX, i < 3 ? 0xbad : 0x401509);
		CHAIN(USTACK_END_FINISHED, in_load[i], 0x401509, 0x401149,
		      0x401012);
	}
	/* What is not captured is not made up. */
	nr_ranges = 2;
	at(0x401411, NEW_SP);
	reg(BP, 0xbad);
	CHAIN(USTACK_END_BAD_MEMORY, 0x401411);
	at(0x40141c, NEW_SP);
	reg(BP, NEW_SP + 16);
	reg(CX, 0x401509);
	CHAIN(USTACK_END_FINISHED, 0x40141c, 0x401509, 0x401149, 0x401012);
	/* It has pushed it. */
	nr_ranges = 0;
	RANGE(NEW_SP - 8, 0x401509, 7, 8, 0xb0, 0x401149, 1, 2, 3, 0x401012);
	at(0x40141d, NEW_SP - 8);
	reg(DX, 0xbad);
	CHAIN(USTACK_END_FINISHED, 0x40141d, 0x401509, 0x401149, 0x401012);
	at(0x40142a, NEW_SP - 8);
	CHAIN(USTACK_END_FINISHED, 0x40142a, 0x401509, 0x401149, 0x401012);
	/* Where it has failed. */
	nr_ranges = 0;
	RANGE(SP, 0x401109, 1, 2, 3, 0x401012);
	at(0x40142b, SP);
	CHAIN(USTACK_END_FINISHED, 0x40142b, 0x401109, 0x401012);
}

/* On its way to the first instruction of a function, whatever is before that. */
static void swapcontext_starts(void **state)
{
	(void)state;
	swapcontext_();
	RANGE(NEW_SP - 8, 0x401140, 0x401300, 0, 0);
	RANGE(UC, UC_WORDS(0x401140));
	reg(DX, UC);
	at(0x40140a, NEW_SP);
	CHAIN(USTACK_END_FINISHED, 0x40140a, 0x401140, 0x401300);
	assert_int_equal(frames[1].flags, 0);
	at(0x40142a, NEW_SP - 8);
	CHAIN(USTACK_END_FINISHED, 0x40142a, 0x401140, 0x401300);
	assert_int_equal(frames[1].flags, 0);
}

/*
 * 1600: push %rbp                      _Unwind_RaiseException
 * 1601: mov %rsp,%rbp
 * 1604: saves rbx, rdx, rax; ...
 * 1620: call _Unwind_RaiseException_Phase2
 * 1625: nop
 * 1626: call uw_install_context_1
 * 162b: call _Unwind_DebugHook
 * 1630: mov (%rbp),%rbp
 * 1634: mov %rcx,%rsp
 * 1637: pop %rcx
 * 1638: jmp *%rcx
 */
static void raise_exception(void)
{
	FDE(&cfi, cie, 0x1600, 0x3a, DW_CFA_advance_loc | 1,
	    DW_CFA_def_cfa_offset, 16, DW_CFA_offset | 6, 2,
	    DW_CFA_advance_loc | 3, DW_CFA_def_cfa_register, 6,
	    DW_CFA_offset | 3, 3, DW_CFA_offset | 1, 4, DW_CFA_offset | 0, 5,
	    DW_CFA_advance_loc | 0x30, DW_CFA_same_value, 6, DW_CFA_def_cfa, 2, 8,
	    DW_CFA_advance_loc | 3, DW_CFA_def_cfa_register, 7,
	    DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 0,
	    DW_CFA_register, 16, 2);
	CODE(0x1620, 0xe8, 0, 0, 0, 0, 0x90, 0xe8, 0, 0, 0, 0, 0xe8, 0, 0, 0,
	     0, 0x48, 0x8b, 0x6d, 0x00, 0x48, 0x89, 0xcc, 0x59, 0xff, 0xe1);
	/* A function on rbx that has a landing pad behind a call. */
	FDE(&cfi, cie, 0x1700, 0x20, DW_CFA_def_cfa, 3, 16);
	FDE(&cfi, cie, 0x1200, 0x40, DW_CFA_nop);
	CODE(0x1705, 0xe8, 0, 0, 0, 0);
	CODE(0x1713, 0xe8, 0, 0, 0, 0);
	map_prog();
}

#define EH_CFA (SP + 8 * 59)	/* of _Unwind_RaiseException */
#define TARGET_SP (EH_CFA + 32)	/* of the function at 1700; f is between */
#define FLAGS (1ULL << 62)
/* Pointers to where the registers are saved, CFA, pc, and the rest. */
#define CONTEXT(slots_, rbx_, rbp_, cfa_, ra_)                              \
	(slots_) - 40, (slots_) - 32, 0, rbx_, 0, 0, rbp_, 0, 0, 0, 0, 0, 0, \
		0, 0, 0, (cfa_) - 8, 0, cfa_, ra_, 0, 0, 0, 0, FLAGS, 0, 0

/*
 * The frame, with what it saved; then that of f, which called it; then those of the
 * function at 1700, which has a landing pad for what f threw, and of g.
 */
#define EH_STACK(ra_, landing_pad_, rbx_, saved_ra_, called_)               \
	nr_ranges = 0;                                                      \
	RANGE(SP - 8, ra_,                                                  \
	      CONTEXT(EH_CFA, EH_CFA - 24, EH_CFA - 16, EH_CFA, 0x401109),  \
	      CONTEXT(EH_CFA, EH_CFA + 16, EH_CFA + 8, TARGET_SP,           \
		      landing_pad_),                                        \
	      0xa, 0xd, rbx_, 0xb, saved_ra_, 0, 0xb, TARGET_SP + 16,       \
	      called_, 5, 6, 0xb0, 0x401149, 1, 2, 3, 0x401012)

#define RBX (TARGET_SP + 16)	/* of the function at 1700 */

/* The frame is found, but what was saved is not overwritten yet. */
static void exception_that_is_not_installed(void **state)
{
	(void)state;
	raise_exception();
	EH_STACK(0x401625, 0x401718, RBX, 0x401109, 0x40170a);
	reg(BP, EH_CFA - 16);
	at(0x401200, SP - 8);
	CHAIN(USTACK_END_FINISHED, 0x401200, 0x401625, 0x401109, 0x40170a,
	      0x401149, 0x401012);
	at(0x401626, SP);
	CHAIN(USTACK_END_FINISHED, 0x401626, 0x401109, 0x40170a, 0x401149,
	      0x401012);
}

static void exception_is_installed(void **state)
{
	(void)state;
	raise_exception();
	reg(BP, EH_CFA - 16);
	/* Some registers are overwritten, but not the return address. */
	EH_STACK(0x40162b, 0x401718, 0xbad, 0x401109, 0x40170a);
	at(0x401200, SP - 8);
	CHAIN(USTACK_END_FINISHED, 0x401200, 0x40162b, 0x401718, 0x401149,
	      0x401012);
	assert_int_equal(frames[2].flags, 0);
	assert_true(frames[1].cfa == EH_CFA);
	/* All of it; and the landing pad is what the throw is behind. */
	EH_STACK(0x40162b, 0x40170a, RBX, 0x40170a, 0x40170a);
	CHAIN(USTACK_END_FINISHED, 0x401200, 0x40162b, 0x40170a, 0x401149,
	      0x401012);
	/* It knows its landing pad, the first instruction of its function. */
	EH_STACK(0, 0x401700, RBX, 0x40170a, 0x401700);
	at(0x401630, SP);
	CHAIN(USTACK_END_FINISHED, 0x401630, 0x401700, 0x401149, 0x401012);
}

/* All registers are loaded, though CFI says where they are saved. */
static void exception_lands(void **state)
{
	(void)state;
	raise_exception();
	EH_STACK(0, 0x401700, 0xbad, 0x40170a, 0x401700);
	reg(BX, RBX);
	reg(BP, 0xb);
	reg(CX, TARGET_SP - 8);
	at(0x401634, SP);
	CHAIN(USTACK_END_FINISHED, 0x401634, 0x401700, 0x401149, 0x401012);
	at(0x401637, TARGET_SP - 8);
	CHAIN(USTACK_END_FINISHED, 0x401637, 0x401700, 0x401149, 0x401012);
	reg(CX, 0x401700);
	at(0x401638, TARGET_SP);
	CHAIN(USTACK_END_FINISHED, 0x401638, 0x401700, 0x401149, 0x401012);
	assert_int_equal(frames[1].flags, 0);
}

/* What is no context is not taken for one, however large the frame seems to be. */
static void frame_without_contexts(void **state)
{
	(void)state;
	raise_exception();
	RANGE(SP, 0, 0xa, 0xd, 0xb, 0xb, 0x401109, 1, 2, 3, 0x401012);
	at(0x40162b, SP);
	reg(BP, SP + 32);
	CHAIN(USTACK_END_FINISHED, 0x40162b, 0x401109, 0x401012);
	reg(BP, UINT64_MAX / 2);
	CHAIN(USTACK_END_BAD_MEMORY, 0x40162b);
}

static bool starts(bool is_64, size_t size, ...)
{
	static int nr;
	char path[20];
	va_list ap;

	va_start(ap, size);
	code.size = size;
	for (size_t n = 0; n < size; n++)
		code.data[n] = va_arg(ap, int);
	va_end(ap);
	snprintf(path, sizeof(path), "/start-%d", nr++);
	return arch_starts_context(literal_image_of(images, path, &code, NULL,
						    is_64),
				   0x1000);
}

/* Every byte of it counts, and none behind the end of the file. */
static void code_of_a_bottom(void **state)
{
	(void)state;
	assert_true(starts(true, 7, 0x48, 0x89, 0xdc, 0x48, 0x8b, 0x3c, 0x24));
	assert_true(starts(true, 7, 0x48, 0x89, 0xdc, 0x5f, 0, 0, 0));
	assert_false(starts(true, 7, 0x48, 0x89, 0xdc, 0x5e, 0, 0, 0));
	assert_false(starts(true, 7, 0x48, 0x89, 0xdc, 0x48, 0x8b, 0x3c, 0x25));
	assert_false(starts(true, 6, 0x48, 0x89, 0xdc, 0x5f, 0, 0));
	assert_true(starts(true, 11, 0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x89, 0xdc,
			   0x5f, 0, 0, 0));
	assert_false(starts(true, 11, 0xf3, 0x0f, 0x1f, 0xfa, 0x48, 0x89, 0xdc,
			    0x5f, 0, 0, 0));
	assert_false(starts(true, 11, 0xf3, 0x0f, 0x1d, 0xfa, 0x48, 0x89, 0xdc,
			    0x5f, 0, 0, 0));
	assert_false(starts(true, 11, 0xf3, 0x0e, 0x1e, 0xfa, 0x48, 0x89, 0xdc,
			    0x5f, 0, 0, 0));
	assert_false(starts(true, 10, 0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x89, 0xdc,
			    0x5f, 0, 0));
	assert_true(starts(false, 7, 0x8d, 0x24, 0x9c, 0, 0, 0, 0));
	assert_false(starts(false, 7, 0x8e, 0x24, 0x9c, 0, 0, 0, 0));
	assert_false(starts(false, 7, 0x8d, 0x25, 0x9c, 0, 0, 0, 0));
	assert_false(starts(false, 7, 0x8d, 0x24, 0x9b, 0, 0, 0, 0));
	assert_false(starts(false, 7, 0x48, 0x89, 0xdc, 0x5f, 0, 0, 0));
}

/* What CFI says of every function at its start: the row of one at 1300. */
static struct cfi_row plain_row(uint64_t func_end)
{
	return (struct cfi_row){
		.start = 0x1300, .end = func_end, .func = 0x1300,
		.func_end = func_end, .ra = REG_RIP,
		.cfa = { .kind = CFI_VAL_OFFSET, .reg = REG_RSP, .off = 8 },
		.reg = { [REG_RIP] = { .kind = CFI_OFFSET, .off = -8 } },
	};
}

static uint8_t ra_mended(const struct image *image, struct cfi_row row)
{
	arch_mend_row(image, 0x1300, &row);
	return row.reg[REG_RIP].kind;
}

/* Only a row that says nothing is mended. */
static void rows_of_a_bottom(void **state)
{
	struct image *image;
	struct cfi_row row = plain_row(0x131a);

	(void)state;
	start_context();
	image = literal_image(images, "/prog", &code, &cfi);
	assert_int_equal(ra_mended(image, row), CFI_UNDEFINED);
	row.signal = true;
	assert_int_equal(ra_mended(image, row), CFI_OFFSET);
	row = plain_row(0x131a);
	row.end--;
	assert_int_equal(ra_mended(image, row), CFI_OFFSET);
	row = plain_row(0x131a);
	row.start++;
	assert_int_equal(ra_mended(image, row), CFI_OFFSET);
	row = plain_row(0x131a);
	row.cfa.off = 16;
	assert_int_equal(ra_mended(image, row), CFI_OFFSET);
	row = plain_row(0x131a);
	row.cfa.reg = REG_RBP;
	assert_int_equal(ra_mended(image, row), CFI_OFFSET);
	row = plain_row(0x131a);
	row.reg[REG_RBX] = (struct cfi_rule){ .kind = CFI_OFFSET, .off = -16 };
	assert_int_equal(ra_mended(image, row), CFI_OFFSET);
	row = plain_row(0x1300 + 512);
	assert_int_equal(ra_mended(image, row), CFI_UNDEFINED);
	row = plain_row(0x1300 + 513);
	assert_int_equal(ra_mended(image, row), CFI_OFFSET);
}

/*
 * 1400: mov 8(%rdx),%rsp; mov 16(%rdx),%rcx; push %rcx; ret, or with what makes it
 * another function.
 */
static void loads_of_a_context(void **state)
{
	static const struct {
		uint8_t base, pushed;
		bool loads;
	} of[] = {
		{ 0x4a, 0x51, true },	/* rdx, rcx */
		{ 0x4e, 0x51, false },	/* from rsi */
		{ 0x4a, 0x50, false },	/* rax, which was not loaded */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		struct cfi_row row = plain_row(0x130a);
		char path[20];

		CODE(0x1300, 0x48, 0x8b, 0x62, 8, 0x48, 0x8b, of[i].base, 16,
		     of[i].pushed, 0xc3);
		snprintf(path, sizeof(path), "/load-%zu", i);
		arch_mend_row(literal_image(images, path, &code, &cfi), 0x1304,
			      &row);
		assert_int_equal(row.lands, of[i].loads);
		if (!of[i].loads) {
			assert_int_equal(row.end, 0x130a);
			continue;
		}
		assert_int_equal(row.start, 0x1304);
		assert_int_equal(row.end, 0x1305);
		assert_int_equal(row.cfa.reg, REG_RDX);
		assert_int_equal(row.reg[REG_RIP].kind, CFI_OFFSET);
		assert_int_equal(row.reg[REG_RIP].off, 16);
	}
}

/* The last instruction of the file: jmp *%rcx, which lands with all that is loaded. */
static void jump_at_the_end(void **state)
{
	struct cfi_row row = {
		.start = 0x1302, .end = 0x1304, .func = 0x1300,
		.func_end = 0x1304, .ra = REG_RIP,
		.cfa = { .kind = CFI_VAL_OFFSET, .reg = REG_RSP },
		.reg = { [REG_RIP] = { .kind = CFI_OFFSET, .off = -8 },
			 [REG_RAX] = { .kind = CFI_OFFSET, .off = -24 },
			 [REG_RDX] = { .kind = CFI_OFFSET, .off = -32 } },
	};

	(void)state;
	CODE(0x1302, 0xff, 0xe1);
	code.size = 0x304;
	arch_mend_row(literal_image(images, "/prog", &code, &cfi), 0x1302,
		      &row);
	assert_true(row.lands);
	assert_int_equal(row.start, 0x1302);
	assert_int_equal(row.end, 0x1303);
	for (int n = 0; n < REG_RIP; n++)
		assert_int_equal(row.reg[n].kind, CFI_SAME);
}

/* Behind a ret, another function's jmp *%rcx is no landing of this one. */
static void installing_ends_at_a_ret(void **state)
{
	const struct cfi_row made = {
		.start = 0x1300, .end = 0x1310, .func = 0x1300,
		.func_end = 0x1310, .ra = REG_RIP,
		.cfa = { .kind = CFI_VAL_OFFSET, .reg = REG_RBP, .off = 16 },
		.reg = { [REG_RIP] = { .kind = CFI_OFFSET, .off = -8 },
			 [REG_RAX] = { .kind = CFI_OFFSET, .off = -24 },
			 [REG_RDX] = { .kind = CFI_OFFSET, .off = -32 } },
	};
	struct cfi_row row = made;
	struct image *image;

	(void)state;
	CODE(0x1300, 0x90, 0xc3, 0x90, 0x59, 0xff, 0xe1);
	image = literal_image(images, "/prog", &code, &cfi);
	arch_mend_row(image, 0x1300, &row);
	assert_false(row.installs);
	row = made;
	arch_mend_row(image, 0x1302, &row);
	assert_true(row.installs);
}

/* What a callee may change is not taken from a context. */
static void registers_of_a_context(void **state)
{
	enum { WORDS = 40, CFA = SP + 8 * WORDS };
	uint64_t words[WORDS] = { 0 };
	const struct ustack_range range = { SP, sizeof(words),
					    (const uint8_t *)words };
	struct cpu cpu = { 0 };
	struct mem mem;

	(void)state;
	words[1] = 0x55;
	for (int n = 0; n < 18; n++)
		words[4 + n] = SP + 8;
	words[4 + 18] = CFA + 64;
	words[4 + 19] = 0x401150;
	words[4 + 24] = 1ULL << 62;
	mem_init(&mem, &range, 1);
	cpu_set(&cpu, REG_RSP, SP);
	cpu_set(&cpu, REG_RAX, 7);
	cpu_set(&cpu, REG_RBX, 7);
	assert_true(arch_installed_context(&mem, CFA, &cpu));
	assert_int_equal(cpu.reg[REG_RBX], 0x55);
	assert_int_equal(cpu.reg[REG_RAX], 7);
	assert_int_equal(cpu.reg[REG_RSP], CFA + 64);
	assert_int_equal(cpu.reg[REG_RIP], 0x401150);
}

/* mov to rsp, but from rbp and from the stack itself. */
static void stacks_that_go_loads(void **state)
{
	static const struct {
		uint8_t insn[3];
		bool loads;
	} of[] = {
		{ { 0x48, 0x89, 0xdc }, true },		/* %rbx,%rsp */
		{ { 0x4c, 0x89, 0xe4 }, true },		/* %r12,%rsp */
		{ { 0x4c, 0x89, 0xec }, true },		/* %r13,%rsp */
		{ { 0x48, 0x89, 0xec }, false },	/* %rbp,%rsp */
		{ { 0x49, 0x89, 0xdc }, false },	/* %rbx,%r12 */
		{ { 0x48, 0x89, 0xdd }, false },	/* %rbx,%rbp */
		{ { 0x48, 0x8b, 0xe3 }, true },		/* %rbx,%rsp */
		{ { 0x49, 0x8b, 0xe5 }, true },		/* %r13,%rsp */
		{ { 0x48, 0x8b, 0xe5 }, false },	/* %rbp,%rsp */
		{ { 0x4c, 0x8b, 0xe3 }, false },	/* %rbx,%r12 */
		{ { 0x48, 0x8b, 0x63 }, true },		/* d(%rbx),%rsp */
		{ { 0x49, 0x8b, 0x66 }, true },		/* d(%r14),%rsp */
		{ { 0x48, 0x8b, 0x65 }, true },		/* d(%rbp),%rsp */
		{ { 0x48, 0x8b, 0x64 }, false },	/* d(%rsp),%rsp */
		{ { 0x48, 0x8b, 0x2b }, false },	/* (%rbx),%rbp */
	};
	struct image *image;

	(void)state;
	code.size = 3;
	image = literal_image(images, "/prog", &code, &cfi);
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		CODE(0x1000, of[i].insn[0], of[i].insn[1], of[i].insn[2]);
		assert_int_equal(arch_switches_stack(image, 0x1000, 0x1003),
				 of[i].loads);
	}
	CODE(0x1000, 0x48, 0x89, 0xdc);
	assert_false(arch_switches_stack(image, 0x1000, 0x1002));
	assert_false(arch_switches_stack(image, 0x1000, 0x1004));
}

/* asmcgocall()'s: of the registers only where it goes on. */
static void goroutine_that_was_left(void **state)
{
	enum { G = 0xc000000000, LO = 0xc000100000 };
	uint64_t g[8] = { LO, LO + 64, [7] = LO }, left[8] = { 0x401149 };
	uint64_t words[8] = { [5] = 64, [6] = G };
	const struct ustack_range all[] = {
		{ SP, sizeof(words), (const uint8_t *)words },
		{ G, sizeof(g), (const uint8_t *)g },
		{ LO, sizeof(left), (const uint8_t *)left },
	};
	struct cpu cpu = { 0 };
	struct mem mem;

	(void)state;
	mem_init(&mem, all, 3);
	cpu_set(&cpu, REG_RSP, SP);
	cpu_set(&cpu, REG_RBP, 7);
	assert_true(arch_left_stack(&mem, &cpu));
	assert_int_equal(cpu.reg[REG_RIP], 0x401149);
	assert_int_equal(cpu.reg[REG_RSP], LO + 8);
	assert_int_equal(cpu.known, 1u << REG_RIP | 1u << REG_RSP);
	/* It is not on its stack. */
	cpu_set(&cpu, REG_RSP, SP);
	g[0] = LO + 8;
	assert_false(arch_left_stack(&mem, &cpu));
	g[0] = LO;
	g[1] = words[5] = 0;
	g[7] = 0;
	assert_false(arch_left_stack(&mem, &cpu));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(exit_of_a_thread),
		TEST(function_that_fails),
		TEST(bottom_of_a_context),
		TEST(swapcontext_returns),
		TEST(swapcontext_starts),
		TEST(exception_that_is_not_installed),
		TEST(exception_is_installed),
		TEST(exception_lands),
		TEST(frame_without_contexts),
		TEST(code_of_a_bottom), TEST(rows_of_a_bottom),
		TEST(loads_of_a_context), TEST(jump_at_the_end),
		TEST(installing_ends_at_a_ret),
		TEST(registers_of_a_context),
		TEST(stacks_that_go_loads),
		TEST(goroutine_that_was_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
