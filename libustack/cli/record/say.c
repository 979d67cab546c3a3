// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Error lines; a script that asked for JSON gets the first there, too. */
#include <stdarg.h>

#include "cli/cli.h"
#include "cli/record/say.h"

#define LINE_MAX 1024

static char first[LINE_MAX];

int record_error(const char *fmt, ...)
{
	char line[LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fprintf(stderr, "ustack: %s\n", line);
	if (!*first)
		snprintf(first, sizeof(first), "%s", line);
	return 1;
}

int record_error_json(FILE *to, const char *before, const char *after)
{
	char shown[LINE_MAX * NAME_ROOM];

	if (!*first)
		return 0;
	*put_name(shown, first) = 0;
	fprintf(to, "%s\"error\":", before);
	output_json(to, shown);
	fputs(after, to);
	*first = 0;
	return 1;
}
