#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# A capture where the memory cgroup is at its limit: see memcg.c.
top=$(cd "$(dirname "$0")/../.." && pwd)
kernel=${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}
grep -qx CONFIG_MEMCG=y "${kernel%/arch/*}/.config" 2>/dev/null || {
	echo "this kernel has no memory cgroups: make check-debug and check-arm64 build one"
	exit 77
}
exec "$(dirname "$0")/program" memcg --smp 2 -- "$@"
