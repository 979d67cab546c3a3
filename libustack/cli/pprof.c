// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * ustack pprof: all chains in the format of pprof.  Packed messages of one type can
 * follow each other and count as one: the file is written piece by piece.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "cli/profile.h"
#include "cli/profile.pb-c.h"

#define EVENTS_MAX 64
#define LABELS 4

/* An item of the string table. */
struct text {
	struct hash_node hash;
	int64_t id;
	char text[];
};

struct module {
	struct hash_node hash;
	struct module *next;
	uint64_t id, limit;
	const char *path, *build_id;
	bool files, inlines;
};

struct writer {
	const struct cli *cli;
	const struct profile *p;
	FILE *f;
	z_stream z;
	uint8_t *buf;
	size_t buf_size;
	struct hash_table texts, modules;
	struct module *module, *last_module;
	bool *has_place, *has_func; /* by id: written */
	uint64_t *location; /* ids of a sample's */
	size_t max_locations;
	uint32_t event[EVENTS_MAX]; /* those of samples, by number */
	size_t nr_events;
};

static void *must(const struct writer *w, void *p)
{
	if (!p)
		cli_no_memory(w->cli);
	return p;
}

/* --- bytes --------------------------------------------------------------------- */

static void compress_more(struct writer *w, const void *p, size_t size, int flush)
{
	uint8_t out[16384];

	w->z.next_in = (void *)p;
	w->z.avail_in = size;
	do {
		w->z.next_out = out;
		w->z.avail_out = sizeof(out);
		deflate(&w->z, flush);
		fwrite(out, 1, sizeof(out) - w->z.avail_out, w->f);
	} while (!w->z.avail_out);
}

static void put(struct writer *w, const Pprof__Profile *part)
{
	size_t size = pprof__profile__get_packed_size(part);

	if (size > w->buf_size) {
		w->buf_size = size * 2;
		w->buf = must(w, realloc(w->buf, w->buf_size));
	}
	pprof__profile__pack(part, w->buf);
	compress_more(w, w->buf, size, Z_NO_FLUSH);
}

static int64_t text_id(struct writer *w, const char *s)
{
	size_t size = strlen(s) + 1;
	uint64_t key = hash_bytes(s, size);
	Pprof__Profile part = PPROF__PROFILE__INIT;
	struct hash_node *n;
	struct text *t;
	char *item;

	for (n = hash_find(&w->texts, key); n; n = hash_next(n)) {
		t = container_of(n, struct text, hash);
		if (!strcmp(t->text, s))
			return t->id;
	}
	t = must(w, malloc(sizeof(*t) + size));
	t->id = w->texts.nr;
	memcpy(t->text, s, size);
	if (hash_add(&w->texts, &t->hash, key))
		cli_no_memory(w->cli);
	item = t->text;
	part.string_table = &item;
	part.n_string_table = 1;
	put(w, &part);
	return t->id;
}

/* --- where it was ------------------------------------------------------------------ */

static struct module *module_of(struct writer *w, const struct place *pl)
{
	const char *path = pl->at[pl->nr - 1].func->path;
	uint64_t key = hash_mix(hash_bytes(path, strlen(path)),
				hash_bytes(pl->build_id, strlen(pl->build_id)));
	struct hash_node *n;
	struct module *m;

	if (!*path)
		return NULL;
	for (n = hash_find(&w->modules, key); n; n = hash_next(n)) {
		m = container_of(n, struct module, hash);
		if (!strcmp(m->path, path) && !strcmp(m->build_id, pl->build_id))
			return m;
	}
	m = must(w, calloc(1, sizeof(*m)));
	m->path = path;
	m->build_id = pl->build_id;
	m->id = w->modules.nr + 1;
	if (hash_add(&w->modules, &m->hash, key))
		cli_no_memory(w->cli);
	if (w->last_module)
		w->last_module->next = m;
	else
		w->module = m;
	w->last_module = m;
	return m;
}

static void put_func(struct writer *w, const struct func *func)
{
	Pprof__Function f = PPROF__FUNCTION__INIT, *item = &f;
	Pprof__Profile part = PPROF__PROFILE__INIT;

	if (w->has_func[func->id])
		return;
	w->has_func[func->id] = true;
	f.id = func->id + 1;
	f.name = f.system_name = text_id(w, func->name);
	f.filename = text_id(w, func->file);
	part.function = &item;
	part.n_function = 1;
	put(w, &part);
}

static void put_place(struct writer *w, const struct place *pl)
{
	Pprof__Location l = PPROF__LOCATION__INIT, *item = &l;
	Pprof__Profile part = PPROF__PROFILE__INIT;
	Pprof__Line line[INLINES_MAX], *lines[INLINES_MAX];
	struct module *m = module_of(w, pl);

	if (w->has_place[pl->id])
		return;
	w->has_place[pl->id] = true;
	for (uint32_t i = 0; i < pl->nr; i++) {
		const struct func *func = pl->at[i].func;

		put_func(w, func);
		line[i] = (Pprof__Line)PPROF__LINE__INIT;
		line[i].function_id = func->id + 1;
		line[i].line = pl->at[i].line;
		lines[i] = &line[i];
		if (m) {
			m->files |= *func->file;
			m->inlines |= i;
		}
	}
	l.id = pl->id + 1;
	l.line = lines;
	l.n_line = pl->nr;
	l.address = pl->addr;
	if (m) {
		l.mapping_id = m->id;
		if (m->limit <= pl->addr)
			m->limit = pl->addr + 1;
	}
	part.location = &item;
	part.n_location = 1;
	put(w, &part);
}

/*
 * The first one counts as the program: the thread with most samples is called like it,
 * or like the first 15 bytes of it.
 */
static const struct module *find_program(const struct writer *w)
{
	const struct profile *p = w->p;
	const char *comm = "", *base;
	uint64_t most = 0, samples = 0;

	for (size_t i = 0; i < p->nr_nodes; i++) {
		samples = p->node[i]->parent ? samples : 0;
		samples += p->node[i]->self[NOW].samples;
		if (samples <= most)
			continue;
		most = samples;
		comm = p->node[i]->thread->comm;
	}
	for (const struct module *m = w->module; m; m = m->next) {
		base = strrchr(m->path, '/');
		if (base && !strncmp(base + 1, comm, strlen(comm)))
			return m;
	}
	return NULL;
}

static void put_module(struct writer *w, const struct module *m)
{
	Pprof__Mapping map = PPROF__MAPPING__INIT, *item = &map;
	Pprof__Profile part = PPROF__PROFILE__INIT;

	map.id = m->id;
	map.memory_limit = m->limit;
	map.filename = text_id(w, m->path);
	map.build_id = text_id(w, m->build_id);
	map.has_functions = true;
	map.has_filenames = map.has_line_numbers = m->files;
	map.has_inline_frames = m->inlines;
	part.mapping = &item;
	part.n_mapping = 1;
	put(w, &part);
}

static void put_modules(struct writer *w)
{
	const struct module *program = find_program(w), *m;

	if (program)
		put_module(w, program);
	for (m = w->module; m; m = m->next)
		if (m != program)
			put_module(w, m);
}

/* --- what was there ------------------------------------------------------------------ */

static size_t event_index(struct writer *w, uint32_t nr)
{
	size_t i;

	for (i = 0; i < w->nr_events; i++)
		if (w->event[i] == nr)
			return i;
	if (i == EVENTS_MAX)
		return i - 1;
	w->event[i] = nr;
	return w->nr_events++;
}

static const char *event_name(const struct writer *w, size_t i)
{
	return ustack_reader_event(w->cli->reader, w->event[i]);
}

/* The processor's time has one name for all who read it. */
static int64_t event_type(struct writer *w, size_t i)
{
	const char *name = event_name(w, i);
	char text[256 * NAME_ROOM], cut[256];

	if (w->nr_events == 1 && strncmp(name, "offcpu", 6) &&
	    !strcmp(event_unit(name), "nanoseconds"))
		return text_id(w, "cpu");
	snprintf(cut, sizeof(cut), "%s", name);
	*put_name(text, cut) = 0;
	return text_id(w, text);
}

/* The number of samples, and for each event what they stand for. */
static void put_types(struct writer *w)
{
	Pprof__ValueType type[EVENTS_MAX + 1], *types[EVENTS_MAX + 1];
	const struct total *t = &w->p->total[NOW];
	Pprof__Profile part = PPROF__PROFILE__INIT;
	size_t i;

	for (i = 0; i <= w->nr_events; i++) {
		type[i] = (Pprof__ValueType)PPROF__VALUE_TYPE__INIT;
		types[i] = &type[i];
		type[i].type = i ? event_type(w, i - 1) : text_id(w, "samples");
		type[i].unit = text_id(w, i ? event_unit(event_name(w, i - 1)) :
					      "count");
	}
	part.sample_type = types;
	part.n_sample_type = i;
	part.default_sample_type = type[1].type;
	part.period_type = types[1];
	part.period = t->least == t->most ? t->most : 0;
	part.duration_nanos = t->last - t->first;
	put(w, &part);
}

static void put_sample(struct writer *w, const struct node *n)
{
	const struct thread_of *t = n->thread;
	Pprof__Label label[LABELS], *labels[LABELS];
	Pprof__Sample s = PPROF__SAMPLE__INIT, *item = &s;
	Pprof__Profile part = PPROF__PROFILE__INIT;
	size_t event = event_index(w, t->event_nr), i;
	int64_t value[EVENTS_MAX + 1] = { n->self[NOW].samples };
	const struct node *up;

	for (up = n, i = 0; up->place; up = up->parent, i++) {
		if (i == w->max_locations) {
			w->max_locations = i * 2 + 256;
			w->location = must(w, realloc(w->location,
						      w->max_locations *
							      sizeof(uint64_t)));
		}
		put_place(w, up->place);
		w->location[i] = up->place->id + 1;
	}
	s.location_id = w->location;
	s.n_location_id = i;
	value[event + 1] = n->self[NOW].period;
	s.value = value;
	s.n_value = w->nr_events + 1;
	for (i = 0; i < LABELS; i++) {
		label[i] = (Pprof__Label)PPROF__LABEL__INIT;
		labels[i] = &label[i];
	}
	label[0].key = text_id(w, "comm");
	label[0].str = text_id(w, t->comm);
	label[1].key = text_id(w, "pid");
	label[1].num = (int32_t)t->pid;
	label[2].key = text_id(w, "tid");
	label[2].num = (int32_t)t->tid;
	label[3].key = text_id(w, "event");
	label[3].str = text_id(w, event_name(w, event));
	s.label = labels;
	s.n_label = LABELS;
	part.sample = &item;
	part.n_sample = 1;
	put(w, &part);
}

static void writer_free(struct writer *w)
{
	struct hash_node *n;

	while ((n = hash_pop(&w->texts)))
		free(container_of(n, struct text, hash));
	while ((n = hash_pop(&w->modules)))
		free(container_of(n, struct module, hash));
	hash_free(&w->texts);
	hash_free(&w->modules);
	deflateEnd(&w->z);
	free(w->has_place);
	free(w->has_func);
	free(w->location);
	free(w->buf);
}

static void put_profile(struct cli *cli, const struct profile *p, FILE *f)
{
	struct writer w = { .cli = cli, .p = p, .f = f };
	size_t i;

	/* 16: with the header of gzip. */
	if (deflateInit2(&w.z, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + 16,
			 8, Z_DEFAULT_STRATEGY) != Z_OK)
		cli_no_memory(cli);
	w.has_place = must(&w, calloc(p->places.nr + 1, sizeof(bool)));
	w.has_func = must(&w, calloc(p->funcs.nr + 1, sizeof(bool)));
	text_id(&w, "");
	for (i = 0; i < p->nr_nodes; i++)
		if (!p->node[i]->parent)
			event_index(&w, p->node[i]->thread->event_nr);
	put_types(&w);
	for (i = 0; i < p->nr_nodes; i++)
		if (p->node[i]->self[NOW].samples)
			put_sample(&w, p->node[i]);
	put_modules(&w);
	compress_more(&w, NULL, 0, Z_FINISH);
	writer_free(&w);
}

static int pprof_run(struct cli *cli)
{
	struct profile_opts opts = { .step = STEP_ADDRESS };

	return profile_write(cli, &opts, put_profile);
}

static void pprof_help(void)
{
	puts("Writes a profile.proto, packed with gzip, for go tool pprof and what else reads\n"
	     "its format.  Values of a sample:");
	help_line("samples", "how many had this chain");
	help_line("cpu", "their nanoseconds, if the one event is a clock");
	help_line("EVENT", "else the sum of their periods, for each event");
	puts("\nLabels of a sample:");
	help_line("comm", "the thread's name");
	help_line("pid", "process");
	help_line("tid", "thread");
	help_line("event", "name of the event");
	puts("\nWhat stands in brackets is explained by ustack fold --help.");
}

const struct command cmd_pprof = {
	.name = "pprof",
	.what = "All chains in the format of pprof",
	.inlines = true,
	.output = "profile.pb.gz",
	.help = pprof_help,
	.run = pprof_run,
};
