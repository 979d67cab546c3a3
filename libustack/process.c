// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Threads, their names and the address spaces of their processes. */
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "reader.h"

#define THREADS_MAX (1u << 22) /* the kernel's PID_MAX_LIMIT */
#define DEAD_MAX 1024 /* ended threads whose late records are served */

#ifndef PERF_RECORD_MISC_FORK_EXEC /* perf's own: the child's maps follow */
#define PERF_RECORD_MISC_FORK_EXEC (1 << 13)
#endif
#ifndef PERF_RECORD_MISC_MMAP_BUILD_ID
#define PERF_RECORD_MISC_MMAP_BUILD_ID (1 << 14)
#endif

static struct space_ref *space_new(struct ustack_images *images,
				   const struct ustack_space *parent, int *err)
{
	struct space_ref *s = malloc(sizeof(*s));

	if (!s) {
		*err = -ENOMEM;
		return NULL;
	}
	s->refs = 1;
	*err = parent ? ustack_space_fork(&s->space, parent) :
			ustack_space_new(&s->space, images);
	if (*err) {
		free(s);
		return NULL;
	}
	return s;
}

void space_put(struct space_ref *s)
{
	if (!s || --s->refs)
		return;
	ustack_space_free(s->space);
	free(s);
}

static struct process *process_find(const struct processes *ps, uint32_t pid)
{
	struct node *n = table_find(&ps->procs, pid);

	return n ? container_of(n, struct process, node) : NULL;
}

static int process_new(struct processes *ps, uint32_t pid,
		       const struct ustack_space *parent, struct process **out)
{
	struct process *p = calloc(1, sizeof(*p));
	int ret;

	if (!p)
		return -ENOMEM;
	p->space = space_new(ps->images, parent, &ret);
	if (p->space) {
		ret = table_add(&ps->procs, &p->node, pid);
		if (!ret) {
			*out = p;
			return 0;
		}
		space_put(p->space);
	}
	free(p);
	return ret;
}

static void process_put(struct processes *ps, struct process *p)
{
	if (--p->nr_threads)
		return;
	table_del(&ps->procs, &p->node);
	space_put(p->space);
	free(p);
}

static struct thread *thread_find(const struct processes *ps, uint32_t tid)
{
	struct node *n = table_find(&ps->threads, tid);

	return n ? container_of(n, struct thread, node) : NULL;
}

/* Takes a thread out of the list of ended ones: its id is in use again. */
static void thread_revive(struct processes *ps, struct thread *th)
{
	struct thread **p = &ps->dead_head, *prev = NULL;

	if (!th->dead)
		return;
	while (*p != th) {
		prev = *p;
		p = &prev->next_dead;
	}
	*p = th->next_dead;
	if (ps->dead_tail == th)
		ps->dead_tail = prev;
	th->next_dead = NULL;
	th->dead = false;
	ps->nr_dead--;
}

static void thread_name(struct thread *th)
{
	if (!th->tid)
		strcpy(th->comm, "swapper");
	else
		snprintf(th->comm, sizeof(th->comm), ":%d", (int)th->tid);
}

int processes_thread(struct processes *ps, uint32_t pid, uint32_t tid,
		     struct thread **out)
{
	struct thread *th = thread_find(ps, tid);
	struct process *p;
	int ret;

	if (th && th->pid == pid) {
		*out = th;
		return 0;
	}
	p = process_find(ps, pid);
	if (!p) {
		ret = process_new(ps, pid, NULL, &p);
		if (ret)
			return ret;
	}
	p->nr_threads++;
	if (th) {
		/* The id of a thread whose end was not recorded. */
		thread_revive(ps, th);
		process_put(ps, th->proc);
		th->cookie = 0;
	} else {
		ret = -E2BIG;
		if (ps->threads.nr < THREADS_MAX) {
			th = calloc(1, sizeof(*th));
			ret = th ? table_add(&ps->threads, &th->node, tid) :
				   -ENOMEM;
		}
		if (ret) {
			free(th);
			process_put(ps, p);
			return ret;
		}
	}
	th->pid = pid;
	th->tid = tid;
	th->proc = p;
	thread_name(th);
	*out = th;
	return 0;
}

/* Copies a string that must end within size bytes. */
static bool string(char *to, size_t to_size, const uint8_t *from, size_t size)
{
	size_t n = strnlen((const char *)from, size);

	if (n == size)
		return false;
	if (n >= to_size)
		n = to_size - 1;
	memcpy(to, from, n);
	to[n] = '\0';
	return true;
}

int processes_comm(struct processes *ps, const struct rec *r, size_t end)
{
	struct thread *th;
	char comm[COMM_MAX];
	int ret;

	if (end < 16 || !string(comm, sizeof(comm), r->data + 16, end - 16))
		return -EBADMSG;
	ret = processes_thread(ps, get32(r->data + 8), get32(r->data + 12),
			       &th);
	if (ret)
		return ret;
	strcpy(th->comm, comm);
	if (rec_misc(r) & PERF_RECORD_MISC_COMM_EXEC) {
		/* Captures of the old image keep the old space. */
		struct space_ref *s = space_new(ps->images, NULL, &ret);

		if (!s)
			return ret;
		space_put(th->proc->space);
		th->proc->space = s;
	}
	return 0;
}

int processes_fork(struct processes *ps, const struct rec *r, size_t end)
{
	uint32_t pid, ppid, tid, ptid;
	struct thread *th, *parent;
	int ret;

	if (end < 32)
		return -EBADMSG;
	pid = get32(r->data + 8);
	ppid = get32(r->data + 12);
	tid = get32(r->data + 16);
	ptid = get32(r->data + 20);
	ret = processes_thread(ps, pid, tid, &th);
	if (ret)
		return ret;
	thread_revive(ps, th);
	th->cookie = 0;
	parent = thread_find(ps, ptid);
	if (parent && parent != th)
		strcpy(th->comm, parent->comm);
	if (pid != ppid) {
		const struct ustack_space *from = NULL;
		struct process *p = process_find(ps, ppid);
		struct space_ref *s;

		if (p && !(rec_misc(r) & PERF_RECORD_MISC_FORK_EXEC))
			from = p->space->space;
		s = space_new(ps->images, from, &ret);
		if (!s)
			return ret;
		space_put(th->proc->space);
		th->proc->space = s;
	}
	return 0;
}

int processes_exit(struct processes *ps, const struct rec *r, size_t end,
		   uint32_t *tid)
{
	struct thread *th;

	if (end < 32)
		return -EBADMSG;
	*tid = get32(r->data + 16);
	th = thread_find(ps, *tid);
	if (!th || th->dead)
		return 0;
	th->dead = true;
	if (ps->dead_tail)
		ps->dead_tail->next_dead = th;
	else
		ps->dead_head = th;
	ps->dead_tail = th;
	if (++ps->nr_dead > DEAD_MAX) {
		th = ps->dead_head;
		thread_revive(ps, th);
		table_del(&ps->threads, &th->node);
		process_put(ps, th->proc);
		free(th);
	}
	return 0;
}

/* Code in memory that is no file, by the names the kernel gives to it. */
static bool is_anonymous(const char *path)
{
	static const char *const names[] = {
		"//anon", "/anon_hugepage", "/dev/zero", "/memfd:", "/SYSV",
		"[heap]", "[stack", "[anon:",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(path, names[i], strlen(names[i])))
			return true;
	return false;
}

int processes_map(struct processes *ps, const struct build_ids *ids,
		  const struct rec *r, size_t end)
{
	bool v2 = rec_type(r) == PERF_RECORD_MMAP2;
	size_t at = v2 ? 72 : 40, build_id_size = 0;
	uint64_t addr, len, pgoff;
	const uint8_t *build_id = NULL;
	const char *path;
	struct thread *th;
	char jit[32];
	int ret;

	if (end < at ||
	    strnlen((const char *)r->data + at, end - at) == end - at)
		return -EBADMSG;
	if ((rec_misc(r) & PERF_RECORD_MISC_CPUMODE_MASK) !=
		    PERF_RECORD_MISC_USER ||
	    get32(r->data + 8) == UINT32_MAX)
		return 0; /* the kernel's own text and modules */
	addr = get64(r->data + 16);
	len = get64(r->data + 24);
	pgoff = get64(r->data + 32);
	path = (const char *)r->data + at;
	if (!len || addr + len - 1 < addr)
		return 0;
	if (is_anonymous(path) && (!v2 || get32(r->data + 64) & PROT_EXEC)) {
		/* A JIT's, so its names are where perf looks for them. */
		snprintf(jit, sizeof(jit), "/tmp/perf-%" PRIu32 ".map",
			 get32(r->data + 8));
		path = jit;
	}
	if (v2 && rec_misc(r) & PERF_RECORD_MISC_MMAP_BUILD_ID) {
		/* u8 size, three reserved bytes, id[20] */
		build_id = r->data + 44;
		build_id_size = r->data[40] <= 20 ? r->data[40] : 0;
	} else {
		const struct build_id *id = build_ids_find(ids, path);

		if (id) {
			build_id = id->id;
			build_id_size = id->size;
		}
	}
	ret = processes_thread(ps, get32(r->data + 8), get32(r->data + 12),
			       &th);
	if (ret)
		return ret;
	return ustack_space_map(th->proc->space->space, addr, len, pgoff, path,
				build_id_size ? build_id : NULL, build_id_size);
}

void processes_free(struct processes *ps)
{
	struct node *n;

	while ((n = table_pop(&ps->threads)))
		free(container_of(n, struct thread, node));
	table_free(&ps->threads);
	while ((n = table_pop(&ps->procs))) {
		struct process *p = container_of(n, struct process, node);

		space_put(p->space);
		free(p);
	}
	table_free(&ps->procs);
}
