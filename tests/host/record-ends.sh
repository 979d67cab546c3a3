#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# How ustack record may end, and what it may have no room for: what was taken is kept,
# what was not is counted, and the reason told.
. "${0%/*}/record-common"

# --- it is ended: by ^C, SIGTERM, the end of what it looks at, or killed
for signal in INT TERM HUP QUIT USR1 USR2 ALRM XCPU; do
	./work 100000 & pid=$!
	# A shell starts what is in the background so that it ignores ^\\.
	env --default-signal=QUIT "$ustack" record -e cpu-clock -o f -p $pid 2>err & recorder=$!
	sleep 0.7
	kill -$signal $recorder
	status=0
	wait $recorder 2>/dev/null || status=$?
	[ $status = $((128 + $(kill -l $signal))) ] || fail "SIG$signal: exit status $status"
	said ' 0 lost, '
	[ "$(chains f)" -gt 0 ] || fail "SIG$signal: nothing is kept"
	# The process itself goes on, until it is ours to end.
	kill $pid
	wait $pid 2>/dev/null || true
done
"$ustack" record -e cpu-clock -o f ./work 100000 2>err & recorder=$!
sleep 0.7
kill -INT $recorder
status=0
wait $recorder 2>/dev/null || status=$?
[ $status = 143 ] || fail "^C with a command: exit status $status"
[ "$(chains f)" -gt 0 ] || fail "^C with a command: nothing is kept"
./work 300 & pid=$!
status 0 timeout 60 "$ustack" record -e cpu-clock -o f -p $pid
[ "$(chains f)" -gt 0 ] || fail "-p: nothing"
./work 300 & pid=$!
status 0 timeout 60 "$ustack" record -e cpu-clock -o f -t $pid
"$ustack" script -i f -F tid | sort -u | grep -v '^$' >tids
[ "$(tr -d ' ' <tids)" = $pid ] || fail "-t: other threads: $(cat tids)"
wait
"$ustack" record -e cpu-clock -o f ./work 3000 2>err & recorder=$!
sleep 1.8
kill -KILL $recorder
wait $recorder 2>/dev/null || true
[ "$(chains f)" -gt 0 ] || fail "SIGKILL: nothing is kept"
perf script -i f >out 2>err || fail "SIGKILL: perf script"

# --- and the disk is full, or the reader of a pipe gone
for ms in 100 100000; do
	status 255 "$ustack" record -e cpu-clock -o /dev/full ./work $ms
	said '/dev/full: not all could be written.*No space left'
	said '/dev/full: 0 samples, .* [1-9][0-9]* samples not written'
done
status 255 "$ustack" record --json -e cpu-clock -o /dev/full ./work 100
[ "$(json '["not_written"] > 10 and "No space" in d["error"]')" = True ] || fail "JSON of a device that is full: $(cat out)"
status 0 "$ustack" record -e cpu-clock -o /dev/null ./work 100
said '/dev/null: [1-9][0-9]* samples, .* 0 lost'
# full SIZE ARGUMENT...: a file of at most SIZE KiB, nearly all of which is taken
full()
{
	local size=$1 read lost
	shift
	status 255 bash -c 'ulimit -f "$0"; exec "$@"' "$size" "$ustack" record --json -e cpu-clock -F 9000 -m 64K --stack 1024 -o full "$@"
	said 'full: not all could be written.*File too large'
	[ "$(json '["not_written"]')" -gt 0 ] || fail "full at $size KiB: $(cat out)"
	read=$("$ustack" stat -i full | sed -n 's/^samples //p')
	[ "$read" = "$(json '["samples"]')" ] && [ "$read" -gt 0 ] || fail "full at $size KiB: $read samples, $(cat out)"
	[ "$(stat -c %s full)" -gt $((size * 1024 - 2000)) ] || fail "full at $size KiB: only $(stat -c %s full) bytes"
	# Of a machine that is busy such small rings may lose some: perf says so, too.
	lost=$(json '["lost_records"]')
	status 0 perf report -i full --stdio
	[ -s out ] || fail "full at $size KiB: perf report shows nothing"
	[ ! -s err ] || [ "$lost" -gt 0 ] && ! grep -v '^$\|^Warning:$\|^Processed .* lost [0-9]* chunks!$\|^Check IO/CPU overload!$' err ||
		fail "full at $size KiB: perf report complains"
}
for size in 6 8 30; do
	full $size ./work 100000
done
# When it ends before anything was written.
full 6 --plain ./work 900
status 255 bash -c 'ulimit -f 1; exec "$@"' - "$ustack" record -e cpu-clock -o full sh -c 'echo it runs >&2'
! grep 'it runs' err || fail "the command runs though the disk is full"
for option in --plain --json; do
	status 255 sh -c 'ulimit -f 100; exec "$@"' - "$ustack" record $option -e cpu-clock -F 9000 -m 64K --stack 1024 -o full ./work 100000
	said 'full: not all could be written.*File too large'
	[ "$(chains full)" -ge 0 ] || fail "full disk: not a file any more"
	perf report -i full --stdio >/dev/null 2>err || fail "full disk: perf report"
done
status 255 bash -c 'set -o pipefail; "$@" | head -c 100 >/dev/null' - "$ustack" record -e cpu-clock -F 9000 -o - ./work 100000
said 'standard output: .*Broken pipe'
status 255 "$ustack" record -e cpu-clock -o /nowhere/f true
said '/nowhere/f: cannot open: No such file'

# --- rings that run full, as the recorder is stopped: counted, here and by perf
stopped()
{
	"$ustack" record -e cpu-clock -m 64K --stack 8192 -o f "$@" ./work 900 >out 2>err & recorder=$!
	sleep 0.5
	kill -STOP $recorder
	sleep 0.7
	kill -CONT $recorder
	wait $recorder || fail "stopped and continued"
}
stopped -F 4000 --json
lost=$(json '["lost_records"]')
[ "$lost" -gt 100 ] && [ "$(json '["samples"]')" -gt 100 ] || fail "nothing is lost, or all: $(cat out)"
[ "$("$ustack" stat -i f 2>/dev/null | sed -n 's/^lost_records //p')" = "$lost" ] || fail "ustack stat sees other losses than $lost"
perf report -i f --stdio >out 2>/dev/null
grep -qx "# Total Lost Samples: $lost" out || fail "perf sees other losses than $lost"
stopped -F 4000
said 'records lost in full rings.*to do: .*-m 256K'
status 0 "$ustack" record -e cpu-clock -m 4K --stack 8192 -o f ./work 100
said '-m 4K: too small .*: it is 32K'
stopped -c 100000 >out
said 'records lost in full rings.*to do: rings of -m 256K, or a higher -c'
! grep -- -F err || fail "advice on -F, which was not given"
