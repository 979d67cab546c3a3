// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Threads, their names and the address spaces of their processes. */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "module/path.h"
#include "module/space.h"
#include "read/process.h"

#define THREADS_MAX (1u << 22) /* the kernel's PID_MAX_LIMIT */
/*
 * Ended threads are kept for late records, but no more of them, and not for longer:
 * each may hold the tables of a program that nobody else runs.
 */
#define DEAD_MAX 1024
#define DEAD_NS 1000000000ull

#ifndef PERF_RECORD_MISC_FORK_EXEC /* synthesized by perf: all maps follow */
#define PERF_RECORD_MISC_FORK_EXEC (1 << 13)
#endif
#ifndef PERF_RECORD_MISC_MMAP_BUILD_ID
#define PERF_RECORD_MISC_MMAP_BUILD_ID (1 << 14)
#endif

static struct shared_space *space_new(struct ustack_images *images,
				      const struct ustack_space *parent,
				      int *err)
{
	struct shared_space *s = malloc(sizeof(*s));

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

void shared_space_put(struct shared_space *s)
{
	if (!s || --s->refs)
		return;
	ustack_space_free(s->space);
	free(s);
}

static struct process *process_find(const struct processes *ps, uint32_t pid)
{
	struct hash_node *n = hash_find(&ps->procs, pid);

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
		ret = hash_add(&ps->procs, &p->node, pid);
		if (!ret) {
			*out = p;
			return 0;
		}
		shared_space_put(p->space);
	}
	free(p);
	return ret;
}

static void process_put(struct processes *ps, struct process *p)
{
	if (--p->nr_threads)
		return;
	hash_del(&ps->procs, &p->node);
	shared_space_put(p->space);
	free(p);
}

struct thread *processes_find_thread(const struct processes *ps, uint32_t tid)
{
	struct hash_node *n = hash_find(&ps->threads, tid);

	return n ? container_of(n, struct thread, node) : NULL;
}

/* Takes a thread off the list of ended ones, as its id is in use again. */
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
	struct thread *th = processes_find_thread(ps, tid);
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
		/* Its id was another thread's, whose end was not recorded. */
		thread_revive(ps, th);
		process_put(ps, th->proc);
		th->cookie = 0;
	} else {
		ret = -E2BIG;
		if (ps->threads.nr < THREADS_MAX) {
			th = calloc(1, sizeof(*th));
			ret = th ? hash_add(&ps->threads, &th->node, tid) :
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

int processes_comm(struct processes *ps, const struct record *r, size_t end)
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
	if (record_misc(r) & PERF_RECORD_MISC_COMM_EXEC) {
		/* Captures from before the exec keep the old space. */
		struct shared_space *s = space_new(ps->images, NULL, &ret);

		if (!s)
			return ret;
		shared_space_put(th->proc->space);
		th->proc->space = s;
	}
	return 0;
}

int processes_fork(struct processes *ps, const struct record *r, size_t end)
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
	parent = processes_find_thread(ps, ptid);
	if (parent && parent != th)
		strcpy(th->comm, parent->comm);
	if (pid != ppid) {
		const struct ustack_space *from = NULL;
		struct process *p = process_find(ps, ppid);
		struct shared_space *s;

		if (p && !(record_misc(r) & PERF_RECORD_MISC_FORK_EXEC))
			from = p->space->space;
		s = space_new(ps->images, from, &ret);
		if (!s)
			return ret;
		shared_space_put(th->proc->space);
		th->proc->space = s;
	}
	return 0;
}

static void thread_forget(struct processes *ps, struct thread *th)
{
	thread_revive(ps, th);
	hash_del(&ps->threads, &th->node);
	process_put(ps, th->proc);
	free(th);
}

int processes_exit(struct processes *ps, const struct record *r, size_t end,
		   uint32_t *tid)
{
	struct thread *th;

	if (end < 32)
		return -EBADMSG;
	*tid = get32(r->data + 16);
	th = processes_find_thread(ps, *tid);
	if (!th || th->dead)
		return 0;
	th->dead = true;
	if (ps->dead_tail)
		ps->dead_tail->next_dead = th;
	else
		ps->dead_head = th;
	ps->dead_tail = th;
	ps->nr_dead++;
	th->ended = get64(r->data + 24);
	if (th->ended > ps->last_end)
		ps->last_end = th->ended;
	while (ps->dead_head != th &&
	       (ps->nr_dead > DEAD_MAX ||
		ps->dead_head->ended + DEAD_NS < ps->last_end))
		thread_forget(ps, ps->dead_head);
	return 0;
}

/*
 * Is there no other file in the space yet?  After an exec the program comes right
 * behind the stack; what a JIT has in a memfd comes later.
 */
static bool is_program(const struct ustack_space *space, const char *path)
{
	size_t nr;
	const struct map *map = space_maps(space, &nr);

	for (; nr; nr--, map++)
		if (strcmp(map->origin->path, "[stack]") &&
		    strcmp(map->origin->path, path))
			return false;
	return true;
}

/*
 * u8 size, three reserved bytes, id[20], zeroes behind size; or major, minor, inode
 * and generation.  Up to Linux 6.18 the bit may be that of the record that another
 * event got of the same mapping.
 */
static bool has_build_id(const struct record *r)
{
	const uint8_t *at = r->data + 40;
	size_t i;

	if (record_type(r) != PERF_RECORD_MMAP2 ||
	    !(record_misc(r) & PERF_RECORD_MISC_MMAP_BUILD_ID) || !at[0] ||
	    at[0] > 20 || at[1] || at[2] || at[3])
		return false;
	for (i = at[0]; i < 20; i++)
		if (at[4 + i])
			return false;
	return true;
}

/* Is it a JIT's memory?  A memfd can be that, or a program or library. */
static bool is_jit(const struct ustack_map *map, const struct record *r,
		   const struct ustack_space *space)
{
	if (!path_is_anonymous(map->path) || !(map->prot & PROT_EXEC))
		return false;
	return !path_is_memfd(map->path) ||
	       !(has_build_id(r) || is_program(space, map->path));
}

static void find_build_id(struct ustack_map *map, const struct build_ids *ids)
{
	const struct build_id *id = build_ids_find(ids, map->path);

	if (!id)
		return;
	map->build_id = id->id;
	map->build_id_size = id->size;
}

/* The record's own build-id; false: it has none. */
static bool own_build_id(struct ustack_map *map, const struct record *r)
{
	if (!has_build_id(r))
		return false;
	map->build_id = r->data + 44;
	map->build_id_size = r->data[40];
	return true;
}

/* What the record tells of the file; jit is memory for the path of a JIT. */
static void read_file(struct ustack_map *map, const struct build_ids *ids,
		      const struct ustack_space *space, const struct record *r,
		      char *jit)
{
	bool v2 = record_type(r) == PERF_RECORD_MMAP2;

	if (v2)
		map->prot = get32(r->data + 64);
	else if (record_misc(r) & PERF_RECORD_MISC_MMAP_DATA)
		map->prot = PROT_READ;
	else
		map->prot = PROT_READ | PROT_EXEC;
	/* Of what a JIT compiled, perf inject puts the mode of the file there. */
	if (map->prot & ~(uint32_t)(PROT_READ | PROT_WRITE | PROT_EXEC))
		map->prot = PROT_READ | PROT_EXEC;
	if (is_jit(map, r, space)) {
		/* Its names are where perf looks for them. */
		path_of_jit(jit, map->pid);
		map->path = jit;
	} else if (own_build_id(map, r)) {
		return;
	} else if (v2) {
		map->maj = get32(r->data + 40);
		map->min = get32(r->data + 44);
		map->ino = get64(r->data + 48);
		map->ino_generation = get64(r->data + 56);
	}
	/* Only then it can be told whether path still led there. */
	if (map->ino)
		map->seen = ids->seen;
	find_build_id(map, ids);
}

/* The kernel or a module, as perf writes them. */
static int map_kernel(struct processes *ps, const struct build_ids *ids,
		      const struct record *r, struct ustack_map *map)
{
	int ret;

	/* "[kernel.kallsyms]_text": pgoff is the address of that symbol. */
	if (!strncmp(map->path, KERNEL_PATH, strlen(KERNEL_PATH))) {
		map->path = KERNEL_PATH;
		map->pgoff = map->pgoff ? map->addr - map->pgoff : 0;
	} else {
		map->pgoff = 0;
	}
	if (!own_build_id(map, r))
		find_build_id(map, ids);
	map->prot = PROT_READ | PROT_EXEC;
	map->is_kernel = 1;
	map->pid = 0;
	ret = ps->kernel ? 0 : ustack_space_new(&ps->kernel, ps->images);
	return ret ? ret : ustack_space_map(ps->kernel, map);
}

int processes_map(struct processes *ps, const struct build_ids *ids,
		  const struct record *r, size_t end)
{
	size_t at = record_type(r) == PERF_RECORD_MMAP2 ? 72 : 40;
	struct ustack_map map = { .sz = sizeof(map) };
	char jit[JIT_PATH_MAX];
	struct thread *th;
	int ret;

	if (end < at ||
	    strnlen((const char *)r->data + at, end - at) == end - at)
		return -EBADMSG;
	map.pid = get32(r->data + 8);
	map.addr = get64(r->data + 16);
	map.size = get64(r->data + 24);
	map.pgoff = get64(r->data + 32);
	map.path = (const char *)r->data + at;
	if (!map.size || map.addr + map.size - 1 < map.addr)
		return 0;
	switch (record_misc(r) & PERF_RECORD_MISC_CPUMODE_MASK) {
	case PERF_RECORD_MISC_KERNEL:
		return map_kernel(ps, ids, r, &map);
	case PERF_RECORD_MISC_USER:
		break;
	default:
		return 0; /* guests' */
	}
	if (map.pid == UINT32_MAX)
		return 0;
	ret = processes_thread(ps, map.pid, get32(r->data + 12), &th);
	if (ret)
		return ret;
	read_file(&map, ids, th->proc->space->space, r, jit);
	return ustack_space_map(th->proc->space->space, &map);
}

void processes_free(struct processes *ps)
{
	struct hash_node *n;

	while ((n = hash_pop(&ps->threads)))
		free(container_of(n, struct thread, node));
	hash_free(&ps->threads);
	while ((n = hash_pop(&ps->procs))) {
		struct process *p = container_of(n, struct process, node);

		shared_space_put(p->space);
		free(p);
	}
	hash_free(&ps->procs);
	ustack_space_free(ps->kernel);
}
