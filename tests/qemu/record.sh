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
rm f
./work 1000000 & pid=$!
"$ustack" record --json -e nmi_clock// -F 997 -o f -p $pid >out 2>err & recorder=$!
for i in $(seq 60); do
	# What it has written so far can be read.
	n=$("$ustack" stat -i f 2>/dev/null | sed -n 's/^samples //p') || :
	[ "${n:-0}" -lt 300 ] || break
	sleep 1
done
kill -INT $recorder
status=0
wait $recorder || status=$?
[ $status = 130 ] || fail "^C: exit status $status"
kill $pid
whole 250 "attached"

# --- a recorder that stands still: losses are counted, records as well as stacks
./work 1000000 & pid=$!
"$ustack" record --json -e nmi_clock// -F 3000 -m 64K --stack 8192 -o f -p $pid >out 2>err & recorder=$!
sleep 2
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

# --- CPUs that go and come
(sleep 1; echo 0 >/sys/devices/system/cpu/cpu1/online; sleep 1; echo 1 >/sys/devices/system/cpu/cpu1/online) &
record --json -a -e cpu-clock -F 499 -o f ./work 2500
wait
[ "$(number samples)" -gt 50 ] || fail "CPUs go and come: $(cat out)"
echo 0 >/sys/devices/system/cpu/cpu1/online
record --json -a -e nmi_clock// -F 499 -o f ./work 200
echo 1 >/sys/devices/system/cpu/cpu1/online
whole 20 "without a CPU"
