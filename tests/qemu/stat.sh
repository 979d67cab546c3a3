#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# ustack stat counts the samples that hit the capture of a stack: those in whose chain
# perf, with the kernel's symbols, shows it.
set -eu -o pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
perf=$top/build/perf/perf ustack=$top/build/libustack/ustack

if [ "${1-}" != guest ]; then
	for f in "${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}" "$perf"; do
		[ -e "$f" ] || { echo "${f#"$top/"} is not built"; exit 77; }
	done
	make -s -C "$top" lib
	mkdir -p "$top/build/check"
	work=$(mktemp -d "$top/build/check/stat.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	cat >"$work/deep.c" <<-'END'
		/* Works on a stack of 1 MB. */
		int main(void)
		{
			volatile char deep[1 << 20];
			for (int i = 0; i < 3000000; i++)
				deep[i % sizeof(deep)] = i;
			return 0;
		}
	END
	gcc -O1 "$work/deep.c" -o "$work/deep"
	"$top/tests/qemu/vm" --icount --time-limit 300 -- "$(readlink -f "$0")" guest "$work/deep"
	exit
fi

cd /tmp
fail() { echo "FAIL: $*"; exit 1; }
key() { awk -v key="$1" '$1 == key { print $2 }' stat; }

# Large stacks, and many of them: a good part of the time goes into their capture.
cp "$2" deep
"$perf" record -q -e nmi_clock// -c 100003 --call-graph dwarf,1048576,defer! -o perf.data -- \
	./deep >err 2>&1 || { cat err; fail "perf record"; }
"$ustack" stat -i perf.data >stat 2>/dev/null
"$perf" script -i perf.data -F ip,sym --no-inline 2>/dev/null |
	awk -v RS= '/ perf_defer_(callback|output)(\n|$)/ { n++ } END { print n + 0 }' >shown
echo "$(key samples) samples, $(key in_capture) in a capture, perf shows $(cat shown)"
[ "$(key in_capture)" -gt 0 ] && [ "$(key in_capture)" -lt "$(key samples)" ] ||
	fail "not some of the samples"
[ "$(key in_capture)" = "$(cat shown)" ] || fail "perf shows others"
"$perf" report -i perf.data --stats 2>/dev/null >perf.stats
grep -Eq "DEFERRED, IN CAPTURE samples: +$(cat shown)$" perf.stats ||
	{ cat perf.stats; fail "perf report --stats counts others"; }
# They have their stack as all others have.
[ "$(key paired)" -gt "$(key in_capture)" ] || fail "$(key paired) are paired"
