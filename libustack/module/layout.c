// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Where a section of a module gets to is what the kernel decides when it loads it: code
 * comes first, section by section as they are in the file, without what runs once.
 * What refers to a section has relocations, in debug information, too.
 */
#include <errno.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module/layout.h"

#define CODE (SHF_ALLOC | SHF_EXECINSTR)
/* Of what is not loaded as code: far from all that is. */
#define ELSEWHERE (1ull << 62)

/* Where layout_sections() of the kernel puts it; then end is where it ends. */
static uint64_t place(const GElf_Shdr *sh, uint64_t *end)
{
	uint64_t align = sh->sh_addralign ? sh->sh_addralign : 1, at;

	at = (*end + align - 1) / align * align;
	*end = at + sh->sh_size;
	return at;
}

int layout_new(struct layout **out, Elf *elf)
{
	Elf_Scn *scn = NULL;
	const char *name;
	struct layout *l;
	GElf_Shdr sh;
	GElf_Ehdr ehdr;
	size_t names, nr;

	*out = NULL;
	if (!gelf_getehdr(elf, &ehdr) || ehdr.e_type != ET_REL ||
	    elf_getshdrnum(elf, &nr) || elf_getshdrstrndx(elf, &names))
		return -EBADMSG;
	l = malloc(sizeof(*l) + nr * sizeof(*l->at));
	if (!l)
		return -ENOMEM;
	memset(l->at, 0xff, nr * sizeof(*l->at));
	l->nr = nr;
	l->size = 0;
	while ((scn = elf_nextscn(elf, scn))) {
		name = gelf_getshdr(scn, &sh) ?
			       elf_strptr(elf, names, sh.sh_name) :
			       NULL;
		if (name && (sh.sh_flags & CODE) == CODE &&
		    strncmp(name, ".init", 5))
			l->at[elf_ndxscn(scn)] = place(&sh, &l->size);
	}
	*out = l;
	return 0;
}

void layout_free(struct layout *layout)
{
	free(layout);
}

/* --- relocations ------------------------------------------------------------------- */

struct relocation {
	struct image *file;
	struct section symtab;
	uint8_t *data;		/* what is relocated */
	size_t size;
};

/* Of a debug section it is the offset in there. */
static uint64_t value_of(const struct layout *l, const Elf64_Sym *sym, Elf *elf)
{
	Elf_Scn *scn;
	GElf_Shdr sh;

	if (sym->st_shndx >= l->nr)
		return sym->st_value;
	if (l->at[sym->st_shndx] != LAYOUT_NOWHERE)
		return LAYOUT_BASE + l->at[sym->st_shndx] + sym->st_value;
	scn = elf_getscn(elf, sym->st_shndx);
	if (scn && gelf_getshdr(scn, &sh) && sh.sh_flags & SHF_ALLOC)
		return ELSEWHERE + sym->st_value;
	return sym->st_value;
}

/* Bytes that a relocation of this type has; 0: none that a compiler makes here. */
static size_t width_of(uint32_t type)
{
	switch (type) {
	case R_X86_64_64:
		return 8;
	case R_X86_64_32:
	case R_X86_64_32S:
		return 4;
	}
	return 0;
}

static void relocate(const struct relocation *r, const Elf64_Rela *rela, Elf *elf)
{
	size_t width = width_of(ELF64_R_TYPE(rela->r_info));
	size_t nr = ELF64_R_SYM(rela->r_info);
	uint64_t value;
	Elf64_Sym sym;

	if (!width || nr >= r->symtab.size / sizeof(sym) || rela->r_offset > r->size ||
	    width > r->size - rela->r_offset)
		return;
	/* Nothing need be aligned in a file. */
	memcpy(&sym, r->symtab.data + nr * sizeof(sym), sizeof(sym));
	value = value_of(r->file->layout, &sym, elf) + rela->r_addend;
	memcpy(r->data + rela->r_offset, &value, width);
}

static void relocate_all(const struct relocation *r, const struct section *table)
{
	Elf64_Rela rela;

	/* libelf's. */
	pthread_mutex_lock(&r->file->lock);
	for (size_t at = 0; table->size - at >= sizeof(rela); at += sizeof(rela)) {
		memcpy(&rela, table->data + at, sizeof(rela));
		relocate(r, &rela, image_elf(r->file));
	}
	pthread_mutex_unlock(&r->file->lock);
}

int layout_section(struct image *file, const char *name, struct section *out)
{
	struct relocation r = { .file = file };
	struct section table;
	char rela_name[64];
	int err = image_section(file, name, out);

	if (err || !file->layout || !out->size)
		return err;
	snprintf(rela_name, sizeof(rela_name), ".rela%s", name);
	/* Strings have none. */
	if (image_section(file, rela_name, &table) ||
	    image_section(file, ".symtab", &r.symtab))
		return 0;
	r.size = out->size;
	r.data = section_copy(file, out);
	if (!r.data)
		return -ENOMEM;
	relocate_all(&r, &table);
	return 0;
}
