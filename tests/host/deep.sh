#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# A chain of 3,000 calls comes out whole: no limit of ours is below what a
# capture holds.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"

cat >deep.c <<'END'
volatile unsigned long sink;
__attribute__((noinline)) static void leaf(void) { for (long i = 0; i < 100000000; i++) sink += i; }
__attribute__((noinline)) static int deep(int n) { if (n) return deep(n - 1) + 1; leaf(); return 0; }
int main(void) { return deep(2999) + (int)sink == 1; }
END
gcc -O1 -fno-optimize-sibling-calls -o deep deep.c
perf record -q -B -N -e cpu-clock:u -F 99 --call-graph dwarf,65528 -o perf.data -- ./deep 2>log || { cat log; exit 1; }
"$top/build/libustack/ustack" fold -i perf.data >out
grep -q '^deep;_start;.*;main;deep;.*;leaf [0-9]*$' out || { cut -c -200 out; exit 1; }
best=$(sed 's/;leaf.*//' out | awk -F ';deep' 'NF > n { n = NF } END { print n - 1 }')
[ "$best" = 3000 ] || { echo "FAIL: $best calls of 3000"; exit 1; }
