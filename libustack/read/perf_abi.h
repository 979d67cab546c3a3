/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* The parts of perf's ABI that the headers of Debian 12 (Linux 6.1) lack. */
#ifndef USTACK_READ_PERF_ABI_H
#define USTACK_READ_PERF_ABI_H

#include <stdint.h>

enum {
	/* include/uapi/linux/perf_event.h, Linux 7.3 */
	REC_CALLCHAIN_DEFERRED = 22,
	/* kernel-patches: perf: deferred user stacks */
	REC_STACK_DEFERRED = 23,
	/* tools/lib/perf/include/perf/event.h, Linux 7.3 */
	REC_COMPRESSED2 = 83,
};

#define CONTEXT_USER_DEFERRED ((uint64_t)-640)

/* The flags of PERF_RECORD_STACK_DEFERRED; a record with others is left out. */
#define STACK_FIRST (1u << 0) /* has the registers */
#define STACK_CHANGED (1u << 1) /* ip or sp are not those of the first sample */
#define STACK_ALT (1u << 2) /* what a signal on another stack interrupted */
#define STACK_CUT (1u << 3) /* not all could be read */
#define STACK_THROTTLED (1u << 4) /* left out, captures took too much time */
#define STACK_FLAGS 0x1fu

#define BRANCH_COUNTERS (1ull << 19)

/* The 64-bit flag word of struct perf_event_attr: its offset and bits. */
#define ATTR_FLAGS_AT 40
#define ATTR_FREQ (1ull << 10)
#define ATTR_SAMPLE_ID_ALL (1ull << 18)
#define ATTR_BUILD_ID (1ull << 34)
#define ATTR_DEFER_CALLCHAIN (1ull << 38)
#define ATTR_DEFER_USER (1ull << 40)

/* Records that perf itself writes (tools/lib/perf, perf/event.h). */
enum {
	REC_HEADER_ATTR = 64,
	REC_HEADER_TRACING_DATA = 66,
	REC_HEADER_BUILD_ID = 67,
	REC_FINISHED_ROUND = 68,
	REC_AUXTRACE = 71,
	REC_EVENT_UPDATE = 78,
	REC_HEADER_FEATURE = 80,
	REC_COMPRESSED = 81,
};

#define REC_USER_TYPES 64 /* all types below are the kernel's */

/* Sections of the feature area behind the data (tools/perf/util/header.h). */
enum {
	FEAT_BUILD_ID = 2,
	FEAT_HOSTNAME = 3,
	FEAT_ARCH = 6,
	FEAT_EVENT_DESC = 12,
	FEAT_BITS = 256,
};

#endif
