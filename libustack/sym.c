// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* From an address to the name of its function. */
#include <errno.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>

#include "unwind.h"

/* libstdc++'s demangler, as <cxxabi.h> declares it for C++ only. */
extern char *__cxa_demangle(const char *mangled, char *buf, size_t *size,
			    int *status);

static size_t underscores(const char *name)
{
	return strspn(name, "_");
}

/* By address; of several names for one, the one perf would print first. */
static int symbol_compare(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;
	size_t nx, ny;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if ((x->end == x->start) != (y->end == y->start))
		return x->end == x->start ? 1 : -1;
	if ((x->bind == STB_WEAK) != (y->bind == STB_WEAK))
		return x->bind == STB_WEAK ? 1 : -1;
	if ((x->bind == STB_GLOBAL) != (y->bind == STB_GLOBAL))
		return x->bind == STB_GLOBAL ? -1 : 1;
	nx = underscores(x->name);
	ny = underscores(y->name);
	if (nx != ny)
		return nx < ny ? -1 : 1;
	nx = strlen(x->name);
	ny = strlen(y->name);
	if (nx != ny)
		return nx > ny ? -1 : 1;
	return strcmp(x->name, y->name);
}

static bool symbol_wanted(const GElf_Sym *sym, const char *name)
{
	unsigned int type = GELF_ST_TYPE(sym->st_info);
	unsigned int visibility = GELF_ST_VISIBILITY(sym->st_other);

	if (!name || !*name || sym->st_shndx == SHN_UNDEF)
		return false;
	/* Labels of assembly are named too, the assembler's own are not. */
	return type == STT_FUNC || type == STT_GNU_IFUNC ||
	       (type == STT_NOTYPE && sym->st_shndx < SHN_LORESERVE &&
		visibility != STV_HIDDEN && visibility != STV_INTERNAL);
}

/* Adds file's table of a type: 1, or 0 where it has none, or -ENOMEM. */
static int read_table(struct symbols *symbols, struct image *file,
		      unsigned int type, uint64_t bias)
{
	Elf *elf = file ? image_elf(file) : NULL;
	Elf_Data *data = NULL;
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	size_t nr;

	while (!data && elf && (scn = elf_nextscn(elf, scn)))
		if (gelf_getshdr(scn, &sh) && sh.sh_type == type &&
		    sh.sh_entsize)
			data = elf_getdata(scn, NULL);
	nr = data ? data->d_size / sh.sh_entsize : 0;
	for (size_t i = 0; i < nr; i++) {
		const char *name;
		struct symbol *s;
		GElf_Sym sym;

		if (!gelf_getsym(data, i, &sym))
			break;
		name = elf_strptr(elf, sh.sh_link, sym.st_name);
		if (!symbol_wanted(&sym, name))
			continue;
		s = symbols_add(symbols);
		if (!s)
			return -ENOMEM;
		s->start = sym.st_value + bias;
		s->end = s->start + sym.st_size;
		s->name = name;
		s->bind = GELF_ST_BIND(sym.st_info);
	}
	return nr > 0;
}

/*
 * The whole table where there is one: in the image or in its separate debug
 * file.  Else what is exported, and .gnu_debugdata's, which has the others.
 */
static int read_tables(struct symbols *symbols, struct image *image)
{
	struct image *file;
	int ret;

	ret = read_table(symbols, image, SHT_SYMTAB, 0);
	if (!ret) {
		file = image_debug_file(image);
		ret = read_table(symbols, file, SHT_SYMTAB,
				 file ? image->base - file->base : 0);
	}
	if (!ret)
		ret = read_table(symbols, image, SHT_DYNSYM, 0);
	else
		return ret;
	if (ret >= 0) {
		file = image_mini(image);
		ret = read_table(symbols, file, SHT_SYMTAB,
				 file ? image->base - file->base : 0);
	}
	return ret;
}

static struct symbols *symbols_read(struct image *image)
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));
	int err;

	if (!symbols)
		return NULL;
	err = read_tables(symbols, image);
	symbols_sort(symbols, symbol_compare);
	if (err >= 0) {
		err = plt_read(symbols, image);
		symbols_sort(symbols, symbol_compare);
	}
	if (err < 0) {
		symbols_free(symbols);
		return NULL;
	}
	return symbols;
}

/* Demangled, "@plt" behind a stub's.  The name itself where that is no other. */
static char *shown_name(const struct symbol *s)
{
	const char *version = strstr(s->name, "@@");
	int status;
	char *base, *shown;

	if (!version && !s->plt && strncmp(s->name, "_Z", 2))
		return (char *)s->name;
	/*
	 * .symtab has "NAME@@VERSION" for what .dynsym calls NAME: which of
	 * them is there must not make a difference.
	 */
	base = version ? strndup(s->name, version - s->name) :
			 strdup(s->name);
	if (!base)
		return (char *)s->name;
	shown = strncmp(base, "_Z", 2) ?
			NULL :
			__cxa_demangle(base, NULL, NULL, &status);
	if (shown)
		free(base);
	else
		shown = base;
	if (s->plt && asprintf(&base, "%s@plt", shown) >= 0) {
		free(shown);
		shown = base;
	}
	return shown;
}

static const char *symbol_name(struct ustack_images *images, struct symbol *s)
{
	char *shown = __atomic_load_n(&s->shown, __ATOMIC_ACQUIRE);

	if (shown)
		return shown;
	pthread_mutex_lock(&images->lock);
	shown = s->shown;
	if (!shown) {
		shown = shown_name(s);
		__atomic_store_n(&s->shown, shown, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&images->lock);
	return shown;
}

/* NULL: no memory for them. */
static struct symbols *image_symbols(struct ustack_images *images,
				     struct image *image, bool jit)
{
	struct symbols *symbols =
		__atomic_load_n(&image->symbols, __ATOMIC_ACQUIRE);

	if (symbols)
		return symbols;
	pthread_mutex_lock(&images->lock);
	symbols = image->symbols;
	if (!symbols) {
		symbols = jit ? jit_read(image) : symbols_read(image);
		__atomic_store_n(&image->symbols, symbols, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&images->lock);
	return symbols;
}

int ustack_symbolize(struct ustack_space *space, uint64_t addr,
		     struct ustack_symbol *sym)
{
	struct map *map = space_find(space, addr);
	struct symbols *symbols;
	struct image *image;
	struct symbol *s;
	bool jit;

	*sym = (struct ustack_symbol){ 0 };
	if (!map) {
		if (arch_in_vsyscall(addr)) {
			sym->path = "[vsyscall]";
			sym->module_offset = addr & 4095;
		}
		return -ENOENT;
	}
	image = map->image;
	jit = file_is_jit(image->path);
	sym->path = image->path;
	sym->module_offset = addr - map->start + map->pgoff;
	if (!jit && !space_usable(space, map))
		return -ENOENT;
	sym->module_offset = jit ? addr : addr - map->bias;
	symbols = image_symbols(space->images, image, jit);
	if (!symbols)
		return -ENOMEM;
	s = symbols_find(symbols, sym->module_offset);
	if (!s)
		return -ENOENT;
	sym->name = symbol_name(space->images, s);
	sym->offset = sym->module_offset - s->start;
	return 0;
}
