// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* ustack stat: accounts of a recording, one "key value" a line. */
#include <stddef.h>
#include <string.h>

#include "cli/cli.h"

#define KEY_MAX 64

#define STAT(field, text) { #field, offsetof(struct ustack_stats, field), text }

struct key {
	const char *name;
	size_t offset; /* in struct ustack_stats */
	const char *what;
};

/* Those of struct ustack_stats, before and after lost_REASON. */
static const struct key pairing[] = {
	STAT(samples, "samples that pass the filters; each is one of the next four"),
	STAT(none, "no stack was asked for, or the task has none"),
	STAT(legacy, "with the stack in the sample itself"),
	STAT(paired, "that met their deferred stack"),
	STAT(lost, "whose deferred stack never came; by reason:"),
};

/* Behind lost_REASON. */
#define CHANGED "changed"
#define IN_CAPTURE "in_capture"
#define SAMPLE_BYTES "sample_bytes"
#define WAITED "waited_ns"

static const struct key records[] = {
	STAT(stacks, "deferred stacks in the recording"),
	STAT(stacks_unused, "deferred stacks that no sample waited for"),
	STAT(lost_records, "records the kernel had no room for"),
	STAT(late_records, "records out of order, too late for their place"),
	STAT(stack_bytes, "bytes of all deferred stacks"),
	STAT(unknown_records, "left out: no event of the recording has their id"),
	STAT(late_samples, "out of time order, as their stack came late"),
};

#define NR(keys) (sizeof(keys) / sizeof(*(keys)))

static const char *lost_key(enum ustack_lost lost, char key[KEY_MAX])
{
	snprintf(key, KEY_MAX, "lost_%s", ustack_lost_name(lost));
	return key;
}

static const char *end_key(enum ustack_end end, char key[KEY_MAX])
{
	char word[END_WORD];

	snprintf(key, KEY_MAX, "%s%s",
		 end == USTACK_END_FINISHED ? "" : "end_",
		 end_word(end, word));
	return key;
}

static void stat_help(void)
{
	char key[KEY_MAX];
	size_t i;
	int n;

	puts("Keys, counts unless they say bytes:");
	for (i = 0; i < NR(pairing); i++)
		help_line(pairing[i].name, pairing[i].what);
	for (n = USTACK_LOST_NOT + 1; n < USTACK_LOST_NR; n++)
		help_line(lost_key(n, key), lost_what(n));
	help_line(CHANGED, "whose stack is of a later state of the thread");
	help_line(IN_CAPTURE, "that hit the capture of a stack, by the kernel's frames");
	help_line(SAMPLE_BYTES, "bytes of these samples");
	help_line(WAITED, "how long threads waited, by samples of " OFF_CPU_EVENT);
	puts("\nOf the whole recording, whatever the filters:");
	for (i = 0; i < NR(records); i++)
		help_line(records[i].name, records[i].what);
	puts("\n"
	     "Chains that were unwound, by why they ended:");
	for (n = 0; n < NR_ENDS; n++)
		help_line(end_key(n, key), end_what(n));
}

static void print(const char *key, uint64_t value)
{
	printf("%s %llu\n", key, (unsigned long long)value);
}

static void print_stats(const struct ustack_stats *st, const struct key *keys,
			size_t nr)
{
	for (; nr; nr--, keys++)
		print(keys->name,
		      *(const uint64_t *)((const char *)st + keys->offset));
}

/* Of the samples that are wanted. */
struct counts {
	struct ustack_stats st; /* what tells of samples */
	uint64_t changed, waited, in_capture;
	uint64_t ends[NR_ENDS];
};

static void count_pair(struct ustack_stats *st, const struct ustack_sample *s)
{
	switch (s->pair) {
	case USTACK_PAIR_NONE:
		st->none++;
		break;
	case USTACK_PAIR_LEGACY:
		st->legacy++;
		break;
	case USTACK_PAIR_PAIRED:
		st->paired++;
		break;
	case USTACK_PAIR_LOST:
		st->lost++;
		st->lost_by[s->lost]++;
		break;
	}
}

/*
 * Did it hit the capture of a deferred stack?  That runs below one of two functions:
 * on the way back to user mode, and on the CPU of a ring that the task has left.
 */
static bool hit_capture(const struct chain *c, const struct ustack_sample *s)
{
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	const struct line *l = c->line, *end = l + c->nr;

	if (!s->kernel || (s->pair != USTACK_PAIR_PAIRED && s->pair != USTACK_PAIR_LOST))
		return false;
	for (; l < end && l->kernel; l++)
		if (!l->guest && !ustack_symbolize(s->kernel, l->lookup, &sym) &&
		    (!strcmp(sym.name, "perf_defer_callback") ||
		     !strcmp(sym.name, "perf_defer_output")))
			return true;
	return false;
}

static void stat_sample(struct worker *w, const struct ustack_sample *s)
{
	struct counts *c = w->own;

	worker_chain(w, s);
	c->st.samples++;
	c->st.sample_bytes += s->record_size;
	count_pair(&c->st, s);
	c->changed += w->chain.changed;
	if (!strcmp(s->event, OFF_CPU_EVENT))
		c->waited += s->period;
	c->in_capture += hit_capture(&w->chain, s);
	if (w->chain.unwound)
		c->ends[w->chain.end]++;
}

static void stat_end(struct worker *w)
{
	struct counts *all = w->arg, *c = w->own;
	int n;

	all->st.samples += c->st.samples;
	all->st.sample_bytes += c->st.sample_bytes;
	all->st.none += c->st.none;
	all->st.legacy += c->st.legacy;
	all->st.paired += c->st.paired;
	all->st.lost += c->st.lost;
	for (n = 0; n < USTACK_LOST_NR; n++)
		all->st.lost_by[n] += c->st.lost_by[n];
	all->changed += c->changed;
	all->waited += c->waited;
	all->in_capture += c->in_capture;
	for (n = 0; n < NR_ENDS; n++)
		all->ends[n] += c->ends[n];
}

/* What no sample tells. */
static void add_recording(struct ustack_stats *st, struct ustack_reader *reader)
{
	struct ustack_stats all = { .sz = sizeof(all) };

	ustack_reader_stats(reader, &all);
	st->stacks = all.stacks;
	st->stacks_unused = all.stacks_unused;
	st->lost_records = all.lost_records;
	st->late_records = all.late_records;
	st->stack_bytes = all.stack_bytes;
	st->unknown_records = all.unknown_records;
	st->late_samples = all.late_samples;
}

static int stat_run(struct cli *cli)
{
	struct counts all = { 0 };
	const struct task task = {
		.sample = stat_sample,
		.end = stat_end,
		.arg = &all,
		.own_size = sizeof(all),
	};
	char key[KEY_MAX];
	int ret, n;

	ret = cli_each(cli, &task);
	add_recording(&all.st, cli->reader);
	print_stats(&all.st, pairing, NR(pairing));
	for (n = USTACK_LOST_NOT + 1; n < USTACK_LOST_NR; n++)
		print(lost_key(n, key), all.st.lost_by[n]);
	print(CHANGED, all.changed);
	print(IN_CAPTURE, all.in_capture);
	print(SAMPLE_BYTES, all.st.sample_bytes);
	print(WAITED, all.waited);
	print_stats(&all.st, records, NR(records));
	for (n = 0; n < NR_ENDS; n++)
		print(end_key(n, key), all.ends[n]);
	return ret;
}

const struct command cmd_stat = {
	.name = "stat",
	.what = "Accounts by key: stacks, losses and how the chains ended",
	.help = stat_help,
	.run = stat_run,
};
