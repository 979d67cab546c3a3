// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The header of perf.data, its attrs and the features behind the data. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "read/header.h"
#include "read/perf_abi.h"

#define FILE_HEADER 104 /* of file mode, since perf 3.x */
#define PIPE_HEADER 16
/*
 * Against sizes that are damaged: as many ids would be those of 128 million
 * events, for which no kernel has the memory.
 */
#define HEAD_MAX (1u << 30)
#define FEAT_MAX HEAD_MAX

/* The bytes before the data section: attrs and their ids. */
struct head {
	uint8_t *buf;
	size_t size;
};

/* Reads size bytes, fewer only at the file's end.  Bytes read or -errno. */
static long read_full(int fd, void *buf, size_t size)
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

static int head_read(struct datafile *df, struct head *h, uint64_t size)
{
	while (h->size < size) {
		/* In steps: what a damaged file says is not to be allocated. */
		size_t step = 1u << 20;
		uint8_t *buf;
		long n;

		if (step > size - h->size)
			step = size - h->size;
		buf = realloc(h->buf, h->size + step);
		if (!buf)
			return errline_set(df->line, ENOMEM, "out of memory");
		h->buf = buf;
		n = read_full(df->fd, h->buf + h->size, step);
		if (n < 0)
			return errline_set(df->line, -n, "cannot read: %s",
					   strerror(-n));
		h->size += n;
		if ((size_t)n < step)
			return errline_set(
				df->line, ENODATA,
				"is cut: it ends at byte %zu within its header; record it again",
				h->size);
	}
	return 0;
}

/* [offset, offset + size) of the head, or NULL if it is not in it. */
static const uint8_t *head_at(const struct head *h, uint64_t offset,
			      uint64_t size)
{
	if (offset > h->size || size > h->size - offset)
		return NULL;
	return h->buf + offset;
}

static int bad_header(struct datafile *df, const char *what)
{
	return errline_set(df->line, EBADMSG, "is damaged: %s; record it again",
			   what);
}

static int attrs_read(struct datafile *df, const struct head *h,
		      struct events *es)
{
	uint64_t entry = get64(h->buf + 16);
	uint64_t offset = get64(h->buf + 24);
	uint64_t size = get64(h->buf + 32);
	uint64_t left = h->size; /* for ids: each event has its own */
	const uint8_t *p;

	/* An entry: struct perf_event_attr, then offset and size of its ids. */
	if (entry < 64 + 16 || entry > 4096 || size % entry)
		return bad_header(df,
				  "its attribute section has no sound size");
	p = head_at(h, offset, size);
	if (!p)
		return bad_header(
			df, "its attributes do not stand before the data");
	if (!size)
		return bad_header(df, "it describes no event");
	for (; size; p += entry, size -= entry) {
		uint64_t ids_size = get64(p + entry - 8);
		const uint8_t *ids;
		int ret;

		ids = head_at(h, get64(p + entry - 16), ids_size);
		if (!ids || ids_size % 8)
			return bad_header(
				df,
				"the ids of an event lie outside of the header");
		if (ids_size > left)
			return bad_header(
				df,
				"its events have more ids than fit into the header");
		left -= ids_size;
		ret = events_add(es, p, entry - 16, ids, ids_size / 8,
				 df->line);
		if (ret)
			return ret;
	}
	return 0;
}

/* PERF_RECORD_HEADER_BUILD_ID, one after the other. */
static int build_id_section(const uint8_t *buf, size_t size,
			    struct build_ids *ids)
{
	while (size >= 8) {
		size_t n = get16(buf + 6);
		int ret;

		if (n < 8 || n > size)
			break;
		ret = build_ids_add(ids, buf, n);
		if (ret)
			return ret;
		buf += n;
		size -= n;
	}
	return 0;
}

/* u32 size, name */
static bool is_this_host(const uint8_t *buf, size_t size)
{
	struct utsname own;

	return size > 4 && memchr(buf + 4, 0, size - 4) && !uname(&own) &&
	       !strcmp(own.nodename, (const char *)buf + 4);
}

int header_feature(unsigned int feat, const uint8_t *buf, size_t size,
		   struct events *es, struct build_ids *ids,
		   struct errline *line)
{
	char arch[32] = "", *p;

	switch (feat) {
	case FEAT_BUILD_ID:
		return build_id_section(buf, size, ids);
	case FEAT_EVENT_DESC:
		events_describe(es, buf, size);
		return 0;
	case FEAT_HOSTNAME:
		ids->here = is_this_host(buf, size);
		return 0;
	case FEAT_ARCH:
		if (size > 4)
			strncpy(arch, (const char *)buf + 4,
				size - 4 < sizeof(arch) - 1 ? size - 4 :
							      sizeof(arch) - 1);
		for (p = arch; *p; p++) /* it goes into the error line */
			if (*p < ' ' || *p > '~')
				*p = '?';
		if (strcmp(arch, "x86_64"))
			return errline_set(
				line, EOPNOTSUPP,
				"was recorded on '%s'; only x86_64 is supported",
				arch);
		return 0;
	}
	return 0;
}

static int feature_read(struct datafile *df, unsigned int feat, uint64_t offset,
			uint64_t size, struct events *es, struct build_ids *ids)
{
	uint8_t *buf;
	ssize_t n;
	int ret;

	if (offset > df->size || size > df->size - offset || size > FEAT_MAX) {
		df->features_cut = true; /* told at the end of the data */
		return 0;
	}
	if (!size)
		return 0;
	buf = malloc(size);
	if (!buf)
		return errline_set(df->line, ENOMEM, "out of memory");
	n = pread(df->fd, buf, size, offset);
	ret = 0;
	if (n == (ssize_t)size)
		ret = header_feature(feat, buf, size, es, ids, df->line);
	free(buf);
	return ret;
}

/* Behind the data, where only a file that can be seeked in shows them. */
static int features_read(struct datafile *df, const struct head *h, uint64_t at,
			 struct events *es, struct build_ids *ids)
{
	unsigned int bit;
	int ret;

	if (!df->seekable)
		return 0;
	for (bit = 0; bit < FEAT_BITS; bit++) {
		uint8_t section[16];

		if (!(h->buf[72 + bit / 8] & (1u << bit % 8)))
			continue;
		if (pread(df->fd, section, 16, at) != 16) {
			df->features_cut = true;
			break;
		}
		at += 16;
		if (bit != FEAT_BUILD_ID && bit != FEAT_HOSTNAME &&
		    bit != FEAT_EVENT_DESC && bit != FEAT_ARCH)
			continue;
		ret = feature_read(df, bit, get64(section), get64(section + 8),
				   es, ids);
		if (ret)
			return ret;
	}
	return 0;
}

static int magic_check(struct datafile *df, const struct head *h)
{
	if (!memcmp(h->buf, "PERFILE2", 8))
		return 0;
	if (!memcmp(h->buf, "2ELIFREP", 8))
		return errline_set(
			df->line, EOPNOTSUPP,
			"was recorded on a machine of the other byte order; only x86_64 is supported");
	if (!memcmp(h->buf, "PERFFILE", 8))
		return errline_set(
			df->line, EOPNOTSUPP,
			"has version 1 of the perf.data format; record it with perf 4.0 or later");
	return errline_set(
		df->line, EBADMSG,
		"is not a perf.data file (it does not start with PERFILE2)");
}

static int file_mode(struct datafile *df, struct head *h, struct events *es,
		     struct build_ids *ids)
{
	uint64_t offset, size;
	int ret;

	ret = head_read(df, h, FILE_HEADER);
	if (ret)
		return ret;
	offset = get64(h->buf + 40);
	size = get64(h->buf + 48);
	if (offset < FILE_HEADER)
		return bad_header(df, "its data section has no sound offset");
	if (offset > HEAD_MAX)
		return errline_set(
			df->line, E2BIG,
			"has a header of %llu bytes, of which at most %u are read; is it damaged?",
			(unsigned long long)offset, HEAD_MAX);
	ret = head_read(df, h, offset);
	if (!ret)
		ret = attrs_read(df, h, es);
	if (ret)
		return ret;
	df->offset = offset;
	if (!size) {
		/* perf record writes the size last of all. */
		df->unfinished = true;
		df->left = UINT64_MAX;
		return events_name_rest(es) ?
			       errline_set(df->line, ENOMEM, "out of memory") :
			       0;
	}
	if (size > (uint64_t)INT64_MAX - offset)
		return bad_header(df, "its data section has no sound size");
	df->left = size;
	ret = features_read(df, h, offset + size, es, ids);
	if (ret)
		return ret;
	ids->seen = ids->here ? df->mtime : 0;
	return events_name_rest(es) ?
		       errline_set(df->line, ENOMEM, "out of memory") :
		       0;
}

int header_read(struct datafile *df, struct events *es, struct build_ids *ids)
{
	struct head h = { 0 };
	uint64_t size;
	int ret;

	h.buf = malloc(PIPE_HEADER);
	if (!h.buf)
		return errline_set(df->line, ENOMEM, "out of memory");
	ret = read_full(df->fd, h.buf, PIPE_HEADER);
	if (ret < 0) {
		ret = errline_set(df->line, -ret, "cannot read: %s",
				  strerror(-ret));
		goto out;
	}
	h.size = ret;
	if (ret == 0) {
		ret = errline_set(df->line, ENODATA,
				  "is empty; was anything recorded?");
		goto out;
	}
	if (ret < 8) {
		ret = errline_set(
			df->line, EBADMSG,
			"is not a perf.data file (it has only %d bytes)", ret);
		goto out;
	}
	ret = magic_check(df, &h);
	if (ret)
		goto out;
	if (h.size < PIPE_HEADER) {
		ret = errline_set(
			df->line, ENODATA,
			"is cut: it ends at byte %zu within its header; record it again",
			h.size);
		goto out;
	}
	size = get64(h.buf + 8);
	if (size == PIPE_HEADER) {
		df->left = UINT64_MAX;
		df->offset = PIPE_HEADER;
		df->piped = true;
	} else if (size == FILE_HEADER) {
		ret = file_mode(df, &h, es, ids);
	} else {
		ret = errline_set(
			df->line, EOPNOTSUPP,
			"has a header of %llu bytes, which no known perf writes; is it a perf.data file?",
			(unsigned long long)size);
	}
out:
	free(h.buf);
	return ret;
}
