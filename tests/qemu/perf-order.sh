#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# Samples leave perf in time order, whatever was deferred for them: what goes by the
# order of events says the same of a recording, and of a copy of it whose events say
# that nothing was deferred. And perf's own test of that, which may not skip here.
set -eu -o pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)

if [ "${1-}" != guest ]; then
	for f in "${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}" "$top/build/perf/perf"; do
		[ -e "$f" ] || { echo "${f#"$top/"} is not built"; exit 77; }
	done
	exec "$top/tests/qemu/vm" --smp 2 --time-limit 1100 -- "$(readlink -f "$0")" guest
fi

export PATH=$top/build/perf:$PATH
shell=$top/build/linux/tools/perf/tests/shell
cd /tmp
fail() { echo "FAIL: $*"; exit 1; }

# undefer FILE: a copy, FILE.plain, in whose attributes no defer_* bit is set.
undefer()
{
	python3 - "$1" <<'END'
import struct, sys

data = bytearray(open(sys.argv[1], "rb").read())
attr_size, attrs, attrs_size = struct.unpack_from("<QQQ", data, 16)
for attr in range(attrs, attrs + attrs_size, attr_size):
    flags, = struct.unpack_from("<Q", data, attr + 40)
    struct.pack_into("<Q", data, attr + 40, flags & ~(7 << 38))
open(sys.argv[1] + ".plain", "wb").write(data)
END
}

# same FILE LINES COMMAND...: it prints at least so many lines, the same of FILE and FILE.plain.
same()
{
	local file=$1 lines=$2
	shift 2
	"$@" -i "$file.plain" >plain 2>plain.err || fail "$* -i $file.plain: $(tail -n 3 plain.err)"
	"$@" -i "$file" >deferred 2>deferred.err || fail "$* -i $file: $(tail -n 3 deferred.err)"
	[ "$(wc -l <plain)" -ge "$lines" ] || { cat plain plain.err; fail "$* says too little"; }
	cmp -s plain deferred || { diff plain deferred | head -n 20; fail "$* says something else of deferred samples"; }
	! grep 'come late' deferred.err || fail "$*"
	echo "$file: $*: $(wc -l <plain) lines"
}

# By type and caller: contention tells chains apart, too, which are not the same.
lock()
{
	perf lock --output /dev/stdout contention -x , "$@" | awk -F, '
		/^[0-9]/ { key = $5 "," $6; number[key] += $1; wait[key] += $2; if ($3 > most[key]) most[key] = $3 }
		END { for (key in number) printf "%d,%d,%d,%s\n", number[key], wait[key], most[key], key }' | sort
}

kmem() { perf kmem --slab "$@" stat; }
# Without the callchains, which are not the same.
faults() { perf trace --no-syscalls -F min -o faults "$@" && grep minfault faults; }

# One that sleeps, one that waits for another at a pipe, and one that spins.
cat >load <<'END'
perf test -w leafloop 1 &
for ((i = 0; i < 5; i++)); do sleep 0.1; done &
perf bench sched pipe -l 100 >/dev/null
wait
END

for mode in fp,defer dwarf,8192,defer!; do
	name=${mode%%,*}
	perf sched record --call-graph "$mode" -o "sched.$name" -- bash load >out 2>&1 ||
		{ cat out; fail "perf sched record --call-graph $mode"; }
	perf evlist -v -i "sched.$name" >out 2>&1
	grep -q 'defer_[cu]' out || fail "nothing was deferred"
	undefer "sched.$name"
	same "sched.$name" 200 perf script -F comm,tid,cpu,time,event
	same "sched.$name" 10 perf sched latency
	same "sched.$name" 100 perf sched timehist --no-call-graph
	same "sched.$name" 100 perf sched map
	perf sched timehist -i "sched.$name" >out 2>&1
	grep -q ' <- ' out || { head -n 20 out; fail "timehist has no chain"; }

	[ "$name" = dwarf ] || continue
	perf record -q -a -R -c 1 -e lock:contention_begin -e lock:contention_end \
		--call-graph "$mode" -o "lock.$name" -- perf bench sched messaging -p -t -g 1 -l 20 >out 2>&1 ||
		{ cat out; fail "perf record of locks"; }
	undefer "lock.$name"
	same "lock.$name" 1 lock

	perf kmem --slab record --call-graph "$mode" -o "kmem.$name" -- bash load >out 2>&1 ||
		{ cat out; fail "perf kmem record"; }
	undefer "kmem.$name"
	same "kmem.$name" 5 kmem

	perf record -q -R -c 1 -e minor-faults -e context-switches --call-graph "$mode" \
		-o "trace.$name" -- bash load >out 2>&1 || { cat out; fail "perf record of faults"; }
	undefer "trace.$name"
	same "trace.$name" 100 faults
done

cd "$shell"
bash ./deferred_order.sh
