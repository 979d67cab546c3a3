#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# nmi_clock samples from NMIs, as often as asked, and where it was asked to.
# Under -icount a second is a billion instructions, so the counts are known.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)

if [ "${1-}" = guest ]; then
	perf=$top/build/perf/perf
	nmis() { awk '$1 == "NMI:" { print $2 }' /proc/interrupts; }
	samples() { "$perf" script -i /tmp/perf.data -F ip 2>/dev/null | grep -c .; }
	try() { "$perf" record -q -o /tmp/perf.data "$@" >/tmp/said 2>&1; }
	record() { try "$@" || { cat /tmp/said; fail "perf record $*: refused"; }; }
	spin() { for ((i = 0; i < 20000; i++)); do :; done; }
	fail() { echo "$1"; exit 1; }
	export -f spin

	# -c: a sample every 100,000 ns, each from an NMI
	before=$(nmis)
	record -e nmi_clock// -c 100000 -- bash -c spin
	taken=$(($(nmis) - before))
	n=$(samples)
	echo "-c 100000: $n samples, $taken NMIs"
	[ "$n" -gt 100 ] || fail "too few samples"
	[ "$taken" -ge "$n" ] || fail "samples without an NMI"

	# twice the period, half the samples
	record -e nmi_clock// -c 200000 -- bash -c spin
	half=$(samples)
	echo "-c 200000: $half samples"
	[ "$half" -gt $((n * 45 / 100)) ] && [ "$half" -lt $((n * 55 / 100)) ] ||
		fail "not half of $n"

	# -F: as many as the period it stands for
	record -e nmi_clock// -F 5000 -- bash -c spin
	freq=$(samples)
	echo "-F 5000: $freq samples"
	[ "$freq" -gt $((half * 95 / 100)) ] && [ "$freq" -lt $((half * 105 / 100)) ] ||
		fail "not $half"

	# exclude_kernel
	record -e nmi_clock//u -c 100000 -- bash -c spin
	if "$perf" script -i /tmp/perf.data -F ip 2>/dev/null | grep -q ffffffff; then
		fail "a kernel sample with exclude_kernel"
	fi

	# a period that would leave the CPU no time
	! try -e nmi_clock// -c 100 -- true || fail "-c 100 was not refused"
	exit 0
fi

for f in "${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}" "$top/build/perf/perf"; do
	[ -e "$f" ] || { echo "${f#"$top/"} is not built"; exit 77; }
done
exec "$top/tests/qemu/vm" --icount --time-limit 1100 -- "$(readlink -f "$0")" guest
