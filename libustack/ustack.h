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
 * Threads: there are no globals.  A ustack_images may be used by any number of
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

/* --- registers and captured memory ------------------------------------ */

/* Registers as perf numbers them (PERF_REG_X86_*); x86-64 uses 0..23, i386 0..8. */
#define USTACK_REGS_MAX 64

enum ustack_abi {
	USTACK_ABI_NONE = 0,	/* no registers were captured */
	USTACK_ABI_32 = 1,
	USTACK_ABI_64 = 2,
};

struct ustack_regs {
	enum ustack_abi abi;
	uint64_t mask;		/* bit n set: val[n] was captured */
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

/* What a file is wanted for. */
enum ustack_file {
	USTACK_FILE_IMAGE,	/* what the process had mapped */
	USTACK_FILE_DEBUG,	/* the separate debug file of path */
	USTACK_FILE_JIT,	/* the symbols that a JIT wrote: /tmp/perf-PID.map */
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
	 * Opens a file for reading instead of the search above: the descriptor
	 * (closed by libustack), -errno, or -ENOSYS: search after all.  build_id
	 * is NULL where it is not known; the file that comes back is checked
	 * against it.  Called in any thread that uses the images, one at a time.
	 */
	int (*open)(void *arg, enum ustack_file file, const char *path,
		    const uint8_t *build_id, size_t build_id_size);
	void *arg;
};

int ustack_images_new(struct ustack_images **out,
		      const struct ustack_images_opts *opts);
void ustack_images_free(struct ustack_images *images);
/*
 * The files that were needed and could not be used: how many, and fn (or NULL)
 * is called with each path and -errno.  -ESTALE: what is there now is another
 * file than was recorded, its build-id differs.
 */
size_t ustack_images_unusable(struct ustack_images *images,
			      void (*fn)(void *arg, const char *path, int err),
			      void *arg);
/*
 * For a SIGBUS handler: 1 if addr (its si_addr) lies in a file that images have
 * mapped.  The file was cut meanwhile; there are zeroes now, so return from the
 * handler.  0: none of ours.  Async-signal-safe.
 */
int ustack_images_fault(struct ustack_images *images, void *addr);

/* images is borrowed until ustack_space_free(). */
int ustack_space_new(struct ustack_space **out, struct ustack_images *images);
void ustack_space_free(struct ustack_space *space);

/*
 * Record that [addr, addr + size) maps path from file offset pgoff.  Replaces
 * what it overlaps.  build_id may be NULL; an image whose build-id differs is
 * not used.  "[vdso]" is the vDSO, "PATH (deleted)" a file that had that path.
 */
int ustack_space_map(struct ustack_space *space, uint64_t addr, uint64_t size,
		     uint64_t pgoff, const char *path,
		     const uint8_t *build_id, size_t build_id_size);
/* fork: *out becomes a copy of parent. */
int ustack_space_fork(struct ustack_space **out,
		      const struct ustack_space *parent);
/* exec: forget every mapping. */
void ustack_space_clear(struct ustack_space *space);

/* --- unwind ------------------------------------------------------------ */

struct ustack_unwinder;	/* what one thread remembers from stack to stack */

/* Who unwinds.  The others are there to compare with, and do no more than they can. */
enum ustack_backend {
	USTACK_NATIVE,
	USTACK_LIBDW,		/* elfutils */
	USTACK_LIBUNWIND,	/* if the library was built with it */
};

struct ustack_unwinder_opts {
	size_t sz;		/* sizeof(struct ustack_unwinder_opts) */
	/*
	 * Memory that neither the ranges nor the read-only segments of the
	 * images hold: reads size bytes at addr, 0 or -EFAULT.  NULL: none.
	 */
	int (*read)(void *arg, uint64_t addr, void *buf, size_t size);
	void *arg;
	enum ustack_backend backend;
};

/*
 * images is borrowed until ustack_unwinder_free(); opts may be NULL.  -ENOTSUP
 * where the library was built without the backend.
 */
int ustack_unwinder_new(struct ustack_unwinder **out,
			struct ustack_images *images,
			const struct ustack_unwinder_opts *opts);
void ustack_unwinder_free(struct ustack_unwinder *unwinder);

enum ustack_end {
	USTACK_END_FINISHED,	/* the outermost frame was reached */
	USTACK_END_TRUNCATED,	/* the next word lies outside the captured memory */
	USTACK_END_NO_RULE,	/* no unwind information for a pc, or nothing mapped there */
	USTACK_END_BAD_MEMORY,	/* the rule leads to an address that cannot be a stack */
	USTACK_END_LOOP,	/* the stack does not grow towards its base any more */
	USTACK_END_LIMIT,	/* max frames reached */
	USTACK_END_NO_REGS,	/* a register the next step needs is not known */
};

enum {
	USTACK_FRAME_RETURN = 1,  /* ip is a return address: look up ip - 1 */
	USTACK_FRAME_SIGNAL = 2,  /* signal trampoline: the next frame was interrupted */
	USTACK_FRAME_FALLBACK = 4, /* found without CFI, mostly by frame pointer */
};

struct ustack_frame {
	uint64_t ip;
	uint64_t cfa;		/* 0 where it was not computed (last frame) */
	uint32_t flags;		/* USTACK_FRAME_* */
};

/*
 * Unwind one stack.  regs: at least ip and sp.  ranges: captured memory, any
 * order.  Returns the number of frames written to frames[] (innermost first,
 * at most max), never more than max; *end says why it stopped.  space is one
 * of the unwinder's images.
 */
int ustack_unwind(struct ustack_unwinder *unwinder, struct ustack_space *space,
		  const struct ustack_regs *regs,
		  const struct ustack_range *ranges, size_t nr_ranges,
		  struct ustack_frame *frames, size_t max,
		  enum ustack_end *end);

const char *ustack_end_name(enum ustack_end end);

/* --- names -------------------------------------------------------------- */

struct ustack_symbol {
	const char *name;	/* demangled; NULL: unknown. Borrowed until images are freed */
	uint64_t offset;	/* of the address in the symbol */
	const char *path;	/* of the module; NULL: none. Borrowed until space changes */
	uint64_t module_offset;	/* the address as an address of the module's ELF file */
};

/* Name a user address; for a USTACK_FRAME_RETURN frame pass ip - 1. */
int ustack_symbolize(struct ustack_space *space, uint64_t addr,
		     struct ustack_symbol *sym);

/* --- attr: what a recorder asks for -------------------------------------- */

struct perf_event_attr;	/* linux/perf_event.h */

/*
 * Adds to attr what the reader and the unwinder need: the user registers,
 * stack_size bytes of the user stack, and the records that tell of processes
 * and their modules.  attr->size has to be set; type, config, period, flags of
 * your own and wakeup stay as they are.
 *
 * defer: the kernel takes the stack on the way back to user mode, at most 8 MiB
 * of it; perf_event_open(2) fails with EINVAL or EOPNOTSUPP where the kernel
 * cannot do that.  Else stack_size is at most 65,528.  -EINVAL if attr->size or
 * stack_size will not do.
 */
int ustack_attr_init(struct perf_event_attr *attr, uint32_t stack_size,
		     int defer);

/* --- reader: perf.data or live rings to paired samples ------------------- */

struct ustack_reader;

/* How a sample stands to its user stack when it leaves the reader. */
enum ustack_pair {
	USTACK_PAIR_NONE,	/* none was asked for, or the task has no user stack */
	USTACK_PAIR_LEGACY,	/* copied in the sample itself */
	USTACK_PAIR_PAIRED,	/* met its PERF_RECORD_STACK_DEFERRED */
	USTACK_PAIR_LOST,	/* has a cookie, its record never came (complete) */
};

/* Why a stack was lost, as far as the records tell. */
enum ustack_lost {
	USTACK_LOST_NOT,	/* it was not */
	USTACK_LOST_RING,	/* a ring had no room for records while the sample waited */
	USTACK_LOST_PART,	/* a part of it is missing */
	USTACK_LOST_END,	/* the recording ended before the task was seen again */
	USTACK_LOST_EXIT,	/* the task ended without one */
	USTACK_LOST_MISSED,	/* the task went on without one: the event was off, or not on its CPU */
	USTACK_LOST_COOKIE,	/* the sample has no cookie */
	USTACK_LOST_MEMORY,	/* more samples waited than the reader keeps */
	USTACK_LOST_NR,
};

const char *ustack_lost_name(enum ustack_lost lost);

struct ustack_sample {
	uint64_t time, ip, addr, period, id;
	uint32_t pid, tid;
	uint32_t cpu;		/* UINT32_MAX: not recorded */
	uint16_t misc;		/* of the sample's header */
	const char *comm;
	const char *event;	/* name of the event */
	const uint64_t *chain;	/* callchain as sampled, contexts included */
	size_t nr_chain;
	uint64_t cookie;	/* 0: none */
	enum ustack_pair pair;
	enum ustack_lost lost;	/* if pair is USTACK_PAIR_LOST */
	int stack_changed;	/* user ip or sp changed between sample and capture */
	struct ustack_regs regs;
	const struct ustack_range *ranges;
	size_t nr_ranges;
	struct ustack_space *space; /* the process at the time of the stack */
	uint32_t record_size;	/* bytes of the sample's own record */
};

/* Accounts of one reading; complete after ustack_reader_next() returned 0. */
struct ustack_stats {
	uint64_t samples;	/* left the reader, paired or not */
	uint64_t legacy, paired, lost, none;	/* by enum ustack_pair */
	uint64_t lost_by[USTACK_LOST_NR];	/* of the lost ones */
	uint64_t stacks;	/* PERF_RECORD_STACK_DEFERRED captures seen */
	uint64_t stacks_unused;	/* captures no sample asked for */
	uint64_t lost_records;	/* as told by PERF_RECORD_LOST(_SAMPLES) */
	uint64_t late_records;	/* came when younger ones had left already */
	uint64_t sample_bytes;	/* bytes of all sample records */
	uint64_t stack_bytes;	/* bytes of all stack records */
};

/* images is borrowed until the reader is freed. */
int ustack_reader_new(struct ustack_reader **out, struct ustack_images *images);
/*
 * Opens a perf.data file, once per reader; path "-" is standard input.  After
 * a failure ustack_reader_error() tells why.
 */
int ustack_reader_open(struct ustack_reader *reader, const char *path);
/*
 * Live rings instead of a file.  All events of the rings are described before
 * the first record is read; their attrs have to agree on where the id of a
 * record stands, as those that ustack_attr_init() filled do.  ids, one for each
 * file descriptor of the event (PERF_EVENT_IOC_ID), may be none if it is the
 * only event.  name may be NULL.
 */
int ustack_reader_add_event(struct ustack_reader *reader,
			    const struct perf_event_attr *attr,
			    const uint64_t *ids, size_t nr_ids,
			    const char *name);
/*
 * Reads from /proc what the rings cannot tell of a process that runs already:
 * after the events were opened, before they are enabled.  -ESRCH if it is gone.
 */
int ustack_reader_add_process(struct ustack_reader *reader, uint32_t pid);
/*
 * Once per ring: size bytes at base, the control page and all of the data,
 * mapped readable and writable and borrowed until the reader is freed.  The
 * reader never blocks and takes what it finds: wait with poll(2) for more.
 */
int ustack_reader_open_ring(struct ustack_reader *reader, void *base,
			    size_t size);
/* The events are disabled: ustack_reader_next() gives the rest, then ends. */
void ustack_reader_finish(struct ustack_reader *reader);
void ustack_reader_free(struct ustack_reader *reader);

/*
 * 1 and the next sample (borrowed until the next call), 0 at the end, -errno
 * on bad input; of rings -EAGAIN if there is nothing now.  A sample leaves as
 * soon as its stack is there: in time order but for those that had to wait, or
 * were found to be lost.  A cut or damaged file gives what it holds first.
 */
int ustack_reader_next(struct ustack_reader *reader,
		       const struct ustack_sample **sample);
/*
 * Keeps the sample that ustack_reader_next() just gave, with all it points to,
 * until it is released, which must come before the reader is freed: to unwind
 * samples in several threads.  Its space becomes a fork of its own.  The
 * threads take turns at calling functions of the reader; what they do with the
 * samples they hold needs no turn.
 */
int ustack_reader_hold(struct ustack_reader *reader);
void ustack_reader_release(struct ustack_reader *reader,
			   const struct ustack_sample *sample);
void ustack_reader_stats(const struct ustack_reader *reader,
			 struct ustack_stats *stats);
/*
 * One line for after an error: what is wrong and what to do, to be put behind
 * the file's name.  Borrowed until the next call on reader.
 */
const char *ustack_reader_error(const struct ustack_reader *reader);

#ifdef __cplusplus
}
#endif
#endif
