// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Stacks of 32-bit tasks: words of 4 bytes, register numbers of i386.
 * The image "/prog" has vaddr 0x1000 at 0x8049000.
 */
#include "literal.h"

#define SP 0xffc00000U

static struct ustack_images *images;
static struct ustack_space *space;
static struct ustack_unwinder *unwinder;
static struct bytes code, cfi;
static struct ustack_regs regs;

/* As gcc emits it, but with absolute pcs: RA column 8, CFA = esp + 4. */
static size_t put_cie_32(bool signal)
{
	static const uint8_t rules[] = {
		0x01, 0x7c, 0x08, 0x01, DW_EH_PE_absptr,
		DW_CFA_def_cfa, 4, 4, DW_CFA_offset | 8, 1,
	};
	size_t start = cfi.size;

	put_uint(&cfi, 0, 8);
	put_uint(&cfi, 1, 1);
	if (signal)
		put(&cfi, "zRS", 4);
	else
		put(&cfi, "zR", 3);
	put(&cfi, rules, sizeof(rules));
	put_length(&cfi, start);
	return start;
}

static void put_fde_32(size_t cie, uint32_t pc, uint32_t size,
		       const uint8_t *insns, size_t nr)
{
	size_t start = cfi.size;

	put_uint(&cfi, 0, 4);
	put_uint(&cfi, start + 4 - cie, 4);
	put_uint(&cfi, pc, 4);
	put_uint(&cfi, size, 4);
	put_uint(&cfi, 0, 1);
	put(&cfi, insns, nr);
	put_length(&cfi, start);
}

#define FDE_32(cie, pc, size, ...)                                          \
	put_fde_32(cie, pc, size, (const uint8_t[]){ __VA_ARGS__ },         \
		   sizeof((const uint8_t[]){ __VA_ARGS__ }))

/*
 * 1000: _start
 * 1100: push %ebp; mov %esp,%ebp; push %ebx; sub $4,%esp	main
 * 1104: ...
 * 1200: push %esi						f
 * 1201: ...
 * 1300: __restore_rt, whose frame has esp at esp + 16 and eip at esp + 20
 * 1400: lea 4(%esp),%ecx; and $-16,%esp; ... push %ecx		realigned
 * 1500: no CFI: push %ebp; mov %esp,%ebp; ...
 * 1600: pop %eax; mov $119,%eax; int $0x80		__kernel_sigreturn
 * 1900: see counts_wrong, whose CFI has the sign of its push wrong
 * 1940: see counts_wrong, whose CFI does not tell of its push
 */
static int setup(void **state)
{
	size_t cie;

	(void)state;
	memset(&cfi, 0, sizeof(cfi));
	memset(&code, 0, sizeof(code));
	memset(&regs, 0, sizeof(regs));
	code.size = 0x1000;
	cie = put_cie_32(false);
	FDE_32(cie, 0x1000, 0x20, DW_CFA_undefined, 8);
	FDE_32(cie, 0x1100, 0x40, DW_CFA_advance_loc | 1,
	       DW_CFA_def_cfa_offset, 8, DW_CFA_offset | 5, 2,
	       DW_CFA_advance_loc | 2, DW_CFA_def_cfa_register, 5,
	       DW_CFA_advance_loc | 1, DW_CFA_offset | 3, 3);
	FDE_32(cie, 0x1200, 0x40, DW_CFA_advance_loc | 1,
	       DW_CFA_def_cfa_offset, 8, DW_CFA_offset | 6, 2);
	FDE_32(cie, 0x1400, 0x40, DW_CFA_def_cfa_expression, 3, DW_OP_breg5,
	       0x7c, DW_OP_deref, DW_CFA_expression, 5, 2, DW_OP_breg5, 0);
	FDE_32(put_cie_32(true), 0x12ff, 0x20, DW_CFA_def_cfa_expression, 3,
	       DW_OP_breg4, 16, DW_OP_deref, DW_CFA_expression, 4, 2,
	       DW_OP_breg4, 16, DW_CFA_expression, 8, 2, DW_OP_breg4, 20);
	FDE_32(put_cie_32(true), 0x1600, 0xa, DW_CFA_offset_extended_sf, 8,
	       0x72, DW_CFA_offset_extended_sf, 4, 0x79,
	       DW_CFA_offset_extended_sf, 5, 0x7a, DW_CFA_advance_loc | 1,
	       DW_CFA_def_cfa_offset, 0);
	/* CFA = esp + 4, from 1901 on esp + 0, from 1903 on esp + 4. */
	FDE_32(cie, 0x1900, 0x20, DW_CFA_advance_loc | 1,
	       DW_CFA_def_cfa_offset, 0, DW_CFA_advance_loc | 2,
	       DW_CFA_def_cfa_offset, 4);
	FDE_32(cie, 0x1920, 0x10, DW_CFA_def_cfa_offset, 0);
	FDE_32(cie, 0x1940, 0x10);
	assert_int_equal(ustack_images_new(&images, NULL), 0);
	assert_int_equal(ustack_space_new(&space, images), 0);
	assert_int_equal(ustack_unwinder_new(&unwinder), 0);
	literal_image_of(images, "/prog", &code, &cfi, false);
	assert_int_equal(map_path(space, 0x8049000, 0x1000, 0, "/prog"), 0);
	regs.abi = USTACK_ABI_32;
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

enum { BX = 1, BP = 6, SI = 4, ESP = 7, EIP = 8, R12 = 20 };

static void reg(int n, uint64_t val)
{
	regs.mask |= 1ULL << n;
	regs.val[n] = val;
}

static struct ustack_frame frames[16];
static enum ustack_end end;

#define CHAIN(stack, end_, ...)                                              \
	do {                                                                 \
		const uint64_t ips_[] = { __VA_ARGS__ };                     \
		const struct ustack_range r_ = { SP, sizeof(stack),          \
						 (const uint8_t *)(stack) }; \
		int nr_ = unwind_stack(unwinder, space, &regs, &r_, 1,      \
					frames, 16, &end);                   \
		assert_string_equal(ustack_end_name(end),                    \
				    ustack_end_name(end_));                  \
		assert_int_equal(nr_, sizeof(ips_) / 8);                     \
		for (int i_ = 0; i_ < nr_; i_++)                             \
			assert_true(frames[i_].ip == ips_[i_]);              \
	} while (0)

static void registers_and_words(void **state)
{
	static const uint32_t stack[] = {
		0x51, 0x8049109, 1, 0xb, SP + 0x100, 0x8049012, 0,
	};

	(void)state;
	reg(EIP, 0x8049201);
	reg(ESP, SP);
	reg(BP, SP + 16);
	/* r12 of such a sample has no meaning. */
	reg(R12, 7);
	CHAIN(stack, USTACK_END_FINISHED, 0x8049201, 0x8049109, 0x8049012);
	assert_true(frames[0].cfa == SP + 8);
	assert_true(frames[1].cfa == SP + 24);
	reg(EIP, 0x8049200);
	reg(ESP, SP + 4);
	CHAIN(stack, USTACK_END_FINISHED, 0x8049200, 0x8049109, 0x8049012);
	regs.mask &= ~(1ULL << BP);
	CHAIN(stack, USTACK_END_NO_REGS, 0x8049200, 0x8049109);
}

static void cut(void **state)
{
	static const uint32_t stack[] = { 0x51, 0x8049109, 1, 0xb, SP + 0x100 };

	(void)state;
	reg(EIP, 0x8049201);
	reg(ESP, SP);
	reg(BP, SP + 16);
	CHAIN(stack, USTACK_END_TRUNCATED, 0x8049201, 0x8049109);
}

static void expressions(void **state)
{
	static const uint32_t stack[] = {
		SP + 20, SP + 44, 0, 0, 0x8049109, 1, 2, 3, 4, 5, 6,
		SP + 0x100, 0x8049012,
	};

	(void)state;
	reg(EIP, 0x8049410);
	reg(ESP, SP);
	reg(BP, SP + 4);
	CHAIN(stack, USTACK_END_FINISHED, 0x8049410, 0x8049109, 0x8049012);
	assert_true(frames[0].cfa == SP + 20);
}

static void signal_frame(void **state)
{
	static const uint32_t stack[] = {
		0x51, 0x8049300, 0, 0, 0, 0, SP + 32, 0x8049200,
		0x8049109, 1, 2, SP + 0x100, 0x8049012,
	};

	(void)state;
	reg(EIP, 0x8049201);
	reg(ESP, SP);
	reg(BP, SP + 44);
	CHAIN(stack, USTACK_END_FINISHED, 0x8049201, 0x8049300, 0x8049200,
	      0x8049109, 0x8049012);
	assert_int_equal(frames[1].flags, USTACK_FRAME_SIGNAL);
	assert_int_equal(frames[2].flags, 0);
}

/* The vDSO's trampoline begins where the handler returns to. */
static void signal_frame_of_the_vdso(void **state)
{
	static const uint32_t stack[] = {
		0x51, 0x8049600, 14,
		/* gs, fs, es, ds, edi, esi, ebp, esp, ebx, edx, ecx, eax */
		0, 0, 0, 0, 0, 0, SP + 92, SP + 80, 0, 0, 0, 0,
		/* trapno, err, eip, cs, flags */
		0, 0, 0x8049200, 0x23, 0,
		0x8049109, 1, 2, SP + 0x100, 0x8049012,
	};

	(void)state;
	reg(EIP, 0x8049201);
	reg(ESP, SP);
	CHAIN(stack, USTACK_END_FINISHED, 0x8049201, 0x8049600, 0x8049200,
	      0x8049109, 0x8049012);
	assert_int_equal(frames[1].flags, USTACK_FRAME_SIGNAL);
	assert_int_equal(frames[2].flags, 0);
}

/* call 1200, before 1109 */
static void put_call(void)
{
	static const uint8_t call[] = { 0xe8, 0xf7, 0x00, 0, 0 };

	memcpy(code.data + 0x104, call, sizeof(call));
}

/*
 * f7f00aa0: push %ecx; push %edx; push %ebp	__kernel_vsyscall
 * f7f00aa3: mov %esp,%ebp; sysenter; int $0x80
 * f7f00aac: pop %ebp; pop %edx; pop %ecx; ret
 * There is no file of it.
 */
static void vsyscall(void **state)
{
	static uint32_t stack[] = {
		SP + 24, 2, 3, 0x8049109, 4, 0xb, SP + 0x100, 0x8049012,
	};
	static const struct { uint32_t ip, sp, bp; } at[] = {
		{ 0xf7f00aa0, SP + 12, SP + 24 },
		{ 0xf7f00aa1, SP + 8, SP + 24 },
		{ 0xf7f00aa2, SP + 4, SP + 24 },
		{ 0xf7f00aa3, SP, SP + 24 },
		{ 0xf7f00aac, SP, SP },
		{ 0xf7f00aac, SP, SP + 24 },
	};

	(void)state;
	put_call();
	assert_int_equal(map_path(space, 0xf7f00000, 0x2000, 0, "[vdso]"), 0);
	for (size_t i = 0; i < 2 * sizeof(at) / sizeof(at[0]); i++) {
		reg(EIP, at[i / 2].ip);
		reg(ESP, at[i / 2].sp);
		reg(BP, at[i / 2].bp);
		CHAIN(stack, USTACK_END_FINISHED, at[i / 2].ip, 0x8049109,
		      0x8049012);
		assert_true(frames[0].cfa == SP + 16);
		assert_int_equal(frames[1].flags,
				 USTACK_FRAME_RETURN | USTACK_FRAME_FALLBACK);
		assert_int_equal(frames[2].flags, USTACK_FRAME_RETURN);
	}
	/* It is not a function that calls another one. */
	stack[1] = 0xf7f00100;
	CHAIN(stack, USTACK_END_NO_RULE, 0xf7f00aac);
	stack[1] = 2;
	/* Nor is it any other code without a file. */
	assert_int_equal(map_path(space, 0xf7f00000, 0x2000, 0,
					  "//anon"),
			 0);
	reg(BP, 0);
	CHAIN(stack, USTACK_END_NO_RULE, 0xf7f00aac);
}

/*
 * f7f00ac0: pop %eax; mov $119,%eax; int $0x80		__kernel_sigreturn
 * f7f00ad0: mov $173,%eax; int $0x80			__kernel_rt_sigreturn
 */
static void signal_frame_of_a_vdso_without_a_file(void **state)
{
	enum { INFO = 128 / 4 };
	static const uint32_t context[] = {
		/* gs, fs, es, ds, edi, esi, ebp, esp, ebx, edx, ecx, eax */
		0x63, 0, 0x2b, 0x2b, 0, 0, SP + 0x10c, SP + 0x100, 0, 0, 0, 0,
		/* trapno, err, eip, cs, flags, esp, ss */
		0, 0, 0x8049200, 0x23, 0, SP + 0x100, 0x2b,
	};
	uint32_t stack[0x120 / 4] = { 0x51, 0xf7f00ac0, 14 };
	uint32_t *interrupted = &stack[0x100 / 4];

	(void)state;
	assert_int_equal(map_path(space, 0xf7f00000, 0x2000, 0, "[vdso]"), 0);
	memcpy(interrupted, (uint32_t[]){ 0x8049109, 1, 2, SP + 0x100,
					  0x8049012 }, 20);
	memcpy(stack + 3, context, sizeof(context));
	reg(BP, 7);
	for (int i = 0; i < 2; i++) {
		reg(EIP, 0x8049201);
		reg(ESP, SP);
		CHAIN(stack, USTACK_END_FINISHED, 0x8049201, 0xf7f00ac0,
		      0x8049200, 0x8049109, 0x8049012);
		assert_int_equal(frames[1].flags, USTACK_FRAME_SIGNAL);
		assert_int_equal(frames[2].flags, USTACK_FRAME_FALLBACK);
		assert_int_equal(frames[3].flags, USTACK_FRAME_RETURN);
	}
	/* At its first instruction, and in its system call. */
	reg(EIP, 0xf7f00ac0);
	reg(ESP, SP + 8);
	CHAIN(stack, USTACK_END_FINISHED, 0xf7f00ac0, 0x8049200, 0x8049109,
	      0x8049012);
	reg(EIP, 0xf7f00ac8);
	reg(ESP, SP + 12);
	CHAIN(stack, USTACK_END_FINISHED, 0xf7f00ac8, 0x8049200, 0x8049109,
	      0x8049012);
	/* With siginfo: number, two pointers, siginfo, flags, link, stack. */
	memset(stack + 3, 0, sizeof(context));
	stack[1] = 0xf7f00ad0;
	memcpy(stack + 2 + 3 + INFO + 5, context, sizeof(context));
	reg(EIP, 0x8049201);
	reg(ESP, SP);
	CHAIN(stack, USTACK_END_FINISHED, 0x8049201, 0xf7f00ad0, 0x8049200,
	      0x8049109, 0x8049012);
	/* Other segments: it is not such a frame. */
	stack[2 + 3 + INFO + 5 + 15] = 0x33;
	CHAIN(stack, USTACK_END_NO_RULE, 0x8049201, 0xf7f00ad0);
}

/* Position-independent code calls its next instruction, for the address. */
/*
 * Pcs relative to where they stand, in .eh_frame above the code, so that the sum
 * carries past 32 bits: in 4 bytes without sign, and as absolute ones have them.
 */
static void pcs_that_wrap(void **state)
{
	static const uint8_t encodings[] = { DW_EH_PE_pcrel | DW_EH_PE_udata4,
					     DW_EH_PE_pcrel | DW_EH_PE_absptr,
					     DW_EH_PE_pcrel | DW_EH_PE_sdata4 };

	(void)state;
	for (size_t i = 0; i < sizeof(encodings); i++) {
		struct image *image;
		struct cfi_row row;
		char path[8];
		size_t cie, at;

		memset(&cfi, 0, sizeof(cfi));
		cie = put_cie_32(false);
		cfi.data[cie + 16] = encodings[i];
		assert_int_equal(cfi.data[cie + 15], 1);
		at = cfi.size + 8;
		FDE_32(cie, 0x1100 - (0x100000 + at), 0x40,
		       DW_CFA_def_cfa_offset, 12);
		snprintf(path, sizeof(path), "/%zu", i);
		image = literal_image_of(images, path, &code, &cfi, false);
		assert_int_equal(cfi_row(&image->cfi, 0x1110, &row), 0);
		assert_int_equal(row.cfa.off, 12);
		assert_int_equal(cfi_row(&image->cfi, 0x1140, &row), -ENOENT);
	}
}

/*
 * A library's own, without CFI:
 * 1700: pop %eax; mov $119,%eax; int $0x80
 * 1710: mov $173,%eax; int $0x80
 */
static void trampolines_without_cfi(void **state)
{
	static const uint8_t of_signal[] = { 0x58, 0xb8, 119, 0, 0, 0, 0xcd,
					     0x80 };
	static const uint8_t of_info[] = { 0xb8, 173, 0, 0, 0, 0xcd, 0x80 };
	uint32_t stack[60] = { 0x51, 0x8049700, 11 };
	/* f was interrupted at 200; it and main follow. */
	const uint32_t old[] = { 0x8049109, 1, 0xb, SP + 0x300, 0x8049012 };
	const uint32_t from = SP + 4 * 55;

	(void)state;
	memcpy(code.data + 0x700, of_signal, sizeof(of_signal));
	memcpy(code.data + 0x710, of_info, sizeof(of_info));
	memcpy(stack + 55, old, sizeof(old));
	/* struct sigcontext behind the number: ebp, esp, eip */
	stack[3 + 6] = SP + 4 * 58;
	stack[3 + 7] = from;
	stack[3 + 14] = 0x8049200;
	reg(EIP, 0x8049201);
	reg(ESP, SP);
	reg(BP, 0);
	CHAIN(stack, USTACK_END_FINISHED, 0x8049201, 0x8049700, 0x8049200,
	      0x8049109, 0x8049012);
	assert_int_equal(frames[1].flags, USTACK_FRAME_SIGNAL);
	memset(stack + 1, 0, 54 * 4);
	stack[1] = 0x8049710;
	/* ... and behind two pointers, siginfo and what is before it. */
	stack[2 + 40 + 6] = SP + 4 * 58;
	stack[2 + 40 + 7] = from;
	stack[2 + 40 + 14] = 0x8049200;
	CHAIN(stack, USTACK_END_FINISHED, 0x8049201, 0x8049710, 0x8049200,
	      0x8049109, 0x8049012);
	assert_int_equal(frames[1].flags, USTACK_FRAME_SIGNAL);
}

static void no_cfi(void **state)
{
	static const uint32_t stack[] = {
		0x8049505, 6, 0x8049109, 1, 0xb, SP + 0x100, 0x8049012,
	};
	static const uint8_t bytes[] = {
		0xe8, 0, 0, 0, 0,	/* 1500: call 1505 */
		0x5b,			/* 1505: pop %ebx */
		0x56,			/* 1506: push %esi */
		0xa1, 0, 0, 0, 0,	/* 1507: mov 0,%eax */
		0x48,			/* 150c: dec %eax */
		0xb8, 0, 0, 0, 0,	/* 150d: mov $0,%eax */
		0xc4, 0xe2, 0x68, 0xf2, 0xc0, /* 1512: andn %eax,%edx,%eax */
		0x5e,			/* 1517: pop %esi */
		0xc3,			/* 1518: ret */
	};
	static const struct { uint32_t ip, sp; } at[] = {
		{ 0x8049500, SP + 8 }, { 0x8049505, SP + 4 },
		{ 0x8049506, SP + 8 }, { 0x8049507, SP + 4 },
		{ 0x804950c, SP + 4 }, { 0x8049518, SP + 8 },
	};

	(void)state;
	put_call();
	memcpy(code.data + 0x500, bytes, sizeof(bytes));
	reg(BP, SP + 20);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		reg(EIP, at[i].ip);
		reg(ESP, at[i].sp);
		CHAIN(stack, USTACK_END_FINISHED, at[i].ip, 0x8049109,
		      0x8049012);
		assert_true(frames[0].cfa == SP + 12);
		assert_int_equal(frames[1].flags,
				 USTACK_FRAME_RETURN | USTACK_FRAME_FALLBACK);
	}
	/* A return address is not accepted if it does not follow a call. */
	code.data[0x104] = 0x90;
	CHAIN(stack, USTACK_END_NO_RULE, 0x8049518);
}

/*
 * A return address is the start of a function, and there is no CFI before it:
 * that function has a caller, or makecontext() made it the first.
 */
static void start_of_a_function(void **state)
{
	static uint32_t stack[] = {
		0x51, 0x8049200, 0x8049109, 1, 0xb, SP + 0x100, 0x8049012,
	};

	(void)state;
	put_call();
	code.data[0x200] = 0xf4;	/* hlt: it never returns */
	reg(EIP, 0x8049201);
	reg(ESP, SP);
	reg(BP, SP + 20);
	CHAIN(stack, USTACK_END_FINISHED, 0x8049201, 0x8049200, 0x8049109,
	      0x8049012);
	stack[2] = 7;
	CHAIN(stack, USTACK_END_FINISHED, 0x8049201, 0x8049200);
}

/*
 * CFI by hand, as glibc's of strchr(): 1901 would have its return address below esp,
 * and what comes behind in the same function is no better.
 * 1900: push %edi; nop; pop %edi; ret
 * 1904: push %esi; nop; pop %esi; ret
 * 1908: push %esi; add %eax,%ebx; jmp *%ebx; nop
 * 190e: add %eax,%ebx; jmp *%ebx
 * 1920: add %eax,%ebx; jmp *%ebx
 * 1940: push %eax; nop; pop %eax; ret
 */
static void counts_wrong(void **state)
{
	static const uint8_t insns[] = {
		0x57, 0x90, 0x5f, 0xc3, 0x56, 0x90, 0x5e, 0xc3,
		0x56, 0x01, 0xc3, 0xff, 0xe3, 0x90, 0x01, 0xc3, 0xff, 0xe3,
	};
	static const uint8_t untold[] = { 0x50, 0x90, 0x58, 0xc3 };
	/* As if esi held a return address: that of another call. */
	static const uint32_t stack[] = {
		0x8049119, 0x8049109, 1, 0xb, SP + 0x100, 0x8049012,
	};
	static const uint32_t other[] = {
		0x51, 0x8049109, 1, 0xb, SP + 0x100, 0x8049012,
	};

	(void)state;
	put_call();
	memcpy(code.data + 0x114, code.data + 0x104, 5);
	memcpy(code.data + 0x900, insns, sizeof(insns));
	memcpy(code.data + 0x920, insns + 9, 4);
	memcpy(code.data + 0x940, untold, sizeof(untold));
	reg(BP, SP + 16);
	/* In whichever order they come. */
	for (int i = 0; i < 2; i++) {
		reg(ESP, SP);
		reg(EIP, 0x8049901);
		CHAIN(stack, USTACK_END_FINISHED, 0x8049901, 0x8049109,
		      0x8049012);
		assert_true(frames[0].cfa == SP + 8);
		assert_int_equal(frames[1].flags,
				 USTACK_FRAME_RETURN | USTACK_FRAME_FALLBACK);
		reg(EIP, 0x8049905);
		CHAIN(stack, USTACK_END_FINISHED, 0x8049905, 0x8049109,
		      0x8049012);
		/* What its code does not tell, nor CFI, is cut. */
		reg(EIP, 0x8049909);
		CHAIN(other, USTACK_END_NO_RULE, 0x8049909);
		/* Nor is what is left below esp a return address. */
		reg(EIP, 0x8049920);
		reg(ESP, SP + 4);
		CHAIN(stack, USTACK_END_NO_RULE, 0x8049920);
		/* A row that leads to a caller is better than none. */
		reg(EIP, 0x804990e);
		reg(ESP, SP + 4);
		CHAIN(other, USTACK_END_FINISHED, 0x804990e, 0x8049109,
		      0x8049012);
		assert_int_equal(frames[1].flags,
				 USTACK_FRAME_RETURN | USTACK_FRAME_FALLBACK);
		/* A single row that leads nowhere. */
		reg(EIP, 0x8049941);
		reg(ESP, SP);
		CHAIN(other, USTACK_END_FINISHED, 0x8049941, 0x8049109,
		      0x8049012);
		/* It does lead somewhere: its word is as good as the code's. */
		reg(EIP, 0x8049940);
		reg(ESP, SP + 4);
		CHAIN(other, USTACK_END_FINISHED, 0x8049940, 0x8049109,
		      0x8049012);
		assert_int_equal(frames[1].flags, USTACK_FRAME_RETURN);
	}
}

static void frame_pointer(void **state)
{
	static const uint32_t stack[] = {
		1, SP + 16, 0x8049109, 2, SP + 0x100, 0x8049012,
	};

	(void)state;
	put_call();
	reg(EIP, 0x8049510);
	reg(ESP, SP);
	reg(BP, SP + 4);
	CHAIN(stack, USTACK_END_FINISHED, 0x8049510, 0x8049109, 0x8049012);
	assert_int_equal(frames[1].flags,
			 USTACK_FRAME_RETURN | USTACK_FRAME_FALLBACK);
}

/* The vDSO of this machine is not that of a 32-bit task. */
static void file_of_the_other_class(void **state)
{
	static const uint64_t stack[] = { 0, 0x8049109, 1, 2, 3, 0x8049012 };

	(void)state;
	regs.abi = USTACK_ABI_64;
	reg(EIP, 0x8049201);
	reg(ESP, SP);
	CHAIN(stack, USTACK_END_NO_RULE, 0x8049201);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(registers_and_words), TEST(cut),
		TEST(expressions),	   TEST(signal_frame),
		TEST(frame_pointer),	   TEST(signal_frame_of_the_vdso),
		TEST(vsyscall),		   TEST(no_cfi),
		TEST(signal_frame_of_a_vdso_without_a_file),
		TEST(trampolines_without_cfi), TEST(pcs_that_wrap),
		TEST(start_of_a_function), TEST(file_of_the_other_class),
		TEST(counts_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
