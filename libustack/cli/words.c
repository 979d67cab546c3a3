// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The words that stand for enums in the output, and what --help says of them. */
#include <string.h>

#include "cli/cli.h"

const char *plural(uint64_t nr)
{
	return nr == 1 ? "" : "s";
}

const char *pair_word(enum ustack_pair pair)
{
	static const char *const words[] = {
		[USTACK_PAIR_NONE] = "none",
		[USTACK_PAIR_LEGACY] = "legacy",
		[USTACK_PAIR_PAIRED] = "paired",
		[USTACK_PAIR_LOST] = "lost",
	};

	return words[pair];
}

const char *pair_what(enum ustack_pair pair)
{
	static const char *const what[] = {
		[USTACK_PAIR_NONE] = "no stack was asked for, or the task has none",
		[USTACK_PAIR_LEGACY] = "the stack is in the sample itself",
		[USTACK_PAIR_PAIRED] = "the sample met its deferred stack",
		[USTACK_PAIR_LOST] = "its deferred stack never came, or not all of it",
	};

	return what[pair];
}

const char *lost_what(enum ustack_lost lost)
{
	static const char *const what[] = {
		[USTACK_LOST_RING] = "a ring was full while the sample waited",
		[USTACK_LOST_PART] = "a part of the stack is missing",
		[USTACK_LOST_END] = "the recording ended before the task ran again",
		[USTACK_LOST_EXIT] = "the task exited without one",
		[USTACK_LOST_MISSED] = "the event was off, or not on the task's CPU",
		[USTACK_LOST_COOKIE] = "the sample has no cookie",
		[USTACK_LOST_MEMORY] = "more samples waited than ustack keeps",
		[USTACK_LOST_THROTTLED] = "stacks took too much time, says the kernel",
	};

	return what[lost];
}

const char *end_word(enum ustack_end end, char word[END_WORD])
{
	char *p;

	snprintf(word, END_WORD, "%s", ustack_end_name(end));
	for (p = word; (p = strchr(p, ' ')); p++)
		*p = '_';
	return word;
}

const char *end_what(enum ustack_end end)
{
	static const char *const what[] = {
		[USTACK_END_FINISHED] = "complete: the outermost frame was reached",
		[USTACK_END_TRUNCATED] = "the stack goes on beyond what was captured",
		[USTACK_END_NO_RULE] = "no unwind information for an address",
		[USTACK_END_BAD_MEMORY] = "the next frame would lie outside any stack",
		[USTACK_END_LOOP] = "the next frame would not lie further out",
		[USTACK_END_LIMIT] = "more frames than ustack keeps",
		[USTACK_END_NO_REGS] = "a register that is needed was not captured",
	};

	return what[end];
}
