#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# What the patched perf writes, in the hands of Debian's perf 6.1. Deferred
# records are unknown to it: it stops there, without a crash, and reads what
# perf inject --convert-callchain makes of them.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)

if [ "${1-}" != guest ]; then
	for f in "${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}" "$top/build/perf/perf"; do
		[ -e "$f" ] || { echo "${f#"$top/"} is not built"; exit 77; }
	done
	case $(/usr/bin/perf version 2>/dev/null) in
	"perf version 6.1."*) ;;
	*)	echo "/usr/bin/perf is not Debian's 6.1: tests/deps installs it"; exit 77 ;;
	esac
	exec "$top/tests/qemu/vm" --time-limit 300 -- "$(readlink -f "$0")" guest
fi

perf=$top/build/perf/perf
cd /tmp

# old FILE: chains of FILE as the old perf sees them, to the file "old".
old() { /usr/bin/perf script -i "$1" -F ip,sym --no-inline >old 2>err; }

# has_chain: leaf, called by parent, in "old"
has_chain() { grep -A1 ' leaf$' old | grep -q ' parent$'; }

die() { echo "$*"; head -n 5 err; exit 1; }

# reads WHAT: the old perf script and perf report of the file "converted", in silence
reads()
{
	old converted || die "$1: the old perf fails"
	[ ! -s err ] || die "$1: the old perf complains"
	has_chain || die "$1: the old perf has no chain"
	/usr/bin/perf report --stdio -G -i converted >old 2>err || die "$1: the old perf report fails"
	[ ! -s err ] || die "$1: the old perf report complains"
	grep -A9 ' leaf$' old | grep -q 'parent$' || die "$1: the old perf report has no chain"
}

for mode in fp dwarf dwarf,defer!; do
	"$perf" record -q -o "$mode" -e cpu-clock --call-graph "$mode" -- \
		"$perf" test -w leafloop >/dev/null 2>err || die "perf record --call-graph $mode"
done

old fp || die "fp: the old perf fails"
grep -q ' leaf$' old || die "fp: the old perf has no leaf"
old dwarf || die "dwarf: the old perf fails"
has_chain || die "dwarf: the old perf has no chain"

for command in script 'report --stdio'; do
	status=0
	# shellcheck disable=SC2086
	/usr/bin/perf $command -i dwarf,defer! >old 2>err || status=$?
	[ $status -lt 129 ] || [ $status -eq 255 ] || die "the old perf $command ends with status $status"
	grep -q 'failed to process' err || die "the old perf $command does not stop: is it that old?"
done

"$perf" inject --convert-callchain -i dwarf,defer! -o converted 2>err || die "perf inject"
reads converted
"$perf" record -q -o - -e cpu-clock -F 199 --call-graph dwarf,defer! -- "$perf" test -w leafloop 2>err |
	"$perf" inject --convert-callchain -o converted 2>>err || die "perf inject of a pipe"
reads "converted from a pipe"

# What perf record unwinds itself, and with stacks that cut many of the chains
for size in 65528 512; do
	"$perf" record -q --convert-callchain -o converted -e cpu-clock --call-graph "dwarf,$size,defer!" -- \
		"$perf" test -w leafloop >/dev/null 2>err || die "perf record --convert-callchain, stacks of $size bytes"
	reads "stacks of $size bytes, converted"
done
