/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * libustack: user stacks captured by perf, paired with their samples,
 * unwound by DWARF CFI and named.
 *
 * Units, once for all: addresses and cookies are u64 as the kernel wrote
 * them; sizes are bytes; times are ns on the perf clock of the recording.
 *
 * Habits: functions return 0 or a count, else -errno; *out is NULL on failure.
 * ustack_x_free(NULL) is allowed.  "Borrowed until E" means: do not free, not
 * valid after E.
 *
 * Structs that begin with sz can grow: zero them, set sz to their sizeof.  What
 * a caller does not know counts as 0.  -EINVAL: sz was forgotten, or something
 * is set that this library does not know.
 *
 * Threads: no state is global.  A ustack_images may be used by any number of
 * threads at once; every other object belongs to one thread at a time.  A space
 * that a second thread needs is handed to it as a fork, which costs little.
 *
 * A broken stack is not an error: ustack_unwind() returns the frames found so
 * far and says why it stopped.
 */
#ifndef USTACK_H
#define USTACK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Leaves the library, which is built with everything else hidden. */
#define USTACK_API __attribute__((visibility("default")))

/* --- registers and captured memory ------------------------------------ */

#define USTACK_REGS_MAX 64

/* Registers of x86 as perf numbers them.  Tasks of 32 bits have those up to IP. */
enum ustack_reg_x86 {
	USTACK_REG_X86_AX,
	USTACK_REG_X86_BX,
	USTACK_REG_X86_CX,
	USTACK_REG_X86_DX,
	USTACK_REG_X86_SI,
	USTACK_REG_X86_DI,
	USTACK_REG_X86_BP,
	USTACK_REG_X86_SP,
	USTACK_REG_X86_IP,
	USTACK_REG_X86_R8 = 16,	/* those between are never used */
	USTACK_REG_X86_R9,
	USTACK_REG_X86_R10,
	USTACK_REG_X86_R11,
	USTACK_REG_X86_R12,
	USTACK_REG_X86_R13,
	USTACK_REG_X86_R14,
	USTACK_REG_X86_R15
};

enum ustack_abi {
	USTACK_ABI_NONE = 0,	/* no registers were captured */
	USTACK_ABI_32 = 1,
	USTACK_ABI_64 = 2
};

struct ustack_regs {
	enum ustack_abi abi;
	uint64_t mask;		/* bit n set: val[n] is known */
	uint64_t val[USTACK_REGS_MAX];
};

/* One captured piece of user memory. data is borrowed with its owner. */
struct ustack_range {
	uint64_t addr;		/* user address of data[0] */
	uint64_t size;
	const uint8_t *data;
};

/* --- space: the modules of one process -------------------------------- */

struct ustack_images;	/* cache of ELF images and their compiled CFI */
struct ustack_space;	/* one address space: which image is mapped where */

/*
 * One mapping, and what is known about the file behind it.  Every field but addr
 * and size may be 0: not known.
 *
 * Files are told apart by the first of these that is known: build-id; the bytes
 * in data; device and inode, with the generation or else the path; the path.  So
 * one file under two paths is read once, and the same path in two containers is
 * two files.
 */
struct ustack_map {
	size_t sz;		/* sizeof(struct ustack_map) */
	uint64_t addr, size;	/* user addresses, bytes */
	uint64_t pgoff;		/* offset in the file of what is at addr */
	const char *path;	/* NULL: anonymous memory, "//anon".  "[vdso]" is
				   the vDSO, "PATH (deleted)" a file that had that
				   path, "/tmp/perf-PID.map" the code of a JIT,
				   unless its object is given below; executable,
				   "jit-PID.dump" has the names of that code. */
	const uint8_t *build_id; /* a file that has another one is not used */
	size_t build_id_size;
	uint64_t ino, ino_generation;	/* as PERF_RECORD_MMAP2 has them */
	uint32_t maj, min;	/* of the device */
	uint32_t prot;		/* PROT_*: without PROT_EXEC, no return address is in it */
	uint32_t pid;		/* of the process that mapped it */
	/*
	 * The file itself, for what no path leads to: a vDSO, an object that a
	 * JIT made, a module of a core file.  Either its bytes, which are copied,
	 * or a descriptor, which stays yours and is not needed after the call.
	 */
	const void *data;
	size_t data_size;
	int fd;
	int has_fd;		/* 1: fd counts */
	/*
	 * Seconds since 1970: when path was looked at last, as perf record does at
	 * its end.  build_id is what it had then, and what was mapped before may
	 * have had another; without one, a file that was written later is not used.
	 * 0: build_id is that of what was mapped, and nothing is known of path.
	 */
	uint64_t seen;
	/*
	 * 1: code of the kernel.  path is "[kernel.kallsyms]", and pgoff how far
	 * behind _text addr is; or it is a module, "[NAME]" or its file.  Only the
	 * kernel that has build_id names it.
	 */
	uint64_t is_kernel;
};

/* What a file is wanted for. */
enum ustack_file {
	USTACK_FILE_IMAGE,	/* what the process had mapped */
	USTACK_FILE_DEBUG,	/* the separate debug file of path */
	USTACK_FILE_JIT	/* the symbols that a JIT wrote: /tmp/perf-PID.map, a jit-PID.dump */
};

struct ustack_images_opts {
	size_t sz;		/* sizeof(struct ustack_images_opts) */
	const char *root;	/* prefix for every path ("" or NULL: none) */
	const char *vdso;	/* file that holds the vDSO of the recorded kernel;
				   NULL: this machine's own is used.  No root. */
	const char *debug_dirs;	/* where separate debug files are, with colons
				   between; NULL: root's /usr/lib/debug.  No root. */
	const char *build_id_dir; /* perf's cache, looked into for what path does
				   not hold any more; NULL: $HOME/.debug, "": none */
	/*
	 * Opens a file for reading in place of the search above: returns a
	 * descriptor, which libustack closes, -errno, or -ENOSYS to search after
	 * all.  map, borrowed during the call, is the mapping that first needed
	 * the file; a file with another build-id than map's is not used.  A JIT's
	 * file is asked for again whenever it has no name for an address.
	 *
	 * Called with no lock held, by any thread that uses the images, and by
	 * several at once for different files; others that need the same file
	 * wait.  It may use the images itself, but no space or unwinder that is
	 * in use.  If it needs a file whose own open() waits for this one, that
	 * file counts as unusable for the moment, or ustack_symbolize() returns
	 * -EDEADLK; returned from here, that becomes -EBUSY.
	 */
	int (*open)(void *arg, enum ustack_file file,
		    const struct ustack_map *map);
	void *arg;
	uint64_t cxx_params;	/* 1: functions of C++ are shown with their parameters */
	uint64_t debuginfod;	/* 1: what is not found is asked for from the servers
				   in $DEBUGINFOD_URLS, by libdebuginfod; none any
				   more after one that is too slow or sends too
				   much: see ustack_images_new(3). */
	const char *vmlinux;	/* the recorded kernel's, if it is in no usual place;
				   not used if it has another build-id.  No root. */
};

USTACK_API int ustack_images_new(struct ustack_images **out,
				 const struct ustack_images_opts *opts);
/* After all spaces, unwinders and readers that use them. */
USTACK_API void ustack_images_free(struct ustack_images *images);
/*
 * Frees what no space maps any more, with the names and paths that
 * ustack_symbolize() gave for it; if it could not be used,
 * ustack_images_unusable() forgets it.  What is mapped again is looked for
 * again.  Nothing else depends on whether or when it is called.
 */
USTACK_API void ustack_images_trim(struct ustack_images *images);
/*
 * No server is asked any more, and the file that one may be sending is given up: when
 * this returns, nothing of it is left in the cache.  From any thread, before the end
 * of a program that is not to wait for it.
 */
USTACK_API void ustack_images_interrupt(struct ustack_images *images);
/*
 * The files that were needed and could not be used: how many, and fn (or NULL)
 * is called with each path and -errno; it must not use the images.  -ESTALE:
 * what is there now is another file than was recorded, its build-id differs, or
 * its inode where no build-id was recorded and there is no root, or it was written
 * since.
 * -ENOKEY: it may be another, as it lacks the build-id that was recorded.
 * -EPERM: a file of a JIT's names that may be anyone's, as it is no regular file of
 * root's, of ours or of the user whose process has the PID now.  -E2BIG: its
 * names and what is kept beside them need more than 256 MiB, and what follows is not
 * read; a module of the kernel has too many functions, and the last have no names.
 * -EISDIR,
 * -ENOTSUP: a directory, a FIFO or device.  -ENODATA: it is empty, or
 * cut, and what is left is used.  -EBADMSG: its debug information is damaged, and
 * what could not be read is left out.  -ENOEXEC: no ELF program or library of this
 * machine.  The kernel counts as a file: -EACCES: it hides its addresses.  So do
 * servers of debuginfod that are asked no more: -ETIMEDOUT, they are too slow;
 * -EFBIG: a file is too large.
 */
USTACK_API size_t
ustack_images_unusable(struct ustack_images *images,
		       void (*fn)(void *arg, const char *path, int err),
		       void *arg);
/*
 * For a SIGBUS handler: 1 if addr (its si_addr) lies in a file that images have
 * mapped.  The file was truncated; zeroes are there now, so the handler returns,
 * and no chain through that file is finished.  0: it is not ours.
 * Async-signal-safe.
 */
USTACK_API int ustack_images_fault(struct ustack_images *images, void *addr);

/* images is borrowed until ustack_space_free(). */
USTACK_API int ustack_space_new(struct ustack_space **out,
				struct ustack_images *images);
USTACK_API void ustack_space_free(struct ustack_space *space);

/*
 * mmap: adds map, and cuts older ones that it overlaps.  Nothing of map is
 * borrowed.  -EINVAL: no size, beyond the last address, both data and fd; -EBADF,
 * -ENOMEM.  A file that cannot be used is no error, see ustack_images_unusable().
 */
USTACK_API int ustack_space_map(struct ustack_space *space,
				const struct ustack_map *map);
/* munmap: nothing is mapped in [addr, addr + size) any more.  -EINVAL, -ENOMEM. */
USTACK_API int ustack_space_unmap(struct ustack_space *space, uint64_t addr,
				  uint64_t size);
/*
 * Of what is mapped: changes whenever that does, and is never reused; forks have
 * their parent's until either changes.  For caches: an address that has a struct
 * ustack_symbol of kind USTACK_ADDR_ELF keeps it, and its struct ustack_source, as
 * long as the id stays.  0: nothing is mapped.
 */
USTACK_API uint64_t ustack_space_id(const struct ustack_space *space);
/*
 * Adds the code that pid has mapped now, from /proc/PID/maps; executable memory
 * without a file counts as a JIT's.  -ESRCH: no such process; -EACCES: no
 * permission to look at it.
 */
USTACK_API int ustack_space_add_process(struct ustack_space *space,
					uint32_t pid);
/*
 * Adds the kernel that runs, and its modules.  -ENOENT: it tells no build-id;
 * -EACCES: nobody is to see where it is (kernel.kptr_restrict, or
 * kernel.perf_event_paranoid above 1).
 */
USTACK_API int ustack_space_add_kernel(struct ustack_space *space);
/* fork: *out becomes a copy of parent. */
USTACK_API int ustack_space_fork(struct ustack_space **out,
				 const struct ustack_space *parent);
/* exec: forgets every mapping. */
USTACK_API void ustack_space_clear(struct ustack_space *space);

/* --- unwind ------------------------------------------------------------ */

struct ustack_unwinder;	/* what one thread remembers from stack to stack */

USTACK_API int ustack_unwinder_new(struct ustack_unwinder **out);
USTACK_API void ustack_unwinder_free(struct ustack_unwinder *unwinder);

enum ustack_end {
	USTACK_END_FINISHED,	/* the outermost frame was reached */
	USTACK_END_TRUNCATED,	/* the next word lies outside the captured memory */
	USTACK_END_NO_RULE,	/* no unwind information for a pc, or nothing mapped there */
	USTACK_END_BAD_MEMORY,	/* the rule leads to an address that cannot be a stack */
	USTACK_END_LOOP,	/* the stack does not grow towards its base any more */
	USTACK_END_LIMIT,	/* max frames reached */
	USTACK_END_NO_REGS	/* a register the next step needs is not known */
};

enum {
	USTACK_FRAME_RETURN = 1,  /* ip is a return address: look up ip - 1 */
	USTACK_FRAME_SIGNAL = 2,  /* signal trampoline: the next frame was interrupted */
	USTACK_FRAME_FALLBACK = 4 /* found without CFI, mostly by frame pointer */
};

struct ustack_frame {
	uint64_t ip;
	uint64_t cfa;		/* 0 where it was not computed (last frame) */
	uint32_t flags;		/* USTACK_FRAME_* */
	uint32_t reserved;	/* 0 */
};

enum {
	/* ip in regs is a return address: the callee's frame is not of interest */
	USTACK_STACK_RETURN = 1,
	/*
	 * ranges are sorted by address and do not overlap: with thousands, as of a
	 * core file, each is found in log n.
	 */
	USTACK_STACK_SORTED = 2
};

/* One stack, to be unwound.  All of it is borrowed for the call. */
struct ustack_stack {
	size_t sz;		/* sizeof(struct ustack_stack) */
	struct ustack_space *space;
	const struct ustack_regs *regs;	/* at least ip and sp */
	const struct ustack_range *ranges;	/* captured memory */
	size_t nr_ranges;
	/*
	 * Memory that neither the ranges nor the read-only segments of the
	 * images hold: reads size bytes at addr, 0 or -EFAULT.  NULL: none.
	 */
	int (*read)(void *arg, uint64_t addr, void *buf, size_t size);
	void *arg;
	uint32_t flags;		/* USTACK_STACK_* */
	uint32_t reserved;	/* 0 */
	/*
	 * NULL, or room for as many elements as frames has: the registers of each
	 * frame, as far as they are known.  A function does not save those that its
	 * caller does not expect back, so that frames further out have fewer.
	 */
	struct ustack_regs *frame_regs;
};

/*
 * Returns the number of frames written to frames[] (innermost first), never
 * more than max; *end says why it stopped.  -EINVAL if space or regs is missing
 * or stack has what this library does not know.
 */
USTACK_API int ustack_unwind(struct ustack_unwinder *unwinder,
			     const struct ustack_stack *stack,
			     struct ustack_frame *frames, size_t max,
			     enum ustack_end *end);

USTACK_API const char *ustack_end_name(enum ustack_end end);

/* --- names -------------------------------------------------------------- */

/* What an address is relative to. */
enum ustack_addr_kind {
	USTACK_ADDR_USER,	/* nothing: where the process has it (JIT, or nothing mapped) */
	USTACK_ADDR_ELF,	/* an address of the ELF file at path, as its symbols have it */
	USTACK_ADDR_OFFSET	/* bytes from the start of path, which could not be read */
};

/*
 * What it points to is borrowed until the images are freed, or trimmed when no
 * space maps the module.
 */
struct ustack_symbol {
	size_t sz;		/* sizeof(struct ustack_symbol), set by the caller */
	const char *name;	/* demangled; NULL: unknown */
	uint64_t offset;	/* of the address in the function, see has_start */
	const char *path;	/* of the module; NULL: none is mapped there */
	uint64_t addr;		/* the address in terms of the module: */
	enum ustack_addr_kind addr_kind;
	uint32_t build_id_size;	/* 0: not known */
	const uint8_t *build_id; /* as recorded, else as in the file */
	/*
	 * 1: offset is known.  Also where there is no name: addr - offset is where the
	 * function begins by the unwind information, and tells it from others.
	 */
	uint64_t has_start;
};

/*
 * Names a user address; for a USTACK_FRAME_RETURN frame pass ip - 1.  0 if it has
 * a name; -ENOENT if not, and the other fields hold what is known; -ENOMEM;
 * -EINVAL if sz was not set; -EDEADLK, in an open() only: see there.  Where a JIT
 * has no name, what its file has more by now is read first.  Addresses of the
 * kernel are named by a space that has it mapped, as struct ustack_sample's kernel.
 */
USTACK_API int ustack_symbolize(struct ustack_space *space, uint64_t addr,
				struct ustack_symbol *sym);

/*
 * A function at an address, as the debug information of its module tells.  The
 * library allocates it; later versions add fields at its end only.  It and all it
 * points to are borrowed as what struct ustack_symbol points to.
 */
struct ustack_source {
	const char *function;	/* demangled; NULL: unknown */
	const char *file;	/* of the source; NULL: unknown */
	uint32_t line, column;	/* in file; 0: unknown */
	const struct ustack_source *caller; /* the function that it was inlined
				   into, where that calls it; NULL: into none */
};

/*
 * The functions at a user address, the innermost inlined one first; for a
 * USTACK_FRAME_RETURN frame pass ip - 1.  0, or -ENOENT if nothing is known;
 * -ENOMEM; -EDEADLK as above.  The last one is what ustack_symbolize() names, where
 * the symbol table may have it by another name: NAME.part.0, say.
 */
USTACK_API int ustack_source_find(struct ustack_space *space, uint64_t addr,
				  const struct ustack_source **out);

/* --- attr: what a recorder asks for -------------------------------------- */

struct perf_event_attr;	/* linux/perf_event.h */

/*
 * Adds to attr what the reader and the unwinder need: the user registers,
 * stack_size bytes of the user stack, and the records that tell of processes
 * and their modules, with build-ids (which takes Linux 5.12).  attr->size has
 * to be set; type, config, period, wakeup and your other flags stay as they are.
 *
 * defer: the kernel takes the stack on the way back to user mode, at most 8 MiB
 * of it; perf_event_open(2) fails with EINVAL or EOPNOTSUPP where the kernel
 * cannot do that.  Else stack_size is at most 65,528.  -EINVAL if attr->size or
 * stack_size will not do.
 */
USTACK_API int ustack_attr_init(struct perf_event_attr *attr,
				uint32_t stack_size, int defer);

/* --- reader: perf.data or live rings to paired samples ------------------- */

struct ustack_reader;

/* What became of a sample's user stack. */
enum ustack_pair {
	USTACK_PAIR_NONE,	/* not asked for, or the task has none: a kernel thread */
	USTACK_PAIR_LEGACY,	/* it came in the sample itself */
	USTACK_PAIR_PAIRED,	/* it came in PERF_RECORD_STACK_DEFERRED */
	USTACK_PAIR_LOST	/* it was to come, and did not, or not completely */
};

/* Why a stack was lost, as far as the records tell. */
enum ustack_lost {
	USTACK_LOST_NOT,	/* it was not */
	USTACK_LOST_RING,	/* a ring overflowed while the sample waited */
	USTACK_LOST_PART,	/* a part of it is missing */
	USTACK_LOST_END,	/* the recording ended while the task was in the kernel */
	USTACK_LOST_EXIT,	/* the task exited without it */
	USTACK_LOST_MISSED,	/* the task went on: the event was off, or not on its CPU */
	USTACK_LOST_COOKIE,	/* the sample has no cookie to wait for */
	USTACK_LOST_MEMORY,	/* more samples waited than the reader keeps */
	USTACK_LOST_THROTTLED,	/* the kernel left it out: they took too much time */
	USTACK_LOST_NR
};

/* "ring", "part", ...: the words of `ustack stat`. */
USTACK_API const char *ustack_lost_name(enum ustack_lost lost);

/*
 * The reader allocates it; later versions add fields at its end only.  It and
 * all it points to are borrowed until the next ustack_reader_next(), or until
 * ustack_reader_release() if it is held.  What was not recorded is 0.
 */
struct ustack_sample {
	uint64_t time;		/* ns */
	uint64_t ip;		/* where it hit, user or kernel */
	uint64_t addr;		/* PERF_SAMPLE_ADDR */
	uint64_t period;	/* events it stands for */
	uint64_t id;		/* of its event */
	uint32_t pid, tid;	/* UINT32_MAX: not recorded */
	uint32_t cpu;		/* UINT32_MAX: not recorded */
	uint16_t misc;		/* PERF_RECORD_MISC_*: CPU mode and flags */
	const char *comm;	/* name of the thread when the sample was taken */
	const char *event;	/* name of the event */
	const uint64_t *chain;	/* call chain, PERF_CONTEXT_* included */
	size_t nr_chain;
	uint64_t cookie;	/* of the deferred stack; 0: none */
	enum ustack_pair pair;
	enum ustack_lost lost;	/* if pair is USTACK_PAIR_LOST */
	int stack_changed;	/* user ip or sp changed between sample and capture */
	struct ustack_regs regs; /* user registers, at the time of the stack */
	const struct ustack_range *ranges; /* the stack: what was captured of it */
	size_t nr_ranges;
	struct ustack_space *space; /* the process, at the time of the stack */
	uint32_t record_size;	/* bytes of the sample's own record */
	uint32_t event_nr;	/* of its event, see ustack_reader_event() */
	struct ustack_space *kernel; /* for its addresses in chain; NULL: the records
				   do not tell of it, as those of rings */
};

/* Accounts of one reading; complete after ustack_reader_next() returned 0. */
struct ustack_stats {
	size_t sz;		/* sizeof(struct ustack_stats), set by the caller */
	uint64_t samples;	/* left the reader, paired or not */
	uint64_t legacy, paired, lost, none;	/* by enum ustack_pair */
	uint64_t lost_by[16];	/* the lost ones by enum ustack_lost, with room for more */
	uint64_t stacks;	/* PERF_RECORD_STACK_DEFERRED captures seen */
	uint64_t stacks_unused;	/* those that no sample waited for */
	uint64_t lost_records;	/* as PERF_RECORD_LOST and _LOST_SAMPLES tell */
	uint64_t late_records;	/* came after younger ones had left */
	uint64_t sample_bytes;	/* bytes of all sample records */
	uint64_t stack_bytes;	/* bytes of all stack records */
	uint64_t unknown_records; /* left out: their event was not described */
	uint64_t late_samples;	/* left after younger ones, as their stack came late */
	uint64_t data_size;	/* bytes of all records of the file; 0: not known */
	uint64_t data_read;	/* how many of them were read */
};

/*
 * A reader takes one file, or rings.  A function called out of turn returns
 * -EINVAL (-EBUSY where a file or rings were opened before) and changes nothing;
 * ustack_reader_error() says what comes first.
 *
 * images is borrowed until the reader is freed.
 */
USTACK_API int ustack_reader_new(struct ustack_reader **out,
				 struct ustack_images *images);
/*
 * Opens a perf.data file, once per reader; path "-" is standard input.  After
 * a failure ustack_reader_error() tells why, and another try takes a new reader.
 */
USTACK_API int ustack_reader_open(struct ustack_reader *reader,
				  const char *path);
/*
 * Live rings instead of a file.  An event is described before its first record
 * is read; all attrs have to agree on where the id of a record stands, as those
 * that ustack_attr_init() filled do.  ids, one for each file descriptor of the
 * event (PERF_EVENT_IOC_ID), may be none if it is the only event.  name may be
 * NULL.  -EINVAL if attr->size was not set, or records could not be told from
 * those of the events before.
 */
USTACK_API int ustack_reader_add_event(struct ustack_reader *reader,
				       const struct perf_event_attr *attr,
				       const uint64_t *ids, size_t nr_ids,
				       const char *name);
/*
 * Reads from /proc what the rings cannot tell of a process that is running
 * already.  Call it between opening the events and enabling them.  -ESRCH if the
 * process is gone.
 */
USTACK_API int ustack_reader_add_process(struct ustack_reader *reader,
					 uint32_t pid);
/*
 * Adds a ring: size bytes at base, the control page and all data pages, mapped
 * readable and writable, borrowed until the reader is freed; -EINVAL if it is not.
 * The reader takes what it finds and never blocks: wait with poll(2) for more.
 */
USTACK_API int ustack_reader_open_ring(struct ustack_reader *reader, void *base,
				       size_t size);
/*
 * Says that the events are disabled: ustack_reader_next() gives what the rings
 * still hold and then ends.
 */
USTACK_API int ustack_reader_finish(struct ustack_reader *reader);
/* Release held samples before. */
USTACK_API void ustack_reader_free(struct ustack_reader *reader);

/*
 * 1 and the next sample (borrowed until the next call), 0 at the end, -errno on
 * bad input; for rings -EAGAIN if there is nothing now.  Samples of a file leave in
 * time order.  Those of a pipe or of rings do, unless one has waited for its stack
 * for a tenth of a second by the times of the records, or 4 MB behind it: then the
 * others go on, and it leaves late.  A cut or damaged file first gives what it holds.
 * Called again after the end, it returns the same again.
 */
USTACK_API int ustack_reader_next(struct ustack_reader *reader,
				  const struct ustack_sample **sample);
/*
 * Keeps the sample that ustack_reader_next() just gave, with all it points to,
 * until it is released: to unwind samples in several threads.  Its space becomes
 * a fork of its own.  Only one thread at a time may call functions of the reader,
 * but each may use the samples it holds at any time.
 */
USTACK_API int ustack_reader_hold(struct ustack_reader *reader);
/* -EINVAL if the sample is not held. */
USTACK_API int ustack_reader_release(struct ustack_reader *reader,
				     const struct ustack_sample *sample);
/*
 * The name of event nr of the recording, counted from 0; NULL: it has no more.  All
 * are known when the first sample has come.  Borrowed until the reader is freed.
 */
USTACK_API const char *ustack_reader_event(const struct ustack_reader *reader,
					   size_t nr);
USTACK_API int ustack_reader_stats(struct ustack_reader *reader,
				   struct ustack_stats *stats);
/*
 * One line after an error: what is wrong and what to do, to follow the name of
 * the file.  Borrowed until the next call on reader.
 */
USTACK_API const char *ustack_reader_error(const struct ustack_reader *reader);

#ifdef __cplusplus
}
#endif
#endif
