// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Rules, their cache, and those guessed from code without CFI. */
#include "literal.h"
#include "unwind/x86/signal.h"

static struct ustack_images *images;
static struct rules rules;
static struct bytes code, frames;

static int setup(void **state)
{
	(void)state;
	memset(&frames, 0, sizeof(frames));
	memset(&code, 0, sizeof(code));
	memset(&rules, 0xa5, sizeof(rules));
	rules_init(&rules);
	return ustack_images_new(&images, NULL);
}

static int teardown(void **state)
{
	(void)state;
	ustack_images_free(images);
	return 0;
}

static void usual_row(struct cfi_row *row)
{
	*row = (struct cfi_row){ .ra = REG_RIP };
	row->cfa = (struct cfi_rule){ .kind = CFI_VAL_OFFSET, .reg = REG_RBP,
				      .off = 16 };
	row->reg[REG_RIP] = (struct cfi_rule){ .kind = CFI_OFFSET, .off = -8 };
	row->reg[REG_RBP] = (struct cfi_rule){ .kind = CFI_OFFSET, .off = -16 };
	row->reg[REG_R15] = (struct cfi_rule){ .kind = CFI_OFFSET, .off = -24 };
	row->reg[REG_RBX] = (struct cfi_rule){ .kind = CFI_OFFSET, .off = -56 };
}

static void compact(void **state)
{
	struct rule rule;
	struct cfi_row row;

	(void)state;
	usual_row(&row);
	rule_compile(&rule, &row);
	assert_int_equal(rule.flags, 0);
	assert_int_equal(rule.cfa_reg, REG_RBP);
	assert_int_equal(rule.cfa_off, 16);
	assert_int_equal(rule.saved, 1 << KEPT_RBX | 1 << KEPT_RBP |
					     1 << KEPT_R15);
	assert_int_equal(rule.slot[KEPT_RBX], -7);
	assert_int_equal(rule.slot[KEPT_RBP], -2);
	assert_int_equal(rule.slot[KEPT_R15], -3);
	assert_int_equal(rule.slot[KEPT_R12], -1);
	assert_int_equal(rule.depth, 7);
	row.reg[REG_RBX].off = -8 * 128;
	rule_compile(&rule, &row);
	assert_int_equal(rule.flags, 0);
	assert_int_equal(rule.slot[KEPT_RBX], -128);
	assert_int_equal(rule.depth, 128);
	row.reg[REG_RBX].kind = row.reg[REG_RBP].kind = CFI_SAME;
	row.reg[REG_R15].kind = CFI_SAME;
	rule_compile(&rule, &row);
	assert_int_equal(rule.saved, 0);
	assert_int_equal(rule.depth, 1);
}

#define FULL(change)                                                         \
	do {                                                                 \
		struct rule rule_;                                           \
		struct cfi_row row;                                          \
		usual_row(&row);                                             \
		change;                                                      \
		rule_compile(&rule_, &row);                                  \
		assert_int_equal(rule_.flags & RULE_FULL, RULE_FULL);        \
	} while (0)

static void not_compact(void **state)
{
	(void)state;
	FULL(row.cfa.kind = CFI_VAL_EXPR);
	FULL(row.cfa.off = 1LL << 31);
	FULL(row.signal = true);
	FULL(row.ra = REG_RDI);
	FULL(row.reg[REG_RIP].off = -16);
	FULL(row.reg[REG_RIP].kind = CFI_REGISTER);
	FULL(row.reg[REG_RBX].off = -57);
	FULL(row.reg[REG_RBX].off = 8);
	FULL(row.reg[REG_RBX].off = -8 * 129);
	FULL(row.reg[REG_RBX].kind = CFI_UNDEFINED);
	FULL(row.reg[REG_RSP] = row.reg[REG_RBX]);
	FULL(row.reg[REG_R10] = row.reg[REG_RBX]);
}

static void outermost(void **state)
{
	struct rule rule;
	struct cfi_row row;

	(void)state;
	usual_row(&row);
	row.reg[REG_RIP].kind = CFI_UNDEFINED;
	rule_compile(&rule, &row);
	assert_int_equal(rule.flags, RULE_OUTERMOST);
}

/* .debug_frame of one function: CFA = rsp + off, return address at CFA - 8. */
static void debug_frame(struct bytes *b, uint64_t pc, uint64_t size,
			uint8_t off)
{
	const uint8_t cie[] = { 4, 0, 8, 0, 1, 0x78, 16, DW_CFA_def_cfa, 7, off,
				DW_CFA_offset | 16, 1 };

	b->size = 0;
	put_uint(b, 0, 4);
	put_uint(b, UINT32_MAX, 4);
	put(b, cie, sizeof(cie));
	put_length(b, 0);
	put_uint(b, 20, 4);
	put_uint(b, 0, 4);
	put_uint(b, pc, 8);
	put_uint(b, size, 8);
}

static void cached(void **state)
{
	struct image *a, *b;
	const struct rule *rule;
	size_t cie;

	(void)state;
	code.size = 0x800;
	code.data[0xb] = 0xe8;		/* call, at the end of the first */
	cie = put_cie(&frames, false);
	FDE(&frames, cie, 0x1000, 0x10, DW_CFA_def_cfa_offset, 48);
	FDE(&frames, cie, 0x1010, 0x10, DW_CFA_restore_state);
	a = literal_image(images, "/a", &code, &frames);
	b = literal_image(images, "/b", &code, &frames);
	rule = rule_find(&rules, a, 0x1004);
	assert_int_equal(rule->cfa_off, 48);
	/* CFI of the same pc is not read again, that of another image is. */
	frames.data[frames.size - 1] ^= 0xff;
	assert_ptr_equal(rule_find(&rules, a, 0x1004), rule);
	assert_true(rule_find(&rules, b, 0x1004)->image == b->id);
	assert_int_equal(rule_find(&rules, a, 0x1018)->flags,
			 RULE_BROKEN);
	/* Two adjacent pcs without CFI, looked up in turn, both stay cached. */
	rule_find(&rules, a, 0x1030);
	rule_find(&rules, a, 0x1031);
	rule = rule_find(&rules, a, 0x1031);
	assert_ptr_not_equal(rule_find(&rules, a, 0x1030), rule);
	assert_true(rule->start == 0x1031);
	/* More pcs than the cache has room for. */
	for (int round = 0; round < 2; round++)
		for (uint64_t pc = 0; pc < 3 * RULES; pc++)
			assert_int_equal(rule_find(&rules, a, pc)->flags,
					 pc < 0x1000 || pc >= 0x1020 ?
						 RULE_NONE :
					 pc < 0x1010 ? 0 :
						       RULE_BROKEN);
}

/*
 * Of FDEs that overlap the last to start has a pc; .debug_frame has those that
 * .eh_frame lacks.  Whichever pc is looked up first.
 */
static void overlapping(void **state)
{
	static const struct {
		uint64_t pc;
		int off;	/* 0: none */
	} want[] = {
		{ 0x1000, 16 }, { 0x103f, 16 }, { 0x1040, 32 }, { 0x104f, 32 },
		{ 0x1050, 48 }, { 0x10ff, 48 }, { 0x1100, 64 }, { 0x110f, 64 },
		{ 0x1110, 48 }, { 0x112f, 48 }, { 0x1130, 0 },
	};
	const size_t nr = sizeof(want) / sizeof(want[0]);
	static struct bytes debug;
	struct image *a;
	size_t cie;

	(void)state;
	code.size = 0x800;
	cie = put_cie(&frames, false);
	FDE(&frames, cie, 0x1000, 0x100, DW_CFA_def_cfa_offset, 16);
	FDE(&frames, cie, 0x1040, 0x10, DW_CFA_def_cfa_offset, 32);
	FDE(&frames, cie, 0x1100, 0x10, DW_CFA_def_cfa_offset, 64);
	debug_frame(&debug, 0x1030, 0x100, 48);
	a = literal_image(images, "/a", &code, NULL);
	a->debug_frame = (struct section){ debug.data, debug.size, 0 };
	a->eh_frame = (struct section){ frames.data, frames.size, 0x100000 };
	assert_int_equal(cfi_init(&a->cfi, a), 0);
	for (size_t first = 0; first < nr; first++) {
		rules_init(&rules);
		rule_find(&rules, a, want[first].pc);
		for (size_t i = 0; i < nr; i++) {
			const struct rule *rule = rule_find(&rules, a,
							    want[i].pc);

			if (want[i].off)
				assert_int_equal(rule->cfa_off, want[i].off);
			else
				assert_int_equal(rule->flags, RULE_NONE);
		}
	}
}

/*
 * 1000: a call without CFI: its return address is looked up by 1001, like a
 * sample that is there, but is followed from the instruction at 1002.
 */
static void guessed_from_one_place(void **state)
{
	static const uint8_t bytes[] = { 0xff, 0xd0, 0x58, 0xc3 };
	struct image *a;

	(void)state;
	put(&code, bytes, sizeof(bytes));	/* call *%rax; pop %rax; ret */
	a = literal_image(images, "/a", &code, &frames);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(rule_find(&rules, a, 0x1001)->flags,
				 RULE_NONE);
		/* rcrb -61(%rax), and then no code: nothing that returns. */
		assert_int_equal(rule_guess(&rules, a, 0x1001)->flags,
				 RULE_NONE);
		assert_int_equal(rule_guess(&rules, a, 0x1000)->cfa_off, 16);
		assert_int_equal(rule_guess(&rules, a, 0x1002)->cfa_off, 16);
		assert_int_equal(rule_guess(&rules, a, 0x1003)->cfa_off, 8);
	}
}

/* A rule that applies to many pcs is made once, whichever is looked up. */
static void made_once(void **state)
{
	const struct rule *rule;
	struct image *a;
	size_t cie, at;

	(void)state;
	code.size = 0x800;
	cie = put_cie(&frames, false);
	FDE(&frames, cie, 0x1000, 0x10, DW_CFA_def_cfa_offset, 32);
	FDE(&frames, cie, 0x1010, 0x800, DW_CFA_def_cfa_offset, 48);
	at = frames.size - 1;
	a = literal_image(images, "/a", &code, &frames);
	/* What the memory held before is not taken for a rule. */
	rules.v[0] =
		(struct rule){ .image = a->id, .start = 0x1024, .size = 1 };
	rules_init(&rules);
	rule = rule_find(&rules, a, 0x1024);
	assert_int_equal(rule->cfa_off, 48);
	frames.data[at] ^= 0xff;
	assert_int_equal(rule_find(&rules, a, 0x1004)->cfa_off, 32);
	assert_ptr_equal(rule_find(&rules, a, 0x10e4), rule);
	assert_ptr_equal(rule_find(&rules, a, 0x10e4), rule);
	assert_int_equal(rules.nr, 2);
}

/* The row that the code at pc implies: 0, or -ENOENT. */
static int guess(struct cfi_row *row, uint64_t pc)
{
	static int nr;
	char path[20];

	snprintf(path, sizeof(path), "/code-%d", nr++);
	return arch_scan(literal_image(images, path, &code, NULL), pc, row);
}

#define CODE(...)                                                            \
	(code.size = 0, put(&code, (const uint8_t[]){ __VA_ARGS__ },         \
			    sizeof((const uint8_t[]){ __VA_ARGS__ })))

static void is(uint64_t pc, uint8_t reg, int64_t off)
{
	struct cfi_row row;

	assert_int_equal(guess(&row, pc), 0);
	assert_int_equal(row.cfa.kind, CFI_VAL_OFFSET);
	assert_int_equal(row.cfa.reg, reg);
	assert_int_equal(row.cfa.off, off);
	assert_int_equal(row.reg[REG_RIP].off, -8);
}

/* crti.o and crtn.o */
static void code_of_init(void **state)
{
	struct cfi_row row;

	(void)state;
	CODE(0x48, 0x83, 0xec, 0x08,		/* 1000: sub $8,%rsp */
	     0x48, 0x8b, 0x05, 0, 0, 0, 0,	/* 1004: mov 0(%rip),%rax */
	     0x48, 0x85, 0xc0,			/* 100b: test %rax,%rax */
	     0x74, 0x02,			/* 100e: je 1012 */
	     0xff, 0xd0,			/* 1010: call *%rax */
	     0x48, 0x83, 0xc4, 0x08,		/* 1012: add $8,%rsp */
	     0xc3);				/* 1016: ret */
	is(0x1000, REG_RSP, 8);
	is(0x1004, REG_RSP, 16);
	is(0x100e, REG_RSP, 16);
	is(0x1010, REG_RSP, 16);
	is(0x1016, REG_RSP, 8);
	assert_int_equal(guess(&row, 0x1017), -ENOENT);
}

static void ret_to_what_was_pushed(void **state)
{
	struct cfi_row row;

	(void)state;
	CODE(0x74, 0x02,			/* 1000: je 1004 */
	     0x50,				/* 1002: push %rax */
	     0xc3,				/* 1003: ret */
	     0x5b,				/* 1004: pop %rbx */
	     0xc3);				/* 1005: ret */
	is(0x1000, REG_RSP, 16);
	is(0x1003, REG_RSP, 8);
	assert_int_equal(guess(&row, 0x1002), -ENOENT);
}

static void code_with_pushes(void **state)
{
	struct cfi_row row;

	(void)state;
	CODE(0xf3, 0x0f, 0x1e, 0xfa,		/* 1000: endbr64 */
	     0x55,				/* 1004: push %rbp */
	     0x48, 0x89, 0xe5,			/* 1005: mov %rsp,%rbp */
	     0x41, 0x54,			/* 1008: push %r12 */
	     0x48, 0x81, 0xec, 0, 1, 0, 0,	/* 100a: sub $256,%rsp */
	     0x48, 0x83, 0xe4, 0xe0,		/* 1011: and $-32,%rsp */
	     0xe8, 0, 0, 0, 0,			/* 1015: call 101a */
	     0x48, 0x8d, 0x65, 0xf8,		/* 101a: lea -8(%rbp),%rsp */
	     0x41, 0x5c,			/* 101e: pop %r12 */
	     0x5d,				/* 1020: pop %rbp */
	     0xc3);				/* 1021: ret */
	/* Before the push, the slot of rbp is below rsp: rbp is unchanged. */
	is(0x1000, REG_RSP, 8);
	is(0x1005, REG_RSP, 16);
	is(0x1008, REG_RBP, 16);
	is(0x101a, REG_RBP, 16);
	is(0x1020, REG_RSP, 16);
	is(0x1021, REG_RSP, 8);
	assert_int_equal(guess(&row, 0x1015), 0);
	assert_int_equal(row.reg[REG_RBP].kind, CFI_OFFSET);
	assert_int_equal(row.reg[REG_RBP].off, -16);
	assert_int_equal(row.reg[REG_R12].off, -24);
	assert_int_equal(row.reg[REG_RBX].kind, CFI_SAME);
}

static void code_that_jumps(void **state)
{
	struct cfi_row row;

	(void)state;
	CODE(0x53,				/* 1000: push %rbx */
	     0xeb, 0x02,			/* 1001: jmp 1005 */
	     0x0f, 0x0b,			/* 1003: ud2 */
	     0xc5, 0xf8, 0x77,			/* 1005: vzeroupper */
	     0x5b,				/* 1008: pop %rbx */
	     0xff, 0xe0,			/* 1009: jmp *%rax */
	     0xeb, 0xfe,			/* 100b: jmp 100b */
	     0xc9, 0xc3);			/* 100d: leave; ret */
	is(0x1001, REG_RSP, 16);
	is(0x1005, REG_RSP, 16);
	is(0x1009, REG_RSP, 8);
	is(0x100d, REG_RBP, 16);
	assert_int_equal(guess(&row, 0x1003), -ENOENT);
	assert_int_equal(guess(&row, 0x100b), -ENOENT);
}

/* What is loaded from anywhere is not the frame pointer any more. */
static void code_that_loses_rbp(void **state)
{
	struct cfi_row row;

	(void)state;
	CODE(0x48, 0x8b, 0x28,			/* 1000: mov (%rax),%rbp */
	     0xc9, 0xc3);			/* 1003: leave; ret */
	is(0x1003, REG_RBP, 16);
	assert_int_equal(guess(&row, 0x1000), -ENOENT);
}

static void saves(uint64_t pc, uint8_t reg, int64_t off)
{
	struct cfi_row row;

	assert_int_equal(guess(&row, pc), 0);
	assert_int_equal(row.reg[reg].kind, off ? CFI_OFFSET : CFI_SAME);
	if (off)
		assert_int_equal(row.reg[reg].off, off);
}

/* The straight way comes back, or ends in a trap: the other one is taken. */
static void code_that_loops(void **state)
{
	struct cfi_row row;

	(void)state;
	CODE(0x53,				/* 1000: push %rbx */
	     0x48, 0x83, 0xec, 0x10,		/* 1001: sub $16,%rsp */
	     0x84, 0xc0,			/* 1005: test %al,%al */
	     0x74, 0x0b,			/* 1007: je 1014 */
	     0xff, 0xd0,			/* 1009: call *%rax */
	     0x85, 0xc0,			/* 100b: test %eax,%eax */
	     0x0f, 0x84, 2, 0, 0, 0,		/* 100d: je 1015 */
	     0xeb, 0xf0,			/* 1013: jmp 1005 */
	     0x48, 0x83, 0xc4, 0x10,		/* 1015: add $16,%rsp */
	     0x5b,				/* 1019: pop %rbx */
	     0xc3);				/* 101a: ret */
	is(0x1005, REG_RSP, 32);
	is(0x100b, REG_RSP, 32);
	is(0x1013, REG_RSP, 32);
	saves(0x100b, REG_RBX, -16);
	/* Before they are saved, registers are unchanged; and behind that. */
	saves(0x1000, REG_RBX, 0);
	saves(0x101a, REG_RBX, 0);
	CODE(0x74, 0x02,			/* 1000: je 1004 */
	     0x0f, 0x0b,			/* 1002: ud2 */
	     0x48, 0x83, 0xc4, 0x18, 0xc3,	/* 1004: add $24,%rsp; ret */
	     0x75, 0xfe, 0xeb, 0xfc);		/* 1009: jne 1009; jmp 1009 */
	is(0x1000, REG_RSP, 32);
	assert_int_equal(guess(&row, 0x1002), -ENOENT);
	assert_int_equal(guess(&row, 0x1009), -ENOENT);
}

/* Arguments are popped into any register; what is saved, into its own. */
static void code_that_cleans_up(void **state)
{
	(void)state;
	CODE(0xff, 0xd0,			/* 1000: call *%rax */
	     0x5a, 0x59,			/* 1002: pop %rdx; pop %rcx */
	     0x5b,				/* 1004: pop %rbx */
	     0xc3);				/* 1005: ret */
	is(0x1002, REG_RSP, 32);
	saves(0x1002, REG_RBX, -16);
	saves(0x1002, REG_RDX, 0);
	saves(0x1002, REG_RCX, 0);
}

/* Go: a frame pointer that is saved and loaded by mov. */
static void code_that_loads(void **state)
{
	(void)state;
	CODE(0x48, 0x83, 0xec, 0x20,		/* 1000: sub $32,%rsp */
	     0x48, 0x89, 0x6c, 0x24, 0x18,	/* 1004: mov %rbp,24(%rsp) */
	     0x48, 0x8d, 0x6c, 0x24, 0x18,	/* 1009: lea 24(%rsp),%rbp */
	     0xff, 0xd0,			/* 100e: call *%rax */
	     0x48, 0x8b, 0x6c, 0x24, 0x18,	/* 1010: mov 24(%rsp),%rbp */
	     0x48, 0x83, 0xc4, 0x20,		/* 1015: add $32,%rsp */
	     0xc3);				/* 1019: ret */
	is(0x1010, REG_RSP, 40);
	saves(0x1010, REG_RBP, -16);
	/* It is stored on the way, before it is loaded. */
	is(0x1004, REG_RSP, 40);
	saves(0x1004, REG_RBP, 0);
	saves(0x1015, REG_RBP, 0);
}

/*
 * 1000: add $40,%rsp; jmp 1010: a tail call; what that function saves is not ours
 * 1010: push %rbx; mov 8(%rsp),%rbx; pop %rbx; ret
 */
static void code_of_a_tail_call(void **state)
{
	(void)state;
	CODE(0x5b, 0x48, 0x83, 0xc4, 0x28, 0xeb, 0x09);
	code.size = 0x10;
	put(&code, (const uint8_t[]){ 0x53, 0x48, 0x8b, 0x5c, 0x24, 0x08, 0x5b,
				      0xc3 }, 8);
	is(0x1000, REG_RSP, 56);
	saves(0x1000, REG_RBX, -56);
	is(0x1001, REG_RSP, 48);
	saves(0x1001, REG_RBX, 0);
}

/* A jump by a table is no tail call: rsp is not at the return address there. */
static void code_of_a_switch(void **state)
{
	struct cfi_row row;

	(void)state;
	CODE(0x74, 0x07,			/* 1000: je 1009 */
	     0xff, 0x24, 0xc5, 0, 0, 0, 0,	/* 1002: jmp *0(,%rax,8) */
	     0x58, 0xc3,			/* 1009: pop %rax; ret */
	     0x48, 0x01, 0xd0, 0x31, 0xd2,	/* 100b: add %rdx,%rax; xor ... */
	     0xff, 0xe0,			/* 1010: jmp *%rax */
	     0xff, 0x25, 0, 0, 0, 0,		/* 1012: jmp *0(%rip) */
	     0x48, 0x01, 0xd0, 0x48, 0x8b, 0x03, /* 1018: add; mov (%rbx),%rax */
	     0xff, 0xe0);			/* 101e: jmp *%rax */
	is(0x1000, REG_RSP, 16);
	assert_int_equal(guess(&row, 0x1002), -ENOENT);
	assert_int_equal(guess(&row, 0x100b), -ENOENT);
	is(0x1010, REG_RSP, 8);
	is(0x1012, REG_RSP, 8);
	is(0x1018, REG_RSP, 8);
}

/* Behind a call and padding, or a prologue, another function begins. */
static void code_behind_a_last_call(void **state)
{
	static const struct {
		uint8_t size, bytes[8];
	} others[] = {
		{ 5, { 0x0f, 0x1f, 0x40, 0x00, 0xc3 } },	/* nopl; ret */
		{ 2, { 0x90, 0xc3 } },				/* nop; ret */
		{ 3, { 0x66, 0x90, 0xc3 } },			/* xchg; ret */
		{ 5, { 0xf3, 0x0f, 0x1e, 0xfa, 0xc3 } },	/* endbr64; ret */
		{ 4, { 0x41, 0x54, 0x41, 0x5c } },		/* push %r12 ... */
		{ 5, { 0x48, 0x83, 0xec, 0x08, 0xc3 } },	/* sub $8,%rsp */
	};
	struct cfi_row row;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		CODE(0x74, 0x05,		/* 1000: je 1007 */
		     0xe8, 9, 0, 0, 0,		/* 1002: call abort */
		     0x48, 0x83, 0xc4, 0x18,	/* 1007: add $24,%rsp; ret */
		     0xc3,
		     0xe8, 9, 0, 0, 0);		/* 100c: call abort */
		put(&code, others[i].bytes, others[i].size);
		is(0x1000, REG_RSP, 32);
		assert_int_equal(guess(&row, 0x100c), -ENOENT);
	}
	/* Here the straight way fails, and the other one does not. */
	CODE(0x74, 0x06,			/* 1000: je 1008 */
	     0xe8, 9, 0, 0, 0,			/* 1002: call abort */
	     0x90,				/* 1007: nop */
	     0x48, 0x83, 0xc4, 0x18, 0xc3);	/* 1008: add $24,%rsp; ret */
	is(0x1000, REG_RSP, 32);
	assert_int_equal(guess(&row, 0x1002), -ENOENT);
}

/* xor %eax,%eax; mov $60,%al; syscall; hlt: as where musl's threads end */
static void code_that_never_returns(void **state)
{
	struct cfi_row row;

	(void)state;
	CODE(0x31, 0xc0, 0xb0, 0x3c, 0x0f, 0x05, 0xf4,
	     0x74, 0xf7,			/* 1007: je 1000 */
	     0xf4,				/* 1009: hlt */
	     0x74, 0xf4,			/* 100a: je 1000 */
	     0xcc);				/* 100c: int3 */
	for (uint64_t pc = 0x1000; pc < 0x100a; pc++) {
		if (pc == 0x1001 || pc == 0x1003 || pc == 0x1004 ||
		    pc == 0x1005 || pc == 0x1008)
			continue;
		assert_int_equal(guess(&row, pc), 0);
		assert_int_equal(row.reg[REG_RIP].kind, CFI_UNDEFINED);
	}
	/* Where one of the ways leads is not known. */
	assert_int_equal(guess(&row, 0x100a), -ENOENT);
	/* Another system call: it goes on, and nobody knows where. */
	code.data[3] = 39;
	code.data[6] = 0xcc;
	assert_int_equal(guess(&row, 0x1000), -ENOENT);
}

/* From each instruction of a trampoline, and from behind it. */
static void code_of_a_trampoline(void **state)
{
	static const uint64_t of_64[] = { 0x1011, 0x1018, 0x101a };
	struct cfi_row row;

	(void)state;
	CODE(0);
	code.size = 0x11;
	/* 1011: mov $15,%rax; syscall */
	put(&code, (const uint8_t[]){ 0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 5,
				      0xcc }, 10);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(guess(&row, of_64[i]), 0);
		assert_true(row.signal);
		assert_int_equal(row.cfa.kind, CFI_SP_OFFSET);
		assert_int_equal(row.cfa.off, 160);
		assert_int_equal(row.reg[REG_RIP].off, 168);
		assert_int_equal(row.reg[REG_RBX].off, 128);
	}
	/* mov $15,%eax is as good; 14 is another call. */
	CODE(0xb8, 15, 0, 0, 0, 0x0f, 5);
	assert_int_equal(guess(&row, 0x1000), 0);
	assert_true(row.signal);
	CODE(0xb8, 14, 0, 0, 0, 0x0f, 5);
	assert_int_equal(guess(&row, 0x1000), -ENOENT);
}

/* By what an immediate byte would be as an instruction: pop %rax. */
static void operands_of_two_byte_opcodes(void **state)
{
	static const uint8_t with[] = { 0x70, 0x71, 0x72, 0x73, 0xa4, 0xac,
					0xba, 0xc2, 0xc4, 0xc5, 0xc6 };

	(void)state;
	for (unsigned int op = 0x10; op < 0x100; op++) {
		bool imm = memchr(with, op, sizeof(with));

		/* syscall and others of the system; other maps; jcc; no modrm */
		if (op == 0x0b || op == 0x0f || (op >= 0x24 && op <= 0x27) ||
		    (op >= 0x30 && op <= 0x3f) || op == 0x77 ||
		    (op & 0xf0) == 0x80 || (op >= 0xa0 && op <= 0xa2) ||
		    (op >= 0xa8 && op <= 0xaa) || (op >= 0xc8 && op <= 0xcf))
			continue;
		CODE(0x0f, op, 0xc0, 0x58, 0xc3);
		is(0x1000, REG_RSP, imm ? 8 : 16);
	}
}

/* Every form of an indirect call, and what is one byte or one bit off. */
static void after_a_call(void **state)
{
	static const struct {
		uint8_t size, bytes[7];
	} calls[] = {
		{ 5, { 0xe8, 1, 2, 3, 4 } },
		{ 2, { 0xff, 0xd0 } },			/* *%rax */
		{ 2, { 0xff, 0x10 } },			/* *(%rax) */
		{ 3, { 0xff, 0x50, 8 } },		/* *8(%rax) */
		{ 6, { 0xff, 0x90, 1, 2, 3, 4 } },	/* *n(%rax) */
		{ 6, { 0xff, 0x15, 1, 2, 3, 4 } },	/* *n(%rip) */
		{ 3, { 0xff, 0x14, 0xc3 } },		/* *(%rbx,%rax,8) */
		{ 4, { 0xff, 0x54, 0xc3, 8 } },		/* *8(%rbx,%rax,8) */
		{ 7, { 0xff, 0x94, 0xc3, 1, 2, 3, 4 } }, /* *n(%rbx,%rax,8) */
		{ 7, { 0xff, 0x14, 0xc5, 1, 2, 3, 4 } }, /* *n(,%rax,8) */
	};
	static int nr;
	char path[20];

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct image *a;
		size_t end = 16 + calls[i].size;

		memset(&code, 0, sizeof(code));
		code.size = 64;
		memcpy(code.data + 16, calls[i].bytes, calls[i].size);
		snprintf(path, sizeof(path), "/call-%d", nr++);
		a = literal_image(images, path, &code, NULL);
		for (size_t at = 0; at < 48; at++)
			assert_int_equal(arch_after_call(a, 0x1000 + at),
					 at == end);
		/* call becomes jmp */
		if (calls[i].size != 5)
			code.data[17] ^= 0x30;
		else
			code.data[16]++;
		assert_false(arch_after_call(a, 0x1000 + end));
	}
}

/* Random bytes: nothing outside of them is read. */
static void code_that_is_none(void **state)
{
	struct cfi_row row;
	uint32_t seed = 1;

	(void)state;
	for (int n = 0; n < 2000; n++) {
		struct image image = { .nr_segments = 1, .is_64 = n & 1 };
		struct segment seg = { 0x1000, 0, 1 + n % 40, PF_R | PF_X };
		uint8_t *bytes = malloc(seg.size);

		for (size_t i = 0; i < seg.size; i++) {
			seed = seed * 1664525 + 1013904223;
			bytes[i] = seed >> 24;
		}
		image.data = bytes;
		image.segments = &seg;
		arch_scan(&image, 0x1000, &row);
		free(bytes);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Where struct sigcontext of each class has them, in its order; -1: none there. */
static void signal_frame_of(bool is_64, int64_t number, int64_t at, const int *order,
			    size_t nr)
{
	struct cfi_row row;
	int left = NR_REGS;

	sigreturn_row(&row, is_64, number, 8, 0x1000);
	assert_true(row.signal);
	assert_int_equal(row.start, 0x1000);
	assert_int_equal(row.end, 0x1001);
	assert_int_equal(row.ra, REG_RIP);
	for (size_t i = 0; i < nr; i++, at += is_64 ? 8 : 4) {
		const struct cfi_rule *rule = &row.reg[order[i] < 0 ? 0 : order[i]];

		if (order[i] < 0)
			continue;
		if (order[i] == REG_RSP)
			rule = &row.cfa;
		assert_int_equal(rule->kind, CFI_SP_OFFSET);
		assert_int_equal(rule->off, 8 + at);
		left--;
	}
	for (int reg = 0; reg < NR_REGS; reg++)
		left -= row.reg[reg].kind == CFI_SAME && reg != REG_RSP;
	assert_int_equal(left, 0);
}

static void signal_frames(void **state)
{
	static const int of_64[] = {
		REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14,
		REG_R15, REG_RDI, REG_RSI, REG_RBP, REG_RBX, REG_RDX, REG_RAX,
		REG_RCX, REG_RSP, REG_RIP,
	};
	static const int of_32[] = {
		/* gs, fs, es, ds */
		-1, -1, -1, -1, REG_RDI, REG_RSI, REG_RBP, REG_RSP, REG_RBX,
		REG_RDX, REG_RCX, REG_RAX,
		/* trapno, err */
		-1, -1, REG_RIP,
	};

	(void)state;
	signal_frame_of(true, 15, 40, of_64, 17);
	signal_frame_of(false, 119, 0, of_32, 15);
	signal_frame_of(false, 173, 160, of_32, 15);
	for (int number = 0; number < 260; number++) {
		assert_int_equal(is_exit(true, number),
				 number == 60 || number == 231);
		assert_int_equal(is_exit(false, number),
				 number == 1 || number == 252);
		assert_int_equal(is_sigreturn(true, number), number == 15);
		assert_int_equal(is_sigreturn(false, number),
				 number == 119 || number == 173);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(compact),		TEST(not_compact),
		TEST(outermost),	TEST(cached),
		TEST(made_once),	TEST(overlapping),
		TEST(guessed_from_one_place),
		TEST(code_of_init),
		TEST(code_with_pushes), TEST(ret_to_what_was_pushed),
		TEST(code_that_jumps),
		TEST(code_that_loops),	TEST(code_that_cleans_up),
		TEST(code_that_loads),	TEST(code_of_a_tail_call),
		TEST(code_of_a_switch), TEST(code_behind_a_last_call),
		TEST(code_that_never_returns),
		TEST(code_of_a_trampoline),
		TEST(operands_of_two_byte_opcodes),
		TEST(after_a_call),
		TEST(code_that_is_none),
		TEST(signal_frames),
		TEST(code_that_loses_rbp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
