/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * What the test programs of the guest have to say in machine code, and what a
 * register is called.
 */
#ifdef __x86_64__

#define RED_ZONE 128ul /* a capture begins there, below sp */
#define REG_SP PERF_REG_X86_SP
#define REG_IP PERF_REG_X86_IP
#define REG_KEPT PERF_REG_X86_BX /* across calls */
#define GPRS 0xff0fffull /* all that it has */
/* By as much ip is back where a signal has interrupted a system call */
#define RESTART 0
#define CONTEXT_SP(context) ((context)->uc_mcontext.gregs[REG_RSP])
#define DEFERS_CALLCHAIN true
#define TOP_BYTE_IGNORED false
#define TRACES_FAULTS true
#define NR_VFORK SYS_vfork
/* Filters of raw_syscalls/sys_enter */
#define IS_GETPPID "id == 110"
#define IS_READV "id == 19"
#define IS_EXECVE "id == 59"
/* Of a kernel function, to a probe */
#define FIRST_ARGUMENT "%di"
/* Of a byte, to operand 0 */
#define STORE_BYTE "movb $1, (%0)"
/* Calls leave their return address where a probe can be seen to replace it */
#define PUSHES_RETURNS true
/* Of the vDSO, mapped by number */
#define CLOCK_PAGES "[vvar_vclock]"

/*
 * A system call, or the store of a byte, with sp at a mark: a capture of it
 * begins with the mark, and its ip is marked_ip.
 */
static __attribute__((used, noinline, noclone)) long
marked_call6(uint64_t mark, long nr, const long args[6])
{
	register long r10 asm("r10") = args[3];
	register long r8 asm("r8") = args[4];
	register long r9 asm("r9") = args[5];
	long ret;

	asm volatile("lea -128(%%rsp), %%rsp\n\t"
		     "push %[mark]\n\t"
		     "push %[mark]\n\t"
		     "syscall\n"
		     "marked_call_ip:\n\t"
		     "lea 144(%%rsp), %%rsp"
		     : "=a"(ret)
		     : [mark] "r"(mark), "a"(nr), "D"(args[0]), "S"(args[1]),
		       "d"(args[2]), "r"(r10), "r"(r8), "r"(r9)
		     : "rcx", "r11", "memory");
	return ret;
}

static __attribute__((used, noinline, noclone)) void
marked_store(uint64_t mark, volatile uint8_t *to)
{
	asm volatile("lea -128(%%rsp), %%rsp\n\t"
		     "push %[mark]\n\t"
		     "push %[mark]\n"
		     "marked_store_ip:\n\t"
		     "movb $1, (%[to])\n\t"
		     "lea 144(%%rsp), %%rsp"
		     : : [mark] "r"(mark), [to] "r"(to) : "memory");
}

/* vfork, as a marked call; in the child, @run, which does not return. */
static inline pid_t marked_vfork(uint64_t mark, void (*run)(void))
{
	pid_t pid;

	asm volatile("lea -128(%%rsp), %%rsp\n\t"
		     "push %[mark]\n\t"
		     "push %[mark]\n\t"
		     "syscall\n\t"
		     "test %%eax, %%eax\n\t"
		     "jnz 1f\n\t"
		     "sub $1024, %%rsp\n\t"
		     "and $-16, %%rsp\n\t"
		     "call *%[run]\n\t"
		     "ud2\n"
		     "1:\n\t"
		     "lea 144(%%rsp), %%rsp"
		     : "=a"(pid)
		     : [mark] "r"(mark), [run] "b"(run), "a"(SYS_vfork)
		     : "rcx", "r11", "memory");
	return pid;
}

/* A system call with sp there, the argument 0. */
static inline void call_with_sp(const void *sp, long nr)
{
	asm volatile("mov %%rsp, %%rbx\n\t"
		     "mov %1, %%rsp\n\t"
		     "syscall\n\t"
		     "mov %%rbx, %%rsp"
		     : "+a"(nr)
		     : "r"(sp), "D"(0l)
		     : "rbx", "rcx", "r11", "memory");
}

/* The store of a byte with sp there; nothing is pushed. */
static inline void store_with_sp(uint64_t sp, volatile uint8_t *to)
{
	asm volatile("mov %%rsp, %%rbx\n\t"
		     "mov %1, %%rsp\n\t"
		     "movb $1, (%0)\n\t"
		     "mov %%rbx, %%rsp" : : "r"(to), "r"(sp) : "rbx", "memory");
}

/* A loop with sp there. */
static inline void spin_with_sp(const void *sp, uint64_t loops)
{
	asm volatile("mov %%rsp, %%rbx\n\t"
		     "mov %1, %%rsp\n"
		     "1:\n\t"
		     "dec %0\n\t"
		     "jnz 1b\n\t"
		     "mov %%rbx, %%rsp" : "+r"(loops) : "r"(sp) : "rbx");
}

/* A loop there that stores a byte, with this frame pointer. */
static inline void store_with_frame(const void *sp, const void *frame, volatile uint8_t *to,
				    uint64_t loops)
{
	asm volatile("mov %%rsp, %%rbx\n\t"
		     "mov %%rbp, %%r12\n\t"
		     "mov %1, %%rsp\n\t"
		     "mov %2, %%rbp\n"
		     "1:\n\t"
		     "movb $1, (%3)\n\t"
		     "dec %0\n\t"
		     "jnz 1b\n\t"
		     "mov %%r12, %%rbp\n\t"
		     "mov %%rbx, %%rsp"
		     : "+c"(loops) : "D"(sp), "S"(frame), "d"(to) : "rbx", "r12", "memory");
}

/* The load of a word. */
static inline void load_word(const uint64_t *from)
{
	asm volatile("movq (%0), %%rax" : : "r"(from) : "rax", "memory");
}

#else /* __aarch64__ */

#define RED_ZONE 0ul
#define REG_SP PERF_REG_ARM64_SP
#define REG_IP PERF_REG_ARM64_PC
#define REG_KEPT PERF_REG_ARM64_X19
#define GPRS ((1ull << (PERF_REG_ARM64_PC + 1)) - 1)
/* Calls are made to be restarted before the signal is looked at */
#define RESTART 4
#define CONTEXT_SP(context) ((context)->uc_mcontext.sp)
#define TOP_BYTE_IGNORED true
#define TRACES_FAULTS false
#define DEFERS_CALLCHAIN false /* the kernel does not unwind there */
#define NR_VFORK SYS_clone
#define IS_GETPPID "id == 173"
#define IS_READV "id == 65"
#define IS_EXECVE "id == 221"
#define FIRST_ARGUMENT "%x0"
#define STORE_BYTE "strb wzr, [%0]"
#define PUSHES_RETURNS false
#define CLOCK_PAGES NULL /* ordinary ones */

static __attribute__((used, noinline, noclone)) long
marked_call6(uint64_t mark, long nr, const long args[6])
{
	register long x8 asm("x8") = nr;
	register long x0 asm("x0") = args[0];
	register long x1 asm("x1") = args[1];
	register long x2 asm("x2") = args[2];
	register long x3 asm("x3") = args[3];
	register long x4 asm("x4") = args[4];
	register long x5 asm("x5") = args[5];

	asm volatile("stp %[mark], %[mark], [sp, #-16]!\n\t"
		     "svc #0\n"
		     ".globl marked_call_ip\n"
		     "marked_call_ip:\n\t"
		     "add sp, sp, #16"
		     : "+r"(x0)
		     : [mark] "r"(mark), "r"(x8), "r"(x1), "r"(x2), "r"(x3),
		       "r"(x4), "r"(x5)
		     : "memory");
	return x0;
}

static __attribute__((used, noinline, noclone)) void
marked_store(uint64_t mark, volatile uint8_t *to)
{
	asm volatile("stp %[mark], %[mark], [sp, #-16]!\n"
		     ".globl marked_store_ip\n"
		     "marked_store_ip:\n\t"
		     "strb wzr, [%[to]]\n\t"
		     "add sp, sp, #16"
		     : : [mark] "r"(mark), [to] "r"(to) : "memory");
}

static inline pid_t marked_vfork(uint64_t mark, void (*run)(void))
{
	register long x8 asm("x8") = SYS_clone;
	register long x0 asm("x0") = CLONE_VFORK | CLONE_VM | SIGCHLD;
	register long x1 asm("x1") = 0;

	asm volatile("stp %[mark], %[mark], [sp, #-16]!\n\t"
		     "svc #0\n\t"
		     "cbnz x0, 1f\n\t"
		     "sub sp, sp, #1024\n\t"
		     "blr %[run]\n\t"
		     "udf #0\n"
		     "1:\n\t"
		     "add sp, sp, #16"
		     : "+r"(x0)
		     : [mark] "r"(mark), [run] "r"(run), "r"(x1), "r"(x8)
		     : "x2", "x3", "x4", "x5", "x6", "x7", "x9", "x10", "x11", "x12", "x13",
		       "x14", "x15", "x16", "x17", "x18", "x30", "memory");
	return x0;
}

static inline void call_with_sp(const void *sp, long nr)
{
	register long x8 asm("x8") = nr;
	register long x0 asm("x0") = 0;

	asm volatile("mov x19, sp\n\t"
		     "mov sp, %1\n\t"
		     "svc #0\n\t"
		     "mov sp, x19" : "+r"(x0) : "r"(sp), "r"(x8) : "x19", "memory");
}

static inline void store_with_sp(uint64_t sp, volatile uint8_t *to)
{
	asm volatile("mov x19, sp\n\t"
		     "mov sp, %1\n\t"
		     "strb wzr, [%0]\n\t"
		     "mov sp, x19" : : "r"(to), "r"(sp) : "x19", "memory");
}

static inline void spin_with_sp(const void *sp, uint64_t loops)
{
	asm volatile("mov x19, sp\n\t"
		     "mov sp, %1\n"
		     "1:\n\t"
		     "subs %0, %0, #1\n\t"
		     "b.ne 1b\n\t"
		     "mov sp, x19" : "+r"(loops) : "r"(sp) : "x19", "cc");
}

static inline void store_with_frame(const void *sp, const void *frame, volatile uint8_t *to,
				    uint64_t loops)
{
	asm volatile("mov x19, sp\n\t"
		     "mov x20, x29\n\t"
		     "mov sp, %1\n\t"
		     "mov x29, %2\n"
		     "1:\n\t"
		     "strb wzr, [%3]\n\t"
		     "subs %0, %0, #1\n\t"
		     "b.ne 1b\n\t"
		     "mov x29, x20\n\t"
		     "mov sp, x19"
		     : "+r"(loops) : "r"(sp), "r"(frame), "r"(to) : "x19", "x20", "cc", "memory");
}

static inline void load_word(const uint64_t *from)
{
	asm volatile("ldr x9, [%0]" : : "r"(from) : "x9", "memory");
}

#endif
