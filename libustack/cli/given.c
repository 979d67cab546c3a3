// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Are the files of --vdso and --vmlinux such, and directories directories?  With
 * others, frames and names would be missing or wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

/* The offset in the file of what is at vaddr; -1: nothing is. */
static int64_t offset_of(Elf *elf, size_t nr, uint64_t vaddr)
{
	GElf_Phdr ph;

	for (size_t i = 0; i < nr && gelf_getphdr(elf, i, &ph); i++)
		if (ph.p_type == PT_LOAD && vaddr - ph.p_vaddr < ph.p_filesz)
			return vaddr - ph.p_vaddr + ph.p_offset;
	return -1;
}

/* By the program headers: a copy from memory may lack sections. */
static Elf_Data *dynamic_of(Elf *elf, size_t nr)
{
	GElf_Phdr ph;

	for (size_t i = 0; i < nr && gelf_getphdr(elf, i, &ph); i++)
		if (ph.p_type == PT_DYNAMIC)
			return elf_getdata_rawchunk(elf, ph.p_offset,
						    ph.p_filesz, ELF_T_DYN);
	return NULL;
}

/* Does it call itself what the kernel's vDSOs of 64 and 32 bits do? */
static bool has_name(Elf *elf)
{
	static const char *const names[] = { "linux-vdso.so.1",
					     "linux-gate.so.1" };
	uint64_t strings = 0, name = 0, end;
	const char *file;
	size_t nr, size;
	Elf_Data *data;
	GElf_Dyn dyn;
	int64_t at;

	if (elf_getphdrnum(elf, &nr) || !(data = dynamic_of(elf, nr)))
		return false;
	for (int i = 0; gelf_getdyn(data, i, &dyn) && dyn.d_tag != DT_NULL; i++)
		if (dyn.d_tag == DT_STRTAB)
			strings = dyn.d_un.d_ptr;
		else if (dyn.d_tag == DT_SONAME)
			name = dyn.d_un.d_val;
	at = offset_of(elf, nr, strings + name);
	file = elf_rawfile(elf, &size);
	for (size_t i = 0; i < 2; i++) {
		end = (uint64_t)at + strlen(names[i]) + 1;
		if (at >= 0 && file && end <= size &&
		    !strcmp(file + at, names[i]))
			return true;
	}
	return false;
}

static bool is_vdso(Elf *elf)
{
	GElf_Ehdr ehdr;

	return gelf_getehdr(elf, &ehdr) && ehdr.e_type == ET_DYN &&
	       has_name(elf);
}

static bool is_elf(Elf *elf)
{
	GElf_Ehdr ehdr;

	return gelf_getehdr(elf, &ehdr);
}

/* Is it a regular file that is so? */
static bool file_is(int fd, bool (*is)(Elf *elf))
{
	struct stat st;
	bool good;
	Elf *elf;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return false;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	good = elf && is(elf);
	elf_end(elf);
	return good;
}

/* 0, or exit status 1 after an error line: what is wrong with the file of option. */
static int check(const char *option, const char *path, bool (*is)(Elf *elf),
		 const char *wrong)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool good = fd >= 0 && file_is(fd, is);

	if (!good)
		fprintf(stderr, "ustack: %s %s: %s\n", option, path,
			fd < 0 ? strerror(errno) : wrong);
	if (fd >= 0)
		close(fd);
	return good ? 0 : 1;
}

int cli_check_vdso(const char *path)
{
	return check("--vdso", path, is_vdso,
		     "is not a vDSO, a shared object named linux-vdso.so.1 or linux-gate.so.1");
}

int cli_check_dirs(const char *option, const char *dirs, const char *between)
{
	char path[PATH_MAX];
	struct stat st;
	size_t len;

	for (; *dirs; dirs += len + !!dirs[len]) {
		len = strcspn(dirs, between);
		snprintf(path, sizeof(path), "%.*s", (int)len, dirs);
		errno = ENOTDIR;
		if (!len || (!stat(path, &st) && S_ISDIR(st.st_mode)))
			continue;
		fprintf(stderr, "ustack: %s %s: %s\n", option, path,
			strerror(errno));
		return 1;
	}
	return 0;
}

int cli_check_vmlinux(const char *path)
{
	return check("--vmlinux", path, is_elf,
		     "is no ELF file: name the vmlinux of the recorded kernel, not a bzImage");
}
