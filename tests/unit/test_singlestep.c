// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Single-steps a program and unwinds at every instruction.  Chains and registers
 * are compared with a shadow stack, which is maintained by watching calls,
 * returns and signal deliveries: CFI has no part in it.
 *
 * Without arguments, it steps through target() below; else through any program,
 * also a 32-bit one, from its first instruction in ld.so to its exit:
 * test_singlestep [--vdso] PROGRAM [ARG...].  --vdso: the vDSO is read from the
 * program's memory; otherwise it is not known.
 */
#define _GNU_SOURCE
#include <alloca.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "mappath.h"
#include "ustack.h"

#define DEPTH_MAX 1024
#define STACK_MAX (1 << 20)
#define REPORTS_MAX 40

/* --- what is stepped through --------------------------------------------- */

#define APART __attribute__((noinline, noclone))

static volatile int sink;

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void handler(int sig)
{
	sink += sig;
}

/* A frame of more than a page. */
static APART int big(int n)
{
	volatile char buf[5000];

	buf[n] = 1;
	return buf[n / 2];
}

/* CFA on rbp. */
static APART int allocates(int n)
{
	char *p = alloca(n);

	memset(p, 1, n);
	sink += p[n / 2];
	return big(n);
}

static APART void use(char *p)
{
	sink += *p;
}

/* A realigned stack: the CFA is in r10, later in memory below rbp. */
static APART int realigns(int n, int a, int b, int c, int d, int e, int f,
			  int g)
{
	char buf[64] __attribute__((aligned(64))) = { 1 };
	char *p = alloca(n);

	use(buf);
	p[0] = buf[n & 63];
	use(p);
	return a + b + c + d + e + f + g + allocates(n);
}

/* Registers are saved on one path only. */
static APART int shrinks(int n)
{
	int a, b;

	if (n < 2)
		return n;
	a = allocates(n);
	b = big(n);
	return a * b + realigns(n, a, b, a, b, a, b, 1);
}

/* No CFI: pushes, a frame pointer, a call, two ways out. */
int without_cfi(int n);
__asm__(".text\n"
	".type without_cfi, @function\n"
	"without_cfi:\n"
	"	push %rbp\n"
	"	mov %rsp, %rbp\n"
	"	push %rbx\n"
	"	sub $24, %rsp\n"
	"	test %edi, %edi\n"
	"	je 1f\n"
	"	mov %edi, %ebx\n"
	"	call shrinks_for_asm\n"
	"	add %ebx, %eax\n"
	"	add $24, %rsp\n"
	"	pop %rbx\n"
	"	pop %rbp\n"
	"	ret\n"
	"1:	xor %eax, %eax\n"
	"	lea -8(%rbp), %rsp\n"
	"	pop %rbx\n"
	"	leave\n"
	"	ret\n"
	".size without_cfi, . - without_cfi\n");

__attribute__((used)) int shrinks_for_asm(int n)
{
	return shrinks(n) + 1;
}

static void *thread(void *arg)
{
	sink += shrinks(10);
	return arg;
}

#define VSYSCALL 0xffffffffff600000

static int has_vsyscall(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[4200];
	int has = 0;

	while (f && fgets(line, sizeof(line), f))
		has |= strstr(line, "[vsyscall]") != NULL;
	if (f)
		fclose(f);
	return has;
}

/* rbp is its caller's, and no frame pointer. */
static APART int calls_vsyscall(void)
{
	time_t (*vsyscall_time)(time_t *) = (void *)(VSYSCALL + 0x400);

	return vsyscall_time(NULL) + 1;
}

static int use_vsyscall;

static void target(void)
{
	struct sigaction sa = { .sa_handler = handler };
	static char alternate[65536];
	stack_t ss = { .ss_sp = alternate, .ss_size = sizeof(alternate) };
	int v[12], status;
	pthread_t t;
	pid_t pid;
	char buf[40];

	for (int i = 0; i < 12; i++)
		v[i] = i * 7 % 13;
	qsort(v, 12, sizeof(v[0]), compare);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	sigaltstack(&ss, NULL);
	sa.sa_flags = SA_ONSTACK;
	sigaction(SIGUSR2, &sa, NULL);
	raise(SIGUSR2);
	shrinks(100);
	without_cfi(0);
	without_cfi(50);
	/* In the vDSO; clock_gettime() could wait for a quiet clock for ever. */
	sink += time(NULL);
	if (use_vsyscall)
		sink += calls_vsyscall();
	snprintf(buf, sizeof(buf), "%d %f", sink, 1.5 * v[3]);
	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);
	pid = vfork();
	if (!pid)
		_exit(0);
	waitpid(pid, &status, 0);
	_exit(0);
}

/* A stack of its own: the shadow stack begins where that begins. */
static void start_target(void)
{
	static char stack_of_target[1 << 18];
	ucontext_t ctx;

	getcontext(&ctx);
	ctx.uc_stack.ss_sp = stack_of_target;
	ctx.uc_stack.ss_size = sizeof(stack_of_target);
	ctx.uc_link = NULL;
	makecontext(&ctx, target, 0);
	setcontext(&ctx);
}

/* --- the truth ------------------------------------------------------------ */

/* Where a return address on the stack, or the end of a handler, leads to. */
struct shadow {
	uint64_t slot;		/* where the return address lies */
	uint64_t ip;
	uint64_t sp;		/* of the interrupted code */
	int interrupted;	/* by a signal: ip is exact */
	struct user_regs_struct regs; /* when the call has returned, or the handler */
};

struct task {
	pid_t tid;
	struct user_regs_struct regs;	/* before the step */
	size_t word;			/* bytes: 4 of a 32-bit task */
	uint8_t code[16];
	size_t nr_code;
	int pending;			/* signal to inject with the next step */
	struct user_regs_struct interrupted; /* by it */
	int started;
	struct shadow shadow[DEPTH_MAX];
	size_t depth;
	struct task *next;
};

static struct ustack_images *images;
static struct ustack_space *space;
static struct ustack_unwinder *unwinder;
static struct task *tasks;
static uint64_t begin;		/* the ip where the truth begins; 0: at once */
static uint64_t steps, wrong, excuses, threads, signals, binder;
static uint64_t landings, before_landing;	/* chains of where it will land */
static uint64_t known, reg_excuses;	/* registers of callers; chains with wrong ones */
static uint8_t stack[2][STACK_MAX];
static char wrong_reg[80];	/* of the last chain, and what it should be */

static int own_vdso;		/* the task's, not ours */

static size_t read_memory(pid_t pid, uint64_t addr, void *buf, size_t size)
{
	struct iovec to = { buf, size }, from = { (void *)addr, size };
	ssize_t n = process_vm_readv(pid, &to, 1, &from, 1, 0);

	return n < 0 ? 0 : n;
}

static uint64_t read_word(const struct task *t, uint64_t addr)
{
	uint64_t word = 0;

	return read_memory(t->tid, addr, &word, t->word) == t->word ? word : 0;
}

static int open_vdso(void *arg, enum ustack_file file,
		     const struct ustack_map *map)
{
	const char *path = map->path;
	uint64_t start = 0, end = 0;
	static uint8_t buf[1 << 16];
	char name[64], line[4200];
	FILE *f;
	int fd;

	(void)arg;
	if (file != USTACK_FILE_IMAGE || strcmp(path, "[vdso]"))
		return -ENOSYS;
	snprintf(name, sizeof(name), "/proc/%d/maps", tasks->tid);
	f = fopen(name, "r");
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, path))
			sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end);
	if (f)
		fclose(f);
	if (end - start > sizeof(buf) ||
	    read_memory(tasks->tid, start, buf, end - start) != end - start)
		return -ENOENT;
	fd = memfd_create(path, 0);
	return write(fd, buf, end - start) == (ssize_t)(end - start) ? fd : -EIO;
}

static struct { uint64_t start, end; } writable[4096];
static size_t nr_writable;

static void read_maps(pid_t pid)
{
	char name[64], line[4200];
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/maps", pid);
	f = fopen(name, "r");
	if (!f)
		return;
	ustack_space_clear(space);
	nr_writable = 0;
	while (fgets(line, sizeof(line), f)) {
		uint64_t start, end, pgoff;
		char prot[5], path[4096] = "//anon";

		if (sscanf(line,
			   "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64
			   " %*s %*s %4095[^\n]",
			   &start, &end, prot, &pgoff, path) < 4)
			continue;
		if (prot[1] == 'w') {
			writable[nr_writable].start = start;
			writable[nr_writable++].end = end;
		}
		if (prot[2] == 'x')
			map_path(space, start, end - start, pgoff, path);
	}
	fclose(f);
}

/* Captures the stack, from sp to the end of its mapping. */
static struct ustack_range capture(pid_t pid, uint64_t sp, uint8_t *to)
{
	struct ustack_range r = { sp, 0, to };

	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < nr_writable; i++) {
			uint64_t size = writable[i].end - sp;

			if (sp < writable[i].start || sp >= writable[i].end)
				continue;
			if (size > STACK_MAX)
				size = STACK_MAX;
			r.size = read_memory(pid, sp, to, size);
			return r;
		}
		read_maps(pid);
	}
	return r;
}

static const uint8_t *skip_prefixes(const struct task *t)
{
	const uint8_t *p = t->code;

	while (*p == 0xf2 || *p == 0xf3 || *p == 0x3e || *p == 0x65 ||
	       *p == 0x66 || *p == 0x67 ||
	       (t->word == 8 && (*p & 0xf0) == 0x40))
		p++;
	return p;
}

static int is_call(const struct task *t, size_t *size)
{
	const uint8_t *p = skip_prefixes(t), *start = t->code;
	uint8_t modrm;

	if (*p == 0xe8) {
		*size = p + 5 - start;
		/* i386 code gets its own pc by calling its next instruction. */
		return memcmp(p + 1, "\0\0\0", 4) != 0;
	}
	modrm = p[1];
	if (*p != 0xff || (modrm >> 3 & 7) != 2)
		return 0;
	*size = p + 2 - start;
	if (modrm >> 6 != 3 && (modrm & 7) == 4) {
		(*size)++;
		if (modrm >> 6 == 0 && (p[2] & 7) == 5)
			*size += 4;
	}
	if (modrm >> 6 == 1)
		*size += 1;
	else if (modrm >> 6 == 2 || (modrm >> 6 == 0 && (modrm & 7) == 5))
		*size += 4;
	return 1;
}

static int is_ret(const struct task *t)
{
	const uint8_t *p = skip_prefixes(t);

	return *p == 0xc3 || *p == 0xc2;
}

static int is_indirect_jump(const struct task *t)
{
	const uint8_t *p = skip_prefixes(t);

	return *p == 0xff && (p[1] >> 3 & 7) == 4;
}

static int is_int80(const struct task *t)
{
	return t->word == 4 && t->code[0] == 0xcd && t->code[1] == 0x80;
}

/* syscall, sysenter or int $0x80 */
static int is_syscall(const struct task *t)
{
	const uint8_t *p = t->code;

	return (p[0] == 0x0f && (p[1] == 0x05 || p[1] == 0x34)) || is_int80(t);
}

static int is_sigreturn(const struct task *t)
{
	uint64_t nr = t->regs.rax;

	return is_syscall(t) &&
	       (t->word == 8 ? nr == SYS_rt_sigreturn : nr == 119 || nr == 173);
}

static void push(struct task *t, struct shadow s)
{
	if (t->depth == DEPTH_MAX) {
		fprintf(stderr, "the program nests deeper than %d\n",
			DEPTH_MAX);
		exit(1);
	}
	t->shadow[t->depth++] = s;
}

/* Updates the shadow stack: by what the instruction was, and where it led. */
static void follow(struct task *t, const struct user_regs_struct *now)
{
	const struct user_regs_struct *was = &t->regs;
	size_t size;

	if (is_call(t, &size) && now->rsp == was->rsp - t->word &&
	    read_word(t, now->rsp) == was->rip + size) {
		push(t, (struct shadow){ now->rsp, was->rip + size, 0, 0,
					 *was });
	} else if (is_ret(t) || was->rip - VSYSCALL < 4096) {
		for (size_t i = t->depth; i--;) {
			if (t->shadow[i].slot != was->rsp)
				continue;
			t->depth = i;
			break;
		}
	} else if (is_indirect_jump(t)) {
		/* longjmp */
		while (t->depth && !t->shadow[t->depth - 1].interrupted &&
		       t->shadow[t->depth - 1].slot < now->rsp)
			t->depth--;
	} else if (is_sigreturn(t)) {
		while (t->depth && !t->shadow[--t->depth].interrupted)
			;
	}
}

static const char *name_of(uint64_t ip, char *buf, size_t size)
{
	struct ustack_symbol sym = { .sz = sizeof(sym) };

	ustack_symbolize(space, ip, &sym);
	snprintf(buf, size, "%s+0x%" PRIx64 " (%s 0x%" PRIx64 ")",
		 sym.name ? sym.name : "?", sym.offset,
		 sym.path ? sym.path : "?", sym.addr);
	return buf;
}

/* In ld.so, which a program enters when it binds a function lazily. */
static int in_binder(uint64_t ip)
{
	struct ustack_symbol sym = { .sz = sizeof(sym) };

	ustack_symbolize(space, ip, &sym);
	return sym.path && strstr(sym.path, "/ld-linux") != NULL;
}

static void report(struct task *t, const struct user_regs_struct *regs,
		   const struct ustack_frame *frames, int n,
		   enum ustack_end end)
{
	static uint64_t seen[REPORTS_MAX];
	char buf[512];

	wrong++;
	for (int i = 0; i < REPORTS_MAX; i++) {
		if (seen[i] == regs->rip)
			return;
		if (!seen[i]) {
			seen[i] = regs->rip;
			goto show;
		}
	}
	return;
show:
	printf("# wrong at 0x%llx, ended: %s%s\n", regs->rip,
	       ustack_end_name(end), wrong_reg);
	for (size_t i = 0; i <= t->depth; i++)
		printf("#   true %s\n",
		       name_of(i ? t->shadow[t->depth - i].ip : regs->rip, buf,
			       sizeof(buf)));
	for (int i = 0; i < n; i++)
		printf("#   got  %s %x\n", name_of(frames[i].ip, buf, sizeof(buf)),
		       frames[i].flags);
}

/*
 * glibc's CFI for i386 has mistakes: memcpy() pushes eax without saying so, and
 * _start, which has no caller, calls a part of itself.
 */
static int excused(const struct task *t, uint64_t ip)
{
	static const char *const names[] = { "memcpy", "_start" };
	struct ustack_symbol sym = { .sz = sizeof(sym) };

	if (t->word == 8)
		return 0;
	ustack_symbolize(space, ip, &sym);
	for (int i = 0; sym.name && i < 2; i++)
		if (!strcmp(sym.name, names[i]))
			return 1;
	return 0;
}

static struct ustack_regs perf_regs(const struct task *t,
				    const struct user_regs_struct *r)
{
	struct ustack_regs regs = { USTACK_ABI_64, 0xff01ff, {
		r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rbp, r->rsp,
		r->rip, 0, 0, 0, 0, 0, 0, 0,
		r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15,
	} };

	if (t->word == 4) {
		regs.abi = USTACK_ABI_32;
		regs.mask = 0x1ff;
	}
	return regs;
}

/*
 * Are all registers that are said to be known those of the caller?  But for the
 * two that a result is returned in: _Unwind_SetGR() writes what a landing pad is
 * to find there to where _Unwind_RaiseException() saved them.  And on i386, ip
 * and sp have to do: gcc's own functions return a pc in any register, and CFI
 * of glibc's assembler does not tell what it saves.
 */
static int regs_are_true(const struct task *t, const struct shadow *s,
			 const struct ustack_regs *regs)
{
	const uint64_t result = 1 << USTACK_REG_X86_AX | 1 << USTACK_REG_X86_DX;
	struct ustack_regs truth = perf_regs(t, &s->regs);
	uint64_t mask = s->interrupted ? regs->mask : regs->mask & ~result;

	if (t->word == 4)
		mask &= 1 << USTACK_REG_X86_IP | 1 << USTACK_REG_X86_SP;
	if (!s->regs.rip)
		return regs->val[USTACK_REG_X86_SP] == s->slot + t->word;
	truth.val[USTACK_REG_X86_IP] = s->ip;
	for (; mask; mask &= mask - 1) {
		int reg = __builtin_ctzll(mask);

		known++;
		if (regs->val[reg] != truth.val[reg]) {
			snprintf(wrong_reg, sizeof(wrong_reg),
				 ", register %d is 0x%" PRIx64 ", not 0x%" PRIx64,
				 reg, regs->val[reg], truth.val[reg]);
			return 0;
		}
	}
	return 1;
}

/*
 * Where a program leaves several frames at once, by longjmp() or an exception, their
 * callers are lost before it does so: what was saved is overwritten, and registers
 * are loaded one by one.  Then the next frame is the one that it is about to land in,
 * as it will be: kept, and compared when it is there.
 */
static struct {
	const struct task *task;
	size_t n;		/* frames; 0: none is expected */
	struct ustack_frame frame[DEPTH_MAX + 1];
	struct ustack_regs regs;	/* of the first */
} landing;

/* Are frames below the shadow's, and then those where it lands? */
static int will_land(const struct task *t, const struct ustack_frame *frames,
		     int n, const struct ustack_regs *regs)
{
	int below = 1;

	while (below < n && (size_t)below <= t->depth &&
	       frames[below].ip == t->shadow[t->depth - below].ip)
		below++;
	/* Of _Unwind_RaiseException(), the return address may be right. */
	if (below == n)
		return 0;
	if (!landing.n) {
		landing.task = t;
		landing.n = n - below;
		landing.regs = regs[below];
		memcpy(landing.frame, frames + below,
		       landing.n * sizeof(*frames));
		return 1;
	}
	if (landing.task != t || landing.n != (size_t)(n - below))
		return 0;
	for (size_t i = 0; i < landing.n; i++)
		if (landing.frame[i].ip != frames[below + i].ip)
			return 0;
	return 1;
}

/* It has jumped: is it there? */
static int has_landed(const struct task *t, const struct ustack_regs *now)
{
	const uint64_t kept = 1 << USTACK_REG_X86_BX | 1 << USTACK_REG_X86_BP |
			      1 << USTACK_REG_X86_SP | 0xf << USTACK_REG_X86_R12;
	uint64_t mask = landing.regs.mask & now->mask & kept;

	if (landing.n != t->depth + 1)
		return 0;
	for (size_t i = 1; i < landing.n; i++)
		if (landing.frame[i].ip != t->shadow[t->depth - i].ip)
			return 0;
	for (; mask; mask &= mask - 1) {
		int reg = __builtin_ctzll(mask);

		known++;
		if (landing.regs.val[reg] != now->val[reg])
			return 0;
	}
	return 1;
}

static void check_landing(const struct task *t, const struct ustack_regs *regs)
{
	char buf[512];

	if (!landing.n || landing.task != t ||
	    landing.frame[0].ip != regs->val[USTACK_REG_X86_IP])
		return;
	if (has_landed(t, regs)) {
		landings++;
	} else {
		wrong++;
		printf("# landed at %s otherwise than was told\n",
		       name_of(landing.frame[0].ip, buf, sizeof(buf)));
	}
	landing.n = 0;
}

static void check(struct task *t, const struct user_regs_struct *r)
{
	struct ustack_regs regs = perf_regs(t, r);
	static struct ustack_frame frames[DEPTH_MAX + 1], plain[DEPTH_MAX + 1];
	static struct ustack_regs frame_regs[DEPTH_MAX + 1];
	struct ustack_range ranges[2];
	struct ustack_stack stack_of = {
		.sz = sizeof(stack_of),
		.space = space,
		.regs = &regs,
		.ranges = ranges,
		.frame_regs = frame_regs,
	};
	enum ustack_end end;
	size_t nr = 1;
	int n, ok;

	check_landing(t, &regs);
	ranges[0] = capture(t->tid, r->rsp, stack[0]);
	for (size_t i = t->depth; i--;) {
		uint64_t sp = t->shadow[i].sp;

		/* On the alternate stack: also that of the interrupted code. */
		if (!t->shadow[i].interrupted ||
		    sp - ranges[0].addr < ranges[0].size)
			continue;
		ranges[nr++] = capture(t->tid, sp, stack[1]);
		break;
	}
	stack_of.nr_ranges = nr;
	wrong_reg[0] = 0;
	n = ustack_unwind(unwinder, &stack_of, frames, DEPTH_MAX + 1, &end);
	ok = end == USTACK_END_FINISHED && (size_t)n == t->depth + 1;
	for (int i = 1; ok && i < n; i++) {
		const struct shadow *s = &t->shadow[t->depth - i];

		ok = frames[i].ip == s->ip &&
		     (s->interrupted ? !(frames[i].flags & USTACK_FRAME_RETURN)
				     : 1) &&
		     regs_are_true(t, s, &frame_regs[i]);
	}
	/* The same frames for who does not want registers. */
	stack_of.frame_regs = NULL;
	ok = ok && ustack_unwind(unwinder, &stack_of, plain, DEPTH_MAX + 1,
				 &end) == n &&
	     !memcmp(plain, frames, n * sizeof(*frames));
	if (ok)
		return;
	if (end == USTACK_END_FINISHED && will_land(t, frames, n, frame_regs)) {
		before_landing++;
		return;
	}
	if (excused(t, r->rip))
		++*(wrong_reg[0] ? &reg_excuses : &excuses);
	else
		report(t, r, frames, n, end);
}

static struct task *task_of(pid_t tid)
{
	struct task *t;

	for (t = tasks; t; t = t->next)
		if (t->tid == tid)
			return t;
	t = calloc(1, sizeof(*t));
	t->tid = tid;
	t->next = tasks;
	tasks = t;
	return t;
}

static void stopped(struct task *t, int status)
{
	struct user_regs_struct now;
	int sig = WSTOPSIG(status);

	ptrace(PTRACE_GETREGS, t->tid, NULL, &now);
	t->word = now.cs == 0x23 ? 4 : 8;
	if (sig != SIGTRAP && t->started) {
		/* About to be delivered: the step leads into the handler. */
		t->pending = sig;
		t->interrupted = now;
		return;
	}
	if (!t->started) {
		if (begin && t == tasks && !t->next && now.rip != begin) {
			if (sig != SIGTRAP && sig != SIGSTOP) {
				fprintf(stderr, "signal %d at 0x%llx\n", sig,
					now.rip);
				exit(1);
			}
			return;
		}
		if (now.rip == begin)
			push(t, (struct shadow){ now.rsp,
						 read_word(t, now.rsp), 0, 0,
						 { 0 } });
		t->started = 1;
		threads++;
		read_maps(t->tid);
	} else if (t->pending) {
		/* The kernel's frame: the restorer is the return address. */
		if (t->regs.rsp - now.rsp > 128) {
			push(t, (struct shadow){ 0, t->regs.rip, t->regs.rsp,
						 1, t->interrupted });
			/* The restorer: nothing but its sp is known. */
			push(t, (struct shadow){ now.rsp,
						 read_word(t, now.rsp), 0, 0,
						 { 0 } });
			signals++;
		} else {
			follow(t, &now); /* it was ignored */
		}
		t->pending = 0;
	} else if (!(status >> 16)) {
		follow(t, &now);
	}
	if (is_syscall(t))
		read_maps(t->tid);
	t->regs = now;
	t->nr_code = read_memory(t->tid, now.rip, t->code, sizeof(t->code));
	memset(t->code + t->nr_code, 0, sizeof(t->code) - t->nr_code);
	steps++;
	binder += in_binder(now.rip);
	check(t, &now);
	/*
	 * What a sample inside this system call would say.  One of 32 bits that
	 * is none of int $0x80 has returned there when it has its ip again.
	 */
	if (is_syscall(t) && (t->word == 8 || is_int80(t))) {
		now.rip += 2;
		if (t->word == 8)
			now.rcx = now.rip;
		now.rax = -ENOSYS;
		check(t, &now);
	}
}

/* argv NULL: target(). */
static void step_through(char **argv)
{
	struct ustack_images_opts opts = { .sz = sizeof(opts) };
	pid_t pid;
	int status;

	if (own_vdso)
		opts.open = open_vdso;
	assert_int_equal(ustack_images_new(&images, &opts), 0);
	assert_int_equal(ustack_space_new(&space, images), 0);
	assert_int_equal(ustack_unwinder_new(&unwinder), 0);
	begin = argv ? 0 : (uint64_t)target;
	pid = fork();
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		if (!argv) {
			raise(SIGSTOP);
			start_target();
		}
		execvp(argv[0], argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		fail_msg("cannot run %s", argv[0]);
	if (!WIFSTOPPED(status)) {
		print_message("skipped: no ptrace here\n");
		exit(77);
	}
	ptrace(PTRACE_SETOPTIONS, pid, NULL,
	       PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
	while (pid > 0) {
		struct task *t = task_of(pid);

		if (WIFSTOPPED(status)) {
			stopped(t, status);
			ptrace(PTRACE_SINGLESTEP, pid, NULL, t->pending);
		}
		pid = waitpid(-1, &status, __WALL);
	}
	while (tasks) {
		struct task *t = tasks;

		tasks = t->next;
		free(t);
	}
	ustack_unwinder_free(unwinder);
	ustack_space_free(space);
	ustack_images_free(images);
	printf("# %" PRIu64 " instructions, %" PRIu64 " threads, %" PRIu64
	       " signals, %" PRIu64 " registers of callers (chains with wrong"
	       " ones that are excused: %" PRIu64 "), %" PRIu64
	       " landings (%" PRIu64 " instructions before): %" PRIu64
	       " chains wrong, %" PRIu64 " excused\n",
	       steps, threads, signals, known, reg_excuses, landings,
	       before_landing, wrong + !!landing.n, excuses);
}

static void test_every_instruction(void **state)
{
	(void)state;
	use_vsyscall = has_vsyscall();
	step_through(NULL);
	assert_true(steps > 5000);
	/* PLT stubs that are bound when first called, as gcc does here. */
	assert_true(binder > 1000);
	assert_int_equal(threads, 2);
	assert_int_equal(signals, 2);
	/* ip, sp and the six that are callee-saved, of nearly all frames. */
	assert_true(known > 7 * steps);
	assert_int_equal(wrong, 0);
	assert_int_equal(excuses + reg_excuses, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_instruction),
	};

	own_vdso = argc > 2 && !strcmp(argv[1], "--vdso");
	argv += own_vdso;
	if (argc > 1) {
		step_through(argv + 1);
		return wrong != 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
