// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Bytes, added to others. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/record/grow.h"

int bytes_add(struct bytes *b, const void *p, size_t size)
{
	if (b->cap - b->size < size) {
		size_t cap = (b->size + size) * 2;
		uint8_t *new = realloc(b->p, cap);

		if (!new)
			return -ENOMEM;
		b->p = new;
		b->cap = cap;
	}
	if (size)
		memcpy(b->p + b->size, p, size);
	b->size += size;
	return 0;
}

int bytes_add_zeros(struct bytes *b, size_t size)
{
	static const uint8_t zeros[64];

	return bytes_add(b, zeros, size);
}

int bytes_add_string(struct bytes *b, const char *s, size_t align)
{
	size_t size = strlen(s) + 1;
	int ret = bytes_add(b, s, size);

	return ret ? ret : bytes_add_zeros(b, -size % align);
}
