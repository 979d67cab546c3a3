#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# Functions of JavaScript in recordings of node: by the jitdump that it maps, and by
# /tmp/perf-PID.map.  Every reader names them, and ustack record asks for nothing.
. "${0%/*}/record-common"
command -v node >/dev/null || "$top/tests/deps" jit || { echo "no node is to be had"; exit 77; }

cat >work.js <<'END'
function innermost(n) { let s = 0; for (let i = 0; i < n; i++) s += Math.sqrt(i) % 7; return s; }
function between(n) { let s = 0; for (let i = 0; i < 10; i++) s += innermost(n); return s; }
function all() { let s = 0; for (let i = 0; i < 150; i++) s += between(20000); return s; }
console.log(all());
END

frames=(--interpreted-frames-native-stack --no-turbo-inlining)
# take FILE NODE ARGUMENT...: a recording of it, in which each function has a frame of its own
take()
{
	local file=$1 node=$2
	shift 2
	status 0 "$ustack" record -e cpu-clock -F 997 -o "$file" -- "$node" "${frames[@]}" "$@"
	! grep 'a JIT have no names\|/jit-[0-9]*\.dump' err || fail "advice that is of no use"
}

# JS:*NAME FILE:LINE:COLUMN, or of older ones LazyCompile:*NAME FILE:LINE.
# shown FILE: of the samples in JavaScript nearly all are where they have to be
shown()
{
	"$ustack" fold -i "$1" >out 2>err || fail "fold"
	[ ! -s err ] || fail "fold complains"
	awk '/:[^a-z]*all [^;]*;[A-Za-z]*:[^a-z]*between [^;]*;[A-Za-z]*:[^a-z]*innermost / { n += $NF } /\[perf-|\[jit-/ { nameless += $NF }
		END { print n + 0, "samples, " nameless + 0 " without a name"; exit n < 100 || nameless > n / 20 }' out ||
		fail "functions of JavaScript in $1: $(tail -n 3 out)"
}

# --- a jitdump, in the directory that node was started in
mkdir elsewhere
(cd elsewhere && take ../dump node --perf-prof ../work.js)
ls elsewhere/jit-*.dump >/dev/null || { echo "this node writes no jitdump"; exit 77; }
shown dump
"$ustack" report -i dump >out 2>err && grep -q '[A-Z][A-Za-z]*:[^a-z]*innermost' out || fail report
"$ustack" report -i dump --sort dso >out 2>err && grep -q 'jit-[0-9]*\.dump' out || fail "report --sort dso"
"$ustack" script -i dump >out 2>err && grep -q '[A-Z][A-Za-z]*:[^a-z]*innermost .*(/.*/elsewhere/jit-[0-9]*\.dump)' out || fail script
"$ustack" flamegraph -i dump -o out.html 2>err && grep -q '[A-Z][A-Za-z]*:[^a-z]*innermost' out.html || fail flamegraph
"$ustack" gecko -i dump -o out.json 2>err || fail gecko
gzip -cdf out.json >out
grep -q '[A-Z][A-Za-z]*:[^a-z]*innermost' out || fail "gecko: no name"
"$ustack" pprof -i dump -o out.pb.gz 2>err || fail pprof
gzip -cd out.pb.gz >out
grep -qa '[A-Z][A-Za-z]*:[^a-z]*innermost' out || fail "pprof: no name"

# One of perf's, too.
perf record -q -B -N -e cpu-clock:u -F 997 --call-graph dwarf,16384 -o perfs node "${frames[@]}" --perf-prof work.js >out 2>err ||
	fail "perf record"
shown perfs

# It was cut while the JIT wrote; then it is broken, and gone.
dump=$(ls elsewhere/jit-*.dump)
cp "$dump" whole
head -c $(($(stat -c %s whole) - 7)) whole >"$dump"
shown dump
head -c 1000 whole >"$dump"
head -c 1000 /dev/zero >>"$dump"
"$ustack" fold -i dump >out 2>err || fail "a broken dump"
[ "$(wc -l <err)" = 1 ] && said "^ustack: dump: not all .*/jit-[0-9]*.dump: .*damaged"
cp whole "$dump"
printf '\xb7' | dd of="$dump" bs=1 seek=12 conv=notrunc status=none # EM_AARCH64
"$ustack" fold -i dump >out 2>err || fail "a dump of another machine"
[ "$(wc -l <err)" = 1 ] && said "^ustack: dump: no .*/jit-[0-9]*.dump: it is of another machine"
rm "$dump"
"$ustack" fold -i dump >out 2>err || fail "no dump"
[ "$(wc -l <err)" = 1 ] && said "^ustack: dump: no .*/jit-[0-9]*.dump: No such file"

# --- /tmp/perf-PID.map
take map node --perf-basic-prof work.js
shown map
pid=$("$ustack" script -F pid -i map 2>/dev/null | awk 'NF && !n++ { print $1 }')
rm -f "/tmp/perf-$pid.map"
