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
	F_LOST = 1 << 9,
	F_CHANGED = 1 << 10,
	F_UIP = 1 << 11,
	F_END = 1 << 12,
	F_IP = 1 << 13,
	F_SYM = 1 << 14,
	F_SYMOFF = 1 << 15,
	F_DSO = 1 << 16,
	F_DSOFF = 1 << 17,
};

#define F_HEAD (F_IP - 1) /* fields of the sample's line */
#define F_FRAME (F_IP | F_SYM | F_SYMOFF | F_DSO | F_DSOFF)
#define F_DEFAULT                                                     \
	(F_COMM | F_PID | F_TID | F_CPU | F_TIME | F_PERIOD | F_EVENT | \
	 F_IP | F_SYM | F_SYMOFF | F_DSO)

static const char *const field_names[] = {
	"comm",	  "pid",  "tid",     "cpu", "time", "period", "event",
	"cookie", "pair", "lost",    "changed", "uip", "end", "ip",
	"sym",	  "symoff", "dso",   "dsoff",
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

/* --- text; printf takes ten times as long ---------------------------------- */

static char *text(char *p, const char *s)
{
	size_t n = strlen(s);

	memcpy(p, s, n);
	return p + n;
}

/* Right-aligned to width, padded with pad. */
static char *dec(char *p, uint64_t v, int width, char pad)
{
	char buf[20];
	int n = 0;

	do
		buf[n++] = '0' + v % 10;
	while (v /= 10);
	while (width-- > n)
		*p++ = pad;
	while (n)
		*p++ = buf[--n];
	return p;
}

static char *sdec(char *p, int32_t v, int width)
{
	char buf[12], *end = dec(buf + 1, v < 0 ? -(int64_t)v : v, 0, ' ');
	char *start = buf + 1;

	if (v < 0)
		*--start = '-';
	for (; width > end - start; width--)
		*p++ = ' ';
	memcpy(p, start, end - start);
	return p + (end - start);
}

static char *hex(char *p, uint64_t v)
{
	int shift = v ? 60 - __builtin_clzll(v) / 4 * 4 : 0;

	for (; shift >= 0; shift -= 4)
		*p++ = "0123456789abcdef"[v >> shift & 15];
	return p;
}

/* The eight digits of v, the first in the lowest byte. */
static uint64_t digits(uint32_t v)
{
	const uint64_t ones = 0x0101010101010101;
	uint64_t x = v, letters;

	/* A nibble to each byte, then the letters among them up to 'a'. */
	x = (x << 16 & 0x0000ffff00000000) | (x & 0xffff);
	x = (x << 8 & 0x00ff000000ff0000) | (x & 0x000000ff000000ff);
	x = (x << 4 & 0x0f000f000f000f00) | (x & 0x000f000f000f000f);
	letters = (x + 6 * ones) >> 4 & ones;
	return __builtin_bswap64(x + '0' * ones + letters * ('a' - '0' - 10));
}

/* 16 digits, blanks instead of leading zeros. */
static char *hex16(char *p, uint64_t v)
{
	uint64_t high = digits(v >> 32), low = digits(v);
	int blanks = v ? __builtin_clzll(v) / 4 : 15;

	memcpy(p, &high, 8);
	memcpy(p + 8, &low, 8);
	while (blanks)
		p[--blanks] = ' ';
	return p + 16;
}

/* --- lines ---------------------------------------------------------------- */

#define HEAD_MAX 512 /* bytes that a sample's line takes but for the names */
#define LINE_MAX 128 /* the same, of a frame's line */

static void print_head(struct worker *w, const struct ustack_sample *s,
		       unsigned int fields)
{
	const struct chain *c = &w->chain;
	char word[END_WORD];
	char *p;

	if (!(fields & F_HEAD))
		return;
	p = out_room(w, HEAD_MAX + strlen(s->comm) + strlen(s->event));
	if (fields & F_COMM) {
		p = text(p, s->comm);
		*p++ = ' ';
	}
	if (fields & F_PID)
		p = sdec(p, s->pid, 5);
	if ((fields & F_PID) && (fields & F_TID)) {
		char *start;

		*p++ = '/';
		start = p;
		p = sdec(p, s->tid, 0);
		while (p - start < 5)
			*p++ = ' ';
	} else if (fields & F_TID) {
		p = sdec(p, s->tid, 5);
	}
	if (fields & (F_PID | F_TID))
		*p++ = ' ';
	if (fields & F_CPU && s->cpu != UINT32_MAX) {
		*p++ = '[';
		p = dec(p, s->cpu, 3, '0');
		p = text(p, "] ");
	}
	if (fields & F_TIME) {
		p = dec(p, s->time / 1000000000, 5, ' ');
		*p++ = '.';
		p = dec(p, s->time % 1000000000 / 1000, 6, '0');
		p = text(p, ": ");
	}
	if (fields & F_PERIOD) {
		p = dec(p, s->period, 10, ' ');
		*p++ = ' ';
	}
	if (fields & F_EVENT) {
		p = text(p, s->event);
		p = text(p, ": ");
	}
	if (fields & F_COOKIE && s->cookie) {
		p = hex(text(p, "cookie=0x"), s->cookie);
		*p++ = ' ';
	}
	if (fields & F_PAIR) {
		p = text(text(p, "pair="), pair_name(s->pair));
		*p++ = ' ';
	}
	if (fields & F_LOST && s->pair == USTACK_PAIR_LOST) {
		p = text(text(p, "lost="), ustack_lost_name(s->lost));
		*p++ = ' ';
	}
	if (fields & F_CHANGED && s->stack_changed)
		p = text(p, "changed ");
	if (fields & F_UIP && sample_is_user(s)) {
		p = hex(text(p, "uip=0x"), s->ip);
		*p++ = ' ';
	}
	if (fields & F_END) {
		p = text(p, "end=");
		p = text(p, c->unwound ? end_word(c->end, word) : "-");
		*p++ = ' ';
	}
	*p++ = '\n';
	w->out.size = p - w->out.buf;
}

static void print_line(struct worker *w, const struct ustack_sample *s,
		       const struct line *l, unsigned int fields)
{
	struct ustack_symbol sym = { 0 };
	size_t names = 0;
	char *p;

	if (fields & (F_SYM | F_DSO | F_DSOFF)) {
		if (l->kernel)
			sym.path = "[kernel.kallsyms]";
		else /* a path may be known where no name is */
			ustack_symbolize(s->space, l->lookup, &sym);
		names = (sym.name ? strlen(sym.name) : 0) +
			(sym.path ? strlen(sym.path) : 0);
	}
	p = out_room(w, LINE_MAX + names);
	*p++ = '\t';
	if (fields & F_IP)
		p = hex16(p, l->ip);
	if (fields & F_SYM) {
		*p++ = ' ';
		p = text(p, sym.name ? sym.name : "[unknown]");
		/* Of the address shown, not of the one looked up. */
		if (fields & F_SYMOFF && sym.name)
			p = hex(text(p, "+0x"),
				sym.offset + (l->ip - l->lookup));
	}
	if (fields & (F_DSO | F_DSOFF)) {
		p = text(p, " (");
		p = text(p, sym.path ? sym.path : "[unknown]");
		if (fields & F_DSOFF && sym.path && !l->kernel)
			p = hex(text(p, "+0x"),
				sym.module_offset + (l->ip - l->lookup));
		*p++ = ')';
	}
	*p++ = '\n';
	w->out.size = p - w->out.buf;
}

static void script_sample(struct worker *w, const struct ustack_sample *s)
{
	unsigned int fields = *(const unsigned int *)w->arg;
	size_t i;

	if (fields & (F_FRAME | F_END))
		worker_chain(w, s);
	print_head(w, s, fields);
	if (!(fields & F_FRAME))
		return;
	for (i = 0; i < w->chain.nr; i++)
		print_line(w, s, &w->chain.line[i], fields);
	*out_room(w, 1) = '\n';
	w->out.size++;
}

int cmd_script(struct cli *cli, int argc, char **argv)
{
	const char *path, *list = NULL;
	unsigned int fields = F_DEFAULT;
	const struct task task = {
		.sample = script_sample,
		.arg = &fields,
	};
	int ret;

	ret = cli_options(cli, argc, argv, &path, &list);
	if (ret >= 0)
		return ret;
	if (list) {
		fields = parse_fields(list);
		if (!fields)
			return 2;
	}
	ret = cli_open(cli, path);
	if (ret)
		return cli_close(cli, ret);
	ret = cli_each(cli, &task);
	return cli_close(cli, ret ? 1 : 0);
}
