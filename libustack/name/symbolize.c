// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* From an address of a process to the name of its function. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "module/images.h"
#include "module/space.h"
#include "name/demangle.h"
#include "name/symbols.h"
#include "unwind/arch.h"
#include "util/opts.h"

/* No compiler makes longer ones, and nobody could read them. */
#define NAME_MAX_SIZE (64 << 10)

/* NULL: it is none. */
static const char *symbol_name(struct symbol *s, bool params)
{
	char *shown = __atomic_load_n(&s->shown, __ATOMIC_ACQUIRE), *own;

	if (shown)
		return shown;
	if (strnlen(s->name, NAME_MAX_SIZE) == NAME_MAX_SIZE)
		return NULL;
	own = name_shown(s->name, (s->plt ? NAME_PLT : 0) |
					  (params ? NAME_PARAMS : 0));
	if (!own)
		own = (char *)s->name;
	/* If two threads make it at once, the second drops its own. */
	if (__atomic_compare_exchange_n(&s->shown, &shown, own, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return own;
	if (own != s->name)
		free(own);
	return shown;
}

/* The image has what read() finds, or none. */
static int keep_symbols(struct image *image,
			int (*read)(struct symbols *symbols, struct image *image))
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));
	int err = symbols ? read(symbols, image) : -ENOMEM;

	if (err) {
		symbols_free(symbols);
		return err;
	}
	image->symbols_free = symbols_free;
	image->symbols = symbols;
	return 0;
}

static int read_symbols(void *arg)
{
	const struct map *map = arg;

	return keep_symbols(map->image, symtab_read);
}

/* Also to read on.  Whatever goes wrong, what was read before stays. */
static int read_jit(void *arg)
{
	const struct map *map = arg;
	struct image *image = map->image;

	if (!image->symbols) {
		image->symbols_free = symbols_free;
		image->symbols = calloc(1, sizeof(*image->symbols));
		if (!image->symbols)
			return -ENOMEM;
	}
	image_lacks(image, jit_read(map));
	return 0;
}

static int find_name(struct image *image, struct ustack_symbol *sym)
{
	struct symbols *symbols = image->symbols;
	struct symbol *s = symbols_find(symbols, sym->addr);

	if (!s)
		return -ENOENT;
	sym->offset = sym->addr - s->start;
	sym->has_start = 1;
	sym->name = symbol_name(s, image->images->opts.cxx_params);
	if (sym->name)
		return 0;
	image_lacks(image, -EBADMSG);
	return -ENOENT;
}

/* Where the function begins that has no name. */
static void find_start(const struct image *image, struct ustack_symbol *sym)
{
	const struct cfi *cfi = &image->cfi;
	struct fde fde;

	if (cfi_find(&cfi, sym->addr, &fde))
		return;
	sym->offset = sym->addr - fde.start;
	sym->has_start = 1;
}

static int find_jit_name_once(struct map *map, struct ustack_symbol *sym)
{
	struct image *image = map->image;
	int err = once_make(&image->images->once, &image->symbols_read,
			    read_jit, map);

	if (err)
		return err;
	pthread_mutex_lock(&image->lock);
	err = find_name(image, sym);
	pthread_mutex_unlock(&image->lock);
	return err;
}

/* If there is none, in what the JIT wrote since. */
static int find_jit_name_in(struct map *map, struct ustack_symbol *sym)
{
	struct image *image = map->image;
	bool read_before = once_state(&image->symbols_read) <= 0;
	int err = find_jit_name_once(map, sym);

	if (read_before && err == -ENOENT && jit_changed(map)) {
		once_renew(&image->images->once, &image->symbols_read);
		err = find_jit_name_once(map, sym);
	}
	/* It may have one that could not be read. */
	if (err == -ENOENT && image_lack(image) == -ENOMEM)
		err = -ENOMEM;
	return err;
}

/* A jitdump tells more than the file that each JIT's names can be in. */
static int find_jit_name(struct ustack_space *space, struct map *map,
			 struct ustack_symbol *sym)
{
	struct map *dump = space_jitdump(space);
	int err = dump ? find_jit_name_in(dump, sym) : -ENOENT;

	if (err != -ENOENT)
		sym->path = dump->origin->path;
	return err == -ENOENT ? find_jit_name_in(map, sym) : err;
}

/* Also without vmlinux there may be names. */
static int read_kallsyms(void *arg)
{
	int err = keep_symbols(arg, kallsyms_read);
	int other = err ? keep_symbols(arg, kmodule_read) : 0;

	/* Which says more? */
	return !other || other == -EBADMSG || other == -ENOMEM ? other : err;
}

/* The recorded build-id takes precedence over the file's. */
static void set_build_id(struct ustack_symbol *sym, const struct map *map,
			 bool usable)
{
	const struct elf_id *id = &map->origin->build_id;

	if (!id->size && usable)
		id = &map->image->id_found;
	sym->build_id_size = id->size;
	if (id->size)
		sym->build_id = id->bytes;
}

/* By what the running kernel, or perf's cache, lists. */
static int kallsyms_name(struct map *map, struct ustack_symbol *sym)
{
	struct image *image = map->image;
	uint64_t addr = sym->addr;
	int err = once_make(&image->images->once, &image->symbols_read,
			    read_kallsyms, image);

	if (err)
		return err == -ENOMEM || err == -EDEADLK ? err : -ENOENT;
	sym->addr = addr - map->start + map->pgoff;
	err = find_name(image, sym);
	sym->addr = addr;
	return err;
}

static int symbolize(struct ustack_space *space, uint64_t addr,
		     struct ustack_symbol *sym)
{
	struct map *map = space_find(space, addr);
	bool usable;
	int err;

	*sym = (struct ustack_symbol){
		.sz = sym->sz,
		.addr = addr,
		.addr_kind = USTACK_ADDR_USER,
	};
	if (!map) {
		if (in_vsyscall(addr)) {
			sym->path = "[vsyscall]";
			sym->addr = addr & 4095;
			sym->addr_kind = USTACK_ADDR_OFFSET;
		}
		return -ENOENT;
	}
	sym->path = map->origin->path;
	if (map->origin->is_jit)
		return find_jit_name(space, map, sym);
	usable = map_usable(map);
	set_build_id(sym, map, usable);
	if (!usable && map->origin->is_kernel)
		return kallsyms_name(map, sym);
	if (!usable) {
		sym->addr = addr - map->start + map->pgoff;
		sym->addr_kind = USTACK_ADDR_OFFSET;
		return -ENOENT;
	}
	sym->addr = addr - map->bias;
	sym->addr_kind = USTACK_ADDR_ELF;
	err = once_make(&space->images->once, &map->image->symbols_read,
			read_symbols, map);
	if (err)
		return err;
	err = find_name(map->image, sym);
	if (err && !map->origin->is_kernel)
		find_start(map->image, sym);
	return err;
}

int ustack_symbolize(struct ustack_space *space, uint64_t addr,
		     struct ustack_symbol *sym)
{
	struct ustack_symbol own = { .sz = sizeof(own) };
	/* Nearly always so: then nothing is copied. */
	bool same_size = sym->sz == sizeof(own);
	int ret = symbolize(space, addr, same_size ? sym : &own);

	if (!same_size && opts_fill(sym, &own, sizeof(own)))
		return -EINVAL;
	return ret;
}
