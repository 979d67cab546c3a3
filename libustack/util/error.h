/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* The error line: what is wrong and what to do, to follow a file's name. */
#ifndef USTACK_UTIL_ERROR_H
#define USTACK_UTIL_ERROR_H

struct errline {
	char text[512];
};

/* Writes the line and returns -err. */
int errline_set(struct errline *line, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
