#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# Lines and inlined functions: those of addr2line for each instruction of programs,
# whatever their debug information is like and wherever it is; in a recording; and of
# files that lie, nothing but a line.
. "$(dirname "$0")/common"
. "$top/tests/host/inlines-common"

for options in '-O3 -ffunction-sections -Wl,--gc-sections -gz=zlib' '-O2 -flto -gz=zlib-gnu'; do
	g++ -gdwarf-4 $options cxx.cc -o cxx
	equal cxx
done
# This one is not C++, and its paths are relative.
equal "$ustack" 11

# Of DWARF 5 addr2line of Debian 12 has the files wrong: the code is that of version 4.
g++ -gdwarf-4 -O2 cxx.cc -o cxx
equal cxx
cp ours four
g++ -gdwarf-5 -O2 cxx.cc -o cxx5
./sources "$PWD/cxx5" <addrs >ours
cmp ours four || fail "DWARF 5 says something else than version 4"
# In a file of its own, found by build-id or link, compressed in another way.
objcopy --only-keep-debug cxx cxx.debug
if objcopy --compress-debug-sections=zstd cxx.debug 2>err; then echo "with zstd"; fi
: >err
cp cxx whole
strip cxx
objcopy --add-gnu-debuglink=cxx.debug cxx
./sources "$PWD/cxx" <addrs >ours
cmp ours four || fail "a debug file beside says something else"
id=$(readelf -n cxx | sed -n 's/.*Build ID: //p')
mkdir -p "debug/.build-id/${id:0:2}"
mv cxx.debug "debug/.build-id/${id:0:2}/${id:2}.debug"
./sources "$PWD/cxx" "$PWD/debug" <addrs >ours
cmp ours four || fail "a debug file by build-id says something else"

# --- a recording: the same chains, with what was inlined between
cat >work.c <<'END_C'
volatile unsigned long sink;
static inline __attribute__((always_inline)) void spin(unsigned long n) { while (n--) sink += n; }
static inline __attribute__((always_inline)) void twice(unsigned long n) { spin(n); spin(n); }
__attribute__((noinline)) void leaf(void) { twice(100000); }
__attribute__((noinline)) void outer(int n) { while (n--) leaf(); sink++; }
int main(void) { outer(400); return 0; }
END_C
gcc -O2 -g work.c -o work
"$ustack" record -e cpu-clock:u -F 997 -o data ./work 2>err || fail record
"$ustack" fold -i data >plain 2>err || fail fold
"$ustack" fold --inline -i data >inlined 2>err || fail "fold --inline"
"$ustack" fold --inline --no-inline -i data | cmp - plain || fail "--no-inline"
grep -q ';main;outer;leaf;twice;spin [1-9]' inlined || fail "nothing is inlined: $(head -n 3 inlined)"
awk '/;leaf;twice;spin [0-9]+$/ { spin += $NF } { all += $NF } END { exit !(spin > all / 2) }' inlined || fail "hardly anything is inlined"
# What calls main() may have inlined functions of its own, where libc has debug information.
from_main() { sed -nE 's/.*;main;/main;/; s/;leaf(;twice)?(;spin)? /;leaf /; /^main;/p' "$1" | awk '{ n = $NF; sub(/ [0-9]+$/, ""); count[$0] += n }
	END { for (c in count) print c, count[c] }' | sort; }
cmp <(from_main inlined) <(from_main plain) || fail "other chains with inlined functions"
"$ustack" script --inline -F ip,sym,srcline -i data >out 2>err || fail "script --inline"
grep -A 1 ' spin (inlined)$' out | grep "^  $tmp/work.c:2$" >/dev/null || fail "no line of spin()"
"$ustack" script --inline -F ip,sym -i data -j 3 | cmp - <("$ustack" script --inline -F ip,sym -i data) || fail "threads say something else"
# Its debug file is elsewhere: the same.
objcopy --only-keep-debug work work.debug
strip work
id=$(readelf -n work | sed -n 's/.*Build ID: //p')
mkdir -p "elsewhere/.build-id/${id:0:2}" empty
mv work.debug "elsewhere/.build-id/${id:0:2}/${id:2}.debug"
# What calls main() may have had its names in /usr/lib/debug.
"$ustack" fold --inline --debug-dir empty:elsewhere -i data | sed -n 's/.*;main;/main;/p' >out
sed -n 's/.*;main;/main;/p' inlined | diff - out || fail "--debug-dir"
! "$ustack" fold --inline --debug-dir empty -i data | grep twice || fail "a debug file from nowhere"

# --- files that lie
# A name that nobody would read; the profile is there without it.
long=$(printf 'a%.0s' {1..70000})
gcc -O2 -g -x c - -o named <<END_C
volatile unsigned long sink;
static inline __attribute__((always_inline)) void $long(unsigned long n) { while (n--) sink += n; }
__attribute__((noinline)) void x$long(void) { $long(100000000); }
int main(void) { x$long(); return 0; }
END_C
"$ustack" record -e cpu-clock:u -F 997 -o data ./named 2>err || fail record
"$ustack" fold --inline -i data >out 2>err || fail "fold of a long name"
grep -qE ';main;named\+0x[0-9a-f]+;?.* [1-9]' out || fail "no profile without the long name"
! grep -q aaaaaaaa out || fail "the long name is shown"
grep -q "not all frames and names from $tmp/named: its symbols or debug information are damaged" err || fail "nobody says so"
# Bytes that are others: never more than missing names.
/usr/bin/python3 - <<'END_PY'
import os
import random
import subprocess

random.seed(1)
good = open("whole", "rb").read()
sections = {}
for line in subprocess.run(["readelf", "-SW", "whole"], stdout=subprocess.PIPE, text=True).stdout.splitlines():
    words = line.replace("[ ", "[").split()
    if len(words) > 5 and words[1].startswith(".debug_"):
        sections[words[1]] = int(words[4], 16), int(words[5], 16)
assert len(sections) >= 6, sections
told = 0
for turn in range(40):
    bad = bytearray(good)
    at, size = sections[random.choice(sorted(sections))]
    for _ in range(random.choice((1, 20, 300))):
        bad[at + random.randrange(size)] = random.choice((0, 0xff, 0x80, random.randrange(256)))
    with open("bad", "wb") as f:
        f.write(bad)
    done = subprocess.run(["./sources", os.path.abspath("bad")], stdin=open("addrs"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100)
    assert done.returncode == 0, (turn, done.returncode)
    told += b"/bad: -74" in done.stderr
print("damaged", told, "times of", turn + 1)
assert told > 2, told
END_PY
# What leads back to itself, by siblings and by origins, and a name of 300 MB in 300 KB: an
# end, one line, and no name.
cat >cycle.s <<'END_S'
	.text
	.globl _start
	.type _start, @function
_start:
	.rept 64
	nop
	.endr
	ret
end:
	.size _start, . - _start
	.section .debug_abbrev
	.uleb128 1, 0x11
	.byte 1
	.uleb128 0x03, 0x0e, 0x11, 0x01, 0x12, 0x07, 0, 0
	.uleb128 2, 0x2e
	.byte 1
	.uleb128 0x01, 0x13, 0x31, 0x13, 0x11, 0x01, 0x12, 0x07, 0, 0
	.uleb128 3, 0x1d
	.byte 1
	.uleb128 0x01, 0x13, 0x31, 0x13, 0x11, 0x01, 0x12, 0x07, 0, 0
	.byte 0
	.section .debug_str
	.byte 0
name:	.fill 300000000, 1, 'a'
	.byte 0
	.section .debug_info
info:
	.long last - first
first:
	.value 4
	.long 0
	.byte 8
	.uleb128 1
	.long name - .debug_str
	.quad _start
	.quad end - _start
function:
	.uleb128 2
	.long function - info
	.long inlined - info
	.quad _start
	.quad end - _start
inlined:
	.uleb128 3
	.long function - info
	.long function - info
	.quad _start + 8
	.quad 32
	.byte 0, 0, 0
last:
END_S
gcc -nostdlib -static -gz cycle.s -o cycle
start=$(nm cycle | sed -n 's/ T _start$//p')
for n in {0..60..4}; do printf '%x\n' $((0x$start + n)); done >addrs
timeout 100 ./sources "$PWD/cycle" <addrs >out 2>err || fail "a file that leads back to itself"
[ "$(wc -l <err)" = 1 ] && grep -q '/cycle: -74' err || fail "nobody says that it is damaged"
[ "$(grep -c 0x out)" = 16 ] && [ "$(wc -c <out)" -lt 2000 ] || fail "names of a file that leads back to itself"
