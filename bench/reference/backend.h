/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* One of the reference unwinders, as the code they share sees it. */
#ifndef BENCH_BACKEND_H
#define BENCH_BACKEND_H

#include "module/space.h"
#include "reference/reference.h"
#include "unwind/cpu.h"
#include "unwind/mem.h"

struct known_space;

/* A stack while it is unwound. */
struct reference_stack {
	struct known_space *known;
	struct ustack_space *space;
	struct mem mem;
	struct cpu cpu;		/* at the start */
	struct ustack_frame *frames;
	size_t nr, max;
	bool faulted;		/* a read failed since this was cleared */
	uint64_t fault;		/* there */
	const struct image *image;	/* whose tables are read, or NULL */
	uint64_t bias;
};

struct reference_ops {
	/* What the unwinder keeps of one address space; NULL: no memory. */
	void *(*open)(void);
	void (*close)(void *own);
	/* Fills frames and nr, which is 0 before. */
	enum ustack_end (*unwind)(void *own, struct reference_stack *stack);
};

/*
 * The map with an image at pc, or NULL: what the unwinder keeps of the space
 * depends on it from now on.
 */
const struct map *reference_map(struct reference_stack *stack, uint64_t pc);
/* A word of memory. */
int reference_read(struct reference_stack *stack, uint64_t addr, uint64_t *val);
/* Why a step failed. */
enum ustack_end reference_end(const struct reference_stack *stack);

#endif
