/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * The perf clock, which the kernel tells in its records only: an event of our own,
 * and a record of it at will.
 */
#ifndef USTACK_CLI_RECORD_CLOCK_H
#define USTACK_CLI_RECORD_CLOCK_H

#include <stdint.h>

struct record_clock {
	int fd;
	uint8_t *ring;
};

/* Where that is not allowed the clock stands at 0. */
void clock_open(struct record_clock *c);
uint64_t clock_now(struct record_clock *c);
void clock_close(struct record_clock *c);

#endif
