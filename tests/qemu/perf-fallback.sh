#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# perf's own tests on a kernel without deferred user stacks: that of build/base
# if `make check-perf-test` built it, else the one that runs here. What needs
# the feature skips, after it tested the fallback.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
kernel=$top/build/base/kernel/arch/x86/boot/bzImage

[ -e "$top/build/perf/perf" ] || { echo "build/perf/perf is not built"; exit 77; }
if [ "${1-}" != guest ] && [ -e "$kernel" ]; then
	exec "$top/tests/qemu/vm" --kernel "$kernel" --time-limit 300 -- "$(readlink -f "$0")" guest
fi

export PATH=$top/build/perf:$PATH
cd "$top/build/linux/tools/perf/tests/shell"

# expect STATUS TEST: how TEST ends, and what it says.
expect()
{
	local status=0
	said=$(bash "./$2.sh" 2>&1) || status=$?
	if [ "${said##*$'\n'}" = "Skip: cannot record cpu-clock" ]; then
		echo "this machine does not let perf record cpu-clock"
		exit 77
	fi
	[ $status -eq "$1" ] || { echo "$said"; echo "$2 ends with $status, not $1"; exit 1; }
}

status=0
perf record -q -o /dev/null -e cpu-clock --call-graph dwarf,defer! true >/dev/null 2>&1 || status=$?
[ $status -ne 0 ] || { echo "this machine's kernel has deferred user stacks"; exit 77; }

expect 2 record_callgraph_dwarf_defer
[[ $said = *"dwarf,defer on a kernel without it"* ]] || { echo "$said"; exit 1; }
expect 2 deferred_stack_tools
expect 0 unwind_libustack
expect 0 header_attr_size
