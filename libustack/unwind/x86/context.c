// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Code that goes over to another context, where CFI is silent or wrong: glibc's
 * swapcontext(), setcontext() and __start_context(), and libgcc's functions that
 * land where an exception is caught.
 */
#include <string.h>

#include "module/image.h"
#include "unwind/arch.h"
#include "unwind/x86/insn.h"

#define SWITCHER_MAX 512	/* bytes of a function that switches contexts */
#define SWITCH_INSNS 32		/* from the load of rsp to the ret */

/* In the numbers of the instruction set. */
#define INSN_RSP 4

static bool decode_at(const struct image *image, uint64_t at, struct insn *i)
{
	size_t left;
	const uint8_t *code = image_at(image, at, &left);
	struct buf b = { code, code + left, false };

	return code && !insn_decode(&b, i, image->is_64);
}

static bool is_one(const struct insn *i, uint8_t op)
{
	return i->map == MAP_ONE && !i->vex && i->op == op;
}

/* mov disp(base),reg */
static bool is_load(const struct insn *i)
{
	return is_one(i, 0x8b) && i->mod != 3 && !i->other_address;
}

/*
 * glibc's: mov %rbx,%rsp or lea (%esp,%ebx,4),%esp, and then what comes next is
 * taken from there; behind an endbr, or without one.
 */
bool arch_starts_context(const struct image *image, uint64_t pc)
{
	static const uint8_t start_64[] = { 0x48, 0x89, 0xdc };
	static const uint8_t start_32[] = { 0x8d, 0x24, 0x9c };
	static const uint8_t next_64[] = { 0x48, 0x8b, 0x3c, 0x24 };
	size_t left;
	const uint8_t *p = image_at(image, pc, &left);

	if (p && left >= 4 && p[0] == 0xf3 && p[1] == 0x0f && p[2] == 0x1e) {
		p += 4;
		left -= 4;
	}
	if (!p || left < 7)
		return false;
	if (!image->is_64)
		return !memcmp(p, start_32, sizeof(start_32));
	/* mov (%rsp),%rdi or pop %rdi */
	return !memcmp(p, start_64, sizeof(start_64)) &&
	       (!memcmp(p + 3, next_64, sizeof(next_64)) || p[3] == 0x5f);
}

/* Does CFI only say what holds for every function at its start? */
static bool is_plain(const struct cfi_row *row, bool is_64)
{
	if (row->signal || row->start != row->func ||
	    row->end != row->func_end || row->end - row->start > SWITCHER_MAX ||
	    row->cfa.kind != CFI_VAL_OFFSET || row->cfa.reg != REG_RSP ||
	    row->cfa.off != (is_64 ? 8 : 4))
		return false;
	for (unsigned int reg = 0; reg < REG_RIP; reg++)
		if (row->reg[reg].kind != CFI_SAME)
			return false;
	return true;
}

/* A context that is loaded from what base points at, beginning with rsp. */
struct load {
	uint8_t base;			/* of the instruction set, as reg[] */
	uint64_t from, pushed, to;	/* behind rsp, the pc on the stack, the ret */
	struct {
		uint64_t behind;	/* the instruction; 0: there is none */
		int32_t disp;
	} reg[16];
	uint8_t pc;			/* the one that gets the pc */
};

/* The rest of it, behind the load of rsp: it pushes a pc and returns there. */
static bool follow_load(const struct image *image, uint64_t end,
			struct load *load)
{
	uint64_t at = load->from;
	struct insn i;

	load->pushed = 0;
	for (int n = 0; n < SWITCH_INSNS && at < end; n++) {
		if (!decode_at(image, at, &i))
			return false;
		at += i.size;
		if (is_load(&i)) {
			if (!load->pushed && i.rm != load->base)
				return false;
			if (!load->pushed)
				load->reg[i.reg].behind = at;
			load->reg[i.reg].disp = i.disp;
		} else if (i.map == MAP_ONE && (i.op & 0xf8) == 0x50) {
			if (load->pushed || !load->reg[i.reg].behind)
				return false;
			load->pc = i.reg;
			load->pushed = at;
		} else if (is_one(&i, 0xc3)) {
			load->to = at;
			return load->pushed;
		} else if (!is_one(&i, 0x31) && !is_one(&i, 0x33)) {
			return false;
		}
	}
	return false;
}

static bool load_at(const struct image *image, uint64_t at, uint64_t end,
		    struct load *load)
{
	struct insn i;

	if (!decode_at(image, at, &i) || !is_load(&i) || i.reg != INSN_RSP ||
	    i.rm == INSN_RSP)
		return false;
	*load = (struct load){ .base = i.rm, .from = at + i.size };
	return follow_load(image, end, load);
}

/* In the middle of it: what is not loaded yet is where it will be loaded from. */
static void row_in_load(struct cfi_row *row, const struct load *load,
			uint64_t pc)
{
	static const uint8_t dwarf[16] = {
		REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
		REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
		REG_R12, REG_R13, REG_R14, REG_R15,
	};

	row->start = pc;
	row->end = pc + 1;
	row->cfa = (struct cfi_rule){ .kind = CFI_VAL_OFFSET,
				      .reg = dwarf[load->base] };
	row->reg[REG_RSP] = (struct cfi_rule){ .kind = CFI_REGISTER,
					       .reg = REG_RSP };
	for (unsigned int reg = 0; reg < 16; reg++) {
		struct cfi_rule rule = { .kind = CFI_OFFSET,
					 .off = load->reg[reg].disp };

		if (!load->reg[reg].behind)
			continue;
		if (reg == load->pc) {
			if (load->reg[reg].behind <= pc)
				rule = (struct cfi_rule){ .kind = CFI_REGISTER,
							  .reg = dwarf[reg] };
			row->reg[REG_RIP] = rule;
		} else if (load->reg[reg].behind > pc) {
			row->reg[dwarf[reg]] = rule;
		}
	}
}

/*
 * swapcontext() has CFI of a function that leaves its stack alone.  From its load
 * of rsp on that is wrong; from the push of the new pc on it is right again, but
 * that pc may be the first of a function.
 */
static void mend_switch(const struct image *image, uint64_t pc,
			struct cfi_row *row)
{
	uint64_t at = row->func, end = row->func_end;
	struct load load;
	size_t left;
	const uint8_t *p = image_at(image, at, &left);

	if (!p || left < end - at)
		return;
	for (; at + 3 <= end; at++, p++) {
		bool found = image->is_64 ? p[0] == 0x48 && p[1] == 0x8b :
					    p[0] == 0x8b;

		if (!found || (p[image->is_64 + 1] & 0x38) != INSN_RSP << 3 ||
		    !load_at(image, at, end, &load))
			continue;
		if (pc < load.from) {
			row->end = load.from;
			return;
		}
		row->start = load.to;
		if (pc >= load.to)
			continue;
		row->start = load.pushed;
		row->end = load.to;
		row->lands = true;
		if (pc < load.pushed)
			row_in_load(row, &load, pc);
		return;
	}
}

/* pop %rcx; jmp *%rcx, or the jmp of that */
static bool jumps_by_rcx(const struct image *image, uint64_t pc)
{
	size_t left;
	const uint8_t *p = image_at(image, pc, &left);

	if (p && left >= 3 && p[0] == 0x59) {
		p++;
		left--;
	}
	return p && left >= 2 && p[0] == 0xff && p[1] == 0xe1;
}

#define INSTALL_MAX 256		/* bytes, from the call of uw_install_context_1() on */

/*
 * uw_install_context_1() overwrites what its caller saved with what the frame is to
 * get where it lands, one by one.  From there on only _Unwind_DebugHook() is called.
 */
static bool is_installing(const struct image *image, uint64_t pc)
{
	/* A return address is looked up by the last byte of its call. */
	uint64_t at = arch_after_call(image, pc + 1) ? pc + 1 : pc;
	int calls = 0;
	struct insn i;

	for (uint64_t end = at + INSTALL_MAX; at < end; at += i.size) {
		if (jumps_by_rcx(image, at))
			return true;
		if (!decode_at(image, at, &i) || is_one(&i, 0xc3))
			return false;
		calls += is_one(&i, 0xe8);
		if (calls > 1)
			return false;
	}
	return false;
}

/*
 * Functions that use gcc's __builtin_eh_return() save rax and rdx, for landing
 * pads.  When their CFI says that the CFA is the new one, on rcx or on rsp, all
 * registers are loaded, whatever else it says.
 */
static void mend_eh_return(const struct image *image, uint64_t pc,
			   struct cfi_row *row)
{
	row->start = pc;
	row->end = pc + 1;
	if (row->cfa.reg != REG_RCX && !jumps_by_rcx(image, pc)) {
		row->installs = is_installing(image, pc);
		return;
	}
	row->lands = true;
	for (unsigned int reg = 0; reg < REG_RIP; reg++)
		row->reg[reg] = (struct cfi_rule){ .kind = CFI_SAME };
}

/* By the row alone, whatever its pc: a rule that is kept holds for all of the row. */
static bool is_eh_return(const struct image *image, const struct cfi_row *row)
{
	if (row->signal || row->cfa.kind != CFI_VAL_OFFSET)
		return false;
	if (row->reg[REG_RAX].kind == CFI_OFFSET &&
	    row->reg[REG_RDX].kind == CFI_OFFSET)
		return true;
	/* i386: CFI says that they are restored. */
	if (row->cfa.reg == REG_RCX)
		return jumps_by_rcx(image, row->end);
	return row->reg[REG_RIP].kind == CFI_REGISTER &&
	       row->reg[REG_RIP].reg == REG_RCX &&
	       jumps_by_rcx(image, row->start);
}

void arch_mend_row(const struct image *image, uint64_t pc, struct cfi_row *row)
{
	row->lands = row->installs = false;
	if (is_eh_return(image, row)) {
		mend_eh_return(image, pc, row);
	} else if (is_plain(row, image->is_64)) {
		if (arch_starts_context(image, row->func))
			row->reg[REG_RIP].kind = CFI_UNDEFINED;
		else
			mend_switch(image, pc, row);
	}
}

/* --- libgcc's contexts ----------------------------------------------------- */

/* Words of its struct _Unwind_Context. */
enum {
	CONTEXT_CFA = 18,	/* behind pointers to the registers by number */
	CONTEXT_RA,
	CONTEXT_FLAGS = 24,
	CONTEXT_ARGS_SIZE = 26,
	CONTEXT_WORDS,
};

#define INSTALLER_FRAME_MAX 8192	/* bytes of a frame with two contexts */
#define ARGS_SIZE_MAX (1 << 20)		/* bytes of arguments that are on the stack */

static bool read_context(const struct mem *mem, uint64_t at, uint64_t *word)
{
	unsigned int size = mem_word_size(mem);
	uint64_t extended = mem->is_32 ? 1ULL << 30 : 1ULL << 62;

	if (mem_read_word(mem, at + CONTEXT_FLAGS * size,
			  &word[CONTEXT_FLAGS]) ||
	    (word[CONTEXT_FLAGS] & ~(extended * 2)) != extended)
		return false;
	for (int n = 0; n < CONTEXT_WORDS; n++, at += size)
		if (mem_read_word(mem, at, &word[n]))
			return false;
	return true;
}

/* The registers that were saved where context says, and that it lands with. */
static void load_context(const struct mem *mem, const uint64_t *context,
			 struct cpu *cpu)
{
	uint32_t kept = kept_always(mem->is_32) &
			~(1u << REG_RSP | 1u << REG_RIP);

	for (unsigned int n = 0; n < CONTEXT_CFA; n++) {
		unsigned int reg = reg_of_dwarf(mem->is_32, n);
		uint64_t val;

		if (reg >= NR_REGS || !(kept & 1u << reg))
			continue;
		if (!mem_read_word(mem, context[n], &val))
			cpu_set(cpu, reg, val);
		else
			cpu_forget(cpu, reg);
	}
	cpu_set(cpu, REG_RSP,
		context[CONTEXT_CFA] + context[CONTEXT_ARGS_SIZE]);
	cpu_set(cpu, REG_RIP, context[CONTEXT_RA]);
}

/*
 * Two contexts are in the frame of such a function: that of itself, and that of the
 * frame which it has unwound to.
 */
bool arch_installed_context(const struct mem *mem, uint64_t cfa,
			    struct cpu *cpu)
{
	unsigned int size = mem_word_size(mem);
	uint64_t context[CONTEXT_WORDS];

	if (cfa - cpu->reg[REG_RSP] > INSTALLER_FRAME_MAX)
		return false;
	for (uint64_t at = cpu->reg[REG_RSP]; at + CONTEXT_WORDS * size < cfa;
	     at += size) {
		if (read_context(mem, at, context) &&
		    context[CONTEXT_CFA] > cfa &&
		    context[CONTEXT_ARGS_SIZE] < ARGS_SIZE_MAX) {
			load_context(mem, context, cpu);
			return true;
		}
	}
	return false;
}
