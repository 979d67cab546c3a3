// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Names of events, as perf has them: of hardware, software and caches, rNNN,
 * PMU/TERM,.../ by what sysfs says of the PMU, SYSTEM:TRACEPOINT; each may end
 * in :MODIFIERS.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/record/event.h"
#include "cli/record/say.h"

#define DEVICES "/sys/bus/event_source/devices"
#define MODIFIERS "ukhpGH"

struct known {
	const char *name;
	uint32_t type;
	uint64_t config;
};

#define HW(name, config) { name, PERF_TYPE_HARDWARE, PERF_COUNT_HW_##config }
#define SW(name, config) { name, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_##config }

static const struct known known[] = {
	HW("cycles", CPU_CYCLES),
	HW("cpu-cycles", CPU_CYCLES),
	HW("instructions", INSTRUCTIONS),
	HW("cache-references", CACHE_REFERENCES),
	HW("cache-misses", CACHE_MISSES),
	HW("branches", BRANCH_INSTRUCTIONS),
	HW("branch-instructions", BRANCH_INSTRUCTIONS),
	HW("branch-misses", BRANCH_MISSES),
	HW("bus-cycles", BUS_CYCLES),
	HW("stalled-cycles-frontend", STALLED_CYCLES_FRONTEND),
	HW("stalled-cycles-backend", STALLED_CYCLES_BACKEND),
	HW("ref-cycles", REF_CPU_CYCLES),
	SW("cpu-clock", CPU_CLOCK),
	SW("task-clock", TASK_CLOCK),
	SW("page-faults", PAGE_FAULTS),
	SW("faults", PAGE_FAULTS),
	SW("minor-faults", PAGE_FAULTS_MIN),
	SW("major-faults", PAGE_FAULTS_MAJ),
	SW("context-switches", CONTEXT_SWITCHES),
	SW("cs", CONTEXT_SWITCHES),
	SW("cpu-migrations", CPU_MIGRATIONS),
	SW("migrations", CPU_MIGRATIONS),
	SW("alignment-faults", ALIGNMENT_FAULTS),
	SW("emulation-faults", EMULATION_FAULTS),
	SW("cgroup-switches", CGROUP_SWITCHES),
};

#define NR(a) (sizeof(a) / sizeof(*(a)))

/* One event while its name is taken apart. */
struct parse {
	const char *whole; /* as it was given */
	struct perf_event_attr *attr;
	char *name; /* by a name= term */
	bool rated; /* it says itself how often to sample */
};

#define SHOWN (NAME_ROOM * 256 + 1)

/* As much of it as a line may have. */
static const char *shown(const char *word, char room[SHOWN])
{
	char cut[256];

	snprintf(cut, sizeof(cut), "%s", word);
	*put_name(room, cut) = 0;
	return room;
}

/* there: what there is instead */
static bool wrong_among(const struct parse *p, const char *what,
			const char *word, const char *there)
{
	char a[SHOWN], of[SHOWN];

	return !record_error("-e %s: %s '%s', but %s",
			     shown(p->whole, of), what, shown(word, a), there);
}

static bool wrong(const struct parse *p, const char *what, const char *word)
{
	char a[SHOWN], of[SHOWN];

	return !record_error("-e %s: %s '%s'; see ustack record --help",
			     shown(p->whole, of), what, shown(word, a));
}

/* The first word of a file in sysfs or tracefs. */
static bool read_word(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");
	bool good = f && fgets(buf, size, f);

	if (f)
		fclose(f);
	if (good)
		buf[strcspn(buf, "\n")] = 0;
	return good;
}

static int no_unit(const struct dirent *d)
{
	const char *end = strrchr(d->d_name, '.');

	return *d->d_name != '.' &&
	       !(end && (!strcmp(end, ".scale") || !strcmp(end, ".unit")));
}

/* Adds the names in a directory, with commas between. */
static void add_names(char *list, size_t size, const char *dir)
{
	struct dirent **all;
	int i, nr = scandir(dir, &all, no_unit, alphasort);
	size_t n = strlen(list);

	for (i = 0; i < nr; i++) {
		if (n < size)
			n += snprintf(list + n, size - n, "%s%s",
				      n ? ", " : "", all[i]->d_name);
		free(all[i]);
	}
	if (nr >= 0)
		free(all);
	if (n >= size)
		strcpy(list + size - 4, "...");
}

static bool number(const char *s, int base, uint64_t *to)
{
	char *end;

	errno = 0;
	*to = strtoull(s, &end, base);
	return isalnum((unsigned char)*s) && !*end && !errno;
}

/* --- terms of a PMU ---------------------------------------------------------- */

static uint64_t *config_word(struct perf_event_attr *attr, const char **format)
{
	static const char *const name[] = { "config1:", "config2:", "config:" };
	__u64 *word[] = { &attr->config1, &attr->config2, &attr->config };
	size_t i;

	for (i = 0; i < NR(name); i++) {
		if (strncmp(*format, name[i], strlen(name[i])))
			continue;
		*format += strlen(name[i]);
		return (uint64_t *)word[i];
	}
	return NULL;
}

/* config1:0-7,32-35: the bits of a word where value goes, lowest first. */
static bool set_bits(struct perf_event_attr *attr, const char *format,
		     uint64_t value)
{
	uint64_t *word = config_word(attr, &format);
	unsigned int first, last;
	int n;

	while (word && *format) {
		n = 0;
		if (sscanf(format, "%u-%u%n", &first, &last, &n) != 2 || !n) {
			n = 0;
			if (sscanf(format, "%u%n", &first, &n) != 1)
				return false;
			last = first;
		}
		for (; first <= last && last < 64; first++, value >>= 1) {
			*word &= ~(1ull << first);
			*word |= (value & 1) << first;
		}
		format += n + (format[n] == ',');
	}
	return word && !value;
}

static bool terms(struct parse *p, const char *pmu, char *list, bool alias);

static bool no_term(struct parse *p, const char *pmu, const char *key)
{
	char path[PATH_MAX], there[512] = "";

	if (pmu) {
		snprintf(path, sizeof(path), DEVICES "/%s/events", pmu);
		add_names(there, sizeof(there), path);
		snprintf(path, sizeof(path), DEVICES "/%s/format", pmu);
		add_names(there, sizeof(there), path);
	}
	return wrong_among(p, "there is no term", key,
			   *there ? there : "period, freq, name, config, config1, config2");
}

/* A term that the PMU itself knows. */
static bool pmu_term(struct parse *p, const char *pmu, const char *key,
		     const char *val, bool alias)
{
	char path[PATH_MAX], text[256];
	uint64_t value = 1;

	snprintf(path, sizeof(path), DEVICES "/%s/events/%s", pmu, key);
	if (!val && !alias && read_word(path, text, sizeof(text)))
		return terms(p, pmu, text, true);
	snprintf(path, sizeof(path), DEVICES "/%s/format/%s", pmu, key);
	if (!read_word(path, text, sizeof(text)))
		return no_term(p, pmu, key);
	if (val && !number(val, 0, &value))
		return wrong(p, "not a number:", val);
	return set_bits(p->attr, text, value) ||
	       wrong(p, "the value does not fit", key);
}

static bool is_common(const char *key)
{
	static const char *const all[] = { "name", "period", "freq", "config",
					   "config1", "config2" };
	size_t i;

	for (i = 0; i < NR(all); i++)
		if (!strcmp(key, all[i]))
			return true;
	return false;
}

/* A term that any event has. */
static bool common_term(struct parse *p, const char *key, const char *val)
{
	struct perf_event_attr *attr = p->attr;
	uint64_t value = 0;

	if (!val || !*val)
		return wrong(p, "a value is missing behind", key);
	if (!strcmp(key, "name")) {
		free(p->name);
		p->name = strdup(val);
		return p->name;
	}
	if (!number(val, 0, &value))
		return wrong(p, "not a number:", val);
	if (!strcmp(key, "period")) {
		attr->freq = 0;
		attr->sample_period = value;
		p->rated = true;
	} else if (!strcmp(key, "freq")) {
		attr->freq = 1;
		attr->sample_freq = value;
		p->rated = true;
	} else if (!strcmp(key, "config"))
		attr->config = value;
	else if (!strcmp(key, "config1"))
		attr->config1 = value;
	else
		attr->config2 = value;
	if (p->rated && !value && strncmp(key, "config", 6))
		return wrong(p, "more than 0 is needed for", key);
	return true;
}

/* TERM[=VALUE],...; pmu is NULL for an event that has a name of its own. */
static bool terms(struct parse *p, const char *pmu, char *list, bool alias)
{
	char *save, *key, *val;

	for (key = strtok_r(list, ",", &save); key;
	     key = strtok_r(NULL, ",", &save)) {
		val = strchr(key, '=');
		if (val)
			*val++ = 0;
		if (is_common(key)) {
			if (!common_term(p, key, val))
				return false;
			continue;
		}
		if (!pmu || strchr(key, '/'))
			return no_term(p, NULL, key);
		if (!pmu_term(p, pmu, key, val, alias))
			return false;
	}
	return true;
}

/* --- kinds of names ------------------------------------------------------------ */

static bool find_known(struct perf_event_attr *attr, const char *name)
{
	size_t i;

	for (i = 0; i < NR(known); i++) {
		if (strcmp(known[i].name, name))
			continue;
		attr->type = known[i].type;
		attr->config = known[i].config;
		return true;
	}
	return false;
}

/* L1-dcache-load-misses and the like: cache, operation, result. */
static bool find_cache(struct perf_event_attr *attr, const char *name)
{
	static const char *const cache[] = { "L1-dcache", "L1-icache", "LLC",
					     "dTLB",	  "iTLB",      "branch",
					     "node" };
	static const char *const op[] = { "-load", "-store", "-prefetch" };
	size_t i, j, n;

	for (i = 0; i < NR(cache); i++) {
		n = strlen(cache[i]);
		if (strncmp(name, cache[i], n))
			continue;
		for (j = 0; j < NR(op); j++) {
			const char *rest = name + n;

			if (strncmp(rest, op[j], strlen(op[j])))
				continue;
			rest += strlen(op[j]);
			if (strcmp(rest, j == 2 ? "es" : "s") &&
			    strcmp(rest, "-misses"))
				return false;
			attr->type = PERF_TYPE_HW_CACHE;
			attr->config = i | j << 8 | (*rest == '-') << 16;
			return true;
		}
	}
	return false;
}

static bool find_raw(struct perf_event_attr *attr, const char *name)
{
	uint64_t config;

	if (*name != 'r' || !isxdigit((unsigned char)name[1]) ||
	    !number(name + 1, 16, &config))
		return false;
	attr->type = PERF_TYPE_RAW;
	attr->config = config;
	return true;
}

static bool find_plain(struct perf_event_attr *attr, const char *name)
{
	return find_known(attr, name) || find_cache(attr, name) ||
	       find_raw(attr, name);
}

static bool no_pmu(struct parse *p, const char *pmu)
{
	char there[512] = "";

	add_names(there, sizeof(there), DEVICES);
	return wrong_among(p, "this machine has no PMU", pmu,
			   *there ? there : "none at all");
}

static bool find_pmu(struct parse *p, const char *pmu)
{
	char path[PATH_MAX], text[32];
	uint64_t type;

	snprintf(path, sizeof(path), DEVICES "/%s/type", pmu);
	if (!*pmu || strchr(pmu, '/') || *pmu == '.' ||
	    !read_word(path, text, sizeof(text)) || !number(text, 10, &type))
		return no_pmu(p, pmu);
	p->attr->type = type;
	return true;
}

static bool no_event(struct parse *p, const char *name)
{
	return wrong_among(p, "there is no event", name,
			   "cycles, instructions, cache-misses, branch-misses, cpu-clock, task-clock, page-faults, context-switches, rNNN, PMU/TERM/ and SYSTEM:TRACEPOINT");
}

/* events: the directory of all systems */
static bool no_tracepoint(struct parse *p, const char *events,
			  const char *system, const char *name)
{
	char path[PATH_MAX * 2], there[512] = "";

	snprintf(path, sizeof(path), "%s/%s", events, system);
	add_names(there, sizeof(there), path);
	if (*there)
		return wrong_among(p, "there is no tracepoint", name, there);
	add_names(there, sizeof(there), events);
	return wrong_among(p, "there are no tracepoints of", system, there);
}

static bool find_tracepoint(struct parse *p, const char *system,
			    const char *name)
{
	static const char *const dirs[] = { "/sys/kernel/tracing",
					    "/sys/kernel/debug/tracing" };
	char path[PATH_MAX], text[32];
	uint64_t id;
	size_t i;

	if (!*system || !*name || strchr(name, '/') || strchr(system, '/'))
		return no_event(p, p->whole);
	for (i = 0; i < NR(dirs); i++) {
		snprintf(path, sizeof(path), "%s/events/%s/%s/id", dirs[i],
			 system, name);
		if (!read_word(path, text, sizeof(text)) ||
		    !number(text, 10, &id))
			continue;
		p->attr->type = PERF_TYPE_TRACEPOINT;
		p->attr->config = id;
		return true;
	}
	for (i = 0; i < NR(dirs); i++) {
		snprintf(path, sizeof(path), "%s/events", dirs[i]);
		if (!access(path, R_OK | X_OK))
			return no_tracepoint(p, path, system, name);
	}
	return !record_error("-e %s: tracepoints cannot be read: mount -t tracefs tracefs /sys/kernel/tracing, and be root",
			     p->whole);
}

static bool modifiers(struct parse *p, const char *word)
{
	struct perf_event_attr *attr = p->attr;

	if (!*word || word[strspn(word, MODIFIERS)])
		return wrong(p, "there are the modifiers " MODIFIERS ", not",
			     word);
	if (strpbrk(word, "ukh")) {
		attr->exclude_user = !strchr(word, 'u');
		attr->exclude_kernel = !strchr(word, 'k');
		attr->exclude_hv = !strchr(word, 'h');
	}
	if (strpbrk(word, "GH")) {
		attr->exclude_guest = !strchr(word, 'G');
		attr->exclude_host = !strchr(word, 'H');
	}
	for (; *word; word++)
		if (*word == 'p' && attr->precise_ip++ == 3)
			return wrong(p, "at most three p, not", p->whole);
	return true;
}

/* NAME/TERMS/[:]MODIFIERS */
static bool parse_slashed(struct parse *p, char *name, char *slash)
{
	char *end = strrchr(slash + 1, '/'), *mods = end ? end + 1 : NULL;
	bool plain;

	*slash = 0;
	if (!end)
		return wrong(p, "a / is missing behind", name);
	*end = 0;
	plain = find_plain(p->attr, name);
	if (!plain && !find_pmu(p, name))
		return false;
	if (!terms(p, plain ? NULL : name, slash + 1, false))
		return false;
	mods += *mods == ':';
	return !*mods || modifiers(p, mods);
}

static bool parse_name(struct parse *p, char *name)
{
	char *slash = strchr(name, '/'), *colon, *mods;

	if (slash)
		return parse_slashed(p, name, slash);
	colon = strchr(name, ':');
	if (colon)
		*colon = 0;
	if (find_plain(p->attr, name))
		return !colon || modifiers(p, colon + 1);
	if (!colon)
		return no_event(p, name);
	mods = strchr(colon + 1, ':');
	if (mods)
		*mods = 0;
	return find_tracepoint(p, name, colon + 1) &&
	       (!mods || modifiers(p, mods + 1));
}

/* --- the list ----------------------------------------------------------------------- */

static bool add_event(struct record_events *all, const char *whole, char *name,
		      const struct record_rate *rate)
{
	struct record_event *ev =
		realloc(all->ev, (all->nr + 1) * sizeof(*ev));
	struct parse p = { .whole = whole };

	if (!ev)
		return !record_error("out of memory");
	all->ev = ev;
	ev += all->nr;
	memset(ev, 0, sizeof(*ev));
	ev->attr.size = sizeof(ev->attr);
	p.attr = &ev->attr;
	if (!parse_name(&p, name)) {
		free(p.name);
		return false;
	}
	ev->name = p.name ? p.name : strdup(whole);
	if (!ev->name)
		return false;
	all->nr++;
	if (p.rated)
		return true;
	ev->attr.freq = !rate->period;
	ev->attr.sample_period = rate->period ? rate->period : rate->freq;
	if (ev->attr.type == PERF_TYPE_TRACEPOINT && !rate->given) {
		ev->attr.freq = 0;
		ev->attr.sample_period = 1;
	}
	return true;
}

/* The end of the event at s: a comma between slashes is none. */
static const char *event_end(const char *s)
{
	bool in = false;

	for (; *s && (in || *s != ','); s++)
		in ^= *s == '/';
	return s;
}

bool record_events_add(struct record_events *all, const char *list,
		       const struct record_rate *rate)
{
	const char *end;
	bool good = true;

	for (; good; list = end + 1) {
		char *whole, *name;

		end = event_end(list);
		whole = strndup(list, end - list);
		name = whole ? strdup(whole) : NULL;
		if (name && !*name)
			record_error("-e: an event has no name; see ustack record --help");
		good = name && *name && add_event(all, whole, name, rate);
		free(name);
		free(whole);
		if (!*end)
			break;
	}
	return good;
}

bool record_events_add_off_cpu(struct record_events *all)
{
	static const struct record_rate each = { .period = 1, .given = true };

	return record_events_add(
		all, "context-switches/name=" OFF_CPU_EVENT "/", &each);
}

void record_events_free(struct record_events *all)
{
	size_t i;

	for (i = 0; i < all->nr; i++) {
		free(all->ev[i].name);
		free(all->ev[i].ids);
	}
	free(all->ev);
}
