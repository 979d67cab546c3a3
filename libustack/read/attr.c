// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* What a recorder has to ask the kernel for. */
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

#include "ustack.h"
#include "read/perf_abi.h"

/* The bits from first to last. */
#define REGS(first, last) ((2ull << (last)) - (1ull << (first)))
/* Without flags and segments, which nothing here needs. */
#define REGS_USER                                     \
	(REGS(USTACK_REG_X86_AX, USTACK_REG_X86_IP) | \
	 REGS(USTACK_REG_X86_R8, USTACK_REG_X86_R15))

#define STACK_MAX 65528u /* what the kernel allows */
#define DEFER_STACK_MAX (8u << 20)

int ustack_attr_init(struct perf_event_attr *attr, uint32_t stack_size,
		     int defer)
{
	uint64_t flags;

	/* In a smaller attr the kernel would not look for the registers. */
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
	/* Most systems' headers do not have these bits. */
	memcpy(&flags, (char *)attr + ATTR_FLAGS_AT, sizeof(flags));
	flags |= ATTR_BUILD_ID;
	flags &= ~ATTR_DEFER_USER;
	if (defer)
		flags |= ATTR_DEFER_USER;
	memcpy((char *)attr + ATTR_FLAGS_AT, &flags, sizeof(flags));
	return 0;
}
