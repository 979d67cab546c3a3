// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Files: this test's own, cut ones, foreign ones, the vDSO. */
#include <fcntl.h>
#include <gelf.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "literal.h"

static char dir[] = "/tmp/test_elf.XXXXXX";
static char self[4096], file[64];
static struct ustack_images *images;

static int setup(void **state)
{
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	(void)state;
	if (n < 0 || !mkdtemp(dir))
		return -1;
	self[n] = 0;
	snprintf(file, sizeof(file), "%s/file", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(dir);
}

static int fresh(void **state)
{
	(void)state;
	unlink(file);
	return ustack_images_new(&images, NULL);
}

static int done(void **state)
{
	(void)state;
	ustack_images_free(images);
	return 0;
}

static int try_path(const char *path)
{
	return open_image(image_of(images, path, NULL, 0));
}

static void write_file(const void *data, size_t size)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	close(fd);
}

static void own_file(void **state)
{
	struct image *image = image_of(images, self, NULL, 0);
	struct cfi_row row;
	size_t size;

	(void)state;
	assert_int_equal(open_image(image), 0);
	assert_true(image->entry != 0);
	assert_non_null(image_at(image, image->entry, &size));
	assert_non_null(image->cfi.table);
	/* _start has the return address undefined. */
	assert_int_equal(cfi_row(&image->cfi, image->entry, &row), 0);
	assert_int_equal(row.reg[REG_RIP].kind, CFI_UNDEFINED);
	/* One image a path. */
	assert_ptr_equal(image_of(images, self, NULL, 0), image);
}

static void no_file(void **state)
{
	(void)state;
	assert_int_equal(try_path("/does/not/exist"), -ENOENT);
	assert_int_equal(try_path("//anon"), -ENOENT);
	assert_int_equal(try_path("[heap]"), -ENOENT);
	assert_int_equal(try_path("/dev/zero"), -ENOTSUP);
	assert_int_equal(try_path(dir), -EISDIR);
	/* A FIFO nobody writes to must not be waited for. */
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_int_equal(try_path(file), -ENOTSUP);
	/* The answer stays, whatever becomes of the file. */
	unlink(file);
	assert_int_equal(try_path(file), -ENOTSUP);
	done(NULL);
	fresh(NULL);
	write_file("", 0);
	assert_int_equal(try_path(file), -ENODATA);
}

static void foreign(void **state)
{
	Elf64_Ehdr ehdr = { .e_ident = ELFMAG, .e_type = ET_DYN,
			    .e_machine = EM_AARCH64, .e_version = EV_CURRENT,
			    .e_ehsize = sizeof(ehdr) };

	(void)state;
	write_file("#!/bin/sh\nexit 0 # not ELF at all\n", 35);
	assert_int_equal(try_path(file), -ENOEXEC);
	done(NULL);
	fresh(NULL);
	ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	ehdr.e_ident[EI_VERSION] = EV_CURRENT;
	write_file(&ehdr, sizeof(ehdr));
	assert_int_equal(try_path(file), -ENOEXEC);
}

/* Cut anywhere, or with its headers overwritten: used or not, never a crash. */
static void cut_and_broken(void **state)
{
	struct image *image = image_of(images, self, NULL, 0);
	uint32_t seed = 1;
	uint8_t *data;
	size_t size;

	(void)state;
	assert_int_equal(open_image(image), 0);
	size = image->size;
	data = malloc(size);
	memcpy(data, image->data, size);
	for (int n = 0; n < 300; n++) {
		struct ustack_images *own;
		struct ustack_space *space;
		struct ustack_symbol sym = { .sz = sizeof(sym) };
		struct cfi_row row;
		struct image *i;
		size_t cut = size;

		assert_int_equal(ustack_images_new(&own, NULL), 0);
		assert_int_equal(ustack_space_new(&space, own), 0);
		seed = seed * 1664525 + 1013904223;
		if (n < 150) {
			cut = n < 100 ? (size_t)n * 40 : seed % size;
			write_file(data, cut ? cut : 1);
		} else {
			uint8_t was[64];
			size_t at = n % 2 ? seed % 1024 :
					    size - 64 - seed % 1024;

			memcpy(was, data + at, 64);
			for (int k = 0; k < 64; k++)
				data[at + k] ^= (seed >> k % 24) & 0xff;
			write_file(data, size);
			memcpy(data + at, was, 64);
		}
		map_path(space, 0x400000, 0x100000, 0, file);
		for (uint64_t a = 0x400000; a < 0x440000; a += 0x123)
			ustack_symbolize(space, a, &sym);
		i = image_of(own, file, NULL, 0);
		if (!open_image(i))
			for (uint64_t pc = 0; pc < 0x40000; pc += 0x123)
				cfi_row(&i->cfi, pc, &row);
		ustack_space_free(space);
		ustack_images_free(own);
	}
	free(data);
}

static void build_id(void **state)
{
	static const uint8_t other[20] = { 1, 2, 3 };
	struct image *image;
	GElf_Nhdr nhdr;
	Elf_Data *notes;
	Elf_Scn *scn = NULL;
	size_t at, name, desc;

	(void)state;
	image = image_of(images, self, other, sizeof(other));
	assert_int_equal(open_image(image), -ESTALE);
	image = image_of(images, self, NULL, 0);
	assert_int_equal(open_image(image), 0);
	while ((scn = elf_nextscn(image_elf(image), scn))) {
		GElf_Shdr sh;

		gelf_getshdr(scn, &sh);
		notes = sh.sh_type == SHT_NOTE ? elf_getdata(scn, NULL) : NULL;
		at = 0;
		while (notes &&
		       (at = gelf_getnote(notes, at, &nhdr, &name, &desc))) {
			const uint8_t *d = notes->d_buf;

			if (nhdr.n_type != NT_GNU_BUILD_ID)
				continue;
			image = image_of(images, self, d + desc, nhdr.n_descsz);
			assert_int_equal(open_image(image), 0);
			return;
		}
	}
	print_message("skipped: this compiler writes no build-id\n");
	skip();
}

/* A program with two notes and, behind .shstrtab, a section of one name. */
static bool is_go(const char *second_owner, uint32_t interp, const char *section)
{
	struct {
		Elf64_Ehdr ehdr;
		Elf64_Phdr phdr[3];
		struct {
			Elf64_Nhdr nhdr;
			char owner[4];
			uint8_t desc[4];
		} note[2];
		char names[64];
		Elf64_Shdr shdr[3];
	} f = {
		.ehdr = { .e_ident = ELFMAG, .e_type = ET_DYN,
			  .e_machine = EM_X86_64, .e_version = EV_CURRENT,
			  .e_phoff = sizeof(f.ehdr), .e_ehsize = sizeof(f.ehdr),
			  .e_phentsize = sizeof(f.phdr[0]), .e_phnum = 3,
			  .e_shoff = (char *)f.shdr - (char *)&f,
			  .e_shentsize = sizeof(f.shdr[0]), .e_shnum = 3,
			  .e_shstrndx = 1 },
		.phdr = { { .p_type = PT_LOAD, .p_flags = PF_R | PF_X,
			    .p_filesz = sizeof(f), .p_memsz = sizeof(f) },
			  { .p_type = PT_NOTE, .p_align = 4,
			    .p_offset = (char *)f.note - (char *)&f,
			    .p_filesz = sizeof(f.note) },
			  { .p_type = interp } },
		.note = { { { 4, 4, 1 }, "GNU", { 1 } },
			  { { 4, 4, 4 }, "", { 2 } } },
		.shdr = { { 0 },
			  { .sh_name = 40, .sh_type = SHT_STRTAB,
			    .sh_offset = f.names - (char *)&f,
			    .sh_size = sizeof(f.names) },
			  { .sh_name = 1, .sh_type = SHT_PROGBITS } },
	};
	struct image *image;

	f.ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	f.ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	f.ehdr.e_ident[EI_VERSION] = EV_CURRENT;
	strcpy(f.note[1].owner, second_owner);
	strcpy(f.names + 1, section);
	strcpy(f.names + 40, ".shstrtab");
	done(NULL);
	fresh(NULL);
	write_file(&f, sizeof(f));
	image = image_of(images, file, NULL, 0);
	assert_int_equal(open_image(image), 0);
	return image->is_go;
}

static void code_of_go(void **state)
{
	(void)state;
	assert_true(is_go("Go", PT_DYNAMIC, ".text"));
	assert_false(is_go("GNU", PT_INTERP, ".text"));
	/* -buildid= */
	assert_true(is_go("GNU", PT_INTERP, ".go.buildinfo"));
	assert_true(is_go("GNU", PT_NULL, ".go.buildinfo"));
	assert_false(is_go("GNU", PT_DYNAMIC, ".go.buildinfo"));
}

static void vdso(void **state)
{
	struct image *image = image_of(images, "[vdso]", NULL, 0);
	struct ustack_images_opts opts = { .sz = sizeof(opts) };
	struct ustack_images *own;

	(void)state;
	if (!getauxval(AT_SYSINFO_EHDR))
		skip();
	assert_int_equal(open_image(image), 0);
	assert_true(image->cfi.nr > 0);
	/* That of a recording, from a file; root does not matter to it. */
	write_file(image->data, image->size);
	opts.vdso = file;
	opts.root = "/does/not/exist";
	assert_int_equal(ustack_images_new(&own, &opts), 0);
	image = image_of(own, "[vdso]", NULL, 0);
	assert_int_equal(open_image(image), 0);
	assert_ptr_not_equal(image->data, (void *)getauxval(AT_SYSINFO_EHDR));
	assert_int_equal(open_image(image_of(own, self, NULL, 0)), -ENOENT);
	ustack_images_free(own);
}

static void root(void **state)
{
	struct ustack_images_opts opts = { .sz = sizeof(opts), .root = dir };
	struct image *image = image_of(images, self, NULL, 0);
	struct ustack_images *own;

	(void)state;
	assert_int_equal(open_image(image), 0);
	write_file(image->data, image->size);
	assert_int_equal(ustack_images_new(&own, &opts), 0);
	assert_int_equal(open_image(image_of(own, "/file", NULL, 0)), 0);
	ustack_images_free(own);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(own_file),	      TEST(no_file),  TEST(foreign),
		TEST(cut_and_broken), TEST(build_id), TEST(vdso),
		TEST(root),	      TEST(code_of_go),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
