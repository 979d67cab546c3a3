#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# ustack record of everything while processes come and go, for a minute or
# SECONDS: nothing is lost unsaid, and what it has in memory stays as it is.
. "${0%/*}/record-common"

seconds=${SECONDS_OF_SOAK:-60}
[ "$(id -u)" = 0 ] || { echo "not root: -a is not allowed"; exit 77; }

"$ustack" record --json -a -e cpu-clock -F 1999 -o f >out 2>err & recorder=$!
# Processes, and each time a program that is new and then gone: large, and with a
# build-id that no other has.
id_at=$((0x$(readelf -SW static | sed -n 's/.* \.note\.gnu\.build-id *NOTE *[0-9a-f]* \([0-9a-f]*\) .*/\1/p') + 16))
load()
{
	local n=0
	while :; do
		./work 20
		for i in 1 2 3 4 5; do /bin/true; done
		cp static "w.$n"
		printf '%08d' "$n" | dd of="w.$n" bs=1 seek=$id_at conv=notrunc status=none
		"./w.$n" 1
		rm "w.$n"
		n=$((n + 1))
	done
}
load & loop=$!
trap 'kill $loop $recorder 2>/dev/null; rm -rf "$tmp"' EXIT

# memory: KiB, and of these what is no file's
memory() { awk '/^VmRSS/ { all = $2 } /^RssAnon/ { print all, $2 }' "/proc/$recorder/status"; }
sleep $((seconds / 3))
read -r first_all first <<<"$(memory)"
most_all=$first_all most=$first
for i in $(seq $((seconds / 3))); do
	sleep 2
	read -r now_all now <<<"$(memory)"
	[ "$now" -le "$most" ] || most=$now
	[ "$now_all" -le "$most_all" ] || most_all=$now_all
done
kill -INT $recorder
status=0
wait $recorder || status=$?
[ $status = 130 ] || fail "exit status $status"
echo "RssAnon $first KiB after a third of $seconds s, then at most $most KiB; with files $first_all and $most_all"
cat out
[ "$(json '["not_written"]')" = 0 ] || fail "samples were not written"
[ "$(json '["samples"]')" -gt $((100 * seconds)) ] || fail "too few samples"
[ "$most" -le 65536 ] || fail "more than 64 MiB"
[ "$most" -le $((first + 16384)) ] || fail "it grows"
[ "$most_all" -le $((first_all + 32768)) ] || fail "files of programs that ended stay"
# Until a command ends, whatever else runs.
status 3 timeout 60 "$ustack" record -a -e cpu-clock -o f sh -c './work 200; exit 3'
[ "$(chains f)" -gt 20 ] || fail "-a COMMAND"
perf script -i f -F comm >/dev/null 2>err || fail "perf script"
