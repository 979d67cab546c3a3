/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* Bytes that grow. */
#ifndef USTACK_CLI_RECORD_GROW_H
#define USTACK_CLI_RECORD_GROW_H

#include <stddef.h>
#include <stdint.h>

/* Empty when all zero; p is to be freed. */
struct bytes {
	uint8_t *p;
	size_t size, cap;
};

/* All return 0 or -ENOMEM. */
int bytes_add(struct bytes *b, const void *p, size_t size);
int bytes_add_zeros(struct bytes *b, size_t size);
/* A string, its 0, and zeros up to a multiple of align, which is at most 64. */
int bytes_add_string(struct bytes *b, const char *s, size_t align);

#endif
