// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Which file is taken for a path and a build-id: literal ELF files of a header,
 * one segment and a note, laid where recordings and containers have them.
 */
#include <sys/auxv.h>

#include "elfdir.h"

static const uint8_t id_a[20] = { 0xaa, 0x01, 0x02 }, id_b[20] = { 0xbb };

static struct note note_of(const uint8_t *id)
{
	struct note note = { { 4, 20, NT_GNU_BUILD_ID }, "GNU", { 0 } };

	if (id)
		memcpy(note.id, id, 20);
	else
		note.nhdr.n_type = 0;
	return note;
}

static void write_elf(const char *name, const uint8_t *id)
{
	write_elf_parts(name, 0x1000, id, NULL, 0);
}

static void write_elf32(const char *name, const uint8_t *id)
{
	struct {
		Elf32_Ehdr ehdr;
		Elf32_Phdr load, note;
		struct note id;
	} f = {
		.ehdr = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32,
				       ELFDATA2LSB, EV_CURRENT },
			  .e_type = ET_EXEC, .e_machine = EM_386,
			  .e_version = EV_CURRENT, .e_entry = 0x8048010,
			  .e_phoff = sizeof(f.ehdr),
			  .e_ehsize = sizeof(f.ehdr),
			  .e_phentsize = sizeof(f.load), .e_phnum = 2 },
		.load = { .p_type = PT_LOAD, .p_flags = PF_R | PF_X,
			  .p_vaddr = 0x8048000, .p_filesz = sizeof(f) },
		.note = { .p_type = PT_NOTE, .p_align = 4,
			  .p_offset = offsetof(typeof(f), id),
			  .p_filesz = sizeof(f.id) },
		.id = note_of(id),
	};

	write_file(name, &f, sizeof(f));
}

static int open_as(const char *path, const uint8_t *id, size_t size)
{
	ustack_images_free(images);
	assert_int_equal(ustack_images_new(&images, &opts), 0);
	return open_image(image_of(images, path, id, size));
}

static void by_path(void **state)
{
	static const uint8_t none[20], padded[20] = { 1, 2, 3, 4 };

	(void)state;
	write_elf("/bin/prog", id_a);
	assert_int_equal(open_as("/bin/prog", NULL, 0), 0);
	assert_int_equal(open_as("/bin/prog", id_a, 20), 0);
	/* perf writes zeroes for a build-id that it could not read. */
	assert_int_equal(open_as("/bin/prog", none, 20), 0);
	/* Another file took its place. */
	assert_int_equal(open_as("/bin/prog", id_b, 20), -ESTALE);
	/* A short one is filled up to 20 bytes, but by zeroes only. */
	assert_int_equal(open_as("/bin/prog", padded, 4), -ESTALE);
	/* Without one it may be the file that had one, or not. */
	write_elf("/bin/prog", NULL);
	assert_int_equal(open_as("/bin/prog", NULL, 0), 0);
	assert_int_equal(open_as("/bin/prog", id_a, 20), -ENOKEY);
}

/* An id of 16 bytes is not the beginning of one of 20; one of 20 may be cut. */
static void shorter_id(void **state)
{
	(void)state;
	write_elf("/bin/prog", id_a);
	assert_int_equal(open_as("/bin/prog", id_a, 16), -ESTALE);
	assert_int_equal(open_as("/bin/prog", id_a, 19), -ESTALE);
	assert_int_equal(open_as("/bin/prog", id_a, 20), 0);
}

/* The kernel appends " (deleted)"; what has the name now is another file. */
static void deleted(void **state)
{
	(void)state;
	write_elf("/bin/prog", id_a);
	assert_int_equal(open_as("/bin/prog (deleted)", NULL, 0), -ENOENT);
	assert_int_equal(open_as("/bin/prog (deleted)", id_b, 20), -ESTALE);
	/* Unless it is the same after all: renamed, or linked elsewhere. */
	assert_int_equal(open_as("/bin/prog (deleted)", id_a, 20), 0);
}

/* perf's build-id cache has what perf record saw. */
static void cache(void **state)
{
	static const char name[] =
		"/.debug/.build-id/aa/01020000000000000000000000000000000000/elf";

	(void)state;
	opts.build_id_dir = in_dir("/.debug");
	write_elf(name, id_a);
	write_elf("/bin/prog", id_b);
	assert_int_equal(open_as("/bin/prog", id_a, 20), 0);
	assert_int_equal(open_as("/bin/prog (deleted)", id_a, 20), 0);
	assert_int_equal(open_as("/not/there", id_a, 20), 0);
	assert_int_equal(open_as("/not/there", id_b, 20), -ENOENT);
	assert_int_equal(open_as("/not/there", NULL, 0), -ENOENT);
	/* Nor does the cache's word count for more than the file itself. */
	write_elf(name, id_b);
	assert_int_equal(open_as("/not/there", id_a, 20), -ESTALE);
	/* By default in $HOME. */
	write_elf(name, id_a);
	opts.build_id_dir = NULL;
	setenv("HOME", dir, 1);
	assert_int_equal(open_as("/not/there", id_a, 20), 0);
	opts.build_id_dir = "";
	assert_int_equal(open_as("/not/there", id_a, 20), -ENOENT);
}

/* A vDSO of another kernel must not be taken in silence. */
static void vdso(void **state)
{
	static const char name[] =
		"/.debug/.build-id/aa/01020000000000000000000000000000000000/vdso";
	struct image *own;

	(void)state;
	if (!getauxval(AT_SYSINFO_EHDR))
		skip();
	assert_int_equal(open_as("[vdso]", NULL, 0), 0);
	own = image_of(images, "[vdso]", NULL, 0);
	assert_ptr_equal(own->data, (void *)getauxval(AT_SYSINFO_EHDR));
	assert_int_equal(open_as("[vdso]", id_a, 20), -ESTALE);
	/* That of the recorded kernel is in the cache, or is named. */
	write_elf(name, id_a);
	opts.build_id_dir = in_dir("/.debug");
	assert_int_equal(open_as("[vdso]", id_a, 20), 0);
	opts.build_id_dir = "";
	opts.vdso = in_dir(name);
	assert_int_equal(open_as("[vdso]", id_a, 20), 0);
	assert_int_equal(open_as("[vdso]", id_b, 20), -ESTALE);
	assert_int_equal(open_as("[vdso]", NULL, 0), 0);
	opts.vdso = "/does/not/exist";
	assert_int_equal(open_as("[vdso]", NULL, 0), -ENOENT);
}

static void i386(void **state)
{
	struct image *image;
	size_t size;

	(void)state;
	write_elf32("/bin/prog", id_a);
	assert_int_equal(open_as("/bin/prog", id_b, 20), -ESTALE);
	assert_int_equal(open_as("/bin/prog", id_a, 20), 0);
	image = image_of(images, "/bin/prog", id_a, 20);
	assert_false(image->is_64);
	assert_true(image->entry == 0x8048010);
	assert_ptr_equal(image_at(image, 0x8048010, &size), image->data + 0x10);
	write_elf("/bin/prog", id_a);
	assert_int_equal(open_as("/bin/prog", NULL, 0), 0);
	assert_true(image_of(images, "/bin/prog", NULL, 0)->is_64);
}

/* Headers and notes far behind the first page. */
static void far_headers(void **state)
{
	static struct {
		Elf64_Ehdr ehdr;
		char far[10000];
		Elf64_Phdr load, note;
		struct note other, id;
	} f = {
		.ehdr = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64,
				       ELFDATA2LSB, EV_CURRENT },
			  .e_type = ET_EXEC, .e_machine = EM_X86_64,
			  .e_version = EV_CURRENT,
			  .e_phoff = offsetof(typeof(f), load),
			  .e_ehsize = sizeof(f.ehdr),
			  .e_phentsize = sizeof(f.load), .e_phnum = 2 },
		.load = { .p_type = PT_LOAD, .p_flags = PF_R | PF_X,
			  .p_vaddr = 0x400000, .p_filesz = sizeof(f) },
		.note = { .p_type = PT_NOTE, .p_align = 4,
			  .p_offset = offsetof(typeof(f), other),
			  .p_filesz = 2 * sizeof(f.id) },
	};

	(void)state;
	f.other = note_of(NULL);
	f.id = note_of(id_a);
	write_file("/prog", &f, sizeof(f));
	assert_int_equal(open_as("/prog", id_a, 20), 0);
	assert_int_equal(open_as("/prog", id_b, 20), -ESTALE);
	/* Cut: where the headers were, and within the notes. */
	write_file("/prog", &f, sizeof(f) - sizeof(f.id) - sizeof(f.other) - 8);
	assert_int_equal(open_as("/prog", NULL, 0), -ENOEXEC);
	write_file("/prog", &f, sizeof(f) - 8);
	assert_int_equal(open_as("/prog", id_a, 20), -ENOKEY);
	/* More headers than the file can hold. */
	f.ehdr.e_phnum = 0xffff;
	write_file("/prog", &f, sizeof(f));
	assert_int_equal(open_as("/prog", NULL, 0), -ENOEXEC);
}

static int told;

static void tell(void *arg, const char *path, int err)
{
	assert_ptr_equal(arg, &told);
	assert_string_equal(path, "/bin/prog");
	assert_int_equal(err, -ESTALE);
	told++;
}

/* Files are, code without a file is not, nor what nobody needed. */
static void unusable(void **state)
{
	(void)state;
	write_elf("/bin/prog", id_a);
	assert_int_equal(open_as("/bin/prog", id_a, 20), 0);
	open_image(image_of(images, "/bin/prog", id_b, 20));
	open_image(image_of(images, "//anon", NULL, 0));
	open_image(image_of(images, "/tmp/perf-1.map", NULL, 0));
	open_image(image_of(images, "[stack]", NULL, 0));
	image_of(images, "/never/needed", NULL, 0);
	assert_int_equal(ustack_images_unusable(images, tell, &told), 1);
	assert_int_equal(told, 1);
	open_image(image_of(images, "/not/there", NULL, 0));
	assert_int_equal(ustack_images_unusable(images, NULL, NULL), 2);
}

/* --- the caller's own search ------------------------------------------------ */

static int asked, answer;
static enum ustack_file asked_for;

static int open_it(void *arg, enum ustack_file file,
		   const struct ustack_map *map)
{
	asked++;
	asked_for = file;
	assert_string_equal(map->path, "/in/container");
	assert_ptr_equal(arg, &answer);
	assert_int_equal(map->build_id_size, map->build_id ? 20 : 0);
	return answer ? answer : open(in_dir("/elsewhere"), O_RDONLY);
}

static void callback(void **state)
{
	(void)state;
	opts.open = open_it;
	opts.arg = &answer;
	write_elf("/elsewhere", id_a);
	assert_int_equal(open_as("/in/container", id_a, 20), 0);
	assert_int_equal(asked, 1);
	assert_int_equal(asked_for, USTACK_FILE_IMAGE);
	/* What it gives is checked, and nothing else is tried. */
	write_elf("/in/container", id_b);
	assert_int_equal(open_as("/in/container", id_b, 20), -ESTALE);
	answer = -EACCES;
	assert_int_equal(open_as("/in/container", id_b, 20), -EACCES);
	/* That it got by using the images itself. */
	answer = -EDEADLK;
	assert_int_equal(open_as("/in/container", id_b, 20), -EBUSY);
	assert_int_equal(ustack_images_unusable(images, NULL, NULL), 1);
	/* Unless it says so. */
	answer = -ENOSYS;
	assert_int_equal(open_as("/in/container", id_b, 20), 0);
	assert_int_equal(open_as("/in/container", NULL, 0), 0);
	/* A directory is no file. */
	answer = open(dir, O_RDONLY);
	assert_int_equal(open_as("/in/container", NULL, 0), -EISDIR);
	assert_int_equal(fcntl(answer, F_GETFD), -1);
	/* Nor can it be mapped if it was opened for writing only. */
	answer = open(in_dir("/elsewhere"), O_WRONLY);
	assert_int_equal(open_as("/in/container", NULL, 0), -EACCES);
	answer = 0;
	/* A caller built when there were no callbacks. */
	opts.sz = offsetof(struct ustack_images_opts, open);
	asked = 0;
	assert_int_equal(open_as("/in/container", id_b, 20), 0);
	assert_int_equal(asked, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(by_path), TEST(deleted),	  TEST(cache),
		TEST(vdso),    TEST(i386),	  TEST(far_headers),
		TEST(unusable), TEST(callback),	  TEST(shorter_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
