// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Where names come from: the tables of an image, of its .gnu_debugdata and its
 * separate debug file, its PLT, and what a JIT wrote down.
 */
#include <lzma.h>

#include "elffile.h"

static struct ustack_images_opts opts;
static struct ustack_images *images;
static struct ustack_space *space;
static struct ustack_symbol sym;

static const uint8_t id_a[20] = { 0xaa, 0x01 };

static int setup(void **state)
{
	(void)state;
	opts = (struct ustack_images_opts){ .sz = sizeof(opts), .root = dir,
					    .build_id_dir = "" };
	return make_dir();
}

static void forget(void)
{
	ustack_space_free(space);
	ustack_images_free(images);
	space = NULL;
	images = NULL;
}

static int teardown(void **state)
{
	(void)state;
	forget();
	return remove_dir();
}

/* path is mapped at 0x400000; its segment's vaddr is 0x1000. */
static void map(const char *path)
{
	forget();
	assert_int_equal(ustack_images_new(&images, &opts), 0);
	assert_int_equal(ustack_space_new(&space, images), 0);
	assert_int_equal(ustack_space_map(space, 0x400000, 0x4000, 0, path,
					  NULL, 0),
			 0);
}

/* The name of vaddr, or "". */
static const char *name(uint64_t vaddr)
{
	ustack_symbolize(space, 0x400000 - 0x1000 + vaddr, &sym);
	return sym.name ? sym.name : "";
}

/* Names in one string table, each a function of 16 bytes. */
#define STRINGS "\0one\0two\0three\0_ZN1a1bEv\0_RNvC1a1b\0_ZN1c1dEv@@V_1\0e@V_1\0"
enum { ONE = 1, TWO = 5, THREE = 9, CXX = 15, RUST = 25, NEW = 35, OLD = 50 };

static Elf64_Sym function(uint32_t st_name, uint64_t st_value)
{
	return (Elf64_Sym){ .st_name = st_name, .st_value = st_value,
			    .st_size = 16, .st_shndx = 1,
			    .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC) };
}

/* A table of type and its strings as sections n and n + 1. */
static void put_table(struct part *parts, unsigned int n, uint32_t type,
		      const Elf64_Sym *syms, size_t nr)
{
	parts[n - 1] = (struct part){ type == SHT_SYMTAB ? ".symtab" : ".dynsym",
				      type, .link = n + 1,
				      .entsize = sizeof(*syms), .data = syms,
				      .size = nr * sizeof(*syms) };
	parts[n] = (struct part){ ".strings", SHT_STRTAB, .data = STRINGS,
				  .size = sizeof(STRINGS) };
}

static void tables(void **state)
{
	Elf64_Sym full[] = { { 0 }, function(ONE, 0x1000), function(TWO, 0x1010) },
		  dyn[] = { { 0 }, function(THREE, 0x1000) },
		  moved[] = { { 0 }, function(TWO, 0x10) };
	struct part parts[4];

	(void)state;
	/* What is exported, if there is nothing else. */
	put_table(parts, 1, SHT_DYNSYM, dyn, 2);
	write_elf_parts("/prog", 0x1000, id_a, parts, 2);
	map("/prog");
	assert_string_equal(name(0x1000), "three");
	assert_string_equal(name(0x100f), "three");
	assert_int_equal(sym.offset, 15);
	assert_string_equal(name(0x1010), "");
	/* The separate file has all; here the image was prelinked since. */
	put_table(parts, 1, SHT_SYMTAB, moved, 2);
	write_elf_parts("/usr/lib/debug/.build-id/aa/"
			"01000000000000000000000000000000000000.debug",
			0, id_a, parts, 2);
	map("/prog");
	assert_string_equal(name(0x1000), "");
	assert_string_equal(name(0x1010), "two");
	/* Its own table comes before all others. */
	put_table(parts, 1, SHT_DYNSYM, dyn, 2);
	put_table(parts, 3, SHT_SYMTAB, full, 3);
	write_elf_parts("/prog", 0x1000, id_a, parts, 4);
	map("/prog");
	assert_string_equal(name(0x1000), "one");
	assert_string_equal(name(0x1010), "two");
}

static void mini(void **state)
{
	Elf64_Sym rest[] = { { 0 }, function(ONE, 0x1010) },
		  dyn[] = { { 0 }, function(THREE, 0x1000) };
	static struct elf_file inner;
	static uint8_t xz[30000];
	struct part parts[4];
	size_t size = 0;

	(void)state;
	put_table(parts, 1, SHT_SYMTAB, rest, 2);
	make_elf(&inner, 0x1000, NULL, parts, 2);
	lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, (uint8_t *)&inner,
				inner.size, xz, &size, sizeof(xz));
	/* It holds what .dynsym does not. */
	put_table(parts, 1, SHT_DYNSYM, dyn, 2);
	parts[2] = (struct part){ ".gnu_debugdata", SHT_PROGBITS, .data = xz,
				  .size = size };
	write_elf_parts("/prog", 0x1000, NULL, parts, 3);
	map("/prog");
	assert_string_equal(name(0x1000), "three");
	assert_string_equal(name(0x1010), "one");
}

static void mangled(void **state)
{
	Elf64_Sym syms[] = { { 0 }, function(CXX, 0x1000),
			     function(RUST, 0x1010), function(NEW, 0x1020),
			     function(OLD, 0x1030) };
	struct part parts[2];

	(void)state;
	put_table(parts, 1, SHT_SYMTAB, syms, 5);
	write_elf_parts("/prog", 0x1000, NULL, parts, 2);
	map("/prog");
	assert_string_equal(name(0x1000), "a::b()");
	/* Rust's own scheme is none of libstdc++'s. */
	assert_string_equal(name(0x1010), "_RNvC1a1b");
	/* The version that programs are linked to now goes without saying. */
	assert_string_equal(name(0x1020), "c::d()");
	assert_string_equal(name(0x1030), "e@V_1");
}

/*
 * The stubs of ld's three PLTs and their slots.  .plt with IBT counts, the
 * others jump through the slot.
 *
 *	.plt	1100:	push 0x3018(%rip); jmp *0x3020(%rip); nopl
 *		1110:	endbr64; push $0; bnd jmp 1100; nop
 *		1120:	endbr64; push $1; bnd jmp 1100; nop
 *	.plt.got 1130:	endbr64; bnd jmp *0x3038(%rip); nopl
 *	.plt.sec 1140:	endbr64; bnd jmp *0x3028(%rip); nopl
 *		1150:	endbr64; bnd jmp *0x3030(%rip); nopl
 */
static const uint8_t plt[] = {
	0xff, 0x35, 0x12, 0x1f, 0, 0, 0xff, 0x25, 0x14, 0x1f, 0, 0,
	0x0f, 0x1f, 0x40, 0,
	0xf3, 0x0f, 0x1e, 0xfa, 0x68, 0, 0, 0, 0, 0xf2, 0xe9, 0xe1, 0xff, 0xff,
	0xff, 0x90,
	0xf3, 0x0f, 0x1e, 0xfa, 0x68, 1, 0, 0, 0, 0xf2, 0xe9, 0xd1, 0xff, 0xff,
	0xff, 0x90,
};
static const uint8_t plt_got[] = {
	0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25, 0xfd, 0x1e, 0, 0,
	0x0f, 0x1f, 0x44, 0, 0,
};
static const uint8_t plt_sec[] = {
	0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25, 0xdd, 0x1e, 0, 0,
	0x0f, 0x1f, 0x44, 0, 0,
	0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25, 0xd5, 0x1e, 0, 0,
	0x0f, 0x1f, 0x44, 0, 0,
};

static void stubs(void **state)
{
	Elf64_Sym dyn[] = { { 0 }, function(ONE, 0), function(CXX, 0),
			    function(THREE, 0) };
	const Elf64_Rela of_plt[] = {
		{ 0x3028, ELF64_R_INFO(1, R_X86_64_JUMP_SLOT), 0 },
		{ 0x3030, ELF64_R_INFO(2, R_X86_64_JUMP_SLOT), 0 },
	};
	const Elf64_Rela of_got = { 0x3038, ELF64_R_INFO(3, R_X86_64_GLOB_DAT),
				    0 };
	struct part parts[7];

	(void)state;
	for (int i = 1; i < 4; i++)
		dyn[i].st_shndx = SHN_UNDEF;
	put_table(parts, 1, SHT_DYNSYM, dyn, 4);
	parts[2] = (struct part){ ".rela.plt", SHT_RELA, .link = 1,
				  .flags = SHF_ALLOC,
				  .entsize = sizeof(of_plt[0]),
				  .data = of_plt, .size = sizeof(of_plt) };
	parts[3] = (struct part){ ".rela.dyn", SHT_RELA, .link = 1,
				  .flags = SHF_ALLOC, .entsize = sizeof(of_got),
				  .data = &of_got, .size = sizeof(of_got) };
	parts[4] = (struct part){ ".plt", SHT_PROGBITS, .vaddr = 0x1100,
				  .entsize = 16, .data = plt,
				  .size = sizeof(plt) };
	parts[5] = (struct part){ ".plt.got", SHT_PROGBITS, .vaddr = 0x1130,
				  .entsize = 16, .data = plt_got,
				  .size = sizeof(plt_got) };
	parts[6] = (struct part){ ".plt.sec", SHT_PROGBITS, .vaddr = 0x1140,
				  .entsize = 16, .data = plt_sec,
				  .size = sizeof(plt_sec) };
	write_elf_parts("/prog", 0x1000, NULL, parts, 7);
	map("/prog");
	assert_string_equal(name(0x1100), "");
	assert_string_equal(name(0x1110), "one@plt");
	assert_string_equal(name(0x1124), "a::b()@plt");
	assert_int_equal(sym.offset, 4);
	assert_string_equal(name(0x1130), "three@plt");
	assert_string_equal(name(0x1140), "one@plt");
	assert_string_equal(name(0x115f), "a::b()@plt");
	assert_string_equal(name(0x1160), "");
}

/* A static program: the slot is set by the resolver that the addend names. */
static void ifunc(void **state)
{
	Elf64_Sym syms[] = { { 0 }, function(TWO, 0x1010) };
	const Elf64_Rela rela = { 0x3028, ELF64_R_INFO(0, R_X86_64_IRELATIVE),
				  0x1010 };
	struct part parts[4];

	(void)state;
	syms[1].st_info = ELF64_ST_INFO(STB_GLOBAL, STT_GNU_IFUNC);
	put_table(parts, 1, SHT_SYMTAB, syms, 2);
	parts[2] = (struct part){ ".rela.plt", SHT_RELA, .flags = SHF_ALLOC,
				  .entsize = sizeof(rela), .data = &rela,
				  .size = sizeof(rela) };
	parts[3] = (struct part){ ".plt", SHT_PROGBITS, .vaddr = 0x1140,
				  .data = plt_sec, .size = 16 };
	write_elf_parts("/prog", 0x1000, NULL, parts, 4);
	map("/prog");
	assert_string_equal(name(0x1010), "two");
	assert_string_equal(name(0x1140), "two@plt");
}

/* --- JIT ------------------------------------------------------------------------ */

static const char *jit_name(uint64_t addr)
{
	ustack_symbolize(space, addr, &sym);
	return sym.name ? sym.name : "";
}

static void jit(void **state)
{
	static const char text[] =
		"401000 10 LazyCompile:~main /app/a b.js:1:1\n"
		"0x401010 0x8 so some do\n"
		"401020 zz bad size\n"
		"401030 10\n"
		"\n"
		"401040 10 old\n"
		"401050 ffffffffffffffff to the end\n"
		"401040 8 new\n"
		"401060 10 not complete";

	(void)state;
	write_file("/tmp/perf-77.map", text, sizeof(text) - 1);
	map("/tmp/perf-77.map");
	assert_string_equal(jit_name(0x400fff), "");
	assert_string_equal(jit_name(0x401004),
			    "LazyCompile:~main /app/a b.js:1:1");
	assert_int_equal(sym.offset, 4);
	assert_int_equal(sym.module_offset, 0x401004);
	assert_string_equal(sym.path, "/tmp/perf-77.map");
	assert_string_equal(jit_name(0x401017), "so some do");
	assert_string_equal(jit_name(0x401018), "");
	assert_string_equal(jit_name(0x401020), "");
	assert_string_equal(jit_name(0x401030), "");
	assert_string_equal(jit_name(0x401047), "new");
	assert_string_equal(jit_name(0x401048), "");
	assert_string_equal(jit_name(0x401060), "to the end");
	/* Nobody wrote one; a name that only looks alike. */
	map("/tmp/perf-78.map");
	assert_string_equal(jit_name(0x401000), "");
	write_file("/tmp/perf-.map", text, sizeof(text) - 1);
	map("/tmp/perf-.map");
	assert_string_equal(jit_name(0x401004), "");
}

/* A line without end, and one name too long. */
static void long_lines(void **state)
{
	static char text[100000] = "401000 10 ";

	(void)state;
	memset(text + 10, 'x', sizeof(text) - 10);
	write_file("/tmp/perf-1.map", text, sizeof(text));
	map("/tmp/perf-1.map");
	assert_string_equal(jit_name(0x401000), "");
	text[sizeof(text) - 1] = '\n';
	write_file("/tmp/perf-1.map", text, sizeof(text));
	map("/tmp/perf-1.map");
	assert_int_equal(strlen(jit_name(0x401000)), 1024);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tables), TEST(mini),  TEST(mangled), TEST(stubs),
		TEST(ifunc),  TEST(jit),   TEST(long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
