#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# The ABI of deferred user stacks, rule by rule: see capture.c.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
[ -e "$top/build/kernel/arch/x86/boot/bzImage" ] || { echo "the kernel is not built"; exit 77; }

mkdir -p "$top/build/check"
gcc -std=gnu11 -O2 -Wall -Wextra -Werror -D_GNU_SOURCE \
	-isystem "$top/build/linux/tools/include/uapi" \
	"$top/tests/qemu/capture.c" -o "$top/build/check/capture"
exec "$top/tests/qemu/vm" --time-limit 120 -- "$top/build/check/capture"
