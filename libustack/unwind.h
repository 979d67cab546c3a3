/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Private to the unwinding half of libustack, in the order the data flows:
 * mem -> file -> elf -> section -> debugfile -> images -> space -> expr -> cfi
 * -> scan -> rule -> arch -> trail -> ref -> unwind -> symbols -> plt -> jit
 * -> sym.
 * A file calls only what stands above its own section.
 *
 * Three kinds of address meet here.  A user address (addr, ip) belongs to the
 * recorded process.  A vaddr or pc is an address as the ELF file has it:
 * user address - map->bias.  An offset counts bytes of a file or section.
 */
#ifndef USTACK_UNWIND_H
#define USTACK_UNWIND_H

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/types.h>

#include "ustack.h"

/* --- registers, as DWARF numbers them on x86-64 ------------------------- */

enum {
	REG_RAX,
	REG_RDX,
	REG_RCX,
	REG_RBX,
	REG_RSI,
	REG_RDI,
	REG_RBP,
	REG_RSP,
	REG_R8,
	REG_R9,
	REG_R10,
	REG_R11,
	REG_R12,
	REG_R13,
	REG_R14,
	REG_R15,
	REG_RIP,	/* the return address column */
	NR_REGS,
};

struct cpu {
	uint64_t reg[NR_REGS];
	uint32_t known;		/* bit n set: reg[n] holds what the program had */
};

static inline bool cpu_knows(const struct cpu *cpu, unsigned int reg)
{
	return cpu->known & (1u << reg);
}

static inline void cpu_set(struct cpu *cpu, unsigned int reg, uint64_t val)
{
	cpu->reg[reg] = val;
	cpu->known |= 1u << reg;
}

static inline void cpu_forget(struct cpu *cpu, unsigned int reg)
{
	cpu->known &= ~(1u << reg);
}

/*
 * i386 has numbers of its own, and nothing but the eight and eip that matters.
 * NR_REGS: no register that anybody follows.
 */
static inline unsigned int reg_of_dwarf(bool is_32, uint64_t reg)
{
	static const uint8_t i386[] = {
		REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP,
		REG_RBP, REG_RSI, REG_RDI, REG_RIP,
	};

	if (!is_32)
		return reg < NR_REGS ? reg : NR_REGS;
	return reg < sizeof(i386) ? i386[reg] : NR_REGS;
}

/* --- mem: the words of a captured stack --------------------------------- */

struct mem {
	const struct ustack_range *ranges;
	size_t nr;
	/* Asked for what no range holds; 0 or -EFAULT.  May be NULL. */
	int (*fallback)(void *arg, uint64_t addr, void *buf, size_t size);
	void *arg;
	bool is_32;		/* words have 4 bytes, and so have addresses */
};

/* The range that holds addr, or NULL. */
const struct ustack_range *mem_range(const struct mem *mem, uint64_t addr);
/* Reads size bytes, all from one source.  0 or -EFAULT. */
int mem_read(const struct mem *mem, uint64_t addr, void *buf, size_t size);

static inline int mem_read_u64(const struct mem *mem, uint64_t addr,
			       uint64_t *val)
{
	const struct ustack_range *r = mem->ranges;

	/* Nearly every stack is one range. */
	if (mem->nr && r->size >= 8 && addr - r->addr <= r->size - 8) {
		memcpy(val, r->data + (addr - r->addr), 8);
		return 0;
	}
	return mem_read(mem, addr, val, 8);
}

static inline unsigned int mem_word_size(const struct mem *mem)
{
	return mem->is_32 ? 4 : 8;
}

static inline int mem_read_word(const struct mem *mem, uint64_t addr,
				uint64_t *val)
{
	if (!mem->is_32)
		return mem_read_u64(mem, addr, val);
	*val = 0;
	return mem_read(mem, addr, val, 4);
}

/* --- buf: bounds-checked bytes of a file -------------------------------- */

struct buf {
	const uint8_t *p, *end;
	bool bad;		/* a read went past end; it and all later ones gave 0 */
};

static inline size_t buf_left(const struct buf *b)
{
	return b->end - b->p;
}

static inline const uint8_t *buf_skip(struct buf *b, uint64_t n)
{
	const uint8_t *p = b->p;

	if (n > buf_left(b)) {
		b->bad = true;
		b->p = b->end;
		return NULL;
	}
	b->p += n;
	return p;
}

/* Little-endian, as every x86 file is. */
static inline uint64_t buf_uint(struct buf *b, unsigned int size)
{
	const uint8_t *p = buf_skip(b, size);
	uint64_t val = 0;

	if (p)
		memcpy(&val, p, size);
	return val;
}

static inline int64_t buf_sint(struct buf *b, unsigned int size)
{
	unsigned int shift = 64 - 8 * size;

	return (int64_t)(buf_uint(b, size) << shift) >> shift;
}

uint64_t buf_uleb_long(struct buf *b);
int64_t buf_sleb(struct buf *b);

static inline uint64_t buf_uleb(struct buf *b)
{
	/* One byte is enough for nearly all. */
	if (b->p < b->end && *b->p < 0x80)
		return *b->p++;
	return buf_uleb_long(b);
}

/* --- file: where files are, and their bytes ------------------------------ */

struct image;

/* The build-id that a file carries. */
struct elf_id {
	uint8_t size;		/* 0: none */
	uint8_t bytes[63];
};

/* The file's bytes until the images are freed, or NULL. */
const uint8_t *file_map(struct ustack_images *images, int fd, size_t size);
void file_unmap_all(struct ustack_images *images);
/* All that open return a descriptor of a regular file and its size, or -errno. */
int file_open_at(size_t *size, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Asks the user of the images; -ENOSYS: he leaves it to us. */
int file_open_callback(struct ustack_images *images, enum ustack_file file,
		       const struct image *image, size_t *size);
/* dir/.build-id/xx/yyyyNAME; dir has len bytes. */
int file_open_build_id(const char *dir, size_t len, const struct elf_id *id,
		       const char *name, size_t *size);

/* Is it a JIT's table of symbols, /tmp/perf-PID.map? */
bool file_is_jit(const char *path);

/* --- elf: one file ------------------------------------------------------ */

struct section {
	const uint8_t *data;	/* NULL: the file has none */
	size_t size;
	uint64_t vaddr;
};

struct segment {
	uint64_t vaddr, offset, size;	/* size: bytes in the file */
	uint32_t flags;			/* PF_* */
};

/* The call frame information of one image; see cfi.c. */
struct cfi {
	struct section frames;	/* .eh_frame or .debug_frame */
	bool debug_frame;
	bool is_32;		/* i386's register numbers and addresses */
	uint64_t bias;		/* image's vaddrs - those of a separate file */
	/* Whose .debug_frame is asked where .eh_frame says nothing; may be NULL. */
	struct image *image;
	/* The linker's search table: nr pairs of s32, relative to hdr. */
	struct section hdr;
	const uint8_t *table;
	/*
	 * Else one of our own, all that is kept allocated for CFI: where in frames
	 * the FDEs are, by their first pc.  That is read there again: kept here,
	 * too, it would take a third of the size of frames.
	 */
	uint32_t *index;
	size_t nr;
};

struct symbols;
struct Elf;

struct image {
	struct ustack_images *images;
	char *path;
	struct elf_id build_id;	/* that the process had mapped, if told */
	uint32_t hash;
	/*
	 * 1: not opened yet, 0: usable, else -errno.  Written under the images'
	 * lock, last of all: what stands below does not change after that.
	 */
	int state;

	const uint8_t *data;	/* the whole file */
	size_t size;
	bool by_path;		/* they are those of the file at root and path */
	struct elf_id id;	/* the file's own */
	bool is_64;		/* ELFCLASS64 */
	uint64_t entry;
	uint64_t base;		/* vaddr of the first segment */
	struct segment *segments;
	size_t nr_segments;
	struct section eh_frame_hdr, eh_frame, debug_frame;

	/* Of section.c and debugfile.c; used under the lock. */
	struct Elf *elf;
	struct buffer *buffers;
	struct image *mini, *debug_file;
	uint8_t *unpacked;	/* data, if it was in another file */
	unsigned int looked;	/* LOOKED_*: was it looked for? */

	struct cfi cfi, debug_cfi;
	int debug_state;	/* of debug_cfi; as state */
	struct symbols *symbols;	/* NULL until read; readers take no lock */
	struct image *next;	/* in the bucket */
};

/* A file's first bytes, or all of them. */
struct head {
	const uint8_t *data;
	size_t size;
	size_t file_size;
};

/*
 * All that the headers tell.  0, -EAGAIN if more of the file is needed than
 * its head, -ENOEXEC for what is no file to unwind through, -ENOMEM.
 */
int elf_read(struct image *image, const struct head *head);
/* The same of a file. */
int elf_read_fd(struct image *image, int fd, size_t size);
/* Its bytes, if they are not there yet: image_at() works from now on. */
int elf_map(struct image *image, int fd);
/* The bytes of the file at vaddr, *size of them up to the segment's end. */
const uint8_t *image_at(const struct image *image, uint64_t vaddr,
			size_t *size);

/* --- section: parts of a file by name ------------------------------------ */

/* libelf's view of the file, or NULL.  Under the lock, as all of section. */
struct Elf *image_elf(struct image *image);
/*
 * The section, its contents uncompressed; .debug_NAME also under its old name
 * .zdebug_NAME.  0, -ENOENT, -EINVAL or -ENOMEM and *out is empty.
 */
int image_section(struct image *image, const char *name, struct section *out);
/* The contents unpacked, to be freed, or NULL. */
uint8_t *section_unxz(const struct section *section, size_t *size);
void section_free(struct image *image);

/* --- debugfile: what was taken out of an image ---------------------------- */

enum { LOOKED_MINI = 1, LOOKED_FILE = 2 };

/*
 * Its .gnu_debugdata and its separate debug file, or NULL.  Only data, base
 * and sections of them are of use.  Under the lock.
 */
struct image *image_mini(struct image *image);
struct image *image_debug_file(struct image *image);
void debugfile_free(struct image *image);

/* --- images: the cache of all files --------------------------------------- */

#define IMAGES_BUCKETS 1024

/*
 * Used by many threads: the lock guards the buckets, opening a file,
 * reading its symbols, and all calls of libelf.  Only the mappings are for
 * signal handlers.
 */
struct ustack_images {
	pthread_mutex_t lock;
	uint64_t maps_id;	/* the last that was given; see space_id() */
	struct ustack_images_opts opts;	/* strings are never NULL and our own */
	struct mapping *mappings;
	struct image *bucket[IMAGES_BUCKETS];
};

/* NULL: no memory.  The file is not touched yet. */
struct image *images_get(struct ustack_images *images, const char *path,
			 const uint8_t *build_id, size_t build_id_size);
/* 0 or -errno, the same at every call. */
int image_open(struct ustack_images *images, struct image *image);

/* --- space: the maps of a process --------------------------------------- */

enum map_state {
	MAP_NEW,		/* image was not opened yet */
	MAP_UNUSABLE,
	MAP_USABLE,		/* so is image, and bias is set */
};

/* Forks share maps between threads: who needs one first resolves it in place. */
struct map {
	uint64_t start, end, pgoff;
	struct image *image;
	uint64_t bias;		/* user address - vaddr, once state says usable */
	enum map_state state;	/* written once, under the images' lock */
};

struct maps;

struct ustack_space {
	struct ustack_images *images;
	struct maps *maps;	/* shared after a fork until one side changes */
	/* Indices of maps found last, by address: frames alternate between files. */
	uint32_t last[16];
};

static inline bool map_holds(const struct map *map, uint64_t addr)
{
	return addr - map->start < map->end - map->start;
}

/* to becomes what from is now; next to nothing is done if it is that already. */
void space_copy(struct ustack_space *to, const struct ustack_space *from);
/* The map that holds addr, or NULL. */
struct map *space_find(struct ustack_space *space, uint64_t addr);
/* Has it a usable image?  Opens it if nobody did. */
bool space_usable(struct ustack_space *space, struct map *map);
/* Both: the map that holds addr, if it has a usable image. */
struct map *space_find_image(struct ustack_space *space, uint64_t addr);
/* Changes whenever the maps do, and is never used again for others. */
uint64_t space_id(const struct ustack_space *space);
/* The id of the first maps that these grew from, by maps and forks. */
uint64_t space_origin(const struct ustack_space *space);
/* All maps, by address. */
const struct map *space_maps(const struct ustack_space *space, size_t *nr);
/* struct mem's fallback: the read-only segments of the images. */
int space_read(void *space, uint64_t addr, void *buf, size_t size);

/* --- expr: DWARF expressions ------------------------------------------- */

/*
 * Evaluates size bytes at expr.  initial: pushed first, if not NULL.
 * 0, -EFAULT (*fault then is the address that could not be read), -ENODATA (a
 * register is not known) or -EINVAL.
 */
int expr_eval(const uint8_t *expr, size_t size, const uint64_t *initial,
	      const struct cpu *cpu, const struct mem *mem, uint64_t *result,
	      uint64_t *fault);

/* --- cfi: from a pc to the row of its table ----------------------------- */

enum cfi_kind {
	CFI_SAME,		/* also where nothing was said */
	CFI_UNDEFINED,
	CFI_OFFSET,		/* saved at CFA + off */
	CFI_VAL_OFFSET,		/* is CFA + off; of the CFA itself: is reg + off */
	CFI_REGISTER,		/* is in reg */
	CFI_EXPR,		/* saved where expr says */
	CFI_VAL_EXPR,		/* is what expr says */
};

struct cfi_rule {
	uint8_t kind;
	uint8_t reg;
	uint16_t size;		/* of expr */
	union {
		int64_t off;
		const uint8_t *expr;
	};
};

struct cfi_row {
	uint64_t start, end;	/* pcs it holds for */
	uint8_t ra;		/* column of the return address */
	bool signal;		/* frame of a signal trampoline */
	struct cfi_rule cfa;
	struct cfi_rule reg[NR_REGS];
};

/* Finds the search table.  0 also where the image has no CFI; -ENOMEM. */
int cfi_init(struct cfi *cfi, struct image *image);
void cfi_free(struct cfi *cfi);
/* The first pc of FDE i of cfi->nr, in their order. */
uint64_t cfi_start(const struct cfi *cfi, size_t i);
/*
 * 0, -ENOENT where no FDE covers pc, -EINVAL where its CFI is broken, -ENOTSUP
 * where it needs what this unwinder does not know.
 */
int cfi_row(const struct cfi *cfi, uint64_t pc, struct cfi_row *row);
/*
 * The hole without FDEs around pc: from the end of the last FDE before it (or
 * 0) to the start of the next (or UINT64_MAX).  Only where cfi_row() says
 * -ENOENT.
 */
void cfi_hole(const struct cfi *cfi, uint64_t pc, uint64_t *start,
	      uint64_t *end);

/* --- scan: code without CFI ---------------------------------------------- */

/* 0 and the row of pc as the code behind pc tells it, or -ENOENT. */
int scan_code(const struct image *image, uint64_t pc, struct cfi_row *row);

/* --- rule: what one pc needs, small and cached -------------------------- */

#ifndef RULES			/* fuzzing has no use for that many */
#define RULES 16384		/* that are kept; a power of two, below 65536 */
#endif
#define RULE_WAYS 2		/* rules that are found for one hash */

/* The registers that a callee keeps, in the order of their DWARF numbers. */
enum {
	KEPT_RBX,
	KEPT_RBP,
	KEPT_R12,
	KEPT_R13,
	KEPT_R14,
	KEPT_R15,
	NR_KEPT,
};

static const uint8_t kept_reg[NR_KEPT] = {
	REG_RBX, REG_RBP, REG_R12, REG_R13, REG_R14, REG_R15,
};

/* A set of them as struct cpu's known has it. */
static inline uint32_t kept_known(uint8_t kept)
{
	return (kept & 1u << KEPT_RBX) << (REG_RBX - KEPT_RBX) |
	       (kept & 1u << KEPT_RBP) << (REG_RBP - KEPT_RBP) |
	       (kept & 15u << KEPT_R12) << (REG_R12 - KEPT_R12);
}

enum {
	RULE_NONE = 1,		/* no FDE */
	RULE_BROKEN = 2,	/* an FDE that cannot be used */
	RULE_OUTERMOST = 4,	/* the return address is undefined */
	RULE_SIGNAL = 8,	/* a signal trampoline */
	RULE_FULL = 16,		/* does not fit: take cfi_row() */
	RULE_GUESS = 32,	/* no FDE either: read from the code */
};

/*
 * Unless a flag says otherwise: CFA = cfa_reg + cfa_off, the return address is
 * at CFA - 8, kept_reg[n] with bit n in saved is at CFA + 8 * slot[n], all
 * other registers are unchanged.
 */
struct rule {
	const struct image *image;
	uint64_t start;		/* size pcs from here have the same rule */
	int32_t cfa_off;
	uint16_t size;
	uint8_t cfa_reg;
	uint8_t flags;
	uint8_t saved;
	uint8_t depth;		/* words below the CFA that it reads */
	int8_t slot[NR_KEPT];	/* -1, a word that is read anyway, if not saved */
};

/*
 * Rules lie in the order in which they were first needed: all over their
 * memory, a fault a page would cost more than to make them.
 */
struct rules {
	/* Of v, by hash of the pcs around one; 0 is none.  See rule_find(). */
	uint16_t near[RULES][RULE_WAYS];
	uint16_t wide[RULES];
	uint16_t nr;		/* of v, the last one made; the next is the oldest */
	struct rule v[RULES + 1];
};

/* The memory of rules may hold anything before. */
void rules_init(struct rules *rules);
/*
 * insn: where the instruction starts that runs next, for code without CFI; pc
 * lies one byte before it where it is a return address.  Never NULL; borrowed
 * until the next call.
 */
const struct rule *rule_find(struct rules *rules, const struct image *image,
			     uint64_t pc, uint64_t insn);
/* The rule of row, for tests and rule_find(). */
void rule_compile(struct rule *rule, const struct cfi_row *row);

/* --- arch: what only x86-64 knows --------------------------------------- */

/* 0, or -ENODATA where ip or sp is missing. */
int arch_cpu(struct cpu *cpu, const struct ustack_regs *regs);
/*
 * The page of the first vsyscalls.  The kernel carries them out where they are
 * called (their code cannot even be read), and most recordings have no map for
 * it: it belongs to no process.
 */
static inline bool arch_in_vsyscall(uint64_t ip)
{
	return ip >> 12 == 0xffffffffff600;
}

/* Could the code before the return address ra be a call? */
bool arch_after_call(const struct image *image, uint64_t ra);
/*
 * The vDSO of compat tasks is what most recordings lack.  System calls enter the
 * kernel from its __kernel_vsyscall, with three words pushed as the kernel
 * expects it, or none yet; and handlers return to it, by __kernel_sigreturn or
 * __kernel_rt_sigreturn, with what was interrupted in a frame of the kernel's.
 * True: cpu is that of the caller, or of the interrupted code.
 */
bool arch_leave_vsyscall_32(struct cpu *cpu, const struct mem *mem,
			    struct ustack_space *space, const struct map *vdso);
bool arch_leave_handler_32(struct cpu *cpu, const struct mem *mem);

/* --- trail: the last walk of a stack, whose outer frames may still stand ----- */

/*
 * A frame, and the step that left it.  plain: a rule that is not RULE_FULL was
 * applied and all it read lay in the frame, in the first range; then the next
 * link holds what was read.
 */
struct link {
	uint64_t ip, sp;
	uint64_t kept[NR_KEPT];
	int8_t slot[NR_KEPT];	/* as in struct rule */
	uint8_t saved;
	uint8_t reads;		/* of kept registers: the step's CFA register */
	uint8_t live;		/* those that plain steps from here on read */
	bool exact, plain;
};

#define TRAILS 32		/* stacks that are remembered */
#ifndef TRAIL_MAX
#define TRAIL_MAX 512		/* frames of each, the innermost */
#endif

struct trail {
	uint64_t maps_id;
	size_t nr;
	struct link *v;		/* innermost frame first */
};

struct trails {
	struct trail of[TRAILS];
	struct link *spare;
	struct link links[TRAILS + 1][TRAIL_MAX];
};

/* One walk: what it finds of the last one, and what it leaves for the next. */
struct walk {
	struct trails *trails;
	struct trail *trail;
	uint64_t maps_id;
	const struct ustack_range *range;	/* the first, or an empty one */
	size_t at;		/* the link of trail that may come next */
	bool on_trail;		/* the current frame is that of link at */
	struct link *v;		/* of this walk */
	size_t nr;
	struct link no_room;
};

/* The memory of trails may hold anything before. */
void trails_init(struct trails *trails);
/* Fetches what the walk will read of mem, whose ranges are borrowed until its end. */
void walk_begin(struct walk *walk, struct trails *trails, uint64_t maps_id,
		const struct mem *mem);
/* The rest of walk_again(), where the last walk had a frame with this ip and sp. */
size_t walk_compare(struct walk *walk, struct cpu *cpu, bool *exact,
		    struct ustack_frame *frames, size_t max);

/*
 * If the frame in cpu is one of the last walk, go on as far as the words that
 * were read then are the same now, at most max frames, and fill frames
 * with those left.  Returns their number; cpu is the next one's.
 */
static inline size_t walk_again(struct walk *walk, struct cpu *cpu, bool *exact,
				struct ustack_frame *frames, size_t max)
{
	const struct trail *trail = walk->trail;
	uint64_t ip = cpu->reg[REG_RIP], sp = cpu->reg[REG_RSP];
	size_t at = walk->at + walk->on_trail;

	while (at < trail->nr && trail->v[at].sp < sp)
		at++;
	walk->at = at;
	walk->on_trail = at < trail->nr && trail->v[at].sp == sp &&
			 trail->v[at].ip == ip;
	return walk->on_trail ? walk_compare(walk, cpu, exact, frames, max) :
				0;
}

/* The current frame's link, to be filled by its step. */
struct link *walk_link(struct walk *walk, const struct cpu *cpu, bool exact);
/* Its step was a plain one. */
void link_plain(struct link *link, const struct rule *rule);
/* cut: at the frame in cpu the capture ends, not the stack. */
void walk_end(struct walk *walk, const struct cpu *cpu, bool cut);

/* --- ref: other unwinders, to compare with -------------------------------- */

struct ref_space;

/* One stack on its way through one of them. */
struct ref_stack {
	struct ref_space *known;
	struct ustack_space *space;
	const struct mem *mem;
	struct cpu cpu;		/* at the start */
	struct ustack_frame *frames;
	size_t nr, max;
	bool faulted;		/* a read failed since this was cleared */
	uint64_t fault;		/* there */
	const struct image *image;	/* whose tables are read, or NULL */
	uint64_t bias;
};

struct ref_ops {
	/* What is kept of one address space; NULL: no memory. */
	void *(*open)(void);
	void (*close)(void *own);
	/* Fills frames and nr, which is 0 before. */
	enum ustack_end (*unwind)(void *own, struct ref_stack *stack);
};

extern const struct ref_ops ref_libdw, ref_libunwind;

struct ref;

/* 0, -ENOMEM, or -ENOTSUP where backend was not built in. */
int ref_new(struct ref **out, enum ustack_backend backend);
void ref_free(struct ref *ref);
/* As ustack_unwind(). */
int ref_unwind(struct ref *ref, struct ustack_space *space,
	       const struct ustack_regs *regs, const struct mem *mem,
	       struct ustack_frame *frames, size_t max, enum ustack_end *end);
/*
 * For the unwinders: the map with an image at pc, which what they keep then
 * depends on, or NULL; a word of memory; and why a failed step failed.
 */
const struct map *ref_map(struct ref_stack *stack, uint64_t pc);
int ref_read_u64(struct ref_stack *stack, uint64_t addr, uint64_t *val);
enum ustack_end ref_end(const struct ref_stack *stack);

/* --- symbols: of one image, and who fills them ---------------------------- */

struct symbol {
	uint64_t start, end;
	const char *name;	/* as the file has it */
	char *shown;		/* made when first asked for; name if the same */
	uint8_t bind;
	bool plt;		/* name is that of the function behind the stub */
};

struct symbols {
	struct symbol *v;
	size_t nr, max;
	char *text;		/* of the names, unless an image has it */
};

/* A new one, all zero, or NULL. */
struct symbol *symbols_add(struct symbols *symbols);
/* By address; of many for one, the first that compare wants. */
void symbols_sort(struct symbols *symbols,
		  int (*compare)(const void *a, const void *b));
struct symbol *symbols_find(const struct symbols *symbols, uint64_t vaddr);
void symbols_free(struct symbols *symbols);

/* Adds the stubs of image's PLTs; symbols are sorted.  0 or -ENOMEM. */
int plt_read(struct symbols *symbols, struct image *image);

/* A JIT's symbols, by user address; none if there is no file.  NULL: no memory. */
struct symbols *jit_read(struct image *image);

#endif
