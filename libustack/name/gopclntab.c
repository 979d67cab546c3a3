// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The table that Go's run-time finds its own functions by.  Unlike symbols, no
 * strip takes it out: where .symtab is gone it has the names of all functions.
 *
 * It begins with a magic number that tells the version, two zeroes, the size of an
 * instruction's unit and that of an address.  Behind them, since Go 1.16, are the
 * number of functions and the offsets of its parts, among them that of the
 * functions: pairs of a pc and an offset to more, at which is the offset of the name.
 */
#include <errno.h>
#include <elf.h>
#include <string.h>

#include "module/section.h"
#include "name/symbols.h"
#include "util/bytes.h"

enum version {
	GO_1_2 = 0xfffffffb,
	GO_1_16 = 0xfffffffa,
	GO_1_18 = 0xfffffff0,	/* pcs are relative to the text */
	GO_1_20 = 0xfffffff1,
};

struct go_table {
	const uint8_t *data;
	size_t size;
	enum version version;
	unsigned int word;	/* bytes of an address */
	unsigned int field;	/* and of what a function is described by */
	uint64_t nr, text;
	uint64_t names, functions;	/* offsets */
};

/* The number at offset at; *bad: it is outside. */
static uint64_t number(const struct go_table *t, uint64_t at, unsigned int size,
		       bool *bad)
{
	struct buf b = { t->data, t->data + t->size, false };
	uint64_t val;

	buf_skip(&b, at);
	val = buf_uint(&b, size);
	*bad |= b.bad;
	return val;
}

static bool read_header(struct go_table *t)
{
	bool bad = false;
	uint64_t at = 8;

	t->version = number(t, 0, 4, &bad);
	t->word = number(t, 7, 1, &bad);
	if (bad || (t->word != 4 && t->word != 8))
		return false;
	t->nr = number(t, at, t->word, &bad);
	t->field = t->word;
	switch (t->version) {
	case GO_1_2:
		t->functions = at + t->word;
		return !bad;
	case GO_1_16:
		t->names = number(t, at + 2 * t->word, t->word, &bad);
		t->functions = number(t, at + 6 * t->word, t->word, &bad);
		return !bad;
	case GO_1_18:
	case GO_1_20:
		/* 0: it is relocated when the program starts. */
		if (number(t, at + 2 * t->word, t->word, &bad))
			t->text = number(t, at + 2 * t->word, t->word, &bad);
		t->names = number(t, at + 3 * t->word, t->word, &bad);
		t->functions = number(t, at + 7 * t->word, t->word, &bad);
		t->field = 4;
		return !bad;
	}
	return false;
}

static const char *read_name(const struct go_table *t, uint64_t function,
			     bool *bad)
{
	uint64_t at = t->names + number(t, function + t->field, 4, bad);
	const char *name;

	if (*bad || at < t->names || at >= t->size)
		return NULL;
	name = (const char *)t->data + at;
	return *name && memchr(name, 0, t->size - at) ? name : NULL;
}

int go_read(struct symbols *symbols, const struct section *table, uint64_t text)
{
	struct go_table t = { .data = table->data, .size = table->size,
			      .text = text };
	bool bad = false;

	if (!read_header(&t) || t.functions > t.size ||
	    t.nr > (t.size - t.functions) / (2 * t.field))
		return 0;
	for (uint64_t i = 0; i < t.nr; i++) {
		uint64_t at = t.functions + 2 * t.field * i;
		uint64_t start = number(&t, at, t.field, &bad);
		uint64_t more = number(&t, at + t.field, t.field, &bad);
		uint64_t end = number(&t, at + 2 * t.field, t.field, &bad);
		const char *name;
		struct symbol *s;

		if (t.field == 4 && t.version != GO_1_2 && t.version != GO_1_16) {
			start += t.text;
			end += t.text;
		}
		/* It is relative to the functions since it does not begin with them. */
		name = read_name(&t, more + (t.names ? t.functions : 0), &bad);
		if (bad)
			return 0;
		if (!name || end <= start)
			continue;
		s = symbols_add(symbols);
		if (!s)
			return -ENOMEM;
		s->start = start;
		s->end = end;
		s->name = name;
		s->bind = STB_LOCAL;
	}
	return 0;
}
