// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * ustack flamegraph: a page that shows the tree of all chains.  What draws it, in
 * flamegraph/, and the tree are in the page: it needs no other file and no network.
 */
#include <string.h>

#include "cli/profile.h"

/* The files are part of the program; paths are from the root of the sources. */
#define EMBED(name, file)                                  \
	__asm__(".section .rodata\n" #name ":\n"           \
		".incbin \"libustack/cli/flamegraph/" file "\"\n" \
		".byte 0\n.previous\n");                   \
	extern const char name[] __attribute__((visibility("hidden")))

EMBED(page_html, "page.html");
EMBED(style_css, "style.css");
EMBED(view_js, "view.js");

static void put_key(FILE *f, const char *key, const char *text)
{
	fprintf(f, "\"%s\":", key);
	output_json(f, text);
	fputs(",\n", f);
}

static void put_path(FILE *f, const char *key, const char *path)
{
	char name[256], text[sizeof(name) * NAME_ROOM];

	snprintf(name, sizeof(name), "%s",
		 strcmp(path, "-") ? path : "standard input");
	*put_name(text, name) = 0;
	put_key(f, key, text);
}

static void put_funcs(FILE *f, const struct profile *p)
{
	uint32_t next = 0;

	fputs("\"funcs\":[", f);
	for (size_t i = 0; i < p->nr_nodes; i++) {
		const struct place *pl = p->node[i]->place;
		const struct func *func = pl ? pl->at[0].func : NULL;

		if (!func || func->id != next)
			continue;
		fputs(next++ ? ",\n[" : "\n[", f);
		output_json(f, func->name);
		putc(',', f);
		output_json(f, func->path);
		fprintf(f, ",%d,", func->kind);
		output_json(f, func->file);
		putc(']', f);
	}
	fputs("],\n", f);
}

static void put_threads(FILE *f, const struct profile *p)
{
	const char *between = "\"threads\":[";

	for (size_t i = 0; i < p->nr_nodes; i++) {
		const struct thread_of *t = p->node[i]->thread;

		if (p->node[i]->parent)
			continue;
		fputs(between, f);
		putc('[', f);
		output_json(f, t->comm);
		fprintf(f, ",%d,%d]", (int)t->pid, (int)t->tid);
		between = ",\n";
	}
	fputs("],\n", f);
}

/* How far before it its parent is, 0 for a thread. */
static uint64_t up(const struct profile *p, const struct node *n)
{
	(void)p;
	return n->parent ? n->id - n->parent->id : 0;
}

static uint64_t what(const struct profile *p, const struct node *n)
{
	(void)p;
	return n->place ? n->place->at[0].func->id : n->thread->id;
}

static uint64_t now(const struct profile *p, const struct node *n)
{
	return profile_value(p, &n->self[NOW]);
}

static uint64_t before(const struct profile *p, const struct node *n)
{
	return profile_value(p, &n->self[BEFORE]);
}

static void put_nodes(FILE *f, const struct profile *p, const char *key,
		      uint64_t (*value)(const struct profile *p,
					const struct node *n))
{
	fprintf(f, "\"%s\":[", key);
	for (size_t i = 0; i < p->nr_nodes; i++)
		fprintf(f, i ? i % 64 ? ",%llu" : ",\n%llu" : "%llu",
			(unsigned long long)value(p, p->node[i]));
	fputs("],\n", f);
}

static void put_data(FILE *f, const struct cli *cli, const struct profile *p)
{
	const struct total *t = &p->total[NOW];
	const bool time = !strcmp(event_unit(t->event), "nanoseconds");

	fputs("{\n", f);
	put_path(f, "file", cli->path);
	if (cli->before) {
		put_path(f, "beforeFile", cli->before);
		fprintf(f, "\"beforeSamples\":%llu,\n",
			(unsigned long long)p->total[BEFORE].value.samples);
		put_nodes(f, p, "before", before);
	}
	put_key(f, "event", t->event);
	put_key(f, "unit", !profile_by_period(p) ? "samples" : event_unit(t->event));
	/* What a sample is worth, where the values are samples. */
	fprintf(f, "\"sampleTime\":%llu,\n\"samples\":%llu,\n",
		(unsigned long long)(time && !profile_by_period(p) ? t->most : 0),
		(unsigned long long)t->value.samples);
	put_threads(f, p);
	put_funcs(f, p);
	put_nodes(f, p, "up", up);
	put_nodes(f, p, "what", what);
	put_nodes(f, p, "self", now);
	fputs("\"version\":1}\n", f);
}

static void put_page(struct cli *cli, const struct profile *p, FILE *f)
{
	const char *text = page_html, *mark;

	while ((mark = strchr(text, '@'))) {
		fwrite(text, 1, mark - text, f);
		text = strchr(mark + 1, '@') + 1;
		if (!strncmp(mark, "@STYLE@", 7))
			fputs(style_css, f);
		else if (!strncmp(mark, "@DATA@", 6))
			put_data(f, cli, p);
		else
			fputs(view_js, f);
	}
	fputs(text, f);
}

static int flamegraph_run(struct cli *cli)
{
	struct profile_opts opts = { .step = STEP_FUNCTION,
				     .compare = cli->before };

	return profile_write(cli, &opts, put_page);
}

static void flamegraph_help(void)
{
	puts("Writes a page that any browser shows and that needs no other file.  Wide is\n"
	     "what has many samples.  A click on a function shows what is in it, one on what\n"
	     "is below it goes back; Esc shows all.  The buttons:");
	help_line("Inverted", "from the innermost functions to their callers");
	help_line("By thread", "threads of one name are not taken together");
	help_line("Before", "with --diff: as wide as the recording before has them");
	puts("\nWith --diff, red is what takes a larger part than before, blue a smaller.\n"
	     "What stands in brackets is explained by ustack fold --help.");
}

const struct command cmd_flamegraph = {
	.name = "flamegraph",
	.what = "A page with a flame graph, for a browser",
	.one_event = true,
	.inlines = true,
	.output = "flamegraph.html",
	.compares = COMPARES_BY_OPTION,
	.help = flamegraph_help,
	.run = flamegraph_run,
};
