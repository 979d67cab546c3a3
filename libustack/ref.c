// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Other unwinders behind ustack_unwind(), to compare with: what they share.
 *
 * Both keep what they learn in one object per address space.  Such an object is
 * kept from stack to stack, and from process to process forked, as long as the
 * maps that it was told of are there.
 */
#include <errno.h>
#include <stdlib.h>

#include "unwind.h"

/* An object holds files open; so many spaces are in use at a time. */
#define REF_SPACES 64
#define STACK_SIZE_MAX (1ULL << 30)

/* An image that the object of a space was told of. */
struct ref_image {
	uint64_t addr, bias;
	const struct image *image;
};

struct ref_space {
	uint64_t origin, id;	/* of the space's maps */
	uint64_t used;		/* 0: free */
	void *own;		/* the unwinder's object */
	struct ref_image *images;
	size_t nr, max;
};

struct ref {
	const struct ref_ops *ops;
	struct ref_space space[REF_SPACES];
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

static void space_close(struct ref *ref, struct ref_space *s)
{
	if (s->own)
		ref->ops->close(s->own);
	free(s->images);
	*s = (struct ref_space){ 0 };
}

void ref_free(struct ref *ref)
{
	if (!ref)
		return;
	for (int i = 0; i < REF_SPACES; i++)
		space_close(ref, &ref->space[i]);
	free(ref);
}

/* Is all that it was told of still there? */
static bool still_holds(const struct ref_space *s, struct ustack_space *space)
{
	for (size_t i = 0; i < s->nr; i++) {
		const struct map *map =
			space_find_image(space, s->images[i].addr);

		if (!map || map->image != s->images[i].image ||
		    map->bias != s->images[i].bias)
			return false;
	}
	return true;
}

/* What is kept of a space; NULL: no memory. */
static struct ref_space *ref_find(struct ref *ref, struct ustack_space *space)
{
	uint64_t origin = space_origin(space), id = space_id(space);
	struct ref_space *s = &ref->space[0];

	for (int i = 0; i < REF_SPACES; i++) {
		if (ref->space[i].used && ref->space[i].origin == origin) {
			s = &ref->space[i];
			break;
		}
		if (ref->space[i].used < s->used)
			s = &ref->space[i];
	}
	if (!s->used || s->origin != origin ||
	    (s->id != id && !still_holds(s, space))) {
		space_close(ref, s);
		s->own = ref->ops->open();
		if (!s->own)
			return NULL;
		s->origin = origin;
	}
	s->id = id;
	s->used = ++ref->clock;
	return s;
}

const struct map *ref_map(struct ref_stack *stack, uint64_t pc)
{
	const struct map *map = space_find_image(stack->space, pc);
	struct ref_space *s = stack->known;

	if (!map)
		return NULL;
	for (size_t i = 0; i < s->nr; i++)
		if (s->images[i].image == map->image &&
		    s->images[i].bias == map->bias)
			return map;
	if (s->nr == s->max) {
		size_t max = 2 * s->max + 8;
		void *images = realloc(s->images, max * sizeof(*s->images));

		if (!images)
			return NULL;
		s->images = images;
		s->max = max;
	}
	s->images[s->nr++] =
		(struct ref_image){ pc, map->bias, map->image };
	return map;
}

int ref_read_u64(struct ref_stack *stack, uint64_t addr, uint64_t *val)
{
	if (!mem_read_u64(stack->mem, addr, val))
		return 0;
	/* The first: they go on to guess after it. */
	if (!stack->faulted)
		stack->fault = addr;
	stack->faulted = true;
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
	stack.known = ref_find(ref, space);
	if (!stack.known)
		return -ENOMEM;
	*end = ref->ops->unwind(stack.known->own, &stack);
	return stack.nr;
}
