// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Code without CFI tells by itself where its return address is: it is followed
 * from pc to a ret, and every push, pop and change of rsp on the way counts.
 * The stack is the same at every ret, so any way there will do: conditional jumps
 * are taken where the straight one comes back to itself or ends otherwise.  Calls
 * are balanced, and a jump that leaves the function is a tail call.
 *
 * A callee-saved register has the caller's value at the ret: it was last loaded
 * from where it is saved, or not at all.  Loads of what the way itself stored do
 * not count, nor do pops into other registers: they clean up arguments.
 *
 * The result is a guess: the caller checks that there is a call before the
 * return address.
 */
#include <errno.h>
#include <string.h>

#include "module/image.h"
#include "unwind/arch.h"
#include "unwind/x86/insn.h"
#include "unwind/x86/signal.h"

#define INSNS_MAX 1500		/* on all ways */
#define VISITED_MAX 2048	/* a power of two above that */
#define WAYS_MAX 24		/* that wait */
#define STORES_MAX 8

/* A value as a sum: what a register held at pc, and an offset. */
struct sum {
	uint8_t base;		/* REG_RSP, REG_RBP, or NR_REGS: not known */
	int64_t off;
};

static const struct sum unknown = { .base = NR_REGS };

/* A register that was stored on the way, and what slot was then. */
struct stored {
	uint8_t reg;		/* NR_REGS: something else */
	struct sum at, slot;
};

/* Where a way is, and what it knows. */
struct scan {
	uint64_t at;
	int word;			/* bytes of a push */
	uint32_t kept;			/* callee-saved registers */
	struct sum sp, bp;
	int64_t ax;			/* a constant, or -1 */
	struct sum slot[NR_REGS];	/* where a kept one was last loaded from */
	struct stored stored[STORES_MAX];
	unsigned int nr_stored;		/* in all; the oldest are forgotten */
	uint32_t added;			/* registers, as sums of two */
	bool called;			/* the last instruction was a call */
};

/* From the numbers of the instruction set to those of DWARF. */
static const uint8_t dwarf_reg[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8,	 REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

static struct sum value(const struct scan *s, uint8_t reg)
{
	return reg == REG_RSP ? s->sp : reg == REG_RBP ? s->bp : unknown;
}

static bool is_push(const struct insn *i)
{
	return (i->op & 0xf8) == 0x50 || i->op == 0x68 || i->op == 0x6a ||
	       i->op == 0x9c || (i->op == 0xff && (i->reg & 7) == 6) ||
	       /* Popped later: i386 gets its own pc by this call. */
	       (i->op == 0xe8 && !i->imm);
}

static bool same_sum(struct sum a, struct sum b)
{
	return a.base == b.base && a.off == b.off && a.base != NR_REGS;
}

static void scan_store(struct scan *s, uint8_t reg, struct sum at)
{
	s->stored[s->nr_stored++ % STORES_MAX] = (struct stored){
		.reg = reg, .at = at,
		.slot = reg < NR_REGS ? s->slot[reg] : unknown,
	};
}

static void scan_push(struct scan *s, const struct insn *i)
{
	bool is_reg = (i->op & 0xf8) == 0x50;

	s->sp.off -= s->word;
	scan_store(s, is_reg ? dwarf_reg[i->reg] : NR_REGS, s->sp);
}

static void scan_load(struct scan *s, uint8_t reg, struct sum at)
{
	unsigned int n = s->nr_stored;

	if (reg == REG_RBP)
		s->bp = unknown;
	if (reg == REG_RAX)
		s->ax = -1;
	if (!(s->kept & 1u << reg))
		return;
	s->slot[reg] = at;
	for (unsigned int i = n > STORES_MAX ? n - STORES_MAX : 0; i < n; i++) {
		const struct stored *st = &s->stored[i % STORES_MAX];

		if (same_sum(st->at, at))
			s->slot[reg] = st->reg == reg ? st->slot : unknown;
	}
}

static void scan_pop(struct scan *s, uint8_t reg)
{
	scan_load(s, reg, s->sp);
	if (reg == REG_RSP)
		s->sp = unknown;
	else
		s->sp.off += s->word;
}

/* cmp and test */
static bool writes_no_register(const struct insn *i)
{
	return (i->op >= 0x38 && i->op <= 0x3b) || i->op == 0x84 ||
	       i->op == 0x85 ||
	       ((i->op == 0x81 || i->op == 0x83) && (i->reg & 7) == 7);
}

/* mov, lea, add and sub of which the result is known; reg gets it. */
static bool known_result(const struct scan *s, const struct insn *i,
			 uint8_t *reg, struct sum *val)
{
	uint8_t r = dwarf_reg[i->reg], rm = dwarf_reg[i->rm];

	if (i->op == 0x89 && i->mod == 3) {
		*reg = rm;
		*val = value(s, r);
	} else if (i->op == 0x8b && i->mod == 3) {
		*reg = r;
		*val = value(s, rm);
	} else if (i->op == 0x8d) {
		*reg = r;
		*val = i->other_address ? unknown : value(s, rm);
		val->off += i->disp;
	} else if ((i->op == 0x81 || i->op == 0x83) && i->mod == 3 &&
		   ((i->reg & 7) == 0 || (i->reg & 7) == 5)) {
		*reg = rm;
		*val = value(s, rm);
		val->off += (i->reg & 7) == 0 ? i->imm : -i->imm;
	} else {
		return false;
	}
	return true;
}

/* The register that any other instruction with modrm writes, or NR_REGS. */
static uint8_t result_reg(const struct insn *i)
{
	bool to_reg = false;

	/* Bit 1 of an arithmetic opcode: the result goes to reg. */
	if (i->op < 0x40 || (i->op >= 0x86 && i->op <= 0x8b))
		to_reg = i->op & 2;
	else if (i->op == 0x63 || i->op == 0x69 || i->op == 0x6b)
		to_reg = true;
	if (to_reg)
		return dwarf_reg[i->reg];
	return i->mod == 3 ? dwarf_reg[i->rm] : NR_REGS;
}

/* mov between a register and memory at a known place. */
static bool scan_mov(struct scan *s, const struct insn *i)
{
	struct sum at = value(s, dwarf_reg[i->rm]);

	if ((i->op != 0x89 && i->op != 0x8b) || i->mod == 3 ||
	    i->other_address || at.base == NR_REGS)
		return false;
	at.off += i->disp;
	if (i->op == 0x89)
		scan_store(s, dwarf_reg[i->reg], at);
	else if (i->reg == 4)
		s->sp = unknown;
	else
		scan_load(s, dwarf_reg[i->reg], at);
	return true;
}

/* What is known of the number of a system call. */
static void scan_ax(struct scan *s, const struct insn *i)
{
	bool one = i->map == MAP_ONE && !i->vex;

	if (one && i->op == 0xb8 && !i->reg)
		s->ax = i->imm;			/* mov $n,%eax */
	else if (one && i->op == 0xc7 && i->mod == 3 && !i->rm)
		s->ax = i->imm;			/* mov $n,%rax */
	else if (one && (i->op == 0x31 || i->op == 0x33) && i->mod == 3 &&
		 !i->rm && !i->reg)
		s->ax = 0;			/* xor %eax,%eax */
	else if (one && i->op == 0xb0 && s->ax >= 0)
		s->ax = (s->ax & ~0xff) | (i->imm & 0xff); /* mov $n,%al */
	else if (one && (i->op == 0xe8 || i->op == 0xf7 || i->op == 0xf6 ||
			 i->op == 0x98 || i->op == 0xcd ||
			 (i->op == 0xff && (i->reg & 7) == 2) ||
			 (i->has_modrm && i->mod == 3 && !i->rm &&
			  !writes_no_register(i)) ||
			 (i->has_modrm && !i->reg)))
		s->ax = -1;
}

/* Instructions of the two-byte map that write to a register. */
static bool writes_reg_0f(const struct insn *i)
{
	return (i->op & 0xf0) == 0x40 || i->op == 0xaf ||
	       (i->op & 0xf6) == 0xb6 || (i->op & 0xfe) == 0xbc;
}

/* What any other instruction does to rsp, rbp and saved registers. */
static void scan_insn(struct scan *s, const struct insn *i)
{
	struct sum val = unknown;
	uint8_t reg;

	if (i->vex || i->map != MAP_ONE) {
		if (i->map == MAP_0F && !i->vex && writes_reg_0f(i) &&
		    dwarf_reg[i->reg] == REG_RBP)
			s->bp = unknown;
	} else if (is_push(i)) {
		scan_push(s, i);
	} else if ((i->op & 0xf8) == 0x58) {
		scan_pop(s, dwarf_reg[i->reg]);
	} else if (i->op == 0x9d || i->op == 0x8f) {	/* popf, pop to memory */
		s->sp.off += s->word;
	} else if (i->op == 0xc9) {			/* leave */
		s->sp = s->bp;
		scan_pop(s, REG_RBP);
	} else if ((i->op & 0xf8) == 0xb8 && dwarf_reg[i->reg] == REG_RBP) {
		s->bp = unknown;			/* mov $n,%ebp */
	} else if (i->has_modrm && !writes_no_register(i) && !scan_mov(s, i)) {
		if (!known_result(s, i, &reg, &val))
			reg = result_reg(i);
		if (reg == REG_RSP)
			s->sp = val;
		else if (reg == REG_RBP)
			s->bp = val;
	}
}

/* The row that says: CFA behind the return address that sp points at. */
static int scan_row(const struct scan *s, uint64_t pc, struct cfi_row *row)
{
	/* A ret to what was pushed on the way calls that. */
	if (s->sp.base == NR_REGS || (s->sp.base == REG_RSP && s->sp.off < 0))
		return -ENOENT;
	*row = (struct cfi_row){ .start = pc, .end = pc + 1, .ra = REG_RIP };
	row->cfa.kind = CFI_VAL_OFFSET;
	row->cfa.reg = s->sp.base;
	row->cfa.off = s->sp.off + s->word;
	row->reg[REG_RIP].kind = CFI_OFFSET;
	row->reg[REG_RIP].off = -s->word;
	for (unsigned int reg = 0; reg < REG_RIP; reg++) {
		const struct sum *slot = &s->slot[reg];

		/* Not saved yet, or not any more: its slot is below rsp. */
		if (slot->base == NR_REGS ||
		    (slot->base == REG_RSP && slot->off < 0))
			continue;
		/* The base is another one where the function realigned its stack. */
		if (slot->base == s->sp.base) {
			row->reg[reg].kind = CFI_OFFSET;
			row->reg[reg].off = slot->off - row->cfa.off;
		} else {
			row->reg[reg].kind = CFI_UNDEFINED;
		}
	}
	return 0;
}

/* All ways from one pc. */
struct ways {
	const struct image *image;
	uint64_t pc, start, end;	/* of the hole in the CFI */
	struct scan wait[WAYS_MAX];	/* the last one is the next */
	unsigned int nr;
	uint32_t visited[VISITED_MAX];	/* offsets from pc, plus one; by hash */
	bool lost;			/* a way led to where nobody knows */
	bool no_return;			/* a way ended for good */
};

static bool visit(struct ways *w, uint64_t at)
{
	uint32_t key = at - w->pc + 1;
	size_t i = key * 0x9e3779b1u & (VISITED_MAX - 1);

	while (w->visited[i] && w->visited[i] != key)
		i = (i + 1) & (VISITED_MAX - 1);
	if (w->visited[i])
		return false;
	w->visited[i] = key;
	return true;
}

static bool in_hole(const struct ways *w, uint64_t at)
{
	return at >= w->start && at < w->end;
}

static void wait_there(struct ways *w, const struct scan *s, uint64_t at)
{
	if (w->nr == WAYS_MAX || !in_hole(w, at)) {
		w->lost = true;
		return;
	}
	w->wait[w->nr] = *s;
	w->wait[w->nr++].at = at;
}

enum end_of_way {
	WAY_GOES_ON,
	WAY_RETURNS,		/* sp is at the return address */
	WAY_ENDS,		/* nowhere, or where another one has been */
	WAY_SIGRETURNS,		/* it is a signal's trampoline */
};

static enum end_of_way lose(struct ways *w)
{
	w->lost = true;
	return WAY_ENDS;
}

static bool is_jcc(const struct insn *i)
{
	return !i->vex && ((i->map == MAP_ONE && (i->op & 0xf0) == 0x70) ||
			   (i->map == MAP_ONE && i->op >= 0xe0 && i->op <= 0xe3) ||
			   (i->map == MAP_0F && (i->op & 0xf0) == 0x80));
}

/* A jump through a register or memory: of a switch, or a tail call. */
static enum end_of_way indirect(struct ways *w, const struct scan *s,
				const struct insn *i)
{
	if (i->indexed || (i->mod == 3 && s->added & 1u << i->rm))
		return lose(w);
	return WAY_RETURNS;
}

static enum end_of_way system_call(struct ways *w, struct scan *s)
{
	bool is_64 = w->image->is_64;

	if (is_sigreturn(is_64, s->ax))
		return WAY_SIGRETURNS;
	if (is_exit(is_64, s->ax)) {
		w->no_return = true;
		return WAY_ENDS;
	}
	s->ax = -1;
	return WAY_GOES_ON;
}

static bool is_call(const struct insn *i)
{
	return i->map == MAP_ONE && !i->vex &&
	       (i->op == 0xe8 || (i->op == 0xff && (i->reg & 7) == 2));
}

/* add between registers, as before a jump by a table of offsets; mov, lea, pop. */
static void scan_added(struct scan *s, const struct insn *i)
{
	if (i->map != MAP_ONE || i->vex)
		return;
	if (i->op == 0x01 && i->mod == 3)
		s->added |= 1u << i->rm;
	else if (i->op == 0x03 && i->mod == 3)
		s->added |= 1u << i->reg;
	else if (i->op == 0x8b || i->op == 0x8d || (i->op & 0xf8) == 0x58 ||
		 (i->op & 0xf8) == 0xb8)
		s->added &= ~(1u << i->reg);
	else if (i->op == 0x89 && i->mod == 3)
		s->added &= ~(1u << i->rm);
}

/*
 * Behind a call that never returns comes another function, mostly behind padding.
 * Go has marks of one byte behind calls that do.
 */
static bool starts_another(const struct ways *w, const struct insn *i)
{
	if (i->vex)
		return false;
	if (i->map == MAP_0F)
		return i->op == 0x1f || i->op == 0x1e;	/* nop, endbr64 */
	if (i->map != MAP_ONE || !w->image->is_64)
		return false;
	if ((i->op & 0xf8) == 0x50)			/* push of a saved one */
		return kept_bit(dwarf_reg[i->reg]);
	if (i->op == 0x83 || i->op == 0x81)		/* sub $n,%rsp */
		return i->mod == 3 && i->rm == 4 && (i->reg & 7) == 5;
	return i->op == 0x90 && (i->size > 1 || !w->image->is_go);
}

static enum end_of_way follow(struct ways *w, struct scan *s,
			      const struct insn *i)
{
	bool one = i->map == MAP_ONE && !i->vex;

	if (is_jcc(i)) {
		wait_there(w, s, s->at + i->imm);
		return WAY_GOES_ON;
	}
	if (one && (i->op == 0xc3 || i->op == 0xc2))
		return WAY_RETURNS;
	if (one && i->op == 0xff && (i->reg & 7) == 4)
		return indirect(w, s, i);
	if (one && (i->op == 0xe9 || i->op == 0xeb)) {
		s->at += i->imm;
		/* A tail call. */
		return in_hole(w, s->at) ? WAY_GOES_ON : WAY_RETURNS;
	}
	if (i->map == MAP_0F && !i->vex && i->op == 0x05)
		return system_call(w, s);
	if (one && i->op == 0xcd && (i->imm & 0xff) == 0x80)
		return system_call(w, s);
	scan_added(s, i);
	scan_ax(s, i);
	scan_insn(s, i);
	if (s->called && starts_another(w, i))
		return lose(w);
	s->called = is_call(i);
	return WAY_GOES_ON;
}

static enum end_of_way scan_step(struct ways *w, struct scan *s)
{
	const uint8_t *code = NULL;
	struct insn i;
	struct buf b;
	size_t left;

	if (!visit(w, s->at))
		return WAY_ENDS;
	/* Code with CFI is another function: this one never returns. */
	if (in_hole(w, s->at))
		code = image_at(w->image, s->at, &left);
	if (!code)
		return lose(w);
	if (*code == 0xf4) {		/* hlt: not for user mode */
		w->no_return = true;
		return WAY_ENDS;
	}
	b = (struct buf){ code, code + left, false };
	if (insn_decode(&b, &i, w->image->is_64))
		return lose(w);
	s->at += b.p - code;
	return follow(w, s, &i);
}

static void scan_init(struct scan *s, const struct image *image, uint64_t pc)
{
	*s = (struct scan){
		.at = pc, .word = image->is_64 ? 8 : 4,
		.kept = kept_always(!image->is_64) &
			~(1u << REG_RSP | 1u << REG_RIP),
		.sp = { REG_RSP, 0 }, .bp = { REG_RBP, 0 }, .ax = -1,
	};
	for (unsigned int reg = 0; reg < NR_REGS; reg++)
		s->slot[reg] = unknown;
}

/* Whichever way, it ends the thread or the process. */
static int no_return_row(const struct ways *w, struct cfi_row *row)
{
	if (w->lost || !w->no_return)
		return -ENOENT;
	*row = (struct cfi_row){ .start = w->pc, .end = w->pc + 1,
				 .ra = REG_RIP };
	row->cfa = (struct cfi_rule){ .kind = CFI_VAL_OFFSET, .reg = REG_RSP };
	row->reg[REG_RIP].kind = CFI_UNDEFINED;
	return 0;
}

int arch_scan(const struct image *image, uint64_t pc, struct cfi_row *row)
{
	struct ways w;
	struct scan s;
	int64_t number;

	/* What waits is written before it is read. */
	w.image = image;
	w.pc = pc;
	w.nr = 0;
	w.lost = w.no_return = false;
	memset(w.visited, 0, sizeof(w.visited));

	if (sigreturn_at(image, pc, &number)) {
		sigreturn_row(row, image->is_64, number, 0, pc);
		return 0;
	}
	cfi_hole(&image->cfi, pc, &w.start, &w.end);
	/* It has CFI, but the caller doubts it: up to the next function. */
	if (pc < w.start)
		w.start = 0;
	scan_init(&s, image, pc);
	for (int n = 0; n < INSNS_MAX; n++) {
		switch (scan_step(&w, &s)) {
		case WAY_GOES_ON:
			continue;
		case WAY_RETURNS:
			if (!scan_row(&s, pc, row))
				return 0;
			w.lost = true;
			break;
		case WAY_SIGRETURNS:
			if (s.sp.base == REG_RSP) {
				sigreturn_row(row, image->is_64, s.ax,
					      s.sp.off, pc);
				return 0;
			}
			w.lost = true;
			break;
		case WAY_ENDS:
			break;
		}
		if (!w.nr)
			return no_return_row(&w, row);
		s = w.wait[--w.nr];
	}
	return -ENOENT;
}

bool arch_is_sigreturn(const struct image *image, uint64_t pc)
{
	int64_t number;
	size_t left;
	const uint8_t *p = image_at(image, pc, &left);

	/* pop %eax: of i386, the signal's number */
	return sigreturn_at(image, pc, &number) ||
	       (!image->is_64 && p && *p == 0x58 &&
		sigreturn_at(image, pc + 1, &number));
}

bool arch_straight(const struct image *image, uint64_t from, uint64_t to)
{
	while (from < to) {
		size_t left;
		const uint8_t *code = image_at(image, from, &left);
		struct insn i;
		struct buf b;

		if (!code)
			return false;
		b = (struct buf){ code, code + left, false };
		if (insn_decode(&b, &i, image->is_64))
			return false;
		/* Behind a ret or a jump another function may begin. */
		if (i.map == MAP_ONE && !i.vex &&
		    (i.op == 0xc3 || i.op == 0xc2 || i.op == 0xe9 ||
		     i.op == 0xeb || (i.op == 0xff && (i.reg & 7) == 4)))
			return false;
		from += b.p - code;
	}
	return from == to;
}

bool arch_marks_outermost(const struct image *image, uint64_t pc)
{
	size_t left, before = 0;
	const uint8_t *p;

	while (before < 24 && image_at(image, pc - before - 1, &left))
		before++;
	if (before < 2)
		return false;
	p = image_at(image, pc - before, &left);
	if (!p || left < before)
		return false;
	/* xor %ebp,%ebp */
	for (size_t n = 0; n + 2 <= before; n++)
		if ((p[n] == 0x31 || p[n] == 0x33) && p[n + 1] == 0xed)
			return true;
	return false;
}
