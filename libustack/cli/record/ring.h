/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * One ring of the kernel's.
 *
 * The reader shall have all records, and the file those that are no samples.  So
 * the reader gets each ring with a control page of ours in front: its head is
 * where ring_scan() has been, and what the reader has taken goes back to the
 * kernel with capture_release().
 */
#ifndef USTACK_CLI_RECORD_RING_H
#define USTACK_CLI_RECORD_RING_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capture_ring {
	void *base; /* our control page, the kernel's, data */
	size_t size; /* of all that */
	struct perf_event_mmap_page *ours, *kernel;
	const uint8_t *data;
	uint64_t mask; /* size of data less 1 */
	uint64_t seen; /* by ring_scan() */
};

/* Maps the ring of fd, with data_size bytes of data.  0 or -errno. */
int ring_map(struct capture_ring *r, int fd, size_t data_size);
/*
 * Shows the reader what there is by now, and calls fn with each record that is
 * neither a sample nor a part of one.  0, what fn returned if that was not 0, or
 * -EBADMSG.
 */
int ring_scan(struct capture_ring *r, int (*fn)(void *arg, const void *record),
	      void *arg);

#endif
