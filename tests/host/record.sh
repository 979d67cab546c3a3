#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# ustack record on this machine's kernel: the profile is that of perf record, as
# ustack and Debian's perf show it, and perf has nothing to say against the file.
# Then all that can go wrong: what was taken is kept, and the reason told.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
ustack=$top/build/libustack/ustack
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"

fail() { echo "FAIL: $*"; [ ! -s err ] || sed 's/^/    /' err; exit 1; }
# status WANTED COMMAND...: exit status; what it says goes to err
status()
{
	local want=$1 status=0
	shift
	"$@" >out 2>err || status=$?
	[ "$status" = "$want" ] || fail "exit status $status, not $want: $*"
}
said() { grep -q -- "$1" err || fail "not said: $1"; }
# misused LINE ARGUMENT...
misused()
{
	local line=$1
	shift
	status 2 "$ustack" record "$@"
	[ "$(wc -l <err)" = 1 ] && said "^ustack: .*$line"
}
# json KEY: of the accounts in out
json() { /usr/bin/python3 -c 'import json, sys; print(eval("d" + sys.argv[1], {"d": json.load(open("out"))}))' "$1"; }

make -s -C "$top" lib
cat >work.c <<'END'
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#define KEEP __attribute__((noinline))
KEEP static void leaf(int n) { for (volatile int i = 0; i < n; i++) ; }
KEEP static void often(void) { leaf(200000); __asm__(""); }
KEEP static void seldom(void) { leaf(100000); __asm__(""); }
KEEP static int both(const void *a, const void *b) { often(); seldom(); return *(int *)a - *(int *)b; }
/* So many milliseconds of CPU time in a thread, some of it below libc. */
static void *work(void *ms)
{
	struct timespec t;
	int v[2] = { 2, 1 };
	do {
		qsort(v, 2, sizeof(*v), both);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	} while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < (long)ms);
	return 0;
}
/* work MS STATUS: in two threads */
int main(int argc, char **argv)
{
	long ms = atoi(argv[1]);
	pthread_t t;
	pthread_create(&t, 0, work, (void *)ms);
	work((void *)ms);
	pthread_join(t, 0);
	return argc > 2 ? atoi(argv[2]) : 0;
}
END
gcc -O1 -pthread -o work work.c
gcc -O1 -pthread -static -o static work.c

"$ustack" record -e cpu-clock -o probe ./work 10 2>err ||
	{ grep -q 'no perf events\|no permission' err && { cat err; echo "this machine allows no perf events"; exit 77; }; fail "record"; }

# --- the same profile
# shares FILE: chains with at least 5 % of the samples, and these rounded to a
# tenth; the kernel's part, which is other interrupts, is left out
shares()
{
	sed -E 's/;\[kernel\]( [0-9]+)$/\1/; s/@@?[A-Z_0-9.]*//g' "$1" | awk '
		{ n = $NF; sub(/ [0-9]+$/, ""); count[$0] += n; all += n }
		END { for (c in count) if (count[c] >= all / 20) print c, count[c] / all }' | sort
}
# same A B: equal chains whose shares differ by less than a tenth of all
same()
{
	join -t ' ' "$1" "$2" | awk '{ d = $2 - $3; if (d * d < 0.01) n++ } END { print n + 0 }' >joined
	[ "$(cat joined)" -ge 4 ] && [ "$(cat joined)" = "$(wc -l <"$1")" ] && [ "$(cat joined)" = "$(wc -l <"$2")" ] ||
		{ paste "$1" "$2"; fail "$3"; }
}
perf record -q -e cpu-clock -F 997 --call-graph dwarf -o perf.dwarf ./work 800 2>err
"$ustack" fold -i perf.dwarf | shares /dev/stdin >dwarf 2>err
status 0 "$ustack" record -e cpu-clock -F 997 -o mine ./work 800
said "^ustack: mine: 1[0-9]* samples, stacks .*, 0 lost, .* complete, [0-9]* bytes a sample"
"$ustack" fold -i mine | shares /dev/stdin >own
same dwarf own "not the profile of perf record"
for chain in 'main;work;.*;both;often;leaf' 'start_thread;work;.*;both;seldom;leaf'; do
	grep -q "$chain" own || fail "no $chain"
done

# --- as Debian's perf sees it: no warning, the same samples and the same chains
quiet()
{
	status 0 "$@"
	[ ! -s err ] && [ -s out ] || fail "complains: $*"
}
# folded: what perf script prints, as ustack fold does
folded()
{
	awk '/^[^ \t]/ { comm = $1; chain = ""; next }
	     NF { name = $2; sub(/@.*/, "", name); k = /\(\[kernel/ || $1 ~ /^ffffffff/
		  if (k) name = "[kernel]"
		  if (!k || chain !~ /^;\[kernel\]/) chain = ";" name chain; next }
	     comm != "" { print comm chain; comm = "" }' "$1" | sort | uniq -c | awk '{ n = $1; $1 = ""; print substr($0, 2), n }' | sort
}
unversioned() { sed 's/@@*[A-Z_0-9.]*//g' "$1" | sort; }
quiet perf script -i mine -F comm,ip,sym,dso
folded out >theirs
"$ustack" fold -i mine >folds
unversioned folds >ours
diff ours theirs || fail "perf script and ustack fold differ"
quiet perf report -i mine --stdio
grep -q 'Total Lost Samples: 0' out || fail "perf report counts losses"
quiet perf report -i mine --header-only
for line in "arch : $(uname -m)" "os release : $(uname -r)" 'perf version : ustack' 'cmdline : .*record -e cpu-clock'; do
	grep -q "^# $line" out || fail "no header $line"
done
quiet perf buildid-list -i mine
id=$(readelf -n work | sed -n 's/.*Build ID: //p')
grep -qx "$id $tmp/work" out || fail "no build-id of the program"
quiet perf script -i mine --show-task-events --show-mmap-events
for event in COMM FORK EXIT MMAP2; do
	grep -q "PERF_RECORD_$event" out || fail "no $event"
done

# --- to a pipe: what the command prints stays out of it
sh -c '"$1" record -o - -e cpu-clock -- sh -c "echo hello; exec ./work 300" 2>err2 | "$1" fold -i -' - "$ustack" >out 2>err || fail "pipe"
grep -q '^work;.*;leaf [0-9]*$' out || fail "no chain through a pipe"
grep -qx hello err2 || fail "the command's output is not on standard error"
"$ustack" record -o - -e cpu-clock ./work 300 2>err2 | perf report -i - --stdio >out 2>err || fail "perf report of a pipe"
[ ! -s err ] && grep -q ' leaf$' out || fail "perf report of a pipe"
mkfifo fifo
"$ustack" fold -i - <fifo >out & reader=$!
"$ustack" record -o fifo -e cpu-clock ./work 300 2>err || fail "to a FIFO"
wait $reader
grep -q ';leaf ' out || fail "no chain through a FIFO"

# --- not compressed: more bytes, and still less than 300 of them
status 0 "$ustack" record --json --plain -e cpu-clock -o f ./work 300
[ "$(json '["bytes"]')" -gt $((100 * $(json '["samples"]'))) ] && [ "$(json '["bytes"]')" -lt $((300 * $(json '["samples"]'))) ] || fail "bytes: $(cat out)"

# --- where threads wait: no shorter than they asked for, and those that still do
cat >nap.c <<'END'
#include <pthread.h>
#include <unistd.h>
#define KEEP __attribute__((noinline))
KEEP static void nap(void) { usleep(20000); __asm__(""); }
KEEP static void hang(int fd) { char c; if (read(fd, &c, 1)) __asm__(""); }
static int fds[2];
static void *thread(void *arg) { hang(fds[0]); return arg; }
int main(void)
{
	pthread_t t;
	if (pipe(fds))
		return 1;
	pthread_create(&t, 0, thread, 0);
	for (int i = 0; i < 10; i++)
		nap();
	return 0;
}
END
gcc -O1 -pthread -o nap nap.c
status 0 "$ustack" record --off-cpu -e cpu-clock -o f ./nap
# waited FUNCTION: milliseconds in waits below it, and how many there were
waited()
{
	"$ustack" script -i f -F event,period,sym | awk -v name="$1" '
		/offcpu-time/ { off = 1; ns = $1 } /cpu-clock/ { off = 0 }
		off && $1 == name { sum += ns; n++ } END { printf "%d %d\n", sum / 1000000, n }'
}
read -r ms n <<<"$(waited nap)"
[ "$ms" -ge 200 ] && [ "$n" = 10 ] || fail "$n naps of $ms ms in all"
read -r ms n <<<"$(waited hang)"
[ "$ms" -ge 200 ] && [ "$n" = 1 ] || fail "$n hung threads, $ms ms in all"
quiet perf report -i f --stdio
grep -q "of event 'offcpu-time'" out || fail "perf report does not know offcpu-time"
misused 'exclude each other' --off-cpu --raw true

# --- with stacks: all of them, which others unwind; or those of chains that are cut
status 0 "$ustack" record --raw -e cpu-clock -F 997 -o raw ./work 600
"$ustack" fold -i raw | shares /dev/stdin >own
same dwarf own "not the profile of perf record, with stacks"
"$ustack" stat -i raw >stats
[ "$(sed -n 's/^legacy //p' stats)" = "$(sed -n 's/^samples //p' stats)" ] || fail "not all samples have their stack"
quiet perf script -i raw -F ip,sym --no-inline
grep -A 1 ' leaf$' out >callers
grep -q ' often$' callers || fail "perf does not unwind the stacks"
status 0 "$ustack" record --json --raw=cut -e cpu-clock -F 997 --stack 256 -o raw ./work 300
"$ustack" stat -i raw >stats
[ "$(sed -n 's/^legacy //p' stats)" = "$(json '["ends"]["truncated"]')" ] && [ "$(json '["ends"]["truncated"]')" -gt 50 ] ||
	fail "not the samples whose chain is cut have their stack"
[ "$(sed -n 's/^finished //p' stats)" = "$(json '["ends"]["finished"]')" ] || fail "another end with --raw=cut"
misused "'all' is not cut" --raw=all true

# --- several events, and terms
status 0 "$ustack" record -e cpu-clock/freq=500/u,page-faults/period=1,name=faults/ -e task-clock:u -o several ./work 300
"$ustack" script -F event -i several | sort -u | tr '\n' ' ' >events
[ "$(tr -d ' ' <events)" = cpu-clock/freq=500/u:faults:task-clock:u: ] || fail "events: $(cat events)"
! "$ustack" script -F event,ip,dso -i several | awk '/^ *cpu-clock/ { c = 1 } /^$/ { c = 0 } c && /ffffffff/' | grep . || fail "the kernel, with :u"

# --- JSON, and exit statuses as perf has them
status 3 "$ustack" record --json -e cpu-clock -o f ./work 100 3
[ ! -s err ] && [ "$(json '["lost_records"]')" = 0 ] && [ "$(json '["samples"]')" -gt 50 ] || fail "json: $(cat out)"
[ "$("$ustack" stat -i f | sed -n 's/^samples //p')" = "$(json '["samples"]')" ] || fail "not as many samples as told"
[ "$(json '["bytes"]')" -le "$(stat -c %s f)" ] || fail "more bytes than there are"
[ "$(json '["bytes"]')" -lt $((100 * $(json '["samples"]'))) ] || fail "more than 100 bytes a sample"
status 127 "$ustack" record -e cpu-clock -o f ./nocommand
said 'cannot run ./nocommand: No such file'
: >plain
status 126 "$ustack" record -e cpu-clock -o f ./plain
said 'cannot run ./plain: Permission denied'
status 139 bash -c '"$@"; exit' - "$ustack" record -e cpu-clock -o f sh -c 'kill -SEGV $$'
status 0 "$ustack" record -e cpu-clock -o f true
"$ustack" fold -i f >out 2>err || fail "of a command that exits at once"

# --- a name that is taken: the old file stays
echo old >taken
status 0 "$ustack" record -e cpu-clock -o taken true
[ "$(cat taken.old)" = old ] || fail "no taken.old"

# --- it is ended: by ^C, SIGTERM, the end of what it looks at, or killed
chains() { "$ustack" fold -i "$1" 2>err | awk '/;leaf [0-9]*$/ { n += $NF } END { print n + 0 }'; }
for signal in INT TERM HUP; do
	./work 100000 & pid=$!
	"$ustack" record -e cpu-clock -o f -p $pid 2>err & recorder=$!
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
./work 600 & pid=$!
status 0 timeout 60 "$ustack" record -e cpu-clock -o f -p $pid
[ "$(chains f)" -gt 0 ] || fail "-p: nothing"
./work 600 & pid=$!
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
status 1 "$ustack" record -e cpu-clock -o /dev/full ./work 100
said '/dev/full: .*No space left'
for option in --plain --json; do
	status 1 sh -c 'ulimit -f 100; exec "$@"' - "$ustack" record $option -e cpu-clock -F 9000 -m 64K --stack 1024 -o full ./work 100000
	said 'full: not all could be written.*File too large'
	[ "$(chains full)" -ge 0 ] || fail "full disk: not a file any more"
	perf report -i full --stdio >/dev/null 2>err || fail "full disk: perf report"
done
status 1 bash -c 'set -o pipefail; "$@" | head -c 100 >/dev/null' - "$ustack" record -e cpu-clock -F 9000 -o - ./work 100000
said 'standard output: .*Broken pipe'
status 1 "$ustack" record -e cpu-clock -o /nowhere/f true
said '/nowhere/f: cannot open: No such file'

# --- rings that run full, as the recorder is stopped: counted, here and by perf
stopped()
{
	"$ustack" record "$@" -e cpu-clock -F 4000 -m 64K --stack 8192 -o f ./work 900 >out 2>err & recorder=$!
	sleep 0.5
	kill -STOP $recorder
	sleep 0.7
	kill -CONT $recorder
	wait $recorder || fail "stopped and continued"
}
stopped --json
lost=$(json '["lost_records"]')
[ "$lost" -gt 100 ] && [ "$(json '["samples"]')" -gt 100 ] || fail "nothing is lost, or all: $(cat out)"
[ "$("$ustack" stat -i f 2>/dev/null | sed -n 's/^lost_records //p')" = "$lost" ] || fail "ustack stat sees other losses than $lost"
perf report -i f --stdio >out 2>/dev/null
grep -qx "# Total Lost Samples: $lost" out || fail "perf sees other losses than $lost"
stopped
said 'records lost in full rings.*to do: .*-m 256K'
status 0 "$ustack" record -e cpu-clock -m 4K --stack 8192 -o f ./work 100
said '-m 4K: too small .*: it is 32K'

# --- what a program is that is not there as it was: in another root, deleted, by exec
if [ "$(id -u)" = 0 ]; then
	mkdir -p root
	cp static root/program
	status 0 "$ustack" record --json -e cpu-clock -o f chroot root /program 300
	[ "$(json '["complete_pct"]>95')" = True ] || fail "another root: $(cat out)"
	cp work gone
	./gone 600 & pid=$!
	rm gone
	status 0 "$ustack" record --json -e cpu-clock -o f -p $pid
	[ "$(json '["complete_pct"]>95')" = True ] || fail "deleted: $(cat out)"
	wait
fi
status 0 "$ustack" record -e cpu-clock -o f sh -c './work 200 & exec ./static 200'
"$ustack" fold -i f >out
for name in work static; do
	grep -q "^$name;.*;leaf " out || fail "no chain of $name"
done
status 0 "$ustack" record -e cpu-clock --stack 256 -o f ./work 200
said 'stacks go deeper: --stack 1024'
# The file tells which chains are not complete, as one with stacks would.
status 0 "$ustack" record --json -e cpu-clock --stack 256 -o f ./work 200
[ "$("$ustack" stat -i f | sed -n 's/^end_truncated //p')" = "$(json '["ends"]["truncated"]')" ] &&
	[ "$("$ustack" stat -i f | sed -n 's/^finished //p')" = "$(json '["ends"]["finished"]')" ] || fail "stat sees other ends"
"$ustack" fold -i f >folds
grep -q '^work;\[cut short\];' folds || fail "fold does not say what is cut"
quiet perf script -i f

# --- a cgroup, and nothing else; where there is one of version 2 that takes another
cgroups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
if [ -n "$cgroups" ] && mkdir "$cgroups/ustack.$$" 2>/dev/null; then
	sh -c 'echo $$ >"$1" && exec ./work 100000' - "$cgroups/ustack.$$/cgroup.procs" 2>/dev/null & inside=$!
	./work 100000 & pid=$!
	"$ustack" record -G "$cgroups/ustack.$$" -e cpu-clock -o f sleep 0.5 >out 2>err && status=0 || status=$?
	kill $pid $inside 2>/dev/null || :
	wait $pid $inside 2>/dev/null || :
	rmdir "$cgroups/ustack.$$"
	[ $status = 0 ] || said 'cannot sample that event'
	"$ustack" script -i f -F pid | sort -u | tr -d ' \n' >pids
	[ $status != 0 ] || [ ! -s pids ] || [ "$(cat pids)" = $inside ] || fail "-G: not only $inside but $(cat pids)"
fi
status 1 "$ustack" record -G nocgroup -o f true
said 'there is no cgroup nocgroup'
status 1 "$ustack" record -G "$tmp" -e cpu-clock -o f true
said 'that is no cgroup'

# --- not permitted, not there
misused 'nothing to record'
misused 'exclude each other' -p 1 true
misused 'exclude each other' -F 1 -c 1 true
misused "there is no event 'cylces'" -e cylces true
misused 'an event has no name' -e cpu-clock,,page-faults true
misused "there is no term 'x'" -e cpu-clock/x=1/ true
misused "this machine has no PMU 'nopmu'" -e nopmu/x/ true
misused 'a / is missing' -e cpu-clock/x true
misused "modifiers" -e cpu-clock:z true
misused "'0' is not a number" -F 0 true
misused "'1x' is not a list" -p 1x
misused "'9M' is not a size" --stack 9M true
misused "record has no option '--no'" --no true
misused '-e needs an argument' -e
status 1 "$ustack" record -e cpu-clock -o f -p 4194303
said 'there is no process 4194303'
status 1 "$ustack" record -e cpu-clock -o f -t 4194303
said 'there is no process or thread 4194303'
if [ "$(id -u)" = 0 ] && [ "$(cat /proc/sys/kernel/perf_event_paranoid)" = 2 ] && command -v setpriv >/dev/null; then
	chmod 777 .
	nobody="setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all"
	cp "$ustack" .
	status 1 $nobody ./ustack record -e cpu-clock -a -o f2
	said 'no permission: kernel.perf_event_paranoid is 2.*sysctl kernel.perf_event_paranoid=0'
	status 1 $nobody ./ustack record -e cpu-clock -o f2 -p 1
	said 'no permission to sample thread 1'
	status 0 $nobody ./ustack record -e cpu-clock -m 16M -o f2 ./work 200
	said 'only user mode is sampled'
	said 'rings of [0-9]* KiB instead of 16384'
	[ "$(chains f2)" -gt 0 ] || fail "as nobody: nothing"
	status 1 sh -c 'ulimit -n 6; exec "$@"' - ./ustack record -e cpu-clock -o f2 true
fi

# --- on a terminal: a line of progress, and no perf.data for its eyes
script -qec "$ustack record -e cpu-clock -o f ./work 1500" /dev/null >out 2>err </dev/null || fail "on a terminal"
grep -q 'samples/s, 0 lost, ' out || fail "no progress on a terminal"
! script -qec "$ustack record -e cpu-clock -o - true" /dev/null >err 2>&1 </dev/null || fail "a recording on a terminal"
said 'is a terminal'
