// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * What debug information says of an address, and remembered for the next time: of a
 * profile's addresses most come again and again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "module/debug_file.h"
#include "module/images.h"
#include "module/kernel.h"
#include "module/layout.h"
#include "module/path.h"
#include "module/space.h"
#include "name/demangle.h"
#include "name/units.h"

/* libdw is for one thread at a time, and so is what follows. */
struct sources {
	pthread_mutex_t lock;
	struct image *image, *file;	/* file: it, or its debug file */
	bool owned;		/* file is nobody else's: that of a kernel module */
	struct units *units;
	struct hash_table by_addr;
};

/* One address that was looked up. */
struct found {
	struct hash_node node;
	struct ustack_source source;
	bool known;
};

static void sources_free(struct sources *s)
{
	struct hash_node *n;

	while ((n = hash_pop(&s->by_addr)))
		free(container_of(n, struct found, node));
	hash_free(&s->by_addr);
	units_free(s->units);
	if (s->owned)
		image_free(s->file);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* The object file that a module of the kernel was loaded from, or its debug file. */
static int open_module(struct image *image, struct units **units,
		       struct image **file)
{
	int err = kernel_module_file(image, true, file);

	*units = NULL;
	if (err)
		return err == -ENOENT || err == -ESTALE ? 0 : err;
	err = units_open(units, *file);
	if (!*units)
		image_free(*file);
	return err;
}

/* The image's own debug information, or that of its debug file. */
static int open_units(struct image *image, struct units **units,
		      struct image **file)
{
	int err;

	if (image->origins->is_kernel && !image->data)
		return open_module(image, units, file);
	err = units_open(units, image);
	*file = image;
	if (err || *units)
		return err;
	err = image_debug_file(image, file);
	return err || !*file ? err : units_open(units, *file);
}

static int open_sources(void *arg)
{
	struct image *image = arg, *file;
	struct units *units;
	struct sources *s;
	int err = open_units(image, &units, &file);

	if (err == -ENOMEM || err == -EDEADLK)
		return err;
	if (err)
		image_lacks(image, err);
	if (err || !units)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s) {
		units_free(units);
		if (file->layout)
			image_free(file);
		return -ENOMEM;
	}
	s->image = image;
	s->file = file;
	s->owned = file->layout;
	s->units = units;
	pthread_mutex_init(&s->lock, NULL);
	image->sources_free = sources_free;
	image->sources = s;
	return 0;
}

static const char *shown(struct sources *s, struct scope *scope)
{
	bool params = s->image->images->opts.cxx_params;

	if (!scope->shown && scope->name)
		scope->shown = name_shown(scope->name, params ? NAME_PARAMS : 0);
	return scope->shown ? scope->shown : scope->name;
}

/* A scope is inlined into one that was met before it: there is no way back. */
static struct scope *parent_of(const struct place *p, const struct scope *scope)
{
	return scope->inlined && scope->parent != SCOPE_NONE ?
		       &p->scopes[scope->parent] :
		       NULL;
}

/* Makes what calls scope, and what calls that.  0 or -ENOMEM. */
static int make_callers(struct sources *s, const struct place *p,
			struct scope *scope)
{
	struct scope *parent;

	for (; (parent = parent_of(p, scope)) && !scope->call; scope = parent) {
		units_name(s->units, scope);
		units_name(s->units, parent);
		scope->call = calloc(1, sizeof(*scope->call));
		if (!scope->call)
			return -ENOMEM;
		scope->call->function = shown(s, parent);
		scope->call->file = scope->file;
		scope->call->line = scope->line;
		scope->call->column = scope->column;
	}
	return 0;
}

/* Afterwards: parents are made after those they called. */
static void link_callers(const struct place *p, struct scope *scope)
{
	struct scope *parent;

	while ((parent = parent_of(p, scope)) && !scope->call->caller) {
		scope->call->caller = parent->call;
		scope = parent;
	}
}

static int fill(struct sources *s, uint64_t vaddr, struct found *f)
{
	struct scope *scope;
	struct place place;
	int err = units_find(s->units, vaddr, &place);

	if (units_damaged(s->units))
		image_lacks(s->image, -EBADMSG);
	if (err)
		return err == -ENOENT ? 0 : err;
	f->known = true;
	f->source.file = place.file;
	f->source.line = place.line;
	f->source.column = place.column;
	if (place.scope == SCOPE_NONE)
		return 0;
	scope = &place.scopes[place.scope];
	units_name(s->units, scope);
	f->source.function = shown(s, scope);
	err = make_callers(s, &place, scope);
	if (err)
		return err;
	link_callers(&place, scope);
	f->source.caller = scope->call;
	return 0;
}

/* The address in the file that describes it. */
static uint64_t in_file(const struct sources *s, uint64_t vaddr)
{
	uint64_t at = vaddr - (s->image->base - s->file->base);

	if (s->file->layout)
		return vaddr + LAYOUT_BASE;
	return s->file == s->image ? vaddr :
				     vaddr - debug_bias(s->image, s->file, at);
}

static int find(struct sources *s, uint64_t vaddr,
		const struct ustack_source **out)
{
	struct hash_node *n = hash_find(&s->by_addr, vaddr);
	struct found *f;
	int err;

	if (!n) {
		f = calloc(1, sizeof(*f));
		err = f ? fill(s, in_file(s, vaddr), f) : -ENOMEM;
		if (!err)
			err = hash_add(&s->by_addr, &f->node, vaddr);
		if (err) {
			free(f);
			return err;
		}
		n = &f->node;
	}
	f = container_of(n, struct found, node);
	*out = f->known ? &f->source : NULL;
	return f->known ? 0 : -ENOENT;
}

/* A module of the kernel is no image, but its file may have debug information. */
static bool has_file(struct map *map)
{
	return map_usable(map) ||
	       (map->origin->is_kernel &&
		strcmp(map->origin->path, KERNEL_PATH));
}

static uint64_t in_image(struct map *map, uint64_t addr)
{
	return map_usable(map) ? addr - map->bias :
				 addr - map->start + map->pgoff;
}

int ustack_source_find(struct ustack_space *space, uint64_t addr,
		       const struct ustack_source **out)
{
	struct map *map = space_find(space, addr);
	struct sources *s;
	int err;

	*out = NULL;
	if (!map || map->origin->is_jit || !has_file(map))
		return -ENOENT;
	err = once_make(&space->images->once, &map->image->sources_opened,
			open_sources, map->image);
	s = map->image->sources;
	if (err || !s)
		return err ? err : -ENOENT;
	pthread_mutex_lock(&s->lock);
	err = find(s, in_image(map, addr), out);
	pthread_mutex_unlock(&s->lock);
	return err;
}
