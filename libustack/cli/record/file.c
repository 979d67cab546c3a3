// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* perf.data, written; its layout is told in perf's perf.data-file-format.txt. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "cli/record/file.h"
#include "cli/record/head.h"
#include "cli/record/held.h"
#include "cli/record/sample.h"
#include "util/bytes.h"
#include "util/hash.h"

#define BUF_SIZE (256u << 10)
#define ZSTD_LEVEL 1
#define BUILD_ID_MAX 20

#ifndef PERF_RECORD_MISC_MMAP_BUILD_ID
#define PERF_RECORD_MISC_MMAP_BUILD_ID (1 << 14)
#endif
#define MISC_BUILD_ID_SIZE (1 << 15) /* of PERF_RECORD_HEADER_BUILD_ID */

enum { REC_HEADER_BUILD_ID = 67, REC_COMPRESSED = 81 };

/* An id that the file does not know, and what stands for it. */
struct alias {
	struct hash_node node; /* by id */
	uint64_t as;
};

/* Of a file that was mapped: it stands in the section already. */
struct build_id {
	struct hash_node node;
	uint8_t size;
	uint8_t id[BUILD_ID_MAX];
	char path[];
};

struct record_file {
	int fd;
	bool pipe, stacks, nowhere;
	int err; /* -errno of the write that failed */
	const struct record_event *events;
	size_t nr_events;
	struct bytes buf; /* whole records, not written yet */
	ZSTD_CCtx *zstd; /* NULL: not compressed */
	struct bytes packed; /* buf, compressed */
	struct file_header header;
	uint64_t end; /* all before it is written, and whole records */
	uint64_t samples, buf_samples; /* written; in buf */
	uint64_t first, last; /* times of samples */
	struct record_held held;
	struct hash_table aliases;
	struct hash_table build_ids;
	struct bytes feature[RECORD_FEATURES];
};

static int write_all(int fd, const void *p, size_t size)
{
	const uint8_t *from = p;

	while (size) {
		ssize_t n = write(fd, from, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		from += n;
		size -= n;
	}
	return 0;
}

static int write_header(struct record_file *f)
{
	ssize_t n;

	f->header.data.size = f->end - f->header.data.offset;
	n = pwrite(f->fd, &f->header, sizeof(f->header), 0);
	return n == sizeof(f->header) ? 0 : n < 0 ? -errno : -EIO;
}

/* The table of sections, and what they hold, at the end of the data. */
static int write_features(struct record_file *f)
{
	struct section table[RECORD_FEATURES];
	const uint64_t times[2] = { f->first, f->last };
	uint64_t at;
	size_t i, nr = 0;
	int ret;

	f->header.features[0] = 0;
	memcpy(f->feature[RECORD_SAMPLE_TIME].p, times, sizeof(times));
	for (i = 0; i < RECORD_FEATURES; i++)
		nr += f->feature[i].size != 0;
	at = f->end + nr * sizeof(*table);
	for (nr = i = 0; i < RECORD_FEATURES; i++) {
		if (!f->feature[i].size)
			continue;
		table[nr++] = (struct section){ at, f->feature[i].size };
		at += f->feature[i].size;
		f->header.features[0] |= 1ull << i;
	}
	/* What a write that failed left there goes. */
	if (ftruncate(f->fd, f->end) || lseek(f->fd, f->end, SEEK_SET) < 0)
		return -errno;
	ret = write_all(f->fd, table, nr * sizeof(*table));
	for (i = 0; i < RECORD_FEATURES && !ret; i++)
		ret = write_all(f->fd, f->feature[i].p, f->feature[i].size);
	return ret ? ret : write_header(f);
}

/* The first record that begins in the second half of size bytes. */
static size_t middle(const uint8_t *p, size_t size)
{
	size_t at = get16(p + 6);

	while (at < size / 2)
		at += get16(p + at + 6);
	return at;
}

/*
 * Each compressed record is a frame of its own, and has whole records: they can
 * be read whatever becomes of those before.
 */
static int pack(struct record_file *f, const uint8_t *p, size_t size)
{
	struct perf_event_header h = { .type = REC_COMPRESSED };
	uint8_t frame[RECORD_MAX - sizeof(h)];
	size_t n = ZSTD_compressCCtx(f->zstd, frame, sizeof(frame), p, size,
				     ZSTD_LEVEL);
	int ret;

	if (ZSTD_isError(n)) { /* it is too large */
		size_t half = middle(p, size);

		if (half == size)
			return bytes_add(&f->packed, p, size);
		ret = pack(f, p, half);
		return ret ? ret : pack(f, p + half, size - half);
	}
	h.size = sizeof(h) + n;
	ret = bytes_add(&f->packed, &h, sizeof(h));
	return ret ? ret : bytes_add(&f->packed, frame, n);
}

/* The sections are about to be written over: nobody shall look for them. */
static int hide_features(struct record_file *f)
{
	if (!f->header.features[0])
		return 0;
	f->header.features[0] = 0;
	return write_header(f);
}

/* Appends to the data. */
static int write_data(struct record_file *f, const void *p, size_t size)
{
	int ret = 0;

	if (!f->pipe && lseek(f->fd, f->end, SEEK_SET) < 0)
		ret = -errno;
	if (!ret && !f->nowhere)
		ret = write_all(f->fd, p, size);
	if (ret)
		return ret;
	f->end += size;
	return 0;
}

/* Records, and behind them the sections; or the file stays as it was. */
static int append(struct record_file *f, const uint8_t *p, size_t size)
{
	const uint64_t end = f->end;
	int ret = 0;

	if (f->zstd && size) {
		f->packed.size = 0;
		ret = pack(f, p, size);
		p = f->packed.p;
		size = f->packed.size;
	}
	if (!ret && !f->pipe)
		ret = hide_features(f);
	if (!ret)
		ret = write_data(f, p, size);
	if (!ret && !f->pipe)
		ret = write_features(f);
	if (ret)
		f->end = end;
	return ret;
}

/* Whole records of at most max bytes, or the first; adds how many are samples. */
static size_t records(const uint8_t *p, size_t size, size_t max,
		      uint64_t *samples)
{
	size_t at = 0, n;

	for (; at < size; at += n) {
		n = get16(p + at + 6);
		if (at && at + n > max)
			break;
		*samples += get32(p + at) == PERF_RECORD_SAMPLE;
	}
	return at;
}

/*
 * The disk is full: as much of the buffer as there is room for.  Sections that
 * grew may have none: all but the build-ids had it before.
 */
static void keep_some(struct record_file *f)
{
	const uint8_t *p = f->buf.p;
	size_t left = f->buf.size, max = left / 2, n;
	uint64_t samples;

	while (left && max) {
		samples = 0;
		n = records(p, left, max, &samples);
		if (!append(f, p, n)) {
			p += n;
			left -= n;
			f->samples += samples;
		} else {
			max = n > max ? 0 : n / 2;
		}
	}
	if (!append(f, p, 0))
		return;
	f->feature[RECORD_BUILD_ID].size = 0;
	append(f, p, 0);
}

static int write_out(struct record_file *f)
{
	f->err = append(f, f->buf.p, f->buf.size);
	if (f->err && !f->pipe)
		keep_some(f);
	if (!f->err)
		f->samples += f->buf_samples;
	f->buf.size = f->buf_samples = 0;
	return f->err;
}

static int flush(struct record_file *f)
{
	/* A file has its sections from the beginning. */
	if (f->err || (!f->buf.size && (f->pipe || f->header.features[0])))
		return f->err;
	return write_out(f);
}

int record_file_flush(struct record_file *f)
{
	int ret = held_turn(&f->held);

	return ret ? ret : flush(f);
}

/* Room for size bytes in the buffer; NULL: f->err says why. */
static uint8_t *room(struct record_file *f, size_t size)
{
	uint8_t *p;

	if (f->buf.cap - f->buf.size < size)
		flush(f);
	if (f->err)
		return NULL;
	p = f->buf.p + f->buf.size;
	f->buf.size += size;
	return p;
}

static int put(struct record_file *f, const void *p, size_t size)
{
	const uint8_t *from = p;

	while (size && !f->err) {
		size_t n = size < BUF_SIZE ? size : BUF_SIZE;
		uint8_t *to = room(f, n);

		if (to)
			memcpy(to, from, n);
		from += n;
		size -= n;
	}
	return f->err;
}

/* --- build-ids ------------------------------------------------------------- */

/* header, pid, id[20], u8 size, three bytes, path */
static int add_build_id(struct bytes *to, const struct build_id *b,
			uint16_t misc)
{
	size_t len = (strlen(b->path) + 8) / 8 * 8;
	struct perf_event_header h = {
		.type = REC_HEADER_BUILD_ID,
		.misc = misc | MISC_BUILD_ID_SIZE,
		.size = sizeof(h) + 28 + len,
	};
	const int32_t host = -1;
	int ret = bytes_add(to, &h, sizeof(h));

	if (!ret)
		ret = bytes_add(to, &host, sizeof(host));
	if (!ret)
		ret = bytes_add(to, b->id, sizeof(b->id));
	if (!ret)
		ret = bytes_add(to, &b->size, 1);
	if (!ret)
		ret = bytes_add_zeros(to, 3);
	return ret ? ret : bytes_add_string(to, b->path, 8);
}

/* Into a section, or where there is none, before what needs it. */
static int put_build_id(struct record_file *f, const struct build_id *b,
			uint16_t misc)
{
	struct bytes bytes = { 0 };
	int ret;

	if (!f->pipe)
		return add_build_id(&f->feature[RECORD_BUILD_ID], b, misc);
	ret = add_build_id(&bytes, b, misc);
	if (!ret)
		ret = put(f, bytes.p, bytes.size);
	free(bytes.p);
	return ret;
}

int record_file_build_id(struct record_file *f, uint16_t misc,
			 const char *path, const uint8_t *id, size_t size)
{
	size_t len = strlen(path) + 1;
	struct hash_node *n;
	struct build_id *b;
	uint64_t key;

	if (!size || size > BUILD_ID_MAX)
		return 0;
	key = hash_mix(hash_bytes(path, len), hash_bytes(id, size));
	for (n = hash_find(&f->build_ids, key); n; n = hash_next(n)) {
		b = container_of(n, struct build_id, node);
		if (b->size == size && !memcmp(b->id, id, size) &&
		    !strcmp(b->path, path))
			return 0;
	}
	b = calloc(1, sizeof(*b) + len);
	if (!b || hash_add(&f->build_ids, &b->node, key)) {
		free(b);
		return -ENOMEM;
	}
	b->size = size;
	memcpy(b->id, id, size);
	memcpy(b->path, path, len);
	return put_build_id(f, b, misc);
}

static int take_build_id(struct record_file *f, const uint8_t *mmap2)
{
	uint16_t misc = get16(mmap2 + 4);

	if (!(misc & PERF_RECORD_MISC_MMAP_BUILD_ID))
		return 0;
	return record_file_build_id(f, misc & PERF_RECORD_MISC_CPUMODE_MASK,
				    (const char *)mmap2 + 72, mmap2 + 44,
				    mmap2[40]);
}

/* --- records ----------------------------------------------------------------- */

int record_file_alias(struct record_file *f, uint64_t id, size_t event)
{
	struct alias *a = malloc(sizeof(*a));

	if (!a || hash_add(&f->aliases, &a->node, id)) {
		free(a);
		return -ENOMEM;
	}
	a->as = f->events[event].ids[0];
	return 0;
}

static uint64_t file_id(const struct record_file *f, uint64_t id)
{
	const struct hash_node *n = hash_find(&f->aliases, id);

	return n ? container_of(n, const struct alias, node)->as : id;
}

static int write_record(void *arg, const void *record)
{
	struct record_file *f = arg;
	const struct perf_event_header *h = record;
	uint64_t id;
	uint8_t *to;
	int ret;

	if (h->type == PERF_RECORD_MMAP2) {
		ret = take_build_id(f, record);
		if (ret)
			return ret;
	}
	to = room(f, h->size);
	if (!to)
		return f->err;
	memcpy(to, record, h->size);
	/* The last word of its sample_id */
	id = file_id(f, get64(to + h->size - 8));
	memcpy(to + h->size - 8, &id, sizeof(id));
	return 0;
}

int record_file_record(struct record_file *f, const void *record)
{
	return f->nowhere ? 0 : held_record(&f->held, record);
}

int record_file_sample(struct record_file *f, const struct ustack_sample *s,
		       const struct chain *c, bool stack)
{
	struct sample_plan plan;
	uint8_t *p;
	int ret = held_release(&f->held, s->pid, s->time);

	if (ret)
		return ret;

	sample_plan(&plan, f->stacks, f->events[0].attr.sample_regs_user, s, c,
		    stack);
	p = room(f, plan.size);
	if (!p)
		return f->err;
	sample_put(p, &plan, s, c, file_id(f, s->id));
	f->buf_samples++;
	if (!f->first || s->time < f->first)
		f->first = s->time;
	if (s->time > f->last)
		f->last = s->time;
	return 0;
}

/* --- beginning ------------------------------------------------------------------ */

static int begin_pipe(struct record_file *f)
{
	const struct head head = { f->events, f->nr_events, f->stacks };
	struct bytes b = { 0 };
	int ret = head_pipe(&head, &b);

	if (!ret)
		ret = put(f, b.p, b.size);
	free(b.p);
	return ret;
}

static int begin_file(struct record_file *f)
{
	const struct head head = { f->events, f->nr_events, f->stacks };
	struct bytes b = { 0 };
	int ret = head_file(&head, &f->header, &b);

	if (!ret)
		ret = write_all(f->fd, b.p, b.size);
	f->end = f->header.data.offset;
	free(b.p);
	if (!ret)
		ret = head_event_desc(&head, &f->feature[RECORD_EVENT_DESC]);
	return ret ? ret : bytes_add_zeros(&f->feature[RECORD_SAMPLE_TIME], 16);
}

/* How perf is told that there are compressed records. */
static int add_compressed(struct record_file *f)
{
	/* version, zstd, level, ratio, bytes that a record may have without */
	const uint32_t words[] = { 1, 1, ZSTD_LEVEL, 1, BUF_SIZE };

	f->zstd = ZSTD_createCCtx();
	return f->zstd ? bytes_add(&f->feature[RECORD_COMPRESSED], words,
			     sizeof(words)) :
			 -ENOMEM;
}

int record_file_new(struct record_file **out, int fd,
		    const struct record_event *events, size_t nr,
		    unsigned int flags)
{
	struct record_file *f = calloc(1, sizeof(*f));
	struct stat st;
	int ret;

	*out = NULL;
	if (!f)
		return -ENOMEM;
	f->buf.p = malloc(BUF_SIZE);
	if (!f->buf.p) {
		free(f);
		return -ENOMEM;
	}
	f->buf.cap = BUF_SIZE;
	f->fd = fd;
	f->events = events;
	f->nr_events = nr;
	f->nowhere = flags & RECORD_NOWHERE;
	held_init(&f->held, write_record, f);
	/* A device is no disk: /dev/null can be seeked, and has no end. */
	f->pipe = f->nowhere || fstat(fd, &st) || !S_ISREG(st.st_mode);
	f->stacks = flags & RECORD_STACKS;
	ret = f->pipe ? begin_pipe(f) : begin_file(f);
	if (!ret && flags & RECORD_ZSTD && !f->pipe)
		ret = add_compressed(f);
	if (ret) {
		record_file_free(f);
		return ret;
	}
	*out = f;
	return 0;
}

/* --- end -------------------------------------------------------------------------- */

int record_file_bytes(struct record_file *f, enum record_feature feature,
		      const void *p, size_t size)
{
	return bytes_add(&f->feature[feature], p, size);
}

int record_file_strings(struct record_file *f, enum record_feature feature,
			const char *const *strings, size_t nr)
{
	struct bytes *b = &f->feature[feature];
	uint32_t n = nr;
	size_t i;
	int ret = 0;

	/* Only the command line tells how many there are. */
	if (feature == RECORD_CMDLINE)
		ret = bytes_add(b, &n, sizeof(n));
	for (i = 0; i < nr && !ret; i++)
		ret = head_string(b, strings[i]);
	return ret;
}

int record_file_end(struct record_file *f)
{
	if (f->err || (!f->buf.size && f->pipe))
		return f->err;
	/* The sections may have grown without records. */
	return write_out(f);
}

uint64_t record_file_size(const struct record_file *f)
{
	return f->end + f->buf.size;
}

uint64_t record_file_samples(const struct record_file *f)
{
	return f->samples + (f->err ? 0 : f->buf_samples);
}

void record_file_free(struct record_file *f)
{
	struct hash_node *n;
	size_t i;

	if (!f)
		return;
	held_free(&f->held);
	while ((n = hash_pop(&f->build_ids)))
		free(container_of(n, struct build_id, node));
	hash_free(&f->build_ids);
	for (i = 0; i < RECORD_FEATURES; i++)
		free(f->feature[i].p);
	ZSTD_freeCCtx(f->zstd);
	while ((n = hash_pop(&f->aliases)))
		free(container_of(n, struct alias, node));
	hash_free(&f->aliases);
	free(f->packed.p);
	free(f->buf.p);
	free(f);
}
