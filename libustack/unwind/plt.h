/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* What the architecture knows of PLT stubs and their relocations. */
#ifndef USTACK_UNWIND_PLT_H
#define USTACK_UNWIND_PLT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum plt_reloc {
	PLT_RELOC_OTHER,
	PLT_RELOC_SYMBOL,	/* the slot becomes its symbol's address */
	PLT_RELOC_RESOLVER,	/* it becomes what the function at the addend returns */
};

enum plt_reloc plt_reloc(bool is_64, unsigned int type);
/*
 * Does the instruction at p, which is at vaddr in its image, jump through a
 * slot of the GOT?  got: where the image's GOT is, which stubs may count from.
 */
bool plt_jump(bool is_64, const uint8_t *p, size_t size, uint64_t vaddr,
	      uint64_t got, uint64_t *slot);
/* Does it tell the dynamic linker which relocation, by index, to resolve? */
bool plt_lazy(bool is_64, const uint8_t *p, size_t size, size_t *reloc);

#endif
