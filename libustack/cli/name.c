// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Names in the output.  Whoever was recorded chose them: those of threads,
 * functions and files may hold what a terminal takes for a command, or for another
 * order of what stands around it, or a line that looks like one of ours.
 */
#include <string.h>

#include "cli/cli.h"

#define BYTES(c) (0x0101010101010101u * (c))

/* Does it change the order of other characters, or end the line? */
static bool reorders(uint32_t c)
{
	return c == 0x61c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* Bytes of the UTF-8 character at s; 0: none, or a control character. */
static size_t printable(const unsigned char *s)
{
	/* By bytes: fewer would do for less, or it is a control character. */
	static const uint32_t least[] = { 0, 0x20, 0xa0, 0x800, 0x10000 };
	size_t n = *s < 0x80       ? 1 :
		   *s >> 5 == 0x06 ? 2 :
		   *s >> 4 == 0x0e ? 3 :
		   *s >> 3 == 0x1e ? 4 :
				     0;
	uint32_t c = n > 1 ? *s & 0x7f >> n : *s;
	size_t i;

	for (i = 1; i < n; i++) {
		if (s[i] >> 6 != 2)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c == 0x7f || c > 0x10ffff ||
	    (c >= 0xd800 && c < 0xe000) || reorders(c))
		return 0;
	return n;
}

/*
 * Does it hold only printable ASCII?  Nearly all names do.  The first byte that
 * is not gets no borrow and no carry from those before: its top bit is set.
 */
static bool plain(const char *s, size_t n)
{
	uint64_t v, odd = 0;
	size_t i;

	for (i = 0; i < n; i += 8) {
		v = BYTES(' ');
		memcpy(&v, s + i, n - i < 8 ? n - i : 8);
		odd |= v | (v - BYTES(' ')) | (v + BYTES(1));
	}
	return !(odd & BYTES(0x80));
}

char *put_name(char *to, const char *name)
{
	const unsigned char *s = (const unsigned char *)name;
	size_t n = strlen(name);

	if (plain(name, n)) {
		memcpy(to, name, n);
		return to + n;
	}
	while (*s) {
		n = printable(s);
		if (n) {
			memcpy(to, s, n);
			to += n;
			s += n;
			continue;
		}
		*to++ = '\\';
		*to++ = 'x';
		*to++ = "0123456789abcdef"[*s >> 4];
		*to++ = "0123456789abcdef"[*s++ & 15];
	}
	return to;
}
