// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * DWARF, read by libdw.  dwarf_getscopes() walks a unit for every address; here it is
 * walked once, and leaves a table of which scope is the innermost where.
 *
 * Files may lie.  libdw keeps within its sections and does not follow references
 * more than a few steps; what can be large for little (the depth of a tree, lists of
 * ranges that many share, what compression promises) is bounded here.
 */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <gelf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "module/debug_file.h"
#include "module/layout.h"
#include "module/section.h"
#include "name/text.h"
#include "name/units.h"
#include "util/hash.h"
#include "util/search.h"

#define DEPTH_MAX 256
#define NAME_MAX_SIZE (64 << 10)

/* Code of a scope, or with depth 0 of a unit. */
struct piece {
	uint64_t start, end;
	uint32_t owner, depth;
};

struct pieces {
	struct piece *v;
	size_t nr, max;
};

/* From addr on, scope is the innermost. */
struct step {
	uint64_t addr;
	uint32_t scope;
};

struct unit {
	uint64_t die;
	uint64_t size;		/* bytes that describe it */
	bool is_read;
	struct scope *scopes;
	size_t nr_scopes, max_scopes;
	struct step *steps;
	size_t nr_steps;
};

/* A file as libdw has it. */
struct dwarf {
	struct {
		Elf64_Ehdr ehdr;
		Elf64_Shdr none; /* without one libelf cannot add others */
	} header;
	Elf *elf;
	Dwarf *dwarf;
};

struct units {
	const struct image *file;
	struct image *alt_file;	/* that several files have parts of theirs in */
	struct dwarf own, alt;
	bool damaged;
	struct unit *unit;
	size_t nr, max;
	struct step *steps;	/* scope: the index of a unit */
	size_t nr_steps;
	struct hash_table paths; /* by where libdw has what is relative */
};

/* A path with the directory that the compiler ran in. */
struct path {
	struct hash_node node;
	char full[];
};

/* Room for one more of size bytes each.  false: no memory. */
static bool grow(void *v, size_t nr, size_t *max, size_t size)
{
	void **p = v, *more;

	if (nr < *max)
		return true;
	more = realloc(*p, (*max ? 2 * *max : 64) * size);
	if (!more)
		return false;
	*max = *max ? 2 * *max : 64;
	*p = more;
	return true;
}

/* --- pieces to steps ----------------------------------------------------------- */

static int by_start(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return x->owner < y->owner ? -1 : x->owner > y->owner;
}

static void add_step(struct step *steps, size_t *nr, uint64_t addr,
		     uint32_t scope)
{
	/* Pieces that overlap without being nested end in any order. */
	if (*nr && addr <= steps[*nr - 1].addr) {
		steps[*nr - 1].scope = scope;
		return;
	}
	if (!*nr || steps[*nr - 1].scope != scope)
		steps[(*nr)++] = (struct step){ addr, scope };
}

/* Of those that hold an address, the last to begin is the innermost.  Frees pieces. */
static int make_steps(struct pieces *p, struct step **out, size_t *nr)
{
	struct step *steps = malloc((2 * p->nr + 1) * sizeof(*steps));
	size_t *open = malloc((p->nr + 1) * sizeof(*open)), depth = 0;
	int err = steps && open ? 0 : -ENOMEM;

	*nr = 0;
	if (!err && p->nr)
		qsort(p->v, p->nr, sizeof(*p->v), by_start);
	for (size_t i = 0; !err && i <= p->nr; i++) {
		uint64_t start = i < p->nr ? p->v[i].start : UINT64_MAX;

		while (depth && p->v[open[depth - 1]].end <= start) {
			depth--;
			add_step(steps, nr, p->v[open[depth]].end,
				 depth ? p->v[open[depth - 1]].owner :
					 SCOPE_NONE);
		}
		if (i == p->nr)
			break;
		open[depth++] = i;
		add_step(steps, nr, start, p->v[i].owner);
	}
	free(open);
	free(p->v);
	*p = (struct pieces){ 0 };
	*out = steps;
	if (err) {
		free(steps);
		*out = NULL;
	}
	return err;
}

static bool starts_by(const void *steps, size_t i, uint64_t vaddr)
{
	return ((const struct step *)steps)[i].addr <= vaddr;
}

static uint32_t step_at(const struct step *steps, size_t nr, uint64_t vaddr)
{
	size_t n = search(nr, starts_by, steps, vaddr);

	return n ? steps[n - 1].scope : SCOPE_NONE;
}

/* --- the code of a DIE ------------------------------------------------------------ */

/* Of what the linker dropped, the address is 0 or so. */
static bool is_code(const struct image *file, uint64_t vaddr)
{
	for (size_t i = 0; i < file->nr_code; i++)
		if (vaddr - file->code[i].vaddr < file->code[i].size)
			return true;
	return !file->nr_code;
}

/* 1 if there was some, 0, or -ENOMEM. */
static int add_pieces(struct units *u, Dwarf_Die *die, struct pieces *p,
		      uint32_t owner, uint32_t depth, uint64_t max)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t at = 0;
	int found = 0;

	while ((at = dwarf_ranges(die, at, &base, &start, &end)) > 0) {
		found = 1;
		if (start >= end || !is_code(u->file, start))
			continue;
		if (p->nr >= max) {
			u->damaged = true;
			return found;
		}
		if (!grow(&p->v, p->nr, &p->max, sizeof(*p->v)))
			return -ENOMEM;
		p->v[p->nr++] = (struct piece){ start, end, owner, depth };
	}
	if (at < 0)
		u->damaged = true;
	return found;
}

/* NULL: there is none, or one that nobody would read. */
static const char *string_of(struct units *u, Dwarf_Die *die, unsigned int at)
{
	Dwarf_Attribute attr;
	const char *s;

	if (!dwarf_attr_integrate(die, at, &attr))
		return NULL;
	s = dwarf_formstring(&attr);
	if (s && strnlen(s, NAME_MAX_SIZE) < NAME_MAX_SIZE && name_is_text(s))
		return *s ? s : NULL;
	u->damaged = true;
	return NULL;
}

/* --- a unit ------------------------------------------------------------------------- */

static bool is_scope(int tag)
{
	return tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine;
}

/* Can it hold a function, or what was inlined? */
static bool has_scopes(int tag)
{
	switch (tag) {
	case DW_TAG_subprogram:
	case DW_TAG_inlined_subroutine:
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
	case DW_TAG_with_stmt:
	case DW_TAG_namespace:
	case DW_TAG_module:
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_interface_type:
	case DW_TAG_enumeration_type:
		return true;
	}
	return false;
}

/* Many scopes can share one long list: there are never more than these. */
static uint64_t pieces_max(const struct units *u, const struct unit *unit)
{
	return unit->size / 4 + u->file->size / 8;
}

/* A function that another one holds, as in Pascal, is not inlined into it. */
static int add_scope(struct units *u, struct unit *unit, struct pieces *p,
		     Dwarf_Die *die, uint32_t *parent, uint32_t depth)
{
	struct scope s = {
		.dwarf = dwarf_cu_getdwarf(die->cu),
		.die = dwarf_dieoffset(die),
		.unit = unit->die,
		.parent = SCOPE_NONE,
		.inlined = dwarf_tag(die) == DW_TAG_inlined_subroutine,
	};
	int ret;

	if (unit->nr_scopes == SCOPE_NONE)
		return 0;
	if (s.inlined)
		s.parent = *parent;
	ret = add_pieces(u, die, p, unit->nr_scopes, depth,
			 pieces_max(u, unit));
	if (ret <= 0)
		return ret;
	if (!grow(&unit->scopes, unit->nr_scopes, &unit->max_scopes,
		  sizeof(*unit->scopes)))
		return -ENOMEM;
	*parent = unit->nr_scopes;
	unit->scopes[unit->nr_scopes++] = s;
	return 0;
}

/* Where the walk is, on each level of the tree. */
struct level {
	Dwarf_Die die;
	uint32_t scope;		/* what holds it */
};

/* Down if it can be, else on, else up.  The new depth; -1: all was seen. */
static int go_on(struct units *u, struct level *level, int depth, bool down,
		 uint32_t scope)
{
	int ret = 1;

	if (down && depth + 1 == DEPTH_MAX)
		u->damaged = true;
	else if (down)
		ret = dwarf_child(&level[depth].die, &level[depth + 1].die);
	if (!ret) {
		level[++depth].scope = scope;
		return depth;
	}
	for (; ret > 0 && depth; depth -= ret > 0) {
		ret = dwarf_siblingof(&level[depth].die, &level[depth].die);
		if (!ret)
			return depth;
	}
	if (ret < 0)
		u->damaged = true;
	return -1;
}

/*
 * -gsplit-dwarf leaves all but lines and addresses beside the object file.  libdw
 * opens what the unit names: here it has to be a regular file.
 */
static bool has_split(struct units *u, Dwarf_Die *die)
{
	static const unsigned int names[] = { DW_AT_dwo_name,
					      DW_AT_GNU_dwo_name };
	const char *name = NULL, *dir = string_of(u, die, DW_AT_comp_dir);
	char path[PATH_MAX];
	struct stat st;

	for (size_t i = 0; !name && i < 2; i++)
		name = string_of(u, die, names[i]);
	if (!name || (*name != '/' && !dir))
		return false;
	if (snprintf(path, sizeof(path), "%s%s%s", *name == '/' ? "" : dir,
		     *name == '/' ? "" : "/", name) >= (int)sizeof(path))
		return false;
	return !stat(path, &st) && S_ISREG(st.st_mode);
}

/* The DIE below which the unit's functions are.  false: it is damaged. */
static bool find_root(struct units *u, struct unit *unit, Dwarf_Die *root)
{
	Dwarf_Die split = { 0 };

	if (!dwarf_offdie(u->own.dwarf, unit->die, root))
		return false;
	if (has_split(u, root) &&
	    !dwarf_cu_info(root->cu, NULL, NULL, NULL, &split, NULL, NULL,
			   NULL) &&
	    split.addr)
		*root = split;
	return true;
}

static int read_scopes(struct units *u, struct unit *unit, struct pieces *p)
{
	struct level *level = calloc(DEPTH_MAX, sizeof(*level));
	int depth = 0, err = 0;
	bool down = true;
	uint32_t scope = SCOPE_NONE;

	if (!level)
		return -ENOMEM;
	if (!find_root(u, unit, &level[0].die)) {
		u->damaged = true;
		free(level);
		return 0;
	}
	while (!err && (depth = go_on(u, level, depth, down, scope)) >= 0) {
		Dwarf_Die *die = &level[depth].die;
		int tag = dwarf_tag(die);

		scope = level[depth].scope;
		down = has_scopes(tag);
		if (is_scope(tag))
			err = add_scope(u, unit, p, die, &scope, depth);
	}
	free(level);
	return err;
}

static int read_unit(struct units *u, struct unit *unit)
{
	struct pieces p = { 0 };
	int err;

	unit->is_read = true;
	err = read_scopes(u, unit, &p);
	if (err)
		free(p.v);
	else
		err = make_steps(&p, &unit->steps, &unit->nr_steps);
	return err;
}

/* libdw leaves it relative where the line table has it so.  NULL: no memory. */
static const char *full_path(struct units *u, Dwarf_Die *cu, const char *file)
{
	uint64_t key = (uintptr_t)file;
	Dwarf_Attribute attr;
	const char *dir = NULL;
	struct hash_node *n;
	struct path *p;
	size_t size;

	if (!file || *file == '/')
		return file;
	n = hash_find(&u->paths, key);
	if (n)
		return container_of(n, struct path, node)->full;
	if (dwarf_attr(cu, DW_AT_comp_dir, &attr))
		dir = dwarf_formstring(&attr);
	if (!dir)
		return file;
	size = strnlen(dir, NAME_MAX_SIZE) + strlen(file) + 2;
	p = malloc(sizeof(*p) + size);
	if (!p)
		return NULL;
	snprintf(p->full, size, "%.*s/%s", NAME_MAX_SIZE, dir, file);
	if (hash_add(&u->paths, &p->node, key)) {
		free(p);
		return NULL;
	}
	return p->full;
}

/* The same, of what may be none.  false: it is damaged. */
static bool source_path(struct units *u, Dwarf_Die *cu, const char *file,
			const char **out)
{
	/* A directory alone ends in a slash. */
	if (file && (!*file || file[strlen(file) - 1] == '/' ||
		     !name_is_text(file))) {
		u->damaged = true;
		return false;
	}
	*out = full_path(u, cu, file);
	return true;
}

static void find_line(struct units *u, struct unit *unit, uint64_t vaddr,
		      struct place *out)
{
	Dwarf_Die die;
	Dwarf_Lines *lines;
	Dwarf_Line *line;
	size_t nr;
	int n;

	if (!dwarf_offdie(u->own.dwarf, unit->die, &die))
		return;
	line = dwarf_getsrc_die(&die, vaddr);
	if (!line) {
		/* None is there, or none can be read. */
		if (dwarf_hasattr(&die, DW_AT_stmt_list) &&
		    dwarf_getsrclines(&die, &lines, &nr))
			u->damaged = true;
		return;
	}
	if (!source_path(u, &die, dwarf_linesrc(line, NULL, NULL), &out->file))
		return;
	if (!dwarf_lineno(line, &n))
		out->line = n;
	if (!dwarf_linecol(line, &n))
		out->column = n;
}

int units_find(struct units *u, uint64_t vaddr, struct place *out)
{
	uint32_t nr = step_at(u->steps, u->nr_steps, vaddr);
	struct unit *unit;
	int err = 0;

	*out = (struct place){ .scope = SCOPE_NONE };
	if (nr == SCOPE_NONE)
		return -ENOENT;
	unit = &u->unit[nr];
	if (!unit->is_read)
		err = read_unit(u, unit);
	if (err)
		return err;
	out->scopes = unit->scopes;
	out->scope = step_at(unit->steps, unit->nr_steps, vaddr);
	find_line(u, unit, vaddr, out);
	return out->scope == SCOPE_NONE && !out->file ? -ENOENT : 0;
}

/* --- names -------------------------------------------------------------------------- */

static uint64_t number_of(Dwarf_Die *die, unsigned int at)
{
	Dwarf_Attribute attr;
	Dwarf_Word n;

	return dwarf_attr(die, at, &attr) && !dwarf_formudata(&attr, &n) ? n : 0;
}

static void find_call(struct units *u, Dwarf_Die *die, struct scope *s)
{
	Dwarf_Files *files;
	Dwarf_Die cu, unit;
	size_t nr;

	s->line = number_of(die, DW_AT_call_line);
	s->column = number_of(die, DW_AT_call_column);
	if (dwarf_diecu(die, &cu, NULL, NULL) &&
	    !dwarf_getsrcfiles(&cu, &files, &nr) &&
	    dwarf_offdie(u->own.dwarf, s->unit, &unit))
		source_path(u, &unit,
			    dwarf_filesrc(files,
					  number_of(die, DW_AT_call_file),
					  NULL, NULL),
			    &s->file);
}

void units_name(struct units *u, struct scope *s)
{
	Dwarf_Die die;

	if (s->named)
		return;
	s->named = true;
	if (!dwarf_offdie(s->dwarf, s->die, &die))
		return;
	s->name = string_of(u, &die, DW_AT_linkage_name);
	if (!s->name)
		s->name = string_of(u, &die, DW_AT_MIPS_linkage_name);
	if (!s->name)
		s->name = string_of(u, &die, DW_AT_name);
	/* One that has no letters is none. */
	if (!s->name && dwarf_hasattr_integrate(&die, DW_AT_name))
		u->damaged = true;
	if (s->inlined)
		find_call(u, &die, s);
}

bool units_damaged(const struct units *u)
{
	return u->damaged;
}

/* --- all of them ---------------------------------------------------------------------- */

/* 1, 0 if file has none, or -errno. */
static int add_section(Elf *elf, struct image *file, const char *name,
		       size_t name_at)
{
	struct section s;
	Elf_Data *data;
	GElf_Shdr sh;
	Elf_Scn *scn;
	int err = layout_section(file, name, &s);

	if (err || !s.size)
		return err == -ENOENT ? 0 : err;
	scn = elf_newscn(elf);
	data = scn ? elf_newdata(scn) : NULL;
	if (!data || !gelf_getshdr(scn, &sh))
		return -ENOMEM;
	data->d_buf = (void *)s.data;
	data->d_size = s.size;
	data->d_type = ELF_T_BYTE;
	data->d_version = EV_CURRENT;
	sh.sh_name = name_at;
	sh.sh_type = SHT_PROGBITS;
	sh.sh_size = s.size;
	return gelf_update_shdr(scn, &sh) ? 1 : -ENOMEM;
}

static const char sections[] = "\0.debug_abbrev\0.debug_addr\0.debug_info\0"
			       ".debug_line\0.debug_line_str\0.debug_ranges\0"
			       ".debug_rnglists\0.debug_str\0"
			       ".debug_str_offsets\0.shstrtab";

static int add_names(Elf *elf, GElf_Ehdr *ehdr)
{
	Elf_Scn *scn = elf_newscn(elf);
	Elf_Data *data = scn ? elf_newdata(scn) : NULL;
	GElf_Shdr sh;

	if (!data || !gelf_getshdr(scn, &sh))
		return -ENOMEM;
	data->d_buf = (void *)sections;
	data->d_size = sizeof(sections);
	data->d_type = ELF_T_BYTE;
	data->d_version = EV_CURRENT;
	sh.sh_name = sizeof(sections) - sizeof(".shstrtab");
	sh.sh_type = SHT_STRTAB;
	sh.sh_size = sizeof(sections);
	ehdr->e_shstrndx = elf_ndxscn(scn);
	return gelf_update_shdr(scn, &sh) ? 0 : -ENOMEM;
}

/* 1, 0 if there is no debug information, or -errno. */
static int add_sections(Elf *elf, struct image *file)
{
	const char *name = sections + 1;
	GElf_Ehdr ehdr;
	int ret, found = 0;

	for (; strcmp(name, ".shstrtab"); name += strlen(name) + 1) {
		ret = add_section(elf, file, name, name - sections);
		if (ret < 0)
			return ret;
		found |= ret && !strcmp(name, ".debug_info");
	}
	if (!found)
		return 0;
	ret = gelf_getehdr(elf, &ehdr) ? add_names(elf, &ehdr) : -ENOMEM;
	return ret ? ret : gelf_update_ehdr(elf, &ehdr) ? 1 : -ENOMEM;
}

/*
 * For libdw an ELF file in memory that has nothing but the debug sections of file,
 * as image_section() unpacks them: libelf, which knows fewer ways, would do that in
 * place.  dwarf is NULL if there are none.  0 or -errno.
 */
static int open_dwarf(struct dwarf *d, struct image *file)
{
	int ret;

	d->header.ehdr = (Elf64_Ehdr){
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
			     ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_NONE,
		.e_version = EV_CURRENT,
		.e_ehsize = sizeof(d->header.ehdr),
		.e_shoff = sizeof(d->header.ehdr),
		.e_shnum = 1,
		.e_shentsize = sizeof(Elf64_Shdr),
	};
	elf_version(EV_CURRENT);
	d->elf = elf_memory((char *)&d->header, sizeof(d->header));
	ret = d->elf ? add_sections(d->elf, file) : -ENOMEM;
	if (ret > 0) {
		d->dwarf = dwarf_begin_elf(d->elf, DWARF_C_READ, NULL);
		ret = d->dwarf ? 0 : -EBADMSG;
	}
	return ret == -EINVAL ? -EBADMSG : ret;
}

static void close_dwarf(struct dwarf *d)
{
	dwarf_end(d->dwarf);
	elf_end(d->elf);
}

/* What dwz moved out of several files into one: its name, then its build-id. */
static int open_alt(struct units *u, struct image *file)
{
	struct section link;
	struct elf_id id;
	size_t n;
	int err;

	if (image_section(file, ".gnu_debugaltlink", &link))
		return 0;
	n = strnlen((const char *)link.data, link.size) + 1;
	if (n >= link.size || link.size - n > sizeof(id.bytes))
		return 0;
	id.size = link.size - n;
	memcpy(id.bytes, link.data + n, id.size);
	u->alt_file = alt_file(file->images, (const char *)link.data, &id);
	if (!u->alt_file)
		return 0;
	err = open_dwarf(&u->alt, u->alt_file);
	if (u->alt.dwarf)
		dwarf_setalt(u->own.dwarf, u->alt.dwarf);
	return err;
}

static int add_unit(struct units *u, struct pieces *p, Dwarf_Die *die,
		    uint64_t size)
{
	int ret;

	if (u->nr == SCOPE_NONE)
		return 0;
	ret = add_pieces(u, die, p, u->nr, 0, u->file->size);
	if (ret <= 0)
		return ret;
	if (!grow(&u->unit, u->nr, &u->max, sizeof(*u->unit)))
		return -ENOMEM;
	u->unit[u->nr++] = (struct unit){
		.die = dwarf_dieoffset(die),
		.size = size,
	};
	return 0;
}

static int find_units(struct units *u, struct image *file)
{
	Dwarf_Off at = 0, next;
	struct pieces p = { 0 };
	struct section info;
	size_t header;
	int ret, err = 0;

	if (image_section(file, ".debug_info", &info))
		info.size = 0;

	while (!err && !(ret = dwarf_nextcu(u->own.dwarf, at, &next, &header, NULL,
					    NULL, NULL))) {
		Dwarf_Die die;
		int tag = DW_TAG_invalid;

		if (dwarf_offdie(u->own.dwarf, at + header, &die))
			tag = dwarf_tag(&die);
		if (tag == DW_TAG_compile_unit || tag == DW_TAG_skeleton_unit)
			err = add_unit(u, &p, &die, next - at);
		if (tag == DW_TAG_invalid || next > info.size)
			u->damaged = true;
		at = next;
	}
	if (!err && ret < 0)
		u->damaged = true;
	if (err)
		free(p.v);
	else
		err = make_steps(&p, &u->steps, &u->nr_steps);
	return err;
}

int units_open(struct units **out, struct image *file)
{
	struct units *u = calloc(1, sizeof(*u));
	int ret;

	*out = NULL;
	if (!u)
		return -ENOMEM;
	u->file = file;
	ret = open_dwarf(&u->own, file);
	if (!ret && u->own.dwarf) {
		ret = open_alt(u, file);
		if (!ret)
			ret = find_units(u, file);
		if (!ret) {
			*out = u;
			return 0;
		}
	}
	units_free(u);
	return ret;
}

void units_free(struct units *u)
{
	struct hash_node *n;

	if (!u)
		return;
	while ((n = hash_pop(&u->paths)))
		free(container_of(n, struct path, node));
	hash_free(&u->paths);
	for (size_t i = 0; i < u->nr; i++) {
		for (size_t n = 0; n < u->unit[i].nr_scopes; n++) {
			free(u->unit[i].scopes[n].shown);
			free(u->unit[i].scopes[n].call);
		}
		free(u->unit[i].scopes);
		free(u->unit[i].steps);
	}
	free(u->unit);
	free(u->steps);
	close_dwarf(&u->own);
	close_dwarf(&u->alt);
	image_free(u->alt_file);
	free(u);
}
