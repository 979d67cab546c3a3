// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Text, or anything else, that grows. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

char *out_room(const struct cli *cli, struct out *o, size_t n)
{
	if (o->cap - o->size < n) {
		o->cap = o->cap * 2 + n + 4096;
		o->buf = realloc(o->buf, o->cap);
		if (!o->buf)
			cli_no_memory(cli);
	}
	return o->buf + o->size;
}

void out_add(const struct cli *cli, struct out *o, const void *p, size_t n)
{
	memcpy(out_room(cli, o, n), p, n);
	o->size += n;
}
