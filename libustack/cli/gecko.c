// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * ustack gecko: each sample at its time, in the format that Firefox's own profiler
 * has (version 24), for profiler.firefox.com.  A thread has its own tables.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/profile.h"

/* What the tables of a thread hold already, by id; index + 1, 0: not there. */
struct tables {
	const struct cli *cli;
	const struct profile *p;
	FILE *f;
	uint32_t *frame, *string;
	struct place **places; /* those in frame, and how many */
	uint32_t nr_places;
};

static void list(FILE *f, bool *first)
{
	fputs(*first ? "\n" : ",\n", f);
	*first = false;
}

/* The nodes of a thread are [from, to), the thread itself first. */
static void put_stacks(struct tables *t, size_t from, size_t to)
{
	const struct profile *p = t->p;
	bool first = true;

	t->nr_places = 0;
	fputs("\"stackTable\":{\"schema\":{\"prefix\":0,\"frame\":1},\"data\":[", t->f);
	for (size_t i = from + 1; i < to; i++) {
		struct place *pl = p->node[i]->place;
		const struct node *up = p->node[i]->parent;

		if (!t->frame[pl->id]) {
			t->places[t->nr_places++] = pl;
			t->frame[pl->id] = t->nr_places;
		}
		list(t->f, &first);
		if (up->parent)
			fprintf(t->f, "[%zu,%u]", up->id - from - 1,
				t->frame[pl->id] - 1);
		else
			fprintf(t->f, "[null,%u]", t->frame[pl->id] - 1);
	}
	fputs("]},\n", t->f);
}

static void put_frames(struct tables *t)
{
	uint32_t i, strings = 0;
	bool first = true;

	fputs("\"frameTable\":{\"schema\":{\"location\":0,\"relevantForJS\":1,\"innerWindowID\":2,"
	      "\"implementation\":3,\"line\":4,\"column\":5,\"category\":6,\"subcategory\":7},\"data\":[",
	      t->f);
	for (i = 0; i < t->nr_places; i++) {
		const struct place *pl = t->places[i];
		const struct func *func = pl->at[0].func;

		if (!t->string[func->id])
			t->string[func->id] = ++strings;
		list(t->f, &first);
		fprintf(t->f, "[%u,false,0,null,", t->string[func->id] - 1);
		fprintf(t->f, pl->at[0].line ? "%u" : "null", pl->at[0].line);
		fprintf(t->f, ",null,%d,0]", func->kind);
	}
	fputs("]},\n\"stringTable\":[", t->f);
	first = true;
	for (i = 0, strings = 0; i < t->nr_places; i++) {
		const struct func *func = t->places[i]->at[0].func;
		size_t n = strlen(func->name) + strlen(func->path) + 16;
		char *text;

		if (t->string[func->id] != strings + 1)
			continue;
		strings++;
		text = malloc(n);
		if (!text)
			cli_no_memory(t->cli);
		snprintf(text, n, *func->path ? "%s (in %s)" : "%s", func->name,
			 func->path);
		list(t->f, &first);
		output_json(t->f, text);
		free(text);
	}
	fputs("],\n", t->f);
	/* For the next thread. */
	for (i = 0; i < t->nr_places; i++) {
		t->frame[t->places[i]->id] = 0;
		t->string[t->places[i]->at[0].func->id] = 0;
	}
}

/* Milliseconds since the first sample of all. */
static double since(const struct profile *p, uint64_t time)
{
	return (time - p->total[NOW].first) / 1e6;
}

/* In what unit the profiler knows the event as use of a processor; NULL: it is none. */
static const char *cpu_unit(const struct profile *p)
{
	const char *event = p->total[NOW].event;

	if (!strncmp(event, "cycles", 6) || !strncmp(event, "cpu-cycles", 10))
		return "variable CPU cycles";
	return !strcmp(event_unit(event), "nanoseconds") &&
			       strncmp(event, "offcpu", 6) ?
		       "ns" :
		       NULL;
}

/* Those of the thread whose nodes begin at from; *m is the first of them. */
static void put_samples(struct tables *t, size_t from, size_t *m)
{
	const struct profile *p = t->p;
	const struct thread_of *thread = p->node[from]->thread;
	const bool cpu = cpu_unit(p);
	bool first = true;

	fprintf(t->f, "\"samples\":{\"schema\":{\"stack\":0,\"time\":1,\"eventDelay\":2%s},\"data\":[",
		cpu ? ",\"threadCPUDelta\":3" : "");
	for (; *m < p->nr_moments && p->moment[*m].node->thread == thread; ++*m) {
		const struct moment *at = &p->moment[*m];

		list(t->f, &first);
		if (at->node->parent)
			fprintf(t->f, "[%zu,", at->node->id - from - 1);
		else
			fputs("[null,", t->f);
		fprintf(t->f, "%.6f,0", since(p, at->time));
		if (cpu)
			fprintf(t->f, ",%llu", (unsigned long long)at->period);
		putc(']', t->f);
	}
	fputs("]},\n", t->f);
}

static void put_thread(struct tables *t, size_t from, size_t to, size_t *m)
{
	const struct thread_of *thread = t->p->node[from]->thread;
	double begin = *m < t->p->nr_moments ?
			       since(t->p, t->p->moment[*m].time) :
			       0;

	fputs("{\"name\":", t->f);
	output_json(t->f, thread->comm);
	fprintf(t->f, ",\"processType\":\"default\",\"processName\":");
	output_json(t->f, thread->comm);
	fprintf(t->f, ",\"pid\":%d,\"tid\":%d,\n", (int)thread->pid,
		(int)thread->tid);
	fprintf(t->f, "\"registerTime\":%.6f,\"unregisterTime\":null,\n", begin);
	put_stacks(t, from, to);
	put_frames(t);
	put_samples(t, from, m);
	fputs("\"markers\":{\"schema\":{\"name\":0,\"startTime\":1,\"endTime\":2,\"phase\":3,"
	      "\"category\":4,\"data\":5},\"data\":[]}}",
	      t->f);
}

static void put_meta(FILE *f, const struct profile *p)
{
	const struct total *t = &p->total[NOW];
	const bool clock = !strcmp(event_unit(t->event), "nanoseconds");

	/* By kind of function. */
	static const char categories[] =
		"[{\"name\":\"User\",\"color\":\"yellow\",\"subcategories\":[\"Other\"]},"
		"{\"name\":\"Inlined\",\"color\":\"green\",\"subcategories\":[\"Other\"]},"
		"{\"name\":\"Kernel\",\"color\":\"blue\",\"subcategories\":[\"Other\"]},"
		"{\"name\":\"Other\",\"color\":\"grey\",\"subcategories\":[\"Other\"]}]";

	fputs("{\"meta\":{\"version\":24,\"processType\":0,\"product\":", f);
	output_json(f, t->event);
	if (cpu_unit(p))
		fprintf(f, ",\"sampleUnits\":{\"time\":\"ms\",\"eventDelay\":\"ms\",\"threadCPUDelta\":\"%s\"}",
			cpu_unit(p));
	fprintf(f, ",\"interval\":%.6f,", clock && t->least == t->most ? t->most / 1e6 : 1.0);
	fprintf(f, "\"startTime\":0,\"shutdownTime\":null,\"presymbolicated\":true,\"stackwalk\":1,"
		   "\"debug\":0,\"gcpoison\":0,\"asyncstack\":1,\"markerSchema\":[],\n\"categories\":%s},\n",
		categories);
}

static void put_profile(struct cli *cli, const struct profile *p, FILE *f)
{
	struct tables t = { .cli = cli, .p = p, .f = f };
	size_t from = 0, to, m = 0;

	t.frame = calloc(p->places.nr + 1, sizeof(*t.frame));
	t.string = calloc(p->funcs.nr + 1, sizeof(*t.string));
	t.places = calloc(p->places.nr + 1, sizeof(*t.places));
	if (!t.frame || !t.string || !t.places)
		cli_no_memory(cli);
	put_meta(f, p);
	fputs("\"libs\":[],\"processes\":[],\"pausedRanges\":[],\n\"threads\":[", f);
	for (; from < p->nr_nodes; from = to) {
		for (to = from + 1; to < p->nr_nodes && p->node[to]->parent;)
			to++;
		fputs(from ? ",\n" : "\n", f);
		put_thread(&t, from, to, &m);
	}
	fputs("]}\n", f);
	free(t.frame);
	free(t.string);
	free(t.places);
}

static int gecko_run(struct cli *cli)
{
	struct profile_opts opts = { .step = STEP_LINE, .moments = true };

	return profile_write(cli, &opts, put_profile);
}

static void gecko_help(void)
{
	puts("Writes a profile that profiler.firefox.com loads from a file: every sample at\n"
	     "its time, each thread by itself.  A sample counts as one, whatever its period.\n"
	     "What stands in brackets is explained by ustack fold --help.");
}

const struct command cmd_gecko = {
	.name = "gecko",
	.what = "Every sample in the format of Firefox's profiler",
	.one_event = true,
	.inlines = true,
	.output = "gecko.json",
	.help = gecko_help,
	.run = gecko_run,
};
