// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see access.sh: no event gets a byte by way of deferred
 * stacks that it could not have had by legacy ones, in the same situation.
 */
#include <grp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "guest.h"

#define MARK 0x5741434b454d4552ull
#define NOBODY 65534

/* Only on the stack of those who have it: the program does not contain it. */
static volatile uint64_t key = 0x1111111111111111ull;
#define SECRET (0x4254425442544254ull ^ key)

static void set_paranoid(int level)
{
	FILE *f = fopen("/proc/sys/kernel/perf_event_paranoid", "w");

	check(f && fprintf(f, "%d\n", level) > 0);
	check(!fclose(f));
}

static void become_nobody(void)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	check(!setrlimit(RLIMIT_MEMLOCK, &all));
	check(!setgroups(0, NULL));
	check(!setresgid(NOBODY, NOBODY, NOBODY));
	check(!setresuid(NOBODY, NOBODY, NOBODY));
	/* As if it had been so since execve: its children can be looked at. */
	check(!prctl(PR_SET_DUMPABLE, 1));
}

/* Of the tests that follow each part is one process, with the user it needs. */
static void as_nobody(void (*run)(void))
{
	int status;
	pid_t pid = fork();

	check(pid >= 0);
	if (!pid) {
		become_nobody();
		run();
		exit(0);
	}
	check(waitpid(pid, &status, 0) == pid);
	check(!status);
}

static struct perf_event_attr legacy_attr(struct perf_event_attr attr)
{
	attr.defer_user = 0;
	return attr;
}

static bool in_ring(const struct ring *r, uint64_t value)
{
	return memmem(r->data, r->size, &value, sizeof(value));
}

/* --- who may open what ----------------------------------------------------------- */

static int paranoid;

/* Sampler, output alone, and both: refused exactly where legacy is. */
static void compare_open(struct perf_event_attr attr, pid_t pid, int cpu)
{
	int legacy = open_errno(legacy_attr(attr), pid, cpu);

	for (int bits = 1; bits <= 3; bits++) {
		struct perf_event_attr deferred = attr;
		int got;

		deferred.defer_user = bits & 1;
		deferred.defer_output = bits >> 1;
		got = open_errno(deferred, pid, cpu);
		if (got != legacy)
			fail("paranoid %d, uid %d, pid %d, cpu %d, exclude_user %u, "
			     "exclude_kernel %u, exclude_callchain_kernel %u: "
			     "%s with defer_user %u, defer_output %u, but %s without",
			     paranoid, getuid(), pid, cpu, attr.exclude_user,
			     attr.exclude_kernel, attr.exclude_callchain_kernel,
			     strerror(got), deferred.defer_user,
			     deferred.defer_output, strerror(legacy));
	}
}

static void compare_opens(void)
{
	struct perf_event_attr attr = base_attr(4 * KIB);

	for (int bits = 0; bits < 8; bits++) {
		attr.exclude_user = bits;
		attr.exclude_kernel = bits >> 1;
		attr.exclude_callchain_kernel = bits >> 2;
		compare_open(attr, 0, -1);
		compare_open(attr, 0, 0);
		compare_open(attr, 1, -1);
		compare_open(attr, -1, 0);
	}
}

static void nobody_opens(void)
{
	struct perf_event_attr attr = base_attr(4 * KIB);

	compare_opens();
	if (paranoid > 2) /* which only distributions' kernels know */
		return;
	/* To be sure that something is refused at all: */
	attr.exclude_callchain_kernel = 1;
	check(open_errno(attr, 0, -1) == (paranoid > 1 ? EACCES : 0));
	attr.exclude_kernel = 1;
	check(open_errno(attr, 0, -1) == 0);
	check(open_errno(attr, -1, 0) == (paranoid > 0 ? EACCES : 0));
	check(open_errno(attr, 1, -1) == EACCES);
}

static void test_open(void)
{
	for (paranoid = -1; paranoid <= 3; paranoid++) {
		set_paranoid(paranoid);
		compare_opens();
		as_nobody(nobody_opens);
	}
}

/* --- exclude_user, exclude_kernel ---------------------------------------------------- */

/* Samples and stacks of a fault in user mode and one in the kernel. */
struct seen {
	unsigned int samples[2], stacks[2];
};

static struct seen see(struct perf_event_attr attr)
{
	struct ring r = open_ring(&attr, 0, -1);
	int fd = memfd_create("page", MFD_CLOEXEC);
	uint64_t cookie[2] = { 0 }, mark = MARK, i;
	struct seen seen = { 0 };
	struct record rec;
	volatile uint8_t *to;

	check(fd >= 0 && !ftruncate(fd, PAGE));
	fresh_page();
	to = fresh;
	fresh_page();
	start(&r);
	marked_store(MARK, fresh);
	check(marked_call(MARK, SYS_pread64, fd, (long)to, 1) == 1);
	stop(&r);
	while (ring_next(&r, &rec)) {
		int kernel = rec.ip >> 63;

		check(rec.type == PERF_RECORD_SAMPLE ||
		      rec.type == PERF_RECORD_STACK_DEFERRED);
		if (rec.type == PERF_RECORD_SAMPLE) {
			seen.samples[kernel]++;
			if (rec.cookie)
				cookie[kernel] = rec.cookie;
			for (i = 0; attr.exclude_kernel && i < rec.chain_nr; i++)
				check(rec.chain[i] != (uint64_t)PERF_CONTEXT_KERNEL);
		} else {
			kernel = rec.cookie == cookie[1];
			check(rec.cookie == cookie[kernel]);
		}
		if (!rec.size)
			continue;
		/* A deferred copy begins in the red zone. */
		check(!memcmp(rec.stack + (attr.defer_user ? RED_ZONE : 0), &mark, sizeof(mark)));
		seen.stacks[kernel]++;
	}
	close_ring(&r);
	close(fd);
	return seen;
}

static void compare_excluded(void)
{
	for (int bits = 0; bits < 4; bits++) {
		struct perf_event_attr attr = base_attr(4 * KIB);
		struct seen legacy, deferred;

		attr.exclude_user = bits & 1;
		attr.exclude_kernel = bits >> 1;
		attr.exclude_callchain_kernel = attr.exclude_kernel;
		if (paranoid > 1 && !attr.exclude_kernel)
			continue;
		legacy = see(legacy_attr(attr));
		deferred = see(attr);
		check(legacy.samples[0] == !attr.exclude_user);
		check(legacy.samples[1] == !attr.exclude_kernel);
		check(!memcmp(&legacy, &deferred, sizeof(legacy)));
	}
}

static void test_excluded(void)
{
	for (paranoid = 1; paranoid <= 2; paranoid++) {
		set_paranoid(paranoid);
		as_nobody(compare_excluded);
	}
}

/* --- programs that are not for everybody's eyes ------------------------------------------ */

#define PROGRAM "/tmp/access/program"
#define IS_ROOT 42
#define IS_NOBODY 43

/* main() of the new image. */
static int new_image(void)
{
	marked_call(SECRET, SYS_getppid);
	fresh_page();
	marked_store(SECRET, fresh);
	return geteuid() ? IS_NOBODY : IS_ROOT;
}

static void make_program(mode_t mode)
{
	char buf[64 * KIB];
	int from, to;
	ssize_t n;

	check(!mkdir("/tmp/access", 0755) || errno == EEXIST);
	check(!mount("tmpfs", "/tmp/access", "tmpfs", 0, "mode=755"));
	from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	to = open(PROGRAM, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	check(from >= 0 && to >= 0);
	while ((n = read(from, buf, sizeof(buf))) > 0)
		check(write(to, buf, n) == n);
	check(!n && !fchmod(to, mode) && !close(to));
}

static void call_exec(void)
{
	static char *const argv[] = { "access", "new image", NULL };
	static char *const env[] = { NULL };

	fresh_page();
	marked_store(MARK, fresh);
	marked_call(MARK, SYS_execve, (long)PROGRAM, (long)argv, (long)env);
}

/*
 * Run PROGRAM under a profiler of its own user; it may see the old image, but
 * the secret of the new one only where it should. Once in a process: looking
 * for the secret leaves it on this stack.
 */
static bool deferred, visible;
static int new_uid;

static void profile(void)
{
	struct perf_event_attr attr = base_attr(4 * KIB);
	struct child child = spawn(call_exec);
	struct ring faults, nmis;

	if (!deferred)
		attr = legacy_attr(attr);
	attr.exclude_kernel = paranoid > 1;
	attr.exclude_callchain_kernel = attr.exclude_kernel;
	faults = open_ring(&attr, child.pid, -1);
	attr = on_nmis(attr, 20011);
	nmis = open_ring(&attr, child.pid, -1);
	start(&faults);
	start(&nmis);
	go(&child);
	check(WEXITSTATUS(reap(&child)) == new_uid);
	check(in_ring(&faults, MARK));
	check(in_ring(&faults, SECRET) == visible);
	check(visible || !in_ring(&nmis, SECRET));
}

static void run_program(mode_t mode, int uid, bool see, int times)
{
	new_uid = uid;
	visible = see;
	make_program(mode);
	for (paranoid = 1; paranoid <= 2; paranoid++) {
		set_paranoid(paranoid);
		for (int i = 0; i < times; i++) {
			deferred = i & 1;
			as_nobody(profile);
		}
	}
	check(!umount2("/tmp/access", MNT_DETACH));
}

/* To see that there is something to be seen. */
static void test_exec(void)
{
	run_program(0755, IS_NOBODY, true, 2);
}

static void test_setuid_exec(void)
{
	run_program(04755, IS_ROOT, false, 20);
}

static void test_unreadable_exec(void)
{
	run_program(0711, IS_NOBODY, false, 20);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "open", test_open },
		{ "excluded", test_excluded },
		{ "exec", test_exec },
		{ "setuid_exec", test_setuid_exec },
		{ "unreadable_exec", test_unreadable_exec },
	};

	if (argc == 2 && !strcmp(argv[1], "new image"))
		return new_image();
	run_on(0, 0);
	return run_tests(tests, sizeof(tests) / sizeof(*tests), argc, argv);
}
