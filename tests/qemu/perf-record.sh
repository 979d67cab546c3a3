#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# perf's own test of --call-graph dwarf,defer, on the kernel that has it: the
# patched perf may not skip there.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)

for f in "${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}" "$top/build/perf/perf"; do
	[ -e "$f" ] || { echo "${f#"$top/"} is not built"; exit 77; }
done
PATH=$top/build/perf:$PATH exec "$top/tests/qemu/vm" --time-limit 1100 -- \
	bash "$top/build/linux/tools/perf/tests/shell/record_callgraph_dwarf_defer.sh"
