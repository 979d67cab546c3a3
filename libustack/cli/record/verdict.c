// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The accounts of ustack record: one line of words, or JSON for scripts. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/record/sample.h"
#include "cli/record/say.h"
#include "cli/record/verdict.h"

#define LOOK_UPS 64
#define GO_SWITCHES "[go]" /* in place of a file: all of Go's */

/* Of Go's run-time: what it calls has another stack than its caller. */
static bool switches_stacks(const char *function)
{
	static const char *const go[] = { "systemstack", "mcall", "morestack",
					  "asmcgocall" };
	size_t i, len;

	if (!function || strncmp(function, "runtime.", 8))
		return false;
	for (i = 0; i < sizeof(go) / sizeof(*go); i++) {
		len = strlen(go[i]);
		if (!strncmp(function + 8, go[i], len) &&
		    (!function[8 + len] || function[8 + len] == '.'))
			return true;
	}
	return false;
}

/*
 * Counts where a chain ended that nothing tells how to go on, for the first of
 * them: to look further costs the symbols of every file.
 */
static void no_rule(struct record_account *a, const struct ustack_sample *s,
		    const struct chain *c)
{
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	const char *path;
	size_t i;

	if (!c->nr || a->looked == LOOK_UPS)
		return;
	a->looked++;
	ustack_symbolize(s->space, c->line[c->nr - 1].lookup, &sym);
	path = switches_stacks(sym.name) ? GO_SWITCHES :
	       sym.path			 ? sym.path :
					   "";
	for (i = 0; i < ACCOUNT_FILES; i++) {
		if (!a->file[i].path)
			a->file[i].path = strdup(path);
		if (!a->file[i].path || !strcmp(a->file[i].path, path)) {
			a->file[i].nr++;
			return;
		}
	}
}

static const struct line *innermost_user(const struct chain *c)
{
	size_t i;

	for (i = 0; i < c->nr; i++)
		if (!c->line[i].kernel)
			return &c->line[i];
	return NULL;
}

int account_sample(struct record_account *a, const struct ustack_sample *s,
		   const struct chain *c, uint32_t stack, enum cause *cause)
{
	const struct line *line = innermost_user(c);
	enum ustack_end end;

	*cause = CAUSE_NONE;
	a->samples++;
	if (sample_end(s, c, &end))
		a->ends[end]++;
	if (!c->unwound)
		return 0;
	*cause = causes_chain(&a->causes, stack, s, c);
	a->unexplained[c->end] += !*cause;
	if (c->end == USTACK_END_NO_RULE && !*cause)
		no_rule(a, s, c);
	return line ? names_sample(&a->names, s, line) : 0;
}

double account_complete(const struct record_account *a)
{
	uint64_t all = 0;
	int i;

	for (i = 0; i < NR_ENDS; i++)
		all += a->ends[i];
	return all ? 100.0 * a->ends[USTACK_END_FINISHED] / all : 100;
}

static uint64_t lost_records(const struct record_account *a,
			     const struct ustack_stats *st)
{
	return st->lost_records > a->lost ? st->lost_records : a->lost;
}

uint64_t account_lost(const struct record_account *a,
		      const struct ustack_stats *st)
{
	return lost_records(a, st) + st->lost;
}

void account_progress(struct record_account *a, const struct ustack_stats *st,
		      uint64_t now)
{
	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr,
		"\r\033[Kustack: %" PRIu64 " s, %" PRIu64
		" samples/s, %" PRIu64 " lost, %.1f %% complete",
		now - a->start, a->samples - a->shown,
		account_lost(a, st), account_complete(a));
	a->shown = a->samples;
	a->progress = true;
}

void account_progress_ends(struct record_account *a)
{
	if (a->progress)
		fputs("\r\033[K", stderr);
	a->progress = false;
}

/* --- the verdict in words ------------------------------------------------------- */

/* Text in parts, with something between them. */
struct list {
	char text[2048];
	size_t n;
	const char *between;
};

static void __attribute__((format(printf, 2, 3)))
add(struct list *l, const char *fmt, ...)
{
	va_list ap;

	if (l->n && l->n < sizeof(l->text))
		l->n += snprintf(l->text + l->n, sizeof(l->text) - l->n, "%s",
				 l->between);
	va_start(ap, fmt);
	if (l->n < sizeof(l->text))
		l->n += vsnprintf(l->text + l->n, sizeof(l->text) - l->n, fmt,
				  ap);
	va_end(ap);
}

/* Is it worth a word?  One of a hundred is. */
static bool matters(uint64_t nr, const struct record_account *a)
{
	return nr && nr * 100 >= a->samples;
}

static void add_lost(struct list *l, const struct record_account *a,
		     const struct ustack_stats *st, uint64_t in_file)
{
	struct list why = { .between = ", " };
	int lost;

	for (lost = USTACK_LOST_NOT + 1; lost < USTACK_LOST_NR; lost++)
		if (st->lost_by[lost])
			add(&why, "%s %" PRIu64, ustack_lost_name(lost),
			    st->lost_by[lost]);
	if (st->lost)
		add(l, "%" PRIu64 " stack%s lost (%s)", st->lost,
		    plural(st->lost), why.text);
	if (lost_records(a, st))
		add(l, "%" PRIu64 " record%s lost in full rings",
		    lost_records(a, st), plural(lost_records(a, st)));
	if (a->untraced)
		add(l, "%" PRIu64 " stack%s of threads that wait lost (no permission to trace them)",
		    a->untraced, plural(a->untraced));
	if (a->samples > in_file)
		add(l, "%" PRIu64 " sample%s not written", a->samples - in_file,
		    plural(a->samples - in_file));
	if (!l->n)
		add(l, "0 lost");
	if (a->cpus_came || a->cpus_went)
		add(l, "CPUs came %" PRIu64 " time%s and went %" PRIu64,
		    a->cpus_came, plural(a->cpus_came), a->cpus_went);
	if (a->throttled)
		add(l, "throttled %" PRIu64 " time%s by the kernel",
		    a->throttled, plural(a->throttled));
}

/* Chains that nothing was to be done about; of each hundred one is worth a word. */
static void add_causes(struct list *l, const struct record_account *a)
{
	static const char *const what[NR_CAUSES] = {
		[CAUSE_EXEC] = "had no stack, in exec() or exit()",
		[CAUSE_ABSENT] = "had a stack that was not all in memory",
		[CAUSE_UNREADABLE] = "without permission to look at the process",
	};
	int i;

	for (i = CAUSE_NONE + 1; i < NR_CAUSES; i++)
		if (matters(a->causes.nr[i], a))
			add(l, "%" PRIu64 " %s", a->causes.nr[i], what[i]);
}

/* The file that most chains end in, NULL if there is none. */
static const char *worst_file(const struct record_account *a)
{
	size_t i, max = 0;

	for (i = 1; i < ACCOUNT_FILES; i++)
		if (a->file[i].nr > a->file[max].nr)
			max = i;
	return a->file[max].nr ? a->file[max].path : NULL;
}

#define PATH_CUT 256
#define PATH_SHOWN (PATH_CUT * NAME_ROOM)

static const char *show_path(const char *path, char shown[PATH_SHOWN])
{
	char cut[PATH_CUT];

	snprintf(cut, sizeof(cut), "%s", path);
	*put_name(shown, cut) = 0;
	return shown;
}

struct unusable {
	const char *path;
	int err; /* 0: it could be used */
};

static void find_unusable(void *arg, const char *path, int err)
{
	struct unusable *u = arg;

	if (!strcmp(path, u->path))
		u->err = err;
}

static int why_unusable(const struct record_account *a, const char *path)
{
	struct unusable u = { .path = path };

	ustack_images_unusable(a->images, find_unusable, &u);
	return u.err;
}

/* A file of which nothing could be read has reasons of its own; false: it was read. */
static bool add_unusable(struct list *l, const struct record_account *a,
			 const char *path)
{
	char shown[PATH_SHOWN];

	switch (why_unusable(a, path)) {
	case -EACCES:
	case -EPERM:
		add(l, "%s may not be read: be root, or who may",
		    show_path(path, shown));
		return true;
	case -ENOENT:
		add(l, "%s was gone before it could be read: leave it until the recording ends",
		    show_path(path, shown));
		return true;
	case -ESTALE:
		add(l, "%s was replaced before it could be read: leave it until the recording ends",
		    show_path(path, shown));
		return true;
	}
	return false;
}

/* The first file that a JIT wrote and that could not be used. */
struct unusable_jit {
	char path[PATH_CUT];
	int err; /* 0: there is none */
};

static void find_jit(void *arg, const char *path, int err)
{
	struct unusable_jit *u = arg;

	if (!u->err && names_is_jit(path)) {
		u->err = err;
		snprintf(u->path, sizeof(u->path), "%s", path);
	}
}

/* said: the file that there is other advice on, or NULL. */
static void add_names_advice(struct list *l, struct record_account *a,
			     const char *said)
{
	const char *path = names_worst(&a->names);
	struct unusable_jit u = { .err = 0 };
	char shown[PATH_SHOWN];

	if (path && !strcmp(path, NAMES_JIT))
		ustack_images_unusable(a->images, find_jit, &u);
	if (u.err)
		add(l, "functions of a JIT have no names: %s: %s",
		    show_path(u.path, shown), cli_why(u.path, u.err));
	else if (path && strcmp(path, NAMES_JIT)) {
		if (why_unusable(a, path) && said && !strcmp(path, said))
			return;
		if (!add_unusable(l, a, path))
			add(l, "functions of %s have no names: its debug package has them, or DEBUGINFOD_URLS when they are looked up",
			    show_path(path, shown));
	} else if (path)
		add(l, "functions of a JIT have no names: let it write /tmp/perf-PID.map or a jitdump, as node does with --perf-basic-prof or --perf-prof");
}

/* The file that it is about, or NULL. */
static const char *add_file_advice(struct list *l, const struct record_account *a,
				   const struct ustack_stats *st)
{
	const char *path = worst_file(a);
	char shown[PATH_SHOWN];

	if (!path || !matters(a->unexplained[USTACK_END_NO_RULE], a))
		return NULL;
	if (!*path)
		add(l, "chains end where nothing is known to be mapped");
	else if (!strcmp(path, GO_SWITCHES))
		add(l,
		    "chains of Go end where it changes stacks, as only the one that it runs on is copied: no option makes them longer");
	else if (names_is_jit(path))
		add(l,
		    "code that is in no file, as a JIT's, has no unwind information: run it with frame pointers");
	else if (!add_unusable(l, a, path) && !lost_records(a, st))
		/* Where records were lost, the caller's map may be among them. */
		add(l, "%s lacks unwind information: its debug package may have it",
		    show_path(path, shown));
	return path;
}

static void add_stack_advice(struct list *l, const struct record_options *o,
			     const struct capture *c)
{
	const uint32_t most = capture_most(c);

	if (c->stack >= most)
		add(l, "stacks go deeper than this kernel can copy");
	else if (o->program)
		add(l, "stacks go deeper: record it again, --stack auto takes more now");
	else
		add(l, "stacks go deeper: --stack %u",
		    c->stack < most / 4 ? c->stack * 4 : most);
}

/* What makes less samples: of waits no option does. */
static const char *less_often(const struct capture *c)
{
	size_t i;

	if (c->switches)
		return "fewer processes, as by -p";
	for (i = 0; i < c->events->nr; i++)
		if (c->events->ev[i].attr.freq)
			return "a lower -F";
	return "a higher -c";
}

/* Events of threads are lost there; those of CPUs are not. */
static uint64_t unseen(const struct record_account *a,
		       const struct record_options *o)
{
	return o->all ? 0 : a->causes.unseen;
}

static void add_advice(struct list *l, struct record_account *a,
		       const struct ustack_stats *st,
		       const struct record_options *o, const struct capture *c)
{
	if (matters(a->unexplained[USTACK_END_TRUNCATED], a))
		add_stack_advice(l, o, c);
	add_names_advice(l, a, add_file_advice(l, a, st));
	if (lost_records(a, st) && c->ring_cut)
		add(l, "rings larger than kernel.perf_event_mlock_kb and ulimit -l allow, or %s",
		    less_often(c));
	else if (lost_records(a, st) && c->ring_size <= RING_MAX / 4)
		add(l, "rings of -m %zuK, or %s", (c->ring_size >> 10) * 4,
		    less_often(c));
	else if (lost_records(a, st))
		add(l, "%s", less_often(c));
	if (a->throttled)
		add(l, "%s%s", less_often(c), c->defer ? "" : " or --stack");
	if (matters(a->causes.nr[CAUSE_UNREADABLE], a))
		add(l, "to unwind processes of others be root");
	if (a->untraced)
		add(l, "to see where threads wait be their user or root, with kernel.yama.ptrace_scope at most %d",
		    geteuid() ? 0 : 2);
	if (unseen(a, o))
		add(l, "to sample programs that are set-user-ID or may not be read be root, and take -a");
	else if (!a->samples)
		add(l, "was it running at all, in user mode, for some milliseconds?");
}

static void in_words(struct record_account *a,
		     const struct ustack_stats *st,
		     const struct record_options *o, const struct capture *c,
		     uint64_t in_file, uint64_t bytes)
{
	struct list lost = { .between = ", " }, advice = { .between = "; " };
	char complete[32] = "";

	if (a->samples)
		snprintf(complete, sizeof(complete), ", %.1f %% complete",
			 account_complete(a));
	add_lost(&lost, a, st, in_file);
	add_causes(&lost, a);
	if (unseen(a, o))
		add(&lost, "%" PRIu64 " program%s that the kernel keeps from being sampled",
		    unseen(a, o), plural(unseen(a, o)));
	add_advice(&advice, a, st, o, c);
	fprintf(stderr,
		"ustack: %s: %" PRIu64 " sample%s, stacks %s, %s%s, %" PRIu64
		" bytes a sample%s%s\n",
		strcmp(o->path, "-") ? o->path : "standard output", in_file,
		plural(in_file), c->defer ? "deferred" : "copied in the interrupt", lost.text,
		complete, in_file ? bytes / in_file : 0,
		advice.n ? "; to do: " : "", advice.text);
}

/* --- and for scripts ------------------------------------------------------------- */

/* What the line in words has behind "to do". */
static void json_advice(FILE *to, struct record_account *a,
			const struct ustack_stats *st,
			const struct record_options *o, const struct capture *c)
{
	struct list l = { .between = "\n" };
	const char *between = "";
	char *at = l.text, *one;

	add_advice(&l, a, st, o, c);
	fputs(",\"to_do\":[", to);
	while (*at && (one = strsep(&at, "\n"))) {
		fputs(between, to);
		output_json(to, one);
		between = ",";
		if (!at)
			break;
	}
	fputs("]", to);
}

static void in_json(struct record_account *a,
		    const struct ustack_stats *st,
		    const struct record_options *o, const struct capture *c,
		    uint64_t in_file, uint64_t bytes, FILE *to)
{
	char word[END_WORD];
	int i;

	fprintf(to,
		"{\"samples\":%" PRIu64 ",\"stacks\":\"%s\",\"stack\":%u"
		",\"ring_size\":%zu,\"bytes\":%" PRIu64
		",\"not_written\":%" PRIu64 ",\"lost_records\":%" PRIu64
		",\"throttled\":%" PRIu64 ",\"untraced\":%" PRIu64
		",\"cpus_came\":%" PRIu64 ",\"cpus_went\":%" PRIu64
		",\"lost_stacks\":{",
		in_file, c->defer ? "deferred" : "copied", c->stack,
		c->ring_size, bytes, a->samples - in_file, lost_records(a, st),
		a->throttled, a->untraced, a->cpus_came, a->cpus_went);
	for (i = USTACK_LOST_NOT + 1; i < USTACK_LOST_NR; i++)
		fprintf(to, "%s\"%s\":%" PRIu64,
			i > USTACK_LOST_NOT + 1 ? "," : "",
			ustack_lost_name(i), st->lost_by[i]);
	fprintf(to, "},\"ends\":{");
	for (i = 0; i < NR_ENDS; i++)
		fprintf(to, "%s\"%s\":%" PRIu64, i ? "," : "", end_word(i, word),
			a->ends[i]);
	fprintf(to,
		"},\"in_exec\":%" PRIu64 ",\"not_in_memory\":%" PRIu64
		",\"unreadable\":%" PRIu64 ",\"unseen_programs\":%" PRIu64,
		a->causes.nr[CAUSE_EXEC], a->causes.nr[CAUSE_ABSENT],
		a->causes.nr[CAUSE_UNREADABLE], unseen(a, o));
	fprintf(to, ",\"complete_pct\":%.2f", account_complete(a));
	json_advice(to, a, st, o, c);
	record_error_json(to, ",", "");
	fputs("}\n", to);
}

FILE *record_json(const struct record_options *o)
{
	return strcmp(o->path, "-") ? stdout : stderr;
}

void account_verdict(struct record_account *a,
		     const struct ustack_stats *st,
		     const struct record_options *o, const struct capture *c,
		     uint64_t in_file, uint64_t bytes)
{
	if (o->json)
		in_json(a, st, o, c, in_file, bytes, record_json(o));
	else
		in_words(a, st, o, c, in_file, bytes);
}

void account_free(struct record_account *a)
{
	size_t i;

	for (i = 0; i < ACCOUNT_FILES; i++)
		free(a->file[i].path);
	names_free(&a->names);
	causes_free(&a->causes);
}
