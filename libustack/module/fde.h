/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* In: .eh_frame or .debug_frame of an image.  Out: the FDE of a pc. */
#ifndef USTACK_MODULE_FDE_H
#define USTACK_MODULE_FDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "module/section.h"
#include "util/bytes.h"

/* The call frame information of an image. */
struct cfi {
	struct section frames;	/* .eh_frame or .debug_frame */
	bool debug_frame;
	bool whole;		/* frames is the section, as its header has it */
	bool is_32;		/* ELFCLASS32: addresses of 4 bytes */
	/* If another file than the image has them: both, else NULL. */
	const struct image *file, *file_of;
	/* Its .debug_frame is searched for what .eh_frame lacks.  May be NULL. */
	struct image *image;
	/* The linker's search table: nr pairs of s32, relative to hdr. */
	struct section hdr;
	const uint8_t *table;
	/*
	 * Else one of our own, the only memory that is allocated for CFI: offsets
	 * of the FDEs in frames, sorted by first pc.  The pcs are read from frames
	 * again: here, they would take a third of its size.
	 */
	uint32_t *index;
	size_t nr;
};

struct cie {
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra;		/* column of the return address */
	uint8_t encoding;	/* of pcs: DW_EH_PE_* */
	bool sized, signal;	/* 'z', 'S' */
	struct buf insns;
};

struct fde {
	struct cie cie;
	uint64_t start, end;
	uint64_t from, to;	/* pcs in it that cfi_find() has it for */
	struct buf insns;
};

/* Finds the search table.  0 also where the image has no CFI; -ENOMEM. */
int cfi_init(struct cfi *cfi, struct image *image);
void cfi_free(struct cfi *cfi);
/* The first pc of FDE i of cfi->nr, sorted by it. */
uint64_t cfi_start(const struct cfi *cfi, size_t i);
/* The table to ask for what this one lacks, or has broken: .debug_frame, or NULL. */
const struct cfi *cfi_next(const struct cfi *cfi);
/*
 * The FDE that covers pc; *cfi becomes the one it was found in.  Where several do
 * it is the last of the first table, so that it is found for less than it covers:
 * what is made of it holds from from to to.  0, -ENOENT if
 * there is none, -EINVAL if the first is broken, and no other table has one,
 * -ENOTSUP if it uses something that is not supported.
 */
int cfi_find(const struct cfi **cfi, uint64_t pc, struct fde *fde);
/* Reads a pc in the encoding of cie. */
uint64_t cfi_pc(const struct cfi *cfi, const struct cie *cie, struct buf *b);
/*
 * The gap between FDEs that pc is in: from the end of the last FDE before it, or
 * 0, to the start of the next, or UINT64_MAX.  Only where cfi_find() returns
 * -ENOENT.
 */
void cfi_hole(const struct cfi *cfi, uint64_t pc, uint64_t *start,
	      uint64_t *end);

#endif
