// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Build-ids by the path of their file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "read/build_ids.h"
#include "util/bytes.h"

const struct build_id *build_ids_find(const struct build_ids *b,
				      const char *path)
{
	struct hash_node *n;

	n = hash_find(&b->by_path, hash_bytes(path, strlen(path)));
	for (; n; n = hash_next(n)) {
		struct build_id *id = container_of(n, struct build_id, node);

		if (!strcmp(id->path, path))
			return id;
	}
	return NULL;
}

int build_ids_add(struct build_ids *b, const uint8_t *rec, size_t size)
{
	size_t at = 8 + 4 + 24, len;
	struct build_id *id;
	int ret;

	if (size <= at)
		return 0;
	len = strnlen((const char *)rec + at, size - at);
	id = malloc(sizeof(*id) + len + 1);
	if (!id)
		return -ENOMEM;
	memcpy(id->path, rec + at, len);
	id->path[len] = '\0';
	memcpy(id->id, rec + 12, 20);
	id->size = 20;
	/* Older perf does not set PERF_RECORD_MISC_BUILD_ID_SIZE: 20 then. */
	if (get16(rec + 4) & (1u << 15) && rec[32] <= 20)
		id->size = rec[32];
	if (!len || !id->size || build_ids_find(b, id->path)) {
		free(id);
		return 0;
	}
	ret = hash_add(&b->by_path, &id->node, hash_bytes(id->path, len));
	if (ret)
		free(id);
	return ret;
}

void build_ids_free(struct build_ids *b)
{
	struct hash_node *n;

	while ((n = hash_pop(&b->by_path)))
		free(container_of(n, struct build_id, node));
	hash_free(&b->by_path);
}
