// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Where the file of a kernel module is: at the recorded path, by build-id, or among
 * the modules of the kernels that are installed.  It may be compressed as a whole.
 */
#include <errno.h>
#include <gelf.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module/debug_file.h"
#include "module/debuginfod.h"
#include "module/find_file.h"
#include "module/images.h"
#include "module/kernel.h"
#include "module/layout.h"
#include "module/path.h"

/* What is looked for: the file of image, with debug information or without. */
struct wanted {
	const struct image *image;
	bool debug;
};

static bool has_debug_info(struct image *file)
{
	struct section info;

	return !image_section(file, ".debug_info", &info);
}

/* Closes fd, which may be -errno; size is that of its file then. */
static int try_file(const struct wanted *w, int fd, const size_t *size,
		    struct image **out)
{
	struct image *file;
	int err = bare_file(w->image->images, &w->image->origins->build_id, fd,
			    fd < 0 ? 0 : *size, &file);

	if (!err && w->debug && !has_debug_info(file)) {
		image_free(file);
		err = -ENOENT;
	}
	if (!err)
		*out = file;
	return err;
}

/* dir/kernel/.../NAME.ko, as dir/modules.dep has it. */
static int try_listed(const struct wanted *w, const char *list,
		      struct image **out)
{
	char line[65536], name[MODULE_MAX], own[MODULE_MAX];
	const int dir = strrchr(list, '/') - list;
	FILE *f = fopen(list, "re");
	int err = -ENOENT;
	size_t size;

	if (!kernel_module_name(own, w->image->origins->path))
		err = -EINVAL;
	/* "kernel/fs/ext4/ext4.ko.xz: kernel/..." */
	while (err == -ENOENT && f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, ":\n")] = '\0';
		if (kernel_module_name(name, line) && !strcmp(name, own))
			err = try_file(w,
				       open_path(&size, "%.*s/%s", dir, list, line),
				       &size, out);
	}
	if (f)
		fclose(f);
	return err;
}

static int try_installed(const struct wanted *w, struct image **out)
{
	const char *root = w->image->images->opts.root;
	glob_t lists = { 0 };
	char *pattern;
	int err = -ENOENT;

	if (asprintf(&pattern, "%s/lib/modules/*/modules.dep", root) < 0)
		return -ENOMEM;
	if (!glob(pattern, 0, NULL, &lists))
		for (size_t i = 0; err && err != -ENOMEM && i < lists.gl_pathc; i++)
			err = try_listed(w, lists.gl_pathv[i], out);
	globfree(&lists);
	free(pattern);
	return err;
}

/* By what distributions' debug packages and perf's cache have. */
static int try_build_id(const struct wanted *w, struct image **out)
{
	const struct ustack_images_opts *opts = &w->image->images->opts;
	const struct elf_id *id = &w->image->origins->build_id;
	const char *dir = opts->debug_dirs;
	size_t size;
	int err = -ENOENT;

	for (; err && *dir; dir += strcspn(dir, ":"), dir += *dir == ':')
		err = try_file(w,
			       open_build_id(dir, strcspn(dir, ":"), id,
					     ".debug", &size),
			       &size, out);
	if (err)
		err = try_file(w,
			       open_build_id(opts->build_id_dir,
					     strlen(opts->build_id_dir), id,
					     "/elf", &size),
			       &size, out);
	return err;
}

static int try_path(const struct wanted *w, struct image **out)
{
	const char *path = w->image->origins->path;
	size_t size;

	return *path != '/' ?
		       -ENOENT :
		       try_file(w,
				open_path(&size, "%s%s",
					  w->image->images->opts.root, path),
				&size, out);
}

static int try_servers(const struct wanted *w, struct image **out)
{
	size_t size;

	return try_file(w,
			debuginfod_open(w->image->images, DEBUGINFOD_DEBUG,
					&w->image->origins->build_id, &size),
			&size, out);
}

/* Its layout, and code as that has it. */
static int set_layout(struct image *file)
{
	Elf *elf = image_elf(file);
	int err = elf ? layout_new(&file->layout, elf) : -EBADMSG;

	if (err)
		return err;
	file->code = calloc(1, sizeof(*file->code));
	if (!file->code)
		return -ENOMEM;
	file->code[0].vaddr = LAYOUT_BASE;
	file->code[0].size = file->layout->size;
	file->nr_code = 1;
	return 0;
}

/* 0, or why it was not found. */
static int find_file(const struct wanted *w, struct image **out)
{
	static int (*const ways[])(const struct wanted *w,
				   struct image **out) = {
		try_path, try_build_id, try_installed, try_servers
	};
	int err = -ENOENT, tried;

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		tried = ways[i](w, out);
		if (!tried || tried == -ENOMEM)
			return tried;
		if (tried == -ESTALE)
			err = tried;
	}
	return err;
}

int kernel_module_file(const struct image *image, bool debug, struct image **out)
{
	const struct wanted wanted = { image, debug };
	const struct origin *origin = image->origins;
	int err;

	*out = NULL;
	if (!origin->build_id.size || !strcmp(origin->path, KERNEL_PATH))
		return -ENOENT;
	err = find_file(&wanted, out);
	if (err)
		return err;
	err = set_layout(*out);
	if (err) {
		image_free(*out);
		*out = NULL;
	}
	return err;
}
