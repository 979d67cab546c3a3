/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Structs of the public API that callers allocate.  They begin with size_t sz,
 * the caller's sizeof, so that they can grow: caller and library may know
 * different numbers of fields.
 */
#ifndef USTACK_UTIL_OPTS_H
#define USTACK_UTIL_OPTS_H

#include <stddef.h>

/*
 * Copies the options to own, which is own_size bytes; fields the caller does
 * not know become 0, and so does all of it if opts is NULL.  -EINVAL if sz does
 * not even cover the first field behind it (8 bytes in all our structs; most
 * likely sz was forgotten), or if a byte behind what we know is set: that is an
 * option of a newer library, which must not be dropped in silence.
 */
int opts_copy(void *own, size_t own_size, const void *opts);

/*
 * The other way: copies own, but for its sz, to the caller's out, as far as
 * out->sz reaches; what out has beyond own becomes 0.  -EINVAL as above.
 */
int opts_fill(void *out, const void *own, size_t own_size);

#endif
