/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* ELF files written down in the test, in a directory of its own. */
#ifndef ELFFILE_H
#define ELFFILE_H

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "literal.h"
#include "module/image.h"

static char dir[] = "/tmp/test_XXXXXX";

/* DIR/name, borrowed until the fourth call after this one. */
static inline const char *in_dir(const char *name)
{
	static char path[4][4096];
	static unsigned int n;

	snprintf(path[++n % 4], sizeof(path[0]), "%s%s", dir, name);
	return path[n % 4];
}

/* Makes the directories too. */
static inline void write_file(const char *name, const void *data, size_t size)
{
	char *path = strdup(in_dir(name));
	int fd;

	for (char *p = path + strlen(dir) + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		mkdir(path, 0700);
		*p = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	close(fd);
	free(path);
}

static inline int make_dir(void)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static inline int remove_one(const char *path, const struct stat *st, int type,
			     struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int remove_dir(void)
{
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* --- the files --------------------------------------------------------------- */

struct part {
	const char *name;
	uint32_t type, link;
	uint64_t flags, vaddr, entsize;
	const void *data;
	size_t size;
};

struct note {
	Elf64_Nhdr nhdr;
	char name[4];
	uint8_t id[20];
};

struct elf_file {
	Elf64_Ehdr ehdr;
	Elf64_Phdr load, note;
	struct note id;
	uint8_t rest[20000];	/* sections, their names, their headers */
	size_t size;		/* of the file */
};

/*
 * A file whose one segment has vaddr base, with a build-id or NULL, and with
 * nr sections; those with a vaddr lie in the segment only if it fits.
 */
static inline void make_elf(struct elf_file *f, uint64_t base,
			    const uint8_t *id, const struct part *parts,
			    size_t nr)
{
	Elf64_Shdr sh[20] = { 0 };
	size_t at = offsetof(struct elf_file, rest), names_at, i;
	char names[512] = "";
	size_t names_size = 1;

	memset(f, 0, sizeof(*f));
	f->ehdr = (Elf64_Ehdr){
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = offsetof(struct elf_file, load),
		.e_ehsize = sizeof(f->ehdr),
		.e_phentsize = sizeof(f->load),
		.e_phnum = 2,
	};
	f->load = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R | PF_X,
				.p_vaddr = base };
	f->note = (Elf64_Phdr){ .p_type = PT_NOTE, .p_align = 4,
				.p_offset = offsetof(struct elf_file, id),
				.p_filesz = sizeof(f->id) };
	f->id = (struct note){ { 4, 20, id ? NT_GNU_BUILD_ID : 0 }, "GNU",
			       { 0 } };
	if (id)
		memcpy(f->id.id, id, 20);
	for (i = 1; i <= nr; i++, parts++) {
		at = (at + 7) & -8UL;
		assert_true(at + parts->size <= offsetof(struct elf_file, size));
		memcpy((uint8_t *)f + at, parts->data, parts->size);
		sh[i] = (Elf64_Shdr){
			.sh_name = names_size, .sh_type = parts->type,
			.sh_flags = parts->flags, .sh_addr = parts->vaddr,
			.sh_offset = at, .sh_size = parts->size,
			.sh_link = parts->link, .sh_entsize = parts->entsize,
			.sh_addralign = 8,
		};
		strcpy(names + names_size, parts->name);
		names_size += strlen(parts->name) + 1;
		at += parts->size;
	}
	names_at = at;
	sh[i] = (Elf64_Shdr){ .sh_name = 0, .sh_type = SHT_STRTAB,
			      .sh_offset = at, .sh_size = names_size };
	memcpy((uint8_t *)f + at, names, names_size);
	at = (names_at + names_size + 7) & -8UL;
	f->ehdr.e_shoff = at;
	f->ehdr.e_shentsize = sizeof(sh[0]);
	f->ehdr.e_shnum = nr + 2;
	f->ehdr.e_shstrndx = nr + 1;
	assert_true(at + (nr + 2) * sizeof(sh[0]) <=
		    offsetof(struct elf_file, size));
	memcpy((uint8_t *)f + at, sh, (nr + 2) * sizeof(sh[0]));
	f->size = at + (nr + 2) * sizeof(sh[0]);
	f->load.p_filesz = f->size;
}

static inline void write_elf_parts(const char *name, uint64_t base,
				   const uint8_t *id, const struct part *parts,
				   size_t nr)
{
	static struct elf_file f;

	make_elf(&f, base, id, parts, nr);
	write_file(name, &f, f.size);
}

#endif
