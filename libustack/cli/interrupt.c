// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Signals that end us while a server sends a file: a part of that would stay in the
 * cache.  A thread waits for them, has the file given up, and lets them end us then.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"

static const int ends[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Of the recording, and of the one that it is compared with. */
#define ASKING_MAX 2
static struct ustack_images *asking[ASKING_MAX];
static sigset_t before, taken;

static bool is_ignored(int signal)
{
	struct sigaction act;

	return !sigaction(signal, NULL, &act) && act.sa_handler == SIG_IGN;
}

static void *wait_for_signal(void *arg)
{
	int signal = 0, i;

	/* Some are ignored while a pager runs. */
	do {
		if (sigwait(&taken, &signal))
			return arg;
	} while (is_ignored(signal));
	pthread_mutex_lock(&lock);
	for (i = 0; i < ASKING_MAX; i++)
		if (asking[i])
			ustack_images_interrupt(asking[i]);
	pthread_mutex_unlock(&lock);
	interrupt_as_before();
	raise(signal);
	return arg;
}

void interrupt_begin(struct ustack_images *images)
{
	static bool begun;
	pthread_t thread;
	size_t i;

	if (!getenv("DEBUGINFOD_URLS"))
		return;
	pthread_mutex_lock(&lock);
	for (i = 0; i < ASKING_MAX && asking[i]; i++)
		;
	if (i < ASKING_MAX)
		asking[i] = images;
	pthread_mutex_unlock(&lock);
	if (begun)
		return;
	begun = true;
	sigemptyset(&taken);
	for (i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (!is_ignored(ends[i]))
			sigaddset(&taken, ends[i]);
	pthread_sigmask(SIG_BLOCK, &taken, &before);
	if (pthread_create(&thread, NULL, wait_for_signal, NULL))
		interrupt_as_before();
	else
		pthread_detach(thread);
}

void interrupt_as_before(void)
{
	pthread_sigmask(SIG_UNBLOCK, &taken, NULL);
	pthread_sigmask(SIG_BLOCK, &before, NULL);
}

void interrupt_end(const struct ustack_images *images)
{
	size_t i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < ASKING_MAX; i++)
		if (asking[i] == images)
			asking[i] = NULL;
	pthread_mutex_unlock(&lock);
}
