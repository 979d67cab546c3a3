/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * All samples of a recording as one tree: threads, and below them what they called.
 * Samples and their chains come in; what is drawn and exported comes out of it, in
 * an order that does not depend on threads of ours.
 */
#ifndef USTACK_CLI_PROFILE_H
#define USTACK_CLI_PROFILE_H

#include "cli/cli.h"
#include "util/hash.h"

/* What a step of a chain is. */
enum step {
	STEP_FUNCTION, /* a function, wherever it was in it */
	STEP_LINE, /* a line of a function */
	STEP_ADDRESS /* an address, with all functions that were inlined there */
};

enum func_kind {
	FUNC_USER,
	FUNC_INLINED,
	FUNC_KERNEL,
	FUNC_MARK /* no function: what is to be known of the chain */
};

struct func {
	struct hash_node hash;
	struct func *next;
	const char *name; /* these are printable */
	const char *path; /* of the module; "": none */
	const char *file; /* of the source; "": unknown */
	enum func_kind kind;
	struct func *same; /* in the profile that this one is added to */
	uint32_t id; /* in the order of the nodes, from 0 */
};

/* Where in the code. */
struct place {
	struct hash_node hash;
	struct place *next;
	uint64_t addr; /* in the module; 0 but for STEP_ADDRESS */
	const char *build_id; /* of the module, in hexadecimal; "": unknown */
	struct place *same;
	uint32_t rank;
	uint32_t id; /* in the order of the nodes, from 0 */
	uint32_t nr;
	struct {
		struct func *func;
		uint32_t line;
	} at[]; /* innermost first */
};

struct thread_of {
	struct hash_node hash;
	struct thread_of *next;
	const char *comm; /* printable, "[no name]" if empty */
	uint32_t pid, tid, event_nr;
	struct thread_of *same;
	uint32_t id;
};

struct value {
	uint64_t samples, period; /* the periods of all */
};

/* The recording that is shown, and one to compare it with. */
enum turn { NOW, BEFORE, NR_TURNS };

/* A thread, or a step in its chains. */
struct node {
	struct hash_node hash;
	struct node *next;
	struct node *parent; /* NULL: a thread */
	const struct thread_of *thread;
	struct place *place; /* NULL: a thread */
	struct value self[NR_TURNS]; /* of the samples that end here */
	struct node *same;
	uint32_t id; /* its index in struct profile's node */
};

/* When a chain was met. */
struct moment {
	uint64_t time, period;
	struct node *node;
};

/* Of a recording. */
struct total {
	struct value value;
	uint64_t least, most; /* period of a sample */
	uint64_t first, last; /* time of a sample */
	char event[256]; /* printable; of the first sample */
};

struct profile_opts {
	enum step step;
	bool moments; /* wanted */
	bool compare; /* with another recording: its processes and paths differ */
};

struct block; /* of memory */

#define COMM_ROOM 64 /* of a thread's name; the kernel's are shorter */

struct profile {
	struct profile_opts opts;
	enum turn turn;
	struct total total[NR_TURNS];
	struct block *block;
	struct hash_table aliases, funcs, places, nodes;
	struct func *func, *last_func;
	struct place *place, *last_place;
	struct thread_of *thread, *last_thread;
	struct node *first_node, *last_node;
	struct node **last; /* of the last sample, outermost first */
	struct node *last_root; /* its thread's, and that one's name as it came: */
	char last_comm[COMM_ROOM];
	size_t max_last;
	struct moment *moment;
	size_t nr_moments, max_moments;
	/* After profile_sort(). */
	struct node **node; /* parents before their children */
	size_t nr_nodes;
};

/*
 * Adds all samples of cli's recording to p, which has its opts and turn set.  0, or
 * -1 after an error line: what was read is in p all the same.
 */
int profile_read(struct profile *p, struct cli *cli);
/* That of cli, and before it that of cli->before, if there is one. */
int profile_compare(struct profile *p, struct cli *cli);
/* Is a chain worth its samples' periods, or just its samples? */
bool profile_by_period(const struct profile *p);
uint64_t profile_value(const struct profile *p, const struct value *v);
/* Is there a sample in each recording that is shown?  Else nothing is. */
bool profile_has_samples(const struct profile *p, const struct cli *cli);
/*
 * All that a command does that writes a file of cli's recordings: read, sort, put, and
 * close.  0, or -1 after an error line.
 */
int profile_write(struct cli *cli, const struct profile_opts *opts,
		  void (*put)(struct cli *cli, const struct profile *p, FILE *f));
/* "nanoseconds", or "count" of what the event counts. */
const char *event_unit(const char *event);
void profile_free(struct profile *p);

/* --- profile_order.c ------------------------------------------------------------- */

/* Fills node, numbers all there is and sorts the moments, by thread and time. */
void profile_sort(struct profile *p, const struct cli *cli);

#endif
