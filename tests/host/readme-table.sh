#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# The tables in README.md and bench/README.md are those of bench/results, and a
# change to either is seen. What is missing there is said in one line.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
"$top/bench/readme-table" --check

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAIL: $*"; cat "$work/said"; exit 1; }

# refused WHAT LINE: in a copy that the commands of standard input changed
refused()
{
	mkdir "$work/copy"
	cp -r "$top/README.md" "$top/bench" "$work/copy"
	(cd "$work/copy" && . /dev/stdin)
	! "$work/copy/bench/readme-table" --check 2>"$work/said" || fail "not seen: $1"
	[ "$(wc -l <"$work/said")" = 1 ] || fail "not one line: $1"
	grep -q "$2" "$work/said" || fail "no \"$2\": $1"
	rm -r "$work/copy"
}

refused "another NMI" 'in bench/README.md are not.*: run make readme-table' <<<"
	sed -i '2s/^\(\([^,]*,\)\{4\}\)[0-9]*/\142/' bench/results/nmi.csv"
refused "another slowest NMI" 'in README.md are not.*: run make readme-table' <<<"
	sed -i 's/^\(fault,dwarf-defer,65528,[0-9]*,\)[0-9]*/\142/' bench/results/nmi.csv"
refused "another speed" 'in README.md are not.*: run make readme-table' <<<"
	sed -i '2s/^\(\([^,]*,\)\{3\}\)[0-9.]*/\142.0/' bench/results/unwind.csv"
refused "a table by hand" 'in README.md are not.*: run make readme-table' <<<"
	sed -i '/^| lost at/s/| 0 |/| 1 |/' README.md"
refused "no place" 'bench/README.md has places for .* and not for .*accuracy' <<<"
	sed -i '/^<!-- accuracy:/d' bench/README.md"
refused "no column" 'nmi.csv has no column p50: run make bench-nmi' <<<"
	sed -i '1s/p50/p5O/' bench/results/nmi.csv"
refused "no row" 'volume.csv has no row for .*: run make bench-volume' <<<"
	sed -i '/^server,dwarf,65528,20000/d' bench/results/volume.csv"
refused "a short row" 'accuracy.csv has another number of fields in row 1 .*: run make bench-accuracy' <<<"
	sed -i '2s/,[0-9]*$//' bench/results/accuracy.csv"
refused "no file" 'overhead.csv is not there: run make bench-overhead' <<<"
	rm bench/results/overhead.csv"
refused "an empty file" 'unwind.csv has no rows: run make bench-unwind' <<<"
	sed -i 1q bench/results/unwind.csv"
