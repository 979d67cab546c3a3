// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Records parked on disk.  Between two rounds a file may hold more records than
 * fit in memory, and all of them wait until the round is over.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "read/datafile.h"

#define PARK_OWN (1ull << 63) /* of a place: it is in the temporary file */

static int park_open(struct datafile *df)
{
	const char *dir = getenv("TMPDIR");
	int err;

	if (!dir || !*dir)
		dir = "/tmp";
	df->park_fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (df->park_fd >= 0)
		return 0;
	err = errno;
	return errline_set(
		df->line, err,
		"holds more between two rounds than fits in memory, and there is no temporary file in %s: %s; set TMPDIR",
		dir, strerror(err));
}

static int park_write(struct datafile *df, const struct record *r)
{
	uint32_t size = record_size(r), done = 0;
	int err;

	if (df->park_fd < 0 && (err = park_open(df)))
		return err;
	while (done < size) {
		ssize_t n = pwrite(df->park_fd, r->data + done, size - done,
				   df->park_size + done);

		if (n < 0 && errno == EINTR)
			continue;
		err = n ? errno : ENOSPC;
		if (n <= 0)
			return errline_set(
				df->line, err,
				"holds more between two rounds than fits in memory, and the temporary file for it cannot be written: %s; set TMPDIR",
				strerror(err));
		done += n;
	}
	return 0;
}

int datafile_park(struct datafile *df, struct record *r, uint64_t *where)
{
	*where = df->last;
	if (df->last == PARK_NONE) {
		int ret = park_write(df, r);

		if (ret)
			return ret;
		*where = PARK_OWN | df->park_size;
		df->park_size += record_size(r);
	}
	record_put(df->pool, r);
	r->data = NULL;
	return 0;
}

/* Room for size bytes in df->fetched.  0 or -errno. */
static int fetch_room(struct datafile *df, uint32_t size)
{
	struct chunk *c = df->fetched;

	if (c && CHUNK_SIZE - c->used >= size)
		return 0;
	c = chunk_new(df->pool);
	if (!c)
		return errline_set(df->line, ENOMEM, "out of memory");
	chunk_put(df->pool, df->fetched);
	df->fetched = c;
	return 0;
}

int datafile_fetch(struct datafile *df, uint64_t where, uint32_t size,
		   struct record *r)
{
	int fd = where & PARK_OWN ? df->park_fd : df->fd;
	uint32_t room = (size + 7) & ~7u, done = 0;
	uint8_t *to;

	if (fetch_room(df, room))
		return -ENOMEM;
	to = df->fetched->data + df->fetched->used;
	while (done < size) {
		ssize_t n = pread(fd, to + done, size - done,
				  (where & ~PARK_OWN) + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return errline_set(df->line, EIO,
					   "cannot be read again: %s",
					   n ? strerror(errno) : "it was cut");
		done += n;
	}
	if (get16(to + 6) != size)
		return errline_set(df->line, EIO, "changed while it was read");
	*r = (struct record){ .data = to, .chunk = df->fetched };
	df->fetched->refs++;
	df->fetched->used += room;
	return 0;
}
