// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* ustack stat: accounts of a file, one "key value" a line. */
#include "cli.h"

static void print(const char *key, uint64_t value)
{
	printf("%s %llu\n", key, (unsigned long long)value);
}

static void print_end(enum ustack_end end, uint64_t value)
{
	char word[END_WORD];

	printf("%s%s %llu\n", end == USTACK_END_FINISHED ? "" : "end_",
	       end_word(end, word), (unsigned long long)value);
}

#define NR_ENDS (USTACK_END_NO_REGS + 1)

static void stat_sample(struct worker *w, const struct ustack_sample *s)
{
	uint64_t *ends = w->own;

	worker_chain(w, s);
	if (w->chain.unwound)
		ends[w->chain.end]++;
}

static void stat_end(struct worker *w)
{
	uint64_t *all = w->arg, *ends = w->own;
	int end;

	for (end = 0; end < NR_ENDS; end++)
		all[end] += ends[end];
}

int cmd_stat(struct cli *cli, int argc, char **argv)
{
	uint64_t ends[NR_ENDS] = { 0 };
	const struct task task = {
		.sample = stat_sample,
		.end = stat_end,
		.arg = ends,
		.own_size = sizeof(ends),
	};
	struct ustack_stats st;
	const char *path;
	int ret, end, lost;

	ret = cli_options(cli, argc, argv, &path, NULL);
	if (ret >= 0)
		return ret;
	ret = cli_open(cli, path);
	if (ret)
		return cli_close(cli, ret);
	ret = cli_each(cli, &task);
	ustack_reader_stats(cli->reader, &st);
	print("samples", st.samples);
	print("legacy", st.legacy);
	print("paired", st.paired);
	print("lost", st.lost);
	for (lost = USTACK_LOST_NOT + 1; lost < USTACK_LOST_NR; lost++) {
		char key[32];

		snprintf(key, sizeof(key), "lost_%s", ustack_lost_name(lost));
		print(key, st.lost_by[lost]);
	}
	print("none", st.none);
	print("stacks", st.stacks);
	print("stacks_unused", st.stacks_unused);
	print("lost_records", st.lost_records);
	print("late_records", st.late_records);
	print("sample_bytes", st.sample_bytes);
	print("stack_bytes", st.stack_bytes);
	for (end = 0; end < NR_ENDS; end++)
		print_end(end, ends[end]);
	return cli_close(cli, ret ? 1 : 0);
}
