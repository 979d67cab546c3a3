// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Other unwinders behind ustack_unwind(), to compare with: what they share.
 *
 * Both keep what they learn in one object per address space.  Such objects are
 * kept from stack to stack as long as the maps stay as they are.
 */
#include <errno.h>
#include <stdlib.h>

#include "unwind.h"

/* An object holds files open; so many spaces are in use at a time. */
#define REF_SPACES 64
#define STACK_SIZE_MAX (1ULL << 30)

struct ref {
	const struct ref_ops *ops;
	struct {
		uint64_t id;	/* of the space's maps */
		uint64_t used;	/* 0: free */
		void *own;
	} space[REF_SPACES];
	uint64_t clock;
};

int ref_new(struct ref **out, enum ustack_backend backend)
{
	const struct ref_ops *ops = NULL;

	*out = NULL;
	if (backend == USTACK_LIBDW)
		ops = &ref_libdw;
#ifdef USTACK_WITH_LIBUNWIND
	if (backend == USTACK_LIBUNWIND)
		ops = &ref_libunwind;
#endif
	if (!ops)
		return -ENOTSUP;
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->ops = ops;
	return 0;
}

void ref_free(struct ref *ref)
{
	if (!ref)
		return;
	for (int i = 0; i < REF_SPACES; i++)
		if (ref->space[i].used)
			ref->ops->close(ref->space[i].own);
	free(ref);
}

/* The object of a space; NULL: no memory. */
static void *ref_own(struct ref *ref, const struct ustack_space *space)
{
	uint64_t id = space_id(space);
	int i, oldest = 0;

	ref->clock++;
	for (i = 0; i < REF_SPACES; i++) {
		if (ref->space[i].used && ref->space[i].id == id) {
			ref->space[i].used = ref->clock;
			return ref->space[i].own;
		}
		if (ref->space[i].used < ref->space[oldest].used)
			oldest = i;
	}
	if (ref->space[oldest].used)
		ref->ops->close(ref->space[oldest].own);
	ref->space[oldest].own = ref->ops->open();
	ref->space[oldest].used = ref->space[oldest].own ? ref->clock : 0;
	ref->space[oldest].id = id;
	return ref->space[oldest].own;
}

int ref_read_u64(struct ref_stack *stack, uint64_t addr, uint64_t *val)
{
	if (!mem_read_u64(stack->mem, addr, val))
		return 0;
	stack->faulted = true;
	stack->fault = addr;
	return -EFAULT;
}

enum ustack_end ref_end(const struct ref_stack *stack)
{
	uint64_t sp = stack->cpu.reg[REG_RSP], addr = stack->fault;

	if (!stack->faulted)
		return USTACK_END_NO_RULE;
	if (addr < sp || addr - sp > STACK_SIZE_MAX ||
	    mem_range(stack->mem, addr) || space_find(stack->space, addr))
		return USTACK_END_BAD_MEMORY;
	return USTACK_END_TRUNCATED;
}

int ref_unwind(struct ref *ref, struct ustack_space *space,
	       const struct ustack_regs *regs, const struct mem *mem,
	       struct ustack_frame *frames, size_t max, enum ustack_end *end)
{
	struct ref_stack stack = {
		.space = space,
		.mem = mem,
		.frames = frames,
		.max = max,
	};
	void *own;
	int err;

	*end = USTACK_END_NO_REGS;
	if (regs->abi == USTACK_ABI_NONE)
		return 0;
	err = arch_cpu(&stack.cpu, regs);
	if (!cpu_knows(&stack.cpu, REG_RIP))
		return 0;
	if (!max) {
		*end = USTACK_END_LIMIT;
		return 0;
	}
	frames[0] = (struct ustack_frame){ .ip = stack.cpu.reg[REG_RIP] };
	if (err)
		return 1;
	*end = USTACK_END_NO_RULE;
	if (regs->abi != USTACK_ABI_64)
		return 1;
	own = ref_own(ref, space);
	if (!own)
		return -ENOMEM;
	*end = ref->ops->unwind(own, &stack);
	return stack.nr;
}
