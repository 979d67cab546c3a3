// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The functions of a module by its object file, which is not linked: where a section
 * gets to is what the kernel decides when it loads it.  Code comes first, section by
 * section as they are in the file, without what runs once.
 */
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "module/kernel.h"
#include "name/symbols.h"

#define CODE (SHF_ALLOC | SHF_EXECINSTR)
#define NOWHERE UINT64_MAX
#define NAME_SIZE_MAX 512 /* KSYM_NAME_LEN */

/* As layout_sections() of the kernel does: from where the module begins. */
static int lay_out(Elf *elf, uint64_t **out, size_t *nr)
{
	uint64_t end = 0, align, *at;
	Elf_Scn *scn = NULL;
	const char *name;
	size_t names;
	GElf_Shdr sh;

	if (elf_getshdrnum(elf, nr) || elf_getshdrstrndx(elf, &names))
		return -EBADMSG;
	at = malloc((*nr + 1) * sizeof(*at));
	if (!at)
		return -ENOMEM;
	memset(at, 0xff, (*nr + 1) * sizeof(*at));
	while ((scn = elf_nextscn(elf, scn))) {
		name = gelf_getshdr(scn, &sh) ?
			       elf_strptr(elf, names, sh.sh_name) :
			       NULL;
		if (!name || (sh.sh_flags & CODE) != CODE ||
		    !strncmp(name, ".init", 5))
			continue;
		align = sh.sh_addralign ? sh.sh_addralign : 1;
		end = (end + align - 1) / align * align;
		at[elf_ndxscn(scn)] = end;
		end += sh.sh_size;
	}
	*out = at;
	return 0;
}

static bool is_function(const GElf_Sym *sym, const char *name)
{
	unsigned int type = GELF_ST_TYPE(sym->st_info);

	return name && *name && strnlen(name, NAME_SIZE_MAX) < NAME_SIZE_MAX &&
	       (type == STT_FUNC || type == STT_NOTYPE);
}

static int read_table(struct symbols *symbols, Elf *elf, Elf_Scn *scn,
		      const uint64_t *at, size_t nr)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	struct symbol *s;
	const char *name;
	GElf_Shdr sh;
	GElf_Sym sym;

	if (!data || !gelf_getshdr(scn, &sh))
		return -EBADMSG;
	for (int i = 0; gelf_getsym(data, i, &sym); i++) {
		name = elf_strptr(elf, sh.sh_link, sym.st_name);
		if (sym.st_shndx >= nr || at[sym.st_shndx] == NOWHERE ||
		    !is_function(&sym, name))
			continue;
		s = symbols_add(symbols);
		if (!s)
			return -ENOMEM;
		s->start = at[sym.st_shndx] + sym.st_value;
		s->end = s->start + sym.st_size;
		s->bind = GELF_ST_BIND(sym.st_info);
		s->name = symbols_keep(symbols, name, strlen(name));
		if (!s->name)
			return -ENOMEM;
	}
	return 0;
}

int kmodule_read(struct symbols *symbols, struct image *image)
{
	Elf_Scn *scn = NULL;
	struct image *file;
	uint64_t *at = NULL;
	GElf_Shdr sh;
	size_t nr;
	Elf *elf;
	int err = kernel_module_file(image, &file);

	if (err)
		return err;
	elf = image_elf(file);
	err = elf ? lay_out(elf, &at, &nr) : -EBADMSG;
	while (!err && (scn = elf_nextscn(elf, scn)))
		if (gelf_getshdr(scn, &sh) && sh.sh_type == SHT_SYMTAB)
			err = read_table(symbols, elf, scn, at, nr);
	symbols_sort(symbols, symbols_by_preference);
	free(at);
	image_free(file);
	return err;
}
