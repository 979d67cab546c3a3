/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * What a file has before and behind its data: attributes, ids, event names and
 * build-ids come out of it.
 */
#ifndef USTACK_READ_HEADER_H
#define USTACK_READ_HEADER_H

#include "read/build_ids.h"
#include "read/datafile.h"
#include "read/event.h"

/* Reads magic, attrs and features; leaves fd at the first record. */
int header_read(struct datafile *df, struct events *es, struct build_ids *ids);
/*
 * One feature by its number; also the body of a HEADER_FEATURE record.  0 or
 * -errno and the line.
 */
int header_feature(unsigned int feat, const uint8_t *buf, size_t size,
		   struct events *es, struct build_ids *ids,
		   struct errline *line);

#endif
