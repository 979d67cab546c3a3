// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "util/opts.h"

#define FIRST_FIELD 8	/* bytes of the field behind sz */
#define SZ_MAX 4096	/* no struct gets near it; an uninitialized sz is caught */

static bool plausible(size_t sz)
{
	/* All are aligned like sz: another size would cut a pointer in two. */
	return sz >= sizeof(size_t) + FIRST_FIELD && sz <= SZ_MAX &&
	       sz % sizeof(size_t) == 0;
}

int opts_copy(void *own, size_t own_size, const void *opts)
{
	const uint8_t *bytes = opts;
	size_t sz;

	memset(own, 0, own_size);
	if (!opts)
		return 0;
	memcpy(&sz, opts, sizeof(sz));
	if (!plausible(sz))
		return -EINVAL;
	for (size_t i = own_size; i < sz; i++)
		if (bytes[i])
			return -EINVAL;
	memcpy(own, opts, sz < own_size ? sz : own_size);
	return 0;
}

int opts_fill(void *out, const void *own, size_t own_size)
{
	const size_t first = sizeof(size_t);
	size_t sz, known;

	memcpy(&sz, out, sizeof(sz));
	if (!plausible(sz))
		return -EINVAL;
	known = sz < own_size ? sz : own_size;
	memcpy((char *)out + first, (const char *)own + first, known - first);
	memset((char *)out + known, 0, sz - known);
	return 0;
}
