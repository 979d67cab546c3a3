// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Names of C++ and Rust for people: libiberty's demanglers with a limit. */
#include <ctype.h>
#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "name/demangle.h"

/*
 * A name that refers back to parts of itself, twice each time, is as long as 2 to
 * the power of its references.  Real ones have a few KB.
 */
#define LONGEST (64 * 1024)

/*
 * In an operator that converts to a type, libiberty parses the arguments of a
 * template's parameter twice, and those within them twice again.
 */
#define DEEPEST_CONVERSION 10

struct out {
	char *text;		/* of LONGEST bytes */
	size_t size;
	bool full;
	jmp_buf too_long;
};

static bool is_cxx(const char *name)
{
	return !strncmp(name, "_Z", 2);
}

static bool is_rust(const char *name)
{
	return !strncmp(name, "_R", 2);
}

static void put(struct out *out, const char *text, size_t size)
{
	if (size >= LONGEST - out->size) {
		out->full = true;
		return;
	}
	memcpy(out->text + out->size, text, size);
	out->size += size;
}

/*
 * Nothing but a jump ends a demangler early.  It loses no memory: those that call
 * back have all of theirs on the stack.
 */
static void put_cxx(const char *text, size_t size, void *arg)
{
	struct out *out = arg;

	put(out, text, size);
	if (out->full)
		longjmp(out->too_long, 1);
}

/* Except for Rust's identifiers in punycode: jump from what stands between. */
static void put_rust(const char *text, size_t size, void *arg)
{
	struct out *out = arg;

	put(out, text, size);
	if (out->full && strchr("<:,&([", *text))
		longjmp(out->too_long, 1);
}

/* With "cv", the operator, and that many of "T_I", "T0_I" ... */
static bool is_deep_conversion(const char *name)
{
	unsigned int n = 0;

	if (!strstr(name, "cv"))
		return false;
	for (const char *at = name; (at = strstr(at, "_I")); at++) {
		const char *digits = at;

		while (digits > name && (isdigit(digits[-1]) || isupper(digits[-1])))
			n += *--digits == 'T';
	}
	return n > DEEPEST_CONVERSION;
}

static bool print(const char *name, struct out *out)
{
	if (setjmp(out->too_long))
		return false;
	/* Rust's older scheme is C++'s with a hash behind it. */
	if (rust_demangle_callback(name, 0, put_rust, out))
		return !out->full;
	out->size = 0;
	out->full = false;
	return is_cxx(name) && !is_deep_conversion(name) &&
	       cplus_demangle_v3_callback(name, DMGL_PARAMS | DMGL_TYPES, put_cxx, out);
}

static char *demangle(char *name)
{
	struct out out = { .text = malloc(LONGEST) };
	char *plain;

	if (!out.text)
		return name;
	if (!print(name, &out)) {
		free(out.text);
		return name;
	}
	free(name);
	out.text[out.size] = 0;
	plain = realloc(out.text, out.size + 1);
	return plain ? plain : out.text;
}

char *name_shown(const char *name, bool plt)
{
	const char *version = strstr(name, "@@");
	char *shown, *stub;

	if (!version && !plt && !is_cxx(name) && !is_rust(name))
		return NULL;
	/*
	 * .symtab has "NAME@@VERSION" for what .dynsym calls NAME: which of
	 * them a file has must not make a difference.
	 */
	shown = version ? strndup(name, version - name) : strdup(name);
	if (!shown)
		return NULL;
	if (is_cxx(shown) || is_rust(shown))
		shown = demangle(shown);
	if (plt && asprintf(&stub, "%s@plt", shown) >= 0) {
		free(shown);
		shown = stub;
	}
	return shown;
}
