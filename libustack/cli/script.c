// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* ustack script: every sample and its chain, in the form of perf script. */
#include <string.h>

#include "cli/cli.h"

enum field {
	COMM,
	PID,
	TID,
	CPU,
	TIME,
	PERIOD,
	EVENT,
	COOKIE,
	PAIR,
	LOST,
	CHANGED,
	UIP,
	END,
	/* of a frame's line */
	IP,
	SYM,
	SYMOFF,
	DSO,
	DSOFF,
	SRCLINE,
	NR_FIELDS
};

static const struct {
	const char *name, *what;
} fields[NR_FIELDS] = {
	[COMM] = { "comm", "the thread's name" },
	[PID] = { "pid", "process" },
	[TID] = { "tid", "thread; PID/TID with pid" },
	[CPU] = { "cpu", "[CPU] the sample was taken on, if recorded" },
	[TIME] = { "time", "seconds on the perf clock" },
	[PERIOD] = { "period", "events the sample stands for" },
	[EVENT] = { "event", "name of the event" },
	[COOKIE] = { "cookie", "cookie=0xN of the deferred stack, if there is one" },
	[PAIR] = { "pair", "pair=WORD, where its stack is:" },
	[LOST] = { "lost", "lost=WORD, why the stack was lost:" },
	[CHANGED] = { "changed", "this word, if user ip or sp changed between sample and stack" },
	[UIP] = { "uip", "uip=0xN, the sample's own ip, if taken in user mode" },
	[END] = { "end", "end=WORD why the chain ends, end=- without a stack:" },
	[IP] = { "ip", "address" },
	[SYM] = { "sym", "function" },
	[SYMOFF] = { "symoff", "sym and +0xN: offset in the function" },
	[DSO] = { "dso", "(FILE) that is mapped there" },
	[DSOFF] = { "dsoff", "(FILE+0xN) with the address in the file" },
	[SRCLINE] = { "srcline", "FILE:LINE of the source if known, on a line of its own" },
};

#define BIT(field) (1u << (field))
#define ALL_OF_HEAD (BIT(IP) - 1)
#define ALL_OF_FRAME (BIT(NR_FIELDS) - BIT(IP))
#define DEFAULT                                                         \
	(BIT(COMM) | BIT(PID) | BIT(TID) | BIT(CPU) | BIT(TIME) |       \
	 BIT(PERIOD) | BIT(EVENT) | BIT(CHANGED) | BIT(IP) | BIT(SYM) | \
	 BIT(SYMOFF) | BIT(DSO))

static void words_help(enum field field)
{
	char word[END_WORD];
	int n;

	if (field == PAIR)
		for (n = 0; n < NR_PAIRS; n++)
			printf("    %-14s %s\n", pair_word(n), pair_what(n));
	if (field == LOST)
		for (n = USTACK_LOST_NOT + 1; n < USTACK_LOST_NR; n++)
			printf("    %-14s %s\n", ustack_lost_name(n),
			       lost_what(n));
	if (field == END)
		for (n = 0; n < NR_ENDS; n++)
			printf("    %-14s %s\n", end_word(n, word),
			       end_what(n));
}

static void script_help(void)
{
	int i;

	puts("Fields of a sample's line, printed in this order (*: without -F):");
	for (i = 0; i < NR_FIELDS; i++) {
		char name[16];

		if (i == IP)
			puts("\nFields of a frame's line:");
		snprintf(name, sizeof(name), "%s%s", fields[i].name,
			 DEFAULT & BIT(i) ? " *" : "");
		help_line(name, fields[i].what);
		words_help(i);
	}
}

static bool parse_fields(struct cli *cli, const char *list)
{
	const char *p = list;

	cli->fields = 0;
	do {
		size_t n = strcspn(p, ","), i;

		if (!n) {
			fprintf(stderr,
				"ustack: -F: '%s' has an empty field; see ustack script --help\n",
				list);
			return false;
		}
		for (i = 0; i < NR_FIELDS; i++)
			if (strlen(fields[i].name) == n &&
			    !strncmp(p, fields[i].name, n))
				break;
		if (i == NR_FIELDS) {
			fprintf(stderr,
				"ustack: -F: no field '%.*s'; see ustack script --help\n",
				(int)n, p);
			return false;
		}
		cli->fields |= BIT(i);
		p += n;
	} while (*p++);
	if (cli->fields & BIT(SYMOFF))
		cli->fields |= BIT(SYM);
	return true;
}

/* --- numbers and text: printf takes ten times as long ---------------------- */

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

/* The eight hexadecimal digits of v as text, the first in the lowest byte. */
static uint64_t digits(uint32_t v)
{
	const uint64_t ones = 0x0101010101010101;
	uint64_t x = v, letters;

	/* Spread the nibbles over the bytes; those above 9 become letters. */
	x = (x << 16 & 0x0000ffff00000000) | (x & 0xffff);
	x = (x << 8 & 0x00ff000000ff0000) | (x & 0x000000ff000000ff);
	x = (x << 4 & 0x0f000f000f000f00) | (x & 0x000f000f000f000f);
	letters = (x + 6 * ones) >> 4 & ones;
	return __builtin_bswap64(x + '0' * ones + letters * ('a' - '0' - 10));
}

/* Right-aligned to 16. */
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

#define HEAD_MAX 512 /* bytes of a sample's line without its names */
#define LINE_MAX 128 /* bytes of a frame's line without its names */

static char *put_task(char *p, const struct ustack_sample *s,
		      unsigned int which)
{
	if (which & BIT(COMM)) {
		p = put_name(p, s->comm);
		*p++ = ' ';
	}
	if (which & BIT(PID))
		p = sdec(p, s->pid, 5);
	if ((which & BIT(PID)) && (which & BIT(TID))) {
		char *start;

		*p++ = '/';
		start = p;
		p = sdec(p, s->tid, 0);
		while (p - start < 5)
			*p++ = ' ';
	} else if (which & BIT(TID)) {
		p = sdec(p, s->tid, 5);
	}
	if (which & (BIT(PID) | BIT(TID)))
		*p++ = ' ';
	return p;
}

static char *put_event(char *p, const struct ustack_sample *s,
		       unsigned int which)
{
	if (which & BIT(CPU) && s->cpu != UINT32_MAX) {
		*p++ = '[';
		p = dec(p, s->cpu, 3, '0');
		p = text(p, "] ");
	}
	if (which & BIT(TIME)) {
		p = dec(p, s->time / 1000000000, 5, ' ');
		*p++ = '.';
		p = dec(p, s->time % 1000000000 / 1000, 6, '0');
		p = text(p, ": ");
	}
	if (which & BIT(PERIOD)) {
		p = dec(p, s->period, 10, ' ');
		*p++ = ' ';
	}
	if (which & BIT(EVENT)) {
		p = put_name(p, s->event);
		p = text(p, ": ");
	}
	return p;
}

static char *put_stack(char *p, const struct ustack_sample *s,
		       const struct chain *c, unsigned int which)
{
	char word[END_WORD];

	if (which & BIT(COOKIE) && s->cookie) {
		p = hex(text(p, "cookie=0x"), s->cookie);
		*p++ = ' ';
	}
	if (which & BIT(PAIR)) {
		p = text(text(p, "pair="), pair_word(s->pair));
		*p++ = ' ';
	}
	if (which & BIT(LOST) && s->pair == USTACK_PAIR_LOST) {
		p = text(text(p, "lost="), ustack_lost_name(s->lost));
		*p++ = ' ';
	}
	if (which & BIT(CHANGED) && c->changed)
		p = text(p, "changed ");
	if (which & BIT(UIP) && sample_is_user(s)) {
		p = hex(text(p, "uip=0x"), s->ip);
		*p++ = ' ';
	}
	if (which & BIT(END)) {
		p = text(p, "end=");
		p = text(p, c->unwound ? end_word(c->end, word) : "-");
		*p++ = ' ';
	}
	return p;
}

static void print_head(struct worker *w, const struct ustack_sample *s,
		       unsigned int which)
{
	size_t names = strlen(s->comm) + strlen(s->event);
	char *p = out_room(w->cli, &w->out, HEAD_MAX + names * NAME_ROOM);

	p = put_task(p, s, which);
	p = put_event(p, s, which);
	p = put_stack(p, s, &w->chain, which);
	*p++ = '\n';
	w->out.size = p - w->out.buf;
}

/* One function of a line to its text; sym is that of the last one. */
static void put_frame(const struct cli *cli, struct out *out,
		      const struct line *l, const struct frame *f,
		      const struct ustack_symbol *sym)
{
	const unsigned int which = cli->fields;
	char room[FRAME_ROOM];
	const char *function = f->function || f->start ? frame_text(f, room) :
							 "[unknown]";
	const char *path = f->path ? f->path : "[unknown]";
	bool known = f->function || f->start;
	size_t names = strlen(function) + strlen(path) +
		       (f->file ? strlen(f->file) : 0);
	char *p = out_room(cli, out, LINE_MAX + names * NAME_ROOM);

	*p++ = '\t';
	if (which & BIT(IP))
		p = hex16(p, l->ip);
	if (which & BIT(SYM)) {
		*p++ = ' ';
		p = put_name(p, function);
		/* Of ip, not of the address looked up. */
		if (which & BIT(SYMOFF) && known && !f->inlined)
			p = hex(text(p, "+0x"),
				sym->offset + (l->ip - l->lookup));
	}
	if (f->inlined) {
		p = text(p, " (inlined)");
	} else if (which & (BIT(DSO) | BIT(DSOFF))) {
		p = text(p, " (");
		p = put_name(p, path);
		if (which & BIT(DSOFF) && f->path && !l->kernel)
			p = hex(text(p, "+0x"),
				sym->addr + (l->ip - l->lookup));
		*p++ = ')';
	}
	if (which & BIT(SRCLINE) && f->file) {
		p = text(p, "\n  ");
		p = put_name(p, f->file);
		*p++ = ':';
		p = dec(p, f->line, 1, ' ');
	}
	*p++ = '\n';
	out->size = p - out->buf;
}

static void print_line(struct worker *w, const struct ustack_sample *s,
		       const struct line *l, unsigned int which)
{
	const struct frame nameless = { .kernel = l->kernel };
	bool inlines = w->cli->inlines, source = which & BIT(SRCLINE);
	const struct frames *f = &w->frames;
	struct named *k;

	if (!(which & (ALL_OF_FRAME & ~BIT(IP)))) {
		put_frame(w->cli, &w->out, l, &nameless, &f->sym);
		return;
	}
	k = named_line(w, s, l, inlines || source);
	if (!k->made.size) {
		for (size_t i = inlines ? 0 : f->nr - 1; i < f->nr; i++)
			put_frame(w->cli, &k->made, l, &f->frame[i], &f->sym);
		named_made(k);
	}
	out_add(w->cli, &w->out, k->made.buf, k->made.size);
}

static void script_sample(struct worker *w, const struct ustack_sample *s)
{
	unsigned int which = w->cli->fields;
	size_t i;

	if (which & (ALL_OF_FRAME | BIT(END)))
		worker_chain(w, s);
	if (which & ALL_OF_HEAD)
		print_head(w, s, which);
	if (!(which & ALL_OF_FRAME))
		return;
	for (i = 0; i < w->chain.nr; i++)
		print_line(w, s, &w->chain.line[i], which);
	out_add(w->cli, &w->out, "\n", 1);
}

static int script_run(struct cli *cli)
{
	const struct task task = { .sample = script_sample };

	if (!cli->fields)
		cli->fields = DEFAULT;
	return cli_each(cli, &task);
}

const struct command cmd_script = {
	.name = "script",
	.what = "Every sample and its chain, in the form of perf script",
	.as_it_goes = true,
	.fields = parse_fields,
	.help = script_help,
	.run = script_run,
};
