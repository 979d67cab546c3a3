#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# A process reads its own rings while the kernel fills them with deferred
# stacks: see tests/unit/test_live.c.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
kernel=${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}
[ -e "$kernel" ] || { echo "the kernel is not built"; exit 77; }
make -s -C "$top" build/unit/test_live
exec "$top/tests/qemu/vm" --kernel "$kernel" --time-limit 120 -- "$top/build/unit/test_live" --defer
