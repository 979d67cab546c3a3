// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Call frame information (.eh_frame, .debug_frame): from a pc to the row of
 * its table.  Everything read here comes from a file that may be cut or
 * hostile; struct buf keeps each read inside it.
 */
#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>

#include "unwind.h"

#define STATES_MAX 16		/* nested DW_CFA_remember_state */

struct cie {
	uint64_t code_align;
	int64_t data_align;
	uint8_t ra;
	uint8_t encoding;	/* of pcs: DW_EH_PE_* */
	bool sized, signal;	/* 'z', 'S' */
	struct buf insns;
};

struct fde {
	struct cie cie;
	uint64_t start, end;
	struct buf insns;
};

static uint64_t frames_vaddr(const struct cfi *cfi, const uint8_t *p)
{
	return cfi->frames.vaddr + (p - cfi->frames.data);
}

static uint64_t buf_encoded(struct buf *b, uint8_t encoding, uint64_t vaddr,
			    uint64_t datarel)
{
	uint64_t base, val;

	switch (encoding & 0x70) {
	case DW_EH_PE_absptr:
		base = 0;
		break;
	case DW_EH_PE_pcrel:
		base = vaddr;
		break;
	case DW_EH_PE_datarel:
		base = datarel;
		break;
	default:
		b->bad = true;
		return 0;
	}
	if (encoding & DW_EH_PE_indirect) {
		b->bad = true;
		return 0;
	}
	switch (encoding & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		val = buf_uint(b, 8);
		break;
	case DW_EH_PE_uleb128:
		val = buf_uleb(b);
		break;
	case DW_EH_PE_udata2:
		val = buf_uint(b, 2);
		break;
	case DW_EH_PE_udata4:
		val = buf_uint(b, 4);
		break;
	case DW_EH_PE_sleb128:
		val = buf_sleb(b);
		break;
	case DW_EH_PE_sdata2:
		val = buf_sint(b, 2);
		break;
	case DW_EH_PE_sdata4:
		val = buf_sint(b, 4);
		break;
	default:
		b->bad = true;
		return 0;
	}
	return base + val;
}

/* --- entries ------------------------------------------------------------- */

struct entry {
	struct buf body;	/* after the CIE pointer or id */
	uint64_t next;		/* offset of the entry behind */
	uint64_t cie;		/* offset of the CIE */
	bool is_cie;
};

/* 0, -ENOENT at the end of the section, -EINVAL. */
static int entry_at(const struct cfi *cfi, uint64_t offset, struct entry *e)
{
	const struct section *s = &cfi->frames;
	struct buf b = { s->data, s->data + s->size, false };
	const uint8_t *id_at;
	unsigned int id_size = 4;
	uint64_t size, id;

	if (offset >= s->size)
		return -ENOENT;
	buf_skip(&b, offset);
	size = buf_uint(&b, 4);
	if (!size && !b.bad)
		return -ENOENT;
	if (size == UINT32_MAX) {
		size = buf_uint(&b, 8);
		/* .eh_frame keeps a 4-byte id also behind a 64-bit size. */
		if (cfi->debug_frame)
			id_size = 8;
	}
	if (b.bad || size > buf_left(&b) || size < id_size)
		return -EINVAL;
	b.end = b.p + size;
	id_at = b.p;
	id = buf_uint(&b, id_size);
	e->body = b;
	e->next = b.end - s->data;
	if (cfi->debug_frame) {
		e->is_cie = id == (id_size == 4 ? UINT32_MAX : UINT64_MAX);
		e->cie = id;
	} else {
		e->is_cie = !id;
		e->cie = (id_at - s->data) - id;
	}
	return 0;
}

/* A pointer has the size of an address. */
static uint8_t pointer(const struct cfi *cfi, uint8_t encoding)
{
	return cfi->is_32 && (encoding & 0x0f) == DW_EH_PE_absptr ?
		       encoding | DW_EH_PE_udata4 :
		       encoding;
}

static int cie_read(const struct cfi *cfi, uint64_t offset, struct cie *cie)
{
	struct entry e;
	struct buf *b = &e.body, aug_data;
	const char *aug;
	uint8_t version;
	uint64_t ra;

	if (entry_at(cfi, offset, &e) || !e.is_cie)
		return -EINVAL;
	version = buf_uint(b, 1);
	if (version != 1 && version != 3 && version != 4)
		return -ENOTSUP;
	aug = (const char *)b->p;
	if (!memchr(aug, 0, buf_left(b)))
		return -EINVAL;
	buf_skip(b, strlen(aug) + 1);
	if (version == 4) {
		/* Address and segment selector size. */
		if (buf_uint(b, 1) != (cfi->is_32 ? 4 : 8) || buf_uint(b, 1))
			return -ENOTSUP;
	}
	*cie = (struct cie){ .encoding = DW_EH_PE_absptr };
	cie->code_align = buf_uleb(b);
	cie->data_align = buf_sleb(b);
	ra = version == 1 ? buf_uint(b, 1) : buf_uleb(b);
	if (b->bad)
		return -EINVAL;
	cie->ra = reg_of_dwarf(cfi->is_32, ra);
	if (cie->ra == NR_REGS)
		return -ENOTSUP;
	if (*aug && *aug != 'z')
		return -ENOTSUP;
	if (*aug == 'z') {
		uint64_t size = buf_uleb(b);

		cie->sized = true;
		aug_data.bad = false;
		aug_data.p = buf_skip(b, size);
		if (b->bad)
			return -EINVAL;
		aug_data.end = aug_data.p + size;
		while (*++aug) {
			uint8_t enc;

			if (*aug == 'S') {
				cie->signal = true;
			} else if (*aug == 'R') {
				cie->encoding = buf_uint(&aug_data, 1);
			} else if (*aug == 'L') {
				buf_uint(&aug_data, 1);
			} else if (*aug == 'P') {
				enc = buf_uint(&aug_data, 1);
				/* Only its length matters, so no indirection. */
				buf_encoded(&aug_data, pointer(cfi, enc) & 0x0f,
					    0, 0);
			} else {
				/* Unknown data: 'z' tells where the code is. */
				break;
			}
		}
		if (aug_data.bad)
			return -EINVAL;
	}
	cie->encoding = pointer(cfi, cie->encoding);
	cie->insns = *b;
	return 0;
}

static int fde_read(const struct cfi *cfi, uint64_t offset, struct fde *fde)
{
	struct entry e;
	struct buf *b = &e.body;
	int err;

	err = entry_at(cfi, offset, &e);
	if (err)
		return err;
	if (e.is_cie)
		return -EINVAL;
	err = cie_read(cfi, e.cie, &fde->cie);
	if (err)
		return err;
	fde->start = buf_encoded(b, fde->cie.encoding, frames_vaddr(cfi, b->p),
				 cfi->hdr.vaddr) +
		     cfi->bias;
	fde->end = fde->start +
		   buf_encoded(b, fde->cie.encoding & 0x0f, 0, 0);
	if (fde->cie.sized)
		buf_skip(b, buf_uleb(b));
	if (b->bad || fde->end < fde->start)
		return -EINVAL;
	fde->insns = *b;
	return 0;
}

/* --- search ------------------------------------------------------------- */

struct found {
	uint64_t start;
	uint32_t offset;
};

static int found_compare(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* All FDEs of the section, in the order it has them; *found is to be freed. */
static int cfi_read_all(const struct cfi *cfi, struct found **found, size_t *nr)
{
	struct found *more;
	uint64_t offset = 0;
	size_t max = 0;
	struct entry e;
	struct fde fde;

	while (offset <= UINT32_MAX && !entry_at(cfi, offset, &e)) {
		if (!e.is_cie && !fde_read(cfi, offset, &fde) &&
		    fde.start < fde.end) {
			if (*nr == max) {
				max = max ? 2 * max : 256;
				more = realloc(*found, max * sizeof(*more));
				if (!more)
					return -ENOMEM;
				*found = more;
			}
			(*found)[*nr].start = fde.start;
			(*found)[(*nr)++].offset = offset;
		}
		offset = e.next;
	}
	return 0;
}

/* Without the linker's table: one of our own, read from every FDE once. */
static int cfi_build_index(struct cfi *cfi)
{
	struct found *found = NULL;
	size_t nr = 0;
	int err = cfi_read_all(cfi, &found, &nr);

	if (!err && nr) {
		cfi->index = malloc(nr * sizeof(*cfi->index));
		if (!cfi->index)
			err = -ENOMEM;
	}
	if (!err && nr) {
		qsort(found, nr, sizeof(*found), found_compare);
		for (size_t i = 0; i < nr; i++)
			cfi->index[i] = found[i].offset;
		cfi->nr = nr;
	}
	free(found);
	return err;
}

/* The linker's table, in the one form linkers write. */
static bool cfi_use_hdr(struct cfi *cfi, const struct image *image)
{
	const struct section *hdr = &image->eh_frame_hdr;
	struct buf b = { hdr->data, hdr->data, false };
	uint8_t frame_enc, count_enc, table_enc;
	uint64_t frames, nr;
	size_t left;

	if (!hdr->data)
		return false;
	b.end += hdr->size;
	if (buf_uint(&b, 1) != 1)
		return false;
	frame_enc = buf_uint(&b, 1);
	count_enc = buf_uint(&b, 1);
	table_enc = buf_uint(&b, 1);
	frames = buf_encoded(&b, frame_enc, hdr->vaddr + 4, hdr->vaddr);
	if (b.bad)
		return false;
	cfi->hdr = *hdr;
	cfi->frames.data = image_at(image, frames, &left);
	cfi->frames.size = left;
	cfi->frames.vaddr = frames;
	if (!cfi->frames.data)
		return false;
	if (table_enc != (DW_EH_PE_datarel | DW_EH_PE_sdata4))
		return false;
	nr = buf_encoded(&b, count_enc, 0, 0);
	if (b.bad || !nr || nr > buf_left(&b) / 8)
		return false;
	cfi->table = b.p;
	cfi->nr = nr;
	return true;
}

int cfi_init(struct cfi *cfi, struct image *image)
{
	cfi->image = image;
	cfi->is_32 = !image->is_64;
	if (cfi_use_hdr(cfi, image))
		return 0;
	/* A header without a table still tells where .eh_frame is. */
	if (!image->eh_frame.data)
		image_section(image, ".eh_frame", &image->eh_frame);
	if (image->eh_frame.data)
		cfi->frames = image->eh_frame;
	return cfi->frames.data ? cfi_build_index(cfi) : 0;
}

/* .debug_frame, in whichever file has it. */
static int cfi_init_debug(struct cfi *cfi, struct image *image)
{
	struct image *file = NULL;

	cfi->debug_frame = true;
	cfi->is_32 = !image->is_64;
	cfi->frames = image->debug_frame;
	if (!cfi->frames.data &&
	    image_section(image, ".debug_frame", &cfi->frames))
		file = image_mini(image);
	if (file && image_section(file, ".debug_frame", &cfi->frames))
		file = NULL;
	if (!cfi->frames.data)
		file = image_debug_file(image);
	if (file && !cfi->frames.data)
		image_section(file, ".debug_frame", &cfi->frames);
	if (file)
		cfi->bias = image->base - file->base;
	return cfi->frames.data ? cfi_build_index(cfi) : 0;
}

/* The CFI of .debug_frame, read when first asked for, or NULL. */
static const struct cfi *cfi_debug(const struct cfi *cfi)
{
	struct image *image = cfi->image;
	int state;

	if (!image)
		return NULL;
	state = __atomic_load_n(&image->debug_state, __ATOMIC_ACQUIRE);
	if (state == 1) {
		pthread_mutex_lock(&image->images->lock);
		state = image->debug_state;
		if (state == 1) {
			state = cfi_init_debug(&image->debug_cfi, image);
			__atomic_store_n(&image->debug_state, state,
					 __ATOMIC_RELEASE);
		}
		pthread_mutex_unlock(&image->images->lock);
	}
	return state || !image->debug_cfi.nr ? NULL : &image->debug_cfi;
}

void cfi_free(struct cfi *cfi)
{
	free(cfi->index);
	*cfi = (struct cfi){ 0 };
}

uint64_t cfi_start(const struct cfi *cfi, size_t i)
{
	struct fde fde;
	int32_t start;

	if (!cfi->table) {
		/* It could be read once, but a file may have been cut since. */
		return fde_read(cfi, cfi->index[i], &fde) ? 0 : fde.start;
	}
	memcpy(&start, cfi->table + 8 * i, 4);
	return cfi->hdr.vaddr + start;
}

static uint64_t cfi_offset(const struct cfi *cfi, size_t i)
{
	int32_t at;

	if (!cfi->table)
		return cfi->index[i];
	memcpy(&at, cfi->table + 8 * i + 4, 4);
	return cfi->hdr.vaddr + at - cfi->frames.vaddr;
}

/* How many FDEs start at or below pc. */
static size_t cfi_search(const struct cfi *cfi, uint64_t pc)
{
	size_t lo = 0, hi = cfi->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (cfi_start(cfi, mid) <= pc)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* *cfi becomes what the FDE belongs to. */
static int cfi_find(const struct cfi **cfi, uint64_t pc, struct fde *fde)
{
	size_t n = cfi_search(*cfi, pc);
	int err;

	if (n) {
		err = fde_read(*cfi, cfi_offset(*cfi, n - 1), fde);
		if (err)
			return err == -ENOENT ? -EINVAL : err;
		if (pc >= fde->start && pc < fde->end)
			return 0;
	}
	*cfi = cfi_debug(*cfi);
	return *cfi ? cfi_find(cfi, pc, fde) : -ENOENT;
}

void cfi_hole(const struct cfi *cfi, uint64_t pc, uint64_t *start,
	      uint64_t *end)
{
	size_t n = cfi_search(cfi, pc);
	struct fde fde;

	*start = 0;
	*end = n < cfi->nr ? cfi_start(cfi, n) : UINT64_MAX;
	if (n && !fde_read(cfi, cfi_offset(cfi, n - 1), &fde))
		*start = fde.end;
	cfi = cfi_debug(cfi);
	if (cfi) {
		uint64_t after, before;

		cfi_hole(cfi, pc, &after, &before);
		if (after > *start)
			*start = after;
		if (before < *end)
			*end = before;
	}
}

/* --- rows --------------------------------------------------------------- */

struct state {
	struct cfi_rule cfa;
	uint32_t said;		/* registers with a rule; the others are CFI_SAME */
	struct cfi_rule reg[NR_REGS];
};

struct machine {
	const struct cfi *cfi;
	const struct cie *cie;
	struct state now, initial;
	struct state saved[STATES_MAX];
	int nr_saved;
	struct cfi_rule sink;	/* for registers nobody follows: vectors, segments */
	uint64_t start, end;	/* pcs the state holds for; end while it is known */
};

/* Its rule is about to be set. */
static struct cfi_rule *machine_reg(struct machine *m, uint64_t reg)
{
	unsigned int known = reg_of_dwarf(m->cfi->is_32, reg);

	if (known == NR_REGS)
		return &m->sink;
	m->now.said |= 1u << known;
	return &m->now.reg[known];
}

static void machine_restore(struct machine *m, uint64_t reg)
{
	unsigned int known = reg_of_dwarf(m->cfi->is_32, reg);

	if (known == NR_REGS)
		return;
	if (m->initial.said & 1u << known)
		*machine_reg(m, reg) = m->initial.reg[known];
	else
		m->now.said &= ~(1u << known);
}

/* Few registers have rules, and every function with two exits copies some. */
static void copy_state(struct state *to, const struct state *from)
{
	to->cfa = from->cfa;
	to->said = from->said;
	for (uint32_t said = from->said; said; said &= said - 1) {
		unsigned int reg = __builtin_ctz(said);

		to->reg[reg] = from->reg[reg];
	}
}

static int set_expr(struct buf *b, struct cfi_rule *rule, uint8_t kind)
{
	uint64_t size = buf_uleb(b);
	const uint8_t *expr = buf_skip(b, size);

	if (!expr || size > UINT16_MAX)
		return -EINVAL;
	*rule = (struct cfi_rule){ .kind = kind, .size = size, .expr = expr };
	return 0;
}

static void set_off(struct cfi_rule *rule, uint8_t kind, int64_t off)
{
	*rule = (struct cfi_rule){ .kind = kind, .off = off };
}

static void set_cfa(struct machine *m, uint64_t reg, int64_t off)
{
	m->now.cfa = (struct cfi_rule){
		.kind = CFI_VAL_OFFSET,
		.reg = reg_of_dwarf(m->cfi->is_32, reg),
		.off = off,
	};
}

/* All but DW_CFA_advance_loc; *delta becomes the bytes that it advances by. */
static int machine_op(struct machine *m, struct buf *b, uint8_t op,
		      uint64_t *delta)
{
	const struct cie *cie = m->cie;
	uint8_t low = op & 0x3f;
	uint64_t reg, from;

	switch (op & 0xc0) {
	case DW_CFA_offset:
		set_off(machine_reg(m, low), CFI_OFFSET,
			buf_uleb(b) * cie->data_align);
		return 0;
	case DW_CFA_restore:
		machine_restore(m, low);
		return 0;
	}
	switch (op) {
	case DW_CFA_nop:
		return 0;
	case DW_CFA_set_loc:
		from = frames_vaddr(m->cfi, b->p);
		*delta = buf_encoded(b, cie->encoding, from,
				     m->cfi->hdr.vaddr) +
			 m->cfi->bias - m->start;
		return 0;
	case DW_CFA_advance_loc1:
	case DW_CFA_advance_loc2:
	case DW_CFA_advance_loc4:
		*delta = buf_uint(b, 1 << (op - DW_CFA_advance_loc1)) *
			 cie->code_align;
		return 0;
	case DW_CFA_offset_extended:
		reg = buf_uleb(b);
		set_off(machine_reg(m, reg), CFI_OFFSET,
			buf_uleb(b) * cie->data_align);
		return 0;
	case DW_CFA_offset_extended_sf:
		reg = buf_uleb(b);
		set_off(machine_reg(m, reg), CFI_OFFSET,
			(uint64_t)buf_sleb(b) * cie->data_align);
		return 0;
	case DW_CFA_GNU_negative_offset_extended:
		reg = buf_uleb(b);
		set_off(machine_reg(m, reg), CFI_OFFSET,
			-buf_uleb(b) * cie->data_align);
		return 0;
	case DW_CFA_val_offset:
		reg = buf_uleb(b);
		set_off(machine_reg(m, reg), CFI_VAL_OFFSET,
			buf_uleb(b) * cie->data_align);
		return 0;
	case DW_CFA_val_offset_sf:
		reg = buf_uleb(b);
		set_off(machine_reg(m, reg), CFI_VAL_OFFSET,
			(uint64_t)buf_sleb(b) * cie->data_align);
		return 0;
	case DW_CFA_restore_extended:
		machine_restore(m, buf_uleb(b));
		return 0;
	case DW_CFA_undefined:
		set_off(machine_reg(m, buf_uleb(b)), CFI_UNDEFINED, 0);
		return 0;
	case DW_CFA_same_value:
		set_off(machine_reg(m, buf_uleb(b)), CFI_SAME, 0);
		return 0;
	case DW_CFA_register:
		reg = buf_uleb(b);
		from = reg_of_dwarf(m->cfi->is_32, buf_uleb(b));
		/* A register nobody follows holds what nobody knows. */
		*machine_reg(m, reg) = (struct cfi_rule){
			.kind = from < NR_REGS ? CFI_REGISTER :
						 CFI_UNDEFINED,
			.reg = from,
		};
		return 0;
	case DW_CFA_remember_state:
		if (m->nr_saved == STATES_MAX)
			return -ENOTSUP;
		copy_state(&m->saved[m->nr_saved++], &m->now);
		return 0;
	case DW_CFA_restore_state:
		if (!m->nr_saved)
			return -EINVAL;
		copy_state(&m->now, &m->saved[--m->nr_saved]);
		return 0;
	case DW_CFA_def_cfa:
		reg = buf_uleb(b);
		set_cfa(m, reg, buf_uleb(b));
		return 0;
	case DW_CFA_def_cfa_sf:
		reg = buf_uleb(b);
		set_cfa(m, reg, (uint64_t)buf_sleb(b) * cie->data_align);
		return 0;
	case DW_CFA_def_cfa_register:
		if (m->now.cfa.kind != CFI_VAL_OFFSET)
			return -EINVAL;
		set_cfa(m, buf_uleb(b), m->now.cfa.off);
		return 0;
	case DW_CFA_def_cfa_offset:
	case DW_CFA_def_cfa_offset_sf:
		if (m->now.cfa.kind != CFI_VAL_OFFSET)
			return -EINVAL;
		m->now.cfa.off =
			op == DW_CFA_def_cfa_offset ?
				buf_uleb(b) :
				(uint64_t)buf_sleb(b) * cie->data_align;
		return 0;
	case DW_CFA_def_cfa_expression:
		return set_expr(b, &m->now.cfa, CFI_VAL_EXPR);
	case DW_CFA_expression:
		reg = buf_uleb(b);
		return set_expr(b, machine_reg(m, reg), CFI_EXPR);
	case DW_CFA_val_expression:
		reg = buf_uleb(b);
		return set_expr(b, machine_reg(m, reg), CFI_VAL_EXPR);
	case DW_CFA_GNU_args_size:
		buf_uleb(b);
		return 0;
	default:
		return -ENOTSUP;
	}
}

/* 0, 1 when the row of pc is complete, or -errno. */
static int machine_run(struct machine *m, struct buf *b, uint64_t pc)
{
	const uint64_t code_align = m->cie->code_align;
	const uint64_t data_align = m->cie->data_align;
	const uint8_t *p = b->p, *end = b->end;

	while (p < end) {
		uint8_t op = *p++, low = op & 0x3f;
		uint64_t delta = 0;

		/* What prologues and epilogues consist of, taken apart here. */
		if ((op & 0xc0) == DW_CFA_advance_loc) {
			delta = low * code_align;
		} else if (op == DW_CFA_def_cfa_offset && p < end &&
			   *p < 0x80 && m->now.cfa.kind == CFI_VAL_OFFSET) {
			m->now.cfa.off = *p++;
			continue;
		} else if ((op & 0xc0) == DW_CFA_offset && p < end &&
			   *p < 0x80) {
			set_off(machine_reg(m, low), CFI_OFFSET,
				*p++ * data_align);
			continue;
		} else {
			int err;

			b->p = p;
			err = machine_op(m, b, op, &delta);
			if (err)
				return err;
			if (b->bad)
				return -EINVAL;
			p = b->p;
		}
		if (pc - m->start < delta) {
			if (delta < m->end - m->start)
				m->end = m->start + delta;
			return 1;
		}
		m->start += delta;
	}
	return 0;
}

int cfi_row(const struct cfi *cfi, uint64_t pc, struct cfi_row *row)
{
	struct machine m;
	struct fde fde;
	struct buf insns;
	int err;

	err = cfi_find(&cfi, pc, &fde);
	if (err)
		return err;
	m.cfi = cfi;
	m.cie = &fde.cie;
	m.nr_saved = 0;
	m.start = fde.start;
	m.end = fde.end;
	m.now.cfa.kind = CFI_SAME;
	m.now.said = m.initial.said = 0;
	insns = fde.cie.insns;
	err = machine_run(&m, &insns, fde.start);
	if (err)
		return err < 0 ? err : -EINVAL;
	copy_state(&m.initial, &m.now);
	insns = fde.insns;
	err = machine_run(&m, &insns, pc);
	if (err < 0)
		return err;
	if (m.now.cfa.kind == CFI_SAME)
		return -EINVAL;	/* never defined */
	if (m.now.cfa.kind == CFI_VAL_OFFSET && m.now.cfa.reg >= NR_REGS)
		return -ENOTSUP;
	row->start = m.start;
	row->end = m.end;
	row->ra = fde.cie.ra;
	row->signal = fde.cie.signal;
	row->cfa = m.now.cfa;
	memset(row->reg, 0, sizeof(row->reg));
	for (uint32_t said = m.now.said; said; said &= said - 1) {
		unsigned int reg = __builtin_ctz(said);

		row->reg[reg] = m.now.reg[reg];
	}
	return 0;
}
