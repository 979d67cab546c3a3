/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * In: a symbol's name as the file has it.  Out: the name as people read it, to
 * be freed, or NULL if that is the same or there is no memory.
 */
#ifndef USTACK_NAME_DEMANGLE_H
#define USTACK_NAME_DEMANGLE_H

enum {
	NAME_PLT = 1, /* "@plt" follows, as of a stub */
	NAME_PARAMS = 2, /* with the parameters of C++ */
};

/* Demangled, without the symbol's version; flags: NAME_*. */
char *name_shown(const char *name, unsigned int flags);

#endif
