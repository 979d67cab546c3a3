// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * PLT stubs have no symbols of their own.  But each jumps through a slot of the
 * GOT whose relocation names the function, however the linker lays them out.
 */
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "module/section.h"
#include "name/symbols.h"
#include "unwind/plt.h"

struct slot {
	uint64_t vaddr;
	const char *name;
};

struct slots {
	struct slot *v;
	size_t nr, max;
};

struct plt {
	Elf *elf;
	struct image *image;
	struct symbols *symbols;
	struct slots slots;	/* sorted for stubs that name one */
	struct slots lazy;	/* .rela.plt, for stubs that count them */
	uint64_t got;		/* what stubs may count from */
};

static int slots_add(struct slots *s, uint64_t vaddr, const char *name)
{
	size_t max = s->max ? 2 * s->max : 64;
	struct slot *v;

	if (s->nr == s->max) {
		v = realloc(s->v, max * sizeof(*v));
		if (!v)
			return -ENOMEM;
		s->v = v;
		s->max = max;
	}
	s->v[s->nr++] = (struct slot){ vaddr, name };
	return 0;
}

/* The name a relocation gives to its slot, or NULL. */
static const char *slot_name(const struct plt *plt, const GElf_Shdr *sh,
			     const GElf_Rela *r)
{
	const struct symbol *s;
	GElf_Shdr symtab;
	Elf_Data *data;
	Elf_Scn *scn;
	GElf_Sym sym;

	switch (plt_reloc(plt->image->is_64, GELF_R_TYPE(r->r_info))) {
	case PLT_RELOC_OTHER:
		return NULL;
	case PLT_RELOC_RESOLVER:
		/* Of a static program: the resolver has the function's name. */
		s = symbols_find(plt->symbols, r->r_addend);
		return s ? s->name : NULL;
	case PLT_RELOC_SYMBOL:
		break;
	}
	scn = elf_getscn(plt->elf, sh->sh_link);
	data = scn ? elf_getdata(scn, NULL) : NULL;
	if (!data || !gelf_getshdr(scn, &symtab) ||
	    !gelf_getsym(data, GELF_R_SYM(r->r_info), &sym))
		return NULL;
	return elf_strptr(plt->elf, symtab.sh_link, sym.st_name);
}

static int read_relocations(struct plt *plt, Elf_Scn *scn, const GElf_Shdr *sh,
			    bool of_plt)
{
	Elf_Data *data = sh->sh_entsize ? elf_getdata(scn, NULL) : NULL;
	size_t nr = data ? data->d_size / sh->sh_entsize : 0;

	for (size_t i = 0; i < nr; i++) {
		GElf_Rela rela = { 0 };
		const char *name;
		GElf_Rel rel;

		if (sh->sh_type == SHT_RELA) {
			if (!gelf_getrela(data, i, &rela))
				break;
		} else {
			if (!gelf_getrel(data, i, &rel))
				break;
			rela.r_offset = rel.r_offset;
			rela.r_info = rel.r_info;
		}
		name = slot_name(plt, sh, &rela);
		if ((name && slots_add(&plt->slots, rela.r_offset, name)) ||
		    (of_plt && slots_add(&plt->lazy, rela.r_offset, name)))
			return -ENOMEM;
	}
	return 0;
}

static int slot_compare(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

/* The name of the function that the stub at p jumps to, or NULL. */
static const char *stub_name(const struct plt *plt, const uint8_t *p,
			     size_t size, uint64_t vaddr)
{
	bool is_64 = plt->image->is_64;
	const struct slots *s = &plt->slots;
	const struct slot *found;
	struct slot to;
	size_t reloc;

	for (size_t i = 0; i < size; i++) {
		if (!plt_jump(is_64, p + i, size - i, vaddr + i, plt->got,
			      &to.vaddr))
			continue;
		found = s->nr ? bsearch(&to, s->v, s->nr, sizeof(to),
					slot_compare) :
				NULL;
		if (found)
			return found->name;
	}
	/* Not resolved yet. */
	for (size_t i = 0; i < size; i++)
		if (plt_lazy(is_64, p + i, size - i, &reloc) &&
		    reloc < plt->lazy.nr)
			return plt->lazy.v[reloc].name;
	return NULL;
}

static int read_stubs(struct plt *plt, const GElf_Shdr *sh)
{
	size_t step = sh->sh_entsize == 8 ? 8 : 16;
	const uint8_t *p;

	if (sh->sh_offset > plt->image->size ||
	    sh->sh_size > plt->image->size - sh->sh_offset)
		return 0;
	p = plt->image->data + sh->sh_offset;
	for (uint64_t at = 0; at + step <= sh->sh_size; at += step) {
		const char *name = stub_name(plt, p + at, step,
					     sh->sh_addr + at);
		struct symbol *s;

		if (!name || !*name)
			continue;
		s = symbols_add(plt->symbols);
		if (!s)
			return -ENOMEM;
		s->start = sh->sh_addr + at;
		s->end = s->start + step;
		s->name = name;
		s->plt = true;
	}
	return 0;
}

/* Calls take with every section that has a name, until that fails. */
static int each_section(struct plt *plt,
			int (*take)(struct plt *plt, Elf_Scn *scn,
				    const GElf_Shdr *sh, const char *name))
{
	Elf_Scn *scn = NULL;
	size_t names;
	int err = 0;

	if (!plt->elf || elf_getshdrstrndx(plt->elf, &names))
		return 0;
	while (!err && (scn = elf_nextscn(plt->elf, scn))) {
		const char *name;
		GElf_Shdr sh;

		name = gelf_getshdr(scn, &sh) ?
			       elf_strptr(plt->elf, names, sh.sh_name) :
			       NULL;
		if (name)
			err = take(plt, scn, &sh, name);
	}
	return err;
}

static int take_slots(struct plt *plt, Elf_Scn *scn, const GElf_Shdr *sh,
		      const char *name)
{
	if (!strcmp(name, ".got.plt") || (!strcmp(name, ".got") && !plt->got))
		plt->got = sh->sh_addr;
	if ((sh->sh_type != SHT_RELA && sh->sh_type != SHT_REL) ||
	    !(sh->sh_flags & SHF_ALLOC))
		return 0;
	return read_relocations(plt, scn, sh,
				!strcmp(name, ".rela.plt") ||
					!strcmp(name, ".rel.plt"));
}

static int take_stubs(struct plt *plt, Elf_Scn *scn, const GElf_Shdr *sh,
		      const char *name)
{
	(void)scn;
	return sh->sh_type == SHT_PROGBITS && !strncmp(name, ".plt", 4) ?
		       read_stubs(plt, sh) :
		       0;
}

int plt_read(struct symbols *symbols, struct image *image)
{
	struct plt plt = { .image = image, .symbols = symbols };
	int err;

	pthread_mutex_lock(&image->lock);
	plt.elf = image_elf(image);
	err = each_section(&plt, take_slots);
	if (plt.slots.nr)
		qsort(plt.slots.v, plt.slots.nr, sizeof(*plt.slots.v),
		      slot_compare);
	if (!err)
		err = each_section(&plt, take_stubs);
	pthread_mutex_unlock(&image->lock);
	free(plt.slots.v);
	free(plt.lazy.v);
	return err;
}
