/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * In: what a map tells of its file.  Out: the origin and, behind it, the one
 * image of that file, not opened yet.
 */
#ifndef USTACK_MODULE_IMAGES_H
#define USTACK_MODULE_IMAGES_H

#include <pthread.h>

#include "ustack.h"
#include "module/image.h"
#include "util/hash.h"
#include "util/once.h"

struct debuginfod;

/* Shared by threads, and mappings with signal handlers. */
struct ustack_images {
	pthread_mutex_t lock;	/* for tables, mappings, states of maps: not for long */
	struct onces once;	/* for all that is read from files when needed */
	struct ustack_images_opts opts;	/* strings are never NULL and our own */
	struct mapping *mappings;
	int faults;		/* signal handlers in ustack_images_fault() */
	bool any_cut;		/* an image was cut: then each that matters is asked */
	struct hash_table by_origin, by_identity;
	struct image *all, **end;	/* in the order they came */
	struct once debuginfod_started;
	struct debuginfod *debuginfod;	/* NULL: nobody is asked */
	int interrupted;	/* 1: nor shall be any more */
};

/* The origin that map describes; origin_put() gives it back.  0 or -ENOMEM. */
int images_get(struct ustack_images *images, const struct ustack_map *map,
	       struct origin **out);

/* One more map has it, or one less. */
static inline void origin_get(struct origin *origin)
{
	__atomic_add_fetch(&origin->refs, 1, __ATOMIC_RELAXED);
}

static inline void origin_put(struct origin *origin)
{
	__atomic_sub_fetch(&origin->refs, 1, __ATOMIC_RELEASE);
}

#endif
