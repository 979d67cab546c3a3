#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# ustack record on this machine's kernel: the profile is that of perf record, as
# ustack and Debian's perf show it, and perf has nothing to say against the file.
. "${0%/*}/record-common"

# --- the same profile
# shares FILE: chains with at least 5 % of the samples, and these rounded to a
# tenth; the kernel's part, which is other interrupts, is left out
shares()
{
	sed -E 's/(;\[kernel\]|;[^;]*_\[k\])+( [0-9]+)$/\2/; s/@@?[A-Z_0-9.]*//g' "$1" | awk '
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
perf record -q -B -N -e cpu-clock -F 997 --call-graph dwarf -o perf.dwarf ./work 800 2>err
"$ustack" fold -i perf.dwarf | shares /dev/stdin >dwarf 2>err
status 0 "$ustack" record -e cpu-clock -F 997 -o mine ./work 800
said "^ustack: mine: 1[0-9]* samples, stacks .*, 0 lost, .* complete, [0-9]* bytes a sample"
"$ustack" fold -i mine | shares /dev/stdin >own
same dwarf own "not the profile of perf record"
for chain in 'main;work;.*;both;often;leaf' 'start_thread;work;.*;both;seldom;leaf'; do
	grep -q "$chain" own || fail "no $chain"
done

# --- as Debian's perf sees it: no warning, the same samples and the same chains
# folded: what perf script prints, as ustack fold does
folded()
{
	awk '/^[^ \t]/ { comm = $1; chain = ""; next }
	     NF { name = $2; sub(/@.*/, "", name); k = /\(\[kernel/ || $1 ~ /^ffffffff/
		  if (k) name = "[kernel]"
		  if (!k || chain !~ /^;\[kernel\]/) chain = ";" name chain; next }
	     comm != "" { print comm chain; comm = "" }' "$1" | sort | uniq -c | awk '{ n = $1; $1 = ""; print substr($0, 2), n }' | sort
}
# comparable: without versions; and stubs of the PLT, which perf has other names for
# or none, with all that is not below leaf() as one
comparable()
{
	sed 's/@@*[A-Z_0-9.]*//g' "$1" |
		awk '/;leaf(;[^;]*)? [0-9]+$/ { print; next } { n += $NF } END { print "others", n + 0 }' | sort
}
quiet perf script -i mine -F comm,ip,sym,dso
folded out >folds
comparable folds >theirs
"$ustack" fold -i mine >folds
# The kernel's names are not those of a perf that asks nobody for its build-id.
sed -E 's/(;\[kernel\]|;[^;]*_\[k\])+( [0-9]+)$/;[kernel]\2/' folds | awk '{ n = $NF; sub(/ [0-9]+$/, ""); count[$0] += n }
	END { for (c in count) print c, count[c] }' >unnamed
comparable unnamed >ours
[ "$(wc -l <ours)" -gt 4 ] || fail "too few chains"
diff ours theirs || fail "perf script and ustack fold differ"
quiet perf report -i mine --stdio
grep -q 'Total Lost Samples: 0' out || fail "perf report counts losses"
quiet perf report -i mine --header-only
for line in "arch : $(uname -m)" "os release : $(uname -r)" 'perf version : ustack' 'cmdline : .*record -e cpu-clock'; do
	grep -q "^# $line" out || fail "no header $line"
done
# The kernel's text, for whoever may know.
text=$(awk '$3 == "_text" { print "0x" $1 } $3 == "_etext" { print "0x" $1 }' /proc/kallsyms | tr '\n' ' ')
if [ "$(id -u)" = 0 ] && [ "${text%% *}" != 0x0000000000000000 ]; then
	perf script -i mine --show-mmap-events 2>err | sed -n 's/.*PERF_RECORD_MMAP.* \[\(0x[0-9a-f]*\)(\(0x[0-9a-f]*\)).*kernel.kallsyms\]_text.*/\1 \2/p' >map
	read -r start size <map || fail "the kernel is not mapped"
	[ "$text" = "$start $(printf '0x%x' $((start + size))) " ] || fail "the kernel's text is not $text but $(cat map)"
fi
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
# Functions of the kernel have names there, too, if they have any.
cat >calls.c <<'END'
#include <unistd.h>
int main(void) { for (int i = 0; i < 1000000; i++) close(-1); }
END
gcc -o calls calls.c
status 0 "$ustack" record -o f -e cpu-clock ./calls
"$ustack" fold -i f 2>err | grep -c '_\[k\]' >named || :
"$ustack" record -o - -e cpu-clock ./calls 2>err2 | "$ustack" fold -i - 2>err | grep -c '_\[k\]' >piped || :
[ "$(cat named)" = 0 ] || [ "$(cat piped)" -gt 0 ] || fail "$(cat named) chains with names of the kernel, but none through a pipe"
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

# --- where threads wait: about as long as they asked for, though the time of a nap
# runs before its thread is away
cat >nap.c <<'END'
#include <pthread.h>
#include <unistd.h>
#define KEEP __attribute__((noinline))
KEEP static void nap(void) { usleep(20000); __asm__(""); }
KEEP static void hang(int fd) { char c; if (read(fd, &c, 1)) __asm__(""); }
static int fds[2];
static void *thread(void *arg) { hang(fds[0]); return arg; }
int main(int argc, char **argv)
{
	pthread_t t;
	(void)argv;
	if (pipe(fds))
		return 1;
	pthread_create(&t, 0, thread, 0);
	for (int i = 0; i < 10; i++)
		nap();
	if (argc > 1)
		hang(fds[0]);
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
[ "$ms" -ge 100 ] && [ "$n" = 10 ] || fail "$n naps of $ms ms in all"
read -r ms n <<<"$(waited hang)"
[ "$ms" -gt 0 ] && [ "$n" = 1 ] || fail "$n hung threads, $ms ms in all"
quiet perf report -i f --stdio
grep -q "of event 'offcpu-time'" out || fail "perf report does not know offcpu-time"
# Who waits all the time, from before until after: its stack is read from /proc.
./nap forever & pid=$!
until [ "$(cat /proc/$pid/task/*/syscall | grep -c '^0 ')" = 2 ]; do sleep 0.02; done
status 130 interrupted INT "$ustack" record --off-cpu -o f -p $pid
said ': 2 samples, .* 0 lost, 100.0 % complete'
read -r ms n <<<"$(waited hang)"
[ "$ms" -ge 500 ] && [ "$n" = 2 ] || fail "$n hung threads, $ms ms in all"
"$ustack" fold -i f >folds
# Times are times, of however few samples.
awk '/^nap;.*;hang;[^;]*$/ { n++; if ($NF < 250000000) exit 1 } END { exit n != 2 }' folds || fail "fold of waits: $(cat folds)"
[ "$("$ustack" stat -i f | sed -n 's/^waited_ns //p')" = "$(awk '{ n += $NF } END { printf "%.0f\n", n }' folds)" ] || fail "stat of waits"
quiet perf script -i f -F comm,period,ip,sym
grep -q ' hang$' out || fail "perf script of threads that wait"
# One whose stack may not be read has its time for all that.
if [ "$(id -u)" = 0 ] && $perfmon true 2>err; then
	chmod 755 .
	mkdir -m 777 free
	cp "$ustack" .
	status 130 interrupted INT $perfmon ./ustack record --off-cpu -o free/f -p $pid
	said ': 2 samples, .*2 stacks of threads that wait lost (no permission.*to do: .*be their user or root, with kernel.yama.ptrace_scope'
	"$ustack" fold -i free/f >folds 2>err
	grep -q '^[^;]*;\[cut short\];\[unknown\] [0-9]*$' folds || fail "not marked: $(cat folds)"
fi
kill $pid
wait $pid 2>/dev/null || :
misused 'exclude each other' --off-cpu --raw true
for rate in -F -c; do
	misused "--off-cpu takes every wait, whatever $rate: .* -e" --off-cpu $rate 100 true
done

# --- a process whose main thread has ended: /proc/PID has no maps and files then
cat >headless.c <<'END'
#include <pthread.h>
#include <unistd.h>
#define KEEP __attribute__((noinline))
KEEP static void leaf(void) { for (volatile int i = 0; i < 1000000; i++) ; }
KEEP static void hang(int fd) { char c; if (read(fd, &c, 1)) __asm__(""); }
static int fds[2];
static void *runs(void *arg) { for (;;) leaf(); return arg; }
static void *waits(void *arg) { hang(fds[0]); return arg; }
int main(void)
{
	pthread_t t;
	if (pipe(fds) || pthread_create(&t, 0, waits, 0) || pthread_create(&t, 0, runs, 0))
		return 1;
	pthread_exit(0);
}
END
gcc -O1 -pthread -o headless headless.c
./headless & pid=$!
until grep -q '^State:.*Z' /proc/$pid/status && grep -qs '^0 ' /proc/$pid/task/*/syscall; do
	kill -0 $pid || fail "headless"
	sleep 0.02
done
rm headless
for target in "-p $pid" "-t $(ls /proc/$pid/task | paste -sd,)"; do
	status 130 interrupted INT "$ustack" record -e cpu-clock -o f $target
	said ', 100.0 % complete'
	"$ustack" fold -i f >folds
	grep -q '^headless;.*;runs;leaf [0-9]*$' folds || fail "$target without a main thread: $(cat folds)"
	status 130 interrupted INT "$ustack" record --off-cpu -o f $target
	"$ustack" fold -i f >folds
	grep -q '^headless;.*;waits;hang;.* [0-9]\{9,\}$' folds || fail "--off-cpu $target without a main thread: $(cat folds)"
done
kill $pid
wait $pid 2>/dev/null || :

# --- as much of the stack as it takes: less than is usual, or more, by the last time
export XDG_CACHE_HOME=$tmp/cache
mkdir cache
for turn in 1 2; do
	status 0 "$ustack" record --json --stack auto -e cpu-clock -o f ./work 200
done
[ "$(json '["stack"]')" -lt 8192 ] && [ "$(json '["complete_pct"] > 95')" = True ] || fail "--stack auto: $(cat out)"
grep -qx "[0-9]* $tmp/work" cache/ustack/stacks || fail "--stack auto: $(cat cache/ustack/stacks)"
echo "1024 $tmp/work" >cache/ustack/stacks
for turn in 1 2 3; do
	status 0 "$ustack" record --json --stack auto -e cpu-clock -o f ./work 100
done
[ "$(json '["complete_pct"] > 95')" = True ] || fail "--stack auto does not learn: $(cat out)"
echo "64 $tmp/work" >cache/ustack/stacks
status 0 "$ustack" record --stack auto -e cpu-clock -o f ./work 100
said 'to do: stacks go deeper: record it again, --stack auto takes more now'
[ "$(sed -n "s|^\([0-9]*\) $tmp/work\$|\1|p" cache/ustack/stacks)" -gt 64 ] || fail "--stack auto takes no more: $(cat cache/ustack/stacks)"
chmod 500 cache
printf 'x\n8 \n-1 /a\n99999999999 %s\n' "$tmp/work" >cache/ustack/stacks
status 0 "$ustack" record --json --stack auto -e cpu-clock -o f ./work 100
[ "$(json '["stack"]')" -ge 16384 ] || fail "--stack auto of a damaged file: $(cat out)"
chmod 700 cache

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
# One may be of the exec, where nothing is mapped yet.
[ "$(sed -n 's/^legacy //p' stats)" = "$(json '["samples"] - d["ends"]["finished"]')" ] && [ "$(json '["ends"]["truncated"]')" -gt 50 ] ||
	fail "not the samples whose chain is cut have their stack"
[ "$(sed -n 's/^finished //p' stats)" = "$(json '["ends"]["finished"]')" ] || fail "another end with --raw=cut"
misused "'all' is not cut" --raw=all true

# --- several events, and terms
status 0 "$ustack" record -e cpu-clock/freq=500/u,page-faults/period=1,name=faults/ -e task-clock:u -o several ./work 300
"$ustack" script -F event -i several | sort -u | tr '\n' ' ' >events
[ "$(tr -d ' ' <events)" = cpu-clock/freq=500/u:faults:task-clock:u: ] || fail "events: $(cat events)"
! "$ustack" script -F event,ip,dso -i several | awk '/^ *cpu-clock/ { c = 1 } /^$/ { c = 0 } c && /ffffffff/' | grep . || fail "the kernel, with :u"
