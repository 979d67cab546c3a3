// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * What unwinding needs of an ELF file.  Its program headers tell, and they
 * mostly stand in the first page with the build-id: one read() judges a file,
 * and no section header is looked at.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "unwind.h"

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

/* 0, -EAGAIN if the file goes on there but its head does not, -ENOEXEC. */
static int head_read(const struct head *h, uint64_t offset, void *to,
		     size_t size)
{
	if (offset > h->file_size || size > h->file_size - offset)
		return -ENOEXEC;
	if (offset > h->size || size > h->size - offset)
		return -EAGAIN;
	memcpy(to, h->data + offset, size);
	return 0;
}

static int read_ehdr(struct image *image, const struct head *h,
		     Elf64_Ehdr *ehdr)
{
	Elf32_Ehdr e;
	int err;

	err = head_read(h, 0, ehdr->e_ident, EI_NIDENT);
	if (err)
		return err;
	if (memcmp(ehdr->e_ident, ELFMAG, SELFMAG) ||
	    ehdr->e_ident[EI_DATA] != ELFDATA2LSB)
		return -ENOEXEC;
	image->is_64 = ehdr->e_ident[EI_CLASS] == ELFCLASS64;
	if (image->is_64) {
		err = head_read(h, 0, ehdr, sizeof(*ehdr));
		if (err)
			return err;
		return ehdr->e_machine == EM_X86_64 &&
		       ehdr->e_phentsize == sizeof(Elf64_Phdr) ? 0 : -ENOEXEC;
	}
	err = head_read(h, 0, &e, sizeof(e));
	if (err)
		return err;
	ehdr->e_type = e.e_type;
	ehdr->e_entry = e.e_entry;
	ehdr->e_phoff = e.e_phoff;
	ehdr->e_phnum = e.e_phnum;
	ehdr->e_phentsize = e.e_phentsize;
	return e.e_ident[EI_CLASS] == ELFCLASS32 && e.e_machine == EM_386 &&
	       e.e_phentsize == sizeof(Elf32_Phdr) ? 0 : -ENOEXEC;
}

static int read_phdr(const struct image *image, const struct head *h,
		     const Elf64_Ehdr *ehdr, size_t i, Elf64_Phdr *ph)
{
	Elf32_Phdr p;
	int err;

	if (image->is_64) {
		err = head_read(h, ehdr->e_phoff + i * sizeof(*ph), ph,
				sizeof(*ph));
	} else {
		err = head_read(h, ehdr->e_phoff + i * sizeof(p), &p, sizeof(p));
		if (err)
			return err;
		ph->p_type = p.p_type;
		ph->p_flags = p.p_flags;
		ph->p_offset = p.p_offset;
		ph->p_vaddr = p.p_vaddr;
		ph->p_filesz = p.p_filesz;
		ph->p_align = p.p_align;
	}
	if (err)
		return err;
	/* A cut file keeps what it still has of a segment. */
	if (ph->p_offset > h->file_size)
		ph->p_offset = h->file_size;
	if (ph->p_filesz > h->file_size - ph->p_offset)
		ph->p_filesz = h->file_size - ph->p_offset;
	return 0;
}

/* The build-id, if it is among the notes of ph.  0 or -EAGAIN. */
static int read_notes(struct elf_id *id, const struct head *h,
		      const Elf64_Phdr *ph)
{
	uint64_t align = ph->p_align == 8 ? 8 : 4, at = 0;

	while (at < ph->p_filesz && ph->p_filesz - at >= sizeof(Elf32_Nhdr)) {
		uint64_t name, desc;
		Elf32_Nhdr note;
		char gnu[4];
		int err;

		err = head_read(h, ph->p_offset + at, &note, sizeof(note));
		if (err)
			return err;
		name = at + sizeof(note);
		desc = (name + note.n_namesz + align - 1) & -align;
		if (desc > ph->p_filesz || note.n_descsz > ph->p_filesz - desc)
			break;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    note.n_descsz && note.n_descsz <= sizeof(id->bytes)) {
			err = head_read(h, ph->p_offset + name, gnu, 4);
			if (!err)
				err = head_read(h, ph->p_offset + desc,
						id->bytes, note.n_descsz);
			if (err)
				return err;
			if (!memcmp(gnu, "GNU", 4)) {
				id->size = note.n_descsz;
				break;
			}
		}
		at = (desc + note.n_descsz + align - 1) & -align;
	}
	return 0;
}

int elf_read(struct image *image, const struct head *h)
{
	Elf64_Ehdr ehdr;
	int err, seen = 0;

	err = read_ehdr(image, h, &ehdr);
	if (err)
		return err;
	if ((ehdr.e_type != ET_EXEC && ehdr.e_type != ET_DYN) ||
	    ehdr.e_phoff > h->file_size ||
	    ehdr.e_phnum * (uint64_t)ehdr.e_phentsize >
		    h->file_size - ehdr.e_phoff)
		return -ENOEXEC;
	image->entry = ehdr.e_entry;
	image->nr_segments = 0;
	free(image->segments);
	image->segments = calloc(ehdr.e_phnum, sizeof(*image->segments));
	if (!image->segments)
		return -ENOMEM;
	for (size_t i = 0; i < ehdr.e_phnum; i++) {
		struct segment *seg = &image->segments[image->nr_segments];
		Elf64_Phdr ph;

		err = read_phdr(image, h, &ehdr, i, &ph);
		if (!err && ph.p_type == PT_NOTE && !image->id.size)
			err = read_notes(&image->id, h, &ph);
		if (err)
			return err;
		if (ph.p_type == PT_LOAD && !seen++)
			image->base = ph.p_vaddr;
		if (ph.p_type == PT_LOAD && ph.p_filesz) {
			seg->vaddr = ph.p_vaddr;
			seg->offset = ph.p_offset;
			seg->size = ph.p_filesz;
			seg->flags = ph.p_flags;
			image->nr_segments++;
		} else if (ph.p_type == PT_GNU_EH_FRAME) {
			image->eh_frame_hdr.vaddr = ph.p_vaddr;
			image->eh_frame_hdr.size = ph.p_filesz;
		}
	}
	return 0;
}

int elf_read_fd(struct image *image, int fd, size_t size)
{
	uint8_t first[4096];
	ssize_t n = pread(fd, first, sizeof(first), 0);
	int err;

	image->size = size;
	err = elf_read(image, &(struct head){ first, n > 0 ? n : 0, size });
	if (err != -EAGAIN)
		return err;
	err = elf_map(image, fd);
	return err ? err :
		     elf_read(image, &(struct head){ image->data, size, size });
}

int elf_map(struct image *image, int fd)
{
	struct section *hdr = &image->eh_frame_hdr;
	size_t left;

	if (!image->data)
		image->data = file_map(image->images, fd, image->size);
	if (!image->data)
		return -ENOMEM;
	hdr->data = hdr->size ? image_at(image, hdr->vaddr, &left) : NULL;
	if (hdr->data && hdr->size > left)
		hdr->size = left;
	return 0;
}
