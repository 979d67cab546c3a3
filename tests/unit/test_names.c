// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Where names come from: the tables of an image, of its .gnu_debugdata and its
 * separate debug file, its PLT, and what a JIT wrote down.
 */
#include <lzma.h>
#include <sched.h>
#include <sys/socket.h>

#include "elfdir.h"
#include "module/space.h"

static struct ustack_symbol sym = { .sz = sizeof(sym) };

static const uint8_t id_a[20] = { 0xaa, 0x01 };

/* path is mapped at 0x400000; its segment's vaddr is 0x1000. */
static void map(const char *path)
{
	forget();
	assert_int_equal(ustack_images_new(&images, &opts), 0);
	assert_int_equal(ustack_space_new(&space, images), 0);
	assert_int_equal(map_path(space, 0x400000, 0x4000, 0, path), 0);
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

/* What has no size ends where its section does, be there a next one or not. */
static void labels(void **state)
{
	static const uint8_t code[0x20];
	Elf64_Sym syms[] = { { 0 }, function(ONE, 0x1110), function(TWO, 0x1200),
			     function(THREE, 0x1210) };
	struct part parts[4];

	(void)state;
	syms[1].st_size = syms[3].st_size = 0;
	put_table(parts, 1, SHT_SYMTAB, syms, 4);
	parts[2] = parts[3] = (struct part){
		".text", SHT_PROGBITS, .flags = SHF_ALLOC | SHF_EXECINSTR,
		.vaddr = 0x1100, .data = code, .size = sizeof(code)
	};
	parts[3].vaddr = 0x1200;
	write_elf_parts("/prog", 0x1000, id_a, parts, 4);
	map("/prog");
	assert_string_equal(name(0x110f), "");
	assert_string_equal(name(0x1110), "one");
	assert_string_equal(name(0x111f), "one");
	assert_string_equal(name(0x1120), "");
	assert_string_equal(name(0x1200), "two");
	assert_string_equal(name(0x1210), "three");
	assert_string_equal(name(0x121f), "three");
	assert_string_equal(name(0x1220), "");
}

/*
 * A table of Go's of two functions, at text and 16 bytes behind it; text: as it is
 * written down.
 */
static struct part go_table(uint32_t magic, uint64_t text)
{
	static struct bytes table;
	bool absolute = magic != 0xfffffff0 && magic != 0xfffffff1;
	size_t word = absolute ? 8 : 4;
	uint64_t names, functions, more, first = absolute ? text : 0;

	table.size = 0;
	put_uint(&table, magic, 4);
	put_uint(&table, 0x08010000, 4);
	put_uint(&table, 2, 8);
	functions = 16;
	if (magic != 0xfffffffb) {
		names = absolute ? 8 + 7 * 8 : 8 + 8 * 8;
		functions = names + 16;
		put_uint(&table, 0, 8);		/* files */
		if (!absolute)
			put_uint(&table, text, 8);
		put_uint(&table, names, 8);
		put_uint(&table, 0, 8);
		put_uint(&table, 0, 8);
		put_uint(&table, 0, 8);
		put_uint(&table, functions, 8);
		put(&table, "main.a\0main.b\0\0", 16);
	}
	/* Where what follows the pairs is, from functions on or from the start. */
	more = 5 * word + (magic == 0xfffffffb ? functions : 0);
	for (int i = 0; i < 2; i++) {
		put_uint(&table, first + 16 * i, word);
		put_uint(&table, more + (word + 4) * i, word);
	}
	put_uint(&table, first + 32, word);
	for (int i = 0; i < 2; i++) {
		put_uint(&table, first + 16 * i, word);
		put_uint(&table, magic == 0xfffffffb ?
			 functions + 5 * word + 2 * (word + 4) + 7 * i : 7 * (uint64_t)i, 4);
	}
	if (magic == 0xfffffffb)
		put(&table, "main.a\0main.b\0\0", 16);
	return (struct part){ ".gopclntab", SHT_PROGBITS, .data = table.data,
			      .size = table.size };
}

static void go(void **state)
{
	static const uint32_t magics[] = { 0xfffffffb, 0xfffffffa, 0xfffffff0,
					   0xfffffff1 };
	static const uint8_t code[0x40];
	Elf64_Sym full[] = { { 0 }, function(ONE, 0x1010) };
	struct part parts[4] = {
		[1] = { ".text", SHT_PROGBITS, .flags = SHF_ALLOC | SHF_EXECINSTR,
			.vaddr = 0x1000, .data = code, .size = sizeof(code) },
	};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		/* The last is relocated when it starts. */
		parts[0] = go_table(magics[i < 4 ? i : 3], i < 4 ? 0x1000 : 0);
		write_elf_parts("/prog", 0x1000, NULL, parts, 2);
		map("/prog");
		assert_string_equal(name(0x1000), "main.a");
		assert_string_equal(name(0x100f), "main.a");
		assert_string_equal(name(0x1010), "main.b");
		assert_int_equal(sym.offset, 0);
		assert_string_equal(name(0x1020), "");
		/* Cut anywhere, it has fewer names or none. */
		for (; parts[0].size; parts[0].size--) {
			write_elf_parts("/prog", 0x1000, NULL, parts, 2);
			map("/prog");
			name(0x1000);
			name(0x1010);
		}
	}
	/* Symbols say more. */
	parts[0] = go_table(0xfffffff1, 0x1000);
	put_table(parts, 3, SHT_SYMTAB, full, 2);
	write_elf_parts("/prog", 0x1000, NULL, parts, 4);
	map("/prog");
	assert_string_equal(name(0x1010), "one");
	assert_string_equal(name(0x1000), "");
	/* Not Go's. */
	parts[0] = go_table(0xfffffff2, 0x1000);
	write_elf_parts("/prog", 0x1000, NULL, parts, 2);
	map("/prog");
	assert_string_equal(name(0x1000), "");
}

/* Without a name, the unwind information tells one from another. */
static void nameless(void **state)
{
	static struct bytes frames;
	struct part part = { ".eh_frame", SHT_PROGBITS, .vaddr = 0x9000,
			     .data = frames.data };
	size_t cie;

	(void)state;
	frames.size = 0;
	cie = put_cie(&frames, false);
	FDE(&frames, cie, 0x1040, 0x10, DW_CFA_nop);
	FDE(&frames, cie, 0x1050, 0x10, DW_CFA_nop);
	part.size = frames.size;
	write_elf_parts("/prog", 0x1000, NULL, &part, 1);
	map("/prog");
	assert_string_equal(name(0x1048), "");
	assert_true(sym.has_start);
	assert_int_equal(sym.addr - sym.offset, 0x1040);
	assert_string_equal(name(0x1050), "");
	assert_int_equal(sym.addr - sym.offset, 0x1050);
	assert_string_equal(name(0x1060), "");
	assert_false(sym.has_start);
}

static void tell_prog(void *arg, const char *path, int err)
{
	assert_string_equal(path, "/prog");
	*(int *)arg = err;
}

/* Names are missing, and there is a reason: what has them is behind the end. */
static void cut(void **state)
{
	Elf64_Sym full[] = { { 0 }, function(ONE, 0x1000) };
	static struct elf_file f;
	struct part parts[2];
	Elf64_Shdr *sh;
	int err = 0;

	(void)state;
	put_table(parts, 1, SHT_SYMTAB, full, 2);
	make_elf(&f, 0x1000, id_a, parts, 2);
	write_file("/prog", &f, f.size);
	map("/prog");
	assert_string_equal(name(0x1000), "one");
	assert_int_equal(ustack_images_unusable(images, NULL, NULL), 0);
	/* Without its last section header. */
	write_file("/prog", &f, f.size - 1);
	map("/prog");
	assert_int_equal(ustack_images_unusable(images, NULL, NULL), 0);
	assert_string_equal(name(0x1000), "");
	assert_true(map_usable(space_find(space, 0x400000)));
	assert_int_equal(ustack_images_unusable(images, tell_prog, &err), 1);
	assert_int_equal(err, -ENODATA);
	/* Its headers are there, and the table is not. */
	sh = (Elf64_Shdr *)((uint8_t *)&f + f.ehdr.e_shoff);
	sh[1].sh_offset = f.size - 8;
	write_file("/prog", &f, f.size);
	map("/prog");
	assert_string_equal(name(0x1000), "");
	err = 0;
	assert_int_equal(ustack_images_unusable(images, tell_prog, &err), 1);
	assert_int_equal(err, -ENODATA);
}

static void debugdata(void **state)
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
	assert_string_equal(name(0x1000), "a::b");
	opts.cxx_params = 1;
	map("/prog");
	assert_string_equal(name(0x1000), "a::b()");
	assert_string_equal(name(0x1010), "a::b");
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
	opts.cxx_params = 1;
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
	assert_int_equal(sym.addr, 0x401004);
	assert_int_equal(sym.addr_kind, USTACK_ADDR_USER);
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

static unsigned int asked[3];

static int ask(void *arg, enum ustack_file file, const struct ustack_map *m)
{
	(void)arg;
	(void)m;
	asked[file]++;
	return -ENOSYS;
}

/* Whatever is there, it is no image to unwind by, and the names stay. */
static void jit_is_no_image(void **state)
{
	(void)state;
	opts.open = ask;
	write_elf_parts("/tmp/perf-1.map", 0x1000, NULL, NULL, 0);
	map("/tmp/perf-1.map");
	assert_false(map_usable(space_find(space, 0x401000)));
	assert_string_equal(jit_name(0x401000), "");
	assert_int_equal(asked[USTACK_FILE_IMAGE], 0);
	assert_int_equal(asked[USTACK_FILE_JIT], 1);
}

static void tell(void *arg, const char *path, int err)
{
	assert_string_equal(path, "/tmp/perf-1.map");
	*(int *)arg = err;
}

/* The error of the file of a JIT in process pid; 0: it was read. */
static int jit_error(uint32_t pid)
{
	struct ustack_map m = { .sz = sizeof(m), .addr = 0x400000,
				.size = 0x4000, .path = "/tmp/perf-1.map",
				.pid = pid };
	const char *shown;
	int err = 0;
	size_t nr;

	map("/not/needed");
	assert_int_equal(ustack_space_map(space, &m), 0);
	assert_int_equal(ustack_images_unusable(images, tell, &err), 0);
	shown = jit_name(0x401000);
	nr = ustack_images_unusable(images, tell, &err);
	assert_int_equal(nr, !!err);
	assert_string_equal(shown, err ? "" : "f");
	if (err)
		assert_int_equal(ustack_symbolize(space, 0x401000, &sym),
				 -ENOENT);
	return err;
}

static void jit_no_file(void **state)
{
	const char *path = in_dir("/tmp/perf-1.map");

	(void)state;
	write_file("/tmp/perf-1.map", "401000 10 f\n", 12);
	assert_int_equal(jit_error(0), 0);
	assert_int_equal(rename(path, in_dir("/f")), 0);
	assert_int_equal(symlink("../f", path), 0);
	assert_int_equal(jit_error(0), -EPERM);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0666), 0);
	assert_int_equal(jit_error(0), -EPERM);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0777), 0);
	assert_int_equal(jit_error(0), -EPERM);
}

/*
 * A process that is number 1 of its PID namespace, and has dir as its root.  It ends
 * when keep is closed.  Its number here; 0: that takes root.
 */
static pid_t start_container(int *keep)
{
	pid_t pid = 0, child;
	int to[2], from[2];
	char byte;

	assert_int_equal(pipe(to) | pipe(from), 0);
	if (!fork()) {
		close(to[1]);
		child = unshare(CLONE_NEWPID) ? -1 : fork();
		if (child < 0)
			_exit(1);
		if (child || chroot(dir))
			_exit(write(from[1], &child, sizeof(child)) < 0);
		close(from[1]);
		_exit(read(to[0], &byte, 1) != 0);
	}
	close(to[0]);
	close(from[1]);
	if (read(from[0], &pid, sizeof(pid)) != sizeof(pid))
		pid = 0;
	/* It is in the root by now: all others have closed the pipe. */
	assert_int_equal(read(from[0], &byte, 1), 0);
	close(from[0]);
	*keep = to[1];
	return pid;
}

static void jit_in_a_container(void **state)
{
	struct ustack_map m = { .sz = sizeof(m), .addr = 0x400000,
				.size = 0x4000 };
	char path[32];
	int keep;

	(void)state;
	write_file("/tmp/perf-1.map", "401000 10 f\n", 12);
	m.pid = start_container(&keep);
	if (!m.pid) {
		print_message("only root can make a namespace\n");
		skip();
	}
	opts.root = NULL;
	map("/not/needed");
	snprintf(path, sizeof(path), "/tmp/perf-%u.map", m.pid);
	m.path = path;
	assert_int_equal(ustack_space_map(space, &m), 0);
	assert_string_equal(jit_name(0x401000), "f");
	/* It goes on. */
	assert_string_equal(jit_name(0x402000), "");
	write_file("/tmp/perf-1.map", "401000 10 f\n402000 10 g\n", 24);
	assert_string_equal(jit_name(0x402000), "g");
	close(keep);
}

/* A file is read if it is root's, ours or that of the process' user. */
static void jit_owner(void **state)
{
	const uid_t user = 12345, other = 12346;
	const char *path = in_dir("/tmp/perf-1.map");
	int ends[2];
	pid_t child;
	char byte;

	(void)state;
	if (geteuid()) {
		print_message("only root can make files of others\n");
		skip();
	}
	write_file("/tmp/perf-1.map", "401000 10 f\n", 12);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	child = fork();
	if (!child) {
		close(ends[0]);
		/* until the other end is closed */
		_exit(setuid(user) || write(ends[1], "", 1) != 1 ||
		      read(ends[1], &byte, 1));
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(chown(path, user, -1), 0);
	assert_int_equal(jit_error(0), -EPERM);
	assert_int_equal(jit_error(getpid()), -EPERM);
	assert_int_equal(jit_error(child), 0);
	assert_int_equal(chown(path, other, -1), 0);
	assert_int_equal(jit_error(child), -EPERM);
	assert_int_equal(chmod(dir, 0755) | chmod(in_dir("/tmp"), 0755) |
				 chmod(path, 0644),
			 0);
	assert_int_equal(seteuid(other), 0);
	assert_int_equal(jit_error(0), 0);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(chown(path, 0, -1), 0);
	assert_int_equal(seteuid(other), 0);
	assert_int_equal(jit_error(0), 0);
	assert_int_equal(seteuid(0), 0);
	close(ends[0]);
}

static void append(const char *text)
{
	int fd = open(in_dir("/tmp/perf-1.map"), O_WRONLY | O_APPEND);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* A live process: what has no name yet may have one at the next look. */
static void jit_goes_on(void **state)
{
	static const char other[] = "401000 10 other file\n";
	const char *first;

	(void)state;
	map("/tmp/perf-1.map");
	assert_string_equal(jit_name(0x401000), "");
	write_file("/tmp/perf-1.map", "401000 10 first\n", 16);
	assert_string_equal(first = jit_name(0x401000), "first");
	append("401020 10 third\n401010 10 second\n401030 10 fou");
	assert_string_equal(jit_name(0x401010), "second");
	assert_string_equal(jit_name(0x401020), "third");
	assert_string_equal(jit_name(0x401030), "");
	append("rt");
	assert_string_equal(jit_name(0x401030), "");
	append("h\n401000 8 again\n");
	assert_string_equal(jit_name(0x401030), "fourth");
	assert_string_equal(jit_name(0x401000), "again");
	assert_string_equal(jit_name(0x401008), "");
	/* Written anew, shorter and longer; then another file; then none. */
	write_file("/tmp/perf-1.map", "401040 10 fifth\n", 16);
	assert_string_equal(jit_name(0x401040), "fifth");
	assert_string_equal(jit_name(0x401020), "");
	write_file("/tmp/perf-1.map", "401050 10 more than fifth\n", 26);
	assert_string_equal(jit_name(0x401050), "more than fifth");
	assert_string_equal(jit_name(0x401040), "");
	write_file("/other", other, sizeof(other) - 1);
	assert_int_equal(rename(in_dir("/other"), in_dir("/tmp/perf-1.map")), 0);
	assert_string_equal(jit_name(0x401000), "other file");
	assert_int_equal(unlink(in_dir("/tmp/perf-1.map")), 0);
	assert_string_equal(jit_name(0x401040), "");
	assert_string_equal(jit_name(0x401000), "other file");
	/* Names stay until the images are freed. */
	assert_string_equal(first, "first");
}

static int refuse(void *arg, enum ustack_file file, const struct ustack_map *m)
{
	(void)m;
	asked[file]++;
	return *(int *)arg;
}

/* An open() is asked again; that it fails now takes no name away. */
static void jit_asks_again(void **state)
{
	int answer = -ENOSYS, err = 0;

	(void)state;
	opts.open = refuse;
	opts.arg = &answer;
	write_file("/tmp/perf-1.map", "401000 10 first\n", 16);
	map("/tmp/perf-1.map");
	asked[USTACK_FILE_JIT] = 0;
	assert_string_equal(jit_name(0x401000), "first");
	assert_string_equal(jit_name(0x401000), "first");
	assert_int_equal(asked[USTACK_FILE_JIT], 1);
	answer = -EACCES;
	assert_string_equal(jit_name(0x401010), "");
	assert_int_equal(asked[USTACK_FILE_JIT], 2);
	assert_int_equal(ustack_images_unusable(images, tell, &err), 1);
	assert_int_equal(err, -EACCES);
	assert_string_equal(jit_name(0x401000), "first");
	answer = -ENOMEM;
	assert_int_equal(ustack_symbolize(space, 0x401010, &sym), -ENOMEM);
	answer = -ENOSYS;
	append("401010 10 second\n");
	assert_string_equal(jit_name(0x401010), "second");
	assert_int_equal(ustack_images_unusable(images, NULL, NULL), 0);
}

/* However many there are, the newest count; but there is a limit to the bytes. */
static void jit_is_large(void **state)
{
	const unsigned int nr = (1 << 20) + 1;
	char *text = malloc(32 * nr), *end = text;
	int err = 0;

	(void)state;
	for (unsigned int i = 0; i < nr; i++)
		end += sprintf(end, "%x 1 f%u\n", 0x1000000 + i, i);
	end += sprintf(end, "401000 10 newest\n");
	write_file("/tmp/perf-1.map", text, end - text);
	free(text);
	map("/tmp/perf-1.map");
	assert_string_equal(jit_name(0x401000), "newest");
	assert_int_equal(ustack_images_unusable(images, NULL, NULL), 0);
	write_file("/tmp/perf-1.map", "401000 10 first\n", 16);
	assert_int_equal(truncate(in_dir("/tmp/perf-1.map"), 257 << 20), 0);
	map("/tmp/perf-1.map");
	assert_string_equal(jit_name(0x401000), "first");
	assert_int_equal(ustack_images_unusable(images, tell, &err), 1);
	assert_int_equal(err, -E2BIG);
}

/* A short line needs many times its bytes, and the limit is to those. */
static void jit_has_short_lines(void **state)
{
	static const char line[] = "1 1 a\n";
	const size_t nr = 7 << 20, size = sizeof(line) - 1;
	char *text = malloc(nr * size);
	int err = 0;

	(void)state;
	for (size_t i = 0; i < nr; i++)
		memcpy(text + i * size, line, size);
	memcpy(text, "401000 10 first\nx\n", 18);
	write_file("/tmp/perf-1.map", text, nr * size);
	free(text);
	map("/tmp/perf-1.map");
	assert_string_equal(jit_name(0x401000), "first");
	assert_int_equal(ustack_images_unusable(images, tell, &err), 1);
	assert_int_equal(err, -E2BIG);
	/* Nor is there room for any more. */
	append("402000 10 last\n");
	assert_string_equal(jit_name(0x402000), "");
}

/* How many times the file is read for as many look-ups, each after it changed. */
static unsigned int times_read(unsigned int look_ups, void (*change)(int fd, unsigned int n))
{
	int fd = open(in_dir("/tmp/perf-1.map"), O_WRONLY | O_APPEND);
	int answer = -ENOSYS;

	opts.open = refuse;
	opts.arg = &answer;
	map("/tmp/perf-1.map");
	jit_name(0x401000);
	asked[USTACK_FILE_JIT] = 0;
	for (unsigned int i = 0; i < look_ups; i++) {
		change(fd, i);
		jit_name(0x401000);
	}
	close(fd);
	return asked[USTACK_FILE_JIT];
}

static void touch(int fd, unsigned int n)
{
	const struct timespec times[] = { { n, 0 }, { n, 0 } };

	assert_int_equal(futimens(fd, times), 0);
}

static void add_byte(int fd, unsigned int n)
{
	(void)n;
	assert_int_equal(write(fd, "x", 1), 1);
}

static void add_line(int fd, unsigned int n)
{
	char line[64];

	assert_true(dprintf(fd, "%x 1 f%u\n", 0x402000 + n, n) > 0);
	snprintf(line, sizeof(line), "f%u", n);
	assert_string_equal(jit_name(0x402000 + n), line);
}

/* It is not read all the time, whatever is done to it; but what is added is. */
static void jit_is_busy(void **state)
{
	(void)state;
	write_file("/tmp/perf-1.map", "", 0);
	assert_int_equal(truncate(in_dir("/tmp/perf-1.map"), 4 << 20), 0);
	assert_in_range(times_read(4000, touch), 1, 4);
	assert_in_range(times_read(4000, add_byte), 1, 4);
	append("\n");
	assert_in_range(times_read(1000, add_line), 1000, 2000);
	assert_string_equal(jit_name(0x402000), "f0");
}

static void add_other_line(int fd, unsigned int n)
{
	assert_true(dprintf(fd, "%x 1 f\n", 0x402000 + n) > 0);
}

/* Nor are many names copied all the time, for each that is added. */
static void jit_has_many(void **state)
{
	const unsigned int nr = 200000;
	char *text = malloc(32 * nr), *end = text;

	(void)state;
	for (unsigned int i = 0; i < nr; i++)
		end += sprintf(end, "%x 1 f\n", 0x1000000 + i);
	write_file("/tmp/perf-1.map", text, end - text);
	free(text);
	assert_in_range(times_read(4000, add_other_line), 20, 80);
	assert_string_equal(jit_name(0x402000), "f");
}

/* A line without end, and a long name. */
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
	assert_int_equal(strlen(jit_name(0x401000)), sizeof(text) - 11);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tables), TEST(labels), TEST(go), TEST(nameless), TEST(cut), TEST(debugdata),  TEST(mangled), TEST(stubs),
		TEST(ifunc),  TEST(jit),   TEST(jit_is_no_image),
		TEST(jit_no_file), TEST(jit_in_a_container), TEST(jit_owner), TEST(jit_goes_on),
		TEST(jit_asks_again), TEST(jit_is_large), TEST(jit_has_short_lines), TEST(jit_is_busy), TEST(jit_has_many),
		TEST(long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
