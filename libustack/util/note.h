/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* In: the bytes of ELF notes, aligned to 4.  Out: the build-id among them. */
#ifndef USTACK_UTIL_NOTE_H
#define USTACK_UTIL_NOTE_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* NULL: there is none. */
static inline const uint8_t *note_build_id(const uint8_t *p, size_t size,
					   size_t *id_size)
{
	while (size >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr n;
		size_t name, desc;

		memcpy(&n, p, sizeof(n));
		name = (n.n_namesz + 3ull) / 4 * 4;
		desc = (n.n_descsz + 3ull) / 4 * 4;
		p += sizeof(n);
		size -= sizeof(n);
		if (name > size || desc > size - name)
			return NULL;
		if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == 4 &&
		    !memcmp(p, "GNU", 4) && n.n_descsz) {
			*id_size = n.n_descsz;
			return p + name;
		}
		p += name + desc;
		size -= name + desc;
	}
	return NULL;
}

#endif
