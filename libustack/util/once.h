/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * In: something that is made when it is first needed, by whichever thread needs
 * it first.  Out: its result, 0 or -errno; the other threads wait for it.
 */
#ifndef USTACK_UTIL_ONCE_H
#define USTACK_UTIL_ONCE_H

#include <pthread.h>

#define ONCE_NEW 1
#define ONCE_BUSY 2

struct once {
	int state;		/* ONCE_*, or the result */
};

/* A thread, and what it makes or waits for. */
struct once_user {
	pthread_t thread;
	const struct once *once;
	struct once_user *next;
};

/* Shared by all that may depend on each other. */
struct onces {
	pthread_mutex_t lock;
	pthread_cond_t done;
	struct once_user *makers, *waiters;
};

void onces_init(struct onces *all);
void onces_destroy(struct onces *all);
/* The rest of once_make(). */
int once_wait(struct onces *all, struct once *once, int (*make)(void *arg),
	      void *arg);

/*
 * The result of make(), which is called at most once and with no lock held: it
 * may need other things in turn.  -EDEADLK, without waiting, if who makes it
 * waits for what this thread makes; a make() that gets this from what it needs
 * returns it, and is called again.
 */
static inline int once_make(struct onces *all, struct once *once,
			    int (*make)(void *arg), void *arg)
{
	int state = __atomic_load_n(&once->state, __ATOMIC_ACQUIRE);

	return state <= 0 ? state : once_wait(all, once, make, arg);
}

/* A failure is forgotten: the next one who needs it tries again. */
void once_again(struct onces *all, struct once *once);
/* The same of any result; make() has to leave what others use meanwhile. */
void once_renew(struct onces *all, struct once *once);

/* The result, if it is there, else ONCE_*. */
static inline int once_state(const struct once *once)
{
	return __atomic_load_n(&once->state, __ATOMIC_ACQUIRE);
}

#endif
