// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Names for people, and names made to be long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "name/demangle.h"

static void shows_as(const char *name, unsigned int flags, const char *expected)
{
	char *shown = name_shown(name, flags);

	assert_non_null(shown);
	assert_string_equal(shown, expected);
	free(shown);
}

static void shows(const char *name, const char *expected)
{
	shows_as(name, NAME_PARAMS, expected);
}

/* As perf shows them. */
static void cxx_without_params(void **state)
{
	(void)state;
	shows_as("_ZN1a1bEi", 0, "a::b");
	shows_as("_ZN1a1bEv.cold", 0, "a::b");
	shows_as("_ZN1a1cIiEEvT_", 0, "a::c<int>");
	shows_as("_ZNK1a1dEi", 0, "a::d");
	shows_as("_ZN1AcvT_I1BEI1CEEv", 0, "A::operator C<B><C>");
	shows_as("_ZZ1eiENKUliE_clEi", 0, "e(int)::{lambda(int)#1}::operator()");
	shows_as("_ZTI3fooIsE", 0, "typeinfo for foo<short>");
	/* Nor what follows that is none of the name. */
	shows_as("_ZN1a1bE!", 0, "a::b");
	shows_as("_ZN1a1bEi", NAME_PLT, "a::b@plt");
}

static void ocaml(void **state)
{
	(void)state;
	shows("camlStdlib__List__sort_572", "Stdlib.List.sort_572");
	shows("camlO__entry", "O.entry");
	shows("camlStdlib__$40_123", "Stdlib.@_123");
	shows("camlStdlib__$4", "Stdlib.$4");
	shows("camlStdlib__$00x", "Stdlib.$00x");
	shows("camlO__", "O__");
	assert_null(name_shown("caml_main", 0));
	assert_null(name_shown("camlinternal", 0));
}

static void d(void **state)
{
	char name[4096] = "_D8demangle4testF";

	(void)state;
	shows("_D8demangle4testFZv", "demangle.test()");
	shows("_D8demangle4testFaZv", "demangle.test(char)");
	shows("_D8demangle4testFZ", "_D8demangle4testFZ");
	assert_null(name_shown("_Dmain", 0));
	/* A pointer to a pointer to ... recurses, and references may double. */
	memset(name + strlen(name), 'P', 3000);
	shows(name, name);
	strcpy(name, "_D1a1bFTiiQdQdQdQdQdQdQdQdQdQdQdQdQdZv");
	shows(name, name);
}

static void go(void **state)
{
	(void)state;
	shows("runtime.goexit.abi0", "runtime.goexit");
	assert_null(name_shown("main.main", 0));
	assert_null(name_shown(".abi0", 0));
}

static void cxx(void **state)
{
	(void)state;
	shows("_ZN1a1bEi", "a::b(int)");
	shows("_ZN1a1bEv.cold", "a::b() [clone .cold]");
	shows("_ZN1AcvT_I1BEI1CEEv", "A::operator C<B><C>()");
	shows("_ZTI3fooIsE", "typeinfo for foo<short>");
	shows("_ZN1a1bE!", "_ZN1a1bE!");
	shows("_Z", "_Z");
}

#define PUNYCODE "u30____7hkackfecea1cbdathfdh9hlq6y"

/* The hash of the older scheme and the crates' are left out, as perf does. */
static void rust(void **state)
{
	(void)state;
	shows("_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar");
	shows("_RNvC1a1b.llvm.1234", "a::b");
	/* Lifetimes bound within the path of an impl: counted, not printed, 62^8 */
	shows("_RNvMINtC1a1bFGzzzzzzzz_EuEu1c", "_RNvMINtC1a1bFGzzzzzzzz_EuEu1c");
	shows("_RNvMINtC1a1bDGzzzzzzzz_EL_Eu1c", "_RNvMINtC1a1bDGzzzzzzzz_EL_Eu1c");
	shows("_RNvNtCsFGzzzzzzzz_7mycrate3foo3bar", "mycrate::foo::bar");
	shows("_RNqCs4fqI2P2rA04_11utf8_idents" PUNYCODE,
	      "utf8_idents::საჭმელად_გემრიელი_სადილი");
	shows("_ZN4core3fmt17h0123456789abcdefE", "core::fmt");
	shows("_ZN4core3ptr42drop_in_place$LT$alloc..string..String$GT$"
	      "17h0123456789abcdefE", "core::ptr::drop_in_place<alloc::string::String>");
	shows("_Read", "_Read");
}

static void unmangled(void **state)
{
	char *shown;

	(void)state;
	assert_null(name_shown("main", 0));
	assert_null(name_shown("", 0));
	shows("read@@GLIBC_2.2.5", "read");
	shown = name_shown("_ZN1a1bEv", NAME_PARAMS | NAME_PLT);
	assert_string_equal(shown, "a::b()@plt");
	free(shown);
}

/* n in the scheme's digits, as what refers back has it: 0 is "_", 1 is "0_" ... */
static void put_back(char **at, char what, unsigned int n, const char *digits)
{
	unsigned int base = strlen(digits), power = 1;

	*(*at)++ = what;
	if (n--) {
		while (n / power >= base)
			power *= base;
		for (; power; power /= base)
			*(*at)++ = digits[n / power % base];
	}
	*(*at)++ = '_';
}

/* f(A<int, int>, B<of that, twice>, C<of that, twice> ...) */
static void cxx_bomb(char *at, unsigned int levels)
{
	at = stpcpy(at, "_Z1f1AIiiE");
	for (unsigned int i = 0; i < levels; i++) {
		*at++ = '1';
		*at++ = 'B' + i;
		*at++ = 'I';
		for (int j = 0; j < 2; j++)
			put_back(&at, 'S', 2 * i + 1, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
		*at++ = 'E';
	}
	*at = 0;
}

/* a::b::<(i32, i32), (of that, twice), (of that, twice) ...> */
static void rust_bomb(char *name, unsigned int levels, const char *first)
{
	char *at = stpcpy(name, "_RINvC1a1b");
	unsigned int before = at - name - 2, here;

	at = stpcpy(at, first);
	for (unsigned int i = 0; i < levels; i++) {
		here = at - name - 2;
		*at++ = 'T';
		for (int j = 0; j < 2; j++)
			put_back(&at, 'B', before, "0123456789abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
		*at++ = 'E';
		before = here;
	}
	strcpy(at, "E");
}

static void conversion_bomb(char *at, const char *first, const char *level)
{
	at = stpcpy(stpcpy(at, "_Z"), first);
	for (int i = 0; i < 40; i++)
		at = stpcpy(at, level);
}

/* <()>::c in an impl of a::b<fn of 39,072 lifetimes, fn of as many ...> */
static void lifetime_bomb(char *name, unsigned int types)
{
	char *at = stpcpy(name, "_RNvMINtC1a1b");

	while (types--)
		at = stpcpy(at, "FGaaa_Eu");
	strcpy(at, "Eu1c");
}

/* What doubles at each reference ends at a limit, and then the name stays. */
static void bombs(void **state)
{
	char name[1024];

	(void)state;
	cxx_bomb(name, 2);
	shows(name, "f(A<int, int>, B<A<int, int>, A<int, int> >, "
		    "C<B<A<int, int>, A<int, int> >, B<A<int, int>, A<int, int> > >)");
	rust_bomb(name, 1, "TllE");
	shows(name, "a::b::<(i32, i32), ((i32, i32), (i32, i32))>");
	cxx_bomb(name, 26);
	shows(name, name);
	conversion_bomb(name, "", "NcvT1_Itl");
	shows(name, name);
	conversion_bomb(name, "cvSaI", "T0_I");
	shows(name, name);
	rust_bomb(name, 50, "TllE");
	shows(name, name);
	lifetime_bomb(name, 2);
	shows(name, "<()>::c");
	lifetime_bomb(name, 3);
	shows(name, name);
	/* An identifier that is on the heap while it is printed. */
	rust_bomb(name, 50, "NtC1a" PUNYCODE);
	shows(name, name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cxx),	     cmocka_unit_test(rust),
		cmocka_unit_test(cxx_without_params),
		cmocka_unit_test(ocaml),     cmocka_unit_test(d),
		cmocka_unit_test(go),
		cmocka_unit_test(unmangled), cmocka_unit_test(bombs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
