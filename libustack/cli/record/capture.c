// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Events and rings of ustack record. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/record/capture.h"
#include "cli/record/cpus.h"
#include "cli/record/refusal.h"
#include "cli/record/say.h"
#include "cli/record/settle.h"

#define RING_MIN (64u << 10)
#define SAMPLE_MAX 65536u /* with all that is not stack */
#define RING_LEAST (512u << 10) /* by the rate: no less and no more */
#define RING_MOST (8u << 20)
#define RING_MOST_WAITS (32u << 20) /* where each switch of a thread is a sample */
#define RAM_PART 16 /* of which, at most, these are on all CPUs together */

/* --- how large a ring is --------------------------------------------------------- */

static size_t most_ring(const struct capture *c)
{
	const uint64_t ram = (uint64_t)sysconf(_SC_PHYS_PAGES) *
			     sysconf(_SC_PAGESIZE);
	size_t size = RING_MOST_WAITS;

	if (!c->switches)
		return RING_MOST;
	while (size > RING_MOST && size * c->nr_cpus > ram / RAM_PART)
		size /= 2;
	return size;
}

/* Room for a quarter of a second of one CPU, if stacks are not all as large. */
static size_t usual_ring(const struct capture *c)
{
	const size_t most_size = most_ring(c);
	uint32_t most = c->stack > STACK_DEFERRED ? STACK_DEFERRED :
						    STACK_COPIED;
	uint32_t stack = c->stack < most ? c->stack : most;
	uint64_t want = 0;
	size_t size = RING_LEAST, i;

	for (i = 0; i < c->events->nr; i++) {
		const struct perf_event_attr *a = &c->events->ev[i].attr;

		/* Threads that wait may do so a hundred thousand times a second. */
		want += (a->freq ? a->sample_freq : c->switches ? 100000 : 1000) *
			stack / 4;
	}
	while (size < want && size < most_size)
		size *= 2;
	return size;
}

/* --- rings ------------------------------------------------------------------------ */

/* The smallest that holds two samples, or of deferred stacks some. */
static size_t least_ring(const struct capture *c)
{
	const size_t sample = c->stack + 4096 < SAMPLE_MAX ? c->stack + 4096 :
							     SAMPLE_MAX;

	return c->defer && RING_MIN < 2 * sample ? RING_MIN : 2 * sample;
}

/*
 * Of a CPU that came, as large as there is memory to lock; else of the size that
 * all have.  0, -errno, or 1 after an error line.
 */
static int add_ring(struct capture *c, int fd)
{
	struct capture_ring *ring =
		realloc(c->ring, (c->nr_rings + 1) * sizeof(*ring));
	size_t size = c->ring_size;
	struct pollfd *poll;
	int ret;

	if (!ring)
		return -ENOMEM;
	c->ring = ring;
	poll = realloc(c->poll, (c->nr_rings + 1) * sizeof(*poll));
	if (!poll)
		return -ENOMEM;
	c->poll = poll;
	ring += c->nr_rings;
	while ((ret = ring_map(ring, fd, size)) && c->reader &&
	       size / 2 >= least_ring(c))
		size /= 2;
	if (ret && !c->reader)
		c->ring_refused = ret;
	if (ret)
		return c->reader ? refusal_say_ring(c, c->ring_size, ret) : 1;
	c->poll[c->nr_rings++] =
		(struct pollfd){ .fd = fd, .events = POLLIN };
	return c->reader ? ustack_reader_open_ring(c->reader, ring->base,
						   ring->size) :
			   0;
}

/* The reader knows it by the id; the file has other ids of the event. */
static int add_late(struct capture *c, const struct record_event *ev,
		    uint64_t id)
{
	struct capture_id *late =
		realloc(c->late, (c->nr_late + 1) * sizeof(*late));

	if (!late)
		return -ENOMEM;
	c->late = late;
	late[c->nr_late++] = (struct capture_id){
		id, ev == &c->track ? 0 : ev - c->events->ev
	};
	return ustack_reader_add_event(c->reader, &ev->attr, &id, 1, ev->name);
}

static int add_id(struct capture *c, struct record_event *ev, int fd)
{
	uint64_t *ids, id;

	if (ioctl(fd, PERF_EVENT_IOC_ID, &id))
		return -errno;
	if (c->reader)
		return add_late(c, ev, id);
	ids = realloc(ev->ids, (ev->nr_ids + 1) * sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	ev->ids = ids;
	ids[ev->nr_ids++] = id;
	return 0;
}

/*
 * fd writes to the ring of its CPU, *ring, or to one of its own.  0, -errno, or 1
 * after an error line.
 */
static int add_fd(struct capture *c, struct record_event *ev, int fd,
		  size_t *ring)
{
	struct capture_fd *fds =
		realloc(c->fd, (c->nr_fds + 1) * sizeof(*fds));
	int ret;

	if (!fds)
		return -ENOMEM;
	c->fd = fds;
	ret = add_id(c, ev, fd);
	if (ret)
		return ret;
	if (*ring == SIZE_MAX ||
	    ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, c->poll[*ring].fd)) {
		ret = add_ring(c, fd);
		if (ret)
			return ret;
		*ring = c->nr_rings - 1;
	}
	c->fd[c->nr_fds++] = (struct capture_fd){ fd, *ring };
	return 0;
}

/* CPUs of one machine may differ: some have the event. */
static bool is_elsewhere(const struct record_event *ev, int err)
{
	return ev->nr_ids &&
	       (err == -ENODEV || err == -ENOENT || err == -EOPNOTSUPP);
}

/* An event of all threads on one CPU. */
static int open_threads(struct capture *c, struct record_event *ev, int cpu)
{
	char room[REFUSAL_ROOM];
	size_t t;
	int fd, ret;

	for (t = 0; t < c->nr_tids; t++) {
		fd = settle_open(c, ev, c->tid[t], cpu);
		if (settle_is_offline(fd, cpu)) {
			c->cpu[cpu].on = false;
			return 0;
		}
		if (fd == -ESRCH)
			continue; /* threads end at any time */
		if (is_elsewhere(ev, fd)) {
			fprintf(stderr,
				"ustack: %sCPU %d cannot sample it, others do\n",
				refusal_prefix(c, ev, room), cpu);
			return 0;
		}
		if (fd < 0)
			return refusal_say(c, ev, c->tid[t], fd);
		ret = add_fd(c, ev, fd, &c->cpu[cpu].ring);
		if (!ret)
			continue;
		close(fd);
		return ret < 0 ? refusal_say(c, ev, c->tid[t], ret) : 1;
	}
	return 0;
}

static int open_cpu(struct capture *c, int cpu)
{
	size_t i;

	if (c->tracks && open_threads(c, &c->track, cpu))
		return 1;
	for (i = 0; i < c->events->nr; i++)
		if (open_threads(c, &c->events->ev[i], cpu))
			return 1;
	return 0;
}

/* A ring that holds not two samples loses all or most. */
static void check_ring(struct capture *c)
{
	const size_t asked = c->ring_size;
	const size_t sample = c->stack + 4096 < SAMPLE_MAX ? c->stack + 4096 :
							     SAMPLE_MAX;

	if (!asked)
		c->ring_size = usual_ring(c);
	while (c->ring_size < 2 * sample)
		c->ring_size *= 2;
	if (asked && asked < c->ring_size)
		fprintf(stderr,
			"ustack: -m %zuK: too small for two samples of --stack %u: it is %zuK\n",
			asked >> 10, c->stack, c->ring_size >> 10);
}

/* All that may ever come. */
static int find_cpus(struct capture *c)
{
	bool possible[CPUS_MAX], online[CPUS_MAX];
	size_t i;

	c->nr_cpus = cpus_read("possible", possible);
	c->cpu = calloc(c->nr_cpus, sizeof(*c->cpu));
	if (!c->cpu)
		return record_error("out of memory");
	cpus_read("online", online);
	for (i = 0; i < c->nr_cpus; i++)
		c->cpu[i] = (struct capture_cpu){ online[i], SIZE_MAX };
	return 0;
}

static int open_cpus(struct capture *c)
{
	size_t cpu;

	c->ring_refused = 0;
	for (cpu = 0; cpu < c->nr_cpus; cpu++)
		if (open_cpu(c, cpu))
			return 1;
	return 0;
}

static void close_all(struct capture *c)
{
	size_t i;

	for (i = 0; i < c->nr_rings; i++)
		munmap(c->ring[i].base, c->ring[i].size);
	for (i = 0; i < c->nr_fds; i++)
		close(c->fd[i].fd);
	for (i = 0; i < c->nr_cpus && c->cpu; i++)
		c->cpu[i].ring = SIZE_MAX;
	for (i = 0; i < c->events->nr; i++)
		c->events->ev[i].nr_ids = 0;
	c->track.nr_ids = c->nr_rings = c->nr_fds = 0;
}

/*
 * What may be locked is one amount for all rings: they are all made smaller until
 * the last one has room, too.
 */
static int open_rings(struct capture *c)
{
	const size_t asked = c->ring_size;
	int ret;

	while ((ret = open_cpus(c)) && c->ring_refused &&
	       c->ring_size / 2 >= least_ring(c)) {
		close_all(c);
		c->ring_size /= 2;
	}
	if (ret)
		return c->ring_refused ?
			       refusal_say_ring(c, asked, c->ring_refused) :
			       1;
	c->ring_cut = c->ring_size < asked;
	if (c->ring_cut)
		fprintf(stderr,
			"ustack: rings of %zu KiB instead of %zu: kernel.perf_event_mlock_kb and ulimit -l allow no more\n",
			c->ring_size >> 10, asked >> 10);
	return 0;
}

int capture_open(struct capture *c)
{
	size_t i;

	if (find_cpus(c))
		return 1;
	settle_rate(c);
	c->tracks = !c->on_exec;
	c->track.name = "processes";
	if (settle(c))
		return 1;
	check_ring(c);
	if (open_rings(c))
		return 1;
	if (!c->nr_fds)
		return refusal_say(c, c->events->ev, c->tid[0], -ESRCH);
	for (i = 0; i < c->events->nr; i++)
		c->events->ev[i].attr = settle_attr(c, i, !i);
	c->track.attr = settle_track_attr(c);
	return 0;
}

int capture_cpu_changed(struct capture *c, bool *on)
{
	bool online[CPUS_MAX];
	size_t i;

	cpus_read("online", online);
	for (i = 0; i < c->nr_cpus; i++) {
		if (c->cpu[i].on == online[i])
			continue;
		*on = c->cpu[i].on = online[i];
		return i;
	}
	return -1;
}

int capture_add_cpu(struct capture *c, int cpu, int *tid, size_t nr)
{
	int *threads = c->tid, ret;
	size_t nr_threads = c->nr_tids, fd = c->nr_fds;

	c->on_exec = false;
	if (tid) {
		c->tid = tid;
		c->nr_tids = nr;
	}
	ret = open_cpu(c, cpu);
	c->tid = threads;
	c->nr_tids = nr_threads;
	for (; fd < c->nr_fds; fd++)
		ioctl(c->fd[fd].fd, PERF_EVENT_IOC_ENABLE, 0);
	return ret;
}

int capture_describe(struct capture *c, struct ustack_reader *reader)
{
	size_t i;
	int ret = 0;

	for (i = 0; i < c->events->nr && !ret; i++) {
		const struct record_event *ev = &c->events->ev[i];

		ret = ustack_reader_add_event(reader, &ev->attr, ev->ids,
					      ev->nr_ids, ev->name);
	}
	if (!ret && c->tracks)
		ret = ustack_reader_add_event(reader, &c->track.attr,
					      c->track.ids, c->track.nr_ids,
					      c->track.name);
	for (i = 0; i < c->nr_rings && !ret; i++)
		ret = ustack_reader_open_ring(reader, c->ring[i].base,
					      c->ring[i].size);
	c->reader = reader;
	return ret;
}

void capture_switch(struct capture *c, unsigned long request)
{
	size_t i;

	for (i = 0; i < c->nr_fds; i++)
		ioctl(c->fd[i].fd, request, 0);
}

/* --- records ------------------------------------------------------------------------ */

int capture_scan(struct capture *c, int (*fn)(void *arg, const void *record),
		 void *arg)
{
	size_t i;
	int ret = 0;

	for (i = 0; i < c->nr_rings && !ret; i++)
		ret = ring_scan(&c->ring[i], fn, arg);
	return ret;
}

void capture_release(struct capture *c)
{
	size_t i;

	for (i = 0; i < c->nr_rings; i++)
		__atomic_store_n(&c->ring[i].kernel->data_tail,
				 c->ring[i].ours->data_tail, __ATOMIC_RELEASE);
}

/* Another descriptor that writes to ring i: where one was, others may live. */
static void poll_next(struct capture *c, size_t i)
{
	struct pollfd *p = &c->poll[i];
	size_t j = 0;

	while (c->fd[j].fd != p->fd)
		j++;
	for (j++; j < c->nr_fds && c->fd[j].ring != i; j++)
		;
	p->fd = j < c->nr_fds ? c->fd[j].fd : -1;
}

bool capture_lives(struct capture *c)
{
	bool lives = false;
	size_t i;

	for (i = 0; i < c->nr_rings; i++) {
		if (c->poll[i].fd >= 0 &&
		    c->poll[i].revents & (POLLHUP | POLLERR))
			poll_next(c, i);
		lives |= c->poll[i].fd >= 0;
	}
	return lives;
}

uint64_t capture_lost(const struct capture *c)
{
	uint64_t sum = 0, value[3]; /* value, id, lost */
	size_t i;

	for (i = 0; i < c->nr_fds && !c->no_lost; i++)
		if (read(c->fd[i].fd, value, sizeof(value)) == sizeof(value))
			sum += value[2];
	return sum;
}

void capture_close(struct capture *c)
{
	close_all(c);
	free(c->ring);
	free(c->poll);
	free(c->fd);
	free(c->cpu);
	free(c->late);
	free(c->track.ids);
}
