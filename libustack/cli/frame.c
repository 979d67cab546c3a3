// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The functions of a line: by symbol, and those that were inlined into it. */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"

/* No trampoline of a signal is longer. */
#define TRAMPOLINE_MAX 16

/*
 * What makecontext() lets a coroutine return to is the start of a function, and the
 * function before it was not called.
 */
static bool is_at_return(struct ustack_space *space, uint64_t ip,
			 struct ustack_symbol *sym)
{
	struct ustack_symbol own = { .sz = sizeof(own) };

	ustack_symbolize(space, ip, &own);
	if (!own.has_start || own.offset)
		return false;
	/* As of the address that was looked up. */
	own.addr--;
	own.offset--;
	*sym = own;
	return true;
}

/* Returns the address whose source tells of sym. */
static uint64_t find_symbol(struct ustack_space *space, const struct line *l,
			    struct ustack_symbol *sym, bool *stay)
{
	int err = ustack_symbolize(space, l->lookup, sym);

	*stay = (!err || err == -ENOENT) && (sym->name || sym->has_start) &&
		(sym->addr_kind == USTACK_ADDR_ELF || l->kernel);
	if (!sym->name && !sym->has_start && l->lookup != l->ip &&
	    is_at_return(space, l->ip, sym))
		return l->ip;
	return l->lookup;
}

static void set_source(struct frame *f, const struct ustack_source *s)
{
	f->file = s->file;
	f->line = s->line;
}

/* Those that were inlined, before the one that is there; room for one is kept. */
static void add_inlined(struct frames *f, const struct frame *outer,
			const struct ustack_source *s)
{
	for (; s->caller; s = s->caller) {
		struct frame *inl = &f->frame[f->nr];

		if (f->nr == INLINES_MAX - 1)
			continue;
		*inl = (struct frame){
			.function = s->function,
			.path = outer->path,
			.inlined = true,
			.kernel = outer->kernel,
		};
		set_source(inl, s);
		f->nr++;
	}
	f->frame[f->nr] = *outer;
	set_source(&f->frame[f->nr++], s);
}

void line_frames(struct frames *f, const struct ustack_sample *s,
		 const struct line *l, bool inlines)
{
	struct ustack_space *space = l->guest  ? NULL :
				     l->kernel ? s->kernel :
						 s->space;
	struct frame outer = { .kernel = l->kernel };
	const struct ustack_source *source;
	uint64_t addr = l->lookup;

	f->nr = 0;
	f->stay = false;
	f->sym = (struct ustack_symbol){ .sz = sizeof(f->sym), .addr = addr };
	if (space)
		addr = find_symbol(space, l, &f->sym, &f->stay);
	if (l->kernel && !f->sym.path)
		f->sym.path = l->guest ? "[guest]" : "[kernel.kallsyms]";
	/* Mostly it has no symbol; that of the function before it is not its own. */
	if (l->signal && (!f->sym.name || f->sym.offset > TRAMPOLINE_MAX)) {
		f->sym.name = "__restore_rt";
		f->sym.offset = 0;
		inlines = false;
	}
	outer.function = f->sym.name;
	outer.path = f->sym.path;
	if (!outer.function && f->sym.has_start)
		outer.start = f->sym.addr - f->sym.offset;
	if (!inlines || !space || ustack_source_find(space, addr, &source)) {
		f->frame[f->nr++] = outer;
		return;
	}
	add_inlined(f, &outer, source);
	/* Debug information may know what no symbol names. */
	if (!outer.function) {
		while (source->caller)
			source = source->caller;
		f->frame[f->nr - 1].function = source->function;
	}
}

const char *frame_text(const struct frame *f, char room[FRAME_ROOM])
{
	const char *base;

	if (f->function)
		return f->function;
	if (f->kernel)
		return "[kernel]";
	if (!f->path)
		return "[unknown]";
	base = strrchr(f->path, '/');
	base = base ? base + 1 : f->path;
	if (f->start)
		snprintf(room, FRAME_ROOM, "%.200s+0x%llx", base,
			 (unsigned long long)f->start);
	else
		snprintf(room, FRAME_ROOM, "[%.250s]", base);
	return room;
}
