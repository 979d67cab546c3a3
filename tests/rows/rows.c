// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * rows FILE...: all rows of the CFI of ELF files, as this library has them, against
 * those that readelf prints and those that libdw has, at both of their ends.  Says
 * where they differ, and how many of how many files do; 1 if any does, unless only
 * libdw differs.
 *
 * "-": names of files come from standard input.  What is no program and no library
 * for x86 is passed over.
 */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "module/images.h"
#include "module/space.h"
#include "unwind/row.h"
#include "ustack.h"

#define ADDR 0x10000000
#define COLUMNS 40
#define CIES 8192
#define SHOWN 5		/* differences of a file */

static struct {
	uint64_t files, rows, of_other_fde, cie_restores, no_libdw, not_readelf,
		not_libdw, not_any;
} sum;

/* --- a row, in one form for all three ------------------------------------------- */

enum kind { UNKNOWN, SAME, UNDEFINED, SAVED, VALUE, REGISTER, EXPR, VAL_EXPR };

struct value {
	enum kind kind;
	unsigned int reg;
	int64_t off;
};

struct row {
	struct value cfa, reg[NR_REGS];
};

static struct value of_kind(enum kind kind)
{
	return (struct value){ .kind = kind };
}

static void print_value(const char *name, const struct value *v)
{
	static const char *const of[] = {
		"?", "same", "undefined", "saved", "value", "register",
		"expression", "value expression",
	};

	printf(" %s %s %u%+" PRId64, name, of[v->kind], v->reg, v->off);
}

/* What nothing is said of is unknown to others, and unchanged to us. */
static bool same_value(const struct value *a, const struct value *b, bool loose)
{
	bool a_none = a->kind == SAME || a->kind == UNDEFINED;
	bool b_none = b->kind == SAME || b->kind == UNDEFINED;

	if (a->kind == UNKNOWN || b->kind == UNKNOWN || (loose && a_none && b_none))
		return true;
	return a->kind == b->kind && a->reg == b->reg && a->off == b->off;
}

/* Ours and another's: the number of the first register that differs, or -1. */
static int differs(const struct row *own, const struct row *other)
{
	if (!same_value(&own->cfa, &other->cfa, false))
		return NR_REGS;
	for (unsigned int reg = 0; reg < NR_REGS; reg++)
		if (!same_value(&own->reg[reg], &other->reg[reg],
				reg != REG_PC))
			return reg;
	return -1;
}

static struct value own_value(const struct cfi_rule *r, bool cfa)
{
	switch (r->kind) {
	case CFI_SAME:
		return of_kind(SAME);
	case CFI_UNDEFINED:
		return of_kind(UNDEFINED);
	case CFI_OFFSET:
		return (struct value){ SAVED, 0, r->off };
	case CFI_VAL_OFFSET:
		return (struct value){ VALUE, cfa ? r->reg : 0, r->off };
	case CFI_REGISTER:
		return (struct value){ REGISTER, r->reg, 0 };
	case CFI_EXPR:
		return of_kind(EXPR);
	default:
		return of_kind(VAL_EXPR);
	}
}

static int own_row(const struct cfi *cfi, uint64_t pc, struct row *row,
		   struct cfi_row *found)
{
	int err = cfi_row(cfi, pc, found);

	if (err)
		return err;
	row->cfa = own_value(&found->cfa, true);
	for (unsigned int reg = 0; reg < NR_REGS; reg++)
		row->reg[reg] = own_value(&found->reg[reg], false);
	return 0;
}

/* --- libdw's -------------------------------------------------------------------- */

static struct value libdw_value(const Dwarf_Op *ops, size_t n, const Dwarf_Op *mem,
				bool is_64)
{
	if (!n)
		return of_kind(ops == mem ? UNDEFINED : SAME);
	/* "The CFA + offset", saved there, or that itself. */
	if (ops[0].atom == DW_OP_call_frame_cfa) {
		int64_t off = 0;
		size_t i = 1;

		if (i < n && ops[i].atom == DW_OP_plus_uconst)
			off = ops[i++].number;
		if (i == n)
			return (struct value){ SAVED, 0, off };
		if (i + 1 == n && ops[i].atom == DW_OP_stack_value)
			return (struct value){ VALUE, 0, off };
		/* An expression begins with it, too. */
		return of_kind(UNKNOWN);
	}
	if (n == 1 && ops[0].atom == DW_OP_regx)
		return (struct value){ REGISTER, reg_of_dwarf(!is_64, ops[0].number), 0 };
	return of_kind(UNKNOWN);
}

static bool libdw_row(Dwarf_CFI *cfi, uint64_t pc, struct row *row, bool is_64,
		      uint64_t *start, uint64_t *end)
{
	Dwarf_Op *ops, mem[3];
	Dwarf_Frame *frame;
	bool signal;
	size_t n;

	if (!cfi || dwarf_cfi_addrframe(cfi, pc, &frame))
		return false;
	dwarf_frame_info(frame, start, end, &signal);
	memset(row, 0, sizeof(*row));
	if (dwarf_frame_cfa(frame, &ops, &n) || !n) {
		free(frame);
		return false;
	}
	if (n == 1 && ops[0].atom == DW_OP_bregx)
		row->cfa = (struct value){ VALUE, reg_of_dwarf(!is_64, ops[0].number),
					   ops[0].number2 };
	else if (n == 1 && ops[0].atom >= DW_OP_breg0 && ops[0].atom <= DW_OP_breg31)
		row->cfa = of_kind(UNKNOWN);	/* or an expression */
	else
		row->cfa = of_kind(VAL_EXPR);
	for (unsigned int dwarf = 0; dwarf < (is_64 ? NR_REGS : 9); dwarf++) {
		unsigned int reg = reg_of_dwarf(!is_64, dwarf);

		/* Of the stack pointer it says that it is the CFA. */
		if (reg != REG_SP && !dwarf_frame_register(frame, dwarf, mem, &ops, &n))
			row->reg[reg] = libdw_value(ops, n, mem, is_64);
	}
	free(frame);
	return true;
}

/* --- readelf's ------------------------------------------------------------------ */

static unsigned int reg_by_name(const char *name)
{
	static const char *const names[] = {
		"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8",
		"r9", "r10", "r11", "r12", "r13", "r14", "r15", "ra",
	};
	static const char *const names_32[] = {
		"eax", "edx", "ecx", "ebx", "esi", "edi", "ebp", "esp",
	};

	for (unsigned int i = 0; i < NR_REGS; i++)
		if (!strcmp(name, names[i]) || (i < 8 && !strcmp(name, names_32[i])))
			return i;
	return !strcmp(name, "rip") || !strcmp(name, "eip") ? REG_RIP : NR_REGS;
}

static struct value value_of(const char *text)
{
	if (!strcmp(text, "u"))
		return of_kind(UNDEFINED);
	if (!strcmp(text, "s"))
		return of_kind(SAME);
	if (!strcmp(text, "exp"))
		return of_kind(EXPR);
	if (!strcmp(text, "vexp"))
		return of_kind(VAL_EXPR);
	if (text[0] == 'c' && strchr("+-", text[1]))
		return (struct value){ SAVED, 0, strtoll(text + 1, NULL, 10) };
	if (text[0] == 'v' && strchr("+-", text[1]))
		return (struct value){ VALUE, 0, strtoll(text + 1, NULL, 10) };
	if (reg_by_name(text) < NR_REGS)
		return (struct value){ REGISTER, reg_by_name(text), 0 };
	return of_kind(UNKNOWN);
}

static struct value cfa_of(const char *text)
{
	size_t n = strcspn(text, "+-");
	char name[8];

	if (!strcmp(text, "exp"))
		return of_kind(VAL_EXPR);
	if (!text[n] || n >= sizeof(name))
		return of_kind(UNKNOWN);
	memcpy(name, text, n);
	name[n] = 0;
	return (struct value){ VALUE, reg_by_name(name), strtoll(text + n, NULL, 10) };
}

struct file {
	const char *path;
	const struct cfi *cfi;
	bool is_64;
	Dwarf_CFI *eh, *debug;
	uint64_t shown;

	/* Of readelf's text: */
	struct {
		uint64_t at;
		bool debug;
		struct row row;
	} cie[CIES];
	size_t nr_cies;
	bool in_debug, in_cie, in_fde, has_rows, has_row;
	uint64_t start, end, cie_at, at;
	unsigned int column[COLUMNS];
	size_t nr_columns;
	struct row row;
};

/* --- all three -------------------------------------------------------------------- */

static void show(struct file *f, uint64_t pc, const char *whose, const struct row *own,
		 const struct row *other, int which)
{
	const struct value *a = which == NR_REGS ? &own->cfa : &own->reg[which];
	const struct value *b = which == NR_REGS ? &other->cfa : &other->reg[which];

	if (f->shown++ >= SHOWN)
		return;
	printf("%s: pc %" PRIx64 ", %s %d:", f->path, pc,
	       which == NR_REGS ? "CFA" : "register", which);
	print_value("ours", a);
	print_value(whose, b);
	printf("\n");
}

/*
 * A CIE that ends in DW_CFA_restore: there is nothing yet that it could restore.  To
 * gcc's run-time, and to us, the register is unchanged; readelf passes over it.
 */
static bool cie_restores(const struct cfi *cfi, uint64_t pc)
{
	const uint8_t *p;
	struct fde fde;

	if (cfi_find(&cfi, pc, &fde))
		return false;
	p = fde.cie.insns.end;
	while (p > fde.cie.insns.p && p[-1] == DW_CFA_nop)
		p--;
	return p > fde.cie.insns.p && (p[-1] & 0xc0) == DW_CFA_restore;
}

static void compare(struct file *f, uint64_t pc, const struct row *row)
{
	struct row own, other;
	struct cfi_row found;
	uint64_t start, end;
	int err = own_row(f->cfi, pc, &own, &found), a, b = -1;
	bool has;

	/* Where FDEs overlap, it is another's row. */
	if (!err && (found.func != f->start || found.func_end != f->end)) {
		sum.of_other_fde++;
		return;
	}
	if (err) {
		sum.not_readelf++;
		sum.not_any++;
		if (f->shown++ < SHOWN)
			printf("%s: pc %" PRIx64 ": no row: %s\n", f->path, pc,
			       strerror(-err));
		return;
	}
	a = differs(&own, row);
	if (a >= 0 && cie_restores(f->cfi, pc)) {
		sum.cie_restores++;
		return;
	}
	has = libdw_row(f->in_debug ? f->debug : f->eh, pc, &other, f->is_64, &start,
			&end);
	if (has)
		b = differs(&own, &other);
	else
		sum.no_libdw++;
	sum.not_readelf += a >= 0;
	sum.not_libdw += b >= 0;
	sum.not_any += a >= 0 && (b >= 0 || !has);
	if (a >= 0)
		show(f, pc, "readelf's", &own, row, a);
	if (b >= 0)
		show(f, pc, "libdw's", &own, &other, b);
}

/* The row holds up to end: both of its ends are looked at. */
static void row_ends(struct file *f, uint64_t end)
{
	if (!f->has_row || f->at >= f->end || end <= f->at)
		return;
	if (end > f->end)
		end = f->end;
	sum.rows++;
	compare(f, f->at, &f->row);
	if (end - 1 > f->at)
		compare(f, end - 1, &f->row);
}

static void entry_ends(struct file *f)
{
	if (f->in_cie && f->nr_cies < CIES)
		f->cie[f->nr_cies - 1].row = f->row;
	if (f->in_fde && !f->has_rows)
		for (size_t i = f->nr_cies; i--;)
			if (f->cie[i].at == f->cie_at &&
			    f->cie[i].debug == f->in_debug) {
				f->row = f->cie[i].row;
				f->at = f->start;
				f->has_row = true;
				break;
			}
	if (f->in_fde)
		row_ends(f, f->end);
	f->in_cie = f->in_fde = f->has_row = f->has_rows = false;
}

static void read_row(struct file *f, char *line)
{
	char *save, *word = strtok_r(line, " \n", &save);
	uint64_t at = strtoull(word, NULL, 16);

	if (f->in_fde && f->has_row)
		row_ends(f, at);
	f->at = at;
	f->has_row = f->has_rows = true;
	memset(&f->row, 0, sizeof(f->row));
	for (unsigned int reg = 0; reg < NR_REGS; reg++)
		f->row.reg[reg].kind = SAME;
	word = strtok_r(NULL, " \n", &save);
	if (word)
		f->row.cfa = cfa_of(word);
	for (size_t i = 0; i < f->nr_columns; i++) {
		word = strtok_r(NULL, " \n", &save);
		/* "r1 (ecx)": in that register */
		if (word && word[0] == 'r' && save && save[0] == '(') {
			word = strtok_r(NULL, " ()\n", &save);
			save += save[0] == ')';
		}
		if (word && f->column[i] < NR_REGS)
			f->row.reg[f->column[i]] = value_of(word);
	}
}

static void read_columns(struct file *f, char *line)
{
	char *save, *word = strtok_r(line, " \n", &save);

	f->nr_columns = 0;
	strtok_r(NULL, " \n", &save);	/* LOC, CFA */
	while (word && (word = strtok_r(NULL, " \n", &save)) && f->nr_columns < COLUMNS)
		f->column[f->nr_columns++] = reg_by_name(word);
}

static void read_line(struct file *f, char *line)
{
	char *cie = strstr(line, " CIE "), *fde = strstr(line, " FDE cie=");
	char *pc = fde ? strstr(fde, " pc=") : NULL;

	if (!strncmp(line, "Contents of the ", 16)) {
		entry_ends(f);
		f->in_debug = strstr(line, "debug_frame");
	} else if (pc) {
		entry_ends(f);
		f->in_fde = true;
		f->cie_at = strtoull(fde + 9, NULL, 16);
		f->start = strtoull(pc + 4, &pc, 16);
		f->end = strtoull(pc + 2, NULL, 16);
	} else if (cie && f->nr_cies < CIES) {
		entry_ends(f);
		f->in_cie = true;
		f->cie[f->nr_cies].at = strtoull(line, NULL, 16);
		f->cie[f->nr_cies++].debug = f->in_debug;
	} else if (!strncmp(line, "   LOC", 6)) {
		read_columns(f, line);
	} else if (f->in_cie || f->in_fde) {
		size_t n = strspn(line, "0123456789abcdef");

		if (n >= 8 && line[n] == ' ' && !strstr(line, "ZERO"))
			read_row(f, line);
	}
}

static void read_readelf(struct file *f)
{
	char *line = NULL, *command;
	size_t size = 0;
	FILE *text;

	if (asprintf(&command, "readelf -W --debug-dump=frames-interp,no-follow-links '%s' 2>/dev/null",
		     f->path) < 0)
		exit(2);
	text = popen(command, "r");
	free(command);
	if (!text) {
		perror("readelf");
		exit(2);
	}
	while (getline(&line, &size, text) > 0)
		read_line(f, line);
	entry_ends(f);
	free(line);
	pclose(text);
}

/* A program or library for x86. */
static bool is_ours(Elf *elf)
{
	GElf_Ehdr ehdr;

	return elf && elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, &ehdr) &&
	       (ehdr.e_type == ET_DYN || ehdr.e_type == ET_EXEC) &&
	       ehdr.e_machine ==
		       (gelf_getclass(elf) == ELFCLASS64 ? EM_X86_64 : EM_386);
}

/* path is absolute: others are not looked for. */
static void look_at(const char *path)
{
	struct ustack_images_opts opts = { .sz = sizeof(opts), .build_id_dir = "" };
	struct ustack_map map = { .sz = sizeof(map), .addr = ADDR, .size = 0x1000,
				  .path = path };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf *elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ_MMAP, NULL);
	static struct file f;
	struct ustack_images *images;
	struct ustack_space *space;
	struct map *mapped;
	Dwarf *dwarf;

	if (!is_ours(elf) || strchr(path, '\''))
		goto out;
	if (ustack_images_new(&images, &opts) || ustack_space_new(&space, images) ||
	    ustack_space_map(space, &map)) {
		fprintf(stderr, "rows: no memory\n");
		exit(2);
	}
	mapped = space_find(space, ADDR);
	if (map_usable(mapped)) {
		dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
		memset(&f, 0, sizeof(f));
		f.path = path;
		f.cfi = &mapped->image->cfi;
		f.is_64 = mapped->image->is_64;
		f.eh = dwarf_getcfi_elf(elf);
		f.debug = dwarf ? dwarf_getcfi(dwarf) : NULL;
		sum.files++;
		read_readelf(&f);
		if (f.shown > SHOWN)
			printf("%s: and %" PRIu64 " more\n", path, f.shown - SHOWN);
		if (f.eh)
			dwarf_cfi_end(f.eh);
		dwarf_end(dwarf);
	} else {
		printf("%s: cannot be used: %s\n", path, strerror(-mapped->image->err));
	}
	ustack_space_free(space);
	ustack_images_free(images);
out:
	elf_end(elf);
	if (fd >= 0)
		close(fd);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	elf_version(EV_CURRENT);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-")) {
			char *path = realpath(argv[i], NULL);

			if (path)
				look_at(path);
			else
				perror(argv[i]);
			free(path);
			continue;
		}
		while ((n = getline(&line, &size, stdin)) > 0) {
			if (line[n - 1] == '\n')
				line[n - 1] = 0;
			look_at(line);
		}
	}
	free(line);
	printf("%" PRIu64 " rows of %" PRIu64 " files: %" PRIu64
	       " are of an FDE that another covers, %" PRIu64
	       " of a CIE that restores, of %" PRIu64 " libdw has none\n%" PRIu64 " differ from readelf's, %" PRIu64
	       " from libdw's, %" PRIu64 " from both\n",
	       sum.rows, sum.files, sum.of_other_fde, sum.cie_restores, sum.no_libdw, sum.not_readelf,
	       sum.not_libdw, sum.not_any);
	return sum.not_readelf || !sum.rows;
}
