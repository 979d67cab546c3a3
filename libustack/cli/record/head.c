// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Headers, attributes and ids, as a file has them and as a pipe has. */
#include <errno.h>
#include <string.h>

#include "cli/record/head.h"
#include "cli/record/sample.h"

#define MAGIC "PERFILE2"
#define STRING_ALIGN 64 /* as perf pads the strings of its sections */

/* Bits of attr that Debian's headers lack: see read/perf_abi.h */
#define ATTR_FLAGS_AT 40
#define ATTR_NEW_FLAGS (~0ull << 38) /* Linux 7.3 and the series */

enum { REC_HEADER_ATTR = 64, REC_EVENT_UPDATE = 78, EVENT_UPDATE_NAME = 2 };

struct file_attr {
	struct perf_event_attr attr;
	struct section ids;
};

/* An event as the file has it: ordinary samples with a callchain. */
static struct perf_event_attr file_attr(const struct head *head, size_t i)
{
	struct perf_event_attr a = head->events[i].attr;
	uint64_t flags;

	memcpy(&flags, (char *)&a + ATTR_FLAGS_AT, sizeof(flags));
	flags &= ~ATTR_NEW_FLAGS;
	memcpy((char *)&a + ATTR_FLAGS_AT, &flags, sizeof(flags));
	a.size = sizeof(a);
	a.sample_type = RECORD_SAMPLE_TYPE;
	a.sample_id_all = 1;
	a.exclude_callchain_user = 0;
	if (head->stacks)
		a.sample_type |= PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
	else
		a.sample_regs_user = a.sample_stack_user = 0;
	if (a.sample_stack_user > RECORD_MAX)
		a.sample_stack_user = RECORD_MAX; /* more no sample may have */
	/* perf would want to know the fields of a tracepoint; none are kept. */
	if (a.type == PERF_TYPE_TRACEPOINT)
		a.type = PERF_TYPE_RAW;
	return a;
}

int head_string(struct bytes *to, const char *s)
{
	uint32_t len = (strlen(s) + STRING_ALIGN) / STRING_ALIGN * STRING_ALIGN;
	int ret = bytes_add(to, &len, sizeof(len));

	return ret ? ret : bytes_add_string(to, s, STRING_ALIGN);
}

int head_event_desc(const struct head *head, struct bytes *to)
{
	uint32_t first[2] = { head->nr, sizeof(struct perf_event_attr) };
	size_t i;
	int ret = bytes_add(to, first, sizeof(first));

	for (i = 0; i < head->nr && !ret; i++) {
		const struct record_event *ev = &head->events[i];
		struct perf_event_attr a = file_attr(head, i);
		uint32_t nr = ev->nr_ids;

		ret = bytes_add(to, &a, sizeof(a));
		if (!ret)
			ret = bytes_add(to, &nr, sizeof(nr));
		if (!ret)
			ret = head_string(to, ev->name);
		if (!ret)
			ret = bytes_add(to, ev->ids, ev->nr_ids * 8);
	}
	return ret;
}

static int add_attr(const struct head *head, size_t i, struct bytes *to)
{
	const size_t ids = head->events[i].nr_ids;
	struct perf_event_attr a = file_attr(head, i);
	struct perf_event_header h = { .type = REC_HEADER_ATTR };
	int ret;

	/* The size is of 16 bits. */
	if (ids > (RECORD_MAX - sizeof(h) - sizeof(a)) / 8)
		return -E2BIG;
	h.size = sizeof(h) + sizeof(a) + ids * 8;
	ret = bytes_add(to, &h, sizeof(h));
	if (!ret)
		ret = bytes_add(to, &a, sizeof(a));
	return ret ? ret : bytes_add(to, head->events[i].ids, ids * 8);
}

static int add_name(const struct record_event *ev, struct bytes *to)
{
	const uint64_t kind = EVENT_UPDATE_NAME;
	struct perf_event_header h = {
		.type = REC_EVENT_UPDATE,
		.size = sizeof(h) + 16 + (strlen(ev->name) + 8) / 8 * 8,
	};
	int ret = bytes_add(to, &h, sizeof(h));

	if (!ret)
		ret = bytes_add(to, &kind, 8);
	if (!ret)
		ret = bytes_add(to, ev->ids, 8);
	return ret ? ret : bytes_add_string(to, ev->name, 8);
}

int head_pipe(const struct head *head, struct bytes *to)
{
	const uint64_t size = 16;
	size_t i;
	int ret = bytes_add(to, MAGIC, 8);

	if (!ret)
		ret = bytes_add(to, &size, sizeof(size));
	for (i = 0; i < head->nr && !ret; i++)
		ret = add_attr(head, i, to);
	for (i = 0; i < head->nr && !ret; i++)
		ret = add_name(&head->events[i], to);
	return ret;
}

int head_file(const struct head *head, struct file_header *h, struct bytes *to)
{
	uint64_t ids_at = sizeof(*h);
	size_t i;
	int ret;

	memcpy(h->magic, MAGIC, 8);
	h->size = sizeof(*h);
	h->attr_size = sizeof(struct file_attr);
	h->attrs.size = head->nr * h->attr_size;
	h->attrs.offset = ids_at;
	for (i = 0; i < head->nr; i++)
		h->attrs.offset += head->events[i].nr_ids * 8;
	h->data.offset = h->attrs.offset + h->attrs.size;
	ret = bytes_add(to, h, sizeof(*h));
	for (i = 0; i < head->nr && !ret; i++)
		ret = bytes_add(to, head->events[i].ids,
				head->events[i].nr_ids * 8);
	for (i = 0; i < head->nr && !ret; i++) {
		struct file_attr a = {
			.attr = file_attr(head, i),
			.ids = { ids_at, head->events[i].nr_ids * 8 },
		};

		ids_at += a.ids.size;
		ret = bytes_add(to, &a, sizeof(a));
	}
	return ret;
}
