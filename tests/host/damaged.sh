#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# Symbols and debug information that lie, whichever section it is: one line, and the
# profile without the names that are gone.
. "${0%/*}/record-common"

cat >lies.c <<'END'
static inline __attribute__((always_inline)) int inlined_function(int n)
{
	volatile int sum = 0;
	for (volatile int i = 0; i < n; i++)
		sum += i;
	return sum;
}
__attribute__((noinline)) int outer_function(int n) { return inlined_function(n); }
int main(void)
{
	int sum = 0;
	for (int i = 0; i < 100; i++)
		sum += outer_function(1000000);
	return sum & 0;
}
END
gcc -O1 -g -o whole lies.c
cp whole lies
status 0 "$ustack" record -e cpu-clock -o f ./lies

# lie FROM TO SECTION HOW: a copy with other bytes in a section; 1: it has none
cat >lie.py <<'END'
import random, re, subprocess, sys
source, to, section, how = sys.argv[1:]
data = bytearray(open(source, "rb").read())
table = subprocess.run(["readelf", "-SW", source], capture_output=True, text=True).stdout
at = re.search(r"\] " + re.escape(section) + r"\s+(\S+)\s+\S+\s+(\S+)\s+(\S+)", table)
if not at or at[1] == "NOBITS":
    sys.exit(1)
at, size = int(at[2], 16), int(at[3], 16)
random.seed(section + how)
other = {"ones": b"\xff" * size, "zeroes": bytes(size)}.get(how) or random.randbytes(size)
half = size // 2 if how == "half" else 0
data[at + half:at + size] = other[half:]
open(to, "r+b").write(data)
END
lie() { /usr/bin/python3 lie.py "$@"; }
# views: what is left of the chain, and one line
views()
{
	"$ustack" report --inline --sort symbol,line -i f >out 2>err || fail "$1: report"
	grep -q '%' out || fail "$1: no profile"
	[ "$(grep -c '^ustack: f: .*damaged; names and lines are missing$' err)" = 1 ] && [ "$(wc -l <err)" = 1 ] || fail "$1: not that one line"
	"$ustack" fold --inline -i f >folds 2>err || fail "$1: fold"
	! LC_ALL=C grep '\\x' folds out || fail "$1: a name that is none"
	awk -v n="$2" '{ all += $NF } END { exit all != n }' folds || fail "$1: other samples"
}
"$ustack" fold --inline -i f >folds 2>err
[ ! -s err ] && grep -q '^lies;.*;main;outer_function;inlined_function [0-9]*$' folds || fail "not whole from the beginning"
samples=$(awk '{ n += $NF } END { print n }' folds)
for section in .symtab .strtab .debug_info .debug_abbrev .debug_line .debug_str .debug_line_str; do
	for how in ones zeroes random half; do
		cat whole >lies
		# Half of these are not of what is looked at.
		case $section:$how in .debug_str:half|.debug_line_str:half) continue ;; esac
		lie whole lies $section $how || fail "no $section"
		views "$section $how" "$samples"
	done
done

# --- and of a debug file
objcopy --only-keep-debug whole whole.debug
cp whole.debug lies.debug
cp whole stripped
strip stripped
objcopy --add-gnu-debuglink=lies.debug stripped
cp whole.debug lies.debug
cat stripped >lies
"$ustack" fold --inline -i f >folds 2>err
[ ! -s err ] && grep -q '^lies;.*;main;outer_function;inlined_function [0-9]*$' folds || fail "not whole with a debug file"
for section in .symtab .strtab .debug_info .debug_abbrev .debug_line; do
	cat whole.debug >lies.debug
	lie whole.debug lies.debug $section random
	views "debug file, $section" "$samples"
done
