// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The symbol tables of an ELF file, and of the files that complete it. */
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "module/debug_file.h"
#include "module/section.h"
#include "name/symbols.h"
#include "name/text.h"

#define DAMAGED_PART 8 /* of a table: some linkers leave a few odd symbols */

static bool symbol_wanted(const GElf_Sym *sym, const char *name)
{
	unsigned int type = GELF_ST_TYPE(sym->st_info);
	unsigned int visibility = GELF_ST_VISIBILITY(sym->st_other);

	if (!name || !*name || sym->st_shndx == SHN_UNDEF)
		return false;
	/* Labels in assembly have no type; those of the assembler itself are hidden. */
	return type == STT_FUNC || type == STT_GNU_IFUNC ||
	       (type == STT_NOTYPE && sym->st_shndx < SHN_LORESERVE &&
		visibility != STV_HIDDEN && visibility != STV_INTERNAL);
}

/* Does the file end before the section does? */
static bool is_cut(const struct image *file, const GElf_Shdr *sh)
{
	return sh->sh_offset > file->size ||
	       sh->sh_size > file->size - sh->sh_offset;
}

/* Only the first of a table says nothing, and what has a name has one that is none. */
static bool is_damaged(const GElf_Sym *sym, const char *name)
{
	return sym->st_name ? !name || !*name || !name_is_text(name) :
			      !sym->st_value && !sym->st_info && !sym->st_shndx;
}

/*
 * Adds the symbols of one table of file, which is image or completes it.  1, 0 if
 * there is no such table, or -ENOMEM.
 */
static int read_elf_table(struct symbols *symbols, struct image *image,
			  struct image *file, unsigned int type)
{
	Elf *elf = image_elf(file);
	Elf_Data *data = NULL;
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	size_t nr, damaged = 0;

	while (!data && elf && (scn = elf_nextscn(elf, scn)))
		if (gelf_getshdr(scn, &sh) && sh.sh_type == type &&
		    sh.sh_entsize) {
			data = elf_getdata(scn, NULL);
			if (!data && is_cut(file, &sh))
				image_lacks(file, -ENODATA);
		}
	nr = data ? data->d_size / sh.sh_entsize : 0;
	for (size_t i = 0; i < nr; i++) {
		const char *name;
		struct symbol *s;
		GElf_Sym sym;

		if (!gelf_getsym(data, i, &sym))
			break;
		name = elf_strptr(elf, sh.sh_link, sym.st_name);
		if (i && is_damaged(&sym, name)) {
			damaged++;
			continue;
		}
		if (!symbol_wanted(&sym, name))
			continue;
		s = symbols_add(symbols);
		if (!s)
			return -ENOMEM;
		s->start = sym.st_value;
		if (file != image)
			s->start += debug_bias(image, file, sym.st_value);
		s->end = s->start + sym.st_size;
		s->name = name;
		s->bind = GELF_ST_BIND(sym.st_info);
	}
	if (damaged > nr / DAMAGED_PART)
		image_lacks(image, -EBADMSG);
	return nr > 0;
}

/* The same of a file, which may be NULL. */
static int read_table(struct symbols *symbols, struct image *image,
		      struct image *file, unsigned int type)
{
	int ret;

	if (!file)
		return 0;
	pthread_mutex_lock(&file->lock);
	ret = read_elf_table(symbols, image, file, type);
	pthread_mutex_unlock(&file->lock);
	return ret;
}

/* Go's own table, which is left where symbols were stripped. */
static int read_go(struct symbols *symbols, struct image *image)
{
	struct section table, text;

	if (image_section(image, ".gopclntab", &table) &&
	    image_section(image, ".data.rel.ro.gopclntab", &table))
		return 0;
	image_section(image, ".text", &text);
	return go_read(symbols, &table, text.vaddr);
}

/*
 * The full table, from the image or its separate debug file.  Else .dynsym, and
 * .gnu_debugdata's table, which has just what .dynsym lacks.
 */
static int read_tables(struct symbols *symbols, struct image *image)
{
	struct image *file;
	int ret;

	ret = read_table(symbols, image, image, SHT_SYMTAB);
	if (!ret) {
		ret = image_debug_file(image, &file);
		if (!ret)
			ret = read_table(symbols, image, file, SHT_SYMTAB);
	}
	if (ret)
		return ret;
	ret = read_table(symbols, image, image, SHT_DYNSYM);
	if (ret >= 0)
		ret = image_debugdata(image, &file);
	if (!ret)
		ret = read_table(symbols, image, file, SHT_SYMTAB);
	return ret < 0 ? ret : read_go(symbols, image);
}

/* --- where the last ones end -------------------------------------------------- */

struct span {
	uint64_t start, end;
};

static int span_compare(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* The sections of image's memory, by address, to be freed.  0 or -ENOMEM. */
static int read_spans(struct image *image, struct span **out, size_t *nr)
{
	Elf *elf = image_elf(image);
	struct span *spans;
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	size_t max;

	*nr = 0;
	*out = NULL;
	if (!elf || elf_getshdrnum(elf, &max) || !max)
		return 0;
	spans = calloc(max, sizeof(*spans));
	if (!spans)
		return -ENOMEM;
	while ((scn = elf_nextscn(elf, scn)) && *nr < max)
		if (gelf_getshdr(scn, &sh) && sh.sh_flags & SHF_ALLOC &&
		    !(sh.sh_flags & SHF_TLS) &&
		    sh.sh_addr + sh.sh_size > sh.sh_addr)
			spans[(*nr)++] = (struct span){
				sh.sh_addr, sh.sh_addr + sh.sh_size
			};
	if (*nr)
		qsort(spans, *nr, sizeof(*spans), span_compare);
	*out = spans;
	return 0;
}

/*
 * What has no size was made to reach to the next symbol; no function reaches beyond
 * its section, and the last one there to its end.
 */
static int end_in_section(struct symbols *symbols, struct image *image)
{
	struct span *spans;
	size_t nr, at = 0;
	int err;

	pthread_mutex_lock(&image->lock);
	err = read_spans(image, &spans, &nr);
	pthread_mutex_unlock(&image->lock);
	for (size_t i = 0; i < symbols->nr; i++) {
		struct symbol *s = &symbols->v[i];

		while (at < nr && spans[at].end <= s->start)
			at++;
		if (at == nr || s->start < spans[at].start)
			continue;
		if (s->end <= s->start || s->end > spans[at].end)
			s->end = spans[at].end;
	}
	free(spans);
	return err;
}

int symtab_read(struct symbols *symbols, struct image *image)
{
	int err = read_tables(symbols, image);

	symbols_sort(symbols, symbols_by_preference);
	if (err >= 0) {
		err = plt_read(symbols, image);
		symbols_sort(symbols, symbols_by_preference);
		if (!err)
			err = end_in_section(symbols, image);
	}
	return err < 0 ? err : 0;
}
