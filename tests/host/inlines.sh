#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# Lines and inlined functions: those of addr2line for each instruction of programs,
# whatever their debug information is like and wherever it is; in a recording; and of
# files that lie, nothing but a line.
. "$(dirname "$0")/common"

cat >sources.c <<'END_C'
#include <stdio.h>
#include "ustack.h"
static void unusable(void *arg, const char *path, int err)
{
	(void)arg;
	fprintf(stderr, "%s: %d\n", path, err);
}
/* FILE [DEBUG_DIRS]: what is at the hexadecimal addresses on standard input, as addr2line -aif. */
int main(int argc, char **argv)
{
	const struct ustack_images_opts opts = { .sz = sizeof(opts), .cxx_params = 1,
						 .debug_dirs = argc > 2 ? argv[2] : NULL };
	struct ustack_map map = { .sz = sizeof(map), .addr = 1ull << 40, .size = 1 << 30, .path = argv[1] };
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	const struct ustack_source *s;
	struct ustack_images *images;
	struct ustack_space *space;
	unsigned long long addr;

	if (ustack_images_new(&images, &opts) || ustack_space_new(&space, images) || ustack_space_map(space, &map))
		return 1;
	/* Where an address of the file is: a probe tells. */
	ustack_symbolize(space, map.addr, &sym);
	while (scanf("%llx", &addr) == 1) {
		printf("0x%016llx\n", addr);
		if (ustack_source_find(space, map.addr - sym.addr + addr, &s))
			puts("??\n??:0");
		else
			for (; s; s = s->caller)
				printf("%s\n%s:%u\n", s->function ? s->function : "??", s->file ? s->file : "??", s->line);
	}
	ustack_images_unusable(images, unusable, NULL);
	ustack_space_free(space);
	ustack_images_free(images);
	return 0;
}
END_C
gcc -O1 -I"$top/libustack" sources.c "$top/build/libustack/libustack.so" -Wl,-rpath,"$top/build/libustack" -o sources
cat >compare.py <<'END_PY'
import posixpath
import sys


def read(path):
    places = {}
    for line in open(path, errors="replace"):
        line = line.rstrip("\n")
        if line.startswith("0x"):
            place = places.setdefault(line, [])
        else:
            place.append(posixpath.normpath(line) if line.startswith("/") else line)
    return places


ours, theirs = map(read, sys.argv[1:])
if ours.keys() != theirs.keys() or len(ours) < 500:
    sys.exit(f"{len(ours)} addresses, not {len(theirs)}")
inlined, other = 0, []
for addr, own in ours.items():
    their = theirs[addr]
    inlined += len(their) > 2
    # Where there is no debug information, it knows the symbol and maybe its file's name.
    if len(their) == 2 and their[1].endswith(":0") and "/" not in their[1]:
        their = ["??", "??:0"]
    # Of one without linkage name, inlined or not, it prints the name of the symbol there.
    if len(their) > 2 and their[0] == their[-2]:
        own, their = own[1:], their[1:]
    if len(own) > 1 and len(their) > 1:
        own, their = own[:-2] + own[-1:], their[:-2] + their[-1:]
    if own != their:
        other.append("\n  ".join([addr, *own, "not", *their]))
print(f"{len(ours)} addresses, {inlined} of inlined functions, {len(other)} told otherwise", *other[:3], sep="\n")
sys.exit(inlined < 100 or bool(other))
END_PY

# instructions FILE: their addresses, without the padding between functions
instructions() { objdump -d --no-show-raw-insn "$1" | sed -nE '/\t(data16 |cs )*(nop|xchg +%ax,%ax)/d; s/^ *([0-9a-f]+):\t.*/\1/p'; }
# equal FILE [EVERY]: ours are addr2line's
equal()
{
	instructions "$1" | awk -v n="${2-1}" 'NR % n == 0' >addrs
	./sources "$(realpath "$1")" <addrs >ours 2>err || fail "sources $1"
	[ ! -s err ] || fail "$1 cannot be used"
	addr2line -aifC -e "$1" <addrs | sed 's/ (discriminator [0-9]*)//; s/:?$/:0/' >theirs
	/usr/bin/python3 compare.py ours theirs >out || fail "not what addr2line says of $1: $(cat out)"
}

cat >cxx.cc <<'END_CC'
#include <algorithm>
#include <iostream>
#include <map>
#include <string>
#include <vector>
namespace a { struct b { std::string c(int); }; std::string b::c(int n) { return std::to_string(n); } }
int main(int argc, char **argv)
{
	std::map<std::string, std::vector<int>> m;
	for (int i = 0; i < 1000 * argc; i++)
		m[a::b().c(i % 7)].push_back(i);
	for (auto &e : m)
		std::sort(e.second.begin(), e.second.end(), [](int x, int y) { return x % 10 < y % 10; });
	std::cout << m.size() << std::endl;
}
END_CC
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
sed -E 's/;leaf(;twice)?(;spin)? /;leaf /' inlined | awk '{ n = $NF; sub(/ [0-9]+$/, ""); count[$0] += n }
	END { for (c in count) print c, count[c] }' | sort | cmp - <(sort plain) || fail "other chains with inlined functions"
"$ustack" script --inline -F ip,sym,srcline -i data >out 2>err || fail "script --inline"
grep -A 1 ' spin (inlined)$' out | grep "^  $tmp/work.c:2$" >/dev/null || fail "no line of spin()"
"$ustack" script --inline -F ip,sym -i data -j 3 | cmp - <("$ustack" script --inline -F ip,sym -i data) || fail "threads say something else"

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
