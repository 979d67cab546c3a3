#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# What ustack record cannot do: the reason is told, and exit statuses are those of perf.
. "${0%/*}/record-common"

# --- JSON, and exit statuses as perf has them
status 3 "$ustack" record --json -e cpu-clock -o f ./work 100 3
[ ! -s err ] && [ "$(json '["lost_records"]')" = 0 ] && [ "$(json '["samples"]')" -gt 50 ] || fail "json: $(cat out)"
[ "$("$ustack" stat -i f | sed -n 's/^samples //p')" = "$(json '["samples"]')" ] || fail "not as many samples as told"
[ "$(json '["bytes"]')" -le "$(stat -c %s f)" ] || fail "more bytes than there are"
[ "$(json '["bytes"]')" -lt $((100 * $(json '["samples"]'))) ] || fail "more than 100 bytes a sample"
status 255 "$ustack" record -e cpu-clock -o f ./nocommand
said 'cannot run ./nocommand: No such file'
: >plain
status 255 "$ustack" record -e cpu-clock -o f ./plain
said 'cannot run ./plain: Permission denied'
status 139 bash -c '"$@"; exit' - "$ustack" record -e cpu-clock -o f sh -c 'kill -SEGV $$'
status 0 "$ustack" record -e cpu-clock -o f true
# readable FILE: of a command that exits at once, of which there may be no sample
readable() { "$ustack" fold -i "$1" >out 2>err || grep -qx "ustack: $1: has no samples: .*" err; }
readable f || fail "of a command that exits at once"
# A pipe: whoever reads it may come late, but nobody holds up for ever.
mkfifo unread
status 255 timeout 60 "$ustack" record -e cpu-clock -o unread touch ran
said 'unread: cannot open: nobody reads this pipe'
[ ! -e ran ] || fail "the command ran, though nothing could be recorded"
# The errors, too: by themselves, or with the accounts.
for error in "-o f ./nocommand" "-o /nowhere/f true" "-o f -p 4194303" "--no" "-a -p 1" "-e cylces true"; do
	"$ustack" record --json -e cpu-clock $error >out 2>err && fail "no error: $error"
	[ "ustack: $(json '["error"]')" = "$(cat err)" ] || fail "$error: $(cat out)"
done
# trapper: it tells that it runs, and exits by itself when it is told to
cat >trapper <<'END'
#!/bin/bash
trap 'exit 5' INT TERM
: >ready
while :; do sleep 0.1; done
END
chmod 755 trapper
# ended RECORDER... SIGNAL: its exit status
ended()
{
	local signal=${!#} pid status=0
	rm -f ready
	"${@:1:$#-1}" ./trapper 2>/dev/null & pid=$!
	until [ -e ready ]; do kill -0 $pid || return; sleep 0.05; done
	kill -"$signal" $pid
	wait $pid 2>/dev/null || status=$?
	echo $status
}
for signal in INT TERM; do
	mine=$(ended "$ustack" record -e cpu-clock -o f $signal)
	theirs=$(ended perf record -q -B -N -e cpu-clock -o f $signal)
	[ "$mine" = "$theirs" ] || fail "SIG$signal: exit status $mine, and $theirs of perf"
done
for command in "-o f true" "-o f sh -c 'exit 3'" "-o f sh -c 'kill -SEGV \$\$'" "-o f ./nocommand" "-o f ./plain" "-o /nowhere/f true" \
	"-o f -t 4194303" "-e cylces true" "--nothing" "-p"; do
	mine=0 theirs=0
	bash -c "'$ustack' record -e cpu-clock $command; exit" >/dev/null 2>&1 || mine=$?
	bash -c "perf record -q -B -N -e cpu-clock $command; exit" >/dev/null 2>&1 || theirs=$?
	[ $mine = $theirs ] || fail "$command: exit status $mine, and $theirs of perf"
done
# No more of a command's limits than it had.
(ulimit -S -n 50; "$ustack" record -e cpu-clock -o f sh -c 'ulimit -S -n') >out 2>err
[ "$(cat out)" = 50 ] || fail "the command may open $(cat out) files"

# --- a name that is taken: the old file stays
echo old >taken
status 0 "$ustack" record -e cpu-clock -o taken true
[ "$(cat taken.old)" = old ] || fail "no taken.old"
echo new >taken
for mistake in "./nocommand" "./plain" "-p 4194303" "-e cylces true"; do
	"$ustack" record -e cpu-clock -o taken $mistake 2>err && fail "no error: $mistake"
	[ "$(cat taken)" = new ] && [ "$(cat taken.old)" = old ] && [ "$(echo taken*)" = "taken taken.old" ] || fail "$mistake: $(ls taken*)"
done

# --- a cgroup, and nothing else; where there is one of version 2 that takes another
cgroups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
if [ -n "$cgroups" ] && mkdir "$cgroups/ustack.$$" 2>/dev/null; then
	sh -c 'echo $$ >"$1" && exec ./work 100000' - "$cgroups/ustack.$$/cgroup.procs" 2>/dev/null & inside=$!
	./work 100000 & pid=$!
	"$ustack" record -G "$cgroups/ustack.$$" -e cpu-clock -o f sleep 0.5 >out 2>err && status=0 || status=$?
	[ $status != 0 ] || cp f cgroup.data
	# Who waits there from before until after, also in a cgroup below.
	mkdir "$cgroups/ustack.$$/below"
	sh -c 'echo $$ >"$1" && exec sleep 1000' - "$cgroups/ustack.$$/below/cgroup.procs" 2>/dev/null & waits=$!
	until [ "$(cat /proc/$waits/comm)" = sleep ]; do sleep 0.05; done
	[ $status != 0 ] || "$ustack" record -G "$cgroups/ustack.$$" --off-cpu -o waits.data sleep 0.5 >out 2>err || fail "-G --off-cpu"
	kill $pid $inside $waits 2>/dev/null || :
	wait $pid $inside $waits 2>/dev/null || :
	rmdir "$cgroups/ustack.$$/below" "$cgroups/ustack.$$"
	if [ $status = 0 ]; then
		"$ustack" fold --pid $waits -i waits.data | grep -q ' [3-9][0-9]\{8,\}$' || fail "-G: who waits all the time is not told"
		mv cgroup.data f
	fi
	[ $status = 0 ] || said 'cannot sample that event'
	"$ustack" script -i f -F pid | sort -u | tr -d ' \n' >pids
	[ $status != 0 ] || [ ! -s pids ] || [ "$(cat pids)" = $inside ] || fail "-G: not only $inside but $(cat pids)"
fi
status 255 "$ustack" record -G nocgroup -o f true
said 'there is no cgroup nocgroup'
status 255 "$ustack" record -G "$tmp" -e cpu-clock -o f true
said 'that is no cgroup'

# --- no PMU: cycles have a neighbour, which is said; others have none
status 0 "$ustack" record -e cycles:u -o f ./work 100
event=cycles:u
if grep -q 'no PMU here that samples cycles: the event is cpu-clock' err; then
	event=cpu-clock
	status 255 "$ustack" record -e instructions -o f2 ./work 100
	said 'instructions: this machine cannot sample that event'
fi
[ "$("$ustack" script -F event -i f | tr -d ' \n' | sed "s/$event://g")" = "" ] && [ "$(chains f)" -gt 0 ] || fail "cycles:u is not $event"

# --- CPUs that have not all events: here by a kernel that refuses one of them there
if [ "$(nproc)" -gt 1 ]; then
	cat >refuse.c <<-'END'
		#include <dlfcn.h>
		#include <errno.h>
		#include <linux/perf_event.h>
		#include <sys/syscall.h>
		long syscall(long nr, long a, long b, long c, long d, long e, long f)
		{
			static long (*next)(long, ...);
			if (!next)
				next = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
			if (nr != SYS_perf_event_open || c != 1 || ((struct perf_event_attr *)a)->config != PERF_COUNT_SW_CPU_CLOCK)
				return next(nr, a, b, c, d, e, f);
			errno = ENODEV;
			return -1;
		}
	END
	gcc -D_GNU_SOURCE -shared -fPIC -o refuse.so refuse.c -ldl
	status 0 env LD_PRELOAD="$tmp/refuse.so" "$ustack" record -e cpu-clock,page-faults -o f taskset -c 0 ./work 200
	said 'cpu-clock: CPU 1 cannot sample it, others do'
	[ "$(chains f)" -gt 20 ] || fail "an event that one CPU has not"
fi

# --- not permitted, not there
misused 'nothing to record'
misused '-p and -a exclude each other' -a -p 1
misused '-t and -G exclude each other' -t 1 -G x
misused 'exclude each other' -F 1 -c 1 true
misused "there is no event 'cylces', but cycles, " -e cylces true
misused 'an event has no name' -e cpu-clock,,page-faults true
misused "there is no term 'x', but period, " -e cpu-clock/x=1/ true
misused "cpu-clock/freq=1k/: not a number: '1k'; see" -e cpu-clock/freq=1k/ true
misused "cpu-clock/period/: a value is missing behind 'period'; see" -e cpu-clock/period/ true
misused "cpu-clock/name=/: a value is missing behind 'name'; see" -e cpu-clock/name=/ true
misused "this machine has no PMU 'nopmu', but .*software" -e nopmu/x/ true
misused 'a / is missing' -e cpu-clock/x true
misused "modifiers" -e cpu-clock:z true
misused "'0' is not a number" -F 0 true
misused "'1x' is not a list" -p 1x
misused "'9M' is not a size" --stack 9M true
misused "record has no option '--no'" --no true
misused '-e needs an argument' -e
status 255 "$ustack" record -e cpu-clock -o f -p 4194303
said 'there is no process 4194303'
status 255 "$ustack" record -e cpu-clock -o f -t 4194303
said 'there is no process or thread 4194303'
if [ "$(id -u)" = 0 ] && [ "$(cat /proc/sys/kernel/perf_event_paranoid)" = 2 ] && command -v setpriv >/dev/null; then
	chmod 777 .
	cp "$ustack" .
	status 255 $nobody ./ustack record -e cpu-clock -a -o f2
	said 'no permission: kernel.perf_event_paranoid is 2.*sysctl kernel.perf_event_paranoid=0'
	status 255 $nobody ./ustack record -e cpu-clock -o f2 -p 1
	said 'no permission to sample thread 1'
	status 0 $nobody ./ustack record -e cpu-clock -m 16M -o f2 ./work 200
	said 'only user mode is sampled'
	said 'rings of [0-9]* KiB instead of 16384'
	[ "$(chains f2)" -gt 0 ] || fail "as nobody: nothing"
	# What may be locked is for the rings of all CPUs, not for the first.
	for kib in 0 8 64 1024; do
		status 0 bash -c 'ulimit -l "$0"; exec "$@"' $kib $nobody ./ustack record -e cpu-clock -o f2 ./work 200
		[ "$(grep -c 'rings of [0-9]* KiB instead of' err)" = 1 ] || fail "ulimit -l $kib: not one line on rings: $(cat err)"
		[ "$(chains f2)" -gt 50 ] || fail "ulimit -l $kib: too few samples"
	done
	# To ask for more of them is no advice then.
	status 0 bash -c 'ulimit -l 0; exec "$@"' - $nobody ./ustack record -e cpu-clock -F 1999 -m 16M -o f2 \
		sh -c 'kill -STOP $PPID; ./work 300; kill -CONT $PPID; ./work 100'
	said 'records lost in full rings.*to do: rings larger than kernel.perf_event_mlock_kb and ulimit -l allow, or a lower -F$'
	for what in "-e cpu-clock:k" --off-cpu; do
		status 255 $nobody ./ustack record $what -o f2 ./work 10
		said 'no permission to sample the kernel: kernel.perf_event_paranoid is 2;.*sysctl kernel.perf_event_paranoid=1$'
	done
fi

# --- few descriptors: the soft limit is raised, and the hard one told
status 0 bash -c 'ulimit -S -n 8; exec "$@"' - "$ustack" record -e cpu-clock -o f2 ./work 50
for nr in 4 5 6 7 8; do
	status 255 bash -c 'ulimit -n "$0"; exec "$@"' $nr "$ustack" record -e cpu-clock -o f2 true
	said '[Tt]oo many open files.*ulimit -n'
done
/usr/bin/python3 -c 'import threading, time
for i in range(40): threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
time.sleep(100)' & pid=$!
until [ "$(ls /proc/$pid/task | wc -l)" = 41 ]; do sleep 0.05; done
status 255 bash -c 'ulimit -n 30; exec "$@"' - "$ustack" record -e cpu-clock -o f2 -p $pid
kill $pid
wait $pid 2>/dev/null || :
said "too many open files: 41 threads on $(nproc --all) CPUs take about .*ulimit -n"

# --- on a terminal: a line of progress, and no perf.data for its eyes
script -qec "$ustack record -e cpu-clock -o f ./work 1500" /dev/null >out 2>err </dev/null || fail "on a terminal"
grep -q 'samples/s, 0 lost, ' out || fail "no progress on a terminal"
! script -qec "$ustack record -e cpu-clock -o - true" /dev/null >err 2>&1 </dev/null || fail "a recording on a terminal"
said 'is a terminal'
