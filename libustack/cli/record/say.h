/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* What ustack record says of its errors, in words and as JSON. */
#ifndef USTACK_CLI_RECORD_SAY_H
#define USTACK_CLI_RECORD_SAY_H

#include <stdio.h>

/* An error line; the first of them is kept.  Returns 1. */
int record_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* "error":"..." of the first, once; 0 if there is none any more. */
int record_error_json(FILE *to, const char *before, const char *after);

#endif
