// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A recording: what the rings hold becomes samples with chains, and records of
 * processes, in the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "cli/record/run.h"
#include "cli/record/say.h"
#include "util/proc.h"

#define TICK_MS 100
#define RELEASE_EVERY 256 /* samples */
/*
 * What is known of files that nobody maps any more goes once in so many seconds, as
 * they may come again; and when memory has grown by that much.
 */
#define TRIM_EVERY 60
#define TRIM_GROWN (16u << 20)
/*
 * Who has more to do than there are CPUs would else wait for one while the rings
 * run full.  Root may; for others it stays as it is.
 */
#define NICE (-10)
#define LATE_MS 10 /* deferred stacks may come after the last sample */

int record_fail(struct recorder *r, const char *what, int err)
{
	const char *path = r->o->path;

	if (!r->failed)
		record_error("%s: %s%s%s",
			     strcmp(path, "-") ? path : "standard output", what,
			     err ? output_why(-err) : "",
			     err == -EMFILE ? "; raise the limit, ulimit -n" : "");
	r->failed = true;
	return -1;
}

int record_write_failed(struct recorder *r, int err)
{
	return record_fail(r, "not all could be written, what was before is kept: ",
		    err);
}

/* --- before ------------------------------------------------------------------ */

/* A file as the process has it that maps it: it may be in a container. */
static int open_image(void *arg, enum ustack_file file,
		      const struct ustack_map *map)
{
	char path[PATH_MAX + 64];
	const struct recorder *r = arg;
	uint32_t memory;
	int fd;

	if (r->o->foreign_proc || file != USTACK_FILE_IMAGE || !map->pid || !map->path ||
	    *map->path != '/')
		return -ENOSYS;
	memory = proc_with_memory(map->pid);
	/* Another file may have taken its path since, as when a server is upgraded. */
	snprintf(path, sizeof(path), "/proc/%u/map_files/%llx-%llx", memory,
		 (unsigned long long)map->addr,
		 (unsigned long long)(map->addr + map->size));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		/* It takes permissions, and that it is mapped yet. */
		snprintf(path, sizeof(path), "/proc/%u/root%s", memory, map->path);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	}
	return fd < 0 ? -ENOSYS : fd;
}

static int open_reader(struct recorder *r)
{
	const struct ustack_images_opts opts = {
		.sz = sizeof(opts),
		.open = open_image,
		.arg = r,
	};
	int ret = ustack_images_new(&r->images, &opts);

	if (!ret)
		ret = ustack_unwinder_new(&r->unwinder);
	if (!ret)
		ret = ustack_reader_new(&r->reader, r->images);
	if (ret)
		return record_fail(r, "", ret);
	r->account.images = r->images;
	cli_survive_sigbus(r->images);
	ret = capture_describe(r->c, r->reader);
	if (ret)
		return record_fail(r, ustack_reader_error(r->reader), 0);
	return 0;
}

/* --- the loop ------------------------------------------------------------------- */

static int take_record(void *arg, const void *record)
{
	const struct perf_event_header *h = record;
	struct recorder *r = arg;
	int ret;

	if (h->type == PERF_RECORD_THROTTLE)
		r->account.throttled++;
	if (h->type == PERF_RECORD_SWITCH ||
	    h->type == PERF_RECORD_SWITCH_CPU_WIDE)
		return waits_switch(&r->waits, r->file, record);
	ret = causes_task(&r->account.causes, record);
	if (ret)
		return ret;
	if (r->o->off_cpu &&
	    (h->type == PERF_RECORD_FORK || h->type == PERF_RECORD_EXIT)) {
		ret = waits_task(&r->waits, record);
		if (ret)
			return ret;
	}
	return record_file_record(r->file, record);
}

/* As many as r->frames has of the last sample. */
static size_t user_frames(const struct chain *c)
{
	size_t n = 0;

	while (n < c->nr && !c->line[c->nr - 1 - n].kernel)
		n++;
	return n;
}

/*
 * The recording ended before the task came back with its stack: where it still is,
 * /proc has that.  A copy of s, or s.
 */
static const struct ustack_sample *read_back(struct recorder *r,
					     const struct ustack_sample *s,
					     struct ustack_sample *copy)
{
	if (s->pair != USTACK_PAIR_LOST || s->lost != USTACK_LOST_END ||
	    r->o->raw || r->o->foreign_proc)
		return s;
	*copy = *s;
	if (blocked_stack(&r->blocked, copy) <= 0)
		return s;
	copy->pair = USTACK_PAIR_PAIRED;
	copy->lost = USTACK_LOST_NOT;
	r->account.read_back++;
	return copy;
}

int record_take_sample(struct recorder *r, const struct ustack_sample *s)
{
	struct ustack_sample copy;
	enum cause cause;
	bool cut;
	int ret;

	s = read_back(r, s, &copy);
	chain_fill(&r->chain, r->unwinder, r->frames, s);
	ret = account_sample(&r->account, s, &r->chain, r->c->stack, &cause);
	if (ret)
		return record_fail(r, "", ret);
	if (r->o->program && r->chain.unwound && !cause)
		depth_chain(&r->depth, s->regs.val[USTACK_REG_X86_SP],
			    r->frames, user_frames(&r->chain), r->chain.end);
	if (r->o->top) {
		ret = top_sample(r->o->top, s, &r->chain);
		return ret ? record_fail(r, "", ret) : 0;
	}
	if (r->o->off_cpu && !strcmp(s->event, OFF_CPU_EVENT)) {
		ret = waits_sample(&r->waits, r->file, s, &r->chain, cause);
		return ret ? record_write_failed(r, ret) : 0;
	}
	cut = r->chain.unwound && r->chain.end != USTACK_END_FINISHED;
	ret = record_file_sample(r->file, s, &r->chain,
				 r->o->raw == RAW_ALL ||
					 (r->o->raw == RAW_CUT && cut));
	return ret ? record_write_failed(r, ret) : 0;
}

int record_drain(struct recorder *r)
{
	const struct ustack_sample *s;
	unsigned int n = 0;
	int ret;

	ret = capture_scan(r->c, take_record, r);
	if (ret == -EBADMSG)
		return record_fail(r, "a ring holds what no kernel writes", 0);
	if (ret)
		return record_write_failed(r, ret);
	while ((ret = ustack_reader_next(r->reader, &s)) == 1) {
		if (record_take_sample(r, s))
			return -1;
		if (!(++n % RELEASE_EVERY))
			capture_release(r->c);
	}
	capture_release(r->c);
	if (ret && ret != -EAGAIN)
		return record_fail(r, ustack_reader_error(r->reader), 0);
	return ret ? 1 : 0;
}

static void read_signals(struct recorder *r)
{
	struct signalfd_siginfo si;

	while (read(r->signals, &si, sizeof(si)) == sizeof(si))
		if (si.ssi_signo != SIGCHLD && !r->signal)
			r->signal = si.ssi_signo;
}

static uint64_t seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* The reader's accounts, less the stacks that it lost and /proc had. */
static void read_stats(const struct recorder *r, struct ustack_stats *st)
{
	memset(st, 0, sizeof(*st));
	st->sz = sizeof(*st);
	ustack_reader_stats(r->reader, st);
	st->lost -= r->account.read_back;
	st->lost_by[USTACK_LOST_END] -= r->account.read_back;
}

/* Bytes of memory that are ours now; 0: nobody knows. */
static uint64_t resident(void)
{
	uint64_t pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%*u %" SCNu64, &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

static void trim(struct recorder *r, uint64_t now)
{
	if (now - r->trimmed < TRIM_EVERY &&
	    resident() < r->resident + TRIM_GROWN)
		return;
	ustack_images_trim(r->images);
	r->trimmed = now;
	r->resident = resident();
}

/* Once a second: what a kill would lose is little, and a terminal shows it. */
static int each_second(struct recorder *r, uint64_t *last)
{
	struct ustack_stats st;
	uint64_t now = seconds();
	int ret;

	if (now == *last)
		return 0;
	*last = now;
	ret = record_file_flush(r->file);
	if (ret)
		return record_write_failed(r, ret);
	trim(r, now);
	read_stats(r, &st);
	if (!r->o->top)
		account_progress(&r->account, &st, now);
	return 0;
}

/* 1: it ends.  show: top_tick() or top_last() */
static int show_top(struct recorder *r,
		    int (*show)(struct top *t, const struct top_head *head))
{
	struct ustack_stats st;
	struct top_head head = { .event = r->c->events->ev[0].name };
	int ret;

	read_stats(r, &st);
	head.lost = account_lost(&r->account, &st);
	head.complete = account_complete(&r->account);
	ret = show(r->o->top, &head);
	return ret < 0 ? record_fail(r, "", ret) : ret;
}

/* Until the command or the processes end, or a signal says so. */
static int loop(struct recorder *r)
{
	uint64_t last = seconds();
	struct pollfd *p = NULL, *more;
	int ret = 0;

	r->account.start = last;
	while (!ret && !r->signal) {
		const size_t nr = r->c->nr_rings;

		more = realloc(p, (nr + 1) * sizeof(*p));
		if (!more) {
			ret = record_fail(r, "", -ENOMEM);
			break;
		}
		p = more;
		memcpy(p, r->c->poll, nr * sizeof(*p));
		p[nr] = (struct pollfd){ .fd = r->signals, .events = POLLIN };
		poll(p, nr + 1, TICK_MS);
		memcpy(r->c->poll, p, nr * sizeof(*p));
		read_signals(r);
		ret = record_follow_cpus(r);
		if (!ret)
			ret = record_drain(r) < 0 ? -1 : each_second(r, &last);
		if (!ret && r->o->top && (ret = show_top(r, top_tick)) > 0) {
			r->shown = true;
			ret = 0;
			break;
		}
		if (record_child_ended(&r->child))
			break;
		if (!capture_lives(r->c) && (r->o->nr_pids || r->o->nr_tids))
			break;
	}
	free(p);
	account_progress_ends(&r->account);
	return ret;
}

/* --- after ------------------------------------------------------------------------ */

static void sleep_ms(long ms)
{
	const struct timespec t = { .tv_nsec = ms * 1000000 };

	nanosleep(&t, NULL);
}

/* What is still in the rings. */
static int rest(struct recorder *r)
{
	int ret;

	r->disabled = clock_now(&r->clock);
	capture_switch(r->c, PERF_EVENT_IOC_DISABLE);
	if (r->c->defer)
		sleep_ms(LATE_MS);
	ret = record_drain(r);
	if (ret >= 0 && ustack_reader_finish(r->reader))
		return record_fail(r, ustack_reader_error(r->reader), 0);
	while (ret > 0)
		ret = record_drain(r);
	return ret;
}

static int last_waits(struct recorder *r)
{
	int ret = waits_end(&r->waits, r->file, r->disabled);
	size_t i;

	/* They are no samples that got lost on the way. */
	r->account.samples -= r->waits.no_waits;
	for (i = 0; i < NR_ENDS; i++) {
		r->account.ends[i] -= r->waits.no_wait_ends[i];
		r->account.unexplained[i] -= r->waits.no_wait_unexplained[i];
	}
	for (i = 0; i < NR_CAUSES; i++)
		r->account.causes.nr[i] -= r->waits.no_wait_causes[i];
	return ret ? record_write_failed(r, ret) : 0;
}

/*
 * The kernel tells of a loss when there is room again, and of the last one never.
 * How many there were goes into a record as perf writes it, without a time.
 */
static int put_lost(struct recorder *r)
{
	struct {
		struct perf_event_header h;
		uint64_t lost, sample_id[4];
	} rec = {
		.h = { .type = PERF_RECORD_LOST_SAMPLES, .size = sizeof(rec) },
	};
	int ret;

	rec.lost = r->account.lost = capture_lost(r->c);
	if (!rec.lost)
		return 0;
	ret = record_file_record(r->file, &rec);
	return ret ? record_write_failed(r, ret) : 0;
}

static void end_file(struct recorder *r)
{
	struct ustack_stats st;
	int ret = record_file_end(r->file);

	if (ret)
		record_write_failed(r, ret);
	if (r->o->top)
		return;
	read_stats(r, &st);
	account_verdict(&r->account, &st, r->o, r->c,
			record_file_samples(r->file),
			record_file_size(r->file));
}

static void free_all(struct recorder *r)
{
	if (r->o->top)
		top_end(r->o->top);
	account_free(&r->account);
	waits_free(&r->waits);
	blocked_free(&r->blocked);
	clock_close(&r->clock);
	if (r->temporary)
		unlink(r->temporary);
	free(r->temporary);
	record_file_free(r->file);
	ustack_reader_free(r->reader);
	ustack_unwinder_free(r->unwinder);
	ustack_images_free(r->images);
	capture_close(r->c);
}

/* From the events to the end of the file.  0, or an exit status. */
static int record(struct recorder *r)
{
	const struct record_options *o = r->o;
	int status = 0;

	if (o->off_cpu)
		clock_open(&r->clock);
	if (capture_open(r->c) || record_open_output(r) || open_reader(r) ||
	    record_known(r))
		return 1;
	if (o->top) {
		int ret = top_begin(o->top, r->images);

		if (ret)
			return record_fail(r, "", ret), 1;
	}
	if (!r->c->on_exec)
		capture_switch(r->c, PERF_EVENT_IOC_ENABLE);
	r->blocked.images = r->images;
	r->blocked.stack_size = r->c->stack;
	if (o->off_cpu && record_waiting(r))
		return 1;
	if (o->command)
		status = record_start(&r->child, o->command[0]);
	if (status || record_name_file(r))
		return 1;
	if (!loop(r) && !rest(r) && !last_waits(r) && !put_lost(r) && o->top)
		show_top(r, top_last);
	if (r->child.pid && !record_child_ended(&r->child))
		kill(r->child.pid, SIGTERM);
	end_file(r);
	if (o->program)
		depth_keep(o->program, depth_next(&r->depth, r->c->stack,
						  capture_most(r->c)));
	return r->failed;
}

int record_run(const struct record_options *o, struct capture *c)
{
	struct recorder *r = calloc(1, sizeof(*r));
	sigset_t set;
	int status, child = 0;

	if (!r) {
		record_error("out of memory");
		return RECORD_FAILED;
	}
	r->o = o;
	r->c = c;
	r->clock.fd = -1;
	record_block(&r->child);
	record_signals(&set);
	r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	status = r->signals < 0 && record_error("cannot wait for signals: %s",
						strerror(errno));
	if (!status && o->command)
		status = record_fork(&r->child, o->command,
				     o->top		     ? OUTPUT_AWAY :
				     strcmp(o->path, "-") ? OUTPUT_AS_IS :
							    OUTPUT_TO_STDERR);
	if (nice(NICE) < 0)
		errno = 0; /* as it is */
	if (!status) {
		if (c->on_exec)
			c->tid[0] = r->child.pid;
		status = record(r);
	}
	free_all(r);
	record_unblock(&r->child);
	if (r->child.pid)
		child = record_child_status(&r->child);
	/* That is how a table ends, and its command with it. */
	if (r->shown || (o->top && r->signal == SIGINT))
		child = 0;
	else if (child >= 0 && r->signal)
		child = -r->signal;
	free(r);
	return status ? RECORD_FAILED : child;
}
