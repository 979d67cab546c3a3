// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Sections by name, uncompressed.  Not by elf_compress(): Debian 12's libelf does
 * not know zstd.
 */
#include <errno.h>
#include <gelf.h>
#include <libdeflate.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "module/section.h"
#include "module/image.h"
#include "util/bytes.h"

/* Newer than Debian 12's <elf.h>. */
#define COMPRESS_ZSTD 2

/* Sizes that a file claims are believed up to the best ratio zlib can reach. */
#define RATIO_MAX 1032
#define SIZE_LIMIT (1ULL << 30)
#define XZ_MEMORY (128 << 20)	/* xz -9 needs 65 MiB */

struct buffer {
	struct buffer *next;
	uint8_t data[];
};

void section_free(struct image *image)
{
	struct buffer *b = image->buffers, *next;

	elf_end(image->elf);
	image->elf = NULL;
	for (; b; b = next) {
		next = b->next;
		free(b);
	}
	image->buffers = NULL;
}

static bool size_is_sane(uint64_t size, uint64_t packed)
{
	return size <= SIZE_LIMIT && size / RATIO_MAX <= packed;
}

/* In a third of zlib's time. */
static bool inflate(void *to, size_t size, const void *packed,
		    size_t packed_size)
{
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	bool done = d && !libdeflate_zlib_decompress(d, packed, packed_size, to,
						     size, NULL);

	libdeflate_free_decompressor(d);
	return done;
}

uint8_t *section_copy(struct image *image, struct section *s)
{
	struct buffer *b = malloc(sizeof(*b) + s->size);

	if (!b)
		return NULL;
	memcpy(b->data, s->data, s->size);
	pthread_mutex_lock(&image->lock);
	b->next = image->buffers;
	image->buffers = b;
	pthread_mutex_unlock(&image->lock);
	s->data = b->data;
	return b->data;
}

/* Points s at its size uncompressed bytes, which image owns.  0 or -errno. */
static int unpack(struct image *image, struct section *s, unsigned int type,
		  uint64_t size, const uint8_t *packed, size_t packed_size)
{
	struct buffer *b;
	bool done;

	if (!size_is_sane(size, packed_size))
		return -EINVAL;
	b = malloc(sizeof(*b) + size);
	if (!b)
		return -ENOMEM;
	if (type == ELFCOMPRESS_ZLIB)
		done = inflate(b->data, size, packed, packed_size);
	else if (type == COMPRESS_ZSTD)
		done = ZSTD_decompress(b->data, size, packed, packed_size) ==
		       size;
	else
		done = false;
	if (!done) {
		free(b);
		return -EINVAL;
	}
	b->next = image->buffers;
	image->buffers = b;
	s->data = b->data;
	s->size = size;
	return 0;
}

/* SHF_COMPRESSED: a header in the ELF file's class. */
static int unpack_standard(struct image *image, struct section *s)
{
	struct buf b = { s->data, s->data + s->size, false };
	unsigned int word = image->is_64 ? 8 : 4;
	uint32_t type = buf_uint(&b, 4);
	uint64_t size;

	if (image->is_64)
		buf_uint(&b, 4);
	size = buf_uint(&b, word);
	buf_uint(&b, word);	/* alignment: nothing here needs any */
	if (b.bad)
		return -EINVAL;
	return unpack(image, s, type, size, b.p, buf_left(&b));
}

/* .zdebug_*: "ZLIB" and a big-endian size. */
static int unpack_old(struct image *image, struct section *s)
{
	uint64_t size;

	if (s->size < 12 || memcmp(s->data, "ZLIB", 4))
		return -EINVAL;
	memcpy(&size, s->data + 4, 8);
	return unpack(image, s, ELFCOMPRESS_ZLIB, __builtin_bswap64(size),
		      s->data + 12, s->size - 12);
}

/* By liblzma: elfutils does this inside of libdwfl only. */
uint8_t *section_unxz(const struct section *s, size_t *size)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	uint8_t *data = NULL, *more;
	lzma_ret ret = LZMA_OK;
	size_t max = 0;

	if (!s->size || lzma_stream_decoder(&stream, XZ_MEMORY, 0) != LZMA_OK)
		return NULL;
	stream.next_in = s->data;
	stream.avail_in = s->size;
	do {
		if (!stream.avail_out) {
			max = max ? 2 * max : 4 * s->size;
			more = size_is_sane(max, s->size) ? realloc(data, max) :
							    NULL;
			if (!more)
				break;
			data = more;
			stream.next_out = data + stream.total_out;
			stream.avail_out = max - stream.total_out;
		}
		ret = lzma_code(&stream, LZMA_FINISH);
	} while (ret == LZMA_OK);
	*size = stream.total_out;
	lzma_end(&stream);
	if (ret == LZMA_STREAM_END)
		return data;
	free(data);
	return NULL;
}

/* The same of a zstd stream. */
static uint8_t *unzstd(const struct section *s, size_t *size)
{
	ZSTD_DStream *stream = ZSTD_createDStream();
	ZSTD_inBuffer in = { s->data, s->size, 0 };
	ZSTD_outBuffer out = { 0 };
	size_t left = 1;

	while (stream && left && !ZSTD_isError(left)) {
		if (out.pos == out.size) {
			size_t max = out.size ? 2 * out.size : 4 * s->size;
			void *more = size_is_sane(max, s->size) ?
					     realloc(out.dst, max) :
					     NULL;

			if (!more)
				break;
			out.dst = more;
			out.size = max;
		}
		left = ZSTD_decompressStream(stream, &out, &in);
		if (in.pos == in.size && left && out.pos < out.size)
			break; /* it is cut */
	}
	ZSTD_freeDStream(stream);
	*size = out.pos;
	if (!left)
		return out.dst;
	free(out.dst);
	return NULL;
}

/* And of gzip, which ends with the size. */
static uint8_t *gunzip(const struct section *s, size_t *size)
{
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	uint8_t *data = NULL;
	uint32_t told;

	memcpy(&told, s->data + s->size - sizeof(told), sizeof(told));
	*size = told;
	if (d && size_is_sane(told, s->size))
		data = malloc(*size + 1);
	if (data && libdeflate_gzip_decompress(d, s->data, s->size, data, *size,
					       NULL)) {
		free(data);
		data = NULL;
	}
	libdeflate_free_decompressor(d);
	return data;
}

int section_unpack_file(struct image *image)
{
	static const struct {
		char magic[8];
		size_t size;
		uint8_t *(*unpack)(const struct section *s, size_t *size);
	} kinds[] = {
		{ "\xfd" "7zXZ", 6, section_unxz },
		{ "\x28\xb5\x2f\xfd", 4, unzstd },
		{ "\x1f\x8b", 2, gunzip },
	};
	const struct section all = { image->data, image->size, 0 };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (all.size < 18 ||
		    memcmp(all.data, kinds[i].magic, kinds[i].size))
			continue;
		image->unpacked = kinds[i].unpack(&all, &image->size);
		image->data = image->unpacked;
		return image->data ? 0 : -EBADMSG;
	}
	return 0;
}

Elf *image_elf(struct image *image)
{
	if (!image->elf) {
		elf_version(EV_CURRENT);
		/* libelf does not write to it. */
		image->elf = elf_memory((char *)image->data, image->size);
	}
	return image->elf && elf_kind(image->elf) == ELF_K_ELF ? image->elf :
								 NULL;
}

/* Is it name, or .zdebug_NAME for .debug_NAME? */
static bool name_matches(const char *is, const char *name, bool *old)
{
	*old = is[0] == '.' && is[1] == 'z';
	return !strcmp(is, name) || (*old && !strcmp(is + 2, name + 1));
}

static int find_section(struct image *image, const char *name,
			struct section *out)
{
	Elf *elf = image_elf(image);
	Elf_Scn *scn = NULL;
	size_t names;

	*out = (struct section){ 0 };
	if (!elf || elf_getshdrstrndx(elf, &names))
		return -ENOENT;
	while ((scn = elf_nextscn(elf, scn))) {
		const char *is;
		GElf_Shdr sh;
		bool old;
		int err;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type == SHT_NOBITS ||
		    sh.sh_offset > image->size ||
		    sh.sh_size > image->size - sh.sh_offset)
			continue;
		is = elf_strptr(elf, names, sh.sh_name);
		if (!is || !name_matches(is, name, &old))
			continue;
		out->data = image->data + sh.sh_offset;
		out->size = sh.sh_size;
		out->vaddr = sh.sh_addr;
		err = sh.sh_flags & SHF_COMPRESSED ? unpack_standard(image, out) :
		      old			   ? unpack_old(image, out) :
						     0;
		if (err)
			*out = (struct section){ 0 };
		return err;
	}
	return -ENOENT;
}

int image_section(struct image *image, const char *name, struct section *out)
{
	int err;

	pthread_mutex_lock(&image->lock);
	err = find_section(image, name, out);
	pthread_mutex_unlock(&image->lock);
	return err;
}
