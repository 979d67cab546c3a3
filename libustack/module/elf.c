// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The parts of an ELF file that unwinding needs.  Program headers tell all of
 * them: section headers, at the far end of the file, are not touched.
 */
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "module/elf.h"

const uint8_t *image_at(const struct image *image, uint64_t vaddr,
			size_t *size)
{
	for (size_t i = 0; i < image->nr_segments; i++) {
		const struct segment *seg = &image->segments[i];

		if (vaddr - seg->vaddr >= seg->size)
			continue;
		*size = seg->size - (vaddr - seg->vaddr);
		return image->data + seg->offset + (vaddr - seg->vaddr);
	}
	*size = 0;
	return NULL;
}

/* Does the file end before its section headers do?  They mostly come last. */
static bool is_cut(const struct image *image, const GElf_Ehdr *ehdr)
{
	/* 0: the first one has the number. */
	uint64_t nr = ehdr->e_shnum ? ehdr->e_shnum : 1;

	return ehdr->e_shoff && (ehdr->e_shoff > image->size ||
				 nr * ehdr->e_shentsize >
					 image->size - ehdr->e_shoff);
}

/* Little-endian, of a machine that can be unwound, and a program or a library. */
static int read_ehdr(struct image *image, Elf *elf)
{
	GElf_Ehdr ehdr;

	if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &ehdr) ||
	    ehdr.e_ident[EI_DATA] != ELFDATA2LSB ||
	    (ehdr.e_type != ET_EXEC && ehdr.e_type != ET_DYN))
		return -ENOEXEC;
	image->is_64 = ehdr.e_ident[EI_CLASS] == ELFCLASS64;
	if (ehdr.e_machine != (image->is_64 ? EM_X86_64 : EM_386))
		return -ENOEXEC;
	image->entry = ehdr.e_entry;
	if (is_cut(image, &ehdr))
		image_lacks(image, -ENODATA);
	return 0;
}

static void add_segment(struct image *image, const GElf_Phdr *ph)
{
	struct segment *seg = &image->segments[image->nr_segments];

	if (ph->p_filesz && (ph->p_offset > image->size ||
			     ph->p_filesz > image->size - ph->p_offset))
		image_lacks(image, -ENODATA);
	/* Of a truncated file, use what is left. */
	if (!ph->p_filesz || ph->p_offset >= image->size)
		return;
	seg->vaddr = ph->p_vaddr;
	seg->offset = ph->p_offset;
	seg->size = ph->p_filesz;
	if (seg->size > image->size - seg->offset)
		seg->size = image->size - seg->offset;
	seg->flags = ph->p_flags;
	image->nr_segments++;
}

/*
 * The build-id, if it is among the notes of a segment, which is where the kernel
 * looks for it.  dwelf_elf_gnu_build_id() goes by section headers if a file has
 * any: another page fault, and nothing if only the segment has the note.
 */
static void read_build_id(struct elf_id *id, Elf *elf, const GElf_Phdr *ph)
{
	Elf_Data *notes = elf_getdata_rawchunk(elf, ph->p_offset, ph->p_filesz,
					       ph->p_align == 8 ? ELF_T_NHDR8 :
								  ELF_T_NHDR);
	size_t at = 0, name, desc;
	GElf_Nhdr note;

	while (notes && (at = gelf_getnote(notes, at, &note, &name, &desc))) {
		const char *bytes = notes->d_buf;

		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 ||
		    memcmp(bytes + name, "GNU", 4) || !note.n_descsz ||
		    note.n_descsz > sizeof(id->bytes))
			continue;
		memcpy(id->bytes, bytes + desc, note.n_descsz);
		id->size = note.n_descsz;
		break;
	}
}

/* Go's build-id: type 4, of the owner "Go". */
static bool is_go_note(Elf *elf, const GElf_Phdr *ph)
{
	Elf_Data *notes = elf_getdata_rawchunk(elf, ph->p_offset, ph->p_filesz,
					       ELF_T_NHDR);
	size_t name, desc;
	GElf_Nhdr note;

	return notes && gelf_getnote(notes, 0, &note, &name, &desc) &&
	       note.n_type == 4 && note.n_namesz == 4 &&
	       !memcmp((const char *)notes->d_buf + name, "Go\0", 4);
}

static int read_segments(struct image *image, Elf *elf)
{
	struct section *hdr = &image->eh_frame_hdr;
	bool first = true;
	size_t nr, left;
	GElf_Phdr ph;

	if (elf_getphdrnum(elf, &nr) || !nr)
		return -ENOEXEC;
	image->segments = calloc(nr, sizeof(*image->segments));
	if (!image->segments)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		if (!gelf_getphdr(elf, i, &ph))
			return -ENOEXEC;
		if (ph.p_type == PT_GNU_EH_FRAME) {
			hdr->vaddr = ph.p_vaddr;
			hdr->size = ph.p_filesz;
		} else if (ph.p_type == PT_LOAD) {
			if (first)
				image->base = ph.p_vaddr;
			first = false;
			add_segment(image, &ph);
		} else if (ph.p_type == PT_NOTE) {
			image->is_go |= is_go_note(elf, &ph);
			if (!image->id_found.size)
				read_build_id(&image->id_found, elf, &ph);
		}
	}
	hdr->data = hdr->size ? image_at(image, hdr->vaddr, &left) : NULL;
	if (hdr->data && hdr->size > left)
		hdr->size = left;
	return 0;
}

int elf_read(struct image *image)
{
	Elf *elf;
	int err;

	elf_version(EV_CURRENT);
	/* libelf does not write to it. */
	elf = elf_memory((char *)image->data, image->size);
	err = read_ehdr(image, elf);
	if (!err)
		err = read_segments(image, elf);
	elf_end(elf);
	return err;
}
