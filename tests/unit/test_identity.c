// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Which maps show the same file: by build-id, bytes, device and inode, path.
 * What open() is told, and what is tried again.
 */
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "elfdir.h"

static const uint8_t id_a[20] = { 0xaa, 0x01 }, id_b[20] = { 0xbb };

static void begin(void)
{
	ustack_space_free(space);
	ustack_images_free(images);
	assert_int_equal(ustack_images_new(&images, &opts), 0);
	assert_int_equal(ustack_space_new(&space, images), 0);
}

static int setup_begun(void **state)
{
	int err = setup(state);

	if (!err)
		begin();
	return err;
}

/* A map of one page at addr, with more that is known. */
#define MAP(...) map(&(struct ustack_map){ .sz = sizeof(struct ustack_map), \
					   .size = 0x1000, __VA_ARGS__ })

static struct map *map(const struct ustack_map *m)
{
	struct map *found;

	assert_int_equal(ustack_space_map(space, m), 0);
	found = space_find(space, m->addr);
	assert_non_null(found);
	return found;
}

static const struct image *image_at_page(uint64_t addr)
{
	return space_find(space, addr)->image;
}

/* --- the same file or not -------------------------------------------------------- */

static void by_build_id(void **state)
{
	struct ustack_symbol sym = { .sz = sizeof(sym) };

	(void)state;
	MAP(.addr = 0x1000, .path = "/a", .build_id = id_a, .build_id_size = 20);
	MAP(.addr = 0x2000, .path = "/b", .build_id = id_a, .build_id_size = 20,
	    .ino = 7);
	MAP(.addr = 0x3000, .path = "/a", .build_id = id_b, .build_id_size = 20);
	MAP(.addr = 0x4000, .path = "/a", .ino = 7);
	assert_ptr_equal(image_at_page(0x1000), image_at_page(0x2000));
	assert_ptr_not_equal(image_at_page(0x1000), image_at_page(0x3000));
	assert_ptr_not_equal(image_at_page(0x2000), image_at_page(0x4000));
	/* Each map shows its own path. */
	ustack_symbolize(space, 0x1000, &sym);
	assert_string_equal(sym.path, "/a");
	ustack_symbolize(space, 0x2000, &sym);
	assert_string_equal(sym.path, "/b");
}

/* One path in two containers, one file under two paths. */
static void by_inode(void **state)
{
	(void)state;
	MAP(.addr = 0x1000, .path = "/a", .maj = 8, .min = 1, .ino = 7,
	    .ino_generation = 3);
	MAP(.addr = 0x2000, .path = "/a", .maj = 8, .min = 2, .ino = 7,
	    .ino_generation = 3);
	MAP(.addr = 0x3000, .path = "/a", .maj = 8, .min = 1, .ino = 8,
	    .ino_generation = 3);
	MAP(.addr = 0x4000, .path = "/a", .maj = 8, .min = 1, .ino = 7,
	    .ino_generation = 4);
	MAP(.addr = 0x5000, .path = "/a", .maj = 9, .min = 1, .ino = 7,
	    .ino_generation = 3);
	MAP(.addr = 0x6000, .path = "/a");
	for (uint64_t a = 0x1000; a <= 0x6000; a += 0x1000)
		for (uint64_t b = 0x1000; b < a; b += 0x1000)
			assert_ptr_not_equal(image_at_page(a),
					     image_at_page(b));
	MAP(.addr = 0x7000, .path = "/b", .maj = 8, .min = 1, .ino = 7,
	    .ino_generation = 3);
	assert_ptr_equal(image_at_page(0x1000), image_at_page(0x7000));
	MAP(.addr = 0x8000, .path = "/a");
	assert_ptr_equal(image_at_page(0x6000), image_at_page(0x8000));
}

/* The number of a file that is gone is given to another one. */
static void inode_without_generation(void **state)
{
	(void)state;
	MAP(.addr = 0x1000, .path = "/a", .maj = 8, .ino = 7);
	MAP(.addr = 0x2000, .path = "/b", .maj = 8, .ino = 7);
	MAP(.addr = 0x3000, .path = "/a (deleted)", .maj = 8, .ino = 7);
	MAP(.addr = 0x4000, .path = "/ab", .maj = 8, .ino = 7);
	assert_ptr_not_equal(image_at_page(0x1000), image_at_page(0x2000));
	assert_ptr_equal(image_at_page(0x1000), image_at_page(0x3000));
	assert_ptr_not_equal(image_at_page(0x1000), image_at_page(0x4000));
	/* Nothing but the path, and it says that it is another file's now. */
	MAP(.addr = 0x5000, .path = "/a");
	MAP(.addr = 0x6000, .path = "/a (deleted)");
	assert_ptr_not_equal(image_at_page(0x5000), image_at_page(0x6000));
}

/* A JIT's table is its process's, whatever lies behind the memory. */
static void jit(void **state)
{
	(void)state;
	MAP(.addr = 0x1000, .path = "/tmp/perf-1.map", .ino = 7,
	    .ino_generation = 1, .build_id = id_a, .build_id_size = 20);
	MAP(.addr = 0x2000, .path = "/tmp/perf-2.map", .ino = 7,
	    .ino_generation = 1, .build_id = id_a, .build_id_size = 20);
	MAP(.addr = 0x3000, .path = "/tmp/perf-1.map");
	assert_ptr_not_equal(image_at_page(0x1000), image_at_page(0x2000));
	assert_ptr_equal(image_at_page(0x1000), image_at_page(0x3000));
}

/* --- files that the caller gives ----------------------------------------------------- */

static struct elf_file elf;

static void bytes(void **state)
{
	static struct elf_file copy;
	struct map *m;

	(void)state;
	make_elf(&elf, 0x1000, id_a, NULL, 0);
	copy = elf;
	m = MAP(.addr = 0x1000, .path = "[vdso]", .data = &copy,
		.data_size = copy.size);
	/* They are copied, and what has that path is another file. */
	memset(&copy, 0xff, sizeof(copy));
	assert_true(map_usable(m));
	assert_true(m->image->id_found.size == 20);
	assert_memory_equal(m->image->data, &elf, elf.size);
	MAP(.addr = 0x2000, .path = "/other", .data = &elf,
	    .data_size = elf.size);
	assert_ptr_equal(image_at_page(0x1000), image_at_page(0x2000));
	elf.id.id[19]++;
	m = MAP(.addr = 0x3000, .path = "[vdso]", .data = &elf,
		.data_size = elf.size);
	assert_ptr_not_equal(image_at_page(0x1000), m->image);
	assert_true(map_usable(m));
	MAP(.addr = 0x4000, .path = "[vdso]");
	assert_ptr_not_equal(image_at_page(0x1000), image_at_page(0x4000));
	/* No ELF file is no error, nor is one with another build-id. */
	m = MAP(.addr = 0x5000, .data = "junk", .data_size = 4);
	assert_false(map_usable(m));
	m = MAP(.addr = 0x6000, .data = &elf, .data_size = elf.size,
		.build_id = id_b, .build_id_size = 20);
	assert_false(map_usable(m));
	assert_string_equal(m->origin->path, "//anon");
	/* The right one comes later. */
	memcpy(elf.id.id, id_b, 20);
	m = MAP(.addr = 0x6000, .data = &elf, .data_size = elf.size,
		.build_id = id_b, .build_id_size = 20);
	assert_true(map_usable(m));
}

/* What the caller gives takes precedence over a path that names no ELF file. */
static void jit_object(void **state)
{
	struct map *data, *fd, *junk;
	int prog;

	(void)state;
	make_elf(&elf, 0x1000, NULL, NULL, 0);
	MAP(.addr = 0x1000, .path = "/tmp/perf-1.map");
	data = MAP(.addr = 0x10000, .path = "/tmp/perf-1.map", .data = &elf,
		   .data_size = elf.size);
	assert_true(map_usable(data));
	assert_false(map_usable(space_find(space, 0x1000)));
	write_elf_parts("/prog", 0x1000, NULL, NULL, 0);
	prog = open(in_dir("/prog"), O_RDONLY);
	fd = MAP(.addr = 0x20000, .path = "/tmp/perf-1.map", .fd = prog,
		 .has_fd = 1);
	close(prog);
	assert_true(map_usable(fd));
	assert_int_equal(ustack_images_unusable(images, NULL, NULL), 0);
	junk = MAP(.addr = 0x30000, .path = "/tmp/perf-1.map", .data = "junk",
		   .data_size = 4);
	assert_false(map_usable(junk));
	assert_int_equal(ustack_images_unusable(images, NULL, NULL), 1);
}

static void descriptor(void **state)
{
	struct stat st;
	struct map *m;
	int fd;

	(void)state;
	write_elf_parts("/prog", 0x1000, id_a, NULL, 0);
	fd = open(in_dir("/prog"), O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	m = MAP(.addr = 0x1000, .path = "/gone", .fd = fd, .has_fd = 1);
	assert_int_equal(close(fd), 0);
	assert_true(map_usable(m));
	assert_int_equal(m->origin->ino, st.st_ino);
	/* The inode is the descriptor's. */
	MAP(.addr = 0x2000, .path = "/gone", .ino = st.st_ino,
	    .maj = major(st.st_dev), .min = minor(st.st_dev));
	assert_ptr_equal(image_at_page(0x1000), image_at_page(0x2000));
	/* What could not be found before is usable now. */
	m = MAP(.addr = 0x3000, .path = "/gone", .build_id = id_a,
		.build_id_size = 20);
	assert_false(map_usable(m));
	fd = open(in_dir("/prog"), O_RDONLY);
	MAP(.addr = 0x4000, .fd = fd, .has_fd = 1, .build_id = id_a,
	    .build_id_size = 20);
	close(fd);
	assert_true(map_usable(space_find(space, 0x3000)));
	assert_true(map_usable(space_find(space, 0x4000)));
	/* A directory. */
	fd = open(dir, O_RDONLY);
	m = MAP(.addr = 0x5000, .fd = fd, .has_fd = 1);
	close(fd);
	assert_false(map_usable(m));
}

static void refused(void **state)
{
	struct ustack_map m = { .sz = sizeof(m), .addr = 0x1000,
				.size = 0x1000, .path = "/a" };
	struct {
		struct ustack_map known;
		uint64_t newer;
	} more = { .known = m };

	(void)state;
	assert_int_equal(ustack_space_map(space, NULL), -EINVAL);
	m.fd = -1;
	assert_int_equal(ustack_space_map(space, &m), 0);
	m.has_fd = 1;
	assert_int_equal(ustack_space_map(space, &m), -EBADF);
	m.ino = 1;
	assert_int_equal(ustack_space_map(space, &m), -EBADF);
	m.ino = 0;
	m.data = "junk";
	m.data_size = 4;
	assert_int_equal(ustack_space_map(space, &m), -EINVAL);
	m.has_fd = 0;
	m.data_size = 0;
	assert_int_equal(ustack_space_map(space, &m), -EINVAL);
	m.data = NULL;
	m.sz = 0;
	assert_int_equal(ustack_space_map(space, &m), -EINVAL);
	/* An older caller, a newer one, and one that wants what is not there. */
	m.sz = offsetof(struct ustack_map, build_id);
	m.has_fd = 1;
	assert_int_equal(ustack_space_map(space, &m), 0);
	more.known.sz = sizeof(more);
	assert_int_equal(ustack_space_map(space, &more.known), 0);
	more.newer = 1;
	assert_int_equal(ustack_space_map(space, &more.known), -EINVAL);
}

/* --- the build-id in a file ------------------------------------------------------------ */

/* Of 4 bytes more, as make_elf() aligns sections to 8. */
static const struct note id_note[2] = {
	{ { 4, 20, NT_GNU_BUILD_ID }, "GNU", { 0xaa, 0x01 } }
};
static const struct part note_section = { ".note.gnu.build-id", SHT_NOTE,
					  .data = id_note, .size = 40 };

/* go build -ldflags=-B: no note segment has it. */
static void id_in_a_section(void **state)
{
	struct map *m;

	(void)state;
	write_elf_parts("/go", 0x1000, NULL, &note_section, 1);
	m = MAP(.addr = 0x1000, .path = "/go", .build_id = id_a,
		.build_id_size = 20);
	assert_true(map_usable(m));
	assert_int_equal(m->image->id_found.size, 20);
	assert_memory_equal(m->image->id_found.bytes, id_a, 20);
	m = MAP(.addr = 0x2000, .path = "/go", .build_id = id_b,
		.build_id_size = 20);
	assert_false(map_usable(m));
	/* What a segment says takes precedence. */
	write_elf_parts("/both", 0x1000, id_b, &note_section, 1);
	m = MAP(.addr = 0x3000, .path = "/both", .build_id = id_b,
		.build_id_size = 20);
	assert_true(map_usable(m));
}

/* Where make_elf() puts the first section. */
#define TEXT 0xd8

/*
 * What perf inject -j makes of a jitdump: one function, which is its entry, too.
 * nr_headers, size: of its program headers.  perf 6.1 has the segment begin at 0,
 * but be as long as the function.
 */
static const struct image *jitted(unsigned int nr_headers, uint64_t size)
{
	static const uint8_t text[0x40];
	const struct part parts[] = {
		{ ".text", SHT_PROGBITS, .flags = SHF_ALLOC | SHF_EXECINSTR,
		  .vaddr = TEXT, .data = text, .size = sizeof(text) },
		note_section,
	};
	struct map *m;

	make_elf(&elf, 0, NULL, parts, 2);
	elf.ehdr.e_entry = TEXT;
	elf.ehdr.e_phnum = nr_headers;
	elf.load.p_filesz = size;
	write_file("/jitted-1-2.so", &elf, elf.size);
	begin();
	m = MAP(.addr = 0x10000, .pgoff = TEXT, .path = "/jitted-1-2.so",
		.build_id = id_a, .build_id_size = 20);
	assert_true(map_usable(m));
	assert_true(m->bias == 0x10000 - TEXT);
	return m->image;
}

static void jit_elf(void **state)
{
	const struct image *image;
	size_t left;

	(void)state;
	for (unsigned int nr_headers = 0; nr_headers < 2; nr_headers++) {
		image = jitted(nr_headers, 0x40);
		assert_non_null(image_at(image, TEXT + 0x3f, &left));
		assert_int_equal(left, 1);
		/* A function is no _start: nothing ends there. */
		assert_int_equal(image->entry, 0);
	}
}

/* --- what is at the path now ----------------------------------------------------------- */

/* A map of DIR/name, which was recorded as st has it, and without root. */
static struct map *map_inode(const char *name, const struct stat *st,
			     uint64_t generation)
{
	opts.root = NULL;
	begin();
	return MAP(.addr = 0x1000, .path = in_dir(name), .maj = major(st->st_dev),
		   .min = minor(st->st_dev), .ino = st->st_ino,
		   .ino_generation = generation);
}

static void replaced(void **state)
{
	struct stat st, other;
	unsigned int generation;
	struct map *m;
	int fd;

	(void)state;
	write_elf_parts("/prog", 0x1000, NULL, NULL, 0);
	write_elf_parts("/other", 0x1000, NULL, NULL, 0);
	assert_int_equal(stat(in_dir("/prog"), &st), 0);
	assert_int_equal(stat(in_dir("/other"), &other), 0);
	m = map_inode("/prog", &st, 0);
	assert_true(map_usable(m));
	m = map_inode("/prog", &other, 0);
	assert_false(map_usable(m));
	assert_int_equal(m->image->err, -ESTALE);
	/* Its number, but on another device; or nobody said on which. */
	other = st;
	other.st_dev ^= makedev(1, 1);
	assert_false(map_usable(map_inode("/prog", &other, 0)));
	other.st_dev = 0;
	assert_true(map_usable(map_inode("/prog", &other, 0)));
	/* Its number, given out again. */
	fd = open(in_dir("/prog"), O_RDONLY);
	if (!ioctl(fd, FS_IOC_GETVERSION, &generation) && generation > 1) {
		m = map_inode("/prog", &st, generation);
		assert_true(map_usable(m));
		m = map_inode("/prog", &st, generation ^ 2);
		assert_false(map_usable(m));
		/* What perf has where it does not know. */
		assert_true(map_usable(map_inode("/prog", &st, 1)));
	}
	close(fd);
	/* Below a root it is a copy. */
	opts.root = dir;
	begin();
	m = MAP(.addr = 0x1000, .path = "/prog", .ino = 7);
	assert_true(map_usable(m));
}

/* A build-id says more. */
static void replaced_by_itself(void **state)
{
	struct map *m;

	(void)state;
	opts.root = NULL;
	begin();
	write_elf_parts("/prog", 0x1000, id_a, NULL, 0);
	m = MAP(.addr = 0x1000, .path = in_dir("/prog"), .ino = 7,
		.build_id = id_a, .build_id_size = 20);
	assert_true(map_usable(m));
}

/*
 * perf record reads build-ids at its end, from the path: that is not the id of what
 * was mapped if another file was there by then.
 */
static void replaced_while_recorded(void **state)
{
	struct ustack_map m = { .sz = sizeof(m), .addr = 0x1000, .size = 0x1000,
				.build_id = id_a, .build_id_size = 20 };
	struct map *found;
	struct stat st;

	(void)state;
	write_elf_parts("/prog", 0x1000, id_a, NULL, 0);
	assert_int_equal(stat(in_dir("/prog"), &st), 0);
	opts.root = NULL;
	begin();
	m.path = in_dir("/prog");
	m.maj = major(st.st_dev);
	m.min = minor(st.st_dev);
	m.ino = st.st_ino;
	m.seen = st.st_ctime + 10;
	assert_true(map_usable(map(&m)));
	m.ino++;
	found = map(&m);
	assert_false(map_usable(found));
	assert_int_equal(found->image->err, -ESTALE);
	assert_int_equal(ustack_images_unusable(images, NULL, NULL), 1);
	/* It came later, and is the same: built again. */
	m.seen = st.st_ctime - 10;
	assert_true(map_usable(map(&m)));
	/* In the kernel's word, nothing else has the id. */
	m.seen = 0;
	assert_true(map_usable(map(&m)));
}

/* Without any build-id: the same inode, written later. */
static void rewritten(void **state)
{
	struct ustack_map m = { .sz = sizeof(m), .addr = 0x1000,
				.size = 0x1000 };
	struct stat st;

	(void)state;
	write_elf_parts("/prog", 0x1000, NULL, NULL, 0);
	assert_int_equal(stat(in_dir("/prog"), &st), 0);
	opts.root = NULL;
	begin();
	m.path = in_dir("/prog");
	m.maj = major(st.st_dev);
	m.min = minor(st.st_dev);
	m.ino = st.st_ino;
	m.seen = st.st_mtime;
	assert_true(map_usable(map(&m)));
	m.seen--;
	begin();
	assert_false(map_usable(map(&m)));
}

/* A child that sees dir as its root; it ends when the pipe is closed. */
static pid_t start_in_dir(int *keep)
{
	int to[2], from[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(to) | pipe(from), 0);
	pid = fork();
	if (!pid) {
		close(to[1]);
		if (chroot(dir) || write(from[1], "", 1) != 1)
			_exit(1);
		_exit(read(to[0], &byte, 1) != 0);
	}
	close(to[0]);
	close(from[1]);
	*keep = to[1];
	assert_int_equal(read(from[0], &byte, 1), geteuid() ? 0 : 1);
	close(from[0]);
	return pid;
}

/* In the root of a process that is alive, which has no other path to it. */
static void of_the_process(void **state)
{
	struct ustack_map m = { .sz = sizeof(m), .addr = 0x1000,
				.size = 0x1000, .path = "/test_identity_prog" };
	struct stat st;
	pid_t pid;
	int keep;

	(void)state;
	write_elf_parts(m.path, 0x1000, NULL, NULL, 0);
	assert_int_equal(stat(in_dir(m.path), &st), 0);
	pid = start_in_dir(&keep);
	opts.root = NULL;
	begin();
	m.pid = 1;
	m.ino = st.st_ino;
	m.maj = major(st.st_dev);
	m.min = minor(st.st_dev);
	assert_false(map_usable(map(&m)));
	/* Another process may have it. */
	m.pid = pid;
	assert_int_equal(map_usable(map(&m)), !geteuid());
	/* With that number there may be another process by now. */
	m.ino++;
	assert_false(map_usable(map(&m)));
	m.ino = 0;
	assert_false(map_usable(map(&m)));
	close(keep);
}

/* It is deleted, but mapped. */
static void mapped_still(void **state)
{
	struct ustack_map m = { .sz = sizeof(m), .size = 0x1000,
				.pid = getpid() };
	struct stat st;
	void *p;
	int fd;

	(void)state;
	write_elf_parts("/prog", 0x1000, NULL, NULL, 0);
	fd = open(in_dir("/prog"), O_RDONLY);
	assert_int_equal(fstat(fd, &st), 0);
	p = mmap(NULL, m.size, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	close(fd);
	assert_int_equal(unlink(in_dir("/prog")), 0);
	opts.root = NULL;
	begin();
	m.path = in_dir("/prog");
	m.addr = (uintptr_t)p;
	m.ino = st.st_ino;
	m.maj = major(st.st_dev);
	m.min = minor(st.st_dev);
	assert_int_equal(map_usable(map(&m)), !geteuid());
	munmap(p, m.size);
}

/* --- open() -------------------------------------------------------------------------- */

static struct ustack_map told;
static char told_path[32];
static int asked;
static uint32_t only_pid;

static int open_it(void *arg, enum ustack_file file, const struct ustack_map *m)
{
	(void)arg;
	(void)file;
	asked++;
	told = *m;
	strcpy(told_path, m->path);
	if (m->build_id)
		assert_memory_equal(m->build_id, id_a, 20);
	return m->pid == only_pid ? open(in_dir("/prog"), O_RDONLY) : -ENOENT;
}

static void open_is_told(void **state)
{
	struct map *m;

	(void)state;
	opts.open = open_it;
	begin();
	asked = 0;
	write_elf_parts("/prog", 0x1000, id_a, NULL, 0);
	m = MAP(.addr = 0x7000, .pgoff = 0x10, .path = "/a", .maj = 1, .min = 2, .ino = 3, .ino_generation = 4,
		.prot = PROT_READ | PROT_EXEC, .pid = 77, .build_id = id_a,
		.build_id_size = 20);
	assert_int_equal(asked, 0);
	only_pid = 77;
	assert_true(map_usable(m));
	assert_int_equal(asked, 1);
	assert_true(told.sz == sizeof(told) && told.addr == 0x7000 &&
		    told.size == 0x1000 && told.pgoff == 0x10);
	assert_string_equal(told_path, "/a");
	assert_true(told.maj == 1 && told.min == 2 && told.ino == 3 &&
		    told.ino_generation == 4);
	assert_int_equal(told.prot, PROT_READ | PROT_EXEC);
	assert_int_equal(told.pid, 77);
	assert_int_equal(told.build_id_size, 20);
	assert_int_equal(told.has_fd, 0);
	assert_null(told.data);
	/* It is there for all who map it. */
	m = MAP(.addr = 0x1000, .path = "/b", .build_id = id_a,
		.build_id_size = 20, .pid = 78);
	assert_true(map_usable(m));
	assert_int_equal(asked, 1);
}

/* A process that is gone took its root with it; another one's may do. */
static void another_process(void **state)
{
	struct map *m;

	(void)state;
	opts.open = open_it;
	begin();
	asked = 0;
	only_pid = 2;
	write_elf_parts("/prog", 0x1000, id_a, NULL, 0);
	m = MAP(.addr = 0x1000, .path = "/a", .build_id = id_a,
		.build_id_size = 20, .pid = 1);
	assert_false(map_usable(m));
	assert_false(map_usable(m));
	m = MAP(.addr = 0x2000, .path = "/a", .build_id = id_a,
		.build_id_size = 20, .pid = 1);
	assert_false(map_usable(m));
	assert_int_equal(asked, 1);
	m = MAP(.addr = 0x3000, .path = "/a", .build_id = id_a,
		.build_id_size = 20, .pid = 2);
	assert_true(map_usable(m));
	assert_int_equal(asked, 2);
	assert_true(map_usable(space_find(space, 0x1000)));
	assert_true(map_usable(space_find(space, 0x2000)));
	assert_int_equal(asked, 2);
}

/* Without a build-id elsewhere it is looked for under every path. */
static void another_path(void **state)
{
	struct map *m;
	size_t n;

	(void)state;
	write_elf_parts("/b", 0x1000, id_a, NULL, 0);
	m = MAP(.addr = 0x1000, .path = "/a", .build_id = id_a,
		.build_id_size = 20);
	assert_false(map_usable(m));
	n = ustack_images_unusable(images, NULL, NULL);
	assert_int_equal(n, 1);
	/* Once for each: it is not there a moment later either. */
	write_elf_parts("/a", 0x1000, id_a, NULL, 0);
	m = MAP(.addr = 0x2000, .path = "/a", .build_id = id_a,
		.build_id_size = 20);
	assert_false(map_usable(m));
	m = MAP(.addr = 0x3000, .path = "/b", .build_id = id_a,
		.build_id_size = 20);
	assert_true(map_usable(m));
	assert_true(map_usable(space_find(space, 0x1000)));
	assert_int_equal(ustack_images_unusable(images, NULL, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_begun, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(by_build_id),  TEST(by_inode),
		TEST(inode_without_generation),
		TEST(jit),	    TEST(bytes),
		TEST(jit_object),   TEST(descriptor),
		TEST(refused),
		TEST(id_in_a_section), TEST(jit_elf),
		TEST(replaced), TEST(replaced_by_itself),
		TEST(replaced_while_recorded), TEST(rewritten),
		TEST(of_the_process), TEST(mapped_still),
		TEST(open_is_told), TEST(another_process),
		TEST(another_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
