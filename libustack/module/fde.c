// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Call frame information (.eh_frame, .debug_frame): from a pc to its FDE.  The
 * file may be truncated or malicious: struct buf checks the bounds of each read.
 */
#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "module/debug_file.h"
#include "module/fde.h"
#include "module/image.h"
#include "module/images.h"
#include "util/bytes.h"
#include "util/search.h"

static uint64_t frames_vaddr(const struct cfi *cfi, const uint8_t *p)
{
	return cfi->frames.vaddr + (p - cfi->frames.data);
}

/* A value in the format of the low four bits of a DW_EH_PE_* encoding. */
static uint64_t buf_format(struct buf *b, uint8_t encoding)
{
	switch (encoding & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		return buf_uint(b, 8);
	case DW_EH_PE_uleb128:
		return buf_uleb(b);
	case DW_EH_PE_udata2:
		return buf_uint(b, 2);
	case DW_EH_PE_udata4:
		return buf_uint(b, 4);
	case DW_EH_PE_sleb128:
		return buf_sleb(b);
	case DW_EH_PE_sdata2:
		return buf_sint(b, 2);
	case DW_EH_PE_sdata4:
		return buf_sint(b, 4);
	default:
		b->bad = true;
		return 0;
	}
}

/* Where addresses have 4 bytes, sums of them wrap there. */
static uint64_t cfi_addr(const struct cfi *cfi, uint64_t addr)
{
	return cfi->is_32 ? (uint32_t)addr : addr;
}

/* vaddr: that of b->p; datarel: what values can be relative to. */
static uint64_t buf_encoded(struct buf *b, uint8_t encoding, uint64_t vaddr,
			    uint64_t datarel)
{
	uint64_t base;

	switch (encoding & (0x70 | DW_EH_PE_indirect)) {
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
	return base + buf_format(b, encoding);
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
		/* In .eh_frame, the id has 4 bytes even behind a 64-bit size. */
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

/* absptr is the size of an address. */
static uint8_t pointer(const struct cfi *cfi, uint8_t encoding)
{
	return cfi->is_32 && (encoding & 0x0f) == DW_EH_PE_absptr ?
		       encoding | DW_EH_PE_udata4 :
		       encoding;
}

/* What the letters behind 'z' stand for; b is at the size of their data. */
static int cie_augmentation(const struct cfi *cfi, struct buf *b,
			    const char *letter, struct cie *cie)
{
	struct buf data = { .bad = false };
	uint64_t size = buf_uleb(b);

	data.p = buf_skip(b, size);
	if (b->bad)
		return -EINVAL;
	data.end = data.p + size;
	for (; *letter; letter++) {
		switch (*letter) {
		case 'S':
			cie->signal = true;
			break;
		case 'R':
			cie->encoding = buf_uint(&data, 1);
			break;
		case 'L':
			buf_uint(&data, 1);
			break;
		case 'P':
			/* A pointer that is not needed: it is skipped. */
			buf_format(&data, pointer(cfi, buf_uint(&data, 1)));
			break;
		default:
			/* Not known, and so is the length of its data. */
			return data.bad ? -EINVAL : 0;
		}
	}
	return data.bad ? -EINVAL : 0;
}

static int cie_read(const struct cfi *cfi, uint64_t offset, struct cie *cie)
{
	struct entry e;
	struct buf *b = &e.body;
	const char *augmentation;
	uint8_t version;
	bool is_eh;
	int err;

	if (entry_at(cfi, offset, &e) || !e.is_cie)
		return -EINVAL;
	version = buf_uint(b, 1);
	if (version != 1 && version != 3 && version != 4)
		return -ENOTSUP;
	augmentation = (const char *)b->p;
	if (!memchr(augmentation, 0, buf_left(b)))
		return -EINVAL;
	buf_skip(b, strlen(augmentation) + 1);
	if (version == 4) {
		/* Size of an address and of a segment selector. */
		if (buf_uint(b, 1) != (cfi->is_32 ? 4 : 8) || buf_uint(b, 1))
			return -ENOTSUP;
	}
	/* Of gcc 2: the address of its exception table. */
	is_eh = !strcmp(augmentation, "eh");
	if (is_eh)
		buf_skip(b, cfi->is_32 ? 4 : 8);
	*cie = (struct cie){ .encoding = DW_EH_PE_absptr };
	cie->code_align = buf_uleb(b);
	cie->data_align = buf_sleb(b);
	cie->ra = version == 1 ? buf_uint(b, 1) : buf_uleb(b);
	if (b->bad)
		return -EINVAL;
	cie->sized = *augmentation == 'z';
	if (*augmentation && !cie->sized && !is_eh)
		return -ENOTSUP;
	if (cie->sized) {
		err = cie_augmentation(cfi, b, augmentation + 1, cie);
		if (err)
			return err;
	}
	cie->encoding = pointer(cfi, cie->encoding);
	cie->insns = *b;
	return 0;
}

static inline uint64_t read_pc(const struct cfi *cfi, const struct cie *cie,
			       struct buf *b)
{
	uint64_t pc = buf_encoded(b, cie->encoding, frames_vaddr(cfi, b->p),
				  cfi->hdr.vaddr);

	if (cfi->file)
		pc += debug_bias(cfi->file_of, cfi->file, pc);
	return cfi_addr(cfi, pc);
}

uint64_t cfi_pc(const struct cfi *cfi, const struct cie *cie, struct buf *b)
{
	return read_pc(cfi, cie, b);
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
	fde->start = read_pc(cfi, &fde->cie, b);
	fde->end = fde->start +
		   buf_encoded(b, fde->cie.encoding & 0x0f, 0, 0);
	if (fde->cie.sized)
		buf_skip(b, buf_uleb(b));
	if (b->bad || fde->end < fde->start)
		return -EINVAL;
	fde->insns = *b;
	return 0;
}

#define EMPTY_MAX 8		/* FDEs of no pc that are passed over */

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

/*
 * Of objects that were linked together each may have an end mark, in .debug_frame of
 * programs of Go, too.
 * What is behind the last one is another section, if its size is not known.
 */
static bool is_end_mark(const struct cfi *cfi, uint64_t offset)
{
	const struct section *s = &cfi->frames;

	return cfi->whole && offset <= s->size && s->size - offset >= 4 &&
	       !get32(s->data + offset);
}

/* All FDEs of the section, in its order; the caller frees *found. */
static int cfi_read_all(const struct cfi *cfi, struct found **found, size_t *nr)
{
	struct found *more;
	uint64_t offset = 0;
	size_t max = 0;
	struct entry e;
	struct fde fde;

	while (offset <= UINT32_MAX) {
		if (is_end_mark(cfi, offset)) {
			offset += 4;
			continue;
		}
		if (entry_at(cfi, offset, &e))
			break;
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

/* Where there is no search table: an index of our own, of all FDEs. */
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

/* .eh_frame_hdr, with the one encoding of the table that linkers write. */
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
	frames = cfi_addr(cfi, buf_encoded(&b, pointer(cfi, frame_enc),
					   hdr->vaddr + 4, hdr->vaddr));
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
	/* cfi_use_hdr() may have found .eh_frame, but no table of it. */
	if (!image->eh_frame.data)
		image_section(image, ".eh_frame", &image->eh_frame);
	if (image->eh_frame.data) {
		cfi->frames = image->eh_frame;
		cfi->whole = true;
	}
	return cfi->frames.data ? cfi_build_index(cfi) : 0;
}

/* .debug_frame, in whichever file has it. */
static int cfi_init_debug(struct cfi *cfi, struct image *image)
{
	struct image *file = NULL;
	int err = 0;

	cfi->debug_frame = cfi->whole = true;
	cfi->is_32 = !image->is_64;
	cfi->frames = image->debug_frame;
	if (!cfi->frames.data &&
	    image_section(image, ".debug_frame", &cfi->frames))
		err = image_debugdata(image, &file);
	if (file && image_section(file, ".debug_frame", &cfi->frames))
		file = NULL;
	if (!err && !cfi->frames.data)
		err = image_debug_file(image, &file);
	if (file && !cfi->frames.data)
		image_section(file, ".debug_frame", &cfi->frames);
	if (err || !cfi->frames.data)
		return err;
	cfi->file = file;
	cfi->file_of = image;
	return cfi_build_index(cfi);
}

static int make_debug_cfi(void *arg)
{
	struct image *image = arg;

	return cfi_init_debug(&image->debug_cfi, image);
}

const struct cfi *cfi_next(const struct cfi *cfi)
{
	struct image *image = cfi->image;

	if (!image || once_make(&image->images->once, &image->debug_cfi_made,
				make_debug_cfi, image))
		return NULL;
	return image->debug_cfi.nr ? &image->debug_cfi : NULL;
}

void cfi_free(struct cfi *cfi)
{
	free(cfi->index);
	*cfi = (struct cfi){ 0 };
}

/* As the linker's table has it. */
static inline uint64_t table_start(const struct cfi *cfi, size_t i)
{
	int32_t start;

	memcpy(&start, cfi->table + 8 * i, 4);
	return cfi_addr(cfi, cfi->hdr.vaddr + start);
}

static inline uint64_t fde_start(const struct cfi *cfi, size_t i)
{
	struct fde fde;

	if (cfi->table)
		return table_start(cfi, i);
	/* It was valid once, but the file may have been truncated. */
	return fde_read(cfi, cfi->index[i], &fde) ? 0 : fde.start;
}

uint64_t cfi_start(const struct cfi *cfi, size_t i)
{
	return fde_start(cfi, i);
}

static uint64_t cfi_offset(const struct cfi *cfi, size_t i)
{
	int32_t at;

	if (!cfi->table)
		return cfi->index[i];
	memcpy(&at, cfi->table + 8 * i + 4, 4);
	return cfi_addr(cfi, cfi->hdr.vaddr + at - cfi->frames.vaddr);
}

static bool starts_by(const void *cfi, size_t i, uint64_t pc)
{
	return fde_start(cfi, i) <= pc;
}

/* How many FDEs start at or below pc. */
static size_t cfi_search(const struct cfi *cfi, uint64_t pc)
{
	return search(cfi->nr, starts_by, cfi, pc);
}

static inline void narrow(uint64_t *from, uint64_t *to, uint64_t start, uint64_t end)
{
	if (start > *from)
		*from = start;
	if (end < *to)
		*to = end;
}

/*
 * FDE i, found for pc: *from and *to become the pcs in [*from, *to) that the same
 * is said of, whether it covers them or not; *odd: a table may have lost what does.
 * 0, -ENOENT or another error.
 */
static inline int cfi_try(const struct cfi *cfi, size_t i, uint64_t pc,
		   struct fde *fde, uint64_t *from, uint64_t *to, bool *odd)
{
	int err = fde_read(cfi, cfi_offset(cfi, i), fde);

	if (err) {
		/* Nothing is known of any other pc. */
		narrow(from, to, pc, pc + 1);
		*odd = true;
		return err == -ENOENT ? -EINVAL : err;
	}
	/* A table may have another pc than the FDE. */
	if (cfi->table) {
		narrow(from, to, table_start(cfi, i), UINT64_MAX);
		*odd |= table_start(cfi, i) != fde->start;
	}
	if (pc < fde->start) {
		narrow(from, to, 0, fde->start);
	} else if (pc >= fde->end) {
		narrow(from, to, fde->end, UINT64_MAX);
	} else {
		narrow(from, to, fde->start, fde->end);
		return 0;
	}
	return -ENOENT;
}

/*
 * The FDE of pc in one table: the last that starts by it, or the one before.  Those
 * of no pc at all are passed over; a table that has one entry a pc may have it of
 * such a one.
 */
static int cfi_find_in(const struct cfi *cfi, uint64_t pc, struct fde *fde,
		       uint64_t *from, uint64_t *to, bool *odd)
{
	size_t n = cfi_search(cfi, pc);
	int err = -ENOENT;

	if (n < cfi->nr)
		narrow(from, to, 0, fde_start(cfi, n));
	for (int tries = 0; n && err == -ENOENT && tries < EMPTY_MAX; tries++) {
		err = cfi_try(cfi, --n, pc, fde, from, to, odd);
		if (fde->start != fde->end)
			break;
		*odd = true;
	}
	return err;
}

static int check_table(void *arg)
{
	const struct image *image = arg;

	for (size_t i = 1; i < image->cfi.nr; i++)
		if (table_start(&image->cfi, i) < table_start(&image->cfi, i - 1))
			return -EINVAL;
	return 0;
}

static int make_all_cfi(void *arg)
{
	struct image *image = arg;
	struct cfi *cfi = &image->all_cfi;

	cfi->image = image;
	cfi->is_32 = !image->is_64;
	cfi->frames = image->cfi.frames;
	if (!image->eh_frame.data)
		image_section(image, ".eh_frame", &image->eh_frame);
	if (image->eh_frame.data) {
		cfi->frames = image->eh_frame;
		cfi->whole = true;
	}
	return cfi_build_index(cfi);
}

/*
 * What the linker's table was made of, if that is odd around a pc, or not sorted; or
 * NULL.  BOLT leaves one of several FDEs with the same first pc in its table.
 */
static const struct cfi *cfi_all(const struct cfi *cfi, bool odd)
{
	struct image *image = cfi->image;
	struct onces *once;

	if (!image || !cfi->table)
		return NULL;
	once = &image->images->once;
	if (!odd && !once_make(once, &image->table_checked, check_table, image))
		return NULL;
	return once_make(once, &image->all_cfi_made, make_all_cfi, image) ?
		       NULL :
		       &image->all_cfi;
}

int cfi_find(const struct cfi **cfi, uint64_t pc, struct fde *fde)
{
	uint64_t from = 0, to = UINT64_MAX;
	int first = -ENOENT;

	for (; *cfi; *cfi = cfi_next(*cfi)) {
		bool odd = false;
		int err = cfi_find_in(*cfi, pc, fde, &from, &to, &odd);
		const struct cfi *all = err ? cfi_all(*cfi, odd) : NULL;

		if (all && !cfi_find_in(all, pc, fde, &from, &to, &odd)) {
			/* The table may have something to say of other pcs. */
			to = 0;
			*cfi = all;
			err = 0;
		}
		if (!err) {
			/* What is not sorted tells nothing of other pcs, either. */
			if (pc < from || pc >= to) {
				from = pc;
				to = pc + 1;
			}
			fde->from = from;
			fde->to = to;
			return 0;
		}
		if (first == -ENOENT)
			first = err;
	}
	return first;
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
	cfi = cfi_next(cfi);
	if (cfi) {
		uint64_t after, before;

		cfi_hole(cfi, pc, &after, &before);
		if (after > *start)
			*start = after;
		if (before < *end)
			*end = before;
	}
}
