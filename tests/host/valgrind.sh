#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# Unit tests of what reads bytes, and ustack on small recordings, under
# memcheck: no error, no leak.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$top"
command -v valgrind >/dev/null || { echo "skipped: no valgrind here"; exit 77; }

check() { valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=all "$@"; }

for seed in tests/fuzz/corpus/whole/seed-*; do
	size=$(od -An -tu4 -N4 "$seed")
	tail -c +5 "$seed" | head -c $size >"$tmp/perf.data"
	check build/libustack/ustack script -i "$tmp/perf.data" >/dev/null
	check build/libustack/ustack fold -i - -j 2 <"$tmp/perf.data" >/dev/null
done
# order and pair push too many records through for this.
for test in record datafile calls process mem expr rule space demangle; do
	check build/unit/test_$test >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
done
