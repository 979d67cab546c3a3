// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * CFI that is not in .eh_frame: .debug_frame in all its wrappings, of the image
 * itself, of its .gnu_debugdata and of its separate debug file.
 */
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "elfdir.h"

static const uint8_t id_a[20] = { 0xaa, 0x01 }, id_b[20] = { 0xbb };

#define BY_ID "/.build-id/aa/01000000000000000000000000000000000000.debug"

/* CFA = rsp + 40 in 1000..1010 */
static const uint8_t debug_frame[] = {
	0x14,
	0,
	0,
	0,
	0xff,
	0xff,
	0xff,
	0xff,
	4,
	0,
	8,
	0,
	1,
	0x78,
	16,
	DW_CFA_def_cfa,
	7,
	40,
	DW_CFA_offset | 16,
	1,
	0,
	0,
	0,
	0,
	0x14,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0x00,
	0x10,
	0,
	0,
	0,
	0,
	0,
	0,
	0x10,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
};
static const struct part plain = { ".debug_frame", SHT_PROGBITS,
				   .data = debug_frame,
				   .size = sizeof(debug_frame) };

static struct image *open_prog(void)
{
	struct image *image;

	ustack_images_free(images);
	assert_int_equal(ustack_images_new(&images, &opts), 0);
	image = image_of(images, "/bin/prog", NULL, 0);
	assert_int_equal(open_image(image), 0);
	return image;
}

/* The CFA's offset at pc of /bin/prog, or -errno. */
static int cfa_at(uint64_t pc)
{
	struct image *image = open_prog();
	struct cfi_row row;
	int err = cfi_row(&image->cfi, pc, &row);

	return err ? err : row.cfa.off;
}

/* --- the image's own ---------------------------------------------------------- */

static void own(void **state)
{
	(void)state;
	write_elf_parts("/bin/prog", 0x1000, NULL, &plain, 1);
	assert_int_equal(cfa_at(0x1000), 40);
	assert_int_equal(cfa_at(0x100f), 40);
	assert_int_equal(cfa_at(0x1010), -ENOENT);
	write_elf_parts("/bin/prog", 0x1000, NULL, NULL, 0);
	assert_int_equal(cfa_at(0x1000), -ENOENT);
}

/* .eh_frame is asked first, and holes are those of both. */
static void beside_eh_frame(void **state)
{
	static struct bytes frames;
	struct part parts[] = { plain,
				{ ".eh_frame", SHT_PROGBITS, .vaddr = 0x9000,
				  .data = frames.data } };
	uint64_t start, end;
	size_t cie;

	(void)state;
	frames.size = 0;
	cie = put_cie(&frames, false);
	FDE(&frames, cie, 0x1008, 4, DW_CFA_nop);
	FDE(&frames, cie, 0x1040, 4, DW_CFA_nop);
	parts[1].size = frames.size;
	write_elf_parts("/bin/prog", 0x1000, NULL, parts, 2);
	assert_int_equal(cfa_at(0x1007), 40);
	assert_int_equal(cfa_at(0x1008), 8);
	assert_int_equal(cfa_at(0x100b), 8);
	assert_int_equal(cfa_at(0x100c), 40);
	assert_int_equal(cfa_at(0x1010), -ENOENT);
	cfi_hole(&open_prog()->cfi, 0x1020, &start, &end);
	assert_true(start == 0x1010 && end == 0x1040);
}

/* A compressed section with its header, of what fits into 4 KiB. */
static struct part compressed(uint32_t type, uint64_t size)
{
	static struct {
		Elf64_Chdr chdr;
		uint8_t data[4096];
	} s;
	uLongf n = sizeof(s.data);

	s.chdr = (Elf64_Chdr){ .ch_type = type,
			       .ch_size = size,
			       .ch_addralign = 1 };
	if (type == 2)
		n = ZSTD_compress(s.data, n, debug_frame, sizeof(debug_frame),
				  3);
	else
		compress(s.data, &n, debug_frame, sizeof(debug_frame));
	return (struct part){ ".debug_frame", SHT_PROGBITS,
			      .flags = SHF_COMPRESSED, .data = &s,
			      .size = sizeof(s.chdr) + n };
}

static void compressions(void **state)
{
	static uint8_t old[4096] = "ZLIB";
	uLongf n = sizeof(old) - 12;
	struct part part;

	(void)state;
	for (uint32_t type = ELFCOMPRESS_ZLIB; type <= 2; type++) {
		part = compressed(type, sizeof(debug_frame));
		write_elf_parts("/bin/prog", 0x1000, NULL, &part, 1);
		assert_int_equal(cfa_at(0x1000), 40);
		/* Cut, and with a size that is another, or is absurd. */
		part.size -= 4;
		write_elf_parts("/bin/prog", 0x1000, NULL, &part, 1);
		assert_int_equal(cfa_at(0x1000), -ENOENT);
		part.size = sizeof(Elf64_Chdr) - 1;
		write_elf_parts("/bin/prog", 0x1000, NULL, &part, 1);
		assert_int_equal(cfa_at(0x1000), -ENOENT);
		part = compressed(type, sizeof(debug_frame) + 1);
		write_elf_parts("/bin/prog", 0x1000, NULL, &part, 1);
		assert_int_equal(cfa_at(0x1000), -ENOENT);
		part = compressed(type, 1ULL << 29);
		write_elf_parts("/bin/prog", 0x1000, NULL, &part, 1);
		assert_int_equal(cfa_at(0x1000), -ENOENT);
		part = compressed(type, UINT64_MAX);
		write_elf_parts("/bin/prog", 0x1000, NULL, &part, 1);
		assert_int_equal(cfa_at(0x1000), -ENOENT);
	}
	part = compressed(3, sizeof(debug_frame));
	write_elf_parts("/bin/prog", 0x1000, NULL, &part, 1);
	assert_int_equal(cfa_at(0x1000), -ENOENT);

	/* "ZLIB", size in big-endian */
	old[11] = sizeof(debug_frame);
	compress(old + 12, &n, debug_frame, sizeof(debug_frame));
	part = (struct part){ ".zdebug_frame", SHT_PROGBITS, .data = old,
			      .size = 12 + n };
	write_elf_parts("/bin/prog", 0x1000, NULL, &part, 1);
	assert_int_equal(cfa_at(0x1000), 40);
	old[0] = 'z';
	write_elf_parts("/bin/prog", 0x1000, NULL, &part, 1);
	assert_int_equal(cfa_at(0x1000), -ENOENT);
	part.size = 11;
	write_elf_parts("/bin/prog", 0x1000, NULL, &part, 1);
	assert_int_equal(cfa_at(0x1000), -ENOENT);
}

static void debugdata(void **state)
{
	static struct elf_file inner;
	static uint8_t xz[30000];
	struct part part = { ".gnu_debugdata", SHT_PROGBITS, .data = xz };
	uint8_t *big;

	(void)state;
	make_elf(&inner, 0x1000, NULL, &plain, 1);
	assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL,
						 (uint8_t *)&inner, inner.size,
						 xz, &part.size, sizeof(xz)),
			 LZMA_OK);
	write_elf_parts("/bin/prog", 0x1000, NULL, &part, 1);
	assert_int_equal(cfa_at(0x1000), 40);
	assert_int_equal(cfa_at(0x1010), -ENOENT);
	part.size -= 20;
	write_elf_parts("/bin/prog", 0x1000, NULL, &part, 1);
	assert_int_equal(cfa_at(0x1000), -ENOENT);
	part.size = 0;
	write_elf_parts("/bin/prog", 0x1000, NULL, &part, 1);
	assert_int_equal(cfa_at(0x1000), -ENOENT);

	/* The same, and zeroes: it would unpack to more than is believed. */
	big = calloc(1, 64 << 20);
	memcpy(big, &inner, inner.size);
	part.size = 0;
	assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, big,
						 64 << 20, xz, &part.size,
						 sizeof(xz)),
			 LZMA_OK);
	free(big);
	write_elf_parts("/bin/prog", 0x1000, NULL, &part, 1);
	assert_int_equal(cfa_at(0x1000), -ENOENT);
}

/* --- the separate file --------------------------------------------------------- */

static void by_build_id(void **state)
{
	char dirs[8192];

	(void)state;
	snprintf(dirs, sizeof(dirs), ":%s/none:%s/debug:", dir, dir);
	write_elf_parts("/bin/prog", 0x1000, id_a, NULL, 0);
	write_elf_parts("/debug" BY_ID, 0x1000, id_a, &plain, 1);
	assert_int_equal(cfa_at(0x1000), -ENOENT);
	opts.debug_dirs = dirs;
	assert_int_equal(cfa_at(0x1000), 40);
	write_elf_parts("/debug" BY_ID, 0x1000, id_b, &plain, 1);
	assert_int_equal(cfa_at(0x1000), -ENOENT);
	/* By default below root. */
	opts.debug_dirs = NULL;
	write_elf_parts("/usr/lib/debug" BY_ID, 0x1000, id_a, &plain, 1);
	assert_int_equal(cfa_at(0x1000), 40);
	/* The image was prelinked after the debug file was taken out. */
	write_elf_parts("/usr/lib/debug" BY_ID, 0, id_a, &plain, 1);
	assert_int_equal(cfa_at(0x1000), -ENOENT);
	assert_int_equal(cfa_at(0x2000), 40);
	assert_int_equal(cfa_at(0x2010), -ENOENT);
}

static void by_link(void **state)
{
	static struct elf_file debug;
	struct {
		char name[12];
		uint32_t crc;
	} data = { "prog.debug", 0 };
	struct part link = { ".gnu_debuglink", SHT_PROGBITS, .data = &data,
			     .size = sizeof(data) };
	static const char *const places[] = {
		"/bin/prog.debug",
		"/bin/.debug/prog.debug",
		"/usr/lib/debug/bin/prog.debug",
	};

	(void)state;
	make_elf(&debug, 0x1000, NULL, &plain, 1);
	data.crc = crc32(crc32(0, NULL, 0), (uint8_t *)&debug, debug.size);
	for (int i = 0; i < 3; i++) {
		write_elf_parts("/bin/prog", 0x1000, NULL, &link, 1);
		assert_int_equal(cfa_at(0x1000), -ENOENT);
		write_file(places[i], &debug, debug.size);
		assert_int_equal(cfa_at(0x1000), 40);
		/* Not what was taken out of this one. */
		data.crc++;
		write_elf_parts("/bin/prog", 0x1000, NULL, &link, 1);
		assert_int_equal(cfa_at(0x1000), -ENOENT);
		data.crc--;
		/* Build-ids say more than a checksum. */
		write_elf_parts(places[i], 0x1000, id_b, &plain, 1);
		write_elf_parts("/bin/prog", 0x1000, id_a, &link, 1);
		assert_int_equal(cfa_at(0x1000), -ENOENT);
		write_elf_parts(places[i], 0x1000, id_a, &plain, 1);
		assert_int_equal(cfa_at(0x1000), 40);
		unlink(in_dir(places[i]));
	}
	write_file(places[0], &debug, debug.size);
	link.size = 12;
	write_elf_parts("/bin/prog", 0x1000, NULL, &link, 1);
	assert_int_equal(cfa_at(0x1000), -ENOENT);
	/* A name is no path. */
	link.size = sizeof(data);
	memcpy(data.name, "../bin/prog", 12);
	write_file("/bin/prog", &debug, debug.size);
	write_elf_parts("/bin/prog", 0x1000, NULL, &link, 1);
	assert_int_equal(cfa_at(0x1000), -ENOENT);
}

/*
 * patchelf put a segment in front: the first ones of image and file do not belong
 * together any more, but those with the code do.
 */
static void segment_in_front(void **state)
{
	static struct elf_file prog, debug;
	struct {
		char name[12];
		uint32_t crc;
	} data = { "prog.debug", 0 };
	struct part link = { ".gnu_debuglink", SHT_PROGBITS, .data = &data,
			     .size = sizeof(data) };

	(void)state;
	make_elf(&debug, 0x1000, NULL, &plain, 1);
	debug.load.p_memsz = 0x500;
	data.crc = crc32(crc32(0, NULL, 0), (uint8_t *)&debug, debug.size);
	write_file("/bin/prog.debug", &debug, debug.size);
	make_elf(&prog, 0x1000, NULL, &link, 1);
	prog.load.p_memsz = 0x500;
	/* In the place of the notes. */
	prog.note = prog.load;
	prog.load.p_vaddr = 0;
	prog.load.p_flags = PF_R | PF_W;
	write_file("/bin/prog", &prog, prog.size);
	assert_int_equal(cfa_at(0x1000), 40);
	assert_int_equal(cfa_at(0x0fff), -ENOENT);
}

/* Segments of one size keep their order; what is in none goes by the first. */
static void segments_of_a_size(void **state)
{
	struct code_segment of_file[] = { { 0x1000, 0x500 }, { 0x3000, 0x500 } };
	struct code_segment of_image[] = { { 0, 0x400 },
					   { 0x1000, 0x500 },
					   { 0x5000, 0x500 } };
	const struct image file = { .base = 0x1000, .code = of_file,
				    .nr_code = 2 };
	const struct image image = { .base = 0, .code = of_image, .nr_code = 3 };

	(void)state;
	assert_true(debug_bias(&image, &file, 0x1000) == 0);
	assert_true(debug_bias(&image, &file, 0x14ff) == 0);
	assert_true(debug_bias(&image, &file, 0x3000) == 0x2000);
	assert_true(debug_bias(&image, &file, 0x1500) == -0x1000ULL);
}

static int asked;

static int open_it(void *arg, enum ustack_file file,
		   const struct ustack_map *map)
{
	(void)arg;
	assert_string_equal(map->path, "/bin/prog");
	if (file == USTACK_FILE_IMAGE)
		return -ENOSYS;
	assert_int_equal(file, USTACK_FILE_DEBUG);
	asked++;
	return open(in_dir("/elsewhere"), O_RDONLY);
}

/* Nobody looks for the file before it is needed, nor twice. */
static void lazy(void **state)
{
	static struct bytes frames;
	struct part part = { ".eh_frame", SHT_PROGBITS, .vaddr = 0x9000,
			     .data = frames.data };
	struct cfi_row row;
	struct image *image;

	(void)state;
	opts.open = open_it;
	frames.size = 0;
	FDE(&frames, put_cie(&frames, false), 0x1040, 4, DW_CFA_nop);
	part.size = frames.size;
	write_elf_parts("/bin/prog", 0x1000, NULL, &part, 1);
	write_elf_parts("/elsewhere", 0x1000, NULL, &plain, 1);
	image = open_prog();
	assert_int_equal(cfi_row(&image->cfi, 0x1040, &row), 0);
	assert_int_equal(asked, 0);
	assert_int_equal(cfi_row(&image->cfi, 0x1000, &row), 0);
	assert_int_equal(row.cfa.off, 40);
	assert_int_equal(cfi_row(&image->cfi, 0x1020, &row), -ENOENT);
	assert_int_equal(asked, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(own),  TEST(beside_eh_frame), TEST(compressions),
		TEST(debugdata), TEST(by_build_id),	   TEST(by_link),
		TEST(lazy), TEST(segment_in_front), TEST(segments_of_a_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
