#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# What a new user of perf meets first: a profile without privileges, words that are
# not known. perf's own tests of that, none of which may skip here.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)

for f in "${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}" "$top/build/perf/perf"; do
	[ -e "$f" ] || { echo "${f#"$top/"} is not built"; exit 77; }
done
# Somebody without privileges may not come by where this tree is, as in /root.
exec "$top/tests/qemu/vm" --time-limit 600 -- bash -c '
	mkdir /tmp/perf
	mount --bind "$2" /tmp/perf
	PATH=/tmp/perf:$PATH
	cd "$1"
	for test in record_unprivileged unwind_style kernel_names script_record; do
		bash ./$test.sh || exit
	done' perf-first-hour "$top/build/linux/tools/perf/tests/shell" "$top/build/perf"
