// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Call frame information: rows of literal FDEs, search, broken input. */
#include "literal.h"

static struct ustack_images *images;
static struct bytes code, frames;
static struct cfi_row row;

static int setup(void **state)
{
	(void)state;
	memset(&frames, 0, sizeof(frames));
	code.size = 0x800;
	return ustack_images_new(&images, NULL);
}

static int teardown(void **state)
{
	(void)state;
	ustack_images_free(images);
	return 0;
}

static const struct cfi *cfi(void)
{
	put_uint(&frames, 0, 4);	/* the end of the section */
	return &literal_image(images, "/image", &code, &frames)->cfi;
}

static void cfa_is(const struct cfi *cfi, uint64_t pc, uint8_t reg, int64_t off)
{
	assert_int_equal(cfi_row(cfi, pc, &row), 0);
	assert_int_equal(row.cfa.kind, CFI_VAL_OFFSET);
	assert_int_equal(row.cfa.reg, reg);
	assert_int_equal(row.cfa.off, off);
	assert_true(row.start <= pc && pc < row.end);
}

static void saved_at(uint8_t reg, int64_t off)
{
	assert_int_equal(row.reg[reg].kind, CFI_OFFSET);
	assert_int_equal(row.reg[reg].off, off);
}

/*
 * 1000: push %rbp
 * 1001: mov %rsp,%rbp
 * 1004: push %rbx
 * 1005: ...
 * 1040: pop %rbx; leave; ret at 1042, then code of the other path
 */
static void frame_pointer(void **state)
{
	const struct cfi *c;

	(void)state;
	FDE(&frames, put_cie(&frames, false), 0x1000, 0x80,
	    DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16,
	    DW_CFA_offset | 6, 2,
	    DW_CFA_advance_loc | 3, DW_CFA_def_cfa_register, 6,
	    DW_CFA_advance_loc1, 1, DW_CFA_offset_extended, 3, 3,
	    DW_CFA_advance_loc2, 0x3d, 0, DW_CFA_remember_state,
	    DW_CFA_restore | 6, DW_CFA_def_cfa, 7, 8,
	    DW_CFA_advance_loc4, 1, 0, 0, 0, DW_CFA_restore_state);
	c = cfi();
	cfa_is(c, 0x1000, REG_RSP, 8);
	assert_int_equal(row.reg[REG_RBP].kind, CFI_SAME);
	saved_at(REG_RIP, -8);
	assert_true(row.start == 0x1000 && row.end == 0x1001);
	cfa_is(c, 0x1001, REG_RSP, 16);
	saved_at(REG_RBP, -16);
	cfa_is(c, 0x1004, REG_RBP, 16);
	cfa_is(c, 0x1041, REG_RBP, 16);
	saved_at(REG_RBX, -24);
	cfa_is(c, 0x1042, REG_RSP, 8);
	assert_int_equal(row.reg[REG_RBP].kind, CFI_SAME);
	cfa_is(c, 0x1043, REG_RBP, 16);
	saved_at(REG_RBP, -16);
	assert_true(row.end == 0x1080);
	assert_int_equal(cfi_row(c, 0x1080, &row), -ENOENT);
	assert_int_equal(cfi_row(c, 0xfff, &row), -ENOENT);
}

/*
 * 1000: push %rbx
 * 1002: a path with rbp pushed, too, and rbx as it was
 * 1003: as at 1001
 * 1004: the return address's rule is another, and the CIE's again at 1005
 */
static void remembered(void **state)
{
	const struct cfi *c;

	(void)state;
	FDE(&frames, put_cie(&frames, false), 0x1000, 0x10,
	    DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16,
	    DW_CFA_offset | 3, 2, DW_CFA_remember_state,
	    DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 24,
	    DW_CFA_offset | 6, 3, DW_CFA_restore | 3,
	    DW_CFA_advance_loc | 1, DW_CFA_restore_state,
	    DW_CFA_advance_loc | 1, DW_CFA_offset | 16, 0x82, 0,
	    DW_CFA_def_cfa_offset, 0x90, 1,
	    DW_CFA_advance_loc | 1, DW_CFA_restore | 16);
	c = cfi();
	cfa_is(c, 0x1001, REG_RSP, 16);
	saved_at(REG_RBX, -16);
	cfa_is(c, 0x1002, REG_RSP, 24);
	saved_at(REG_RBP, -24);
	assert_int_equal(row.reg[REG_RBX].kind, CFI_SAME);
	cfa_is(c, 0x1003, REG_RSP, 16);
	saved_at(REG_RBX, -16);
	assert_int_equal(row.reg[REG_RBP].kind, CFI_SAME);
	cfa_is(c, 0x1004, REG_RSP, 144);
	saved_at(REG_RIP, -16);
	cfa_is(c, 0x1005, REG_RSP, 144);
	saved_at(REG_RIP, -8);
}

static void every_rule(void **state)
{
	const struct cfi *c;

	(void)state;
	FDE(&frames, put_cie(&frames, false), 0x1000, 0x10,
	    DW_CFA_def_cfa_sf, 6, 0x7e,			/* rbp + 16 */
	    DW_CFA_offset_extended_sf, 3, 0x7f,		/* CFA + 8 */
	    DW_CFA_val_offset, 12, 2,			/* CFA - 16 */
	    DW_CFA_val_offset_sf, 13, 0x7e,		/* CFA + 16 */
	    DW_CFA_register, 14, 5,
	    DW_CFA_register, 15, 33,			/* an xmm */
	    DW_CFA_undefined, 0,
	    DW_CFA_expression, 6, 2, DW_OP_breg6, 0,
	    DW_CFA_val_expression, 7, 2, DW_OP_breg10, 8,
	    DW_CFA_offset_extended, 33, 9,		/* not tracked */
	    DW_CFA_GNU_args_size, 0x10,
	    DW_CFA_GNU_negative_offset_extended, 8, 2,	/* CFA + 16 */
	    DW_CFA_same_value, 9,
	    DW_CFA_advance_loc | 4, DW_CFA_def_cfa_offset_sf, 0x7d,	/* 24 */
	    DW_CFA_advance_loc | 4,
	    DW_CFA_def_cfa_expression, 3, DW_OP_breg6, 0x78, DW_OP_deref,
	    DW_CFA_undefined, 16);
	c = cfi();
	cfa_is(c, 0x1000, REG_RBP, 16);
	saved_at(REG_RBX, 8);
	assert_int_equal(row.reg[REG_R12].kind, CFI_VAL_OFFSET);
	assert_int_equal(row.reg[REG_R12].off, -16);
	assert_int_equal(row.reg[REG_R13].off, 16);
	assert_int_equal(row.reg[REG_R14].kind, CFI_REGISTER);
	assert_int_equal(row.reg[REG_R14].reg, REG_RDI);
	assert_int_equal(row.reg[REG_R15].kind, CFI_UNDEFINED);
	assert_int_equal(row.reg[REG_RAX].kind, CFI_UNDEFINED);
	assert_int_equal(row.reg[REG_RBP].kind, CFI_EXPR);
	assert_int_equal(row.reg[REG_RBP].size, 2);
	assert_int_equal(row.reg[REG_RBP].expr[0], DW_OP_breg6);
	assert_int_equal(row.reg[REG_RSP].kind, CFI_VAL_EXPR);
	saved_at(REG_R8, 16);
	assert_int_equal(row.reg[REG_R9].kind, CFI_SAME);
	cfa_is(c, 0x1004, REG_RBP, 24);
	assert_int_equal(cfi_row(c, 0x1008, &row), 0);
	assert_int_equal(row.cfa.kind, CFI_VAL_EXPR);
	assert_int_equal(row.cfa.size, 3);
	assert_int_equal(row.reg[REG_RIP].kind, CFI_UNDEFINED);
}

static void signal_frame(void **state)
{
	const struct cfi *c;

	(void)state;
	FDE(&frames, put_cie(&frames, true), 0x1000, 0x10, DW_CFA_nop);
	FDE(&frames, put_cie(&frames, false), 0x1010, 0x10, DW_CFA_nop);
	c = cfi();
	assert_int_equal(cfi_row(c, 0x100f, &row), 0);
	assert_true(row.signal);
	assert_int_equal(cfi_row(c, 0x1010, &row), 0);
	assert_false(row.signal);
}

static void holes(void **state)
{
	const struct cfi *c;
	uint64_t start, end;
	size_t cie;

	(void)state;
	cie = put_cie(&frames, false);
	FDE(&frames, cie, 0x1300, 0x10, DW_CFA_nop);	/* not in order */
	FDE(&frames, cie, 0x1100, 0x10, DW_CFA_nop);
	c = cfi();
	assert_int_equal(c->nr, 2);
	assert_int_equal(cfi_row(c, 0x1200, &row), -ENOENT);
	cfi_hole(c, 0x1200, &start, &end);
	assert_true(start == 0x1110 && end == 0x1300);
	cfi_hole(c, 0x1000, &start, &end);
	assert_true(start == 0 && end == 0x1100);
	cfi_hole(c, 0x1310, &start, &end);
	assert_true(start == 0x1310 && end == UINT64_MAX);
}

/* .eh_frame at 0x3000, and .eh_frame_hdr at 0x2000, as ld writes it. */
static struct image *image_with_hdr(const char *path, struct bytes *hdr,
				    const uint32_t (*entry)[2], uint32_t nr)
{
	struct image *image = image_of(images, path, NULL, 0);

	hdr->size = 0;
	put_uint(hdr, 1, 1);
	put_uint(hdr, DW_EH_PE_pcrel | DW_EH_PE_sdata4, 1);
	put_uint(hdr, DW_EH_PE_udata4, 1);
	put_uint(hdr, DW_EH_PE_datarel | DW_EH_PE_sdata4, 1);
	put_uint(hdr, 0x3000 - 0x2004, 4);	/* frames - here */
	put_uint(hdr, nr, 4);
	for (uint32_t i = 0; i < nr; i++) {
		put_uint(hdr, entry[i][0] - 0x2000, 4);
		put_uint(hdr, 0x3000 + entry[i][1] - 0x2000, 4);
	}
	literal_open(image);
	image->is_64 = true;
	image->data = frames.data;
	image->size = frames.size;
	image->segments = calloc(1, sizeof(*image->segments));
	image->nr_segments = 1;
	image->segments[0] = (struct segment){ 0x3000, 0, frames.size, PF_R };
	image->eh_frame_hdr = (struct section){ hdr->data, hdr->size, 0x2000 };
	assert_int_equal(cfi_init(&image->cfi, image), 0);
	return image;
}

static void search_table(void **state)
{
	struct image *image;
	struct bytes hdr;
	size_t cie, fde[3];

	(void)state;
	cie = put_cie(&frames, false);
	fde[0] = FDE(&frames, cie, 0x1000, 0x10, DW_CFA_nop);
	fde[1] = FDE(&frames, cie, 0x1020, 0x10, DW_CFA_def_cfa_offset, 24);
	/* Of no pc, inside of the second. */
	fde[2] = FDE(&frames, cie, 0x1028, 0, DW_CFA_def_cfa_offset, 32);
	image = image_with_hdr("/hdr", &hdr,
			       (const uint32_t[][2]){ { 0x1000, fde[0] },
						      { 0x1020, fde[1] },
						      { 0x1028, fde[2] } },
			       3);
	assert_null(image->cfi.index);
	cfa_is(&image->cfi, 0x1008, REG_RSP, 8);
	cfa_is(&image->cfi, 0x1020, REG_RSP, 24);
	cfa_is(&image->cfi, 0x1028, REG_RSP, 24);
	cfa_is(&image->cfi, 0x102f, REG_RSP, 24);
	/* That was all that it takes. */
	assert_null(image->all_cfi.index);
	assert_int_equal(cfi_row(&image->cfi, 0x1018, &row), -ENOENT);
	assert_null(image->all_cfi.index);
	assert_int_equal(cfi_row(&image->cfi, 0x1030, &row), -ENOENT);

	/* A count that exceeds the header: the table is not used. */
	hdr.data[8] = 4;
	cfi_free(&image->cfi);
	assert_int_equal(cfi_init(&image->cfi, image), 0);
	assert_null(image->cfi.table);
	assert_int_equal(image->cfi.nr, 2);
	cfa_is(&image->cfi, 0x1028, REG_RSP, 24);
}

/* Then what it was made of is searched. */
static void broken_table(void **state)
{
	struct image *image;
	struct bytes hdr;
	size_t cie, fde[4];

	(void)state;
	cie = put_cie(&frames, false);
	fde[0] = FDE(&frames, cie, 0x1000, 0x10, DW_CFA_def_cfa_offset, 16);
	fde[1] = FDE(&frames, cie, 0x1020, 0, DW_CFA_nop);
	fde[2] = FDE(&frames, cie, 0x1020, 0x10, DW_CFA_def_cfa_offset, 24);
	fde[3] = FDE(&frames, cie, 0x1040, 0x10, DW_CFA_def_cfa_offset, 32);

	/* One entry for the two of 0x1020, as BOLT's. */
	image = image_with_hdr("/one", &hdr,
			       (const uint32_t[][2]){ { 0x1000, fde[0] },
						      { 0x1020, fde[1] },
						      { 0x1040, fde[3] } },
			       3);
	cfa_is(&image->cfi, 0x1008, REG_RSP, 16);
	assert_null(image->all_cfi.index);
	cfa_is(&image->cfi, 0x1020, REG_RSP, 24);
	cfa_is(&image->cfi, 0x102f, REG_RSP, 24);
	cfa_is(&image->cfi, 0x1048, REG_RSP, 32);
	assert_int_equal(cfi_row(&image->cfi, 0x1030, &row), -ENOENT);

	/* Not sorted. */
	image = image_with_hdr("/unsorted", &hdr,
			       (const uint32_t[][2]){ { 0x1040, fde[3] },
						      { 0x1020, fde[2] },
						      { 0x1000, fde[0] } },
			       3);
	cfa_is(&image->cfi, 0x1008, REG_RSP, 16);
	cfa_is(&image->cfi, 0x1028, REG_RSP, 24);
	assert_int_equal(row.start, 0x1028);
	assert_int_equal(row.end, 0x1029);
	cfa_is(&image->cfi, 0x1048, REG_RSP, 32);
	assert_int_equal(cfi_row(&image->cfi, 0x1018, &row), -ENOENT);

	/* An entry that points to no FDE, and one to another's. */
	image = image_with_hdr("/wrong", &hdr,
			       (const uint32_t[][2]){ { 0x1000, cie },
						      { 0x1020, fde[0] },
						      { 0x1040, fde[3] } },
			       3);
	cfa_is(&image->cfi, 0x1008, REG_RSP, 16);
	cfa_is(&image->cfi, 0x1028, REG_RSP, 24);
	cfa_is(&image->cfi, 0x1048, REG_RSP, 32);
}

static void debug_frame(void **state)
{
	static const uint8_t section[] = {
		/* CIE, version 4 */
		0x14, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 4, 0, 8, 0, 1, 0x78, 16,
		DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1, 0, 0, 0, 0,
		/* FDE of 1000..1010 */
		0x18, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x10, 0, 0, 0, 0, 0, 0,
		0x10, 0, 0, 0, 0, 0, 0, 0, DW_CFA_def_cfa_offset, 32, 0, 0,
		/* The end mark of an object, and an FDE of another one */
		0, 0, 0, 0,
		0x18, 0, 0, 0, 0, 0, 0, 0, 0x20, 0x10, 0, 0, 0, 0, 0, 0,
		0x10, 0, 0, 0, 0, 0, 0, 0, DW_CFA_def_cfa_offset, 48, 0, 0,
	};
	struct image *image = literal_image(images, "/debug", &code, NULL);

	(void)state;
	image->debug_frame = (struct section){ section, sizeof(section), 0 };
	assert_int_equal(cfi_init(&image->cfi, image), 0);
	cfa_is(&image->cfi, 0x1000, REG_RSP, 32);
	saved_at(REG_RIP, -8);
	cfa_is(&image->cfi, 0x1020, REG_RSP, 48);
}

/* What libgcrypt's assembly has: a CFA that was an expression is the old offset on. */
static void parts_of_an_expression(void **state)
{
	const struct cfi *c;

	(void)state;
	FDE(&frames, put_cie(&frames, false), 0x1000, 0x40,
	    DW_CFA_def_cfa_offset, 56,
	    DW_CFA_advance_loc | 8, DW_CFA_def_cfa_register, 0,
	    DW_CFA_advance_loc | 8, DW_CFA_remember_state,
	    DW_CFA_def_cfa_expression, 2, DW_OP_breg7, 16,
	    DW_CFA_def_cfa_expression, 2, DW_OP_breg7, 24,
	    DW_CFA_advance_loc | 8, DW_CFA_def_cfa_register, 7,
	    DW_CFA_advance_loc | 8, DW_CFA_restore_state,
	    DW_CFA_def_cfa_expression, 2, DW_OP_breg7, 32,
	    DW_CFA_remember_state, DW_CFA_def_cfa_offset, 40,
	    DW_CFA_advance_loc | 8, DW_CFA_def_cfa_register, 6,
	    DW_CFA_advance_loc | 8, DW_CFA_restore_state,
	    DW_CFA_def_cfa_register, 3);
	c = cfi();
	cfa_is(c, 0x1008, REG_RAX, 56);
	assert_int_equal(cfi_row(c, 0x1010, &row), 0);
	assert_int_equal(row.cfa.kind, CFI_VAL_EXPR);
	assert_int_equal(row.cfa.expr[1], 24);
	cfa_is(c, 0x1018, REG_RSP, 56);
	/* An offset alone changes nothing yet. */
	assert_int_equal(cfi_row(c, 0x1020, &row), 0);
	assert_int_equal(row.cfa.kind, CFI_VAL_EXPR);
	assert_int_equal(row.cfa.expr[1], 32);
	cfa_is(c, 0x1028, REG_RBP, 40);
	/* It is remembered, too. */
	cfa_is(c, 0x1030, REG_RBX, 56);
}

/* One FDE that cannot be used, and the error. */
#define BROKEN(err, ...)                                                     \
	do {                                                                 \
		static int nr_;                                              \
		char path_[20];                                              \
		struct image *i_;                                            \
		frames.size = 0;                                             \
		FDE(&frames, put_cie(&frames, false), 0x1000, 0x10,          \
		    __VA_ARGS__);                                            \
		snprintf(path_, sizeof(path_), "/%d-%d", __LINE__, nr_++);   \
		i_ = literal_image(images, path_, &code, &frames);           \
		assert_int_equal(cfi_row(&i_->cfi, 0x1008, &row), err);      \
	} while (0)

static void broken(void **state)
{
	(void)state;
	BROKEN(-EINVAL, DW_CFA_restore_state);
	BROKEN(-EINVAL, DW_CFA_def_cfa_expression, 0x7f, DW_OP_lit0);
	BROKEN(-ENOTSUP, 0x3f);
	BROKEN(-ENOTSUP, DW_CFA_def_cfa, 33, 8);
	/* There is no padding behind three bytes: the operand is missing. */
	BROKEN(-EINVAL, DW_CFA_nop, DW_CFA_nop, DW_CFA_def_cfa_offset);
}

/* States that are remembered in each other, as many as nobody writes but one. */
static void deep_states(void **state)
{
	uint8_t insns[2 * 65 + 2];
	struct image *image;

	(void)state;
	for (int deep = 20; deep <= 65; deep += 45) {
		char path[8];

		memset(insns, DW_CFA_remember_state, deep);
		insns[deep] = DW_CFA_def_cfa_offset;
		insns[deep + 1] = 64;
		memset(insns + deep + 2, DW_CFA_restore_state, deep);
		frames.size = 0;
		put_fde(&frames, put_cie(&frames, false), 0x1000, 0x10, insns,
			2 * deep + 2);
		snprintf(path, sizeof(path), "/%d", deep);
		image = literal_image(images, path, &code, &frames);
		if (deep == 20)
			cfa_is(&image->cfi, 0x1008, REG_RSP, 8);
		else
			assert_int_equal(cfi_row(&image->cfi, 0x1008, &row),
					 -ENOTSUP);
	}
}

/* What .eh_frame has broken, .debug_frame is asked for: its FDE or its rows. */
static void broken_in_one_table(void **state)
{
	static const uint8_t section[] = {
		0x14, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 4, 0, 8, 0, 1, 0x78, 16,
		DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1, 0, 0, 0, 0,
		0x18, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x10, 0, 0, 0, 0, 0, 0,
		0x20, 0, 0, 0, 0, 0, 0, 0, DW_CFA_def_cfa_offset, 32, 0, 0,
	};

	(void)state;
	for (int of_cie = 0; of_cie < 2; of_cie++) {
		char path[8];
		struct image *image;
		size_t cie;

		frames.size = 0;
		cie = put_cie(&frames, false);
		FDE(&frames, cie, 0x1000, 0x20, DW_CFA_def_cfa_offset, 48,
		    DW_CFA_advance_loc | 8, DW_CFA_restore_state);
		snprintf(path, sizeof(path), "/%d", of_cie);
		image = literal_image(images, path, &code, NULL);
		image->eh_frame = (struct section){ frames.data, frames.size,
						    0x100000 };
		image->debug_frame = (struct section){ section,
						       sizeof(section), 0 };
		assert_int_equal(cfi_init(&image->cfi, image), 0);
		/* Of a version that nobody knows; it was fine when indexed. */
		if (of_cie)
			frames.data[cie + 8] = 9;
		cfa_is(&image->cfi, 0x1004, REG_RSP, of_cie ? 32 : 48);
		cfa_is(&image->cfi, 0x1008, REG_RSP, 32);
		/* The right rows are those of the first table, from here too. */
		cfa_is(&image->cfi, 0x1004, REG_RSP, of_cie ? 32 : 48);
		assert_int_equal(cfi_row(&image->cfi, 0x1020, &row),
				 of_cie ? -ENOTSUP : -ENOENT);
	}
}

/* A hole of .eh_frame ends where .debug_frame has something, on either side. */
static void holes_of_two_tables(void **state)
{
	static const uint8_t section[] = {
		0x14, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 4, 0, 8, 0, 1, 0x78, 16,
		DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1, 0, 0, 0, 0,
		0x18, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x10, 0, 0, 0, 0, 0, 0,
		0x10, 0, 0, 0, 0, 0, 0, 0, DW_CFA_def_cfa_offset, 32, 0, 0,
	};
	struct image *image = literal_image(images, "/two", &code, NULL);
	uint64_t start, end;
	size_t cie;

	(void)state;
	cie = put_cie(&frames, false);
	FDE(&frames, cie, 0x1000, 0x10, DW_CFA_nop);
	FDE(&frames, cie, 0x1100, 0x10, DW_CFA_nop);
	image->eh_frame = (struct section){ frames.data, frames.size, 0x100000 };
	image->debug_frame = (struct section){ section, sizeof(section), 0 };
	assert_int_equal(cfi_init(&image->cfi, image), 0);
	cfi_hole(&image->cfi, 0x1020, &start, &end);
	assert_true(start == 0x1010 && end == 0x1040);
	cfi_hole(&image->cfi, 0x1060, &start, &end);
	assert_true(start == 0x1050 && end == 0x1100);
	cfi_hole(&image->cfi, 0x1200, &start, &end);
	assert_true(start == 0x1110 && end == UINT64_MAX);
}

/* An end mark in the middle of the section; an FDE of no pc; a CIE of gcc 2. */
static void odd_entries(void **state)
{
	static const uint8_t eh[] = {
		0, 0, 0, 0, 1, 'e', 'h', 0, 1, 2, 3, 4, 5, 6, 7, 8,
		1, 0x78, 16, DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1,
	};
	const struct cfi *c;
	size_t cie, start;

	(void)state;
	cie = put_cie(&frames, false);
	FDE(&frames, cie, 0x1000, 0x20, DW_CFA_def_cfa_offset, 48);
	put_uint(&frames, 0, 4);
	put_uint(&frames, 0, 4);
	FDE(&frames, cie, 0x1010, 0, DW_CFA_def_cfa_offset, 16);
	FDE(&frames, cie, 0x1040, 0x10, DW_CFA_def_cfa_offset, 24);
	start = frames.size;
	put_uint(&frames, 0, 4);
	put(&frames, eh, sizeof(eh));
	put_length(&frames, start);
	cie = start;
	start = frames.size;
	put_uint(&frames, 0, 4);
	put_uint(&frames, start + 4 - cie, 4);
	put_uint(&frames, 0x1060, 8);
	put_uint(&frames, 0x10, 8);
	put(&frames, (uint8_t[]){ DW_CFA_def_cfa_offset, 40 }, 2);
	put_length(&frames, start);
	c = cfi();
	cfa_is(c, 0x1008, REG_RSP, 48);
	cfa_is(c, 0x1018, REG_RSP, 48);
	cfa_is(c, 0x1048, REG_RSP, 24);
	cfa_is(c, 0x1068, REG_RSP, 40);
}

/* A location outside of the function ends the row where the function ends. */
static void location_outside(void **state)
{
	const struct cfi *c;

	(void)state;
	FDE(&frames, put_cie(&frames, false), 0x1000, 0x10,
	    DW_CFA_set_loc, 0, 8, 0, 0, 0, 0, 0, 0);	/* 0x800 */
	FDE(&frames, 0, 0x1010, 0x10, DW_CFA_advance_loc1, 0x20);
	c = cfi();
	cfa_is(c, 0x1004, REG_RSP, 8);
	assert_true(row.end == 0x1010);
	cfa_is(c, 0x1014, REG_RSP, 8);
	assert_true(row.end == 0x1020);
}

/* Truncated anywhere, any byte changed: nothing outside of it is read. */
static void hostile(void **state)
{
	static struct bytes good;
	struct image *image = literal_image(images, "/hostile", &code, NULL);
	size_t cie;

	(void)state;
	good.size = 0;
	cie = put_cie(&good, false);
	FDE(&good, cie, 0x1000, 0x10, DW_CFA_advance_loc | 4,
	    DW_CFA_expression, 6, 2, DW_OP_breg6, 0, DW_CFA_remember_state,
	    DW_CFA_advance_loc2, 1, 0, DW_CFA_restore_state);
	FDE(&good, cie, 0x1010, 0x10, DW_CFA_undefined, 16);
	for (size_t cut = 0; cut <= good.size; cut++) {
		uint8_t *copy = malloc(cut + 1);

		memcpy(copy, good.data, cut);
		/* At the very end of an allocation, for ASan. */
		copy = realloc(copy, cut ? cut : 1);
		image->eh_frame = (struct section){ copy, cut, 0x100000 };
		assert_int_equal(cfi_init(&image->cfi, image), 0);
		for (uint64_t pc = 0xfff; pc < 0x1022; pc++)
			cfi_row(&image->cfi, pc, &row);
		cfi_free(&image->cfi);
		free(copy);
	}
	for (size_t at = 0; at < good.size; at++) {
		for (int val = 0; val < 256; val++) {
			uint8_t *copy = malloc(good.size);

			memcpy(copy, good.data, good.size);
			copy[at] = val;
			image->eh_frame = (struct section){ copy, good.size,
							    0x100000 };
			assert_int_equal(cfi_init(&image->cfi, image), 0);
			for (uint64_t pc = 0xfff; pc < 0x1022; pc += 5)
				cfi_row(&image->cfi, pc, &row);
			cfi_free(&image->cfi);
			free(copy);
		}
	}
}

/*
 * A file that is truncated after its index was made: the last page, with FDEs and
 * their pcs, becomes zeroes then; see ustack_images_fault().
 */
static void cut_since(void **state)
{
	size_t cie = put_cie(&frames, false), fde[3];
	const struct cfi *c;

	(void)state;
	for (int i = 0; i < 3; i++)
		fde[i] = FDE(&frames, cie, 0x1000 + 0x10 * i, 0x10,
			     DW_CFA_def_cfa_offset, 16 + 8 * i);
	c = cfi();
	assert_non_null(c->index);
	for (int i = 0; i < 3; i++)
		cfa_is(c, 0x1004 + 0x10 * i, REG_RSP, 16 + 8 * i);
	memset(frames.data + fde[2], 0, frames.size - fde[2]);
	/* Zeroes end a section: the other FDEs are found, or none. */
	for (uint64_t pc = 0xfff; pc < 0x1032; pc++)
		if (!cfi_row(c, pc, &row))
			assert_true(pc >= 0x1000 && pc < 0x1020 &&
				    row.cfa.off == (pc < 0x1010 ? 16 : 24));
	assert_true(cfi_row(c, 0x1024, &row) < 0);
	memset(frames.data + fde[0], 0, frames.size - fde[0]);
	for (uint64_t pc = 0xfff; pc < 0x1032; pc++)
		assert_true(cfi_row(c, pc, &row) < 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frame_pointer), TEST(remembered), TEST(every_rule),
		TEST(signal_frame),
		TEST(holes),	     TEST(search_table), TEST(broken_table),
		TEST(debug_frame),
		TEST(broken),	     TEST(deep_states),
		TEST(parts_of_an_expression),
		TEST(broken_in_one_table), TEST(holes_of_two_tables),
		TEST(odd_entries),   TEST(location_outside),
		TEST(hostile),	     TEST(cut_since),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
