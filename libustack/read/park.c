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

#define TAIL_SIZE RECORD_MAX
#define BLOCK_SIZE (16u << 10)
#define PARK_OWN (1ull << 63) /* of a place: it is in the temporary file */

static int park_open(struct datafile *df)
{
	const char *dir = getenv("TMPDIR");
	int err;

	if (!dir || !*dir)
		dir = "/tmp";
	df->park.fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (df->park.fd >= 0)
		return 0;
	err = errno;
	return errline_set(
		df->line, err,
		"holds more between two rounds than fits in memory, and there is no temporary file in %s: %s; set TMPDIR",
		dir, strerror(err));
}

static int not_written(struct datafile *df, int err)
{
	return errline_set(
		df->line, err,
		"holds more between two rounds than fits in memory, and the temporary file for it cannot be written: %s; set TMPDIR",
		strerror(err));
}

static int write_tail(struct datafile *df)
{
	struct park *p = &df->park;
	const uint64_t to = p->size - p->tail_size;
	uint32_t done = 0;

	while (done < p->tail_size) {
		ssize_t n = pwrite(p->fd, p->tail + done, p->tail_size - done,
				   to + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return not_written(df, n ? errno : ENOSPC);
		done += n;
	}
	p->tail_size = 0;
	return 0;
}

/* Behind all others; writes what does not fit into the tail any more. */
static int park_write(struct datafile *df, const struct record *r,
		      uint64_t *where)
{
	struct park *p = &df->park;
	uint32_t size = record_size(r);
	int err;

	if (p->fd < 0 && (err = park_open(df)))
		return err;
	if (!p->tail && !(p->tail = malloc(TAIL_SIZE)))
		return errline_set(df->line, ENOMEM, "out of memory");
	if (TAIL_SIZE - p->tail_size < size && (err = write_tail(df)))
		return err;
	memcpy(p->tail + p->tail_size, r->data, size);
	*where = PARK_OWN | p->size;
	p->tail_size += size;
	p->size += size;
	return 0;
}

int datafile_park(struct datafile *df, struct record *r, uint64_t *where)
{
	*where = df->last;
	if (df->last == PARK_NONE) {
		int ret = park_write(df, r, where);

		if (ret)
			return ret;
	}
	record_put(df->pool, r);
	r->data = NULL;
	return 0;
}

/* Room for size bytes in the chunk of those that come back.  0 or -errno. */
static int fetch_room(struct datafile *df, uint32_t size)
{
	struct chunk *c = df->park.fetched;

	if (c && CHUNK_SIZE - c->used >= size)
		return 0;
	c = chunk_new(df->pool);
	if (!c)
		return errline_set(df->line, ENOMEM, "out of memory");
	chunk_put(df->pool, df->park.fetched);
	df->park.fetched = c;
	return 0;
}

/* At least least bytes, and as many as there are up to most: how many, or -errno. */
static int read_at(struct datafile *df, uint64_t where, uint8_t *to,
		   uint32_t least, uint32_t most)
{
	const struct park *p = &df->park;
	int fd = where & PARK_OWN ? p->fd : df->fd;
	uint64_t at = where & ~PARK_OWN;
	uint32_t done = 0;
	int ret;

	if (where & PARK_OWN && at + least > p->size - p->tail_size &&
	    (ret = write_tail(df)))
		return ret;
	while (done < least) {
		ssize_t n = pread(fd, to + done, most - done, at + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return errline_set(df->line, EIO,
					   "cannot be read again: %s",
					   n ? strerror(errno) : "it was cut");
		done += n;
	}
	return done;
}

static bool block_has(const struct park_block *b, uint64_t where, uint32_t size)
{
	return where >= b->where && where - b->where < b->size &&
	       b->size - (where - b->where) >= size;
}

/* A block that has it already, else the one that was not used for longest. */
static struct park_block *find_block(struct park *p, uint64_t where,
				     uint32_t size)
{
	struct park_block *oldest = p->block;
	size_t i;

	for (i = 0; i < PARK_BLOCKS; i++) {
		if (block_has(&p->block[i], where, size))
			return &p->block[i];
		if (p->block[i].used < oldest->used)
			oldest = &p->block[i];
	}
	return oldest;
}

/* 0 or -errno, and then nothing is in it. */
static int read_block(struct datafile *df, struct park_block *b, uint64_t where,
		      uint32_t size)
{
	int ret;

	b->size = 0;
	if (!b->data && !(b->data = malloc(BLOCK_SIZE)))
		return errline_set(df->line, ENOMEM, "out of memory");
	ret = read_at(df, where, b->data, size, BLOCK_SIZE);
	if (ret < 0)
		return ret;
	b->where = where;
	b->size = ret;
	return 0;
}

/*
 * Each CPU's records come back as they lie one behind the other, between those of
 * other CPUs: a read brings many of them.
 */
static int read_ahead(struct datafile *df, uint64_t where, uint8_t *to,
		      uint32_t size)
{
	struct park_block *b = find_block(&df->park, where, size);
	int ret;

	if (!block_has(b, where, size)) {
		ret = read_block(df, b, where, size);
		if (ret)
			return ret;
	}
	b->used = ++df->park.turn;
	memcpy(to, b->data + (where - b->where), size);
	return 0;
}

int datafile_fetch(struct datafile *df, uint64_t where, uint32_t size,
		   struct record *r)
{
	uint32_t room = (size + 7) & ~7u;
	struct chunk *c;
	uint8_t *to;
	int ret;

	if (fetch_room(df, room))
		return -ENOMEM;
	c = df->park.fetched;
	to = c->data + c->used;
	ret = size > BLOCK_SIZE / 2 ? read_at(df, where, to, size, size) :
				      read_ahead(df, where, to, size);
	if (ret < 0)
		return ret;
	if (get16(to + 6) != size)
		return errline_set(df->line, EIO, "changed while it was read");
	*r = (struct record){ .data = to, .chunk = c };
	c->refs++;
	c->used += room;
	return 0;
}

void park_free(struct datafile *df)
{
	struct park *p = &df->park;
	size_t i;

	chunk_put(df->pool, p->fetched);
	for (i = 0; i < PARK_BLOCKS; i++)
		free(p->block[i].data);
	free(p->tail);
	if (p->fd >= 0)
		close(p->fd);
	memset(p, 0, sizeof(*p));
	p->fd = -1;
}
