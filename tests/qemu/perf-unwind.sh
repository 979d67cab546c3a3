#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# perf's own tests of unwinding, with libustack too, and of the attributes in a header, on
# the kernel that defers stacks: none may skip there.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)

for f in "${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}" "$top/build/perf/perf"; do
	[ -e "$f" ] || { echo "${f#"$top/"} is not built"; exit 77; }
done
PATH=$top/build/perf:$PATH exec "$top/tests/qemu/vm" --time-limit 600 -- bash -c '
	cd "$1"
	for test in unwind_libustack header_attr_size inject-callchain; do
		bash ./$test.sh || exit
	done' perf-unwind "$top/build/linux/tools/perf/tests/shell"
