// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* In: /proc/PID/maps.  Out: the space of a process that runs already. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ustack.h"
#include "module/path.h"
#include "util/proc.h"

/* A line, as perf would have recorded it.  0: not code. */
static int parse_line(struct ustack_map *map, char *line, char *jit)
{
	uint64_t start, end;
	int path = 0;
	char prot[5];

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line,
		   "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %" SCNx32
		   ":%" SCNx32 " %" SCNu64 " %n",
		   &start, &end, prot, &map->pgoff, &map->maj, &map->min,
		   &map->ino, &path) != 7 ||
	    !path || prot[2] != 'x')
		return 0;
	map->addr = start;
	map->size = end - start;
	map->prot = PROT_EXEC | (prot[0] == 'r' ? PROT_READ : 0) |
		    (prot[1] == 'w' ? PROT_WRITE : 0);
	map->path = line + path;
	if (!line[path] || path_is_anonymous(line + path)) {
		map->path = jit;
		map->maj = map->min = map->ino = 0;
	}
	return 1;
}

int ustack_space_add_process(struct ustack_space *space, uint32_t pid)
{
	char path[32], jit[JIT_PATH_MAX], *line = NULL;
	size_t size = 0;
	int err = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/maps",
		 proc_with_memory(pid));
	path_of_jit(jit, pid);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!err && getline(&line, &size, f) > 0) {
		struct ustack_map map = { .sz = sizeof(map), .pid = pid };

		if (parse_line(&map, line, jit))
			err = ustack_space_map(space, &map);
	}
	/* getline() also fails for want of memory. */
	if (!err && !feof(f))
		err = -errno;
	free(line);
	fclose(f);
	return err;
}
