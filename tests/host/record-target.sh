#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# What ustack record looks at, and how long.
. "${0%/*}/record-common"

export XDG_CACHE_HOME=$tmp/cache

# With a command it is until that ends, or what is looked at, as perf does it.
./work 100000 & pid=$!
for target in "-p $pid" "-t $pid"; do
	status 3 timeout 60 "$ustack" record -e cpu-clock -o f $target sh -c 'sleep 0.4; exit 3'
	[ "$(chains f)" -gt 20 ] || fail "$target COMMAND: nothing of what runs"
	"$ustack" script -i f -F pid | sort -u | tr -d ' \n' >pids
	[ "$(cat pids)" = $pid ] || fail "$target COMMAND: not only $pid but $(cat pids)"
	status 0 timeout 60 "$ustack" record --json --stack auto -e cpu-clock -o f $target sleep 0.1
	status 255 "$ustack" record -e cpu-clock -o f $target ./nocommand
	said 'cannot run ./nocommand: No such file'
done
status 0 timeout 60 "$ustack" top -e cpu-clock -p $pid sleep 0.4
grep -q ' leaf ' out || fail "top -p COMMAND"
kill $pid
wait $pid 2>/dev/null || true
sleep 1000 & pid=$!
status 0 timeout 60 "$ustack" record --off-cpu -o f -p $pid sleep 0.4
"$ustack" script -i f -F pid | sort -u | tr -d ' \n' >pids
[ "$(cat pids)" = $pid ] || fail "--off-cpu -p COMMAND: not $pid but $(cat pids)"
kill $pid
wait $pid 2>/dev/null || true
./work 300 & pid=$!
status 143 timeout 60 bash -c '"$@"; exit' - "$ustack" record -e cpu-clock -o f -p $pid sleep 1000
[ "$(chains f)" -gt 0 ] || fail "-p of what ends before COMMAND"
wait $pid

# --- the file is behind links: that one stays as FILE.old, or as it is after a mistake
echo new >linked
ln -s linked link
ln -s link links
status 255 "$ustack" record -e cpu-clock -o links ./nocommand
[ "$(cat linked)" = new ] && [ ! -e linked.old ] || fail "a mistake through links"
status 0 "$ustack" record -e cpu-clock -o links ./work 50
[ -L links ] && [ -L link ] && [ "$(chains linked)" -gt 0 ] && [ "$(cat linked.old)" = new ] || fail "through links: $(ls -l link*)"
[ "$(echo link*)" = "link linked linked.old links" ] || fail "files are left: $(ls link*)"
# One that leads to nothing yet, and one to what is open.
ln -s nothing dangling
status 0 "$ustack" record -e cpu-clock -o dangling ./work 50
[ -L dangling ] && [ "$(chains nothing)" -gt 0 ] || fail "through a link to nothing"
"$ustack" record -e cpu-clock -o /dev/stdout ./work 50 >stdout 2>err || fail "/dev/stdout"
[ "$(chains stdout)" -gt 0 ] && [ ! -e stdout.old ] || fail "/dev/stdout: $(ls stdout*)"

# --- in a PID namespace that has the /proc of another: its numbers are others' there
if unshare --pid --fork true 2>err; then
	for target in "-a" "-p 1" "-t 1" "--off-cpu ./work 50"; do
		status 255 unshare --pid --fork "$ustack" record -e cpu-clock -o f $target
		said '^ustack: /proc is that of another PID namespace, where this process is [0-9]* and not 1: mount this one.s'
	done
	status 0 unshare --pid --fork "$ustack" record --json -e cpu-clock -o f ./work 200
	said '^ustack: /proc is that of another PID namespace: programs are found by their paths only$'
	[ "$(json '["complete_pct"] > 95')" = True ] && [ "$(chains f)" -gt 50 ] || fail "in a PID namespace: $(cat out)"
	# Not in a chroot, whose root is no mount.
	! unshare --pid --fork --mount-proc true 2>err ||
		unshare --pid --fork --mount-proc "$ustack" record -e cpu-clock -o f ./work 50 >out 2>err || fail "in a PID namespace with its own /proc"
	! grep namespace err || fail "its own /proc"
	status 255 unshare --pid --fork "$ustack" top -e cpu-clock -n 1
	said 'another PID namespace'
fi
