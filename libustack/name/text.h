/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* Whether bytes of a file may be the name of a function or of a source. */
#ifndef USTACK_NAME_TEXT_H
#define USTACK_NAME_TEXT_H

#include <stdbool.h>

#define NAME_LOOKED_AT 4096 /* bytes: many names can be the same long one */

/* Control characters are in no name, nor are bytes that UTF-8 does not have. */
static inline bool name_is_text(const char *s)
{
	const unsigned char *c = (const unsigned char *)s,
			    *end = c + NAME_LOOKED_AT;

	while (c < end && *c >= ' ' && *c != 0x7f && *c != 0xc0 &&
	       *c != 0xc1 && *c < 0xf5)
		c++;
	return c == end || !*c;
}

#endif
