// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Names for people: C++, Rust and D by libiberty's demanglers with a limit, OCaml's
 * and Go's here.
 */
#include <ctype.h>
#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
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

/*
 * D's demangler recurses, and a reference to a type may lead to others, twice each
 * time; it does not call back.
 */
#define LONGEST_D 2048
#define MOST_REFERENCES_D 12

/*
 * In the path of an impl libiberty counts the lifetimes that types bind without
 * printing, and their number may be up to 2 to the power of 64.
 */
#define MOST_BOUND 100000

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

static bool is_d(const char *name)
{
	return !strncmp(name, "_D", 2) && isdigit((unsigned char)name[2]);
}

static bool is_ocaml(const char *name)
{
	return !strncmp(name, "caml", 4) && isupper((unsigned char)name[4]);
}

/* Of the assembly functions of Go, which its own table has without this. */
static size_t go_suffix(const char *name, size_t size)
{
	static const char suffix[] = ".abi0";
	size_t n = sizeof(suffix) - 1;

	return size > n && !memcmp(name + size - n, suffix, n) ? n : 0;
}

static bool is_mangled(const char *name)
{
	return is_cxx(name) || is_rust(name) || is_d(name) || is_ocaml(name);
}

static void put(struct out *out, const char *text, size_t size)
{
	if (size >= LONGEST - out->size) {
		out->full = true;
		return;
	}
	if (!size)
		return;
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
	if (out->full && size && strchr("<:,&([", *text))
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

static unsigned int base_62_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' :
	       islower((unsigned char)c) ? c - 'a' + 10 : c - 'A' + 36;
}

/*
 * A type of functions or of traits, "F" or "D", and what it binds, "G" and a number to
 * the base of 62.  "Cs" and the hash of a crate may look so.
 */
static bool binds_many(const char *name)
{
	uint64_t bound = 0;

	while (*name) {
		bool is_crate = !strncmp(name, "Cs", 2);
		uint64_t n = 0;

		if (!is_crate && strncmp(name, "FG", 2) && strncmp(name, "DG", 2)) {
			name++;
			continue;
		}
		for (name += 2; isalnum((unsigned char)*name); name++)
			if (n <= MOST_BOUND)
				n = 62 * n + base_62_digit(*name);
		if (!is_crate && *name == '_')
			bound += n + 2;
		if (bound > MOST_BOUND)
			return true;
	}
	return false;
}

static bool print(const char *name, bool params, struct out *out)
{
	int flags = params ? DMGL_PARAMS | DMGL_TYPES : DMGL_NO_OPTS;

	if (setjmp(out->too_long))
		return false;
	if (is_rust(name) && binds_many(name))
		return false;
	/* Rust's older scheme is C++'s with a hash behind it. */
	if (rust_demangle_callback(name, 0, put_rust, out))
		return !out->full;
	out->size = 0;
	out->full = false;
	return is_cxx(name) && !is_deep_conversion(name) &&
	       cplus_demangle_v3_callback(name, flags, put_cxx, out);
}

static int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* "caml", then modules with "__" between; "$xx" is an operator's character. */
static char *ocaml(char *name)
{
	const char *at = name + 4;
	char *to = name;

	while (*at) {
		if (at[0] == '_' && at[1] == '_' && at[2]) {
			*to++ = '.';
			at += 2;
		} else if (at[0] == '$' && isxdigit((unsigned char)at[1]) &&
			   isxdigit((unsigned char)at[2]) &&
			   hex_digit(at[1]) + hex_digit(at[2])) {
			*to++ = hex_digit(at[1]) << 4 | hex_digit(at[2]);
			at += 3;
		} else {
			*to++ = *at++;
		}
	}
	*to = 0;
	return name;
}

static char *d(char *name)
{
	size_t references = 0, n;
	char *plain;

	for (n = 0; name[n]; n++)
		references += name[n] == 'Q';
	if (n > LONGEST_D || references > MOST_REFERENCES_D)
		return name;
	plain = dlang_demangle(name, DMGL_DLANG);
	if (!plain)
		return name;
	free(name);
	return plain;
}

static char *cxx_or_rust(char *name, bool params)
{
	struct out out = { .text = malloc(LONGEST) };
	char *plain;

	if (!out.text)
		return name;
	if (!print(name, params, &out)) {
		free(out.text);
		return name;
	}
	free(name);
	out.text[out.size] = 0;
	plain = realloc(out.text, out.size + 1);
	return plain ? plain : out.text;
}

static char *demangle(char *name, bool params)
{
	if (is_cxx(name) || is_rust(name))
		return cxx_or_rust(name, params);
	if (is_d(name))
		return d(name);
	return is_ocaml(name) ? ocaml(name) : name;
}

char *name_shown(const char *name, unsigned int flags)
{
	const char *version = strstr(name, "@@");
	size_t size = version ? (size_t)(version - name) : strlen(name);
	size_t suffix = go_suffix(name, size);
	char *shown, *stub;

	if (!version && !suffix && !(flags & NAME_PLT) && !is_mangled(name))
		return NULL;
	/*
	 * .symtab has "NAME@@VERSION" for what .dynsym calls NAME: which of
	 * them a file has must not make a difference.
	 */
	shown = strndup(name, size - suffix);
	if (!shown)
		return NULL;
	shown = demangle(shown, flags & NAME_PARAMS);
	if (flags & NAME_PLT && asprintf(&stub, "%s@plt", shown) >= 0) {
		free(shown);
		shown = stub;
	}
	return shown;
}
