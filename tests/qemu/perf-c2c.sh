#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# perf c2c shows deferred user stacks. There is no PMU in the guest that could
# say where a load found its data: the samples, addresses and stacks are those of
# page faults, and what c2c counts is written over the kernel's "not available".
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)

if [ "${1-}" != guest ]; then
	for f in "${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}" "$top/build/perf/perf"; do
		[ -e "$f" ] || { echo "${f#"$top/"} is not built"; exit 77; }
	done
	exec "$top/tests/qemu/vm" --time-limit 300 -- "$(readlink -f "$0")" guest
fi

export PATH=$top/build/perf:$PATH
cd /tmp

# c2c wants to know the NUMA nodes, and the guest's kernel knows of none.
node=sys/devices/system/node
mkdir -p $node/node0
ln -s /sys/[!d]* sys
ln -s /sys/devices/[!s]* sys/devices
ln -s /sys/devices/system/* sys/devices/system
echo 0 >$node/online
echo 0 >$node/node0/cpulist
sed 's/^\(Mem[TF]\)/Node 0 \1/' /proc/meminfo >$node/node0/meminfo

SYSFS_PATH=$PWD/sys perf record -q -o faults -d -c 1 -e page-faults:u --call-graph dwarf,defer! \
	-- perf test -w leafloop >err 2>&1 || { echo "perf record:"; cat err; exit 1; }

python3 - <<'END'
import struct

# union perf_mem_data_src of include/uapi/linux/perf_event.h
def data_src(op, lvl, snoop, lock, tlb, lvl_num):
    return struct.pack("<Q", op | lvl << 5 | snoop << 19 | lock << 24 | tlb << 26 | lvl_num << 33)

not_available = data_src(1, 1, 1, 1, 1, 0xf)
load_hitm = data_src(2, 2 | 0x20, 0x10, 1, 2, 3)  # a load, L3 hit, modified by another core
data = open("faults", "rb").read()
assert data.count(not_available) > 50, data.count(not_available)
open("loads", "wb").write(data.replace(not_available, load_hitm))
END

perf c2c report -i loads --stdio -g >out 2>err || { echo "perf c2c report:"; cat err; exit 1; }
sed -n '/Distribution Pareto/,$p' out >pareto
# Callers first: main's faults lie below what called it.
grep -A30 -- '---_start' pareto | grep -q '  main$' || { echo "no chain through main"; head -n 60 pareto; exit 1; }
echo "$(grep -c -- '---' pareto) chains"
