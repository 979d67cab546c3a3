/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Threads and their processes at the current point of the recording: the records
 * of mmap, comm, fork and exit come in, in order; names and spaces go out.
 */
#ifndef USTACK_READ_PROCESS_H
#define USTACK_READ_PROCESS_H

#include <stdbool.h>

#include "ustack.h"
#include "read/build_ids.h"
#include "read/chunk.h"
#include "util/hash.h"

/* Shared by a process and the captures that were taken in it. */
struct shared_space {
	unsigned int refs;
	struct ustack_space *space;
};

void shared_space_put(struct shared_space *s);

struct process {
	struct hash_node node; /* by pid */
	unsigned int nr_threads;
	struct shared_space *space;
};

#define COMM_MAX 64

struct thread {
	struct hash_node node; /* by tid */
	uint32_t pid, tid;
	struct process *proc;
	uint64_t cookie; /* of its latest stay in the kernel, 0: none */
	bool dead;
	uint64_t ended; /* when, if it is dead */
	struct thread *next_dead;
	char comm[COMM_MAX];
};

struct processes {
	struct hash_table threads, procs;
	struct ustack_images *images;
	struct ustack_space *kernel; /* NULL until something of it is mapped */
	struct thread *dead_head, *dead_tail; /* kept for late records, oldest first */
	size_t nr_dead;
	uint64_t last_end; /* the latest of them */
};

/* The thread, made if it is not known yet.  0 or -errno. */
int processes_thread(struct processes *ps, uint32_t pid, uint32_t tid,
		     struct thread **out);
/* The same, NULL if it is not known. */
struct thread *processes_find_thread(const struct processes *ps, uint32_t tid);
/*
 * One record each; end: where its sample_id begins.  0, -EBADMSG, -ENOMEM or
 * -E2BIG.
 */
int processes_comm(struct processes *ps, const struct record *r, size_t end);
int processes_fork(struct processes *ps, const struct record *r, size_t end);
int processes_map(struct processes *ps, const struct build_ids *ids,
		  const struct record *r, size_t end);
/* *tid: which thread ended. */
int processes_exit(struct processes *ps, const struct record *r, size_t end,
		   uint32_t *tid);
void processes_free(struct processes *ps);

#endif
