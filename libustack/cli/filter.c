// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Which samples a command gets: those of --event, --comm, --pid, --tid, --time. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* "N,N,...": adds them to ids. */
bool parse_ids(struct ids *ids, const char *list)
{
	const char *p = list;

	do {
		uint32_t *more = realloc(ids->id, (ids->nr + 1) * sizeof(*more));
		unsigned long n;
		char *end;

		if (!more)
			return false;
		ids->id = more;
		n = strtoul(p, &end, 10);
		if (*p < '0' || *p > '9' || n > INT32_MAX ||
		    (*end && *end != ','))
			return false;
		ids->id[ids->nr++] = n;
		p = end;
	} while (*p++);
	return true;
}

/* Seconds with up to nine digits behind the point, as script prints them. */
static bool parse_seconds(uint64_t *ns, const char *p, const char *end)
{
	uint64_t v = 0;
	int digits = -1;

	for (; p < end; p++) {
		if (*p == '.' && digits < 0) {
			digits = 0;
			continue;
		}
		if (*p < '0' || *p > '9' || digits == 9 ||
		    v > (UINT64_MAX - 9) / 10)
			return false;
		v = v * 10 + (*p - '0');
		digits += digits >= 0;
	}
	for (digits = digits < 0 ? 0 : digits; digits < 9; digits++) {
		if (v > UINT64_MAX / 10)
			return false;
		v *= 10;
	}
	*ns = v;
	return true;
}

bool parse_times(struct filter *f, const char *arg)
{
	const char *comma = strchr(arg, ',');

	f->from = 0;
	f->to = UINT64_MAX;
	return comma && arg[1] &&
	       (comma == arg || parse_seconds(&f->from, arg, comma)) &&
	       (!comma[1] ||
		parse_seconds(&f->to, comma + 1, comma + strlen(comma))) &&
	       f->from <= f->to;
}

static bool has_id(const struct ids *ids, uint32_t id)
{
	for (size_t i = 0; i < ids->nr; i++)
		if (ids->id[i] == id)
			return true;
	return !ids->nr;
}

/* perf's own, which has no samples. */
static bool is_dummy(const char *event)
{
	return !strncmp(event, "dummy", 5);
}

static bool is_whole_name(const char *event, const char *name)
{
	return !strcmp(event, name);
}

/* The name without what perf record was told of it: cycles:u, page-faults/period=9/. */
static bool is_short_name(const char *event, const char *name)
{
	size_t n = strcspn(event, ":/");

	return event[n] && strlen(name) == n && !strncmp(event, name, n);
}

static bool has_samples(const char *event, const char *name)
{
	(void)name;
	return !is_dummy(event);
}

/* The first event that is one; UINT32_MAX: none. */
static uint32_t find_event(const struct cli *cli,
			   bool (*is)(const char *event, const char *name))
{
	const char *event;

	for (uint32_t nr = 0; (event = ustack_reader_event(cli->reader, nr)); nr++)
		if (is(event, cli->filter.event))
			return nr;
	return UINT32_MAX;
}

/* The one that is shown: that of --event, or the first. */
static uint32_t chosen_event(const struct cli *cli)
{
	uint32_t nr;

	if (!cli->filter.event)
		return find_event(cli, has_samples);
	nr = find_event(cli, is_whole_name);
	return nr != UINT32_MAX ? nr : find_event(cli, is_short_name);
}

bool cli_wants(struct cli *cli, const struct ustack_sample *s)
{
	struct filter *f = &cli->filter;

	if ((f->event || f->one_event) && !f->event_known) {
		f->event_nr = chosen_event(cli);
		f->event_known = true;
	}
	if ((f->event_known && s->event_nr != f->event_nr) ||
	    (f->comm && strcmp(s->comm, f->comm)) ||
	    !has_id(&f->pids, s->pid) || !has_id(&f->tids, s->tid) ||
	    s->time < f->from || s->time > f->to)
		return false;
	f->passed = true;
	return true;
}

/* The names of those that may have samples, but for event nr. */
static size_t list_events(const struct cli *cli, uint32_t but, char *names,
			  size_t size)
{
	const char *name;
	size_t n = 0;

	names[0] = 0;
	for (uint32_t nr = 0; (name = ustack_reader_event(cli->reader, nr)); nr++)
		if (nr != but && !is_dummy(name) && n < size)
			n += snprintf(names + n, size - n, "%s%s",
				      n ? ", " : "", name);
	return n;
}

#define NAMES_MAX 1024

void cli_say_none(struct cli *cli)
{
	const struct filter *f = &cli->filter;
	const bool filters = f->comm || f->pids.nr || f->tids.nr || f->from ||
			     f->to != UINT64_MAX;
	struct ustack_stats st = { .sz = sizeof(st) };
	const char *event = NULL;
	char names[NAMES_MAX];

	if (f->event && chosen_event(cli) == UINT32_MAX &&
	    list_events(cli, UINT32_MAX, names, sizeof(names))) {
		cli_error(cli, "has no event '%s', but %s", f->event, names);
		return;
	}
	ustack_reader_stats(cli->reader, &st);
	if (!st.samples) {
		/* What to do against a loss is told with it. */
		cli_error(cli, "has no samples%s",
			  st.lost_records ? "" :
					    ": record for longer, or what uses the CPU");
		return;
	}
	if (!f->event && f->event_known)
		event = ustack_reader_event(cli->reader, f->event_nr);
	if (!event || !list_events(cli, f->event_nr, names, sizeof(names)))
		cli_error(cli, "has no sample that passes the filters");
	else
		cli_error(cli, "has no sample of %s%s; there are other events, %s: see --event",
			  event, filters ? " that passes the filters" : "",
			  names);
}

void cli_say_events(struct cli *cli)
{
	const struct filter *f = &cli->filter;
	char others[NAMES_MAX];

	if (!f->event && f->one_event && f->event_known && f->passed &&
	    list_events(cli, f->event_nr, others, sizeof(others)))
		cli_error(cli, "only samples of %s are shown; there are others, of %s: see --event",
			  ustack_reader_event(cli->reader, f->event_nr), others);
}
