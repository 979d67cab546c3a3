// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Stacks of blocked threads, from /proc. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/record/blocked.h"

#define RED_ZONE 128 /* below the stack pointer there may be data */
#define CALL_ROOM 256 /* a line of /proc/TID/syscall */

/* Does it wait?  Everybody may know that. */
static bool waits(const struct ustack_sample *s)
{
	char path[80], line[512], *state = NULL;
	FILE *f;

	snprintf(path, sizeof(path),
		 "/proc/%" PRIu32 "/task/%" PRIu32 "/stat", s->pid, s->tid);
	f = fopen(path, "re");
	if (f && fgets(line, sizeof(line), f))
		state = strrchr(line, ')');
	if (f)
		fclose(f);
	return state && state[1] && state[2] && strchr("SDtT", state[2]);
}

static int proc_open(const struct ustack_sample *s, const char *file)
{
	char path[80];

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task/%" PRIu32 "/%s",
		 s->pid, s->tid, file);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* The system call that it is in; "running" is in none.  1, 0 or -errno. */
static int read_call(const struct ustack_sample *s, char line[CALL_ROOM])
{
	int fd = proc_open(s, "syscall"), err = errno;
	ssize_t n = fd < 0 ? -1 : read(fd, line, CALL_ROOM - 1);

	if (fd >= 0) {
		err = errno;
		close(fd);
	}
	if (n < 0)
		return -err;
	line[n] = 0;
	return n && strncmp(line, "running", 7);
}

/* The last two words are the stack pointer and the program counter. */
static bool parse_call(const char *line, uint64_t *sp, uint64_t *pc)
{
	const char *at = strrchr(line, ' ');

	if (!at)
		return false;
	*pc = strtoull(at, NULL, 16);
	while (at > line && at[-1] != ' ')
		at--;
	*sp = strtoull(at, NULL, 16);
	return *sp && *pc; /* a thread of the kernel has neither */
}

static enum ustack_abi abi_of(const struct ustack_sample *s)
{
	unsigned char ident[EI_NIDENT] = { 0 };
	int fd = proc_open(s, "exe");

	if (fd >= 0) {
		if (read(fd, ident, sizeof(ident)) < 0)
			ident[EI_CLASS] = 0;
		close(fd);
	}
	return ident[EI_CLASS] == ELFCLASS32 ? USTACK_ABI_32 : USTACK_ABI_64;
}

/* Bytes of the stack from addr on. */
static size_t read_stack(struct record_blocked *b,
			 const struct ustack_sample *s, uint64_t addr)
{
	int fd = proc_open(s, "mem");
	size_t got = 0;
	ssize_t n = 1;

	while (fd >= 0 && got < b->stack_size && n > 0) {
		n = pread(fd, b->stack + got, b->stack_size - got, addr + got);
		got += n > 0 ? n : 0;
	}
	if (fd >= 0)
		close(fd);
	return got;
}

static int map_process(struct record_blocked *b, uint32_t pid)
{
	int ret;

	if (b->space && b->pid == pid)
		return 0;
	blocked_forget(b);
	ret = ustack_space_new(&b->space, b->images);
	if (!ret)
		ret = ustack_space_add_process(b->space, pid);
	b->pid = pid;
	if (ret)
		blocked_forget(b);
	return ret;
}

int blocked_stack(struct record_blocked *b, struct ustack_sample *s)
{
	char before[CALL_ROOM], after[CALL_ROOM];
	uint64_t sp, pc, from;
	int ret;

	ret = read_call(s, before);
	if (ret == -EPERM || ret == -EACCES)
		return waits(s) ? ret : 0;
	if (ret <= 0 || !parse_call(before, &sp, &pc))
		return 0;
	if (!b->stack)
		b->stack = malloc(b->stack_size);
	ret = b->stack ? map_process(b, s->pid) : -ENOMEM;
	if (ret)
		return ret == -ENOMEM ? ret : 0;
	from = sp > RED_ZONE ? sp - RED_ZONE : 0;
	b->range.addr = from;
	b->range.data = b->stack;
	b->range.size = read_stack(b, s, from);
	/* It may have gone on meanwhile. */
	if (!b->range.size || read_call(s, after) <= 0 || strcmp(before, after))
		return 0;
	memset(&s->regs, 0, sizeof(s->regs));
	s->regs.abi = abi_of(s);
	s->regs.mask = 1ull << USTACK_REG_X86_SP | 1ull << USTACK_REG_X86_IP;
	s->regs.val[USTACK_REG_X86_SP] = sp;
	s->regs.val[USTACK_REG_X86_IP] = pc;
	s->ranges = &b->range;
	s->nr_ranges = 1;
	s->space = b->space;
	return 1;
}

void blocked_forget(struct record_blocked *b)
{
	ustack_space_free(b->space);
	b->space = NULL;
}

void blocked_free(struct record_blocked *b)
{
	blocked_forget(b);
	free(b->stack);
	b->stack = NULL;
}
