// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Where a recording goes, and under which name. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/record/run.h"

/*
 * The file itself, where path is a link to it; links of the system lead to what is
 * open already.
 */
static const char *target(const char *path, char real[PATH_MAX])
{
	return strncmp(path, "/dev/", 5) && strncmp(path, "/proc/", 6) &&
			       realpath(path, real) ?
		       real :
		       path;
}

/* A file that is there becomes FILE.old, as perf does it. */
static void keep_old(const char *path)
{
	char old[PATH_MAX];
	struct stat st;

	if (!lstat(path, &st) && S_ISREG(st.st_mode) && st.st_size &&
	    snprintf(old, sizeof(old), "%s.old", path) < (int)sizeof(old))
		rename(path, old);
}

static int put_features(struct recorder *r)
{
	const uint32_t cpus[2] = { sysconf(_SC_NPROCESSORS_CONF),
				   sysconf(_SC_NPROCESSORS_ONLN) };
	static const char version[] = "ustack " USTACK_VERSION;
	const struct {
		enum record_feature feature;
		const char *text;
	} *t, texts[] = {
		{ RECORD_HOSTNAME, NULL },
		{ RECORD_OSRELEASE, NULL },
		{ RECORD_ARCH, NULL },
		{ RECORD_VERSION, version },
	};
	struct utsname u;
	const char *of[3];
	int ret = 0;

	uname(&u);
	of[0] = u.nodename;
	of[1] = u.release;
	of[2] = u.machine;
	for (t = texts; t < texts + 4 && !ret; t++) {
		const char *s = t->text ? t->text : of[t - texts];

		ret = record_file_strings(r->file, t->feature, &s, 1);
	}
	if (!ret)
		ret = record_file_bytes(r->file, RECORD_NRCPUS, cpus,
					sizeof(cpus));
	return ret ? ret :
		     record_file_strings(r->file, RECORD_CMDLINE,
					 (const char *const *)r->o->argv,
					 r->o->argc);
}

/*
 * Has a name of its own until something is recorded, so that a mistake leaves the
 * last recording as it is.
 */
static int open_file(struct recorder *r)
{
	char real[PATH_MAX];
	const char *path = target(r->o->path, real);
	struct stat st;
	int fd = -1;

	if (lstat(path, &st) || S_ISREG(st.st_mode)) {
		if (asprintf(&r->temporary, "%s.XXXXXX", path) < 0)
			r->temporary = NULL;
		else
			fd = mkostemp(r->temporary, O_CLOEXEC);
	}
	if (fd >= 0)
		return fd;
	free(r->temporary);
	r->temporary = NULL;
	return output_fd(path, 0600);
}

int record_name_file(struct recorder *r)
{
	char real[PATH_MAX];
	const char *path = target(r->o->path, real);
	int ret = 0;

	if (!r->temporary)
		return 0;
	keep_old(path);
	if (rename(r->temporary, path)) {
		ret = record_fail(r, "cannot rename a file to it: ", -errno);
		unlink(r->temporary);
	}
	free(r->temporary);
	r->temporary = NULL;
	return ret;
}

int record_open_output(struct recorder *r)
{
	const char *path = r->o->path;
	size_t i;
	int ret;

	if (r->o->top) {
		r->fd = -1;
	} else if (!strcmp(path, "-")) {
		if (isatty(STDOUT_FILENO))
			return record_fail(r,
				    "is a terminal; name a file with -o, or a pipe",
				    0);
		if ((fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY)
			return record_fail(r, "is closed, or not to be written", 0);
		r->fd = STDOUT_FILENO;
	} else {
		r->fd = open_file(r);
		if (r->fd < 0)
			return record_fail(r, "cannot open: ", -errno);
	}
	ret = record_file_new(&r->file, r->fd, r->c->events->ev,
			      r->c->events->nr,
			      (r->o->plain ? 0 : RECORD_ZSTD) |
				      (r->o->raw ? RECORD_STACKS : 0) |
				      (r->o->top ? RECORD_NOWHERE : 0));
	for (i = 0; i < r->c->track.nr_ids && !ret; i++)
		ret = record_file_alias(r->file, r->c->track.ids[i], 0);
	if (!ret)
		ret = put_features(r);
	return ret ? record_write_failed(r, ret) : 0;
}
