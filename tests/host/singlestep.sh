#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# A static-pie C++ program, unwound at each of its instructions: callbacks from
# libc, a realigned stack, an exception with a cleanup on its way and thrown
# again, libgcc's own frames, longjmp.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/program.cc" <<'END'
#include <alloca.h>
#include <csetjmp>
#include <cstdlib>
#include <cstring>

#define APART __attribute__((noipa))

static jmp_buf before;
static int left;

struct guard {
	APART ~guard() { left++; }
};

// Out of several frames, with a cleanup on the way.
APART void throws(int n) { if (n) throw n; }
APART int cleans(int n) { guard g; throws(n); return n; }
// A realigned stack.
APART int realigns(int n)
{
	alignas(64) char buf[64];
	char *p = (char *)alloca(n + 1);

	memset(buf, n, sizeof(buf));
	memcpy(p, buf, n + 1);
	return cleans(p[n]);
}
APART int rethrows(int n)
{
	try {
		return realigns(n);
	} catch (int m) {
		left += m;
		throw;
	}
}
APART int catches(int n)
{
	try {
		return rethrows(n);
	} catch (int m) {
		return -m;
	}
}
APART void jumps(int n) { if (n) longjmp(before, n); }
APART int compare(const void *a, const void *b)
{
	int n = *(const char *)a;

	return n - *(const char *)b;
}

int main()
{
	char letters[] = "static";

	qsort(letters, 6, 1, compare);
	if (!setjmp(before))
		jumps(1);
	return catches(5) != -5 || left != 6;
}
END
g++ -O2 -static-pie -o "$tmp/program" "$tmp/program.cc"
"$tmp/program"
status=0
"$top/build/unit/test_singlestep" "$tmp/program" | tee "$tmp/log" || status=$?
[ $status = 0 ] || exit $status
# The cleanup, the handler that throws on, that of catches(), and longjmp().
grep -q ' 5 landings (.* before): 0 chains wrong, 0 excused$' "$tmp/log" ||
	{ echo "FAIL: no landings, or chains that are excused"; exit 1; }
