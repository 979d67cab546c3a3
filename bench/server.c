// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A threaded server under load, in one process: server THREADS REQUESTS.
 * Each of THREADS workers answers the requests of a client thread of its own
 * over a socket: it parses a line of numbers, sorts them and sends them back.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NUMBERS 64

static unsigned long requests;

struct pair {
	int end[2];
	pthread_t worker, client;
};

static int compare(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

static int answer(char *line, char *reply, size_t room)
{
	long numbers[NUMBERS];
	int n = 0, at = 0;

	for (char *word = strtok_r(line, " ", &line); word && n < NUMBERS; word = strtok_r(NULL, " ", &line))
		numbers[n++] = strtol(word, NULL, 10);
	qsort(numbers, n, sizeof(numbers[0]), compare);
	for (int i = 0; i < n; i++)
		at += snprintf(reply + at, room - at, "%ld ", numbers[i]);
	return at;
}

static void *work(void *arg)
{
	struct pair *p = arg;
	char line[2048], reply[2048];
	ssize_t n;

	while ((n = recv(p->end[0], line, sizeof(line) - 1, 0)) > 0) {
		line[n] = 0;
		n = answer(line, reply, sizeof(reply));
		if (send(p->end[0], reply, n, 0) != n)
			abort();
	}
	return NULL;
}

static void *ask(void *arg)
{
	struct pair *p = arg;
	char line[2048];
	unsigned long x = 1;

	for (unsigned long i = 0; i < requests; i++) {
		int at = 0;

		for (int k = 0; k < NUMBERS; k++) {
			x = x * 6364136223846793005ul + 1442695040888963407ul;
			at += snprintf(line + at, sizeof(line) - at, "%lu ", x >> 44);
		}
		if (send(p->end[1], line, at, 0) != at || recv(p->end[1], line, sizeof(line), 0) <= 0)
			abort();
	}
	shutdown(p->end[1], SHUT_RDWR);
	return NULL;
}

int main(int argc, char **argv)
{
	int threads = argc == 3 ? atoi(argv[1]) : 0;
	struct pair *pairs;

	if (threads < 1 || threads > 64) {
		fprintf(stderr, "usage: server THREADS REQUESTS, 1 to 64 threads\n");
		return 2;
	}
	requests = strtoul(argv[2], NULL, 0);
	pairs = calloc(threads, sizeof(*pairs));
	for (int i = 0; i < threads; i++)
		if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pairs[i].end) ||
		    pthread_create(&pairs[i].worker, NULL, work, &pairs[i]) ||
		    pthread_create(&pairs[i].client, NULL, ask, &pairs[i]))
			abort();
	for (int i = 0; i < threads; i++) {
		pthread_join(pairs[i].client, NULL);
		pthread_join(pairs[i].worker, NULL);
	}
	free(pairs);
	return 0;
}
