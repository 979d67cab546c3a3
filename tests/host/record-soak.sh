#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# ustack record of everything while processes come and go, for a minute or
# SECONDS: nothing is lost unsaid, and what it has allocated stays as it is.
. "${0%/*}/record-common"

seconds=${SECONDS_OF_SOAK:-60}
[ "$(id -u)" = 0 ] || { echo "not root: -a is not allowed"; exit 77; }

"$ustack" record --json -a -e cpu-clock -F 1999 -o f >out 2>err & recorder=$!
# Processes, and each time a program that is new and then gone.
load()
{
	local n=0
	while :; do
		./work 20
		for i in 1 2 3 4 5; do /bin/true; done
		cp work "w.$n"
		"./w.$n" 1
		rm "w.$n"
		n=$((n + 1))
	done
}
load & loop=$!
trap 'kill $loop $recorder 2>/dev/null; rm -rf "$tmp"' EXIT

# allocated: KiB that are no file's
allocated() { awk '/^RssAnon/ { print $2 }' "/proc/$recorder/status"; }
sleep $((seconds / 3))
first=$(allocated)
most=$first
for i in $(seq $((seconds / 3))); do
	sleep 2
	now=$(allocated)
	[ "$now" -le "$most" ] || most=$now
done
kill -INT $recorder
status=0
wait $recorder || status=$?
[ $status = 130 ] || fail "exit status $status"
echo "RssAnon $first KiB after a third of $seconds s, then at most $most KiB"
cat out
[ "$(json '["not_written"]')" = 0 ] || fail "samples were not written"
[ "$(json '["samples"]')" -gt $((100 * seconds)) ] || fail "too few samples"
[ "$most" -le 65536 ] || fail "more than 64 MiB"
[ "$most" -le $((first + 16384)) ] || fail "it grows"
perf script -i f -F comm >/dev/null 2>err || fail "perf script"
