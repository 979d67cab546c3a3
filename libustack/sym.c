// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* From an address to the name of its function. */
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>

#include "unwind.h"

/* libstdc++'s demangler, as <cxxabi.h> declares it for C++ only. */
extern char *__cxa_demangle(const char *mangled, char *buf, size_t *size,
			    int *status);

struct symbol {
	uint64_t start, end;
	const char *name;	/* as the file has it */
	char *demangled;	/* made when first asked for; name if the same */
	uint8_t bind;
};

struct symbols {
	struct symbol *v;
	size_t nr;
};

void symbols_free(struct symbols *symbols)
{
	if (!symbols)
		return;
	for (size_t i = 0; i < symbols->nr; i++)
		if (symbols->v[i].demangled != symbols->v[i].name)
			free(symbols->v[i].demangled);
	free(symbols->v);
	free(symbols);
}

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

static Elf_Scn *find_table(Elf *elf, unsigned int type, GElf_Shdr *sh)
{
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(elf, scn)))
		if (gelf_getshdr(scn, sh) && sh->sh_type == type &&
		    sh->sh_entsize)
			return scn;
	return NULL;
}

static struct symbols *symbols_read(struct image *image)
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));
	size_t nr, kept = 0;
	Elf *elf = image_elf(image);
	Elf_Data *data;
	GElf_Shdr sh;
	Elf_Scn *scn;

	if (!symbols || !elf)
		return symbols;
	scn = find_table(elf, SHT_SYMTAB, &sh);
	if (!scn)
		scn = find_table(elf, SHT_DYNSYM, &sh);
	data = scn ? elf_getdata(scn, NULL) : NULL;
	nr = data ? data->d_size / sh.sh_entsize : 0;
	if (!nr)
		return symbols;
	symbols->v = calloc(nr, sizeof(*symbols->v));
	if (!symbols->v) {
		free(symbols);
		return NULL;
	}
	for (size_t i = 0; i < nr; i++) {
		struct symbol *s = &symbols->v[symbols->nr];
		const char *name;
		GElf_Sym sym;

		if (!gelf_getsym(data, i, &sym))
			continue;
		name = elf_strptr(elf, sh.sh_link, sym.st_name);
		if (!symbol_wanted(&sym, name))
			continue;
		s->start = sym.st_value;
		s->end = sym.st_value + sym.st_size;
		s->name = name;
		s->bind = GELF_ST_BIND(sym.st_info);
		symbols->nr++;
	}
	qsort(symbols->v, symbols->nr, sizeof(*symbols->v), symbol_compare);
	for (size_t i = 0; i < symbols->nr; i++)
		if (!kept || symbols->v[i].start != symbols->v[kept - 1].start)
			symbols->v[kept++] = symbols->v[i];
	symbols->nr = kept;
	/* A label without a size reaches to the next name. */
	for (size_t i = 0; i + 1 < kept; i++)
		if (symbols->v[i].end == symbols->v[i].start)
			symbols->v[i].end = symbols->v[i + 1].start;
	return symbols;
}

static struct symbol *symbols_find(struct symbols *symbols, uint64_t vaddr)
{
	size_t lo = 0, hi = symbols->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (symbols->v[mid].start <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || vaddr >= symbols->v[lo - 1].end)
		return NULL;
	return &symbols->v[lo - 1];
}

static const char *symbol_name(struct symbol *s)
{
	if (!s->demangled) {
		int status = -1;

		if (!strncmp(s->name, "_Z", 2))
			s->demangled = __cxa_demangle(s->name, NULL, NULL,
						      &status);
		if (!s->demangled)
			s->demangled = (char *)s->name;
	}
	return s->demangled;
}

int ustack_symbolize(struct ustack_space *space, uint64_t addr,
		     struct ustack_symbol *sym)
{
	struct map *map = space_find(space, addr);
	struct symbol *s = NULL;
	struct image *image;
	int err = -ENOMEM;

	*sym = (struct ustack_symbol){ 0 };
	if (!map)
		return -ENOENT;
	sym->path = map->image->path;
	sym->module_offset = addr - map->start + map->pgoff;
	if (!space_find_image(space, addr))
		return -ENOENT;
	image = map->image;
	sym->module_offset = addr - map->bias;
	pthread_mutex_lock(&space->images->lock);
	if (!image->symbols)
		image->symbols = symbols_read(image);
	if (image->symbols) {
		s = symbols_find(image->symbols, sym->module_offset);
		err = -ENOENT;
	}
	if (s) {
		sym->name = symbol_name(s);
		sym->offset = sym->module_offset - s->start;
		err = 0;
	}
	pthread_mutex_unlock(&space->images->lock);
	return err;
}
