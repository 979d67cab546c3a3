// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The parts of an ELF file that unwinding needs.  Program headers tell all of
 * them in nearly every file: its section headers, at the far end, are not touched.
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
static int read_ehdr(struct image *image, Elf *elf, bool *is_dyn)
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
	*is_dyn = ehdr.e_type == ET_DYN;
	if (is_cut(image, &ehdr))
		image_lacks(image, -ENODATA);
	return 0;
}

static void add_segment(struct image *image, const struct segment *from)
{
	struct segment *seg = &image->segments[image->nr_segments];

	if (from->size && (from->offset > image->size ||
			   from->size > image->size - from->offset))
		image_was_cut(image);
	/* Of a truncated file, use what is left. */
	if (!from->size || from->offset >= image->size)
		return;
	*seg = *from;
	if (seg->size > image->size - seg->offset)
		seg->size = image->size - seg->offset;
	image->nr_segments++;
}

/*
 * The build-id, if it is among these notes.  dwelf_elf_gnu_build_id() goes by
 * section headers if a file has any: another page fault, and nothing if only the
 * segment has the note.
 */
static void read_build_id(struct elf_id *id, Elf *elf, uint64_t offset,
			  uint64_t bytes, uint64_t align)
{
	Elf_Data *notes = elf_getdata_rawchunk(
		elf, offset, bytes, align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
	size_t at = 0, name, desc;
	GElf_Nhdr note;

	while (notes && (at = gelf_getnote(notes, at, &note, &name, &desc))) {
		const char *data = notes->d_buf;

		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 ||
		    memcmp(data + name, "GNU", 4) || !note.n_descsz ||
		    note.n_descsz > sizeof(id->bytes))
			continue;
		memcpy(id->bytes, data + desc, note.n_descsz);
		id->size = note.n_descsz;
		break;
	}
}

/* Go's build-id, of type 4 and the owner "Go": with cgo there are others before it. */
static bool has_go_note(Elf *elf, const GElf_Phdr *ph)
{
	Elf_Data *notes = elf_getdata_rawchunk(elf, ph->p_offset, ph->p_filesz,
					       ELF_T_NHDR);
	size_t at = 0, name, desc;
	GElf_Nhdr note;

	while (notes && (at = gelf_getnote(notes, at, &note, &name, &desc)))
		if (note.n_type == 4 && note.n_namesz == 4 &&
		    !memcmp((const char *)notes->d_buf + name, "Go\0", 4))
			return true;
	return false;
}

/* What ld made to be started or loaded. */
struct linked {
	bool interp, dynamic;
};

static int read_segments(struct image *image, Elf *elf, size_t nr,
			 struct linked *linked)
{
	struct section *hdr = &image->eh_frame_hdr;
	bool first = true;
	size_t left;
	GElf_Phdr ph;

	image->segments = calloc(nr, sizeof(*image->segments));
	image->code = calloc(nr, sizeof(*image->code));
	if (!image->segments || !image->code)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		if (!gelf_getphdr(elf, i, &ph))
			return -ENOEXEC;
		linked->interp |= ph.p_type == PT_INTERP;
		linked->dynamic |= ph.p_type == PT_DYNAMIC;
		if (ph.p_type == PT_GNU_EH_FRAME) {
			hdr->vaddr = ph.p_vaddr;
			hdr->size = ph.p_filesz;
		} else if (ph.p_type == PT_LOAD) {
			if (first)
				image->base = ph.p_vaddr;
			first = false;
			add_segment(image, &(struct segment){
						   ph.p_vaddr, ph.p_offset,
						   ph.p_filesz, ph.p_flags });
			if (ph.p_flags & PF_X)
				image->code[image->nr_code++] =
					(struct code_segment){ ph.p_vaddr,
							       ph.p_memsz };
		} else if (ph.p_type == PT_NOTE) {
			image->is_go |= has_go_note(elf, &ph);
			if (!image->id_found.size)
				read_build_id(&image->id_found, elf, ph.p_offset,
					      ph.p_filesz, ph.p_align);
		}
	}
	hdr->data = hdr->size ? image_at(image, hdr->vaddr, &left) : NULL;
	if (hdr->data && hdr->size > left)
		hdr->size = left;
	return 0;
}

/*
 * A function that a JIT compiled, as perf inject writes it: its program headers
 * tell less than its sections do, or there are none, and where it begins is no
 * _start.
 */
static int read_jit_object(struct image *image, Elf *elf)
{
	struct segment *more;
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	size_t nr;

	image->entry = 0;
	if (elf_getshdrnum(elf, &nr) || !nr)
		return 0;
	more = realloc(image->segments,
		       (image->nr_segments + nr) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	image->segments = more;
	while ((scn = elf_nextscn(elf, scn))) {
		if (!gelf_getshdr(scn, &sh) || sh.sh_type != SHT_PROGBITS ||
		    !(sh.sh_flags & SHF_ALLOC))
			continue;
		add_segment(image, &(struct segment){
					   sh.sh_addr, sh.sh_offset, sh.sh_size,
					   sh.sh_flags & SHF_EXECINSTR ?
						   PF_R | PF_X :
						   PF_R });
	}
	return 0;
}

/* Where no note segment has a build-id, as of Go's linker and perf inject. */
static void read_note_sections(struct image *image, Elf *elf)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;

	while (!image->id_found.size && (scn = elf_nextscn(elf, scn)))
		if (gelf_getshdr(scn, &sh) && sh.sh_type == SHT_NOTE)
			read_build_id(&image->id_found, elf, sh.sh_offset,
				      sh.sh_size, sh.sh_addralign);
}

/* Where Go has left its build-id out, as for builds that are reproducible. */
static bool has_go_section(Elf *elf)
{
	Elf_Scn *scn = NULL;
	size_t names;
	GElf_Shdr sh;

	if (elf_getshdrstrndx(elf, &names))
		return false;
	while ((scn = elf_nextscn(elf, scn))) {
		const char *name = NULL;

		if (gelf_getshdr(scn, &sh))
			name = elf_strptr(elf, names, sh.sh_name);
		if (name && !strcmp(name, ".go.buildinfo"))
			return true;
	}
	return false;
}

static int read_headers(struct image *image, Elf *elf, bool is_dyn)
{
	struct linked linked = { 0 };
	size_t nr;
	int err = 0;

	if (elf_getphdrnum(elf, &nr))
		return -ENOEXEC;
	if (nr)
		err = read_segments(image, elf, nr, &linked);
	if (!err && is_dyn && !linked.interp && !linked.dynamic)
		err = read_jit_object(image, elf);
	if (!err && !nr && !image->nr_segments)
		err = -ENOEXEC;
	if (!err && !image->id_found.size)
		read_note_sections(image, elf);
	/* Of programs: to look for it in every library takes too long. */
	if (!err && !image->is_go && (linked.interp || !linked.dynamic))
		image->is_go = has_go_section(elf);
	return err;
}

int elf_read(struct image *image)
{
	bool is_dyn;
	Elf *elf;
	int err;

	elf_version(EV_CURRENT);
	/* libelf does not write to it. */
	elf = elf_memory((char *)image->data, image->size);
	err = read_ehdr(image, elf, &is_dyn);
	if (!err)
		err = read_headers(image, elf, is_dyn);
	elf_end(elf);
	return err;
}
