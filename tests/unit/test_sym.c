// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Names: of this test's own functions, mapped where nothing else is.  The
 * symbols that share an address are written in assembly.
 */
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <link.h>
#include <unistd.h>

#include "literal.h"

static struct ustack_images *images;
static struct ustack_space *space;
static uint64_t bias;	/* from our own addresses to those of the space */
static uint64_t base;	/* from those of the file to those of the space */
static char self[4096];

__attribute__((noinline)) int a_local_function(int n);
void of_three_names(void), sized(void), label(void), behind_label(void);
void mangled(void) __asm__("_ZN5stack6unwindEPKci");

__attribute__((noinline)) int a_local_function(int n)
{
	return n * 3;
}

__asm__(".text\n"
	".globl of_three_names, __of_three_names\n"
	".weak of_three_names_weak_and_long\n"
	".type of_three_names, @function\n"
	".type __of_three_names, @function\n"
	".type of_three_names_weak_and_long, @function\n"
	"__of_three_names:\n"
	"of_three_names_weak_and_long:\n"
	"of_three_names: ret; ret\n"
	".size of_three_names, 2\n"
	".size __of_three_names, 2\n"
	".size of_three_names_weak_and_long, 2\n"
	/* A label without size or type reaches to the next name. */
	".globl label, sized, behind_label\n"
	"label: ret; ret; ret\n"
	".type sized, @function\n"
	"sized: ret\n"
	".size sized, 1\n"
	"	int3; int3\n"
	".type behind_label, @function\n"
	"behind_label: ret\n"
	".size behind_label, 1\n"
	".globl _ZN5stack6unwindEPKci\n"
	".type _ZN5stack6unwindEPKci, @function\n"
	"_ZN5stack6unwindEPKci: ret\n"
	".size _ZN5stack6unwindEPKci, 1\n");

static int find_text(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X))
			continue;
		assert_int_equal(map_path(space, 0x10000000 + ph->p_offset,
					  ph->p_memsz, ph->p_offset, self),
				 0);
		base = 0x10000000 + ph->p_offset - ph->p_vaddr;
		bias = base - info->dlpi_addr;
	}
	return 1;	/* the program itself comes first */
}

static int setup(void **state)
{
	const struct ustack_images_opts opts = { .sz = sizeof(opts),
						 .cxx_params = 1 };
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	(void)state;
	if (n < 0 || ustack_images_new(&images, &opts) ||
	    ustack_space_new(&space, images))
		return -1;
	self[n] = 0;
	dl_iterate_phdr(find_text, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ustack_space_free(space);
	ustack_images_free(images);
	return 0;
}

static struct ustack_symbol sym = { .sz = sizeof(sym) };

static const char *name(const void *function, int offset)
{
	ustack_symbolize(space, (uint64_t)function + offset + bias, &sym);
	return sym.name;
}

static void own_functions(void **state)
{
	(void)state;
	assert_string_equal(name(a_local_function, 0), "a_local_function");
	assert_int_equal(sym.offset, 0);
	assert_string_equal(sym.path, self);
	assert_string_equal(name(a_local_function, 1), "a_local_function");
	assert_int_equal(sym.offset, 1);
}

/* Of many names for one address, the one perf prints. */
static void best_name(void **state)
{
	(void)state;
	assert_string_equal(name(of_three_names, 1), "of_three_names");
	assert_int_equal(sym.offset, 1);
}

static void sizes(void **state)
{
	(void)state;
	assert_string_equal(name(label, 2), "label");
	assert_string_equal(name(sized, 0), "sized");
	assert_null(name(sized, 1));
	assert_null(name(sized, 2));
	assert_string_equal(sym.path, self);
	assert_string_equal(name(behind_label, 0), "behind_label");
}

static void demangled(void **state)
{
	(void)state;
	assert_string_equal(name(mangled, 0),
			    "stack::unwind(char const*, int)");
	/* Made once. */
	assert_ptr_equal(name(mangled, 0), sym.name);
}

static void no_module(void **state)
{
	(void)state;
	assert_int_equal(ustack_symbolize(space, 0x1000, &sym), -ENOENT);
	assert_null(sym.name);
	assert_null(sym.path);
	assert_true(sym.addr == 0x1000);
	assert_int_equal(sym.addr_kind, USTACK_ADDR_USER);
	assert_null(sym.build_id);
	assert_int_equal(sym.build_id_size, 0);
	/* No map, and yet known. */
	assert_int_equal(ustack_symbolize(space, 0xffffffffff600409, &sym),
			 -ENOENT);
	assert_null(sym.name);
	assert_string_equal(sym.path, "[vsyscall]");
	assert_true(sym.addr == 0x409);
	assert_int_equal(sym.addr_kind, USTACK_ADDR_OFFSET);
	assert_int_equal(
		map_path(space, 0x2000, 0x1000, 0x7000, "/does/not/exist"), 0);
	assert_int_equal(ustack_symbolize(space, 0x2010, &sym), -ENOENT);
	assert_null(sym.name);
	assert_string_equal(sym.path, "/does/not/exist");
	assert_true(sym.addr == 0x7010);
	assert_int_equal(sym.addr_kind, USTACK_ADDR_OFFSET);
	assert_int_equal(sym.build_id_size, 0);
}

/* The build-id comes out of the file, or was recorded for one that is gone. */
static void build_ids(void **state)
{
	static const uint8_t id[20] = "made up, 20 bytes it";
	const struct ustack_map gone = { .sz = sizeof(gone),
					 .addr = 0x3000,
					 .size = 0x1000,
					 .path = "/gone",
					 .build_id = id,
					 .build_id_size = sizeof(id) };
	const void *own;
	ssize_t size;
	int fd = open(self, O_RDONLY);
	Elf *elf;

	(void)state;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	size = dwelf_elf_gnu_build_id(elf, &own);
	assert_true(size > 0);
	name(a_local_function, 0);
	assert_true(sym.addr == (uint64_t)a_local_function + bias - base);
	assert_int_equal(sym.addr_kind, USTACK_ADDR_ELF);
	assert_int_equal(sym.build_id_size, size);
	assert_memory_equal(sym.build_id, own, size);
	elf_end(elf);
	close(fd);

	assert_int_equal(ustack_space_map(space, &gone), 0);
	assert_int_equal(ustack_symbolize(space, 0x3010, &sym), -ENOENT);
	assert_int_equal(sym.build_id_size, sizeof(id));
	assert_memory_equal(sym.build_id, id, sizeof(id));
}

static void sizes_of_symbol(void **state)
{
	uint64_t addr = (uint64_t)a_local_function + bias;
	struct {
		struct ustack_symbol sym;
		uint64_t newer;
	} big = { .sym.sz = sizeof(big), .newer = 1 };
	struct ustack_symbol small = {
		.sz = offsetof(struct ustack_symbol, offset),
		.path = "untouched",
	};

	(void)state;
	assert_int_equal(ustack_symbolize(space, addr, &big.sym), 0);
	assert_string_equal(big.sym.name, "a_local_function");
	assert_int_equal(big.newer, 0);
	/* Names, files without names, nothing: the same as for our own size. */
	for (addr = 0; addr < 0x20000000; addr += 0xfff1) {
		ustack_symbolize(space, addr, &sym);
		big.newer = 1;
		ustack_symbolize(space, addr, &big.sym);
		assert_memory_equal(&big.sym.name, &sym.name,
				    sizeof(sym) - sizeof(sym.sz));
		assert_int_equal(big.newer, 0);
	}
	addr = (uint64_t)a_local_function + bias;
	assert_int_equal(ustack_symbolize(space, addr, &small), 0);
	assert_string_equal(small.name, "a_local_function");
	assert_string_equal(small.path, "untouched");
	small.sz = 0;
	assert_int_equal(ustack_symbolize(space, addr, &small), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_functions), cmocka_unit_test(best_name),
		cmocka_unit_test(sizes),	 cmocka_unit_test(demangled),
		cmocka_unit_test(no_module),	 cmocka_unit_test(build_ids),
		cmocka_unit_test(sizes_of_symbol),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
