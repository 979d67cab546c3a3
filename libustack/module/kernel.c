// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The kernel: where its files are, and the one that runs.  A build-id decides on
 * every file but /proc/kallsyms and perf's copies of it, which have none: those are
 * of the kernel whose notes are shown beside them, or of the directory they are in.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "module/debuginfod.h"
#include "module/find_file.h"
#include "module/images.h"
#include "module/kernel.h"
#include "module/path.h"
#include "util/note.h"

#define NOTES_MAX 4096
/* Against a copy of kallsyms that is damaged; a whole one has some MB. */
#define COPY_MAX (256u << 20)

/* The build-id among the notes in a file of sysfs. */
static void read_notes(struct elf_id *id, const char *path)
{
	uint8_t notes[NOTES_MAX];
	const uint8_t *found = NULL;
	size_t size;
	ssize_t n;
	int fd;

	id->size = 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, notes, sizeof(notes));
	close(fd);
	if (n > 0)
		found = note_build_id(notes, n, &size);
	if (!found || size > sizeof(id->bytes))
		return;
	memcpy(id->bytes, found, size);
	id->size = size;
}

bool kernel_module_name(char name[MODULE_MAX], const char *path)
{
	const char *base = strrchr(path, '/');
	size_t n;

	base = base ? base + 1 : path + (*path == '[');
	n = strcspn(base, ".]");
	if (!n || n >= MODULE_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		name[i] = base[i] == '-' ? '_' : base[i];
	name[n] = '\0';
	return true;
}

static void running_id(struct elf_id *id, bool is_core, const char *module)
{
	char path[128];

	if (is_core)
		snprintf(path, sizeof(path), "/sys/kernel/notes");
	else
		snprintf(path, sizeof(path),
			 "/sys/module/%s/notes/.note.gnu.build-id", module);
	read_notes(id, path);
}

/* --- vmlinux ---------------------------------------------------------------- */

static bool has_kallsyms(const struct image *image)
{
	struct kallsyms k;

	if (kernel_open_kallsyms(&k, image, kernel_runs(image)))
		return false;
	fclose(k.file);
	return true;
}

int kernel_open_image(const struct image *image, unsigned int n, size_t *size)
{
	const struct ustack_images_opts *opts = &image->images->opts;
	const struct elf_id *id = &image->origin->build_id;
	const char *dirs = opts->debug_dirs;
	struct utsname own;

	/* Those of modules are not linked: kallsyms knows where their parts are. */
	if (strcmp(image->origin->path, KERNEL_PATH))
		return -ENOSYS;
	if (uname(&own))
		own.release[0] = '\0';
	switch (n) {
	case 0:
		return *opts->vmlinux ? open_path(size, "%s", opts->vmlinux) :
					-ENOENT;
	case 1:
		return open_build_id(dirs, strcspn(dirs, ":"), id, ".debug",
				     size);
	case 2:
		return open_build_id(opts->build_id_dir,
				     strlen(opts->build_id_dir), id, "/vmlinux",
				     size);
	case 3:
		return open_build_id(opts->build_id_dir,
				     strlen(opts->build_id_dir), id, "/elf",
				     size);
	case 4:
		return open_path(size, "%s/usr/lib/debug/boot/vmlinux-%s",
				 opts->root, own.release);
	case 5:
		return open_path(size, "%s/boot/vmlinux-%s", opts->root,
				 own.release);
	case 6:
		return open_path(size,
				 "%s/usr/lib/debug/lib/modules/%s/vmlinux",
				 opts->root, own.release);
	case 7:
		return open_path(size, "%s/lib/modules/%s/build/vmlinux",
				 opts->root, own.release);
	case 8:
		/* Of a GB or so: not if there are names without it. */
		return has_kallsyms(image) ?
			       -ENOENT :
			       debuginfod_open(image->images, DEBUGINFOD_DEBUG,
					       id, size);
	}
	return -ENOSYS;
}

/* --- kallsyms --------------------------------------------------------------- */

bool kernel_runs(const struct image *image)
{
	const struct elf_id *id = &image->origins->build_id;
	bool is_core = !strcmp(image->origins->path, KERNEL_PATH);
	char module[MODULE_MAX] = "";
	struct elf_id own;

	if (!is_core && !kernel_module_name(module, image->origins->path))
		return false;
	running_id(&own, is_core, module);
	return id->size && elf_id_is(&own, id);
}

/* Where the running kernel has the module. */
static int find_module(struct kallsyms *k)
{
	char line[4096], name[MODULE_MAX];
	FILE *f = fopen("/proc/modules", "re");
	int err = -ENOENT;

	/* name size users dependants state address */
	while (err && f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %" SCNu64 " %*s %*s %*s %" SCNx64, name,
			   &k->size, &k->base) == 3 &&
		    !strcmp(name, k->module))
			err = k->base ? 0 : -EACCES;
	if (f)
		fclose(f);
	return err;
}

static int open_running(struct kallsyms *k)
{
	int err = k->is_core ? 0 : find_module(k);

	if (err)
		return err;
	k->file = fopen("/proc/kallsyms", "re");
	return k->file ? 0 : -errno;
}

static int open_copy(struct kallsyms *k, const struct image *image)
{
	const char *dir = image->images->opts.build_id_dir;
	size_t size;
	int fd;

	/* It does not say where the modules began. */
	fd = !k->is_core ? -ESTALE :
			   open_build_id(dir, strlen(dir),
					 &image->origins->build_id,
					 "/kallsyms", &size);
	if (fd < 0)
		return -ESTALE;
	k->file = size <= COPY_MAX ? fdopen(fd, "r") : NULL;
	if (k->file)
		return 0;
	close(fd);
	return size <= COPY_MAX ? -ENOMEM : -EBADMSG;
}

int kernel_open_kallsyms(struct kallsyms *k, const struct image *image,
			 bool running)
{
	const struct origin *origin = image->origins;

	*k = (struct kallsyms){
		.is_core = !strcmp(origin->path, KERNEL_PATH),
	};
	if (!origin->build_id.size)
		return -ENOKEY;
	if (!k->is_core && !kernel_module_name(k->module, origin->path))
		return -ENOENT;
	return running ? open_running(k) : open_copy(k, image);
}

/* --- the space of the running kernel ----------------------------------------- */

/* Where its text is: 0, -EACCES if that is nobody's business, or -errno. */
static int kernel_text(uint64_t *start, uint64_t *end)
{
	char line[256], name[128];
	FILE *f = fopen("/proc/kallsyms", "re");
	uint64_t addr;

	*start = *end = 0;
	if (!f)
		return -errno;
	while (!*end && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 " %*c %127s", &addr, name) != 2)
			continue;
		if (!strcmp(name, "_text"))
			*start = addr;
		if (!strcmp(name, "_etext"))
			*end = addr;
	}
	fclose(f);
	return *start && *end > *start ? 0 : -EACCES;
}

static int add_module(struct ustack_space *space, const char *name,
		      uint64_t addr, uint64_t size)
{
	char path[MODULE_MAX + 2];
	struct elf_id id;
	struct ustack_map map = {
		.sz = sizeof(map),
		.addr = addr,
		.size = size,
		.path = path,
		.prot = PROT_READ | PROT_EXEC,
		.build_id = id.bytes,
		.is_kernel = 1,
	};

	running_id(&id, false, name);
	map.build_id_size = id.size;
	snprintf(path, sizeof(path), "[%s]", name);
	return ustack_space_map(space, &map);
}

static int add_modules(struct ustack_space *space)
{
	char line[4096], name[MODULE_MAX];
	FILE *f = fopen("/proc/modules", "re");
	uint64_t addr, size;
	int err = 0;

	while (!err && f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %" SCNu64 " %*s %*s %*s %" SCNx64, name,
			   &size, &addr) == 3 &&
		    addr && size)
			err = add_module(space, name, addr, size);
	if (f)
		fclose(f);
	return err;
}

int ustack_space_add_kernel(struct ustack_space *space)
{
	struct elf_id id;
	struct ustack_map map = {
		.sz = sizeof(map),
		.path = KERNEL_PATH,
		.prot = PROT_READ | PROT_EXEC,
		.build_id = id.bytes,
		.is_kernel = 1,
	};
	uint64_t end;
	int err = kernel_text(&map.addr, &end);

	if (err)
		return err;
	running_id(&id, true, NULL);
	if (!id.size)
		return -ENOENT;
	map.size = end - map.addr;
	map.build_id_size = id.size;
	err = ustack_space_map(space, &map);
	return err ? err : add_modules(space);
}
