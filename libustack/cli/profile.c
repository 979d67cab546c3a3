// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The tree of all chains: each thread grows one, which is then added to that of all. */
#include <stdlib.h>
#include <string.h>

#include "cli/profile.h"

/* --- memory that lives as long as the profile ------------------------------- */

#define BLOCK_SIZE (256u << 10)

struct block {
	struct block *next;
	size_t size, used;
	char bytes[] __attribute__((aligned(16)));
};

static void *take(struct profile *p, const struct cli *cli, size_t size)
{
	struct block *b = p->block;
	size_t want;

	size = (size + 7) & ~(size_t)7;
	if (!b || b->size - b->used < size) {
		want = size > BLOCK_SIZE ? size : BLOCK_SIZE;
		b = malloc(sizeof(*b) + want);
		if (!b)
			cli_no_memory(cli);
		b->size = want;
		b->used = 0;
		b->next = p->block;
		p->block = b;
	}
	b->used += size;
	return memset(b->bytes + b->used - size, 0, size);
}

static const char *copy(struct profile *p, const struct cli *cli, const char *s)
{
	size_t n = strlen(s) + 1;

	return *s ? memcpy(take(p, cli, n), s, n) : "";
}

static const char *copy_printable(struct profile *p, const struct cli *cli,
				  const char *s)
{
	char room[1024], *to = room, *big = NULL;
	size_t n = strlen(s) * NAME_ROOM + 1;
	const char *ret;

	if (n > sizeof(room)) {
		to = big = malloc(n);
		if (!big)
			cli_no_memory(cli);
	}
	*put_name(to, s) = 0;
	ret = copy(p, cli, to);
	free(big);
	return ret;
}

static void add(const struct cli *cli, struct hash_table *t,
		struct hash_node *n, uint64_t key)
{
	if (hash_add(t, n, key))
		cli_no_memory(cli);
}

/* Puts it behind the last one of its kind. */
#define APPEND(p, kind, first, item)               \
	do {                                       \
		if ((p)->last_##kind)              \
			(p)->last_##kind->next = item; \
		else                               \
			(p)->first = item;         \
		(p)->last_##kind = item;           \
	} while (0)

/* --- functions ---------------------------------------------------------------- */

static uint64_t hash_text(uint64_t hash, const char *s)
{
	return hash_mix(hash, hash_bytes(s, strlen(s)));
}

/* By text, which is printable. */
static struct func *func_of(struct profile *p, const struct cli *cli,
			    const struct func *like)
{
	uint64_t key = hash_text(like->kind, like->name);
	struct hash_node *n;
	struct func *f;

	if (!p->opts.compare)
		key = hash_text(key, like->path);
	for (n = hash_find(&p->funcs, key); n; n = hash_next(n)) {
		f = container_of(n, struct func, hash);
		if (f->kind != like->kind || strcmp(f->name, like->name) ||
		    (!p->opts.compare && strcmp(f->path, like->path)))
			continue;
		/* Whoever comes first: the same are shown. */
		if (strcmp(like->path, f->path) < 0)
			f->path = copy(p, cli, like->path);
		if (*like->file && (!*f->file || strcmp(like->file, f->file) < 0))
			f->file = copy(p, cli, like->file);
		return f;
	}
	f = take(p, cli, sizeof(*f));
	f->kind = like->kind;
	f->name = copy(p, cli, like->name);
	f->path = copy(p, cli, like->path);
	f->file = copy(p, cli, like->file);
	add(cli, &p->funcs, &f->hash, key);
	APPEND(p, func, func, f);
	return f;
}

/* A function by the pointers that stand for it. */
struct alias {
	struct hash_node hash;
	struct frame frame;
	struct func *func;
};

static bool is_alias(const struct frame *a, const struct frame *b)
{
	return a->function == b->function && a->path == b->path &&
	       a->file == b->file && a->start == b->start &&
	       a->inlined == b->inlined && a->kernel == b->kernel;
}

static struct func *func_of_frame(struct profile *p, const struct cli *cli,
				  const struct frame *frame)
{
	uint64_t key = hash_mix(frame->start,
				frame->inlined * 2 + frame->kernel);
	char room[FRAME_ROOM];
	struct hash_node *n;
	struct func like;
	struct alias *a;

	key = hash_mix(key, (uintptr_t)frame->function);
	key = hash_mix(key, (uintptr_t)frame->path);
	key = hash_mix(key, (uintptr_t)frame->file);
	for (n = hash_find(&p->aliases, key); n; n = hash_next(n)) {
		a = container_of(n, struct alias, hash);
		if (is_alias(&a->frame, frame))
			return a->func;
	}
	like = (struct func){
		.name = copy_printable(p, cli, frame_text(frame, room)),
		.path = copy_printable(p, cli, frame->path ? frame->path : ""),
		.file = copy_printable(p, cli, frame->file ? frame->file : ""),
		.kind = frame->inlined ? FUNC_INLINED :
			frame->kernel  ? FUNC_KERNEL :
					 FUNC_USER,
	};
	a = take(p, cli, sizeof(*a));
	a->frame = *frame;
	a->func = func_of(p, cli, &like);
	add(cli, &p->aliases, &a->hash, key);
	return a->func;
}

/* --- places -------------------------------------------------------------------- */

#define PLACE(name)                                                        \
	struct {                                                           \
		struct place place;                                        \
		char at[INLINES_MAX * sizeof(((struct place *)0)->at[0])]; \
	} name

static struct place *place_of(struct profile *p, const struct cli *cli,
			      const struct place *like)
{
	size_t size = like->nr * sizeof(like->at[0]);
	uint64_t key = hash_mix(0, like->addr);
	struct hash_node *n;
	struct place *pl;
	uint32_t i;

	for (i = 0; i < like->nr; i++)
		key = hash_mix(key, (uintptr_t)like->at[i].func +
					    like->at[i].line);
	for (n = hash_find(&p->places, key); n; n = hash_next(n)) {
		pl = container_of(n, struct place, hash);
		for (i = 0; i < like->nr && i < pl->nr; i++)
			if (pl->at[i].func != like->at[i].func ||
			    pl->at[i].line != like->at[i].line)
				break;
		if (i == like->nr && i == pl->nr && pl->addr == like->addr)
			return pl;
	}
	pl = take(p, cli, sizeof(*pl) + size);
	pl->addr = like->addr;
	pl->build_id = like->build_id;
	pl->nr = like->nr;
	memcpy(pl->at, like->at, size);
	add(cli, &p->places, &pl->hash, key);
	APPEND(p, place, place, pl);
	return pl;
}

/* --- the tree -------------------------------------------------------------------- */

static struct node *node_new(struct profile *p, const struct cli *cli,
			     struct node *parent, uint64_t key)
{
	struct node *n = take(p, cli, sizeof(*n));

	n->parent = parent;
	add(cli, &p->nodes, &n->hash, key);
	APPEND(p, node, first_node, n);
	p->nr_nodes++;
	return n;
}

static struct node *thread_node(struct profile *p, const struct cli *cli,
				const struct thread_of *t)
{
	uint64_t key = hash_mix(hash_mix(hash_text(0, t->comm), t->pid),
				(uint64_t)t->tid << 32 | t->event_nr);
	struct hash_node *h;
	struct thread_of *own;
	struct node *n;

	for (h = hash_find(&p->nodes, key); h; h = hash_next(h)) {
		n = container_of(h, struct node, hash);
		if (!n->parent && n->thread->pid == t->pid &&
		    n->thread->tid == t->tid &&
		    n->thread->event_nr == t->event_nr &&
		    !strcmp(n->thread->comm, t->comm))
			return n;
	}
	own = take(p, cli, sizeof(*own));
	*own = *t;
	own->next = NULL;
	own->comm = copy(p, cli, t->comm);
	APPEND(p, thread, thread, own);
	n = node_new(p, cli, NULL, key);
	n->thread = own;
	return n;
}

static struct node *child(struct profile *p, const struct cli *cli,
			  struct node *parent, struct place *place)
{
	uint64_t key = hash_mix(hash_mix(0, (uintptr_t)parent),
				(uintptr_t)place);
	struct hash_node *h;
	struct node *n;

	for (h = hash_find(&p->nodes, key); h; h = hash_next(h)) {
		n = container_of(h, struct node, hash);
		if (n->parent == parent && n->place == place)
			return n;
	}
	n = node_new(p, cli, parent, key);
	n->place = place;
	n->thread = parent->thread;
	return n;
}

/* --- a sample ----------------------------------------------------------------------- */

/* The chain that is being added, from the thread on. */
struct path {
	struct profile *p;
	const struct cli *cli;
	struct node *node;
	size_t depth;
};

/* Mostly the last sample took the same step. */
static void step(struct path *path, struct place *place)
{
	struct profile *p = path->p;
	size_t d = path->depth++, max;
	struct node *n;

	if (d >= p->max_last) {
		max = d * 2 + 256;
		p->last = realloc(p->last, max * sizeof(*p->last));
		if (!p->last)
			cli_no_memory(path->cli);
		memset(p->last + p->max_last, 0,
		       (max - p->max_last) * sizeof(*p->last));
		p->max_last = max;
	}
	n = p->last[d];
	if (!n || n->parent != path->node || n->place != place)
		n = p->last[d] = child(p, path->cli, path->node, place);
	path->node = n;
}

static void step_mark(struct path *path, const char *mark)
{
	const struct func like = {
		.name = mark, .path = "", .file = "", .kind = FUNC_MARK
	};
	PLACE(room) = { .place = { .nr = 1, .build_id = "" } };

	room.place.at[0].func = func_of(path->p, path->cli, &like);
	step(path, place_of(path->p, path->cli, &room.place));
}

static const char *build_id_text(struct profile *p, const struct cli *cli,
				 const struct ustack_symbol *sym)
{
	char text[2 * 64 + 1] = "";

	for (uint32_t i = 0; i < sym->build_id_size && i < 64; i++)
		snprintf(text + 2 * i, 3, "%02x", sym->build_id[i]);
	return copy(p, cli, text);
}

/* What steps a line takes: pointers to places. */
static void add_step(const struct cli *cli, struct out *steps,
		     struct place *place)
{
	out_add(cli, steps, &place, sizeof(place));
}

/* One for all functions of a line. */
static void add_address(struct profile *p, const struct cli *cli,
			struct out *steps, const struct frames *f)
{
	PLACE(room) = { .place = { .nr = f->nr, .addr = f->sym.addr,
				   .build_id = "" } };
	struct place *place;

	for (size_t i = 0; i < f->nr; i++) {
		room.place.at[i].func = func_of_frame(p, cli, &f->frame[i]);
		room.place.at[i].line = f->frame[i].line;
	}
	place = place_of(p, cli, &room.place);
	if (!*place->build_id && f->sym.build_id_size)
		place->build_id = build_id_text(p, cli, &f->sym);
	add_step(cli, steps, place);
}

/* One for each function, outermost first. */
static void add_functions(struct profile *p, const struct cli *cli,
			  struct out *steps, const struct frames *f)
{
	const bool lines = p->opts.step == STEP_LINE;
	PLACE(room) = { .place = { .nr = 1, .build_id = "" } };

	for (size_t i = f->nr; i--;) {
		room.place.at[0].func = func_of_frame(p, cli, &f->frame[i]);
		room.place.at[0].line = lines ? f->frame[i].line : 0;
		add_step(cli, steps, place_of(p, cli, &room.place));
	}
}

static void add_steps(const struct path *path, struct out *steps,
		      const struct frames *f)
{
	if (path->p->opts.step == STEP_ADDRESS)
		add_address(path->p, path->cli, steps, f);
	else
		add_functions(path->p, path->cli, steps, f);
}

static void step_line(struct path *path, const struct out *steps)
{
	struct place *place;

	for (size_t at = 0; at < steps->size; at += sizeof(place)) {
		memcpy(&place, steps->buf + at, sizeof(place));
		step(path, place);
	}
}

static void add_chain(struct path *path, struct worker *w,
		      const struct ustack_sample *s)
{
	const bool address = path->p->opts.step == STEP_ADDRESS;
	const struct chain *c = &w->chain;
	bool was_nameless = false;
	struct named *k;

	if (s->pair == USTACK_PAIR_LOST)
		step_mark(path, "[stack lost]");
	else if (c->unwound && c->end != USTACK_END_FINISHED)
		step_mark(path, "[cut short]");
	if (c->changed)
		step_mark(path, "[changed]");
	for (size_t i = c->nr; i--;) {
		k = named_line(w, s, &c->line[i], w->cli->inlines);
		if (!k->made.size) {
			add_steps(path, &k->made, &w->frames);
			named_made(k);
		}
		/* Kernel functions without name have one for all of them in a row. */
		if (address || !k->nameless || !was_nameless)
			step_line(path, &k->made);
		was_nameless = k->nameless;
	}
}

static void add_total(struct total *t, const struct total *more)
{
	if (!t->value.samples || more->least < t->least)
		t->least = more->least;
	if (more->most > t->most)
		t->most = more->most;
	if (!t->value.samples || more->first < t->first) {
		t->first = more->first;
		memcpy(t->event, more->event, sizeof(t->event));
	}
	if (more->last > t->last)
		t->last = more->last;
	t->value.samples += more->value.samples;
	t->value.period += more->value.period;
}

static void add_moment(struct profile *p, const struct cli *cli,
		       const struct moment *m)
{
	if (p->nr_moments == p->max_moments) {
		p->max_moments = p->max_moments * 2 + 1024;
		p->moment = realloc(p->moment,
				    p->max_moments * sizeof(*p->moment));
		if (!p->moment)
			cli_no_memory(cli);
	}
	p->moment[p->nr_moments++] = *m;
}

static void count_total(struct total *t, const struct ustack_sample *s)
{
	char event[sizeof(t->event) / NAME_ROOM];
	struct total one = {
		.value = { 1, s->period },
		.least = s->period,
		.most = s->period,
		.first = s->time,
		.last = s->time,
	};

	if (!t->value.samples || s->time < t->first) {
		snprintf(event, sizeof(event), "%s", s->event);
		*put_name(one.event, event) = 0;
	}
	add_total(t, &one);
}

/* Where the chains of a sample's thread begin: mostly where the last one's did. */
static struct node *root(struct profile *p, const struct cli *cli,
			 const struct ustack_sample *s)
{
	const bool apart = !p->opts.compare;
	char comm[COMM_ROOM * NAME_ROOM];
	const struct thread_of thread = {
		.comm = comm,
		.pid = apart ? s->pid : 0,
		.tid = apart ? s->tid : 0,
		.event_nr = apart ? s->event_nr : 0,
	};
	const struct thread_of *last = p->last_root ? p->last_root->thread :
						      NULL;

	if (last && last->pid == thread.pid && last->tid == thread.tid &&
	    last->event_nr == thread.event_nr &&
	    !strncmp(p->last_comm, s->comm, COMM_ROOM - 1))
		return p->last_root;
	snprintf(p->last_comm, COMM_ROOM, "%s", s->comm);
	*put_name(comm, *s->comm ? p->last_comm : "[no name]") = 0;
	p->last_root = thread_node(p, cli, &thread);
	return p->last_root;
}

static void profile_sample(struct worker *w, const struct ustack_sample *s)
{
	struct profile *p = w->own, *all = w->arg;
	struct path path = { .p = p, .cli = w->cli };
	enum turn turn = all->turn;

	p->opts = all->opts;
	worker_chain(w, s);
	path.node = root(p, w->cli, s);
	add_chain(&path, w, s);
	path.node->self[turn].samples++;
	path.node->self[turn].period += s->period;
	count_total(&p->total[turn], s);
	if (p->opts.moments)
		add_moment(p, w->cli,
			   &(struct moment){ s->time, s->period, path.node });
}

/* --- several trees to one ---------------------------------------------------------- */

static void add_nodes(struct profile *all, const struct cli *cli,
		      const struct profile *mine)
{
	struct node *n, *own;
	int turn;

	for (n = mine->first_node; n; n = n->next) {
		own = n->parent ? child(all, cli, n->parent->same,
					n->place->same) :
				  thread_node(all, cli, n->thread);
		for (turn = 0; turn < NR_TURNS; turn++) {
			own->self[turn].samples += n->self[turn].samples;
			own->self[turn].period += n->self[turn].period;
		}
		n->same = own;
	}
}

static void add_places(struct profile *all, const struct cli *cli,
		       const struct profile *mine)
{
	struct place *pl;
	struct func *f;

	for (f = mine->func; f; f = f->next)
		f->same = func_of(all, cli, f);
	for (pl = mine->place; pl; pl = pl->next) {
		PLACE(room) = { .place = { .nr = pl->nr, .addr = pl->addr } };

		room.place.build_id = copy(all, cli, pl->build_id);
		for (uint32_t i = 0; i < pl->nr; i++) {
			room.place.at[i].func = pl->at[i].func->same;
			room.place.at[i].line = pl->at[i].line;
		}
		pl->same = place_of(all, cli, &room.place);
	}
}

/* Adds the tree of this thread to that of all. */
static void profile_end(struct worker *w)
{
	struct profile *all = w->arg, *mine = w->own;
	size_t i;

	add_places(all, w->cli, mine);
	add_nodes(all, w->cli, mine);
	for (i = 0; i < mine->nr_moments; i++) {
		mine->moment[i].node = mine->moment[i].node->same;
		add_moment(all, w->cli, &mine->moment[i]);
	}
	for (i = 0; i < NR_TURNS; i++)
		if (mine->total[i].value.samples)
			add_total(&all->total[i], &mine->total[i]);
	profile_free(mine);
}

int profile_read(struct profile *p, struct cli *cli)
{
	const struct task task = {
		.sample = profile_sample,
		.end = profile_end,
		.arg = p,
		.own_size = sizeof(struct profile),
	};

	return cli_each(cli, &task);
}

int profile_compare(struct profile *p, struct cli *cli)
{
	struct cli other = *cli;
	int ret = 0;

	if (cli->before) {
		other.path = cli->before;
		other.images = NULL;
		other.reader = NULL;
		p->turn = BEFORE;
		ret = cli_open(&other);
		if (!ret)
			ret = profile_read(p, &other);
		ret = cli_close(&other, ret ? 1 : 0) ? -1 : 0;
		p->turn = NOW;
	}
	return profile_read(p, cli) || ret ? -1 : 0;
}

/* --- what it counts -------------------------------------------------------------------- */

bool profile_by_period(const struct profile *p)
{
	const struct total *t = p->total;

	return t[NOW].least != t[NOW].most ||
	       (t[BEFORE].value.samples && (t[BEFORE].least != t[NOW].least ||
					    t[BEFORE].most != t[NOW].least));
}

uint64_t profile_value(const struct profile *p, const struct value *v)
{
	return profile_by_period(p) ? v->period : v->samples;
}

const char *event_unit(const char *event)
{
	static const char *const clocks[] = { "cpu-clock", "task-clock",
					      "offcpu-time" };
	size_t i, n;

	for (i = 0; i < sizeof(clocks) / sizeof(*clocks); i++) {
		n = strlen(clocks[i]);
		if (!strncmp(event, clocks[i], n) &&
		    (!event[n] || event[n] == ':' || event[n] == '/'))
			return "nanoseconds";
	}
	return "count";
}

bool profile_has_samples(const struct profile *p, const struct cli *cli)
{
	return p->total[NOW].value.samples &&
	       (!cli->before || p->total[BEFORE].value.samples);
}

int profile_write(struct cli *cli, const struct profile_opts *opts,
		  void (*put)(struct cli *cli, const struct profile *p, FILE *f))
{
	struct profile p = { .opts = *opts };
	FILE *f = NULL;
	int ret;

	if (output_check(cli))
		return -1;
	ret = profile_compare(&p, cli);
	if (profile_has_samples(&p, cli)) {
		profile_sort(&p, cli);
		f = output_open(cli);
	}
	if (f)
		put(cli, &p, f);
	if (!f || output_close(cli, f))
		ret = -1;
	profile_free(&p);
	return ret;
}

void profile_free(struct profile *p)
{
	struct block *b;

	while ((b = p->block)) {
		p->block = b->next;
		free(b);
	}
	hash_free(&p->aliases);
	hash_free(&p->funcs);
	hash_free(&p->places);
	hash_free(&p->nodes);
	free(p->last);
	free(p->moment);
	free(p->node);
	memset(p, 0, sizeof(*p));
}
