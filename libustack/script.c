// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* ustack script: every sample and its chain, in the form of perf script. */
#include <string.h>

#include "cli.h"

enum {
	F_COMM = 1 << 0,
	F_PID = 1 << 1,
	F_TID = 1 << 2,
	F_CPU = 1 << 3,
	F_TIME = 1 << 4,
	F_PERIOD = 1 << 5,
	F_EVENT = 1 << 6,
	F_COOKIE = 1 << 7,
	F_PAIR = 1 << 8,
	F_CHANGED = 1 << 9,
	F_UIP = 1 << 10,
	F_END = 1 << 11,
	F_IP = 1 << 12,
	F_SYM = 1 << 13,
	F_SYMOFF = 1 << 14,
	F_DSO = 1 << 15,
	F_DSOFF = 1 << 16,
};

#define F_HEAD (F_IP - 1) /* fields of the sample's line */
#define F_FRAME (F_IP | F_SYM | F_SYMOFF | F_DSO | F_DSOFF)
#define F_DEFAULT                                                     \
	(F_COMM | F_PID | F_TID | F_CPU | F_TIME | F_PERIOD | F_EVENT | \
	 F_IP | F_SYM | F_SYMOFF | F_DSO)

static const char *const field_names[] = {
	"comm",	  "pid",  "tid",     "cpu", "time", "period", "event",
	"cookie", "pair", "changed", "uip", "end",  "ip",     "sym",
	"symoff", "dso",  "dsoff",
};

#define NR_FIELDS (sizeof(field_names) / sizeof(*field_names))

/* 0 after an error line. */
static unsigned int parse_fields(const char *list)
{
	unsigned int fields = 0;

	while (*list) {
		size_t n = strcspn(list, ","), i;

		for (i = 0; i < NR_FIELDS; i++)
			if (strlen(field_names[i]) == n &&
			    !strncmp(list, field_names[i], n))
				break;
		if (i == NR_FIELDS) {
			fprintf(stderr,
				"ustack: -F: no field '%.*s'; see ustack --help\n",
				(int)n, list);
			return 0;
		}
		fields |= 1u << i;
		list += n;
		list += *list == ',';
	}
	if (!fields)
		fputs("ustack: -F: name at least one field; see ustack --help\n",
		      stderr);
	return fields;
}

static void put(const char *s)
{
	fputs_unlocked(s, stdout);
}

/* Hexadecimal, right-aligned to width; printf takes ten times as long. */
static void put_hex(uint64_t v, int width)
{
	char buf[17], *p = buf + 16;

	*p = '\0';
	do {
		*--p = "0123456789abcdef"[v & 15];
		v >>= 4;
	} while (v);
	while (buf + 16 - p < width)
		*--p = ' ';
	put(p);
}

static void print_head(const struct ustack_sample *s, const struct chain *c,
		       unsigned int fields)
{
	char word[END_WORD];

	if (fields & F_COMM)
		printf("%s ", s->comm);
	if ((fields & F_PID) && (fields & F_TID))
		printf("%5d/%-5d ", (int)s->pid, (int)s->tid);
	else if (fields & (F_PID | F_TID))
		printf("%5d ", (int)(fields & F_PID ? s->pid : s->tid));
	if (fields & F_CPU && s->cpu != UINT32_MAX)
		printf("[%03u] ", s->cpu);
	if (fields & F_TIME)
		printf("%5llu.%06llu: ",
		       (unsigned long long)s->time / 1000000000,
		       (unsigned long long)s->time % 1000000000 / 1000);
	if (fields & F_PERIOD)
		printf("%10llu ", (unsigned long long)s->period);
	if (fields & F_EVENT)
		printf("%s: ", s->event);
	if (fields & F_COOKIE && s->cookie)
		printf("cookie=0x%llx ", (unsigned long long)s->cookie);
	if (fields & F_PAIR)
		printf("pair=%s ", pair_name(s->pair));
	if (fields & F_CHANGED && s->stack_changed)
		put("changed ");
	if (fields & F_UIP && sample_is_user(s))
		printf("uip=0x%llx ", (unsigned long long)s->ip);
	if (fields & F_END)
		printf("end=%s ", c->unwound ? end_word(c->end, word) : "-");
	if (fields & F_HEAD)
		put("\n");
}

static void print_line(const struct ustack_sample *s, const struct line *l,
		       unsigned int fields)
{
	struct ustack_symbol sym = { 0 };

	put("\t");
	if (fields & F_IP)
		put_hex(l->ip, 16);
	if (fields & (F_SYM | F_DSO | F_DSOFF)) {
		if (l->kernel)
			sym.path = "[kernel.kallsyms]";
		else /* a path may be known where no name is */
			ustack_symbolize(s->space, l->lookup, &sym);
	}
	if (fields & F_SYM) {
		put(" ");
		put(sym.name ? sym.name : "[unknown]");
		if (fields & F_SYMOFF && sym.name) {
			/* Of the address shown, not of the one looked up. */
			put("+0x");
			put_hex(sym.offset + (l->ip - l->lookup), 0);
		}
	}
	if (fields & (F_DSO | F_DSOFF)) {
		put(" (");
		put(sym.path ? sym.path : "[unknown]");
		if (fields & F_DSOFF && sym.path && !l->kernel) {
			put("+0x");
			put_hex(sym.module_offset + (l->ip - l->lookup), 0);
		}
		put(")");
	}
	put("\n");
}

int cmd_script(struct cli *cli, int argc, char **argv)
{
	const struct ustack_sample *s;
	const char *path, *list = NULL;
	unsigned int fields = F_DEFAULT;
	size_t i;
	int ret;

	ret = cli_options(cli, argc, argv, &path, &list);
	if (ret >= 0)
		return ret;
	if (list) {
		fields = parse_fields(list);
		if (!fields)
			return 2;
	}
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	ret = cli_open(cli, path);
	if (ret)
		return cli_close(cli, ret);
	while ((ret = cli_next(cli, &s)) > 0) {
		if (fields & (F_FRAME | F_END))
			cli_chain(cli, s);
		print_head(s, &cli->chain, fields);
		if (!(fields & F_FRAME))
			continue;
		for (i = 0; i < cli->chain.nr; i++)
			print_line(s, &cli->chain.line[i], fields);
		put("\n");
	}
	return cli_close(cli, ret ? 1 : 0);
}
