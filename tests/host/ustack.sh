#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# ustack on what perf record of this machine writes, held against perf script:
# the same samples with the same names and times, in every way of writing them.
# Then bad input and output that cannot be written: one line, exit status 1.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
ustack=$top/build/libustack/ustack
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"

fail() { echo "FAIL: $*"; [ ! -s err ] || sed 's/^/    /' err; exit 1; }
# refused LINE COMMAND...: exit status 1, LINE and nothing else on stderr
refused()
{
	local line=$1 status=0
	shift
	"$@" >out 2>err || status=$?
	[ "$status" = 1 ] || fail "exit status $status: $*"
	[ "$(wc -l <err)" = 1 ] || fail "not one line: $*"
	grep -q "^ustack: .*$line" err || fail "no \"$line\": $*"
}

: >empty
refused 'nofile: cannot open: No such file' "$ustack" stat -i nofile
refused 'is empty' "$ustack" script -i empty
refused 'is a directory' "$ustack" fold -i .
echo 'some other file, long enough' >other
refused 'is not a perf.data file' "$ustack" stat -i other
status=0
"$ustack" script -F comm,tme -i empty 2>err || status=$?
[ $status = 2 ] && grep -q "no field 'tme'" err || fail "unknown field"
status=0
"$ustack" script --unwinder=mine -i empty 2>err || status=$?
[ $status = 2 ] && grep -q "no unwinder 'mine'" err || fail "unknown unwinder"
"$ustack" --version | grep -q '^ustack [0-9]' || fail "--version"
"$ustack" --help | grep -q '^usage:' || fail "--help"

cat >work.c <<'END'
#include <sys/wait.h>
#include <unistd.h>
volatile unsigned long sink;
__attribute__((noinline)) void leaf(int n) { for (int i = 0; i < n; i++) sink += i; }
__attribute__((noinline)) void middle(int n) { leaf(n); sink++; }
__attribute__((noinline)) void outer(int n) { for (int i = 0; i < 100; i++) middle(n); sink++; }
int main(int argc, char **argv)
{
	for (int i = 0; argc == 1 && i < 3; i++)
		if (!fork())
			execl(argv[0], argv[0], "child", (char *)0);
	outer(400000);
	while (wait(0) > 0)
		;
	return 0;
}
END
gcc -O1 -g -o work work.c
record() { perf record -q -e cpu-clock -F 997 "$@" 2>err; }
if ! record --call-graph dwarf,4096 -o file.data ./work || [ ! -s file.data ]; then
	echo "perf record does not work here: $(tail -n 1 err)"
	exit 77
fi
record --call-graph dwarf,4096 -o - ./work >pipe.data
record --call-graph dwarf,4096 -z -o zstd.data ./work
record --call-graph fp -o fp.data ./work
record -e task-clock --call-graph dwarf,4096 -o two.data ./work
record -a --call-graph dwarf,4096 -o all.data ./work
record -o plain.data ./work

words() { awk '{ $1 = $1 } 1' | grep -v '^$'; }
for f in file pipe zstd fp two all plain; do
	fields=comm,pid,tid,time,event
	perf script -i $f.data -F $fields -G 2>/dev/null | words >perf.txt
	"$ustack" script -i $f.data -F $fields 2>err | words >ustack.txt || fail "$f"
	[ "$(wc -l <perf.txt)" -gt 20 ] || fail "$f: perf script shows no samples"
	diff perf.txt ustack.txt >err || fail "$f: not the samples of perf script"
	"$ustack" stat -i $f.data >stat.txt 2>err || fail "stat $f"
	grep -qx "samples $(wc -l <perf.txt)" stat.txt || fail "$f: stat counts others"
done

# Wherever the program computes, the chain is whole and right.
whole()
{
	"$ustack" fold -i $1 >folded 2>err || fail "fold $1"
	grep -E ';leaf(;\[kernel\])? [0-9]+$' folded >leaves || fail "$1: no leaf"
	awk '{ all += $NF } END { exit all < 20 }' leaves || fail "$1: few leaves"
	! grep -vE '^work;_start;__libc_start_main[^;]*;.*main;outer;middle;leaf' leaves || fail "$1: chains are not whole"
}
mv work kept
for link in no-pie static static-pie; do
	gcc -O1 -g -$link -o work work.c
	record --call-graph dwarf,4096 -o $link.data ./work
	whole $link.data
done
mv kept work
whole file.data
for who in libdw libunwind; do
	"$ustack" fold --unwinder=$who -i file.data >folded 2>err || fail "fold --unwinder=$who"
	grep -E ';leaf(;\[kernel\])? [0-9]+$' folded | cmp - leaves || fail "$who says something else"
done

# A program that was replaced since is not taken for the recorded one, and that
# is said; unless perf's cache still has it.
sed s/leaf/leaf2/ work.c >other.c
cp work kept
gcc -O1 -g -Wl,--build-id=0x1234567890 -o work other.c
HOME=/nowhere "$ustack" fold -i file.data >other 2>err || fail "fold of a program that was replaced"
grep -q "no frames and names from $PWD/work: it is another file" err || fail "nobody says that the program was replaced"
! grep -q leaf other || fail "names of another program"
cp kept work

# The kernel's part of each chain is perf's.
perf script -i file.data -F ip 2>/dev/null | awk '/^\t *ffffffff[89a-e]/ { print $1 }' >perf.txt
"$ustack" script -i file.data -F ip 2>err | awk '/^\t *ffffffff[89a-e]/ { print $1 }' >ustack.txt
[ -s perf.txt ] || fail "no kernel frames"
diff perf.txt ustack.txt >err || fail "the kernel's frames are not those of perf script"

# Cut: what is there comes out, then one line.
size=$(stat -c %s file.data)
head -c $((size / 2)) file.data >cut.data
refused 'is cut: .* missing' "$ustack" script -F time -i cut.data
[ "$(wc -l <out)" -gt 10 ] || fail "nothing of the cut file came out"
head -c 50000 pipe.data >cut.data
refused 'is cut: it ends at byte' "$ustack" script -F time -i cut.data
head -c 60 file.data >cut.data
refused 'within its header' "$ustack" script -i cut.data

# A stream is as good as a file; only what stands at its end is not seen.
"$ustack" script -F comm,time -i - <pipe.data >out 2>err || fail "pipe mode"
"$ustack" script -F comm,time -i pipe.data | cmp - out || fail "pipe mode differs"
cat file.data | "$ustack" script -F comm,time -i - >out 2>err || fail "file in a pipe"
"$ustack" script -F comm,time -i file.data | cmp - out || fail "file in a pipe differs"

# Threads change nothing.
for cmd in 'script -i file.data' 'script -i all.data' 'script -i zstd.data' 'script -F ip -i cut2.data' \
	'fold -i file.data' 'stat -i all.data'; do
	[ -f cut2.data ] || head -c $((size / 2)) file.data >cut2.data
	"$ustack" $cmd >one 2>err1 || true
	"$ustack" $cmd -j 4 >four 2>err || true
	[ -s one ] && cmp one four && cmp err1 err || fail "$cmd with -j 4"
done
for n in 0 -1 x 2x 100000; do
	status=0
	"$ustack" stat -i file.data -j $n 2>err >out || status=$?
	[ $status = 2 ] && grep -q "'$n' is not a number of threads" err || fail "-j $n"
done

for cmd in script fold stat 'script -j 2'; do
	status=0
	"$ustack" $cmd -i file.data >/dev/full 2>err || status=$?
	[ $status = 1 ] && grep -q 'cannot write' err || fail "$cmd to a full disk: $status"
done
