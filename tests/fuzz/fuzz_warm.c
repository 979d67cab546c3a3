// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * What was unwound before never matters: a program of random CFI and random code
 * runs, calls and returns, is damaged and mapped anew; one unwinder walks all of
 * its stacks, and a fresh one each.  Frames are the same, byte by byte.
 *
 * The input is a list of choices; behind its end they go on at random, by what it
 * was, so that a short one says a lot.  Calls are laid out as the rows of their
 * pcs say: most chains are long, and share their outer frames with the last.
 */
#include <dwarf.h>

#include "fuzz.h"
#include "module/images.h"
#include "module/space.h"
#include "unwind/row.h"
#include "ustack.h"

#define VADDR 0x1000
#define CODE 0x400
#define BIAS 0x400000
#define WORDS 160
#define TOP 0x7ffc00100000ULL
#define BASE (TOP - 8 * WORDS)
#define WALKS 48
#define FRAMES 64

static struct input in;
static uint64_t seed;

static uint64_t choose(uint64_t n)
{
	if (in.left && n <= 256)
		return input_u8(&in) % n;
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % n;
}

static bool one_in(unsigned int n)
{
	return !choose(n);
}

/* --- the program ------------------------------------------------------------- */

struct bytes {
	uint8_t data[2048];
	size_t size;
};

static void put(struct bytes *b, const void *p, size_t size)
{
	if (b->size + size > sizeof(b->data))
		abort();
	memcpy(b->data + b->size, p, size);
	b->size += size;
}

static void put_uint(struct bytes *b, uint64_t val, size_t size)
{
	put(b, &val, size);
}

static void put_length(struct bytes *b, size_t start)
{
	uint32_t size = b->size - start - 4;

	memcpy(b->data + start, &size, 4);
}

/* CFA = rsp + 8, return address at CFA - 8; pcs in 8 bytes. */
static size_t put_cie(struct bytes *b, bool debug, bool signal)
{
	static const uint8_t rules[] = { 1, 0x78, 16 };
	static const uint8_t insns[] = { DW_CFA_def_cfa, 7, 8,
					 DW_CFA_offset | 16, 1 };
	size_t start = b->size;

	put_uint(b, 0, 4);
	put_uint(b, debug ? UINT32_MAX : 0, 4);
	put_uint(b, 1, 1);
	if (!debug)
		put(b, signal ? "zRS" : "zR", 2 + signal);
	put_uint(b, 0, 1);
	put(b, rules, sizeof(rules));
	if (!debug)
		put(b, (const uint8_t[]){ 1, DW_EH_PE_absptr }, 2);
	put(b, insns, sizeof(insns));
	put_length(b, start);
	return start;
}

static const uint8_t kept[] = { 3, 6, 12, 13, 14, 15 };

static void put_insn(struct bytes *b)
{
	uint8_t words = 1 + choose(6), reg = kept[choose(sizeof(kept))];

	switch (choose(16)) {
	case 0 ... 3:
		/* Now and then it is below sp. */
		if (words == 6 && reg == 15)
			put(b, (const uint8_t[]){ DW_CFA_def_cfa_offset_sf,
						  1 }, 2);
		else
			put(b, (const uint8_t[]){ DW_CFA_def_cfa_offset,
						  8 * words }, 2);
		break;
	case 4 ... 6:
		put(b, (const uint8_t[]){ DW_CFA_offset | reg, 1 + words }, 2);
		break;
	case 7:
		reg = one_in(4) ? 10 : reg;
		put(b, (const uint8_t[]){ DW_CFA_def_cfa, reg, 8 * words }, 3);
		break;
	case 8 ... 10:
		put_uint(b, DW_CFA_advance_loc | (1 + choose(40)), 1);
		break;
	case 11:
		reg = one_in(2) ? 7 : reg;
		put(b, (const uint8_t[]){ DW_CFA_def_cfa_expression, 2,
					  DW_OP_breg0 + reg, 8 * words }, 4);
		break;
	case 12:
		put(b, (const uint8_t[]){ DW_CFA_expression, reg, 2, DW_OP_breg7,
					  8 * choose(6) }, 5);
		break;
	case 13:
		put(b, (const uint8_t[]){ DW_CFA_undefined,
					  one_in(2) ? 16 : reg }, 2);
		break;
	case 14:
		put(b, (const uint8_t[]){ DW_CFA_register, one_in(3) ? 16 : reg,
					  kept[choose(sizeof(kept))] }, 3);
		break;
	case 15:
		put_uint(b, one_in(2) ? DW_CFA_remember_state :
					DW_CFA_restore_state, 1);
		break;
	}
}

static void put_fde(struct bytes *b, size_t cie, bool debug, uint64_t pc,
		    uint64_t size)
{
	size_t start = b->size;

	put_uint(b, 0, 4);
	put_uint(b, debug ? cie : start + 4 - cie, 4);
	put_uint(b, pc, 8);
	put_uint(b, size, 8);
	if (!debug)
		put_uint(b, 0, 1);
	for (unsigned int n = choose(7); n; n--)
		put_insn(b);
	put_length(b, start);
}

/* Functions that may overlap, and have holes between them. */
static void put_functions(struct bytes *b, bool debug)
{
	size_t usual = put_cie(b, debug, false);
	size_t other = one_in(3) ? put_cie(b, debug, true) : usual;
	uint64_t pc = VADDR + choose(64);

	for (unsigned int n = 1 + choose(12); n && pc < VADDR + CODE; n--) {
		uint64_t size = 1 + choose(120);

		put_fde(b, one_in(8) ? other : usual, debug, pc, size);
		pc += one_in(4) ? choose(size) :
		      one_in(2) ? size :
				  size + choose(100);
	}
}

/* Instructions by which code without CFI is crossed. */
static void put_code(struct bytes *b)
{
	static const struct {
		uint8_t size, bytes[7];
	} insn[] = {
		{ 1, { 0x53 } }, { 1, { 0x5b } }, { 1, { 0x55 } },
		{ 1, { 0x5d } }, { 1, { 0xc3 } }, { 1, { 0xc9 } },
		{ 1, { 0x90 } }, { 2, { 0xff, 0xd0 } },
		{ 2, { 0x41, 0x54 } }, { 2, { 0x41, 0x5c } },
		{ 3, { 0x48, 0x89, 0xe5 } }, { 4, { 0x48, 0x83, 0xec, 0x18 } },
		{ 4, { 0x48, 0x83, 0xc4, 0x18 } }, { 2, { 0x74, 0x05 } },
		{ 2, { 0xeb, 0x03 } }, { 2, { 0x75, 0xf0 } },
		{ 5, { 0xe8, 0x10, 0, 0, 0 } }, { 5, { 0xe9, 8, 0, 0, 0 } },
		{ 5, { 0xe8, 0, 0, 0, 0 } }, { 1, { 0x58 } },
		{ 7, { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0 } },
		{ 2, { 0x0f, 0x05 } }, { 2, { 0x0f, 0x0b } },
		/* a context is loaded, or starts; rcx has a landing pad */
		{ 7, { 0x48, 0x8b, 0xa2, 0x18, 0, 0, 0 } },
		{ 4, { 0x48, 0x8b, 0x4a, 0x08 } }, { 1, { 0x51 } },
		{ 4, { 0x48, 0x89, 0xdc, 0x5f } }, { 3, { 0x59, 0xff, 0xe1 } },
	};

	while (b->size < CODE) {
		size_t i = choose(sizeof(insn) / sizeof(insn[0]));

		put(b, insn[i].bytes, insn[i].size);
	}
}

/* What stands in the buffers is the file. */
static struct image *make_image(struct ustack_images *images,
				const struct bytes *code,
				const struct bytes *frames,
				const struct bytes *debug)
{
	struct ustack_map map = { .path = "/prog" };
	struct origin *origin;
	struct image *image;

	if (images_get(images, &map, &origin))
		abort();
	image = origin->image;
	image->opened.state = 0;
	image->origin = origin;
	image->data = code->data;
	image->size = code->size;
	image->segments = calloc(1, sizeof(*image->segments));
	if (!image->segments)
		abort();
	image->nr_segments = 1;
	image->is_64 = true;
	image->is_go = one_in(4);
	image->entry = one_in(4) ? VADDR + choose(CODE) : 0;
	image->segments[0] = (struct segment){ VADDR, 0, CODE, 5 };
	image->eh_frame = (struct section){ frames->data, frames->size,
					    0x100000 };
	image->debug_frame = (struct section){ debug->data, debug->size, 0 };
	if (cfi_init(&image->cfi, image))
		abort();
	return image;
}

static void map_image(struct ustack_space *space, uint64_t addr, uint64_t size,
		      uint64_t pgoff)
{
	struct ustack_map map = { .sz = sizeof(map), .addr = addr, .size = size,
				  .pgoff = pgoff, .path = "/prog",
				  .prot = one_in(4) ? choose(8) : 0 };

	if (ustack_space_map(space, &map))
		abort();
}

/* --- its stacks --------------------------------------------------------------- */

static uint64_t words[WORDS];
static struct frame {
	uint64_t pc, sp, reg[NR_REGS];
} frame[FRAMES];
static int depth;

static bool on_stack(uint64_t addr)
{
	return addr >= BASE && addr + 8 <= TOP && !(addr % 8);
}

static void set_word(uint64_t addr, uint64_t val)
{
	if (on_stack(addr))
		words[(addr - BASE) / 8] = val;
}

/* Those that a frame can be laid out for. */
static uint16_t good[CODE];
static size_t nr_good;

static void find_good(const struct image *image)
{
	struct cfi_row row;

	nr_good = 0;
	for (uint64_t at = 1; at < CODE; at += 3)
		if (!cfi_row(&image->cfi, VADDR + at - 1, &row) &&
		    row.cfa.kind == CFI_VAL_OFFSET && row.cfa.off > 0 &&
		    row.reg[REG_PC].kind == CFI_OFFSET && !row.signal)
			good[nr_good++] = at;
}

/* Of a return address, mostly. */
static uint64_t some_pc(void)
{
	bool any = !nr_good || one_in(16);

	return VADDR + BIAS + (any ? choose(CODE) : good[choose(nr_good)]);
}

/* Few different ones: a register often has again what it had before. */
static uint64_t some_value(void)
{
	return one_in(4) ? choose(3) : TOP - 8 * (4 + 5 * choose(6));
}

/*
 * The innermost frame calls code at a pc whose row says where things are; size
 * is that of its frame, where the row does not tell.
 */
static bool call(const struct image *image, uint64_t pc, uint64_t size)
{
	const struct frame *by = &frame[depth - 1];
	struct frame *f = &frame[depth];
	uint64_t cfa = by->sp;
	struct cfi_row row;
	bool rule = !cfi_row(&image->cfi, pc - BIAS - 1, &row);

	if (cfa < BASE + 128)
		return false;
	*f = *by;
	f->pc = pc;
	f->sp = cfa - size;
	for (unsigned int r = 0; rule && r < REG_PC; r++) {
		if (row.reg[r].kind != CFI_OFFSET)
			continue;
		set_word(cfa + row.reg[r].off, by->reg[r]);
		f->reg[r] = some_value();
	}
	if (rule && row.cfa.kind == CFI_VAL_OFFSET && row.cfa.reg == REG_SP)
		f->sp = cfa - row.cfa.off;
	else if (rule && row.cfa.kind == CFI_VAL_OFFSET)
		f->reg[row.cfa.reg] = cfa - row.cfa.off;
	else if (rule && row.cfa.size == 2 && row.cfa.expr[0] != DW_OP_breg7)
		f->reg[row.cfa.expr[0] - DW_OP_breg0] = cfa - row.cfa.expr[1];
	else if (rule && row.cfa.size == 2)
		f->sp = cfa - row.cfa.expr[1];
	if (f->sp < BASE || f->sp > cfa)
		return false;
	set_word(cfa - 8, by->pc);
	depth++;
	return true;
}

/* After a return to depth, with another register, the same calls as before. */
static void call_again(const struct image *image, int before)
{
	unsigned int reg = kept[choose(sizeof(kept))];

	frame[depth - 1].reg[reg] = some_value();
	while (depth < before) {
		const struct frame *f = &frame[depth];

		if (!call(image, f->pc, f[-1].sp - f->sp))
			return;
	}
}

static void run_on(const struct image *image)
{
	int before = depth;

	if (depth)
		depth = choose(depth + 1);
	if (depth && one_in(2)) {
		call_again(image, depth + choose(before - depth + 1));
	} else if (!depth) {
		frame[0].pc = some_pc();
		frame[0].sp = TOP - 8 * choose(4);
		for (int r = 0; r < NR_REGS; r++)
			frame[0].reg[r] = some_value();
		depth = 1;
	}
	for (unsigned int n = choose(8); n && depth < FRAMES; n--)
		if (!call(image, some_pc(), 8 * (1 + choose(6))))
			return;
}

/* Another call site, or anything anywhere. */
static void damage(void)
{
	const struct frame *f = &frame[choose(depth)];

	if (one_in(2))
		set_word(f->sp - 8, f->pc + choose(9) - 4);
	else
		words[choose(WORDS)] = one_in(2) ? some_pc() : some_value();
}

static struct ustack_regs registers(void)
{
	static const uint8_t perf[NR_REGS] = {
		0, 3, 2, 1, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 8,
	};
	const struct frame *f = &frame[depth - 1];
	struct ustack_regs regs = { .abi = USTACK_ABI_64 };

	for (int r = 0; r < NR_REGS; r++) {
		regs.mask |= 1ULL << perf[r];
		regs.val[perf[r]] = r == REG_PC ? f->pc :
				    r == REG_SP ? f->sp :
						  f->reg[r];
	}
	/* In a system call, perhaps. */
	if (one_in(4)) {
		regs.val[USTACK_REG_X86_AX] = -ENOSYS;
		regs.val[USTACK_REG_X86_CX] = f->pc;
	}
	if (one_in(16))
		regs.mask &= ~(1ULL << perf[choose(NR_REGS)]);
	if (one_in(32))
		regs.abi = USTACK_ABI_32;
	return regs;
}

/* --- both unwinders ------------------------------------------------------------ */

static void compare(struct ustack_unwinder *warm,
		    const struct ustack_stack *stack, size_t max)
{
	struct ustack_frame a[FRAMES], b[FRAMES];
	enum ustack_end end_a, end_b;
	struct ustack_unwinder *fresh;
	int nr;

	if (ustack_unwinder_new(&fresh))
		abort();
	nr = ustack_unwind(fresh, stack, a, max, &end_a);
	if (ustack_unwind(warm, stack, b, max, &end_b) != nr || end_a != end_b ||
	    nr < 0 || memcmp(a, b, nr * sizeof(*a)))
		abort();
	ustack_unwinder_free(fresh);
}

static void walk(struct ustack_unwinder *warm, struct ustack_space *space)
{
	struct ustack_regs regs = registers();
	uint64_t sp = frame[depth - 1].sp;
	struct ustack_range range[2] = {
		{ sp, TOP - sp, (const uint8_t *)words + (sp - BASE) },
	};
	struct ustack_stack stack = {
		.sz = sizeof(stack), .space = space, .regs = &regs,
		.ranges = range, .nr_ranges = 1,
		.flags = one_in(16) ? USTACK_STACK_RETURN : 0,
	};

	if (one_in(8) && range[0].size)
		range[0].size = choose(range[0].size);
	if (one_in(16)) {
		range[1] = (struct ustack_range){ BASE, sizeof(words),
						  (const uint8_t *)words };
		stack.nr_ranges = 2;
	}
	compare(warm, &stack, one_in(8) ? choose(FRAMES) : FRAMES);
}

static void change_maps(struct ustack_space **space)
{
	struct ustack_space *child;
	uint64_t at = choose(CODE) & -64;

	if (one_in(3)) {
		if (ustack_space_fork(&child, *space))
			abort();
		ustack_space_free(*space);
		*space = child;
	} else if (one_in(2)) {
		map_image(*space, VADDR + BIAS + at, 64 + (choose(CODE) & -64),
			  choose(CODE) & -64);
	} else {
		map_image(*space, VADDR + BIAS, CODE, 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes code = { .size = 0 }, frames = code, debug = code;
	struct ustack_unwinder *warm;
	struct ustack_images *images;
	struct ustack_space *space;
	struct image *image;

	in = (struct input){ data, size };
	seed = input_u64(&in);
	depth = 0;
	memset(words, 0, sizeof(words));
	put_functions(&frames, false);
	if (one_in(3))
		put_functions(&debug, true);
	else
		put_uint(&debug, 0, 4);
	put_code(&code);
	if (ustack_images_new(&images, NULL) ||
	    ustack_space_new(&space, images) || ustack_unwinder_new(&warm))
		abort();
	image = make_image(images, &code, &frames, &debug);
	find_good(image);
	map_image(space, VADDR + BIAS, CODE, 0);
	for (int n = 0; n < WALKS; n++) {
		run_on(image);
		if (one_in(4))
			damage();
		if (one_in(16))
			change_maps(&space);
		walk(warm, space);
	}
	ustack_unwinder_free(warm);
	ustack_space_free(space);
	ustack_images_free(images);
	return 0;
}
