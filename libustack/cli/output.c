// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Files that a command writes: whole, or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
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

static bool is_fifo(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISFIFO(st.st_mode);
}

int output_fd(const char *path, mode_t mode)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int fd, tries = 0;

	while ((fd = open(path,
			  O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY |
				  O_CLOEXEC,
			  mode)) < 0 &&
	       errno == ENXIO) {
		/* So are devices that are not there. */
		if (!is_fifo(path)) {
			errno = ENODEV;
			break;
		}
		if (++tries == 500) {
			errno = ENXIO;
			break;
		}
		nanosleep(&pause, NULL);
	}
	/* Only to open it. */
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

const char *output_why(int err)
{
	return err == ENXIO ? "nobody reads this pipe" : strerror(err);
}

static int failed(const char *path, int err)
{
	fprintf(stderr, "ustack: cannot write %s: %s\n", path, output_why(err));
	return -1;
}

FILE *output_open(const struct cli *cli)
{
	char path[PATH_MAX];
	FILE *f;
	int fd;

	if (!strcmp(cli->output, "-"))
		return stdout;
	progress_clear();
	fd = output_fd(temporary(cli, path) ? path : cli->output, 0666);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		failed(cli->output, errno);
		if (fd >= 0)
			close(fd);
	}
	return f;
}

/* Why something could not be written; as it is not known any more, it has to fail again. */
static int why_bad(FILE *f)
{
	clearerr(f);
	errno = 0;
	putc('\n', f);
	fflush(f);
	return errno ? errno : EIO;
}

int output_close(const struct cli *cli, FILE *f)
{
	char path[PATH_MAX], real[PATH_MAX];
	bool moved;
	int bad;

	/* cli_flush() says it. */
	if (f == stdout)
		return 0;
	moved = temporary(cli, path);
	bad = ferror(f) ? why_bad(f) : 0;
	if (fclose(f) || bad) {
		failed(cli->output, bad ? bad : errno);
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
