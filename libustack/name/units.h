/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * In: the debug information of one file.  Out: for an address its line, the function
 * there, and those it was inlined into.  A compilation unit is read when an address
 * of it is first looked up, and names when they are first needed.
 */
#ifndef USTACK_NAME_UNITS_H
#define USTACK_NAME_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#include "module/image.h"

struct units;

/* *out is NULL if file has no debug information.  0; -EBADMSG: damaged; -ENOMEM. */
int units_open(struct units **out, struct image *file);
void units_free(struct units *units);

#define SCOPE_NONE UINT32_MAX

/* A function, or a place where one was inlined. */
struct scope {
	void *dwarf;		/* what describes it is in there, */
	uint64_t die;		/* at this offset */
	uint64_t unit;		/* that of its unit in the file itself */
	uint32_t parent;	/* what it was inlined into, or SCOPE_NONE */
	bool inlined;
	bool named;		/* scope_name() was here: what follows is set */
	const char *name;	/* as it is in the file, or NULL */
	const char *file;	/* of the call, if inlined */
	uint32_t line, column;
	/* Of name/source.c. */
	char *shown;		/* demangled, if that is another name */
	struct ustack_source *call; /* its caller */
};

struct place {
	struct scope *scopes;	/* of the unit, until units_free() */
	uint32_t scope;		/* the innermost, or SCOPE_NONE */
	const char *file;	/* NULL: unknown */
	uint32_t line, column;
};

/*
 * vaddr is one of file's.  0; -ENOENT: nothing is known; -ENOMEM.  What is damaged is
 * left out, see units_damaged().
 */
int units_find(struct units *units, uint64_t vaddr, struct place *out);
/* Fills in a scope that was found. */
void units_name(struct units *units, struct scope *scope);
bool units_damaged(const struct units *units);

#endif
