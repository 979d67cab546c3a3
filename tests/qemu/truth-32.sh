#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# A 32-bit truth program recorded with deferred stacks in the guest: no sample is
# lost and every chain is the truth, through the signal frames of the 32-bit vDSO
# too. It has no threads: the guest's kernel has no futex() with 32-bit times.
# Another seed: truth-32.sh SEED
set -eu -o pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
seed=${1:-1}
kernel=${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}
vdso=${kernel%boot/bzImage}entry/vdso/vdso32/vdso32.so.dbg

for f in "$kernel" "$vdso" "$top/build/perf/perf" "$top/build/libustack/ustack"; do
	[ -e "$f" ] || { echo "${f#"$top/"} is not built"; exit 77; }
done

mkdir -p "$top/build/check"
work=$(mktemp -d "$top/build/check/truth-32.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/share"
"$top/tests/truth/build" "$work/truth" --seed "$seed" --stack 7400 --threads 0 --m32

"$top/tests/qemu/vm" --icount --share "$work/share" --time-limit 600 -- "$top/bench/record" \
	dwarf,65528,defer 10007 "$top/build/perf/perf" "$work/truth" -- "$work/truth/truth" --loops 300
"$top/build/libustack/ustack" script -i "$work/share/perf.data" --vdso "$vdso" \
	-F comm,tid,time,pair,changed,uip,end,ip,sym,dsoff >"$work/all"

# glibc's memcpy() for processors without SSE2 pushes eax, and its CFI does not say
# so: from there to the pop, in libc and in ld.so, no chain can be right. One sample
# of 80,000 is there. The code is known by its bytes; the pattern begins with push.
memcpy='\x50\x89\xc8\xc1\xe9\x02\x83\xe0\x03\xf3\xa5\x89\xc1\xf3\xa4\x58'
pushed=
for f in /usr/lib32/libc.so.6 /usr/lib32/ld-linux.so.2; do
	for at in $(LC_ALL=C grep -obUaP "$memcpy" "$f" | cut -d : -f 1); do
		for i in $(seq 15); do
			pushed+="|/${f##*/}[+]0x$(printf %x $((at + i)))[)]"
		done
	done
done
[ -n "$pushed" ] || { echo "this glibc has another memcpy()"; exit 1; }

# Debian's 32-bit ld.so has a function whose CFI takes every push for a pop, and
# calls it before main: what never leaves ld.so is not looked at.
awk -v RS= -v ORS='\n\n' -v pushed="${pushed#|}" '$0 ~ pushed { next }
{
	n = split($0, line, "\n")
	if (n == 1)
		print
	for (i = 2; i <= n; i++)
		if (line[i] !~ /^[ \t]*ffff/ && line[i] !~ /\/ld-linux\.so\.2\+/) {
			print
			next
		}
}' "$work/all" >"$work/chains"
# About 54 of 2780.
handler=$(grep -c __kernel_sigreturn "$work/chains") || true
echo "$handler chains from a handler"
[ "$handler" != 0 ] || { echo "FAIL: no chain from a handler"; exit 1; }
"$top/tests/truth/check" -v --all-exact --vdso "$vdso" "$work/truth" <"$work/chains"
