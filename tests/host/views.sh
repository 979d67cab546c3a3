#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# What ustack flamegraph, pprof and gecko write holds the chains of ustack fold, each
# as often, whatever the filters, the threads and the names; what diff prints is the
# difference.  make check-views opens the same in the programs that it is for.
. "$(dirname "$0")/common"
folded=$top/tests/views/folded.py

# --- recordings written here: two events, threads, names that end strings and pages

/usr/bin/python3 - <<'END'
import collections
import json
import os
import random
import struct

IP, TID, TIME, CHAIN, PERIOD, ID = 1, 2, 4, 32, 256, 65536
TYPE = IP | TID | TIME | CHAIN | PERIOD | ID


def record(type_, misc, *words):
    body = b"".join(w if isinstance(w, bytes) else struct.pack("<Q", w & (1 << 64) - 1) for w in words)
    return struct.pack("<IHH", type_, misc, 8 + len(body)) + body


def attr(id_, config):
    return record(64, 0, struct.pack("<II14Q", 1, 120, config, 0, TYPE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), id_)


def pair(a, b):
    return struct.pack("<II", a, b)


def comm(pid, tid, name):
    return record(3, 0, pair(pid, tid), name.encode("latin-1") + b"\0" * (8 - len(name) % 8))


def mmap(pid, start, path):
    return record(1, 2, pair(pid, pid), start, 0x1000, 0, path.encode() + b"\0" * (8 - len(path) % 8))


def sample(id_, pid, tid, time, period, *chain):
    return record(9, 2, id_, chain[0] if chain else 0x10, pair(pid, tid), time, period, len(chain) + 1, -512, *chain)


HEAD = b"PERFILE2" + struct.pack("<Q", 16)
head = HEAD + attr(5, 0) + attr(6, 2)
for pid, tid, name in ((10, 10, "a</script>"), (10, 11, 'b"\\;\x1b'), (20, 20, "<!--@DATA@"), (30, 30, "")):
    head += comm(pid, tid, name)
    head += mmap(pid, 0x10000, "/nowhere/x<i>&amp;\"'") + mmap(pid, 0x20000, "/nowhere/y")


def recording(*samples):
    return head + b"".join(sample(*s) for s in samples)


with open("first.data", "wb") as f:
    f.write(recording((5, 10, 10, 1000, 7, 0x10010, 0x20010), (5, 10, 11, 2000, 7, 0x20020, 0x10010, 0x20010),
                      (5, 20, 20, 3000, 7, 0x20020), (5, 10, 10, 4000, 7, 0x10010, 0x20010),
                      (5, 30, 30, 4500, 7), (6, 20, 20, 5000, 3, 0x10010), (6, 10, 10, 5500, 3, 0x10010)))
with open("second.data", "wb") as f:
    f.write(recording((5, 110, 110, 1000, 7, 0x10010, 0x20010), (5, 10, 10, 1500, 7, 0x10010, 0x20010),
                      (5, 20, 20, 3000, 14, 0x20020, 0x10010)))
with open("none.data", "wb") as f:
    f.write(head)
# Threads whose samples come in any order; some differ in nothing but their number.
threads = [(pid, pid + i, "one" if i % 2 else "two") for pid in (40, 140) for i in range(6)]
draw = random.Random(int(os.environ.get("SEED", 1)))
head, said, time = HEAD + attr(5, 0) + attr(6, 2), collections.Counter(), 1000
for pid, tid, name in threads:
    head += comm(pid, tid, name)
with open("threads.data", "wb") as f:
    f.write(head)
    for _ in range(3000):
        pid, tid, name = draw.choice(threads)
        event = draw.choice((5, 5, 5, 6))
        for _ in range(draw.choice((1, 1, 2, 5))):
            time += 1
            f.write(sample(event, pid, tid, time, 7, 0x10010))
            said[event, pid, tid, name] += 1
with open("threads.json", "w", encoding="utf-8") as f:
    json.dump(sorted([*key, nr] for key, nr in said.items()), f)
END

# same FILE VALUES OPTION...: all three hold what fold prints; VALUES: of pprof, those to take
same()
{
	local file=$1 values=$2
	shift 2
	# It marks functions of the kernel.
	"$ustack" fold --inline -i "$file" "$@" 2>err | sed 's/_\[k\]//g' >want || fail "fold $*"
	"$ustack" flamegraph -i "$file" "$@" -o page.html >out 2>err || fail "flamegraph $*"
	"$folded" page page.html | diff want - >err || fail "flamegraph $* of $file (>) is not fold (<)"
	"$ustack" pprof -i "$file" "$@" -o profile.gz >out 2>err || fail "pprof $*"
	"$folded" pprof profile.gz "$values" | diff want - >err || fail "pprof $* of $file (>) is not fold (<)"
	[ "$values" = 0 ] || return 0
	"$ustack" gecko -i "$file" "$@" -o gecko.json >out 2>err || fail "gecko $*"
	"$folded" gecko gecko.json | diff want - >err || fail "gecko $* of $file (>) is not fold (<)"
}
same first.data 0 --event cpu-clock
same first.data 0 --event page-faults
same first.data 0 --event cpu-clock --pid 10
same first.data 0 --event cpu-clock --tid 11
same first.data 0 --event cpu-clock --comm '<!--@DATA@'
same first.data 0 --event cpu-clock --time 0.000002,0.000003
# Of different periods the sum: that of an event is behind the samples.
same second.data 1 --event cpu-clock
grep -q ' 14$' want || fail "the periods of second.data are not added up"

# All events are in one file, each with its own value.
"$ustack" pprof -i first.data -o - >profile.gz 2>err || fail "pprof of two events"
! grep -v 'no frames and names from /nowhere/' err || fail "pprof has all events, and says something"
/usr/bin/python3 -B - "${folded%/*}" <<'END' || fail "pprof of two events"
import sys
sys.path.insert(0, sys.argv[1])
import folded

p = folded.Pprof("profile.gz")
assert p.types == [("samples", "count"), ("cpu-clock", "nanoseconds"), ("page-faults", "count")], p.types
assert sum(v[0] for _, v, _ in p.samples) == 7
assert sum(v[1] for _, v, _ in p.samples) == 35
assert sum(v[2] for _, v, _ in p.samples) == 6
for _, values, labels in p.samples:
    assert values[1 if labels["event"] == "page-faults" else 2] == 0, (values, labels)
assert {(label["pid"], label["tid"]) for *_, label in p.samples} == {(10, 10), (10, 11), (20, 20), (30, 30)}
assert {label["comm"] for *_, label in p.samples} == {"a</script>", 'b"\\;\\x1b', "<!--@DATA@", "[no name]"}
END

"$ustack" pprof -i threads.data -o - >profile.gz 2>err || fail "pprof of threads"
/usr/bin/python3 -B - "${folded%/*}" <<'END' || fail "pprof mixes threads"
import collections
import json
import sys
sys.path.insert(0, sys.argv[1])
import folded

told = collections.Counter()
for _, values, label in folded.Pprof("profile.gz").samples:
    event = {"cpu-clock": 5, "page-faults": 6}[label["event"]]
    told[event, label["pid"], label["tid"], label["comm"]] += values[0]
with open("threads.json", encoding="utf-8") as f:
    said = json.load(f)
assert sorted([*key, nr] for key, nr in told.items()) == said, (told, said)
END

# --- the difference: in text, and in the page ---

"$ustack" diff first.data second.data >diff.txt 2>err || fail "diff"
"$ustack" flamegraph --diff first.data -i second.data -o diff.html >out 2>err || fail "flamegraph --diff"
# Shares, by the functions of the folded stacks of both.
"$ustack" fold -i first.data >before 2>err || fail "fold"
"$ustack" fold -i second.data >after 2>err || fail "fold"
/usr/bin/python3 -B - <<'END' >want || fail "shares"
import collections


def shares(path):
    self, total, all_ = collections.Counter(), collections.Counter(), 0
    for line in open(path):
        chain, _, count = line.rpartition(" ")
        _, *frames = chain.split(";")
        all_ += int(count)
        for f in set(frames):
            total[f] += int(count)
        if frames:
            self[frames[-1]] += int(count)
    return [{f: 100 * c[f] / all_ for f in total} for c in (self, total)]


(self0, total0), (self1, total1) = shares("before"), shares("after")
for f in sorted(set(total0) | set(total1)):
    parts = [s.get(f, 0) for s in (self0, self1, total0, total1)]
    print(f, *(f"{p:.2f}" for p in parts), sep="\t")
END
grep -v '^#' diff.txt | awk '{ f = $7; gsub(";", ":", f); printf "%s\t%s\t%s\t%s\t%s\n", f, $1, $2, $4, $5 }' | LC_ALL=C sort >have
LC_ALL=C sort want | diff - have >err || fail "diff (>) does not print the shares of fold (<)"
[ "$(sed -n 's/^# before: \(.*\)/\1/p' diff.txt)" = "5 samples of cpu-clock" ] || fail "diff: $(head -n 2 diff.txt)"
"$folded" page diff.html | diff after - >err || fail "flamegraph --diff (>) is not fold of the second (<)"
"$folded" page diff.html before | awk '{ print $NF }' | paste -sd + | bc >have
[ "$(cat have)" = 35 ] || fail "flamegraph --diff: $(cat have) of the first, not the periods of its 5 samples"

# --- files: whole or not at all; what is wrong in one line ---

# fails STATUS LINE COMMAND...
fails()
{
	local want=$1 line=$2 status=0
	shift 2
	"$ustack" "$@" >out 2>said || status=$?
	grep -vE 'no frames and names from /nowhere/|only samples of' said >err || :
	[ $status = "$want" ] && [ "$(wc -l <err)" = 1 ] && grep -q "^ustack: $line" err || fail "ustack $*: status $status"
}
for command in flamegraph pprof gecko; do
	rm -rf new
	fails 1 'none.data: has no samples: record' $command -i none.data -o new
	fails 1 'cannot write /nowhere/x: No such file' $command --event cpu-clock -i first.data -o /nowhere/x
	fails 1 'cannot write /dev/full: No space left' $command --event cpu-clock -i first.data -o /dev/full
	cp first.data same.data
	fails 1 'same.data is the recording to read' $command -i same.data -o same.data
	fails 1 'same.data is the recording to read' $command -i - -o same.data <same.data
	cmp -s first.data same.data || fail "$command wrote over the recording that it reads"
	: >real
	ln -sf real link
	"$ustack" $command --event cpu-clock -i first.data -o link 2>/dev/null
	[ -L link ] && [ -s real ] || fail "$command does not write to where a link leads"
	[ ! -e new ] || fail "$command: a file without samples"
	fails 2 "-o: '' is not the name of a file" $command -o ''
	fails 2 "'x' is not an option" $command x
	# The name that --help gives, in the directory.
	name=$("$ustack" $command --help | sed -n 's/.*is written: \([^ ]*\) if.*/\1/p')
	"$ustack" $command -i first.data 2>err && [ -s "$name" ] || fail "$command: no $name"
done
"$ustack" diff first.data second.data --pid 10 -j 2 >out 2>err || fail "options behind the files"
"$ustack" diff --pid 10 -j 2 first.data second.data 2>err | cmp - out || fail "options behind the files are others"
fails 2 "diff has no option '--nope'" diff first.data --nope second.data
fails 2 '--comm needs an argument' diff first.data second.data --comm
fails 2 'diff takes two recordings' diff first.data
fails 2 'diff takes two recordings' diff first.data second.data none.data
fails 1 'none.data: has no samples: record' diff none.data second.data
[ ! -s out ] || fail "diff with a recording without samples: $(cat out)"
fails 1 'none.data: has no samples: record' flamegraph --diff none.data -i second.data -o new
[ ! -e new ] || fail "flamegraph --diff with a recording without samples"
fails 2 "diff has no option '-i'" diff -i first.data second.data
fails 2 "fold has no option '--diff'" fold --diff first.data
fails 1 'nofile: cannot open' diff --event cpu-clock nofile second.data
fails 1 'nofile: cannot open' flamegraph --event cpu-clock --diff nofile -i second.data -o new
for command in 'flamegraph -o -' 'pprof -o -' 'gecko -o -'; do
	status=0
	"$ustack" $command -i first.data >/dev/full 2>err || status=$?
	[ $status = 1 ] && grep -q 'cannot write the output: No space left' err || fail "$command to a full disk: $status"
done
mkfifo unread
fails 1 'cannot write unread: nobody reads this pipe' flamegraph -i first.data -o unread
# Of a session without a terminal.
status=0
setsid -w "$ustack" flamegraph -i first.data -o /dev/tty >out 2>err || status=$?
[ $status = 1 ] && grep -q 'cannot write /dev/tty: No such device$' err || fail "a device that is not there: $status"
# The reason is kept when there is more to write behind what failed.
for command in flamegraph pprof gecko; do
	fails 1 'cannot write /dev/full: No space left' $command -i first.data -o /dev/full
	status=0
	(ulimit -f 0; exec "$ustack" $command -i first.data -o new) 2>&1 | cat >err || status=$?
	[ $status = 1 ] && grep -q 'cannot write new: File too large' err || fail "$command beyond what a file may be: $status"
	[ ! -e new ] || fail "$command leaves a part of its file"
done

# A cut recording: what there is, a line and status 1.
head -c $(($(stat -c %s first.data) - 20)) first.data >cut.data
fails 1 'cut.data: is cut' flamegraph --event cpu-clock -i cut.data -o page.html
"$ustack" fold --event cpu-clock -i cut.data >want 2>err && fail "fold of a cut recording"
"$folded" page page.html | diff want - >err || fail "flamegraph of a cut recording"

# --- a real program: the same, in one thread of ours and in several ---

cat >work.c <<'END'
#include <pthread.h>
#include <time.h>
static inline void inlined(volatile int *i) { while ((*i)++ < 100000) ; }
__attribute__((noinline)) static void leaf(void) { volatile int i = 0; inlined(&i); }
__attribute__((noinline)) static void *outer(void *arg)
{
	for (clock_t end = clock() + CLOCKS_PER_SEC / 5; clock() < end;)
		leaf();
	return arg;
}
int main(void)
{
	pthread_t t;
	pthread_create(&t, 0, outer, 0);
	outer(0);
	return pthread_join(t, 0);
}
END
gcc -O2 -g -pthread -o work work.c
if ! perf record -q -B -N -e cpu-clock -F 997 --call-graph dwarf,4096 -o work.data ./work >out 2>err || [ ! -s work.data ]; then
	echo "perf record does not work here, all else passed: $(tail -n 1 err)"
	exit 77
fi
same work.data 0
same work.data 0 --no-inline
grep -q '^work;.*;main;outer;leaf [0-9]' want || fail "no chain of the program"
same work.data 0 --inline
grep -q '^work;.*;main;outer;leaf;inlined [0-9]' want || fail "no inlined function"
grep -q '\["inlined","[^"]*/work",1,"[^"]*work.c"\]' page.html || fail "the page does not tell the inlined function from others"
for command in flamegraph pprof gecko; do
	"$ustack" $command -i work.data -o - >one 2>err || fail "$command"
	"$ustack" $command -i work.data -j 3 -o - >three 2>err || fail "$command -j 3"
	cmp one three || fail "$command with -j 3"
done
"$ustack" diff work.data work.data >one 2>err || fail "diff with itself"
! awk '!/^#/ && ($3 != 0 || $6 != 0)' one | grep . || fail "a recording differs from itself"
"$ustack" diff -j 3 work.data work.data | cmp one - || fail "diff with -j 3"
