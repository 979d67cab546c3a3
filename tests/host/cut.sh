#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# ustack on cut recordings, as test_cut has every prefix of them: what is there
# comes out, one line says that the rest is missing, and it exits with 1.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
ustack=$top/build/libustack/ustack
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"

fail() { echo "FAIL: $*"; [ ! -s err ] || cat err; exit 1; }

# cut SEED INPUT BYTES:SAMPLES...: the first bytes of a seed have these samples
cut()
{
	local seed=$1 input=$2 size status
	shift 2
	tail -c +2 "$top/tests/fuzz/corpus/datafile/seed-$seed" >whole
	for size; do
		head -c "${size%:*}" whole >cut
		status=0
		"$ustack" script -F time -i "$input" <cut >out 2>err || status=$?
		[ $status = 1 ] || fail "$seed, $size bytes: exit status $status"
		# Another line may tell that stacks were lost with the rest.
		[ "$(grep -cE 'is cut|is empty|not a perf\.data file' err)" = 1 ] ||
			fail "$seed, $size bytes: does not say in one line that it is cut"
		[ "$(grep -c : out || true)" = "${size#*:}" ] || fail "$seed: not the samples of $size"
	done
	cp whole cut
	"$ustack" script -F time -i "$input" <cut >out 2>err || fail "$seed is whole"
	[ "$(grep -c : out)" = 2 ] || fail "$seed is whole: not its samples"
}

cut deferred cut 0:0 50:0 700:1 1915:2
cut pipe - 0:0 7:0 900:1 1339:2
cut pipe-zstd cut 300:0 578:0
