/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * The kernel's side of ustack record: events on threads or CPUs, opened as well
 * as this kernel can, and a ring for each CPU.
 */
#ifndef USTACK_CLI_RECORD_CAPTURE_H
#define USTACK_CLI_RECORD_CAPTURE_H

#include <poll.h>

#include "cli/record/event.h"
#include "cli/record/ring.h"

struct capture_fd {
	int fd;
	size_t ring;
};

struct capture_cpu {
	bool on; /* by the last look */
	size_t ring; /* SIZE_MAX: it has none */
};

/* Of an event that was opened when the file had begun: its ids are those of then. */
struct capture_id {
	uint64_t id;
	size_t event;
};

struct capture {
	struct record_events *events;
	/* The threads; one of -1: whatever runs; or of a cgroup's directory. */
	int *tid;
	size_t nr_tids;
	bool cgroup;
	bool inherit; /* threads and processes that they start, too */
	bool on_exec; /* begins when the one thread calls exec() */
	/*
	 * An event of its own that tells of processes as soon as it is open, so that
	 * nothing is missed while others are read from /proc.  Where nothing runs
	 * before, the first of events does it.
	 */
	bool tracks;
	struct record_event track;
	bool switches; /* records of context switches; the kernel is needed then */
	bool data_maps; /* whoever unwinds later may need more than the code */
	uint32_t stack; /* bytes that are asked for; 0: what is usual */
	size_t ring_size; /* bytes of data; 0: by the rate */
	bool ring_cut; /* the kernel allows no larger ones */
	int ring_refused; /* -errno of a ring that could not be mapped */

	/* What the kernel agreed to; stack and ring_size are what it took. */
	bool defer, no_lost, no_build_id, user_only;
	bool clock; /* cpu-clock instead of cycles */

	struct capture_ring *ring;
	struct pollfd *poll; /* one for each ring */
	size_t nr_rings;
	struct capture_fd *fd;
	size_t nr_fds;
	struct capture_cpu *cpu;
	size_t nr_cpus;
	struct ustack_reader *reader; /* by capture_describe() */
	struct capture_id *late;
	size_t nr_late;
};

/* Opens all, disabled but for track; 0, or exit status 1 after an error line. */
int capture_open(struct capture *c);
/* Tells the reader of it. */
int capture_describe(struct capture *c, struct ustack_reader *reader);
/*
 * A CPU that came, or went, since this was asked last; -1: none.  *on tells which.
 */
int capture_cpu_changed(struct capture *c, bool *on);
/*
 * Events on a CPU that came: on the threads of c, or nr others, which run already.
 * 0, or 1 after an error line.
 */
int capture_add_cpu(struct capture *c, int cpu, int *tid, size_t nr);
/* PERF_EVENT_IOC_ENABLE or _DISABLE */
void capture_switch(struct capture *c, unsigned long request);
/*
 * Shows the reader what the rings have by now, and calls fn with each record
 * that is neither a sample nor a part of one.  0, what fn returned if that was
 * not 0, or -EBADMSG.
 */
int capture_scan(struct capture *c, int (*fn)(void *arg, const void *record),
		 void *arg);
/* Gives back to the kernel what the reader has taken. */
void capture_release(struct capture *c);
/* After poll(): does any thread of the events still live? */
bool capture_lives(struct capture *c);
/* Records that the kernel had no room for; 0 where it does not count them. */
uint64_t capture_lost(const struct capture *c);
/* Bytes of stack that this kernel can take. */
uint32_t capture_most(const struct capture *c);
void capture_close(struct capture *c);

#endif
