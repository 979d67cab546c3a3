// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see slow.sh: stack pages that another process has to
 * deliver, through userfaultfd or as a FUSE file system. A capture waits no
 * longer than an access by the task would, and not at all on a userfaultfd.
 *
 * Samples are taken in system calls made with sp in such a page.
 */
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "guest.h"

#define STACK (8 * PAGE)
#define THERE (4 * PAGE) /* the lower part, which is present */
#define SP (THERE - 64)	 /* where system calls are made, in the stack */

static uint8_t *stack;

static uint8_t byte_at(size_t offset)
{
	return offset / 8 + 3 * (offset / PAGE);
}

static NOINLINE void call_at(const void *sp, long nr)
{
	call_with_sp(sp, nr);
}

/* Samples this system call of the task, with 64 KiB of stack. */
static struct ring open_call_ring(pid_t pid, int nr)
{
	struct perf_event_attr attr = tracepoint_attr("raw_syscalls/sys_enter", 64 * KIB);
	struct ring r = open_ring(&attr, pid, -1);
	char filter[32];

	snprintf(filter, sizeof(filter), "id == %d", nr);
	set_filter(&r, filter);
	start(&r);
	return r;
}

static void check_stack(const struct capture *c, size_t from, size_t size)
{
	check(c->samples == 1 && c->records && c->ranges == 1);
	check(c->range[0].addr == (uintptr_t)stack + from);
	check(c->range[0].size == size);
	for (size_t i = 0; i < size; i++)
		if (c->range[0].mem[i] != byte_at(from + i))
			fail("byte %zu of the stack is wrong", from + i);
}

/* --- userfaultfd --------------------------------------------------------------------- */

static int make_uffd_stack(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int uffd = syscall(SYS_userfaultfd, O_NONBLOCK | O_CLOEXEC);

	check(uffd >= 0 && !ioctl(uffd, UFFDIO_API, &api));
	stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(stack != MAP_FAILED);
	for (size_t i = 0; i < THERE; i++)
		stack[i] = byte_at(i);
	reg.range.start = (uintptr_t)stack;
	reg.range.len = STACK;
	check(!ioctl(uffd, UFFDIO_REGISTER, &reg));
	return uffd;
}

/* Nobody serves the userfaultfd: what is not there is cut off, and not asked for. */
static void test_userfaultfd(void)
{
	int uffd = make_uffd_stack();
	struct pollfd poll_fd = { .fd = uffd, .events = POLLIN };
	struct ring r = open_call_ring(0, SYS_getppid);
	struct capture c;

	alarm(60);
	call_at(stack + SP, SYS_getppid);
	c = take(&r);
	check_stack(&c, SP, THERE - SP);
	check(poll(&poll_fd, 1, 0) == 0);
	close_ring(&r);
}

/* The page sp is in is not there: no stack. */
static void test_userfaultfd_sp(void)
{
	int uffd = make_uffd_stack();
	struct pollfd poll_fd = { .fd = uffd, .events = POLLIN };
	struct ring r = open_call_ring(0, SYS_getppid);
	struct capture c;

	alarm(60);
	call_at(stack + THERE + 64, SYS_getppid);
	c = take(&r);
	check(c.samples == 1 && c.records && !c.left && !c.range[0].size);
	check(poll(&poll_fd, 1, 0) == 0);
	close_ring(&r);
}

/* --- FUSE -------------------------------------------------------------------------------- */

/* What the file system's process and the others tell each other. */
static struct {
	volatile bool mapped; /* the stack */
	volatile bool go;     /* on to the system call */
	volatile bool asked;  /* for the part that is not there */
	volatile bool answer; /* it may be answered */
	volatile int threads; /* of the sampled process that did something */
} *shared;

static pid_t fuse_pid;
static int fuse_file;

static void reply(int fd, uint64_t unique, int error, const void *data, size_t size)
{
	static struct {
		struct fuse_out_header head;
		uint8_t data[STACK];
	} out;

	out.head = (struct fuse_out_header){
		.len = sizeof(out.head) + size,
		.error = error,
		.unique = unique,
	};
	memcpy(out.data, data, size);
	/* ENOENT: who asked was killed. */
	check(write(fd, &out, out.head.len) == out.head.len || errno == ENOENT);
}

static void serve_read(int fd, uint64_t unique, const struct fuse_read_in *in)
{
	static uint8_t data[STACK];
	size_t size = in->offset < STACK ? STACK - in->offset : 0;

	if (in->size < size)
		size = in->size;
	if (in->offset + size > THERE) {
		shared->asked = true;
		while (!shared->answer)
			sched_yield();
	}
	for (size_t i = 0; i < size; i++)
		data[i] = byte_at(in->offset + i);
	reply(fd, unique, 0, data, size);
}

/* A file system that is one file, of STACK bytes. */
static __attribute__((noreturn)) void serve(int fd)
{
	static struct {
		struct fuse_in_header head;
		union {
			struct fuse_init_in init;
			struct fuse_read_in read;
			uint8_t room[256 * KIB];
		};
	} in;
	struct fuse_attr_out attr = {
		.attr_valid = 3600,
		.attr = { .ino = 1, .size = STACK, .mode = S_IFREG | 0666, .nlink = 1 },
	};
	struct fuse_open_out opened = { .fh = 1 };

	for (;;) {
		if (read(fd, &in, sizeof(in)) < 0) {
			if (errno == ENODEV)
				_exit(0);
			check(errno == EINTR || errno == ENOENT);
			continue;
		}
		switch (in.head.opcode) {
		case FUSE_INIT: {
			/* No reading ahead: the lower part must not wait. */
			struct fuse_init_out init = {
				.major = FUSE_KERNEL_VERSION,
				.minor = in.init.minor < FUSE_KERNEL_MINOR_VERSION ?
						 in.init.minor :
						 FUSE_KERNEL_MINOR_VERSION,
				.max_write = 64 * KIB,
			};

			reply(fd, in.head.unique, 0, &init, sizeof(init));
			break;
		}
		case FUSE_GETATTR:
			reply(fd, in.head.unique, 0, &attr, sizeof(attr));
			break;
		case FUSE_OPEN:
			reply(fd, in.head.unique, 0, &opened, sizeof(opened));
			break;
		case FUSE_READ:
			serve_read(fd, in.head.unique, &in.read);
			break;
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
		case FUSE_INTERRUPT:
			break;
		default:
			reply(fd, in.head.unique, -ENOSYS, NULL, 0);
		}
	}
}

/* A file to be mapped, and the place for it. */
static void make_fuse(void)
{
	char path[] = "/tmp/fuse-XXXXXX", options[64];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC), file = mkstemp(path);
	struct stat st;

	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(shared != MAP_FAILED && fd >= 0 && file >= 0);
	close(file);
	snprintf(options, sizeof(options), "fd=%d,rootmode=100000,user_id=0,group_id=0", fd);
	if (mount("fuse", path, "fuse", MS_NOSUID | MS_NODEV, options))
		fail("mount of FUSE: %s", strerror(errno));
	fuse_pid = fork();
	check(fuse_pid >= 0);
	if (!fuse_pid)
		serve(fd);
	close(fd);
	fuse_file = open(path, O_RDONLY);
	/* The kernel does not know the size before somebody asks. */
	check(fuse_file >= 0 && !fstat(fuse_file, &st) && st.st_size == STACK);
	umount2(path, MNT_DETACH);
	stack = mmap(NULL, STACK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(stack != MAP_FAILED);
}

/* Map it privately, and read the lower part. */
static void map_fuse_stack(void)
{
	check(mmap(stack, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fuse_file,
		   0) == stack);
	for (size_t i = 0; i < THERE; i += PAGE)
		stack[i] = byte_at(i);
	check(!shared->asked);
	/* That it is closed is told the file system, which must not be at exit. */
	close(fuse_file);
	shared->mapped = true;
}

static void end_fuse(void)
{
	kill(fuse_pid, SIGKILL);
	check(waitpid(fuse_pid, NULL, 0) == fuse_pid);
}

/* It leaves requests where they are from now on, and can be made to go on. */
static void stop_fuse(void)
{
	int status;

	check(!kill(fuse_pid, SIGSTOP));
	check(waitpid(fuse_pid, &status, WUNTRACED) == fuse_pid && WIFSTOPPED(status));
}

/* A child that is sampled when it makes system call nr there. */
static struct ring sample_child(void (*run)(void), int nr, pid_t *pid)
{
	struct ring r;

	*pid = fork();
	check(*pid >= 0);
	if (!*pid) {
		map_fuse_stack();
		while (!shared->go)
			sched_yield();
		run();
		_exit(0);
	}
	r = open_call_ring(*pid, nr);
	while (!shared->mapped)
		sched_yield();
	return r;
}

static void call(void)
{
	call_at(stack + SP, SYS_getppid);
}

/* A slow one is waited for, as by an access; and all of the stack comes. */
static void test_fuse(void)
{
	struct captures all = { 0 };
	struct ring r;
	int status;
	pid_t pid;

	make_fuse();
	r = sample_child(call, SYS_getppid, &pid);
	shared->go = true;
	while (!shared->asked)
		sched_yield();
	check(waitpid(pid, NULL, WNOHANG) == 0);
	shared->answer = true;
	check(waitpid(pid, &status, 0) == pid && !status);
	take_all(&r, &all);
	check(all.nr == 1 && !all.lost && !all.no_cookie && !all.at[0].left);
	check_stack(&all.at[0], SP, STACK - SP);
	close_ring(&r);
	end_fuse();
}

static void *map_something(void *arg)
{
	(void)arg;
	while (!shared->asked)
		sched_yield();
	check(!munmap(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), PAGE));
	shared->answer = true;
	return NULL;
}

static void call_beside_thread(void)
{
	pthread_t id;

	check(!pthread_create(&id, NULL, map_something, NULL));
	call();
	check(!pthread_join(id, NULL));
}

/* Other threads do not wait: one changes the mappings, which makes the file answer. */
static void test_fuse_thread(void)
{
	struct ring r;
	int status;
	pid_t pid;

	make_fuse();
	alarm(120);
	r = sample_child(call_beside_thread, SYS_getppid, &pid);
	shared->go = true;
	check(waitpid(pid, &status, 0) == pid && !status);
	close_ring(&r);
	end_fuse();
}

/* Whether the task ends, in half a minute or so. */
static bool ends(pid_t pid)
{
	for (int tries = 0; tries < 300; tries++) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return true;
		usleep(100000);
	}
	return false;
}

/* What was there has come. */
static void check_lower_part(struct ring *r)
{
	struct captures all = { 0 };

	take_all(r, &all);
	check(all.nr == 1 && !all.lost && !all.no_cookie && !all.at[0].left);
	check_stack(&all.at[0], SP, THERE - SP);
}

/* Sampled in a call that is as told, and killed when it sleeps. */
static void check_killable(void (*run)(void), int nr)
{
	struct ring r;
	pid_t pid;

	make_fuse();
	r = sample_child(run, nr, &pid);
	stop_fuse();
	shared->go = true;
	wait_state(&r, pid, "SD");
	check(!kill(pid, SIGKILL));
	if (!ends(pid)) {
		kill(fuse_pid, SIGKILL);
		fail("SIGKILL does not end the task");
	}
	check_lower_part(&r);
	close_ring(&r);
	end_fuse();
}

/* While it waits for a page of a file system that is stuck. */
static void test_fuse_kill(void)
{
	check_killable(call, SYS_getppid);
}

static void sleep_there(void)
{
	call_at(stack + SP, SYS_ppoll);
}

/* Before it comes to the capture: then that does not wait at all. */
static void test_fuse_killed(void)
{
	check_killable(sleep_there, SYS_ppoll);
}

static void leave(void)
{
	call_at(stack + SP, SYS_exit_group);
}

/*
 * A process that exits does not take signals any more, and if it waited, nobody
 * could kill it: so it does not wait.
 */
static void test_fuse_exit(void)
{
	struct ring r;
	pid_t pid;

	make_fuse();
	r = sample_child(leave, SYS_exit_group, &pid);
	stop_fuse();
	shared->go = true;
	if (!ends(pid)) {
		bool killed;

		kill(pid, SIGKILL);
		killed = ends(pid);
		kill(fuse_pid, SIGKILL);
		fail("the task does not end, %s by SIGKILL", killed ? "but" : "nor");
	}
	check_lower_part(&r);
	close_ring(&r);
	end_fuse();
}

/* --- what happens to a task in the middle of a capture -------------------------------- */

/* A child whose capture waits for the upper part of the stack. */
static struct ring waiting_child(pid_t *pid)
{
	struct ring r;

	make_fuse();
	alarm(120);
	r = sample_child(call, SYS_getppid, pid);
	shared->go = true;
	while (!shared->asked)
		sched_yield();
	return r;
}

static void check_whole(struct ring *r)
{
	struct captures all = { 0 };

	take_all(r, &all);
	check(all.nr == 1 && !all.lost && !all.no_cookie && !all.at[0].left);
	check_stack(&all.at[0], SP, STACK - SP);
}

/* Stopped: the capture comes to its end before. */
static void test_fuse_stopped(void)
{
	int status;
	pid_t pid;
	struct ring r = waiting_child(&pid);

	check(!kill(pid, SIGSTOP));
	shared->answer = true;
	check(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
	check_whole(&r);
	check(!kill(pid, SIGCONT));
	check(waitpid(pid, &status, 0) == pid && !status);
	close_ring(&r);
	end_fuse();
}

/* Frozen by its cgroup. */
#define CGROUP "/tmp/freezer"

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static bool is_frozen(void)
{
	char events[256] = "";
	int fd = open(CGROUP "/one/cgroup.events", O_RDONLY);

	check(fd >= 0 && read(fd, events, sizeof(events) - 1) > 0);
	close(fd);
	return strstr(events, "frozen 1");
}

static void test_fuse_frozen(void)
{
	char number[16];
	int status;
	pid_t pid;
	struct ring r = waiting_child(&pid);

	check(!mkdir(CGROUP, 0755) && !mount("none", CGROUP, "cgroup2", 0, NULL));
	check(!mkdir(CGROUP "/one", 0755));
	snprintf(number, sizeof(number), "%d", pid);
	write_file(CGROUP "/one/cgroup.procs", number);
	write_file(CGROUP "/one/cgroup.freeze", "1");
	check(!is_frozen());
	shared->answer = true;
	while (!is_frozen())
		sched_yield();
	check_whole(&r);
	check(waitpid(pid, NULL, WNOHANG) == 0);
	write_file(CGROUP "/one/cgroup.freeze", "0");
	check(waitpid(pid, &status, 0) == pid && !status);
	close_ring(&r);
	end_fuse();
	check(!rmdir(CGROUP "/one") && !umount2(CGROUP, MNT_DETACH));
}

/* Its ring goes: the rest of the capture with it, and none of it into the next ring. */
static void test_fuse_unmapped(void)
{
	int status;
	pid_t pid;
	struct ring r = waiting_child(&pid), other;

	check(!munmap(r.page, PAGE + r.size));
	other = ring_of(r.fd, &r.attr, 64 * KIB);
	check(!munmap(other.page, PAGE + other.size));
	shared->answer = true;
	check(waitpid(pid, &status, 0) == pid && !status);
	other = ring_of(r.fd, &r.attr, 64 * KIB);
	check(!other.page->data_head);
	close_ring(&other);
	end_fuse();
}

/* Its event is closed: nobody holds it but the capture. */
static void test_fuse_closed(void)
{
	int status;
	pid_t pid;
	struct ring r = waiting_child(&pid);

	close_ring(&r);
	shared->answer = true;
	check(waitpid(pid, &status, 0) == pid && !status);
	end_fuse();
}

/* --- others that use deferred unwinding ------------------------------------------------ */

/*
 * Who takes his callback away waits for all that are being called, in a grace period
 * of an SRCU. Nothing in the kernel does yet; but that a capture which waits is not
 * in a section of that SRCU can be seen: as many were left as entered.
 */
/* A counter of the calls of that function with that first argument, by the task. */
static int count_calls(pid_t pid, const char *function, uint64_t argument)
{
	static const char path[] = "/sys/kernel/tracing/kprobe_events";
	struct perf_event_attr attr;
	char text[128];
	int fd = open(path, O_WRONLY | O_APPEND);

	snprintf(text, sizeof(text), "p:slow/%s %s first=%s:x64", function, function,
		 FIRST_ARGUMENT);
	check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	snprintf(text, sizeof(text), "slow/%s", function);
	attr = tracepoint_attr(text, 0);
	attr = (struct perf_event_attr){
		.size = sizeof(attr),
		.type = attr.type,
		.config = attr.config,
		.disabled = 1,
	};
	fd = open_event(&attr, pid, -1);
	check(fd >= 0);
	snprintf(text, sizeof(text), "first == %#" PRIx64, argument);
	check(!ioctl(fd, PERF_EVENT_IOC_SET_FILTER, text));
	check(!ioctl(fd, PERF_EVENT_IOC_ENABLE, 0));
	return fd;
}

static uint64_t count(int fd)
{
	uint64_t n;

	check(read(fd, &n, sizeof(n)) == sizeof(n));
	return n;
}

static void test_fuse_srcu(void)
{
	uint64_t srcu = address_of("unwind_srcu");
	int locked, unlocked, status;
	struct ring r;
	pid_t pid;

	make_fuse();
	alarm(120);
	r = sample_child(call, SYS_getppid, &pid);
	locked = count_calls(pid, "__srcu_read_lock", srcu);
	unlocked = count_calls(pid, "__srcu_read_unlock", srcu);
	shared->go = true;
	while (!shared->asked)
		sched_yield();
	check(count(locked) && count(locked) == count(unlocked));
	shared->answer = true;
	check(waitpid(pid, &status, 0) == pid && !status);
	check(count(locked) == count(unlocked));
	check_whole(&r);
	close_ring(&r);
	end_fuse();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "userfaultfd", test_userfaultfd },
		{ "userfaultfd_sp", test_userfaultfd_sp },
		{ "fuse", test_fuse },
		{ "fuse_thread", test_fuse_thread },
		{ "fuse_kill", test_fuse_kill },
		{ "fuse_killed", test_fuse_killed },
		{ "fuse_exit", test_fuse_exit },
		{ "fuse_stopped", test_fuse_stopped },
		{ "fuse_frozen", test_fuse_frozen },
		{ "fuse_unmapped", test_fuse_unmapped },
		{ "fuse_closed", test_fuse_closed },
		{ "fuse_srcu", test_fuse_srcu },
	};

	return run_tests(tests, sizeof(tests) / sizeof(*tests), argc, argv);
}
