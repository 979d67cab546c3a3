#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# A truth program recorded with deferred stacks in the guest: no sample is lost
# and every chain is the truth. Another seed: demo-truth.sh SEED
set -eu -o pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
seed=${1:-1}

for f in "${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}" "$top/build/perf/perf" \
	"$top/build/libustack/ustack"; do
	[ -e "$f" ] || { echo "${f#"$top/"} is not built"; exit 77; }
done
icount=--icount
[ "$("$top/tests/qemu/vm" --accelerator)" = tcg ] || icount=

mkdir -p "$top/build/check"
work=$(mktemp -d "$top/build/check/demo-truth.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/share"
"$top/tests/truth/build" "$work/truth" --seed "$seed" --stack 20000

"$top/tests/qemu/vm" $icount --share "$work/share" --time-limit 600 -- "$top/bench/record" \
	dwarf,65528,defer 2000 "$top/build/perf/perf" "$work/truth" -- "$work/truth/truth" --loops 20
"$top/build/libustack/ustack" script -i "$work/share/perf.data" \
	--vdso "$top/build/kernel/arch/x86/entry/vdso/vdso64/vdso64.so.dbg" \
	-F comm,tid,time,pair,changed,uip,end,ip,sym,dsoff |
	"$top/tests/truth/check" -v --all-exact "$work/truth"
