#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# perf's own test of deferred user stacks that become callchains while they are
# recorded, on the kernel that has them: it may not skip there.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)

for f in "${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}" "$top/build/perf/perf"; do
	[ -e "$f" ] || { echo "${f#"$top/"} is not built"; exit 77; }
done
PATH=$top/build/perf:$PATH exec "$top/tests/qemu/vm" --smp 2 --time-limit 1100 -- \
	bash "$top/build/linux/tools/perf/tests/shell/deferred_stack_convert.sh"
