#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# ustack record where the kernel defers stacks, from NMIs: the profile is that of
# perf record, every stack is accounted for, whatever happens meanwhile.
set -eu -o pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
work=${2-}

if [ "${1-}" != guest ]; then
	for f in "${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}" "$top/build/perf/perf"; do
		[ -e "$f" ] || { echo "${f#"$top/"} is not built"; exit 77; }
	done
	make -s -C "$top" lib
	mkdir -p "$top/build/check"
	work=$(mktemp -d "$top/build/check/record.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	cat >"$work/work.c" <<-'END'
		#include <pthread.h>
		#include <stdlib.h>
		#include <string.h>
		#include <time.h>
		#include <unistd.h>
		#define KEEP __attribute__((noinline))
		KEEP static void leaf(int n) { for (volatile int i = 0; i < n; i++) ; }
		KEEP static void calls(int n) { for (int i = 0; i < n; i++) close(-1); __asm__(""); }
		KEEP static void often(void) { leaf(60000); __asm__(""); }
		KEEP static void kernel(void) { calls(300); __asm__(""); }
		/* A stack of more than 64 KiB */
		KEEP static void deep(int n)
		{
			volatile char room[8192];
			memset((char *)room, n, sizeof(room));
			if (n)
				deep(n - 1);
			else
				leaf(60000);
			__asm__("");
		}
		KEEP static int all(const void *a, const void *b) { often(); kernel(); deep(12); return *(int *)a - *(int *)b; }
		static void *work(void *ms)
		{
			struct timespec t;
			int v[2] = { 2, 1 };
			do {
				qsort(v, 2, sizeof(*v), all);
				clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
			} while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < (long)ms);
			return 0;
		}
		/* work MS: of CPU time in each of two threads */
		int main(int argc, char **argv)
		{
			long ms = atoi(argv[1]);
			pthread_t t;
			pthread_create(&t, 0, work, (void *)ms);
			work((void *)ms);
			return pthread_join(t, 0);
		}
	END
	gcc -O1 -pthread -o "$work/work" "$work/work.c"
	"$top/tests/qemu/vm" --smp 2 --time-limit 600 -- "$(readlink -f "$0")" guest "$work"
	exit
fi

ustack=$top/build/libustack/ustack
cd /tmp
cp "$work/work" .
fail() { echo "FAIL: $*"; [ ! -s err ] || cat err; exit 1; }
record() { "$ustack" record "$@" >out 2>err || fail "record $*: exit status $?"; }
said() { grep -q -- "$1" err || fail "not said: $1"; }
number() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" out; }
# whole: of accounts in JSON: there are samples, and each has its stack, but what
# ended with the recording
whole()
{
	[ "$(number samples)" -gt "$1" ] && [ "$(number lost_records)" = 0 ] && grep -q '"stacks":"deferred"' out &&
		grep -q '"ring":0,"part":0,.*"exit":0,"missed":0,"cookie":0,"memory":0,"throttled":0' out ||
		{ cat out; fail "$2"; }
	echo "$2: $(cat out)"
}

# taken N: waits until the file f has so many samples: what was written can be read
taken()
{
	local n
	for i in $(seq 60); do
		n=$("$ustack" stat -i f 2>/dev/null | sed -n 's/^samples //p') || :
		[ "${n:-0}" -lt "$1" ] || return 0
		sleep 1
	done
	fail "no $1 samples in a minute"
}

# shares FILE: chains with at least 2 % of the samples, and their parts of all; the
# kernel's part, which may be an interrupt, is left out
shares()
{
	"$ustack" fold -i "$1" 2>/dev/null | sed -E 's/(;\[kernel\]|;[^;]*_\[k\])+( [0-9]+)$/\2/; s/@@?[A-Z_0-9.]*//g' | awk '
		{ n = $NF; sub(/ [0-9]+$/, ""); count[$0] += n; all += n }
		END { for (c in count) if (count[c] >= all / 50) print c, count[c] / all }' | sort
}

# --- the same profile, and Debian's perf has nothing to say
"$top/build/perf/perf" record -q -e nmi_clock// -F 997 --call-graph dwarf,1048576,defer -o theirs ./work 1500 >out 2>err || fail "perf record"
record -e nmi_clock// -F 997 --stack 1M -o mine ./work 1500
said 'mine: [1-9][0-9]* samples, stacks deferred, '
cat err
shares theirs >a
shares mine >b
cat b
join -t ' ' a b | awk '{ d = $2 - $3; if (d * d > 0.01) exit 1; n++ } END { exit n < 6 }' || { paste a b; fail "not the profile of perf record"; }
for chain in 'main;work;.*;all;often;leaf ' 'clone3*;start_thread;work;.*;all;kernel;calls;.* ' \
	'start_thread;work;.*;all;deep;deep;deep;deep;deep;deep;deep;deep;deep;deep;deep;deep;deep;leaf '; do
	grep -q "$chain" b || fail "no $chain"
done
/usr/bin/perf report -i mine --stdio >out 2>err || fail "Debian's perf report"
[ ! -s err ] || fail "Debian's perf report complains"
/usr/bin/perf script -i mine -F ip,sym >out 2>err || fail "Debian's perf script"
[ ! -s err ] || fail "Debian's perf script complains"
grep -A 1 ' leaf$' out >callers
grep -q ' often$' callers || fail "Debian's perf script has no chain"

# --- a stack that is too small is said
record -e nmi_clock// -o f --stack 4096 ./work 300
said 'to do: stacks go deeper: --stack 16384'

# --- everything on both CPUs: many short processes, and one that is blocked
sleep 1000 & sleeper=$!
record --json -a -e nmi_clock// -F 997 -o f sh -c 'for i in $(seq 60); do /bin/true; ls / >/dev/null; done; ./work 200 & ./work 200; wait'
whole 300 "all CPUs"
"$ustack" fold -i f >folds 2>err
grep -q '^ls;_start;' folds && grep -q '^work;.*;leaf ' folds || fail "no chain of what was started"
/usr/bin/perf report -i f --stdio >out 2>err || fail "Debian's perf report"
[ ! -s err ] || fail "Debian's perf report complains"
kill $sleeper

# --- a process that runs, until ^C
rm -f f
./work 1000000 & pid=$!
"$ustack" record --json -e nmi_clock// -F 997 -o f -p $pid >out 2>err & recorder=$!
taken 300
kill -INT $recorder
status=0
wait $recorder || status=$?
[ $status = 130 ] || fail "^C: exit status $status"
kill $pid
whole 250 "attached"

# --- a recorder that stands still: losses are counted, records as well as stacks
./work 1000000 & pid=$!
rm f
"$ustack" record --json -e nmi_clock// -F 3000 -m 64K --stack 8192 -o f -p $pid >out 2>err & recorder=$!
taken 50
kill -STOP $recorder
sleep 2
kill -CONT $recorder
sleep 1
kill -INT $recorder
wait $recorder || :
kill $pid
[ "$(number lost_records)" -gt 50 ] && [ "$(number samples)" -gt 50 ] || fail "stopped: $(cat out)"
[ "$(number samples)" = "$("$ustack" stat -i f 2>/dev/null | sed -n 's/^samples //p')" ] || fail "not as many samples as told"
echo "stopped: $(cat out)"

# --- a cgroup of either version, and one below it, but nothing that runs elsewhere
mkdir groups
cp work inside
cp work below
for type in 'cgroup2 -o rw' 'cgroup -o perf_event'; do
	mount -t $type none groups
	# Those of version 2 count for events only when controllers were set once, as at any boot.
	[ ! -e groups/cgroup.subtree_control ] || echo +memory >groups/cgroup.subtree_control
	mkdir -p groups/sampled/below
	# The three leave the recorder its time, however slow the guest is.
	nice -n 19 ./work 1000000 & pids=($!)
	sh -c 'echo 0 >groups/sampled/cgroup.procs && exec nice -n 19 ./inside 1000000' & pids+=($!)
	sh -c 'echo 0 >groups/sampled/below/cgroup.procs && exec nice -n 19 ./below 1000000' & pids+=($!)
	until grep -q below /proc/${pids[2]}/comm && grep -q inside /proc/${pids[1]}/comm; do sleep 0.1; done
	record --json -G "$PWD/groups/sampled" --stack 8192 -m 4M -e nmi_clock// -F 199 -o f sleep 2
	whole 100 "$type"
	# Its events begin while the task that makes room is still switching: no user code of others.
	"$ustack" script -i f -F comm,ip 2>/dev/null | awk '/^[^ \t]/ { c = $1; getline; n[c " " ($1 ~ /^ffff/ ? "kernel" : "user")]++ }
		END { for (c in n) print c, n[c] }' >comms
	awk '$1 != "inside" && $1 != "below" && $2 == "user" { other++ } $3 > 25 && $2 == "user" { n++ } END { exit n != 2 || other }' comms || { cat comms; fail "not those of the cgroup"; }
	"$ustack" fold -i f 2>/dev/null | grep '^inside;.*;main;work;.*;leaf ' >/dev/null || fail "no chains of the cgroup"
	kill "${pids[@]}"
	wait "${pids[@]}" 2>/dev/null || :
	rmdir groups/sampled/below groups/sampled
	umount groups
done

# --- where threads wait: one stack for the whole stay in the kernel.  The time of a
# sleep runs before its thread is away.
record --json --off-cpu -o f sh -c 'for i in 1 2 3 4 5; do sleep 0.1; done; exec ./work 50'
"$ustack" script -i f -F comm,period,sym >out
awk '/^sleep/ { p = $2 } / clock_nanosleep/ && p >= 50000000 { n++; p = 0 } END { exit n != 5 }' out || { cat out; fail "not five sleeps of 0.1 s"; }
grep -c '_start' out >/dev/null || fail "waits without the user's stack"

# --- tracepoints, which perf would want to know the fields of
record -e sched:sched_switch -o f sh -c 'for i in 1 2 3 4 5; do sleep 0.01; done'
/usr/bin/perf script -i f -F event,ip,sym >out 2>err || fail "Debian's perf script of a tracepoint"
[ ! -s err ] && grep -q '^ *sched:sched_switch' out && grep -q '_start$' out || { head -20 out; fail "no stacks of a tracepoint"; }

# --- who waits: from before the beginning, and when it ends, when no stack came yet
sleep 1000 & always=$!
sh -c 'while [ ! -e go ]; do sleep 0.1; done; exec sleep 1000' & late=$!
rm -f f
"$ustack" record --json --off-cpu -o f -p $always,$late >out 2>err & recorder=$!
until [ -s f ]; do sleep 0.1; done
touch go
until [ "$(cat /proc/$late/comm)" = sleep ]; do sleep 0.1; done
sleep 2
kill -INT $recorder
status=0
wait $recorder || status=$?
[ $status = 130 ] || fail "who waits: exit status $status"
kill $always $late
grep -q '"end":0' out && [ "$(number untraced)" = 0 ] || fail "who waits: $(cat out)"
"$ustack" script -i f -F comm,tid,period,end,sym >script
awk -v tid=$always '/^sleep/ { p = $2 == tid && $NF == "end=finished" && $3 > 1e9 } / clock_nanosleep/ && p { n++ } END { exit n != 1 }' script || { cat script; fail "who waits all the time"; }
awk -v tid=$late '/^sleep/ { p = $2 == tid && $NF == "end=finished" && $3 > 1e9 } / __libc_start_main/ && p { n++ } END { exit !n }' script || { cat script; fail "who waits at the end"; }

# --- CPUs that go and come: with all CPUs, a command, and a process that runs
# on_cpu1 SECONDS: samples there, of the last ones
on_cpu1()
{
	"$ustack" script -i f -F cpu,time | awk -v s="$1" '{ t = $2 + 0; cpu[NR] = $1; at[NR] = t; if (t > last) last = t }
		END { for (i in at) n += cpu[i] == "[001]" && at[i] > last - s; print n + 0 }'
}
cpu1=/sys/devices/system/cpu/cpu1/online
# Stacks for the ring of a CPU that is off are counted as lost.
(sleep 1; echo 0 >$cpu1; sleep 1; echo 1 >$cpu1) &
record --json -a -e cpu-clock -F 499 -o f ./work 2500
wait $!
[ "$(on_cpu1 1)" -gt 50 ] && [ "$(number cpus_came),$(number cpus_went)" = 1,1 ] || fail "CPUs go and come: $(on_cpu1 1) samples, $(cat out)"
said 'CPU 1 went offline'
said 'CPU 1 came online'
for target in -a command -p; do
	echo 0 >$cpu1
	# nmi_clock is silent on a CPU that was off when its event of a thread was opened.
	event=cpu-clock
	case $target in
	-a)	event=nmi_clock//; set -- -a ./work 3000 ;;
	command) set -- ./work 3000 ;;
	-p)	./work 3000 & set -- -p $! ;;
	esac
	(until grep -qx work /proc/[0-9]*/comm 2>/dev/null; do sleep 0.1; done; sleep 1; echo 1 >$cpu1) &
	record --json -e $event -F 499 -m 16M -o f "$@"
	wait
	[ "$(on_cpu1 100)" -gt 20 ] && [ "$(number cpus_came)" = 1 ] || fail "$target: a CPU that comes: $(on_cpu1 100) samples, $(cat out)"
	whole 100 "$target: a CPU that comes"
	"$ustack" script -i f -F comm,cpu,end,sym >script
	# Whoever runs there is known, whatever it did before it was sampled.
	awk '/end=/ { there = /^work *\[001\]/; n += there && !/end=-/; bad += there && /end=no_rule/ }
		END { exit n < 20 || bad > 0.1 * n }' script || { grep '^work' script | sort | uniq -c; fail "$target: chains of a CPU that came"; }
	/usr/bin/perf report -i f --stdio >out 2>err || fail "Debian's perf report"
	[ ! -s err ] || fail "Debian's perf report complains"
done
echo 0 >$cpu1
record --json -a -e nmi_clock// -F 499 -o f ./work 200
echo 1 >$cpu1
whole 20 "without a CPU"

# --- the clock is set back meanwhile
(until grep -qx work /proc/[0-9]*/comm 2>/dev/null; do sleep 0.1; done; date -s 2001-01-01 >/dev/null) &
record --json -e nmi_clock// -F 499 -m 16M -o f ./work 1500
wait
whole 20 "a clock that was set back"
