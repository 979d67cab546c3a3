// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * What the reference unwinders share.
 *
 * Each keeps what it learns in one object per address space.  The object lives
 * as long as the maps that it was told about do: from stack to stack, and from
 * a process to its forks.
 */
#include <errno.h>
#include <stdlib.h>

#include "module/images.h"
#include "reference/backend.h"
#include "unwind/arch.h"

/* An object holds files open: no more than this many. */
#define SPACES 64
#define STACK_SIZE_MAX (1ULL << 30)

/* An image that the unwinder was told about. */
struct known_image {
	uint64_t addr, bias;
	const struct image *image;
};

struct known_space {
	uint64_t origin, id;	/* of the space's maps */
	uint64_t used;		/* when; 0: free */
	void *own;		/* the unwinder's object */
	struct known_image *images;
	size_t nr, max;
};

struct reference {
	const struct reference_ops *ops;
	struct known_space space[SPACES];
	uint64_t clock;
};

struct reference *reference_new(const struct reference_ops *ops)
{
	struct reference *reference = calloc(1, sizeof(*reference));

	if (reference)
		reference->ops = ops;
	return reference;
}

static void space_close(struct reference *reference, struct known_space *s)
{
	if (s->own)
		reference->ops->close(s->own);
	free(s->images);
	*s = (struct known_space){ 0 };
}

void reference_free(struct reference *reference)
{
	if (!reference)
		return;
	for (int i = 0; i < SPACES; i++)
		space_close(reference, &reference->space[i]);
	free(reference);
}

/* Are all images that the unwinder was told about still mapped there? */
static bool still_holds(const struct known_space *s, struct ustack_space *space)
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

/* What is known of a space; the least recently used makes room.  NULL: no memory. */
static struct known_space *find(struct reference *reference,
				struct ustack_space *space)
{
	uint64_t origin = space_origin(space), id = space_id(space);
	struct known_space *s = &reference->space[0];

	for (int i = 0; i < SPACES; i++) {
		struct known_space *other = &reference->space[i];

		if (other->used && other->origin == origin) {
			s = other;
			break;
		}
		if (other->used < s->used)
			s = other;
	}
	if (!s->used || s->origin != origin ||
	    (s->id != id && !still_holds(s, space))) {
		space_close(reference, s);
		s->own = reference->ops->open();
		if (!s->own)
			return NULL;
		s->origin = origin;
	}
	s->id = id;
	s->used = ++reference->clock;
	return s;
}

const struct map *reference_map(struct reference_stack *stack, uint64_t pc)
{
	const struct map *map = space_find_image(stack->space, pc);
	struct known_space *s = stack->known;

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
		(struct known_image){ pc, map->bias, map->image };
	return map;
}

int reference_read(struct reference_stack *stack, uint64_t addr, uint64_t *val)
{
	if (!mem_read_u64(&stack->mem, addr, val))
		return 0;
	/* The first failure counts: unwinders go on to guess after it. */
	if (!stack->faulted)
		stack->fault = addr;
	stack->faulted = true;
	return -EFAULT;
}

enum ustack_end reference_end(const struct reference_stack *stack)
{
	uint64_t sp = cpu_sp(&stack->cpu), addr = stack->fault;

	if (!stack->faulted)
		return USTACK_END_NO_RULE;
	if (addr < sp || addr - sp > STACK_SIZE_MAX ||
	    mem_range(&stack->mem, addr) || space_find(stack->space, addr))
		return USTACK_END_BAD_MEMORY;
	return USTACK_END_TRUNCATED;
}

int reference_unwind(struct reference *reference,
		     const struct ustack_stack *stack,
		     struct ustack_frame *frames, size_t max,
		     enum ustack_end *end)
{
	struct reference_stack s = {
		.space = stack->space,
		.frames = frames,
		.max = max,
	};
	int err;

	*end = USTACK_END_NO_REGS;
	if (stack->regs->abi == USTACK_ABI_NONE)
		return 0;
	err = arch_cpu(&s.cpu, stack->regs);
	if (!cpu_knows(&s.cpu, REG_PC))
		return 0;
	if (!max) {
		*end = USTACK_END_LIMIT;
		return 0;
	}
	frames[0] = (struct ustack_frame){ .ip = cpu_pc(&s.cpu) };
	if (err)
		return 1;
	*end = USTACK_END_NO_RULE;
	if (stack->regs->abi != USTACK_ABI_64)
		return 1;
	s.known = find(reference, stack->space);
	if (!s.known)
		return -ENOMEM;
	mem_init(&s.mem, stack->ranges, stack->nr_ranges);
	s.mem.fallback = space_read;
	s.mem.arg = stack->space;
	*end = reference->ops->unwind(s.known->own, &s);
	return s.nr;
}
