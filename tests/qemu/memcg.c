// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see memcg.sh: a capture that needs a page when the task's memory
 * cgroup has none left, and nothing in it can be given back.
 */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "guest.h"

#define CGROUP "/tmp/memcg"
#define FILL (16 * MIB)

/* More than a CPU keeps of what it has charged. */
#define STACK MIB
#define THERE (4 * PAGE) /* the lower part, which is present */
#define SP (THERE - 64)	 /* where the system call is made, in the stack */

static struct {
	uint8_t *volatile stack;
	volatile bool go;
} *shared;

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		fail("%s to %s: %s", text, path, strerror(errno));
	close(fd);
}

/* The number after the word in a file, the first without a word. */
static uint64_t number_in(const char *path, const char *word)
{
	char text[1024] = "", *at = text;
	int fd = open(path, O_RDONLY);

	check(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	if (word) {
		at = strstr(text, word);
		check(at);
		at += strlen(word);
	}
	return strtoull(at, NULL, 10);
}

/* In the cgroup, with memory that stays, and a stack that is a file's, with a hole. */
static __attribute__((noreturn)) void call_there(void)
{
	int file = memfd_create("stack", MFD_CLOEXEC);
	uint8_t *fill, *stack;

	write_file(CGROUP "/one/cgroup.procs", "0");
	fill = mmap(NULL, FILL, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	check(fill != MAP_FAILED && file >= 0 && !ftruncate(file, STACK));
	stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	check(stack != MAP_FAILED);
	memset(stack, 0x55, THERE);
	shared->stack = stack;
	while (!shared->go)
		sched_yield();
	call_with_sp(stack + SP, SYS_getppid);
	_exit(0);
}

/* What was there comes; the task goes on or is killed, as the cgroup's owner wants it. */
static void check_at_limit(void)
{
	struct perf_event_attr attr = tracepoint_attr("raw_syscalls/sys_enter", 2 * MIB);
	struct captures all = { 0 };
	const struct range *range;
	char text[32];
	struct ring r;
	int status;
	pid_t pid;

	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(shared != MAP_FAILED);
	check(!mkdir(CGROUP "/one", 0755));
	alarm(120);
	pid = fork();
	check(pid >= 0);
	if (!pid)
		call_there();
	r = open_ring(&attr, pid, -1);
	set_filter(&r, IS_GETPPID);
	while (!shared->stack)
		sched_yield();
	snprintf(text, sizeof(text), "%" PRIu64, number_in(CGROUP "/one/memory.current", NULL));
	write_file(CGROUP "/one/memory.max", text);
	start(&r);
	shared->go = true;
	check(waitpid(pid, &status, 0) == pid);
	check(!status || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
	stop(&r);
	take_all(&r, &all);
	check(all.nr == 1 && !all.lost && !all.no_cookie);
	check(all.at[0].samples == 1 && all.at[0].records && !all.at[0].left);
	range = &all.at[0].range[0];
	check(range->addr == (uintptr_t)shared->stack + SP);
	check(range->size >= THERE - SP && range->mem[0] == 0x55);
	printf("# limit met %" PRIu64 " times, %" PRIu64 " bytes captured, task %s\n",
	       number_in(CGROUP "/one/memory.events", "\nmax "), range->size,
	       status ? "killed" : "not killed");
	check(number_in(CGROUP "/one/memory.events", "\nmax "));
	check(range->size < STACK - SP);
	close_ring(&r);
	/* The task may have been reaped a moment before it leaves. */
	while (rmdir(CGROUP "/one"))
		check(errno == EBUSY);
}

static void test_limit(void)
{
	check(!mkdir(CGROUP, 0755) && !mount("none", CGROUP, "cgroup2", 0, NULL));
	write_file(CGROUP "/cgroup.subtree_control", "+memory");
	for (int i = 0; i < 10; i++)
		check_at_limit();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "limit", test_limit },
	};

	return run_tests(tests, sizeof(tests) / sizeof(*tests), argc, argv);
}
