#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# ustack on every prefix of small recordings: it gives what is there, says in
# one line that the rest is missing, and exits with 1. In pipe mode nothing
# tells the end, so a cut between two records is none.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
ustack=$top/build/libustack/ustack
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"

fail() { echo "FAIL: $*"; [ ! -s err ] || cat err; exit 1; }

# Where the records of a pipe mode file end: offset by offset.
boundaries()
{
	od -An -v -w2 -tu2 "$1" | awk '
		{ half[NR - 1] = $1 }
		END { for (at = 16; at < 2 * NR; at += half[at / 2 + 3]) { print at; if (!half[at / 2 + 3]) exit }; print at }'
}

# cut NAME INPUT: all prefixes of NAME, which INPUT reads: it or standard input
cut()
{
	local name=$1 input=$2 size n status samples last=0 line said
	local -A ends=()
	size=$(stat -c %s $name)
	[ $name = file ] || for n in $(boundaries $name); do ends[$n]=1; done
	for ((n = size; n >= 0; n--)); do
		[ $n = $size ] || truncate -s $n $name
		status=0
		"$ustack" script -F time -i $input <$name >out 2>err || status=$?
		# Thousands of prefixes: the shell counts without a process.
		samples=0 said=0
		while read -r line; do [[ $line != *:* ]] || samples=$((samples + 1)); done <out
		while read -r line; do
			[[ ! $line =~ is\ cut|is\ empty|not\ a\ perf\.data\ file ]] || said=$((said + 1))
		done <err
		[ $n = $size ] && last=$samples
		[ $samples -le $last ] || fail "$name at $n: $samples samples, but $last of more bytes"
		last=$samples
		if [ $n = $size ] || [ -n "${ends[$n]-}" ]; then
			[ $status = 0 ] && [ $said = 0 ] || fail "$name at $n, whole: exit status $status"
			[ $n != $size ] || [ $samples = 2 ] || fail "$name: $samples samples"
			continue
		fi
		[ $status = 1 ] || fail "$name at $n: exit status $status"
		# Another line may tell that stacks were lost with the rest.
		[ $said = 1 ] || fail "$name at $n: does not say in one line that it is cut"
	done
	[ $last = 0 ] || fail "samples out of nothing"
}

seeds=$top/tests/fuzz/corpus/datafile
tail -c +2 $seeds/seed-deferred >file
tail -c +2 $seeds/seed-pipe >pipe
tail -c +2 $seeds/seed-pipe-zstd >pipe-zstd
cut file file
cut pipe -
cut pipe-zstd pipe-zstd
