// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The data of a file, or what comes out of a pipe, to single records. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "read/datafile.h"
#include "read/header.h"
#include "read/perf_abi.h"

static int no_memory(struct datafile *df)
{
	return errline_set(df->line, ENOMEM, "out of memory");
}

int datafile_open(struct datafile *df, const char *path,
		  struct chunk_pool *pool, struct events *es,
		  struct build_ids *ids, struct errline *line)
{
	struct stat st;
	int ret;

	memset(df, 0, sizeof(*df));
	df->park.fd = -1;
	df->line = line;
	df->pool = df->raw.pool = df->unpacker.out.pool = pool;
	if (!strcmp(path, "-"))
		df->fd = dup(STDIN_FILENO);
	else
		df->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (df->fd < 0 || fstat(df->fd, &st)) {
		ret = errno;
		return errline_set(line, ret, "cannot open: %s", strerror(ret));
	}
	if (S_ISDIR(st.st_mode))
		return errline_set(
			line, EISDIR,
			"is a directory; name a file (perf record --threads writes directories, which are not read)");
	if (S_ISREG(st.st_mode)) {
		off_t at = lseek(df->fd, 0, SEEK_CUR);

		/* A shell may have handed over a file read in part. */
		df->seekable = at == 0;
		df->size = st.st_size;
		df->mtime = st.st_mtime;
	}
	ret = header_read(df, es, ids);
	if (ret)
		return ret;
	df->start = df->offset;
	df->start_left = df->left;
	df->raw.chunk = chunk_new(pool);
	if (!df->raw.chunk)
		return no_memory(df);
	return 0;
}

int datafile_rewind(struct datafile *df)
{
	struct chunk *fresh = chunk_new(df->pool);

	if (!fresh)
		return no_memory(df);
	chunk_put(df->pool, df->raw.chunk);
	df->raw.chunk = fresh;
	df->raw.head = df->raw.tail = 0;
	unpack_free(&df->unpacker);
	memset(&df->unpacker, 0, sizeof(df->unpacker));
	df->unpacker.out.pool = df->pool;
	df->offset = df->start;
	df->left = df->start_left;
	if (lseek(df->fd, df->start, SEEK_SET) < 0)
		return errline_set(df->line, errno, "cannot be read again: %s",
				   strerror(errno));
	return 0;
}

void datafile_account(const struct datafile *df, struct ustack_stats *stats)
{
	if (df->start_left == UINT64_MAX) {
		stats->data_size = df->seekable ? df->size - df->start : 0;
		stats->data_read = df->offset - df->start;
	} else {
		stats->data_size = df->start_left;
		stats->data_read = df->start_left - df->left;
	}
}

void datafile_close(struct datafile *df)
{
	if (df->pool) {
		unpack_free(&df->unpacker);
		chunk_put(df->pool, df->raw.chunk);
		park_free(df);
	}
	df->raw.chunk = NULL;
	if (df->fd >= 0)
		close(df->fd);
	df->fd = -1;
}

static int cut_short(struct datafile *df)
{
	return errline_set(
		df->line, ENODATA,
		"is cut: it ends at byte %llu in the middle of a record; what it holds was read",
		(unsigned long long)df->offset);
}

/* Reads on until the raw stream holds need bytes; 0 if the data ends before. */
static int raw_fill(struct datafile *df, uint32_t need)
{
	struct stream *s = &df->raw;

	while (stream_left(s) < need) {
		uint64_t want;
		ssize_t n;
		int ret;

		if (!df->left)
			return 0;
		if (s->head + need > CHUNK_SIZE || s->tail == CHUNK_SIZE) {
			if (stream_room(s))
				return no_memory(df);
		}
		want = CHUNK_SIZE - s->tail;
		if (want > df->left)
			want = df->left;
		n = read(df->fd, s->chunk->data + s->tail, want);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			ret = errno;
			return errline_set(df->line, ret, "cannot read: %s",
					   strerror(ret));
		}
		if (!n) {
			if (df->left == UINT64_MAX) {
				df->left = 0;
				return 0;
			}
			return errline_set(
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

static int raw_skip(struct datafile *df, uint64_t size)
{
	struct stream *s = &df->raw;

	while (size) {
		uint32_t n = stream_left(s);
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

static int bad_size(struct datafile *df, unsigned int type, unsigned int size)
{
	return errline_set(
		df->line, EBADMSG,
		"is damaged near byte %llu: a record of type %u says that its size is %u",
		(unsigned long long)df->offset, type, size);
}

/* The record at the head of s: as stream_take(), with the error line. */
static int take(struct datafile *df, struct stream *s, struct record *r,
		uint32_t *need)
{
	int ret = stream_take(s, r, need);

	if (ret == -EBADMSG)
		return bad_size(df, get32(stream_head(s)),
				get16(stream_head(s) + 6));
	return ret < 0 ? no_memory(df) : ret;
}

static int raw_next(struct datafile *df, struct record *r)
{
	uint32_t need;
	int ret;

	while (!(ret = take(df, &df->raw, r, &need))) {
		ret = raw_fill(df, need);
		if (!ret && stream_left(&df->raw))
			return cut_short(df);
		if (ret <= 0)
			return ret;
	}
	if (ret == 1)
		df->offset += record_size(r);
	return ret;
}

/* r is a compressed record: what is in it comes next.  Takes r over. */
static int begin_unpacking(struct datafile *df, struct record *r)
{
	int ret = unpack_begin(&df->unpacker, r);

	if (ret == -EBADMSG)
		bad_size(df, record_type(r), record_size(r));
	else if (ret)
		no_memory(df);
	record_put(df->pool, r);
	return ret;
}

/* The next record out of compressed ones, 0 if they hold no whole one more. */
static int unpacked_next(struct datafile *df, struct record *r)
{
	const char *why;
	uint32_t need;
	int ret;

	while (!(ret = take(df, &df->unpacker.out, r, &need)) &&
	       df->unpacker.packed) {
		ret = unpack_more(&df->unpacker, &why);
		if (ret == -EBADMSG)
			return errline_set(
				df->line, EBADMSG,
				"is damaged near byte %llu: compressed records do not unpack (%s)",
				(unsigned long long)df->offset, why);
		if (ret)
			return no_memory(df);
	}
	return ret;
}

/* Steps over the data that follow two of perf's own records instead of being in them. */
static int skip_payload(struct datafile *df, const struct record *r)
{
	uint64_t size;

	switch (record_type(r)) {
	case REC_AUXTRACE:
		if (record_size(r) < 16)
			return bad_size(df, REC_AUXTRACE, record_size(r));
		size = get64(r->data + 8);
		break;
	case REC_HEADER_TRACING_DATA:
		if (record_size(r) < 12)
			return bad_size(df, REC_HEADER_TRACING_DATA,
					record_size(r));
		size = ((uint64_t)get32(r->data + 8) + 7) & ~7ull;
		break;
	default:
		return 0;
	}
	return raw_skip(df, size);
}

/* What is wrong with a file that was read to its end, 0 if nothing. */
static int check_end(struct datafile *df)
{
	if (stream_left(&df->unpacker.out))
		return cut_short(df);
	if (df->unfinished)
		return errline_set(
			df->line, ENODATA,
			"is cut: perf record did not finish it (its header gives no data size); what it holds was read");
	if (df->features_cut)
		return errline_set(
			df->line, ENODATA,
			"is cut: event names or build-ids are missing at its end; all samples were read");
	return 0;
}

int datafile_next(struct datafile *df, struct record *r)
{
	int ret;

	df->last = PARK_NONE;
	for (;;) {
		ret = df->unpacker.zstd ? unpacked_next(df, r) : 0;
		if (ret)
			return ret;
		ret = raw_next(df, r);
		if (ret < 0)
			return ret;
		if (!ret)
			return check_end(df);
		if (record_type(r) != REC_COMPRESSED &&
		    record_type(r) != REC_COMPRESSED2)
			break;
		ret = begin_unpacking(df, r);
		if (ret)
			return ret;
	}
	if (df->seekable)
		df->last = df->offset - record_size(r);
	ret = skip_payload(df, r);
	if (ret)
		record_put(df->pool, r);
	return ret ? ret : 1;
}
