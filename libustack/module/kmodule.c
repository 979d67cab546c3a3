// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Where the file of a kernel module is: at the recorded path, by build-id, or among
 * the modules of the kernels that are installed.  It may be compressed as a whole.
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module/debug_file.h"
#include "module/debuginfod.h"
#include "module/find_file.h"
#include "module/images.h"
#include "module/kernel.h"
#include "module/path.h"

/* Closes fd, which may be -errno; size is that of its file then. */
static int try_file(const struct image *image, int fd, const size_t *size,
		    struct image **out)
{
	return bare_file(image->images, &image->origins->build_id, fd,
			 fd < 0 ? 0 : *size, out);
}

/* dir/kernel/.../NAME.ko, as dir/modules.dep has it. */
static int try_listed(const struct image *image, const char *list,
		      struct image **out)
{
	char line[65536], name[MODULE_MAX], own[MODULE_MAX];
	const int dir = strrchr(list, '/') - list;
	FILE *f = fopen(list, "re");
	int err = -ENOENT;
	size_t size;

	if (!kernel_module_name(own, image->origins->path))
		err = -EINVAL;
	/* "kernel/fs/ext4/ext4.ko.xz: kernel/..." */
	while (err == -ENOENT && f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, ":\n")] = '\0';
		if (kernel_module_name(name, line) && !strcmp(name, own))
			err = try_file(image,
				       open_path(&size, "%.*s/%s", dir, list, line),
				       &size, out);
	}
	if (f)
		fclose(f);
	return err;
}

static int try_installed(const struct image *image, struct image **out)
{
	const char *root = image->images->opts.root;
	glob_t lists = { 0 };
	char *pattern;
	int err = -ENOENT;

	if (asprintf(&pattern, "%s/lib/modules/*/modules.dep", root) < 0)
		return -ENOMEM;
	if (!glob(pattern, 0, NULL, &lists))
		for (size_t i = 0; err && err != -ENOMEM && i < lists.gl_pathc; i++)
			err = try_listed(image, lists.gl_pathv[i], out);
	globfree(&lists);
	free(pattern);
	return err;
}

/* By what distributions' debug packages and perf's cache have. */
static int try_build_id(const struct image *image, struct image **out)
{
	const struct ustack_images_opts *opts = &image->images->opts;
	const struct elf_id *id = &image->origins->build_id;
	const char *dir = opts->debug_dirs;
	size_t size;
	int err = -ENOENT;

	for (; err && *dir; dir += strcspn(dir, ":"), dir += *dir == ':')
		err = try_file(image,
			       open_build_id(dir, strcspn(dir, ":"), id,
					     ".debug", &size),
			       &size, out);
	if (err)
		err = try_file(image,
			       open_build_id(opts->build_id_dir,
					     strlen(opts->build_id_dir), id,
					     "/elf", &size),
			       &size, out);
	return err;
}

static int try_path(const struct image *image, struct image **out)
{
	const char *path = image->origins->path;
	size_t size;

	return *path != '/' ?
		       -ENOENT :
		       try_file(image,
				open_path(&size, "%s%s",
					  image->images->opts.root, path),
				&size, out);
}

static int try_servers(const struct image *image, struct image **out)
{
	size_t size;

	return try_file(image,
			debuginfod_open(image->images, DEBUGINFOD_DEBUG,
					&image->origins->build_id, &size),
			&size, out);
}

int kernel_module_file(const struct image *image, struct image **out)
{
	static int (*const ways[])(const struct image *image,
				   struct image **out) = {
		try_path, try_build_id, try_installed, try_servers
	};
	const struct origin *origin = image->origins;
	int err = -ENOENT, tried;

	*out = NULL;
	if (!origin->build_id.size || !strcmp(origin->path, KERNEL_PATH))
		return -ENOENT;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		tried = ways[i](image, out);
		if (!tried || tried == -ENOMEM)
			return tried;
		if (tried == -ESTALE)
			err = tried;
	}
	return err;
}
