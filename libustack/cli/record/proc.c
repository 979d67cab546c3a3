// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Records of what the kernel told nobody, as it was there before. */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/record/proc.h"
#include "util/note.h"
#include "util/proc.h"

#ifndef PERF_RECORD_MISC_MMAP_BUILD_ID
#define PERF_RECORD_MISC_MMAP_BUILD_ID (1 << 14)
#endif

#define ID_MAX 20
#define NOTES_MAX 65536u
/* pid and tid, time, cpu, id: the sample_id of a record that has none of them */
#define SAMPLE_ID_SIZE (4 * 8)

struct id {
	uint8_t size;
	uint8_t bytes[ID_MAX];
};

/* A record of any kind here. */
struct any {
	struct perf_event_header h;
	union {
		struct {
			uint32_t pid, tid;
			char comm[16];
		} comm;
		struct {
			uint32_t pid, tid;
			uint64_t addr, len, pgoff;
			union {
				struct {
					uint32_t maj, min;
					uint64_t ino, generation;
				};
				struct {
					uint8_t size, reserved[3];
					uint8_t id[ID_MAX];
				};
			};
			uint32_t prot, flags;
			char path[PATH_MAX];
		} map;
	};
	uint64_t room[SAMPLE_ID_SIZE / 8 + 1];
};

/*
 * Writes the record, of time, up to the end of its last string, which is at string.
 */
static int put(struct record_file *f, struct any *r, const char *string,
	       uint64_t time)
{
	size_t size = string + strlen(string) + 1 - (char *)r;
	size_t whole = (size + 7) / 8 * 8;

	memset((char *)r + size, 0, whole - size + SAMPLE_ID_SIZE);
	memcpy((char *)r + whole + 8, &time, sizeof(time));
	r->h.size = whole + SAMPLE_ID_SIZE;
	return record_file_record(f, r);
}

/* --- build-ids ------------------------------------------------------------------ */

/* The build-id among size bytes of notes. */
static void find_note(const uint8_t *p, size_t size, struct id *id)
{
	size_t n;
	const uint8_t *found = note_build_id(p, size, &n);

	if (!found || n > ID_MAX)
		return;
	id->size = n;
	memcpy(id->bytes, found, n);
}

static void read_notes(int fd, uint64_t at, uint64_t size, struct id *id)
{
	uint8_t *buf;
	ssize_t n;

	if (id->size || !size || size > NOTES_MAX)
		return;
	buf = malloc(size);
	if (!buf)
		return;
	n = pread(fd, buf, size, at);
	if (n > 0)
		find_note(buf, n, id);
	free(buf);
}

/* As the kernel finds it: in the notes that are loaded. */
static void file_id(int fd, struct id *id)
{
	GElf_Phdr p;
	size_t i, nr;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (elf_getphdrnum(elf, &nr))
		nr = 0;
	for (i = 0; i < nr && gelf_getphdr(elf, i, &p); i++)
		if (p.p_type == PT_NOTE)
			read_notes(fd, p.p_offset, p.p_filesz, id);
	elf_end(elf);
}

/* Of the vDSO, which is the same for every process of 64 bits. */
static void vdso_id(struct id *id)
{
	const Elf64_Ehdr *e = (const void *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Phdr *p;
	size_t i;

	if (!e)
		return;
	p = (const void *)((const char *)e + e->e_phoff);
	for (i = 0; i < e->e_phnum; i++)
		if (p[i].p_type == PT_NOTE)
			find_note((const uint8_t *)e + p[i].p_offset,
				  p[i].p_filesz, id);
}

/* The file as the process sees it, unless it cannot be opened that way. */
static void path_id(uint32_t pid, const char *path, struct id *id)
{
	char in[PATH_MAX + 32];
	int fd;

	if (!strcmp(path, "[vdso]"))
		vdso_id(id);
	if (*path != '/')
		return;
	snprintf(in, sizeof(in), "/proc/%" PRIu32 "/root%s", pid, path);
	/* It may be a FIFO, or a device. */
	fd = open(in, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return;
	file_id(fd, id);
	close(fd);
}

/* --- processes -------------------------------------------------------------------- */

static int put_comm(struct record_file *f, uint32_t pid, uint32_t tid,
		    uint64_t time)
{
	struct any r = { .h.type = PERF_RECORD_COMM };
	char path[64];
	FILE *p;
	bool good;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task/%" PRIu32 "/comm",
		 pid, tid);
	p = fopen(path, "re");
	good = p && fgets(r.comm.comm, sizeof(r.comm.comm), p);
	if (p)
		fclose(p);
	if (!good)
		return 0; /* threads end at any time */
	r.comm.comm[strcspn(r.comm.comm, "\n")] = 0;
	r.comm.pid = pid;
	r.comm.tid = tid;
	/* What was known of it before may be of another program. */
	if (time && tid == pid)
		r.h.misc = PERF_RECORD_MISC_COMM_EXEC;
	return put(f, &r, r.comm.comm, time);
}

/* A line of /proc/PID/maps; false: not of interest. */
static bool parse_map(char *line, struct any *r, bool data)
{
	char prot[5] = "";
	int n = 0;
	uint64_t end;

	if (sscanf(line,
		   "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64
		   " %n",
		   &r->map.addr, &end, prot, &r->map.pgoff, &r->map.maj,
		   &r->map.min, &r->map.ino, &n) != 7)
		return false;
	if (prot[2] != 'x') {
		if (!data || line[n] != '/')
			return false;
		r->h.misc |= PERF_RECORD_MISC_MMAP_DATA;
	}
	line[strcspn(line, "\n")] = 0;
	r->map.len = end - r->map.addr;
	r->map.prot = (prot[2] == 'x' ? PROT_EXEC : 0) | (prot[0] == 'r' ? PROT_READ : 0) |
		      (prot[1] == 'w' ? PROT_WRITE : 0);
	r->map.flags = prot[3] == 's' ? MAP_SHARED : MAP_PRIVATE;
	snprintf(r->map.path, sizeof(r->map.path), "%s",
		 line[n] ? line + n : "//anon");
	return true;
}

static int put_maps(struct record_file *f, uint32_t pid, bool data,
		    uint64_t time)
{
	const uint32_t memory = proc_with_memory(pid);
	char path[64], *line = NULL;
	size_t cap = 0;
	FILE *p;
	int ret = 0;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/maps", memory);
	p = fopen(path, "re");
	if (!p)
		return 0;
	while (!ret && getline(&line, &cap, p) > 0) {
		struct any r = { .h = { .type = PERF_RECORD_MMAP2,
					.misc = PERF_RECORD_MISC_USER } };
		struct id id = { 0 };

		if (!parse_map(line, &r, data))
			continue;
		r.map.pid = r.map.tid = pid;
		path_id(memory, r.map.path, &id);
		if (id.size) {
			r.h.misc |= PERF_RECORD_MISC_MMAP_BUILD_ID;
			r.map.size = id.size;
			memset(r.map.reserved, 0, sizeof(r.map.reserved));
			memcpy(r.map.id, id.bytes, ID_MAX);
		}
		ret = put(f, &r, r.map.path, time);
	}
	free(line);
	fclose(p);
	return ret;
}

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return x < y ? -1 : x > y;
}

long record_numbers(const char *dir, int **out)
{
	struct dirent *d;
	long nr = 0;
	DIR *p;

	*out = NULL;
	p = opendir(dir);
	if (!p)
		return -errno;
	while ((d = readdir(p))) {
		int number = atoi(d->d_name), *more;

		if (number <= 0)
			continue;
		more = realloc(*out, (nr + 1) * sizeof(*more));
		if (!more) {
			free(*out);
			*out = NULL;
			nr = -ENOMEM;
			break;
		}
		*out = more;
		more[nr++] = number;
	}
	closedir(p);
	if (nr > 0)
		qsort(*out, nr, sizeof(**out), by_number);
	return nr;
}

int record_process(struct record_file *f, uint32_t pid, bool data,
		   uint64_t time)
{
	char path[64];
	long i, nr;
	int *tid, ret = 0;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task", pid);
	nr = record_numbers(path, &tid);
	for (i = 0; i < nr && !ret; i++)
		ret = put_comm(f, pid, tid[i], time);
	free(tid);
	return ret ? ret : put_maps(f, pid, data, time);
}

/* --- the kernel --------------------------------------------------------------------- */

/* Bytes of its text as memory has it; 0: nobody is to know. */
static uint64_t kernel_code(void)
{
	char line[256];
	uint64_t first, last, size = 0;
	int n;
	FILE *f = fopen("/proc/iomem", "re");

	while (f && !size && fgets(line, sizeof(line), f)) {
		n = 0;
		if (sscanf(line, " %" SCNx64 "-%" SCNx64 " : Kernel code%n",
			   &first, &last, &n) == 2 && n && last > first)
			size = last - first + 1;
	}
	if (f)
		fclose(f);
	return size;
}

/*
 * Where its text is; false where that is nobody's business.  _text is among the first
 * symbols; to read them up to _etext takes more time than all the rest of a start.
 */
static bool kernel_text(uint64_t *start, uint64_t *end)
{
	const uint64_t size = kernel_code();
	char line[256], name[128];
	uint64_t addr;
	FILE *f = fopen("/proc/kallsyms", "re");

	*start = *end = 0;
	while (f && !*end && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 " %*c %127s", &addr, name) != 2)
			continue;
		if (!strcmp(name, "_text"))
			*start = addr;
		if (*start && size)
			*end = *start + size;
		if (!strcmp(name, "_etext"))
			*end = addr;
	}
	if (f)
		fclose(f);
	return *start && *end > *start;
}

static int put_kernel_map(struct record_file *f, uint64_t addr, uint64_t len,
			  uint64_t pgoff, const char *name)
{
	struct any r = { .h = { .type = PERF_RECORD_MMAP2,
				.misc = PERF_RECORD_MISC_KERNEL } };

	r.map.pid = UINT32_MAX;
	r.map.addr = addr;
	r.map.len = len;
	r.map.pgoff = pgoff;
	r.map.prot = PROT_READ | PROT_EXEC;
	r.map.flags = MAP_PRIVATE;
	snprintf(r.map.path, sizeof(r.map.path), "%s", name);
	return put(f, &r, r.map.path, 0);
}

/* Of the kernel, or of a module of it. */
static int put_kernel_id(struct record_file *f, const char *notes,
			 const char *name)
{
	int fd = open(notes, O_RDONLY | O_CLOEXEC);
	uint8_t buf[4096];
	struct id id = { 0 };
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf));
	close(fd);
	if (n > 0)
		find_note(buf, n, &id);
	return record_file_build_id(f, PERF_RECORD_MISC_KERNEL, name, id.bytes,
				    id.size);
}

static int put_modules(struct record_file *f)
{
	char line[4096], name[64], shown[80], notes[128];
	FILE *p = fopen("/proc/modules", "re");
	uint64_t size, addr;
	int ret = 0;

	/* name size users dependants state address */
	while (p && !ret && fgets(line, sizeof(line), p))
		if (sscanf(line, "%63s %" SCNu64 " %*s %*s %*s %" SCNx64, name,
			   &size, &addr) == 3 &&
		    addr) {
			snprintf(shown, sizeof(shown), "[%s]", name);
			snprintf(notes, sizeof(notes),
				 "/sys/module/%s/notes/.note.gnu.build-id", name);
			ret = put_kernel_id(f, notes, shown);
			if (!ret)
				ret = put_kernel_map(f, addr, size, 0, shown);
		}
	if (p)
		fclose(p);
	return ret;
}

int record_kernel(struct record_file *f)
{
	uint64_t start, end;
	int ret;

	if (!kernel_text(&start, &end))
		return 0;
	ret = put_kernel_id(f, "/sys/kernel/notes", "[kernel.kallsyms]");
	if (!ret)
		ret = put_kernel_map(f, start, end - start, start,
				     "[kernel.kallsyms]_text");
	return ret ? ret : put_modules(f);
}
