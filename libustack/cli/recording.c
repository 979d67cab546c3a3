// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The recording: opened, read, and at the end what was lost on the way. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* The errno of the first write that failed, in whatever thread. */
static _Atomic int write_error;

void cli_write_failed(void)
{
	int none = 0;

	atomic_compare_exchange_strong(&write_error, &none,
				       errno ? errno : EIO);
}

bool cli_pipe_left(void)
{
	return write_error == EPIPE;
}

int cli_error(const struct cli *cli, const char *fmt, ...)
{
	char what[2 * PATH_MAX], line[sizeof(what) * NAME_ROOM];
	va_list ap;

	if (fflush(stdout))
		cli_write_failed();
	progress_clear();
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	*put_name(line, what) = 0;
	fprintf(stderr, "ustack: %s: %s\n",
		strcmp(cli->path, "-") ? cli->path : "standard input", line);
	return 1;
}

void cli_no_memory(const struct cli *cli)
{
	cli_error(cli, "out of memory");
	_exit(1);
}

static struct ustack_images *sigbus_images;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (!ustack_images_fault(sigbus_images, info->si_addr))
		signal(sig, SIG_DFL);
}

void cli_survive_sigbus(struct ustack_images *images)
{
	const struct sigaction act = {
		.sa_sigaction = on_sigbus,
		.sa_flags = SA_SIGINFO,
	};

	sigbus_images = images;
	sigaction(SIGBUS, &act, NULL);
}

int cli_open(struct cli *cli)
{
	const struct ustack_images_opts opts = {
		.sz = sizeof(opts),
		.vdso = cli->vdso,
		.cxx_params = cli->params,
		.vmlinux = cli->vmlinux,
		.root = cli->symfs,
		.debug_dirs = cli->debug_dirs,
		.debuginfod = 1,
	};
	int ret;

	if (cli->vdso && cli_check_vdso(cli->vdso))
		return 1;
	if (cli->vmlinux && cli_check_vmlinux(cli->vmlinux))
		return 1;
	if (cli->symfs && cli_check_dirs("--symfs", cli->symfs, ""))
		return 1;
	if (cli->debug_dirs &&
	    cli_check_dirs("--debug-dir", cli->debug_dirs, ":"))
		return 1;
	ret = ustack_images_new(&cli->images, &opts);
	if (!ret)
		ret = ustack_reader_new(&cli->reader, cli->images);
	if (ret)
		return cli_error(cli, "%s", strerror(-ret));
	cli_survive_sigbus(cli->images);
	interrupt_begin(cli->images);
	if (ustack_reader_open(cli->reader, cli->path))
		return cli_error(cli, "%s", ustack_reader_error(cli->reader));
	return 0;
}

int cli_next(struct cli *cli, const struct ustack_sample **sample)
{
	int ret;

	do {
		/* No use in going on; cli_close() reports it. */
		if (ferror(stdout))
			return -1;
		ret = ustack_reader_next(cli->reader, sample);
		progress_sample(cli);
	} while (ret == 1 && !cli_wants(cli, *sample));
	if (ret < 0) {
		cli_error(cli, "%s", ustack_reader_error(cli->reader));
		return -1;
	}
	if (!ret && !cli->filter.passed) {
		cli_say_none(cli);
		return -1;
	}
	return ret;
}

/* What loses fewer records: each wait is one. */
static const char *less(const struct cli *cli)
{
	const char *name;

	for (uint32_t nr = 0; (name = ustack_reader_event(cli->reader, nr)); nr++)
		if (!strcmp(name, OFF_CPU_EVENT))
			return "fewer processes";
	return "a lower -F";
}

static void say_lost(const struct cli *cli)
{
	struct ustack_stats st = { .sz = sizeof(st) };
	char why[256] = "";
	int lost, n = 0;

	ustack_reader_stats(cli->reader, &st);
	for (lost = USTACK_LOST_NOT + 1; lost < USTACK_LOST_NR; lost++)
		if (st.lost_by[lost])
			n += snprintf(why + n, sizeof(why) - n, "%s%s %llu",
				      n ? ", " : "", ustack_lost_name(lost),
				      (unsigned long long)st.lost_by[lost]);
	if (st.lost)
		cli_error(cli, "%llu of %llu sample%s lost their stack (%s)",
			  (unsigned long long)st.lost,
			  (unsigned long long)st.samples, plural(st.samples),
			  why);
	/* No telling how many of them were samples. */
	if (st.lost_records)
		cli_error(cli,
			  "%llu record%s, samples or others, %s missing as the kernel had no room for them: record with a larger -m or %s",
			  (unsigned long long)st.lost_records,
			  plural(st.lost_records),
			  st.lost_records == 1 ? "is" : "are", less(cli));
	if (st.late_samples)
		cli_error(cli,
			  "%llu sample%s not in order, as the stack came late: read them from a file",
			  (unsigned long long)st.late_samples,
			  st.late_samples == 1 ? " is" : "s are");
	if (st.late_records)
		cli_error(cli, "%llu record%s came too late for the order",
			  (unsigned long long)st.late_records,
			  plural(st.late_records));
}

#define UNUSABLE_LINES 10

struct unusable {
	const struct cli *cli;
	size_t nr;
};

static bool is_kernel_path(const char *path)
{
	const char *base = strrchr(path, '/');

	if (!base)
		return *path == '[' && strcmp(path, "[vdso]");
	return strstr(base, ".ko");
}

/* Of the kernel and its modules, which are no files. */
static const char *why_kernel(int err)
{
	switch (err) {
	case -ESTALE:
		return "neither the kernel that runs here nor a vmlinux is that one, by its build-id: see --vmlinux";
	case -ENOKEY:
		return "the recording does not say which kernel it was: record with build-ids";
	case -EACCES:
		return "/proc/kallsyms hides them: be root, or as root: sysctl kernel.kptr_restrict=0 kernel.perf_event_paranoid=1";
	case -ENOENT:
		return "it is not loaded any more";
	case -EBADMSG:
		return "its list of functions, or its debug information, is damaged";
	case -E2BIG:
		return "it has too many; the last in its file are missing";
	}
	return strerror(-err);
}

const char *cli_why(const char *path, int err)
{
	if (err == -ESTALE && is_kernel_path(path) &&
	    strcmp(path, "[kernel.kallsyms]"))
		return "it is not loaded here, and no file of it has its build-id: install its kernel's package";
	if (is_kernel_path(path))
		return why_kernel(err);
	if (err == -ETIMEDOUT)
		return "the server does not answer, or too slowly, and is asked no more: see DEBUGINFOD_URLS, DEBUGINFOD_TIMEOUT";
	if (err == -EFBIG)
		return "a file the server sends is too large, and it is asked no more: see DEBUGINFOD_URLS, DEBUGINFOD_MAXSIZE";
	if (err == -ELIBACC)
		return "libdebuginfod cannot be loaded: install it, or unset DEBUGINFOD_URLS";
	switch (err) {
	case -ESTALE:
		return "it is another file now than was recorded, by its build-id or inode: see --symfs";
	case -ENOENT:
		return "No such file or directory: see --symfs";
	case -ENOKEY:
		return "it may be another file now, as it lacks the build-id that was recorded";
	case -EPERM:
		return "it is not a regular file of yours, of root's or of its process' user; chown it if you trust it";
	case -EBADMSG:
		return "its symbols or debug information are damaged; names and lines are missing";
	case -ENODATA:
		return "it is empty or cut; what is left of it is used";
	case -E2BIG:
		return "it is too large; its newest names are missing";
	case -ENOTSUP:
		return "it is a FIFO or a device";
	case -ENOEXEC:
		return "it is of another machine, or nothing that has code";
	}
	return strerror(-err);
}

static void say_unusable(void *arg, const char *path, int err)
{
	struct unusable *u = arg;

	if (u->nr++ >= UNUSABLE_LINES)
		return;
	/* /proc/kallsyms may have had the names all the same. */
	if (u->cli->vmlinux && err == -ESTALE &&
	    !strcmp(path, "[kernel.kallsyms]")) {
		cli_error(u->cli, "no names from %s: it is not of the recorded kernel, by its build-id",
			  u->cli->vmlinux);
		return;
	}
	cli_error(u->cli, "%s %s %s: %s",
		  err == -ENODATA || err == -E2BIG || err == -EBADMSG ?
			  "not all" :
			  "no",
		  is_kernel_path(path) ? "names of" : "frames and names from",
		  path, cli_why(path, err));
}

int cli_flush(void)
{
	if (fflush(stdout) || ferror(stdout))
		cli_write_failed();
	if (!write_error)
		return 0;
	fprintf(stderr, "ustack: cannot write the output: %s\n",
		strerror(write_error));
	return 1;
}

int cli_close(struct cli *cli, int status)
{
	struct unusable u = { .cli = cli };

	progress_clear();
	/* While errno is that of the write. */
	if (ferror(stdout))
		cli_write_failed();
	if (cli->reader) {
		say_lost(cli);
		cli_say_events(cli);
	}
	if (cli->images)
		ustack_images_unusable(cli->images, say_unusable, &u);
	if (u.nr > UNUSABLE_LINES)
		cli_error(cli, "and from %zu more file%s",
			  u.nr - UNUSABLE_LINES, plural(u.nr - UNUSABLE_LINES));
	if (cli_flush())
		status = 1;
	interrupt_end(cli->images);
	ustack_reader_free(cli->reader);
	ustack_images_free(cli->images);
	return status;
}
