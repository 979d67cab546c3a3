#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# Which samples ustack takes, and what they count for: one event at a time, those that
# the filters let through, weighed by their periods where these differ; what is marked.
. "$(dirname "$0")/common"

# is FILE LINE...: the file has these lines
is() { local file=$1; shift; printf '%s\n' "$@" | diff - "$file" || fail "$file is not as expected"; }

# --- recordings written here: samples without stacks, and a deferred stack ---

/usr/bin/python3 - <<'END'
import struct

IP, TID, TIME, CHAIN, PERIOD, REGS, STACK, ID = 1, 2, 4, 32, 256, 4096, 8192, 65536


def record(type_, misc, *words):
    body = b"".join(w if isinstance(w, bytes) else struct.pack("<Q", w & (1 << 64) - 1) for w in words)
    return struct.pack("<IHH", type_, misc, 8 + len(body)) + body


def attr(id_, config, sample_type, flags):
    return record(64, 0, struct.pack("<II14Q", 1, 120, config, 0, sample_type, 0, flags, 0, 0, 0, 0, 1 << 7 | 1 << 8,
                                     8192, 0, 0, 0), id_)


def pair(a, b):
    return struct.pack("<II", a, b)


def plain(id_, tid, time, period):
    return record(9, 2, id_, 0x1000, pair(tid // 10 * 10, tid), time, period)


def comm(tid, name):
    return record(3, 0, pair(tid // 10 * 10, tid), name.ljust(8, b"\0"))


HEAD = b"PERFILE2" + struct.pack("<Q", 16)
TYPE = IP | TID | TIME | PERIOD | ID
events = HEAD + attr(5, 0, TYPE, 0) + attr(6, 2, TYPE, 0) + comm(10, b"a") + comm(11, b"b") + comm(20, b"b")
with open("periods", "wb") as f:
    f.write(events + plain(5, 10, 1000000000, 7) + plain(5, 11, 2000000000, 7) + plain(5, 11, 2500000000, 70) +
            plain(6, 20, 3000000000, 100) + plain(6, 20, 3000000001, 100))
with open("changed", "wb") as f:
    f.write(HEAD + attr(5, 0, IP | TID | TIME | CHAIN | REGS | STACK | ID, 1 << 18 | 1 << 40) +
            b"".join(record(9, 2, 5, 0x1000, pair(10, 10), time, 2, -640, time, 0, 0) +
                     record(23, 2, pair(10, 10), time, 1 | flags, 2, 1 << 7 | 1 << 8, 0x7000, 0x2000, 0x7000, 0, 0,
                            pair(10, 10), time + 1, 5)
                     for time, flags in ((1000, 0), (2000, 2))))
END

# An event at a time: the first, or the one that is wanted.
"$ustack" fold -i periods >folded 2>err || fail "fold"
is folded 'a;[unknown] 7' 'b;[unknown] 77'
grep -qx 'ustack: periods: only samples of cpu-clock are shown; there are others, of page-faults: see --event' err ||
	fail "nobody says that there are other events"
"$ustack" fold -i periods --event page-faults >folded 2>err || fail "fold --event"
is folded 'b;[unknown] 2'
[ ! -s err ] || fail "of an event that was asked for, nothing need be said"
"$ustack" fold -i periods --event page-faults -j 3 >folded 2>err || fail "fold --event -j"
is folded 'b;[unknown] 2'
# none LINE OPTION...: without a sample, all that read a recording say this line alone
none()
{
	local line=$1 command status
	shift
	for command in report script fold flamegraph pprof gecko stat diff; do
		status=0
		case $command in
		diff) "$ustack" diff "$@" periods periods ;;
		flamegraph | pprof | gecko) "$ustack" $command -i periods "$@" -o made ;;
		*) "$ustack" $command -i periods "$@" ;;
		esac >out 2>err || status=$?
		[ $status = 1 ] && [ "$(sort -u err)" = "ustack: periods: $line" ] || fail "$command $*: status $status"
		[ $command = stat ] || [ ! -s out ] && [ ! -e made ] || fail "$command $*: output without a sample"
	done
}
none "has no event 'cycles', but cpu-clock, page-faults" --event cycles
none "has no event 'cycles', but cpu-clock, page-faults" --event cycles -j 3
"$ustack" script -i periods -F time,event 2>err >out || fail "script"
[ "$(grep -c . out)" = 5 ] || fail "script shows every event"
"$ustack" script -i periods -F time,event --event page-faults 2>err >out || fail "script --event"
[ "$(grep -c page-faults: out)" = 2 ] && [ "$(grep -c . out)" = 2 ] || fail "script shows only one event"

# filtered NUMBER OPTION...: so many samples pass
filtered()
{
	local nr=$1
	shift
	"$ustack" stat -i periods "$@" >out 2>err || fail "stat $*"
	grep -qx "samples $nr" out && grep -qx "none $nr" out || fail "stat $*: not $nr samples"
	[ "$("$ustack" script -i periods -F tid "$@" 2>err | grep -c .)" = "$nr" ] || fail "script $*: not $nr samples"
}
filtered 5
filtered 4 --comm b
filtered 3 --pid 10
filtered 5 --pid 10,20
filtered 2 --tid 11
filtered 3 --tid 10,20
filtered 2 --tid 11 --pid 10 --comm b
filtered 4 --time 2,
filtered 2 --time ,2.0
filtered 2 --time 2,2.5
filtered 1 --time 2.000000001,2.5
filtered 1 --time 3.000000001,3.1

# Of several events, those that show one name it.
none 'has no sample that passes the filters' --event page-faults --comm a
for command in report fold gecko; do
	"$ustack" $command -i periods --comm nope >out 2>err && fail "$command --comm of none"
	[ "$(cat err)" = 'ustack: periods: has no sample of cpu-clock that passes the filters; there are other events, page-faults: see --event' ] ||
		fail "$command --comm of none"
done

# Each that reads a recording takes them: so many samples are in what it makes.
cat >count.py <<'END_PY'
import gzip
import json
import re
import sys


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


def fields(data):
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        value, at = varint(data, at)
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
        yield key >> 3, value


command, path = sys.argv[1:]
if command == "pprof":      # a sample is field 2 of a profile, and its values are field 2 of that
    print(sum(varint(dict(fields(v))[2], 0)[0] for k, v in fields(gzip.open(path).read()) if k == 2))
elif command == "gecko":
    print(sum(len(t["samples"]["data"]) for t in json.load(open(path))["threads"]))
elif command == "flamegraph":
    print(re.search('"samples":([0-9]+)', open(path).read())[1])
else:
    print(re.search("^# ([0-9]+) samples? of", open(path).read())[1])
END_PY
# everywhere NUMBER OPTION...
everywhere()
{
	local nr=$1 command
	shift
	for command in report flamegraph pprof gecko; do
		rm -f made
		"$ustack" $command -i periods "$@" $([ $command = report ] || echo -o made) >out 2>err || fail "$command $*"
		[ -e made ] || mv out made
		[ "$(/usr/bin/python3 count.py $command made)" = "$nr" ] || fail "$command $*: not $nr samples"
	done
	"$ustack" diff "$@" periods periods >out 2>err || fail "diff $*"
	grep -qE "\b$nr (and|samples?)\b" out || fail "diff $*: not $nr samples: $(head -n 3 out)"
}
everywhere 3 --event cpu-clock
everywhere 2 --event page-faults
everywhere 2 --event cpu-clock --comm b
everywhere 2 --event cpu-clock --tid 11
everywhere 3 --event cpu-clock --pid 10
everywhere 2 --event cpu-clock --time 2,
everywhere 1 --event cpu-clock --tid 11 --time 2.1,

for wrong in '--pid ' --pid=x --pid=1, --pid=,1 --tid=-1 --tid=99999999999 --time=1 --time=, --time=a,b --time=2,1 \
	--time=1.0000000001,2 --time=1.2.3,4; do
	status=0
	if [ "$wrong" = '--pid ' ]; then wrong=--pid=; fi
	"$ustack" stat -i periods "$wrong" >out 2>err || status=$?
	[ $status = 2 ] && [ "$(wc -l <err)" = 1 ] && [ ! -s out ] || fail "stat $wrong: status $status"
done

# A stack of another state is never shown as the sample's.
"$ustack" fold -i changed >folded 2>err || fail "fold of changed stacks"
is folded ':10;[cut short];[changed];[unknown] 1' ':10;[cut short];[unknown] 1'
"$ustack" stat -i changed >out 2>err || fail "stat of changed stacks"
grep -qx 'changed 1' out && grep -qx 'paired 2' out || fail "stat does not count changed stacks"
[ "$("$ustack" script -i changed 2>err | grep -c ' changed ')" = 1 ] || fail "script does not mark a changed stack"
