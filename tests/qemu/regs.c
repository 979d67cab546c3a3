// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see regs.sh: the registers of a capture are those the task
 * had in user mode, all of them and in every mode, and the flag that says
 * whether user ip and sp were replaced since the sample is right.
 */
#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/rseq.h>
#include <sys/time.h>
#include <sys/user.h>

#include "guest.h"

/* All that 64-bit code has: no ds, es, fs, gs. */
#define ALL_REGS 0xff0fffull

/* --- system calls with known registers ------------------------------------------ */

/* By number of PERF_REG_X86_*; ax is the system call's number. */
static __attribute__((used)) uint64_t want[PERF_REG_X86_64_MAX];
static __attribute__((used)) uint64_t loops;

/*
 * known_syscall() makes a system call with the registers of want[], and stores
 * sp there; known_loop() makes it `loops` times. Between known_loop_start and
 * known_loop_end all registers but ax, cx, r11 and the flags keep their values.
 */
long known_syscall(void);
void known_loop(void);
extern const uint8_t known_return[], known_loop_start[], known_loop_end[];

asm(".macro load_known\n"
	"push %rbx\n" "push %rbp\n" "push %r12\n"
	"push %r13\n" "push %r14\n" "push %r15\n"
	"mov %rsp, want + 8 * 7(%rip)\n"
	"mov want + 8 * 0(%rip), %rax\n"
	"mov want + 8 * 1(%rip), %rbx\n"
	"mov want + 8 * 3(%rip), %rdx\n"
	"mov want + 8 * 4(%rip), %rsi\n"
	"mov want + 8 * 5(%rip), %rdi\n"
	"mov want + 8 * 6(%rip), %rbp\n"
	"mov want + 8 * 16(%rip), %r8\n"
	"mov want + 8 * 17(%rip), %r9\n"
	"mov want + 8 * 18(%rip), %r10\n"
	"mov want + 8 * 20(%rip), %r12\n"
	"mov want + 8 * 21(%rip), %r13\n"
	"mov want + 8 * 22(%rip), %r14\n"
	"mov want + 8 * 23(%rip), %r15\n"
    ".endm\n"
    ".macro restore\n"
	"pop %r15\n" "pop %r14\n" "pop %r13\n"
	"pop %r12\n" "pop %rbp\n" "pop %rbx\n"
	"ret\n"
    ".endm\n"
    ".text\n"
    "known_syscall:\n"
	"load_known\n"
	"syscall\n"
    "known_return:\n"
	"restore\n"
    "known_loop:\n"
	"load_known\n"
    "known_loop_start:\n"
	"mov want(%rip), %rax\n"
	"syscall\n"
	"decq loops(%rip)\n"
	"jnz known_loop_start\n"
    "known_loop_end:\n"
	"restore\n");

static void want_syscall(uint64_t nr, uint64_t arg1, uint64_t arg2, uint64_t arg3)
{
	for (int i = 0; i < PERF_REG_X86_64_MAX; i++)
		want[i] = 0x5eed000000000000 + 0x10101010101 * i;
	want[PERF_REG_X86_AX] = nr;
	want[PERF_REG_X86_DI] = arg1;
	want[PERF_REG_X86_SI] = arg2;
	want[PERF_REG_X86_DX] = arg3;
	want[PERF_REG_X86_IP] = (uintptr_t)known_return;
}

/* The registers a system call keeps; the compiler's are bx, bp and r12 to r15. */
static const char kept[] = {
	PERF_REG_X86_BX,  PERF_REG_X86_DX,  PERF_REG_X86_SI,  PERF_REG_X86_DI,
	PERF_REG_X86_BP,  PERF_REG_X86_SP,  PERF_REG_X86_R8,  PERF_REG_X86_R9,
	PERF_REG_X86_R10, PERF_REG_X86_R12, PERF_REG_X86_R13, PERF_REG_X86_R14,
	PERF_REG_X86_R15,
};

static void check_kept(const struct ring *r, const struct capture *c)
{
	check(c->abi == PERF_SAMPLE_REGS_ABI_64);
	for (size_t i = 0; i < sizeof(kept); i++)
		if (reg_of(r, c, kept[i]) != want[(int)kept[i]])
			fail("PERF_REG_X86 %d is %#" PRIx64 ", not %#" PRIx64, kept[i],
			     reg_of(r, c, kept[i]), want[(int)kept[i]]);
}

/* Right after the system call, which leaves ip in cx and the flags in r11. */
static void check_returned(const struct ring *r, const struct capture *c, long result)
{
	check_kept(r, c);
	check(reg_of(r, c, PERF_REG_X86_AX) == (uint64_t)result);
	check(reg_of(r, c, PERF_REG_X86_IP) == want[PERF_REG_X86_IP]);
	check(reg_of(r, c, PERF_REG_X86_CX) == want[PERF_REG_X86_IP]);
	check(reg_of(r, c, PERF_REG_X86_R11) == reg_of(r, c, PERF_REG_X86_FLAGS));
	check(reg_of(r, c, PERF_REG_X86_CS) == 0x33);
	check(reg_of(r, c, PERF_REG_X86_SS) == 0x2b);
}

/* --- events ------------------------------------------------------------------------ */

static struct perf_event_attr regs_attr(void)
{
	struct perf_event_attr attr = base_attr(256);

	attr.sample_regs_user = ALL_REGS;
	return attr;
}

static struct perf_event_attr nmi_attr(void)
{
	return on_nmis(regs_attr(), 200000);
}

/* Samples each entry of system call nr. */
static struct ring open_syscall_ring(int nr)
{
	struct perf_event_attr attr = tracepoint_attr("raw_syscalls/sys_enter", 256);
	struct ring r;
	char filter[32];

	attr.sample_regs_user = ALL_REGS;
	r = open_ring(&attr, 0, -1);
	snprintf(filter, sizeof(filter), "id == %d", nr);
	set_filter(&r, filter);
	return r;
}

/* The same event with registers in the sample, to compare with. */
static struct ring open_legacy(const struct ring *deferred)
{
	struct perf_event_attr attr = deferred->attr;
	struct ring r;

	attr.defer_user = 0;
	attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_REGS_USER;
	r = open_ring(&attr, 0, -1);
	return r;
}

static void print_legacy(struct ring *r)
{
	unsigned int samples = 0, none = 0, right = 0;
	struct record rec;
	struct capture c;
	size_t i;

	stop(r);
	while (ring_next(r, &rec)) {
		if (rec.type != PERF_RECORD_SAMPLE)
			continue;
		samples++;
		if (!rec.regs) {
			none++;
			continue;
		}
		memcpy(c.regs, rec.regs, 8 * __builtin_popcountll(ALL_REGS));
		for (i = 0; i < sizeof(kept); i++)
			if (reg_of(r, &c, kept[i]) != want[(int)kept[i]])
				break;
		right += i == sizeof(kept);
	}
	printf("# without defer_user: %u samples, %u right, %u without registers\n",
	       samples, right, none);
	close_ring(r);
}

/* --- kernel-mode samples -------------------------------------------------------------- */

/* Sampled at the entry of a system call. */
static void test_syscall(void)
{
	struct ring r = open_syscall_ring(SYS_getppid);
	struct capture c;
	long result;

	want_syscall(SYS_getppid, 1, 2, 3);
	start(&r);
	result = known_syscall();
	c = take(&r);
	check(result == getppid());
	check(c.samples == 1 && c.records == 1);
	check_returned(&r, &c, result);
	check(!(c.flags & PERF_STACK_CHANGED));
	close_ring(&r);
}

/* Sampled in the page fault of a copy from user memory. */
static void test_kernel_fault(void)
{
	struct perf_event_attr attr = regs_attr();
	struct ring r;
	struct capture c;
	int fds[2];

	attr.exclude_user = 1;
	r = open_ring(&attr, 0, -1);
	check(!pipe(fds));
	fresh_page();
	want_syscall(SYS_write, fds[1], (uintptr_t)fresh, 1);
	start(&r);
	check(known_syscall() == 1);
	c = take(&r);
	check(c.samples == 1 && c.records == 1);
	check((c.sample_misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_KERNEL);
	check_returned(&r, &c, 1);
	check(!(c.flags & PERF_STACK_CHANGED));
	close_ring(&r);
}

/*
 * Two events at one page fault, one with registers and stack in the sample: each
 * gets what its attr says. The kernel runs the one opened last first.
 */
static void test_beside_legacy(void)
{
	struct perf_event_attr attr = regs_attr(), legacy_attr = attr;
	struct capture c;
	struct record rec;

	legacy_attr.defer_user = 0;
	legacy_attr.sample_regs_user = REGS;
	legacy_attr.sample_stack_user = 512;
	for (int order = 0; order < 2; order++) {
		struct ring deferred, legacy;

		if (order)
			legacy = open_ring(&legacy_attr, 0, -1);
		deferred = open_ring(&attr, 0, -1);
		if (!order)
			legacy = open_ring(&legacy_attr, 0, -1);
		fresh_page();
		start(&legacy);
		start(&deferred);
		fault();
		stop(&legacy);
		c = take(&deferred);
		check(c.samples == 1 && c.records == 1);
		check(c.range[0].size == 256);
		check(reg_of(&deferred, &c, PERF_REG_X86_IP) == c.ip);
		do
			check(ring_next(&legacy, &rec));
		while (rec.type != PERF_RECORD_SAMPLE);
		check(!rec.cookie && rec.ip == c.ip);
		check(rec.abi == PERF_SAMPLE_REGS_ABI_64 && rec.regs[1] == c.ip);
		check(rec.size == 512 && rec.dyn_size == 512);
		check(!memcmp(rec.stack, c.range[0].mem, 256));
		check(!ring_next(&legacy, &rec));
		close_ring(&legacy);
		close_ring(&deferred);
	}
}

/* Sampled from NMIs anywhere in a long system call, its entry and its exit. */
static void test_kernel_nmi(void)
{
	struct perf_event_attr attr = nmi_attr();
	struct captures all = { 0 };
	unsigned int in_loop = 0, changed = 0;
	struct ring r, legacy;
	static uint8_t random[16 * KIB];

	attr.exclude_user = 1;
	r = open_ring(&attr, 0, -1);
	legacy = open_legacy(&r);
	want_syscall(SYS_getrandom, (uintptr_t)random, sizeof(random), 0);
	start(&legacy);
	start(&r);
	for (int round = 0; all.nr < 200; round++) {
		check(round < 10000);
		loops = 10;
		known_loop();
		take_all(&r, &all);
	}
	stop(&r);
	take_all(&r, &all);
	check(!all.lost && !all.no_cookie);
	for (size_t i = 0; i < all.nr; i++) {
		struct capture *c = &all.at[i];
		uint64_t ip = reg_of(&r, c, PERF_REG_X86_IP);

		check(c->samples && c->records);
		if (ip < (uintptr_t)known_loop_start || ip >= (uintptr_t)known_loop_end)
			continue;
		check_kept(&r, c);
		changed += !!(c->flags & PERF_STACK_CHANGED);
		in_loop++;
	}
	printf("# %u of %zu captures in the loop, %u of them flagged\n", in_loop, all.nr,
	       changed);
	check(in_loop > all.nr / 2);
	/* An NMI in the entry of an interrupt finds no user registers to compare with. */
	check(changed < in_loop / 5);
	print_legacy(&legacy);
	close_ring(&r);
}

/* The address of a symbol of the kernel. */
static uint64_t kernel_symbol(const char *wanted)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	char line[256], name[128];
	uint64_t addr;

	check(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 " %*c %127s", &addr, name) != 2 || strcmp(name, wanted))
			continue;
		fclose(f);
		check(addr);
		return addr;
	}
	fail("no %s in /proc/kallsyms", wanted);
}

/*
 * Sampled before the kernel has saved the user's registers: where it keeps them is
 * then what the system call before had, which came from elsewhere.
 */
static void test_entry(void)
{
	uint64_t from = kernel_symbol("entry_SYSCALL_64");
	uint64_t to = kernel_symbol("entry_SYSCALL_64_after_hwframe");
	struct perf_event_attr attr = on_nmis(regs_attr(), 50021);
	unsigned int at_entry = 0, changed = 0;
	struct ring r;

	attr.exclude_user = 1;
	r = open_ring(&attr, 0, -1);
	for (int round = 0; at_entry < 40; round++) {
		struct captures all = { 0 };

		check(round < 10000);
		start(&r);
		for (int i = 0; i < 1000; i++) {
			marked_call(0, SYS_getppid);
			syscall(SYS_getppid);
		}
		stop(&r);
		take_all(&r, &all);
		check(!all.lost && !all.no_cookie);
		for (size_t i = 0; i < all.nr; i++) {
			struct capture *c = &all.at[i];

			if (c->ip < from || c->ip >= to)
				continue;
			at_entry++;
			changed += !!(c->flags & PERF_STACK_CHANGED);
		}
		free_captures(&all);
	}
	printf("# %u captures of samples at the entry, %u of them flagged\n", at_entry, changed);
	check(!changed);
	close_ring(&r);
}

/* --- replaced user state ----------------------------------------------------------------- */

static volatile sig_atomic_t handled;

static void handler(int sig)
{
	(void)sig;
	handled = 1;
}

static void handle(int sig)
{
	struct sigaction sa = { .sa_handler = handler };

	check(!sigaction(sig, &sa, NULL));
	/* Once without events: nothing is left to be faulted in. */
	raise(sig);
	check(handled);
	handled = 0;
}

/*
 * Sampled in the system call that sends the signal: what is captured is either
 * where the call returns to or the handler, and the flag says which.
 */
static void test_signal(void)
{
	struct ring r = open_syscall_ring(SYS_tgkill);
	struct capture c;
	uint64_t ip, sp;

	handle(SIGUSR1);
	want_syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
	start(&r);
	check(!known_syscall());
	c = take(&r);
	check(handled && c.samples == 1 && c.records == 1);
	ip = reg_of(&r, &c, PERF_REG_X86_IP);
	sp = reg_of(&r, &c, PERF_REG_X86_SP);
	if (c.flags & PERF_STACK_CHANGED)
		check(ip == (uintptr_t)handler && sp < want[PERF_REG_X86_SP]);
	else
		check_returned(&r, &c, 0);
	close_ring(&r);
}

/* Sampled in rt_sigreturn, which goes on where the signal came. */
static void test_sigreturn(void)
{
	struct ring r = open_syscall_ring(SYS_rt_sigreturn);
	struct capture c;

	handle(SIGUSR1);
	want_syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
	start(&r);
	check(!known_syscall());
	c = take(&r);
	check(handled && c.samples == 1 && c.records == 1);
	check(c.flags & PERF_STACK_CHANGED);
	check_returned(&r, &c, 0);
	close_ring(&r);
}

/*
 * A task that is switched out in a ptrace stop is sampled there. The tracer
 * then adds to a register, of which `field` is the place in struct user; the
 * capture must have that. Returns the capture's misc.
 */
static uint16_t poke_once(size_t field, int reg, long add, bool *preempted)
{
	const size_t nr = offsetof(struct user, regs.orig_rax);
	struct perf_event_attr attr = regs_attr();
	struct captures all = { 0 };
	uint64_t value;
	struct ring r;
	int status;
	pid_t pid;

	attr.config = PERF_COUNT_SW_CONTEXT_SWITCHES;
	pid = fork();
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		asm volatile("syscall\n\t"
			     "nop\n\t"
			     "nop" : : "a"(SYS_getppid) : "rcx", "r11", "memory");
		_exit(0);
	}
	check(pid > 0);
	check(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	do {
		check(!ptrace(PTRACE_SYSCALL, pid, 0, 0));
		check(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	} while (ptrace(PTRACE_PEEKUSER, pid, nr, 0) != SYS_getppid);

	/* That was the stop at its entry, the one at its exit is sampled. */
	r = open_ring(&attr, pid, -1);
	start(&r);
	check(!ptrace(PTRACE_SYSCALL, pid, 0, 0));
	check(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	value = ptrace(PTRACE_PEEKUSER, pid, field, 0) + add;
	check(!ptrace(PTRACE_POKEUSER, pid, field, value));
	check(!ptrace(PTRACE_CONT, pid, 0, 0));
	check(waitpid(pid, &status, 0) == pid && WIFEXITED(status));

	/*
	 * The task's end may have been sampled, too.  Two preemptions make another
	 * try: one on the way to the stop, as the capture is then taken before the
	 * stop (ptrace_notify() runs task work), and one behind the exit flush, as
	 * that sample has no cookie.
	 */
	take_all(&r, &all);
	if (!all.nr || all.lost || all.no_cookie > 1)
		fail("%zu captures, %" PRIu64 " lost, %u without a cookie", all.nr, all.lost,
		     all.no_cookie);
	check(all.at[0].samples && all.at[0].records == 1);
	*preempted = all.at[0].samples > 1 || all.no_cookie;
	if (*preempted) {
		close_ring(&r);
		return 0;
	}
	check(reg_of(&r, &all.at[0], reg) == value);
	close_ring(&r);
	return all.at[0].flags;
}

static uint16_t poke(size_t field, int reg, long add)
{
	bool preempted = true;
	uint16_t misc = 0;

	for (int i = 0; preempted && i < 100; i++)
		misc = poke_once(field, reg, add, &preempted);
	check(!preempted);
	return misc;
}

static void test_ptrace(void)
{
	const size_t ip = offsetof(struct user, regs.rip);
	const size_t sp = offsetof(struct user, regs.rsp);

	check(!(poke(ip, PERF_REG_X86_IP, 0) & PERF_STACK_CHANGED));
	check(poke(ip, PERF_REG_X86_IP, 1) & PERF_STACK_CHANGED);
	check(poke(sp, PERF_REG_X86_SP, -64) & PERF_STACK_CHANGED);
}

/*
 * A task is preempted in a restartable sequence, whose description is in a page
 * that is not there: the kernel faults it in on the way back, which is sampled,
 * and then puts the user's ip on the abort handler.
 */
extern const uint8_t rseq_loop[], rseq_loop_end[], rseq_abort[];

static void test_rseq(void)
{
	struct rseq *rseq = (void *)((char *)__builtin_thread_pointer() + __rseq_offset);
	struct perf_event_attr attr = regs_attr();
	struct captures all = { 0 };
	unsigned int aborted = 0;
	struct rseq_cs *cs;
	struct ring r;
	pid_t pid;
	int fd;

	check(__rseq_size);
	run_on(0, 0);
	/* Somebody else who wants the CPU. */
	pid = fork();
	check(pid >= 0);
	if (!pid)
		for (;;)
			;
	fd = memfd_create("rseq", 0);
	check(fd >= 0 && !ftruncate(fd, PAGE));
	cs = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(cs != MAP_FAILED);
	cs->start_ip = (uintptr_t)rseq_loop;
	cs->post_commit_offset = rseq_loop_end - rseq_loop;
	cs->abort_ip = (uintptr_t)rseq_abort;
	r = open_ring(&attr, 0, -1);
	for (int round = 0; round < 2; round++) {
		if (round)
			start(&r);
		check(!madvise(cs, PAGE, MADV_DONTNEED));
		asm volatile("mov %1, %0\n"
			     "rseq_loop:\n\t"
			     "pause\n\t"
			     "jmp rseq_loop\n"
			     "rseq_loop_end:\n\t"
			     ".long 0x53053053\n"
			     "rseq_abort:"
			     : "=m"(rseq->rseq_cs) : "r"(cs) : "memory");
	}
	stop(&r);
	check(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid);

	take_all(&r, &all);
	check(!all.lost && !all.no_cookie);
	for (size_t i = 0; i < all.nr; i++) {
		struct capture *c = &all.at[i];

		check(c->records == 1);
		if (reg_of(&r, c, PERF_REG_X86_IP) != (uintptr_t)rseq_abort)
			continue;
		check(c->flags & PERF_STACK_CHANGED);
		aborted++;
	}
	check(aborted == 1);
	close_ring(&r);
}

/*
 * Sampled from NMIs in user mode, with signals all the time: the captured ip is
 * the sample's, or it is flagged.
 */
static void test_user_nmi(void)
{
	struct itimerval often = { { 0, 2000 }, { 0, 2000 } }, never = { 0 };
	struct perf_event_attr attr = nmi_attr();
	struct captures all = { 0 };
	unsigned int changed = 0;
	struct ring r;

	attr.exclude_kernel = 1;
	r = open_ring(&attr, 0, -1);
	handle(SIGALRM);
	check(!setitimer(ITIMER_REAL, &often, NULL));
	start(&r);
	while (all.nr < 500) {
		for (int i = 0; i < 1000; i++)
			getppid();
		take_all(&r, &all);
	}
	stop(&r);
	check(!setitimer(ITIMER_REAL, &never, NULL));
	take_all(&r, &all);
	check(!all.lost && !all.no_cookie);
	for (size_t i = 0; i < all.nr; i++) {
		struct capture *c = &all.at[i];
		bool same = reg_of(&r, c, PERF_REG_X86_IP) == c->ip;

		check(c->samples && c->records);
		if (c->flags & PERF_STACK_CHANGED)
			changed++;
		else
			check(same);
	}
	printf("# %u of %zu captures flagged\n", changed, all.nr);
	check(changed < all.nr / 2);
	close_ring(&r);
}

/* --- 32-bit code ----------------------------------------------------------------------------- */

/*
 * A 32-bit program of one page, loaded at 0x10000: it pushes 0x32c0de and then 64
 * words of other values, and is sampled where it touches its second page.
 */
extern const uint8_t program32[], program32_fault[], program32_end[];

asm(".pushsection .rodata\n"
    ".code32\n"
    "program32:\n"
	"push %ecx\n"
	"push $0x32c0de\n"
	"mov $64, %ecx\n"
    "1:	push %ecx\n"
	"loop 1b\n"
	"mov $0xb0b0b0b0, %ebx\n"
    "program32_fault:\n"
	"movb $1, 0x11000\n"
	"mov $1, %eax\n"
	"xor %ebx, %ebx\n"
	"int $0x80\n"
    "program32_end:\n"
    ".code64\n"
    ".popsection\n");

static void write_program32(const char *path)
{
	struct {
		Elf32_Ehdr eh;
		Elf32_Phdr ph;
		uint8_t code[256];
	} file = {
		.eh = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32,
				     ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = EM_386,
			.e_version = EV_CURRENT,
			.e_phoff = sizeof(Elf32_Ehdr),
			.e_ehsize = sizeof(Elf32_Ehdr),
			.e_phentsize = sizeof(Elf32_Phdr),
			.e_phnum = 1,
		},
		.ph = {
			.p_type = PT_LOAD,
			.p_vaddr = 0x10000,
			.p_filesz = sizeof(file),
			.p_memsz = 2 * PAGE,
			.p_flags = PF_R | PF_W | PF_X,
			.p_align = PAGE,
		},
	};
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	file.eh.e_entry = 0x10000 + sizeof(file.eh) + sizeof(file.ph);
	memcpy(file.code, program32, program32_end - program32);
	check(fd >= 0 && write(fd, &file, sizeof(file)) == sizeof(file));
	close(fd);
}

/* A 32-bit task: its registers say so, its stack is captured. */
static void test_compat(void)
{
	const uint64_t at = 0x10000 + sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr) +
			    (program32_fault - program32);
	struct perf_event_attr attr = base_attr(8 * KIB);
	struct captures all = { 0 };
	struct capture *c = NULL;
	int fds[2], status;
	uint32_t *words;
	struct ring r;
	pid_t pid;
	char go;

	write_program32("/tmp/program32");
	check(!pipe(fds));
	pid = fork();
	if (!pid) {
		check(read(fds[0], &go, 1) == 1);
		execl("/tmp/program32", "program32", NULL);
		_exit(127);
	}
	check(pid > 0);
	attr.enable_on_exec = 1;
	attr.sample_regs_user |= 1ull << PERF_REG_X86_BX;
	r = open_ring(&attr, pid, -1);
	check(write(fds[1], "", 1) == 1);
	check(waitpid(pid, &status, 0) == pid);
	check(WIFEXITED(status) && !WEXITSTATUS(status));

	take_all(&r, &all);
	for (size_t i = 0; i < all.nr; i++)
		if (all.at[i].ip == at)
			c = &all.at[i];
	check(c && c->records == 1);
	check(c->abi == PERF_SAMPLE_REGS_ABI_32);
	check(reg_of(&r, c, PERF_REG_X86_IP) == at);
	check(reg_of(&r, c, PERF_REG_X86_BX) == 0xb0b0b0b0);
	check(reg_of(&r, c, PERF_REG_X86_SP) == c->range[0].addr);
	check(c->range[0].addr < UINT32_MAX && c->range[0].size >= 65 * 4);
	words = (uint32_t *)c->range[0].mem;
	for (uint32_t i = 0; i < 64; i++)
		check(words[i] == i + 1);
	check(words[64] == 0x32c0de);
	close_ring(&r);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "syscall", test_syscall },
		{ "kernel_fault", test_kernel_fault },
		{ "kernel_nmi", test_kernel_nmi },
		{ "entry", test_entry },
		{ "beside_legacy", test_beside_legacy },
		{ "signal", test_signal },
		{ "sigreturn", test_sigreturn },
		{ "ptrace", test_ptrace },
		{ "rseq", test_rseq },
		{ "user_nmi", test_user_nmi },
		{ "compat", test_compat },
	};

	return run_tests(tests, sizeof(tests) / sizeof(*tests), argc, argv);
}
