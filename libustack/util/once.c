// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Lazy initialisation by many threads, without a lock around it. */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/once.h"

void onces_init(struct onces *all)
{
	pthread_mutex_init(&all->lock, NULL);
	pthread_cond_init(&all->done, NULL);
	all->makers = all->waiters = NULL;
}

void onces_destroy(struct onces *all)
{
	pthread_cond_destroy(&all->done);
	pthread_mutex_destroy(&all->lock);
}

static void add_user(struct once_user **list, struct once_user *user,
		     const struct once *once)
{
	*user = (struct once_user){ pthread_self(), once, *list };
	*list = user;
}

static void del_user(struct once_user **list, const struct once_user *user)
{
	while (*list != user)
		list = &(*list)->next;
	*list = user->next;
}

/* Does whoever makes it wait, over however many others, for this thread? */
static bool waits_for_us(const struct onces *all, const struct once *once)
{
	const struct once_user *maker, *waiter;

	for (;;) {
		maker = all->makers;
		while (maker && maker->once != once)
			maker = maker->next;
		if (!maker)
			return false;	/* just done, the waiter has yet to wake */
		if (pthread_equal(maker->thread, pthread_self()))
			return true;
		waiter = all->waiters;
		while (waiter && !pthread_equal(waiter->thread, maker->thread))
			waiter = waiter->next;
		if (!waiter)
			return false;
		once = waiter->once;
	}
}

static int make_now(struct onces *all, struct once *once,
		    int (*make)(void *arg), void *arg)
{
	struct once_user maker;
	int result;

	add_user(&all->makers, &maker, once);
	__atomic_store_n(&once->state, ONCE_BUSY, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&all->lock);
	result = make(arg);
	pthread_mutex_lock(&all->lock);
	/* That is no result: it can be made when the others are done. */
	__atomic_store_n(&once->state, result == -EDEADLK ? ONCE_NEW : result,
			 __ATOMIC_RELEASE);
	del_user(&all->makers, &maker);
	pthread_cond_broadcast(&all->done);
	return result;
}

int once_wait(struct onces *all, struct once *once, int (*make)(void *arg),
	      void *arg)
{
	struct once_user waiter;
	int result = 0;

	pthread_mutex_lock(&all->lock);
	while (once->state == ONCE_BUSY && !result) {
		if (waits_for_us(all, once)) {
			result = -EDEADLK;
		} else {
			add_user(&all->waiters, &waiter, once);
			pthread_cond_wait(&all->done, &all->lock);
			del_user(&all->waiters, &waiter);
		}
	}
	if (!result)
		result = once->state == ONCE_NEW ?
				 make_now(all, once, make, arg) :
				 once->state;
	pthread_mutex_unlock(&all->lock);
	return result;
}

void once_again(struct onces *all, struct once *once)
{
	pthread_mutex_lock(&all->lock);
	if (once->state < 0)
		__atomic_store_n(&once->state, ONCE_NEW, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&all->lock);
}

void once_renew(struct onces *all, struct once *once)
{
	pthread_mutex_lock(&all->lock);
	if (once->state <= 0)
		__atomic_store_n(&once->state, ONCE_NEW, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&all->lock);
}
