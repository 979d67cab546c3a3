// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The functions of a module by its object file: anybody may have written it. */
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "module/kernel.h"
#include "module/layout.h"
#include "name/symbols.h"

#define NAME_SIZE_MAX 512 /* KSYM_NAME_LEN */
/* Bytes of names and symbols, many times those of any module there is. */
#define ROOM (64u << 20)

static bool is_function(const GElf_Sym *sym, const char *name)
{
	unsigned int type = GELF_ST_TYPE(sym->st_info);

	return name && *name && strnlen(name, NAME_SIZE_MAX) < NAME_SIZE_MAX &&
	       (type == STT_FUNC || type == STT_NOTYPE);
}

static int read_table(struct symbols *symbols, Elf *elf, Elf_Scn *scn,
		      const struct layout *l)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t room = ROOM, size;
	struct symbol *s;
	const char *name;
	GElf_Shdr sh;
	GElf_Sym sym;

	if (!data || !gelf_getshdr(scn, &sh))
		return -EBADMSG;
	for (int i = 0; gelf_getsym(data, i, &sym); i++) {
		name = elf_strptr(elf, sh.sh_link, sym.st_name);
		if (sym.st_shndx >= l->nr ||
		    l->at[sym.st_shndx] == LAYOUT_NOWHERE ||
		    !is_function(&sym, name))
			continue;
		size = sizeof(*s) + strlen(name) + 1;
		if (size > room)
			return -E2BIG;
		room -= size;
		s = symbols_add(symbols);
		if (!s)
			return -ENOMEM;
		s->start = l->at[sym.st_shndx] + sym.st_value;
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
	bool found = false;
	GElf_Shdr sh;
	Elf *elf;
	int err = kernel_module_file(image, false, &file);

	if (err)
		return err;
	elf = image_elf(file);
	/* There is one.  Others can have the same bytes again and again. */
	while (!found && (scn = elf_nextscn(elf, scn)))
		found = gelf_getshdr(scn, &sh) && sh.sh_type == SHT_SYMTAB;
	if (found)
		err = read_table(symbols, elf, scn, file->layout);
	/* What was read is used. */
	if (err == -E2BIG) {
		image_lacks(image, err);
		err = 0;
	}
	symbols_sort(symbols, symbols_by_preference);
	image_free(file);
	return err;
}
