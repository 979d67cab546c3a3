/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * The stays that are known: pair.c says what belongs to which and when one is
 * over; here they are found, wait, and go.
 */
#ifndef USTACK_READ_STAY_H
#define USTACK_READ_STAY_H

#include "read/pair.h"

struct stay *stay_find(const struct pairing *p, uint32_t tid, uint64_t cookie);
/* The same, made if there is none.  NULL: no memory. */
struct stay *stay_get(struct pairing *p, uint32_t tid, uint64_t cookie);
void stay_put(struct pairing *p, struct stay *st);
/* Forgets what came of its capture so far. */
void stay_forget(struct pairing *p, struct stay *st);
/* w waits for what the stay will bring. */
void stay_wait(struct pairing *p, struct stay *st, struct pending *w);
/* Lets go the samples that have all they wait for. */
void stay_serve(struct pairing *p, struct stay *st);
/*
 * Ends a stay: what still waits is lost, and its capture serves nobody else.
 * lost: why, USTACK_LOST_NOT for what the records tell.
 */
void stay_drop(struct pairing *p, struct stay *st, enum ustack_lost lost);
/* Lets it leave when its turn comes. */
void leave(struct pairing *p, struct pending *w);
/* Sends a sample on its way out: with the capture of st, or lost. */
void leave_paired(struct pairing *p, struct pending *w, struct stay *st);
void leave_lost(struct pairing *p, struct pending *w, enum ustack_lost lost);

#endif
