#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# Functions of the kernel under test: in the guest by /proc/kallsyms, here, where
# another kernel runs, by its vmlinux and by nothing else.
set -eu -o pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
work=${2-}
ustack=$top/build/libustack/ustack

if [ "${1-}" != guest ]; then
	kernel=${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}
	vmlinux=${kernel%/arch/x86/boot/bzImage}/vmlinux
	[ -e "$kernel" ] && [ -e "$vmlinux" ] || { echo "the kernel is not built"; exit 77; }
	make -s -C "$top" lib
	mkdir -p "$top/build/check"
	work=$(mktemp -d "$top/build/check/names.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	"$top/tests/qemu/vm" --time-limit 300 --share "$work" -- "$(readlink -f "$0")" guest "$work"

	cd "$work"
	export HOME=$work
	"$ustack" script -F ip,sym,symoff -i data >unnamed 2>err
	grep -q 'no names of \[kernel.kallsyms\]: neither the kernel that runs here' err || { cat err; exit 1; }
	! grep -E '^\s*ffff' unnamed | grep -vm 3 '\[unknown\]' || { echo "FAIL: names of another kernel"; exit 1; }
	"$ustack" script --vmlinux "$vmlinux" -F ip,sym,symoff -i data 2>err | "$top/tests/kernel-names" kallsyms ||
		{ echo "FAIL: vmlinux has other names"; cat err; exit 1; }
	[ ! -s err ] || { cat err; exit 1; }
	exit 0
fi

fail() { echo "FAIL: $*"; cat /tmp/err; exit 1; }
"$ustack" record -e nmi_clock// -F 1997 -o /tmp/data sh -c \
	'for i in 1 2 3 4 5 6 7 8; do cat /proc/self/maps /proc/kallsyms >/dev/null; ls -lR /sys/devices >/dev/null; done' \
	2>/tmp/err || fail record
"$ustack" script -F ip,sym,symoff -i /tmp/data >/tmp/out 2>/tmp/err || fail script
"$top/tests/kernel-names" /proc/kallsyms </tmp/out || fail "not the names of /proc/kallsyms"
cp /tmp/data "$VM_SHARE/data"
cat /proc/kallsyms >"$VM_SHARE/kallsyms"
