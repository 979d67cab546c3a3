// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The paths of maps: of files, the kernel's own names, and of JITs. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "module/path.h"

static const char jit_before[] = "/tmp/perf-", jit_behind[] = ".map";

size_t path_deleted(const char *path, size_t len)
{
	size_t end = strlen(DELETED);

	return len > end && !memcmp(path + len - end, DELETED, end) ?
		       len - end :
		       0;
}

bool path_is_memfd(const char *path)
{
	return !strncmp(path, "/memfd:", 7);
}

bool path_is_anonymous(const char *path)
{
	static const char *const names[] = {
		"//anon", "/anon_hugepage", "/dev/zero", "/memfd:", "/SYSV",
		"[heap]", "[stack", "[anon:",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		/* The first two characters tell most files apart. */
		if (path[0] == names[i][0] && path[1] == names[i][1] &&
		    !strncmp(path, names[i], strlen(names[i])))
			return true;
	return false;
}

bool path_is_data(const char *path)
{
	return !strcmp(path, "[heap]") || !strncmp(path, "[stack", 6);
}

void path_of_jit(char path[JIT_PATH_MAX], uint32_t pid)
{
	snprintf(path, JIT_PATH_MAX, "%s%" PRIu32 "%s", jit_before, pid,
		 jit_behind);
}

/* before, a number, behind */
static bool has_pid(const char *path, const char *before, const char *behind)
{
	const char *pid = path + strlen(before);
	size_t digits;

	if (strncmp(path, before, strlen(before)))
		return false;
	digits = strspn(pid, "0123456789");
	return digits && !strcmp(pid + digits, behind);
}

bool path_is_jit(const char *path)
{
	return has_pid(path, jit_before, jit_behind);
}

bool path_is_jitdump(const char *path)
{
	const char *base = strrchr(path, '/');

	return base && has_pid(base, "/jit-", ".dump");
}

bool path_is_file(const char *path)
{
	return ((path[0] == '/' && path[1] != '/') ||
		!strcmp(path, "[vdso]")) &&
	       !path_is_jit(path);
}
