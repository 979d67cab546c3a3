// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Files that a command writes: whole, or not at all. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

/* The file itself, where output is a link to it. */
static const char *target(const struct cli *cli, char path[PATH_MAX])
{
	return realpath(cli->output, path) ? path : cli->output;
}

/* Its name until it is whole; false: it is written in place, as a device is. */
static bool temporary(const struct cli *cli, char path[PATH_MAX])
{
	char real[PATH_MAX];
	struct stat st;

	if (!stat(cli->output, &st) && !S_ISREG(st.st_mode))
		return false;
	return snprintf(path, PATH_MAX, "%s.new", target(cli, real)) < PATH_MAX;
}

static bool is_output(const struct cli *cli, const char *path)
{
	struct stat out, in;

	if (!path || stat(cli->output, &out) || !S_ISREG(out.st_mode) ||
	    (strcmp(path, "-") ? stat(path, &in) : fstat(STDIN_FILENO, &in)))
		return false;
	return out.st_dev == in.st_dev && out.st_ino == in.st_ino;
}

int output_check(const struct cli *cli)
{
	if (!is_output(cli, cli->path) && !is_output(cli, cli->before))
		return 0;
	fprintf(stderr, "ustack: %s is the recording to read: name another file with -o\n",
		cli->output);
	return -1;
}

static int failed(const char *path, int err)
{
	fprintf(stderr, "ustack: cannot write %s: %s\n", path, strerror(err));
	return -1;
}

FILE *output_open(const struct cli *cli)
{
	char path[PATH_MAX];
	FILE *f;

	if (!strcmp(cli->output, "-"))
		return stdout;
	progress_clear();
	f = fopen(temporary(cli, path) ? path : cli->output, "we");
	if (!f)
		failed(cli->output, errno);
	return f;
}

int output_close(const struct cli *cli, FILE *f)
{
	char path[PATH_MAX], real[PATH_MAX];
	bool moved, bad;

	/* cli_flush() says it. */
	if (f == stdout)
		return 0;
	moved = temporary(cli, path);
	errno = 0;
	bad = ferror(f);
	if (fclose(f) || bad) {
		failed(cli->output, errno ? errno : EIO);
		if (moved)
			unlink(path);
		return -1;
	}
	if (moved && rename(path, target(cli, real)))
		return failed(cli->output, errno);
	return 0;
}

void output_json(FILE *f, const char *s)
{
	putc('"', f);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			putc('\\', f);
		/* Nothing in it ends a script. */
		if (*s == '<')
			fputs("\\u003c", f);
		else
			putc(*s, f);
	}
	putc('"', f);
}
