#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# Names of addresses in real files: those of nm and objdump for each function and
# PLT stub, and those of perf script for each address of a recording.
set -eu -o pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
fail() { echo "FAIL: $*"; exit 1; }

make -s -C "$top" lib
cat >names.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ustack.h"
/* FILE: names the hexadecimal addresses on standard input. */
int main(int argc, char **argv)
{
	const struct ustack_images_opts opts = { .sz = sizeof(opts),
						 .cxx_params = 1 };
	struct ustack_images *images;
	struct ustack_space *space;
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	struct ustack_map map = { .sz = sizeof(map), .addr = 1ull << 40,
				  .size = 1 << 30, .path = argv[1] };
	unsigned long long addr;

	if (argc != 2 || ustack_images_new(&images, &opts) ||
	    ustack_space_new(&space, images) ||
	    ustack_space_map(space, &map))
		return 1;
	/* Where an address of the file is: a probe tells. */
	ustack_symbolize(space, 1ull << 40, &sym);
	unsigned long long base = (1ull << 40) - sym.addr;
	while (scanf("%llx", &addr) == 1) {
		ustack_symbolize(space, base + addr, &sym);
		printf("%llx %s\n", addr, sym.name ? sym.name : "?");
	}
	return 0;
}
END
gcc -O1 -I"$top/libustack" names.c "$top/build/libustack/libustack.so" \
	-Wl,-rpath,"$top/build/libustack" -o names

# A stripped one, one with all its symbols, C++, static with ifuncs.
cat >cxx.cc <<'END'
#include <iostream>
#include <string>
namespace a { struct b { std::string c(int); }; std::string b::c(int n) { return std::to_string(n); } }
int main() { std::cout << a::b().c(3) << std::endl; }
END
g++ -O1 cxx.cc -o cxx
echo 'int main(int argc, char **argv) { return __builtin_strlen(argv[argc - 1]); }' >static.c
gcc -O1 -static static.c -o static
/usr/bin/python3 - "$PWD/cxx" "$PWD/static" "$PWD/names" "$(readlink -f /usr/bin/perl)" <<'END' || fail "not nm's names"
import re
import subprocess
import sys


def lines(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.splitlines()


for file in sys.argv[1:]:
    # Only what lies in code: nm has names of places in data too.
    text = "\n".join(lines("objdump", "-h", file))
    code = [(int(vma, 16), int(size, 16)) for size, vma in
            re.findall(r"^ *\d+ \S+ +(\w+)  (\w+) .*\n.*CODE", text, re.M)]
    names = {}
    for line in lines("nm", "-C", "--defined-only", file) + lines("nm", "-CD", "--defined-only", file):
        match = re.match(r"0*([0-9a-f]+) [TtWwi] (.*?)(@@[\w.]+)?$", line)
        if match and any(vma <= int(match[1], 16) < vma + size for vma, size in code):
            names.setdefault(match[1], set()).add(match[2])
    sections = [o for s in (".plt", ".plt.sec", ".plt.got") for o in ("-j", s)]
    stubs = 0
    for line in lines("objdump", "-dC", "--no-show-raw-insn", *sections, file):
        match = re.match(r"0*([0-9a-f]+) <([^*].*@plt)>:$", line)
        if match:
            names.setdefault(match[1], set()).add(re.sub("@@?[A-Z].*@plt", "@plt", match[2]))
            stubs += 1
    out = subprocess.run(["./names", file], input="\n".join(names), stdout=subprocess.PIPE, text=True, check=True).stdout
    other = [l for l in out.splitlines() if l.split(" ", 1)[1] not in names[l.split(" ", 1)[0]]]
    print(f"{file.rsplit(chr(47), 1)[1]}: {len(names)} addresses, {stubs} of them stubs, {len(other)} with another name", *other[:5], sep="\n    ")
    if len(names) < 4 or other:
        sys.exit(1)
END

if ! perf record -q -B -N -e cpu-clock -F 997 -o data perl -e \
	'for (1 .. 3000000) { $h{$_ % 1000} .= sprintf("%d,%s", $_, "a" x 3) }' 2>err; then
	echo "perf record does not work here: $(tail -n 1 err)"
	exit 77
fi
perf script -i data -F ip,sym 2>/dev/null | awk '$1 !~ /^ffff/ { sub(/@@[^ ]*/, ""); print $1, $2 }' | sort -u >perf.txt
"$top/build/libustack/ustack" script -i data -F ip,sym | awk 'NF && $1 !~ /^ffff/ { print $1, $2 }' | sort -u >ustack.txt
[ "$(wc -l <perf.txt)" -gt 50 ] || fail "perf script names hardly any address"
# What perf names, ustack names alike. "@plt" is no name: the stub of an ifunc.
grep -v -e '\[unknown\]' -e ' @plt$' perf.txt | comm -23 - ustack.txt >err
[ ! -s err ] || fail "not perf's names, $(wc -l <err) of $(wc -l <perf.txt): $(head -n 3 err)"
echo "perf script: $(wc -l <perf.txt) addresses"

# A coroutine's function returns to the start of one, not into the one before that.
cat >context.c <<'END'
#include <ucontext.h>
volatile unsigned long sink;
static ucontext_t of_main, own;
static char stack[65536];
void body(void) { for (int i = 0; i < 100000000; i++) sink += i; }
int main(void)
{
	getcontext(&own);
	own.uc_stack.ss_sp = stack;
	own.uc_stack.ss_size = sizeof(stack);
	own.uc_link = &of_main;
	makecontext(&own, body, 0);
	return swapcontext(&of_main, &own);
}
END
gcc -O1 context.c -o context
perf record -q -B -N -e cpu-clock -F 997 --call-graph dwarf,4096 -o data ./context 2>err
"$top/build/libustack/ustack" fold -i data >folded
grep -qE ';(__start_context|libc.so.6\+0x[0-9a-f]+);body [0-9]+$' folded ||
	fail "makecontext()'s: $(grep body folded | head -n 2)"

# Stripped, two functions are still two, each called by its start.
cat >two.c <<'END'
volatile unsigned long sink;
__attribute__((noinline)) void leaf(void) { for (int i = 0; i < 100000000; i++) sink += i; }
__attribute__((noinline)) void outer(void) { leaf(); sink++; }
int main(void) { outer(); return 0; }
END
gcc -O1 two.c -o two
starts=$(nm two | awk '$3 == "outer" || $3 == "leaf" { sub(/^0*/, "", $1); start[$3] = $1 }
	END { print ";two+0x" start["outer"] ";two+0x" start["leaf"] }')
strip two
perf record -q -B -N -e cpu-clock -F 997 --call-graph dwarf,4096 -o data ./two 2>err
"$top/build/libustack/ustack" fold -i data >folded
awk '{ all += $NF } END { exit all < 20 }' folded || fail "few samples of a stripped program"
grep -qF "$starts " folded || fail "functions of a stripped program are not told apart: $starts"
"$top/build/libustack/ustack" script -i data -F sym >out
grep -q " ${starts##*;}$" out || fail "script does not name a stripped function"
