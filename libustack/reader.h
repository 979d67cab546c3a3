/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Internal: the way of a record from the file to a paired sample.
 *
 *	datafile or ring -> record -> order -> pair (with process) -> reader
 *
 * Everything in a file is hostile: a length is believed only after it was
 * compared with the bytes that are there.
 */
#ifndef USTACK_READER_H
#define USTACK_READER_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ustack.h"

/* --- perf ABI that the headers of Debian 12 (Linux 6.1) do not have ------ */

enum {
	/* include/uapi/linux/perf_event.h, Linux 7.3 */
	REC_CALLCHAIN_DEFERRED = 22,
	/* kernel-patches: perf: deferred user stacks */
	REC_STACK_DEFERRED = 23,
	/* tools/lib/perf/include/perf/event.h, Linux 7.3 */
	REC_COMPRESSED2 = 83,
};

#define CONTEXT_USER_DEFERRED ((uint64_t)-640)
#define BRANCH_COUNTERS (1ull << 19)
#define MISC_STACK_CHANGED (1u << 13)

/* Bits of the 64-bit flag word of struct perf_event_attr, and its offset. */
#define ATTR_FLAGS_AT 40
#define ATTR_FREQ (1ull << 10)
#define ATTR_SAMPLE_ID_ALL (1ull << 18)
#define ATTR_DEFER_CALLCHAIN (1ull << 38)
#define ATTR_DEFER_OUTPUT (1ull << 39)
#define ATTR_DEFER_USER (1ull << 40)

/* --- records that perf itself writes (tools/lib/perf, perf/event.h) ------ */

enum {
	REC_HEADER_ATTR = 64,
	REC_HEADER_TRACING_DATA = 66,
	REC_HEADER_BUILD_ID = 67,
	REC_FINISHED_ROUND = 68,
	REC_AUXTRACE = 71,
	REC_EVENT_UPDATE = 78,
	REC_HEADER_FEATURE = 80,
	REC_COMPRESSED = 81,
};

#define REC_USER_TYPES 64 /* the kernel writes types below it */

/* Sections of the file's feature area (tools/perf/util/header.h). */
enum {
	FEAT_BUILD_ID = 2,
	FEAT_ARCH = 6,
	FEAT_EVENT_DESC = 12,
	FEAT_BITS = 256,
};

/* --- small helpers ------------------------------------------------------- */

static inline uint16_t get16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t get32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t get64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The one error line of a reader. */
struct errline {
	char text[512];
};

/* Writes the line and returns -err. */
int read_error(struct errline *line, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Hash table of nodes that are embedded in their objects; it owns none. */
struct node {
	struct node *next;
	uint64_t key;
};

struct table {
	struct node **slot;
	size_t nr, cap;
};

int table_add(struct table *t, struct node *n, uint64_t key);
struct node *table_find(const struct table *t, uint64_t key);
void table_del(struct table *t, struct node *n);
/* Takes some node out, NULL when the table is empty: to free all objects. */
struct node *table_pop(struct table *t);
void table_free(struct table *t);

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr)-offsetof(type, member)))

/* --- chunk: a block of the file, shared by the records that lie in it ---- */

#ifndef CHUNK_SIZE /* fuzzing takes less */
#define CHUNK_SIZE (256u << 10)
#endif
#define RECORD_MAX 65536u /* header.size is a u16 */

struct chunk {
	struct chunk *next; /* free list */
	uint32_t refs;
	uint32_t used; /* of a packing chunk */
	uint8_t data[CHUNK_SIZE] __attribute__((aligned(16)));
};

struct chunk_pool {
	struct chunk *free;
	size_t nr_live;
	struct chunk *block; /* where those that are kept lie */
	size_t nr_block; /* chunks of it that were ever in use */
	struct chunk *pack; /* where records that stay long are copied to */
};

struct chunk *chunk_new(struct chunk_pool *pool);
void chunk_put(struct chunk_pool *pool, struct chunk *c);
void chunk_pool_free(struct chunk_pool *pool);

/* One record: 8-byte aligned, whole, with one reference on its chunk. */
struct rec {
	const uint8_t *data;
	struct chunk *chunk;
};

static inline uint32_t rec_type(const struct rec *r)
{
	return get32(r->data);
}

static inline uint16_t rec_misc(const struct rec *r)
{
	return get16(r->data + 4);
}

static inline uint16_t rec_size(const struct rec *r)
{
	return get16(r->data + 6);
}

static inline struct rec rec_get(const struct rec *r)
{
	r->chunk->refs++;
	return *r;
}

static inline void rec_put(struct chunk_pool *pool, struct rec *r)
{
	if (r->chunk)
		chunk_put(pool, r->chunk);
	r->chunk = NULL;
}

/* Copies r to the packing chunk and drops its old chunk. 0 or -ENOMEM. */
int rec_pack(struct chunk_pool *pool, struct rec *r);

/* --- event: the attrs of the file --------------------------------------- */

struct event {
	uint32_t type;
	uint64_t config;
	uint64_t period; /* 0 with a frequency: then samples carry it */
	uint64_t sample_type;
	uint64_t read_format;
	uint64_t flags;
	uint64_t branch_type;
	uint64_t regs_user;
	/*
	 * The name it was given, once, and one made up before that.  Samples
	 * that are held show either: both stay.
	 */
	char *given, *own_name;
};

static inline const char *event_shown(const struct event *ev)
{
	if (ev->given)
		return ev->given;
	return ev->own_name ? ev->own_name : "";
}

struct events {
	struct event **ev;
	size_t nr, cap;
	struct table ids;
};

/* attr: one struct perf_event_attr of any version; ids: its 64-bit ids. */
int events_add(struct events *es, const uint8_t *attr, size_t attr_size,
	       const uint8_t *ids, size_t nr_ids, struct errline *line);
/* Takes a string of at most size bytes as the name, if it has none yet. */
void event_name(struct event *ev, const char *s, size_t size);
/* The body of an EVENT_DESC feature: names. Damage costs only names. */
void events_describe(struct events *es, const uint8_t *buf, size_t size);
/* PERF_RECORD_EVENT_UPDATE */
void events_update(struct events *es, const uint8_t *rec, size_t size);
/* Gives every event without a name one from its type and config. */
int events_name_rest(struct events *es);
/* The event a record belongs to; NULL: no such id, *id tells which. */
const struct event *events_of(const struct events *es, const struct rec *r,
			      uint64_t *id);
void events_free(struct events *es);

/* Build-ids of files as perf collected them: path to id. */
struct build_id {
	struct node node;
	uint8_t size;
	uint8_t id[20];
	char path[];
};

struct build_ids {
	struct table t;
};

/* One PERF_RECORD_HEADER_BUILD_ID, from a record or from the feature area. */
int build_ids_add(struct build_ids *b, const uint8_t *rec, size_t size);
const struct build_id *build_ids_find(const struct build_ids *b,
				      const char *path);
void build_ids_free(struct build_ids *b);

/* --- datafile: perf.data in file and pipe mode to single records --------- */

struct stream {
	struct chunk *chunk;
	uint32_t head, tail; /* unread bytes are data[head..tail) */
};

#define PARK_NONE UINT64_MAX
#define PARK_OWN (1ull << 63) /* in the temporary file */

struct datafile {
	int fd;
	bool pipe; /* pipe mode: everything is in records */
	bool seekable;
	uint64_t size; /* of the file, if seekable */
	uint64_t left; /* bytes of the data section still to be read */
	uint64_t offset; /* in the file, of raw's head */
	uint64_t last; /* the same, of the record given last; PARK_NONE */
	int park_fd; /* of parked records that the file does not hold as such */
	uint64_t park_size;
	struct chunk *fetched; /* where parked records come back to */
	bool unfinished; /* the header was never completed */
	bool features_cut; /* the file ends before what stands behind the data */
	struct chunk_pool *pool;
	struct stream raw, plain; /* as in the file; decompressed */
	void *zstd;
	struct chunk *zchunk; /* where the compressed bytes lie */
	const uint8_t *zdata;
	size_t zsize, zpos;
	struct errline *line;
};

int datafile_open(struct datafile *df, const char *path,
		  struct chunk_pool *pool, struct events *es,
		  struct build_ids *ids, struct errline *line);
/* 1 and a record (a reference of the caller's), 0 at the end, -errno. */
int datafile_next(struct datafile *df, struct rec *r);
/*
 * Lets go of the record that datafile_next() gave last, to be fetched again by
 * what is put into *where: from the file itself, if it shows there as it is,
 * else from a temporary one.
 */
int datafile_park(struct datafile *df, struct rec *r, uint64_t *where);
int datafile_fetch(struct datafile *df, uint64_t where, uint32_t size,
		   struct rec *r);
void datafile_close(struct datafile *df);

/* --- ring: live ring buffers, round after round --------------------------- */

struct ring {
	struct perf_event_mmap_page *page;
	const uint8_t *data;
	uint64_t size; /* of data, a power of two */
	uint64_t head, tail; /* of this round: read up to tail */
	uint64_t stop; /* where this round ends at the latest */
	uint64_t last; /* time of the last record read */
};

struct rings {
	struct ring *ring;
	size_t nr;
	size_t at; /* the ring being read; nr: the round is over */
	uint64_t got; /* bytes read in this round */
	struct chunk_pool *pool;
	struct chunk *fill; /* where records are copied to */
	struct errline *line;
};

int rings_add(struct rings *rs, void *base, size_t size);
/* 1 and a record (a reference of the caller's), 0 when a round is over, -errno. */
int rings_next(struct rings *rs, struct rec *r);
/* When the record was written that rings_next() gave last. */
void rings_time(struct rings *rs, uint64_t time);
/* After a round: no later round brings a record older than this. */
uint64_t rings_bound(const struct rings *rs);
void rings_free(struct rings *rs);

/* --- header: what stands before and behind the data ---------------------- */

/* Reads magic, attrs and features; leaves fd at the first record. */
int header_read(struct datafile *df, struct events *es, struct build_ids *ids);
/* One feature by its number; also the body of a HEADER_FEATURE record. */
int header_feature(unsigned int feat, const uint8_t *buf, size_t size,
		   struct events *es, struct build_ids *ids,
		   struct errline *line);
/* Reads exactly size bytes unless the file ends: bytes read or -errno. */
long read_full(int fd, void *buf, size_t size);

/* --- record: bytes to fields; no I/O, no allocation ---------------------- */

/* A sample as it stands in its record. Pointers lead into the record. */
struct parsed {
	uint64_t ip, time, addr, id, period;
	uint32_t pid, tid, cpu;
	const uint64_t *chain;
	size_t nr_chain;
	uint64_t regs_abi;
	const uint64_t *regs; /* hweight(event->regs_user) words if abi */
	const uint8_t *stack;
	uint64_t stack_size; /* bytes really copied */
	bool deferred; /* the chain ends in PERF_CONTEXT_USER_DEFERRED */
	uint64_t cookie;
};

/* The sample_id behind a record that is not a sample. */
struct trailer {
	uint32_t pid, tid, cpu;
	uint64_t time, id;
	size_t size; /* bytes it takes at the record's end */
};

/* PERF_RECORD_STACK_DEFERRED */
struct stack_part {
	uint64_t cookie;
	uint64_t abi;
	const uint64_t *regs;
	struct ustack_range range;
	uint64_t left;
	struct trailer id;
};

/* PERF_RECORD_CALLCHAIN_DEFERRED */
struct chain_part {
	uint64_t cookie;
	const uint64_t *ips;
	size_t nr;
	struct trailer id;
};

#define CPU_NONE UINT32_MAX

/* All return 0, or -EBADMSG where a length leads out of the record. */
int parse_sample(const struct event *ev, const struct rec *r, struct parsed *s);
int parse_trailer(const struct event *ev, const struct rec *r,
		  struct trailer *t);
int parse_stack(const struct event *ev, const struct rec *r,
		struct stack_part *p);
int parse_chain(const struct event *ev, const struct rec *r,
		struct chain_part *p);
/* When the record was written; 0: not known, it keeps its place. */
uint64_t rec_time(const struct event *ev, const struct rec *r);
void regs_fill(struct ustack_regs *regs, uint64_t abi, uint64_t mask,
	       const uint64_t *words);

/* --- order: merge the streams of the CPUs by time ------------------------ */

struct order_entry {
	uint64_t time, seq;
	struct rec rec; /* without data if it is parked */
	uint64_t parked; /* where datafile_fetch() finds it */
	const struct event *ev;
	uint32_t size; /* of the record */
};

struct order {
	struct order_entry *e;
	size_t head, nr, cap; /* e[head..nr) wait */
	size_t ready; /* e[head..ready) may leave */
	size_t bytes; /* of the waiting records that are not parked */
	uint64_t seq;
	uint64_t max; /* greatest time ever added */
	uint64_t limit; /* greatest time that the next round lets go */
	uint64_t left; /* greatest time that left */
	uint64_t late; /* records that came after a younger one had left */
};

/* Waiting records take more memory than they should: park what is added. */
bool order_full(const struct order *o);
/* Takes over e->rec; all of e but seq is set. */
int order_add(struct order *o, const struct order_entry *e);
/* Copies all that wait out of the chunks that they share with what is gone. */
int order_pack(struct order *o, struct chunk_pool *pool);
/*
 * PERF_RECORD_FINISHED_ROUND.  Nothing older than bound will come, whatever
 * the rounds tell; UINT64_MAX where that is not known.
 */
void order_round(struct order *o, uint64_t bound);
/* The end: all may leave. */
void order_end(struct order *o);
bool order_pop(struct order *o, struct order_entry *e);
void order_free(struct order *o, struct chunk_pool *pool);

/* --- process: threads, their names, their address spaces ------------------ */

/* A space is shared by its process and by the captures taken under it. */
struct space_ref {
	unsigned int refs;
	struct ustack_space *space;
};

void space_put(struct space_ref *s);

struct process {
	struct node node; /* by pid */
	unsigned int nr_threads;
	struct space_ref *space;
};

#define COMM_MAX 64

struct thread {
	struct node node; /* by tid */
	uint32_t pid, tid;
	struct process *proc;
	uint64_t cookie; /* of its last stay in the kernel, 0: none */
	bool dead;
	struct thread *next_dead;
	char comm[COMM_MAX];
};

struct processes {
	struct table threads, procs;
	struct ustack_images *images;
	struct thread *dead_head, *dead_tail; /* kept for late records */
	size_t nr_dead;
};

/* The thread, made if it is not known yet. 0 or -errno. */
int processes_thread(struct processes *ps, uint32_t pid, uint32_t tid,
		     struct thread **out);
int processes_comm(struct processes *ps, const struct rec *r, size_t end);
int processes_fork(struct processes *ps, const struct rec *r, size_t end);
int processes_map(struct processes *ps, const struct build_ids *ids,
		  const struct rec *r, size_t end);
/* *tid: whose exit it was. */
int processes_exit(struct processes *ps, const struct rec *r, size_t end,
		   uint32_t *tid);
void processes_free(struct processes *ps);

/* --- procfs: processes that run already ----------------------------------- */

/* Threads, names and code maps of pid as they are now.  0 or -errno. */
int procfs_read(struct processes *ps, uint32_t pid);

/* --- pair: samples and their stack records -------------------------------- */

enum {
	WANT_STACK = 1, /* PERF_RECORD_STACK_DEFERRED */
	WANT_CHAIN = 2, /* PERF_RECORD_CALLCHAIN_DEFERRED */
};

struct part {
	struct rec rec;
	const struct event *ev;
};

/* One stay of a task in the kernel: what waits for it and what it brought. */
struct stay {
	struct node node; /* by tid and cookie */
	uint32_t tid;
	uint64_t cookie;
	struct stay *prev, *next; /* all stays, oldest first */
	struct stay *cprev, *cnext; /* stays that are over, by end */
	bool over;
	bool exited; /* over, as the task is */
	uint64_t over_time;
	unsigned int refs; /* the table's, and one per sample on its way out */
	unsigned int have; /* WANT_* that are complete */
	unsigned int uses; /* samples that the capture served */
	bool broken; /* a part of the capture is missing */
	bool changed; /* MISC_STACK_CHANGED */
	uint64_t id; /* of the event whose capture this is */
	uint64_t left; /* bytes that parts to come carry at most; 0 in the last */
	uint64_t end; /* address behind the last part */
	struct part *parts;
	size_t nr_parts, cap_parts;
	size_t bytes; /* of all parts */
	struct part chain; /* the deferred callchain, if have WANT_CHAIN */
	struct space_ref *space;
	struct wait *first, *last;
};

/* A sample that waits for its stack, or is on its way out. */
struct wait {
	struct wait *next;
	struct rec rec;
	const struct event *ev;
	unsigned int want;
	enum ustack_pair pair;
	enum ustack_lost lost;
	uint64_t nr_lost; /* the pair's, when this one began to wait */
	struct stay *stay; /* on the way out, paired: holds a reference */
	uint32_t pid, tid;
	char comm[COMM_MAX];
};

struct pair {
	struct table stays;
	struct stay *oldest, *newest;
	struct stay *over_first, *over_last;
	size_t nr_over;
	size_t wait_bytes, capture_bytes;
	uint64_t nr_lost; /* records that the rings had no room for, so far */
	struct wait *out, *out_last;
	struct wait *free;
	struct chunk_pool *pool;
	struct ustack_stats *stats;
};

/* Which records a sample of this event waits for (WANT_*). */
unsigned int pair_wants(const struct event *ev);
/*
 * A deferred sample.  It takes a reference of its own on r.  Sooner or later
 * it leaves through pair_pop().
 */
int pair_sample(struct pair *p, struct thread *th, const struct event *ev,
		const struct rec *r, const struct parsed *s, uint64_t now);
int pair_stack(struct pair *p, struct thread *th, const struct event *ev,
	       const struct rec *r, const struct stack_part *sp, uint64_t now);
int pair_chain(struct pair *p, struct thread *th, const struct event *ev,
	       const struct rec *r, const struct chain_part *cp, uint64_t now);
/* The task has left the stay it was in, if it was in one; exited: for good. */
void pair_leave(struct pair *p, uint32_t tid, uint64_t cookie, uint64_t now,
		bool exited);
/* Gives up what cannot come any more at time now, or at the end everything. */
void pair_expire(struct pair *p, uint64_t now, bool all);
/* Keeps the memory within bounds: call it once in a while. */
void pair_trim(struct pair *p);
/* Copies what stays out of the chunks that it shares with what is gone. */
int pair_pack(struct pair *p);
/* The next sample that leaves; pair_done() gives it back. */
struct wait *pair_pop(struct pair *p);
void pair_done(struct pair *p, struct wait *w);
void pair_free(struct pair *p);

#endif
