// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* perf.data, file and pipe mode, to single records. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "reader.h"

#define HEADER_SIZE 8

long read_full(int fd, void *buf, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = read(fd, (char *)buf + got, size - got);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!n)
			break;
		got += n;
	}
	return got;
}

int datafile_open(struct datafile *df, const char *path,
		  struct chunk_pool *pool, struct events *es,
		  struct build_ids *ids, struct errline *line)
{
	struct stat st;
	int ret;

	memset(df, 0, sizeof(*df));
	df->park_fd = -1;
	df->line = line;
	df->pool = pool;
	if (!strcmp(path, "-"))
		df->fd = dup(STDIN_FILENO);
	else
		df->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (df->fd < 0 || fstat(df->fd, &st)) {
		ret = errno;
		return read_error(line, ret, "cannot open: %s", strerror(ret));
	}
	if (S_ISDIR(st.st_mode))
		return read_error(
			line, EISDIR,
			"is a directory; name a file (perf record --threads writes directories, which are not read)");
	if (S_ISREG(st.st_mode)) {
		off_t at = lseek(df->fd, 0, SEEK_CUR);

		/* A shell may have handed over a file read in part. */
		df->seekable = at == 0;
		df->size = st.st_size;
	}
	ret = header_read(df, es, ids);
	if (ret)
		return ret;
	df->raw.chunk = chunk_new(pool);
	if (!df->raw.chunk)
		return read_error(line, ENOMEM, "out of memory");
	return 0;
}

void datafile_close(struct datafile *df)
{
	ZSTD_freeDStream(df->zstd);
	df->zstd = NULL;
	if (df->pool) {
		chunk_put(df->pool, df->zchunk);
		chunk_put(df->pool, df->raw.chunk);
		chunk_put(df->pool, df->plain.chunk);
		chunk_put(df->pool, df->fetched);
	}
	df->zchunk = df->raw.chunk = df->plain.chunk = df->fetched = NULL;
	if (df->fd >= 0)
		close(df->fd);
	if (df->park_fd >= 0)
		close(df->park_fd);
	df->fd = df->park_fd = -1;
}

/*
 * Makes room behind the unread bytes of s.  Records that are in use keep the
 * old chunk; the unread bytes, less than one record, move.
 */
static int stream_room(struct datafile *df, struct stream *s)
{
	uint32_t n = s->tail - s->head;
	struct chunk *c = s->chunk;

	if (c && c->refs == 1) {
		memmove(c->data, c->data + s->head, n);
	} else {
		c = chunk_new(df->pool);
		if (!c)
			return read_error(df->line, ENOMEM, "out of memory");
		if (n)
			memcpy(c->data, s->chunk->data + s->head, n);
		chunk_put(df->pool, s->chunk);
		s->chunk = c;
	}
	s->head = 0;
	s->tail = n;
	return 0;
}

static int cut_short(struct datafile *df)
{
	return read_error(
		df->line, ENODATA,
		"is cut: it ends at byte %llu in the middle of a record; what it holds was read",
		(unsigned long long)df->offset);
}

/* Reads on until the raw stream holds need bytes; 0 if the data ends before. */
static int raw_fill(struct datafile *df, uint32_t need)
{
	struct stream *s = &df->raw;

	while (s->tail - s->head < need) {
		uint64_t want;
		ssize_t n;
		int ret;

		if (!df->left)
			return 0;
		if (s->head + need > CHUNK_SIZE || s->tail == CHUNK_SIZE) {
			ret = stream_room(df, s);
			if (ret)
				return ret;
		}
		want = CHUNK_SIZE - s->tail;
		if (want > df->left)
			want = df->left;
		n = read(df->fd, s->chunk->data + s->tail, want);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			ret = errno;
			return read_error(df->line, ret, "cannot read: %s",
					  strerror(ret));
		}
		if (!n) {
			if (df->left == UINT64_MAX) {
				df->left = 0;
				return 0;
			}
			return read_error(
				df->line, ENODATA,
				"is cut: %llu bytes are missing at its end; what it holds was read",
				(unsigned long long)df->left);
		}
		s->tail += n;
		if (df->left != UINT64_MAX)
			df->left -= n;
	}
	return 1;
}

/* Payload that stands behind a record instead of in it. */
static int raw_skip(struct datafile *df, uint64_t size)
{
	struct stream *s = &df->raw;

	while (size) {
		uint32_t n = s->tail - s->head;
		int ret;

		if (!n) {
			ret = raw_fill(df, 1);
			if (ret <= 0)
				return ret ? ret : cut_short(df);
			continue;
		}
		if (n > size)
			n = size;
		s->head += n;
		df->offset += n;
		size -= n;
	}
	return 0;
}

/* Hands out the whole record at the head of s. */
static int stream_take(struct datafile *df, struct stream *s, uint16_t size,
		       struct rec *r)
{
	r->data = s->chunk->data + s->head;
	r->chunk = s->chunk;
	r->chunk->refs++;
	s->head += size;
	/* perf before 6.16 does not pad compressed records. */
	if ((uintptr_t)r->data & 7) {
		if (rec_pack(df->pool, r)) {
			chunk_put(df->pool, r->chunk);
			return read_error(df->line, ENOMEM, "out of memory");
		}
	}
	return 1;
}

static int bad_size(struct datafile *df, unsigned int type, unsigned int size)
{
	return read_error(
		df->line, EBADMSG,
		"is damaged near byte %llu: a record of type %u says that its size is %u",
		(unsigned long long)df->offset, type, size);
}

static int raw_next(struct datafile *df, struct rec *r)
{
	struct stream *s = &df->raw;
	const uint8_t *h;
	uint16_t size;
	int ret;

	ret = raw_fill(df, HEADER_SIZE);
	if (ret <= 0) {
		if (ret == 0 && s->tail != s->head)
			return cut_short(df);
		return ret;
	}
	h = s->chunk->data + s->head;
	size = get16(h + 6);
	if (size < HEADER_SIZE)
		return bad_size(df, get32(h), size);
	ret = raw_fill(df, size);
	if (ret <= 0)
		return ret ? ret : cut_short(df);
	df->offset += size;
	return stream_take(df, s, size, r);
}

/* 1 if the decompressed stream had a whole record, 0 if it needs more. */
static int plain_next(struct datafile *df, struct rec *r)
{
	struct stream *s = &df->plain;
	uint32_t n = s->tail - s->head;
	uint16_t size;

	if (n < HEADER_SIZE)
		return 0;
	size = get16(s->chunk->data + s->head + 6);
	if (size < HEADER_SIZE)
		return bad_size(df, get32(s->chunk->data + s->head), size);
	if (n < size)
		return 0;
	return stream_take(df, s, size, r);
}

/* Decompresses as much as there is room for. */
static int plain_fill(struct datafile *df)
{
	struct stream *s = &df->plain;
	ZSTD_inBuffer in = { df->zdata, df->zsize, df->zpos };
	ZSTD_outBuffer out;
	size_t n;

	if (!s->chunk || CHUNK_SIZE - s->head < RECORD_MAX ||
	    s->tail == CHUNK_SIZE) {
		int ret = stream_room(df, s);

		if (ret)
			return ret;
	}
	out = (ZSTD_outBuffer){ s->chunk->data, CHUNK_SIZE, s->tail };
	n = ZSTD_decompressStream(df->zstd, &out, &in);
	if (ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
		return read_error(df->line, ENOMEM, "out of memory");
	if (ZSTD_isError(n))
		return read_error(
			df->line, EBADMSG,
			"is damaged near byte %llu: compressed records do not unpack (%s)",
			(unsigned long long)df->offset, ZSTD_getErrorName(n));
	/* All input taken and room left: everything was put out. */
	if (in.pos == in.size && out.pos < out.size) {
		chunk_put(df->pool, df->zchunk);
		df->zchunk = NULL;
	} else if (in.pos == df->zpos && out.pos == s->tail) {
		return read_error(
			df->line, EBADMSG,
			"is damaged near byte %llu: compressed records do not unpack (no progress)",
			(unsigned long long)df->offset);
	}
	df->zpos = in.pos;
	s->tail = out.pos;
	return 0;
}

static int compressed(struct datafile *df, struct rec *r)
{
	size_t at = HEADER_SIZE, size = rec_size(r);

	if (rec_type(r) == REC_COMPRESSED2) {
		at += 8;
		if (size < at || get64(r->data + 8) > size - at) {
			chunk_put(df->pool, r->chunk);
			return bad_size(df, REC_COMPRESSED2, size);
		}
		size = at + get64(r->data + 8);
	}
	if (!df->zstd) {
		df->zstd = ZSTD_createDStream();
		if (!df->zstd) {
			chunk_put(df->pool, r->chunk);
			return read_error(df->line, ENOMEM, "out of memory");
		}
	}
	df->zchunk = r->chunk;
	df->zdata = r->data + at;
	df->zsize = size - at;
	df->zpos = 0;
	return 0;
}

/* Steps over what follows some records; only perf's own types have it. */
static int payload(struct datafile *df, const struct rec *r)
{
	uint64_t size;

	switch (rec_type(r)) {
	case REC_AUXTRACE:
		if (rec_size(r) < 16)
			return bad_size(df, REC_AUXTRACE, rec_size(r));
		size = get64(r->data + 8);
		break;
	case REC_HEADER_TRACING_DATA:
		if (rec_size(r) < 12)
			return bad_size(df, REC_HEADER_TRACING_DATA,
					rec_size(r));
		size = ((uint64_t)get32(r->data + 8) + 7) & ~7ull;
		break;
	default:
		return 0;
	}
	return raw_skip(df, size);
}

int datafile_next(struct datafile *df, struct rec *r)
{
	int ret;

	for (;;) {
		df->last = PARK_NONE;
		ret = plain_next(df, r);
		if (ret)
			return ret;
		if (df->zchunk) {
			ret = plain_fill(df);
			if (ret)
				return ret;
			continue;
		}
		ret = raw_next(df, r);
		if (ret < 0)
			return ret;
		if (!ret)
			break;
		if (rec_type(r) == REC_COMPRESSED ||
		    rec_type(r) == REC_COMPRESSED2) {
			ret = compressed(df, r);
			if (ret)
				return ret;
			continue;
		}
		if (df->seekable)
			df->last = df->offset - rec_size(r);
		ret = payload(df, r);
		if (ret) {
			chunk_put(df->pool, r->chunk);
			return ret;
		}
		return 1;
	}
	if (df->plain.tail != df->plain.head)
		return cut_short(df);
	if (df->unfinished)
		return read_error(
			df->line, ENODATA,
			"is cut: perf record did not finish it (its header gives no data size); what it holds was read");
	if (df->features_cut)
		return read_error(
			df->line, ENODATA,
			"is cut: event names or build-ids are missing at its end; all samples were read");
	return 0;
}

/* --- records that wait for long ------------------------------------------ */

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
	return read_error(
		df->line, err,
		"holds more between two rounds than fits in memory, and there is no temporary file in %s: %s; set TMPDIR",
		dir, strerror(err));
}

int datafile_park(struct datafile *df, struct rec *r, uint64_t *where)
{
	uint32_t size = rec_size(r), done = 0;
	int err;

	*where = df->last;
	if (df->last == PARK_NONE) {
		if (df->park_fd < 0 && (err = park_open(df)))
			return err;
		while (done < size) {
			ssize_t n = pwrite(df->park_fd, r->data + done,
					   size - done, df->park_size + done);

			if (n < 0 && errno == EINTR)
				continue;
			err = n ? errno : ENOSPC;
			if (n <= 0)
				return read_error(
					df->line, err,
					"holds more between two rounds than fits in memory, and the temporary file for it cannot be written: %s; set TMPDIR",
					strerror(err));
			done += n;
		}
		*where = PARK_OWN | df->park_size;
		df->park_size += size;
	}
	rec_put(df->pool, r);
	r->data = NULL;
	return 0;
}

int datafile_fetch(struct datafile *df, uint64_t where, uint32_t size,
		   struct rec *r)
{
	int fd = where & PARK_OWN ? df->park_fd : df->fd;
	struct chunk *c = df->fetched;
	uint32_t room = (size + 7) & ~7u, done = 0;

	if (!c || CHUNK_SIZE - c->used < room) {
		c = chunk_new(df->pool);
		if (!c)
			return read_error(df->line, ENOMEM, "out of memory");
		chunk_put(df->pool, df->fetched);
		df->fetched = c;
	}
	while (done < size) {
		ssize_t n = pread(fd, c->data + c->used + done, size - done,
				  (where & ~PARK_OWN) + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return read_error(df->line, EIO,
					  "cannot be read again: %s",
					  n ? strerror(errno) : "it was cut");
		done += n;
	}
	r->data = c->data + c->used;
	r->chunk = c;
	/* The file may have been changed since. */
	if (rec_size(r) != size)
		return read_error(df->line, EIO,
				  "changed while it was read");
	c->refs++;
	c->used += room;
	return 0;
}
