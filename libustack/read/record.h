/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * The fields of one record: its bytes come in with the event that says how they
 * are laid out, and go out as numbers and as pointers into the record, checked
 * against its end.  No I/O, no allocation.
 */
#ifndef USTACK_READ_RECORD_H
#define USTACK_READ_RECORD_H

#include <stdbool.h>

#include "ustack.h"
#include "read/chunk.h"
#include "read/event.h"

/* PERF_RECORD_SAMPLE */
struct parsed_sample {
	uint64_t ip, time, addr, id, period;
	uint32_t pid, tid, cpu;
	const uint64_t *chain;
	size_t nr_chain;
	uint64_t regs_abi;
	const uint64_t *regs; /* hweight(event->regs_user) words if abi */
	const uint8_t *stack;
	uint64_t stack_size; /* bytes that the kernel copied */
	bool deferred; /* the chain ends in PERF_CONTEXT_USER_DEFERRED */
	uint64_t cookie;
};

/* The sample_id behind a record that is not a sample. */
struct sample_id {
	uint32_t pid, tid, cpu;
	uint64_t time, id;
	size_t size; /* bytes it takes at the record's end */
};

/* PERF_RECORD_STACK_DEFERRED */
struct parsed_stack {
	uint32_t pid, tid;
	uint64_t cookie;
	uint64_t flags; /* STACK_* */
	uint64_t abi, mask; /* of a record with STACK_FIRST */
	const uint64_t *regs;
	struct ustack_range range;
	uint64_t left;
	struct sample_id sample_id;
};

/* PERF_RECORD_CALLCHAIN_DEFERRED */
struct parsed_chain {
	uint64_t cookie;
	const uint64_t *ips;
	size_t nr;
	struct sample_id sample_id;
};

#define CPU_NONE UINT32_MAX

/* All return 0, or -EBADMSG if a field lies beyond the record's end. */
int parse_sample(const struct event *ev, const struct record *r,
		 struct parsed_sample *s);
int parse_sample_id(const struct event *ev, const struct record *r,
		    struct sample_id *id);
int parse_stack(const struct event *ev, const struct record *r,
		struct parsed_stack *p);
int parse_chain(const struct event *ev, const struct record *r,
		struct parsed_chain *p);
/* When the record was written; 0: not known, it stays where it is in the file. */
uint64_t record_time(const struct event *ev, const struct record *r);
void regs_fill(struct ustack_regs *regs, uint64_t abi, uint64_t mask,
	       const uint64_t *words);

#endif
