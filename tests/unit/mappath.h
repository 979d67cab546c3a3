/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* A map of which nothing but its path is known. */
#ifndef MAPPATH_H
#define MAPPATH_H

#include "ustack.h"

static inline int map_path(struct ustack_space *space, uint64_t addr,
			   uint64_t size, uint64_t pgoff, const char *path)
{
	struct ustack_map map = { .sz = sizeof(map),
				  .addr = addr,
				  .size = size,
				  .pgoff = pgoff,
				  .path = path };

	return ustack_space_map(space, &map);
}

#endif
