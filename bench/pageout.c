// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Run a command whose memory is swapped out again and again, stacks and all:
 * pageout COMMAND [ARGUMENT...]. Swap has to be there, and root.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What is anonymous and writable; the process may be gone meanwhile. */
static void page_out(pid_t pid, int pidfd)
{
	unsigned long from, to, inode;
	char path[64], line[512], mode[5];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		struct iovec range;

		if (sscanf(line, "%lx-%lx %4s %*x %*s %lu", &from, &to, mode, &inode) != 4 ||
		    inode || strcmp(mode, "rw-p"))
			continue;
		range = (struct iovec){ (void *)from, to - from };
		syscall(SYS_process_madvise, pidfd, &range, 1, MADV_PAGEOUT, 0);
	}
	if (f)
		fclose(f);
}

int main(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	int pidfd, status;
	pid_t pid;

	if (argc < 2) {
		fprintf(stderr, "usage: pageout COMMAND [ARGUMENT...]\n");
		return 2;
	}
	pid = fork();
	if (!pid) {
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pid < 0 || pidfd < 0) {
		perror("pageout");
		return 1;
	}
	while (!waitpid(pid, &status, WNOHANG)) {
		page_out(pid, pidfd);
		nanosleep(&pause, NULL);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
