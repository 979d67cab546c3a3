#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# Truth programs: the build refuses what is no tree, and the checker tells the
# right chain of every leaf from wrong ones. Another seed: truth.sh SEED
set -eu -o pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
seed=${1:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAIL: $*"; exit 1; }

"$top/tests/truth/build" "$work/t" --seed "$seed" --stack 7000 --threads 1
"$work/t/truth" --loops 1

# What loads plugins and what chooses functions is a tree, too, and ends.
for shape in dlopen ifunc; do
	"$top/tests/truth/build" "$work/$shape" --seed "$seed" --shape $shape --edges --threads 0
	"$work/$shape/truth" --loops 2
	"$top/tests/truth/check" --places "$work/$shape" </dev/null >"$work/$shape/kinds"
	for kind in prologue epilogue call plt; do
		grep -q "^${kind}_instructions [1-9]" "$work/$shape/kinds" || fail "$shape has no instructions of a $kind"
	done
done

# refused WHAT AWK: check --verify must not accept the tree as AWK changes it.
refused()
{
	mkdir -p "$work/other"
	cp "$work/t/truth" "$work/t/libtruth.so" "$work/other"
	awk "$2" "$work/t/tree" >"$work/other/tree"
	! cmp -s "$work/t/tree" "$work/other/tree" || fail "the tree has no line to change: $1"
	! "$top/tests/truth/check" --verify "$work/other" 2>/dev/null || fail "accepted: $1"
}
refused "another parent" '$3 == "call" && $2 != "main" && !n++ { $2 = "main" } { print }'
refused "a call as a pointer" '$3 == "call" && $2 != "main" && !n++ { $3 = "pointer" } { print }'
refused "a pointer as a call" '$3 == "pointer" && !n++ { $3 = "call" } { print }'
refused "a function that is not there" '{ print } END { print "f9999 main call" }'

# With a tail call, f1 returns to main: no tree any more.
cat >"$work/tail.c" <<-'END'
	__attribute__((noipa)) unsigned long f1(unsigned long x) { return x + 1; }
	__attribute__((noipa)) unsigned long f0(unsigned long x) { return f1(x); }
	int main(void) { return f0(1); }
END
mkdir "$work/tail"
printf 'f0 main call\nf1 f0 call\n' >"$work/tail/tree"
echo 'int nothing;' | gcc -x c -shared -o "$work/tail/libtruth.so" -
for flag in -foptimize-sibling-calls -fno-optimize-sibling-calls; do
	gcc -O2 $flag "$work/tail.c" -o "$work/tail/truth"
	"$top/tests/truth/check" --verify "$work/tail" 2>/dev/null && tree=yes || tree=no
	[ $flag$tree = -foptimize-sibling-callsno ] || [ $flag$tree = -fno-optimize-sibling-callsyes ] ||
		fail "with $flag: a tree? $tree"
done
# ... but one whose tree says so: f0's jump, f0's call in main.
printf 'f0 main call\nf1 f0 tail\n' >"$work/tail/tree"
for flag in -foptimize-sibling-calls -fno-optimize-sibling-calls; do
	gcc -O2 $flag -fno-inline "$work/tail.c" -o "$work/tail/truth"
	"$top/tests/truth/check" --verify "$work/tail" 2>/dev/null && tree=yes || tree=no
	[ $flag$tree = -foptimize-sibling-callsyes ] || [ $flag$tree = -fno-optimize-sibling-callsno ] ||
		fail "with $flag: a tree with a jump? $tree"
done

# libc's two frames above main, as the checker wants them in a chain.
cat >"$work/start.c" <<-'END'
	#include <execinfo.h>
	int main(void)
	{
		void *a[4];
		backtrace_symbols_fd(a, backtrace(a, 4), 1);
		return 0;
	}
END
gcc -O1 "$work/start.c" -o "$work/start"
"$work/start" >"$work/frames"

/usr/bin/python3 - "$top/tests/truth/check" "$work/t" "$work/frames" "$(gcc -print-file-name=libgcc_s.so.1)" <<'END'
import importlib.machinery
import importlib.util
import re
import sys

loader = importlib.machinery.SourceFileLoader("check", sys.argv[1])
check = importlib.util.module_from_spec(importlib.util.spec_from_loader("check", loader))
loader.exec_module(check)
truth = check.Truth(sys.argv[2])


def frame(path, offset):
    return check.Frame(0x1000000 + offset, path, offset, "")


# libgcc is about to land in the frame above.
libgcc = check.Image(check.os.path.realpath(sys.argv[4]))


def lander(name):
    addr = next(a for a, _, n, _ in libgcc.symbols if n == name)
    return check.Frame(addr, libgcc.path, addr, f"{addr:x} {name} ({libgcc.path}+0x{addr:x})")


def exact(chain):
    try:
        truth.check(chain)
        return True
    except check.Bad:
        return False


# "PATH(+0xOFFSET) [ADDRESS]" or "PATH(SYMBOL+0xOFFSET) [ADDRESS]"
libc = re.findall(r"^(.*)\((\w*)\+0x([0-9a-f]+)\)", open(sys.argv[3]).read(), re.M)[1:3]
start = []
for path, symbol, offset in libc:
    path = check.os.path.realpath(path)
    base = next((a for a, _, n, _ in check.Image(path).symbols if n == symbol), 0)
    start.append(frame(path, base + int(offset, 16)))
program = truth.dir + "/truth"
binary = truth.binaries[program]
start.append(next(frame(program, ret) for ret, s in binary.sites.items() if s.function == "_start"))

chains = 0
for name in truth.parent:
    # Those that only calls lead to from main.
    chain, at = [], name
    while at != "main" and truth.via[at] in ("call", "pointer"):
        chain.append(frame(*truth.site[at]))
        at = truth.parent[at]
    if at != "main":
        continue
    path = next(p for p, b in truth.binaries.items() if name in b.labels)
    where = truth.binaries[path]
    chain = [frame(path, where.starts[where.labels.index(name)])] + chain + start
    assert exact(chain), (name, chain)
    chains += 1
    assert exact([lander("_Unwind_RaiseException")] + chain)
    assert not exact([lander("_Unwind_RaiseException")] + chain[:1] + chain[2:])
    assert not exact([lander("_Unwind_GetIP")] + chain)
    for k in range(1, len(chain)):
        f = chain[k]
        wrong = {"cut": chain[:k], "missing": chain[:k] + chain[k + 1:],
                 "twice": chain[:k] + chain[k:k + 1] + chain[k:],
                 "one byte off": chain[:k] + [frame(f.path, f.offset - 1)] + chain[k + 1:],
                 "another module": chain[:k] + [frame("/nowhere", f.offset)] + chain[k + 1:]}
        for what, other in wrong.items():
            assert not exact(other), (what, k, name)
    assert not exact(chain + start[-1:])
    assert not exact([])
# The stack of another sample is a right chain too, but not this sample's.
header = "truth 7 1.000001: pair=paired uip=0x{:x} end=finished \n\t{:x} f ({}+0x{:x})\n"


def paired(uip):
    f = chain[0]
    fields, parsed = next(check.parse([*header.format(uip, f.ip, f.path, f.offset).splitlines()]))
    try:
        check.check_pairing(fields, parsed)
        return True
    except check.Bad:
        return False


assert paired(chain[0].ip) and not paired(chain[0].ip + 1)
print(f"{chains} right chains, and the wrong ones made of them are told apart")
assert chains > 5
END
