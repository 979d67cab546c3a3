#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# perf's own tests of what reads deferred user stacks, on the kernel that has
# them: none may skip there.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)

for f in "${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}" "$top/build/perf/perf"; do
	[ -e "$f" ] || { echo "${f#"$top/"} is not built"; exit 77; }
done
PATH=$top/build/perf:$PATH exec "$top/tests/qemu/vm" --time-limit 1100 -- bash -c '
	perf test -v "Deferred callchains" || exit
	bash "$1/deferred_stack_tools.sh"' perf-tools "$top/build/linux/tools/perf/tests/shell"
