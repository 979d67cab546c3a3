// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* What a recorder has to ask the kernel for. */
#include <linux/perf_event.h>

#include "reader.h"

#define REGS_USER 0xff01ffull /* ax..ip, r8..r15 */
#define STACK_MAX 65528u /* a record with it has to fit 64 KiB */
#define DEFER_STACK_MAX (8u << 20)

int ustack_attr_init(struct perf_event_attr *attr, uint32_t stack_size,
		     int defer)
{
	uint64_t flags;

	/* Of a smaller attr the kernel would not see the registers. */
	if (attr->size < PERF_ATTR_SIZE_VER3 || !stack_size || stack_size % 8 ||
	    stack_size > (defer ? DEFER_STACK_MAX : STACK_MAX))
		return -EINVAL;
	attr->sample_type |= PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP |
			     PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
			     PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD |
			     PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_REGS_USER |
			     PERF_SAMPLE_STACK_USER;
	attr->sample_regs_user = REGS_USER;
	attr->sample_stack_user = stack_size;
	attr->exclude_callchain_user = 1; /* that is what the stack is for */
	attr->sample_id_all = 1;
	attr->mmap = 1;
	attr->mmap2 = 1;
	attr->comm = 1;
	attr->comm_exec = 1;
	attr->task = 1;
	/* The headers of most systems do not name these bits. */
	memcpy(&flags, (char *)attr + ATTR_FLAGS_AT, sizeof(flags));
	flags &= ~(ATTR_DEFER_OUTPUT | ATTR_DEFER_USER);
	if (defer)
		flags |= ATTR_DEFER_OUTPUT | ATTR_DEFER_USER;
	memcpy((char *)attr + ATTR_FLAGS_AT, &flags, sizeof(flags));
	return 0;
}
