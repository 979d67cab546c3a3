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
map=
trap 'rm -rf "$tmp" $map' EXIT
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

# --vdso names an input, too: a vDSO, be it without sections or of 32 bits.
refused '--vdso nofile: No such file' "$ustack" stat -i empty --vdso nofile
mkfifo fifo
libc=$(gcc -print-file-name=libc.so.6)
for file in other empty . fifo "$ustack" "$libc"; do
	refused "--vdso $file: is not a vDSO" "$ustack" stat -i empty --vdso "$file"
done
# So does --vmlinux: an ELF file, whatever build-id it has.
refused '--vmlinux nofile: No such file' "$ustack" stat -i empty --vmlinux nofile
for file in other empty . fifo; do
	refused "--vmlinux $file: is no ELF file" "$ustack" stat -i empty --vmlinux "$file"
done
refused 'is empty' "$ustack" stat -i empty --vmlinux "$ustack"
cat >dump.c <<'END'
#include <elf.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>
/* The vDSO on standard output; none: without its section headers */
int main(int argc, char **argv)
{
	static char vdso[1 << 16];
	Elf64_Ehdr *own = (void *)getauxval(AT_SYSINFO_EHDR), *copy = (void *)vdso;
	size_t size = own->e_shoff + own->e_shnum * sizeof(Elf64_Shdr);
	memcpy(vdso, own, size);
	if (argc > 1)
		copy->e_shoff = copy->e_shnum = copy->e_shstrndx = 0;
	return write(1, vdso, size) != size;
}
END
gcc -o dump dump.c
for option in '' none; do
	./dump $option >vdso
	refused 'is empty' "$ustack" stat -i empty --vdso vdso
done
echo 'void f(void) { }' | gcc -shared -nostdlib -m32 -Wl,-soname=linux-gate.so.1 -x c -o gate -
refused 'is empty' "$ustack" stat -i empty --vdso gate

# Wrong use: exit status 2, and one line that leads to the right page.
misused()
{
	local line=$1 status=0
	shift
	"$ustack" "$@" >out 2>err || status=$?
	[ "$status" = 2 ] || fail "exit status $status: ustack $*"
	[ "$(wc -l <err)" = 1 ] && [ ! -s out ] || fail "not one line: ustack $*"
	grep -q "^ustack: .*$line" err || fail "no \"$line\": ustack $*"
}
misused 'no command; .*see ustack --help'
misused "no command 'scrpt'; .*see ustack --help" scrpt
misused "no option '--hlp'; .*see ustack --help" --hlp
misused "script has no option '--nothing'; see ustack script --help" script --nothing
misused "script has no option '-x'; see ustack script --help" script -x
misused "fold has no option '-F'; see ustack fold --help" fold -F ip
misused '-i needs an argument; see ustack stat --help' stat -i
misused '--vdso needs an argument; see ustack fold --help' fold --vdso
misused "-i: '' is not the name of a file; see ustack stat --help" stat -i ''
misused "--vdso: '' is not the name of a file; see ustack fold --help" fold --vdso ''
misused "--version takes no argument, 'x'; see ustack --help" --version x
misused "--help takes no argument, 'script'" --help script
misused "'data' is not an option; name the recording with -i" script data
misused "no field 'tme'; see ustack script --help" script -F comm,tme -i empty
for list in '' , ip, ,ip ip,,sym; do
	misused "-F: '$list' has an empty field; see ustack script --help" script -F "$list" -i empty
done
"$ustack" --version | grep -q '^ustack [0-9]' || fail "--version"

# Pages: on standard output, no wider than a terminal.
for cmd in '' record script fold flamegraph pprof gecko diff stat; do
	for option in -h --help; do
		"$ustack" $cmd $option >page 2>err || fail "$cmd $option: exit status"
		[ ! -s err ] || fail "$cmd $option: not on standard output"
		grep -q "^usage: ustack ${cmd:-COMMAND} " page || fail "$cmd $option: no usage"
		awk 'length > 80 { exit 1 }' page || fail "$cmd $option: lines of more than 80 characters"
		[ -n "$cmd" ] && [ "$cmd" != record ] || continue
		for word in -i -j --vdso; do
			[ "$cmd$word" != diff-i ] || continue
			grep -q -- "^  $word " page || fail "$cmd $option: no $word"
		done
	done
done
for page in --help --version 'script --help'; do
	status=0
	"$ustack" $page >/dev/full 2>err || status=$?
	[ $status = 1 ] && grep -q 'cannot write' err || fail "$page to a full disk: $status"
done
# fields: those that script --help names
fields() { "$ustack" script --help | sed -n '/^Fields/,$s/^  \([a-z][a-z]*\) .*/\1/p'; }
[ "$(fields | wc -l)" -ge 18 ] || fail "script --help names too few fields"

cat >work.c <<'END'
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
static char zeros[1 << 20];
volatile unsigned long sink;
__attribute__((noinline)) void leaf(int n) { for (int i = 0; i < n; i++) sink += i; }
__attribute__((noinline)) void middle(int n) { leaf(n); sink++; }
__attribute__((noinline)) void outer(int n) { for (int i = 0; i < 300; i++) middle(n); sink++; }
int main(int argc, char **argv)
{
	for (int i = 0; argc == 1 && i < 3; i++)
		if (!fork())
			execl(argv[0], argv[0], "child", (char *)0);
	outer(400000);
	/* some time in the kernel */
	for (int i = 0, fd = open("/dev/zero", O_RDONLY); i < 250; i++)
		sink += read(fd, zeros, sizeof(zeros));
	while (wait(0) > 0)
		;
	return 0;
}
END
gcc -O1 -g -o work work.c
# record ARGUMENT...: standard output goes to the file out. perf of this machine
# was aborted once in some fifty runs: not what is tested here, so it is run again.
record()
{
	local status try
	for try in 1 2 3; do
		status=0
		perf record -q -e cpu-clock -F 997 "$@" >out 2>err || status=$?
		[ $status -ge 128 ] || break
		echo "perf record: exit status $status: $(tail -n 1 err)"
	done
	return $status
}
if ! record --call-graph dwarf,4096 -o file.data ./work || [ ! -s file.data ]; then
	echo "perf record does not work here: $(tail -n 1 err)"
	exit 77
fi
record --call-graph dwarf,4096 -o - ./work
mv out pipe.data
record --call-graph dwarf,4096 -z -o zstd.data ./work
record --call-graph fp -o fp.data ./work
record -e task-clock --call-graph dwarf,4096 -o two.data ./work
record -a --call-graph dwarf,4096 -o all.data ./work
record -o plain.data ./work

# Not of the machine's other processes whose names perf and ustack print in ways of their own.
words() { LC_ALL=C awk '/[^ -~\t]|\\/ { next } { $1 = $1 } NF'; }
for f in file pipe zstd fp two all plain; do
	fields=comm,pid,tid,time,event
	perf script -i $f.data -F $fields -G 2>/dev/null | grep . >perf.raw
	words <perf.raw >perf.txt
	"$ustack" script -i $f.data -F $fields 2>err | words >ustack.txt || fail "$f"
	[ "$(wc -l <perf.txt)" -gt 20 ] || fail "$f: perf script shows no samples"
	diff perf.txt ustack.txt >err || fail "$f: not the samples of perf script"
	"$ustack" stat -i $f.data >stat.txt 2>err || fail "stat $f"
	grep -qx "samples $(wc -l <perf.raw)" stat.txt || fail "$f: stat counts others"
done

# Each field that the page names is accepted, and each key of stat is named.
"$ustack" script -F "$(fields | paste -sd ,)" -i file.data >out 2>err || fail "a field of the page is refused"
"$ustack" stat --help | sed -n 's/^  \([a-z_]*\)  *[^ ].*/\1/p' | sort >page
cut -d ' ' -f 1 stat.txt | sort | diff - page >err || fail "stat --help (>) does not name what stat prints (<)"

# Wherever the program computes, the chain is whole and right.
whole()
{
	"$ustack" fold -i $1 >folded 2>err || fail "fold $1"
	grep -E ';leaf(;\[kernel\]|;[^;]*_\[k\])* [0-9]+$' folded >leaves || fail "$1: no leaf"
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
	"$top/build/bench/ustack-$who" fold -i file.data >folded 2>err || fail "ustack-$who fold"
	grep -E ';leaf(;\[kernel\]|;[^;]*_\[k\])* [0-9]+$' folded | cmp - leaves || fail "$who says something else"
done

# A program that was replaced since is not taken for the recorded one, and that
# is said; unless perf's cache still has it.
sed s/leaf/leaf2/ work.c >other.c
cp work kept
gcc -O1 -g -Wl,--build-id=0x1234567890 -o work other.c
HOME=/nowhere "$ustack" fold -i file.data >other 2>err || fail "fold of a program that was replaced"
grep -q "no frames and names from $PWD/work: it is another file" err || fail "nobody says that the program was replaced"
! grep -qwE "leaf2?" other || fail "names of another program"
head -c $(($(stat -c %s kept) - 1000)) kept >work
"$ustack" script -i file.data >other 2>err || fail "script with a cut program"
grep -q "not all frames and names from $PWD/work: it is empty or cut" err || fail "nobody says that the program is cut"
cp kept work

# Nor one that was replaced while it was recorded: at its end, perf record takes down
# the build-id of what is at the path by then.
cat >replace.sh <<'END'
./work child &
until [ "$(readlink /proc/$!/exe)" = "$PWD/work" ]; do :; done
mv other work
wait
END
gcc -O1 -g -o other other.c
record --call-graph dwarf,4096 -o replaced.data bash replace.sh
perf buildid-list -i replaced.data | grep -q "^$(readelf -n work | sed -n 's/.*Build ID: //p') $PWD/work" ||
	fail "perf record has another build-id than that of the new program"
"$ustack" fold -i replaced.data >other 2>err || fail "fold of a program that was replaced meanwhile"
grep -q "no frames and names from $PWD/work: it is another file" err || fail "nobody says that the program was replaced meanwhile"
! grep -qwE "leaf2?" other || fail "names of the program that came later"
grep -q '^work;\[cut short\];' other || fail "a chain without its program's tables is not cut"
cp kept work

# What a JIT wrote down is believed only if it can be nobody else's; else that is said.
cat >jit.c <<'END'
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int main(void)
{
	static const char code[] = "\x48\xff\xcf\x75\xfb\xc3"; /* dec %rdi; jnz .-3; ret */
	void *p = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char path[32];
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	puts(path);
	FILE *f = fopen(path, "wx");
	fprintf(f, "%lx 10 compiled\n", (long)p);
	fclose(f);
	((void (*)(long))memcpy(p, code, sizeof(code)))(1000000000);
	return 0;
}
END
gcc -O1 -o jit jit.c
record --call-graph dwarf,1024 -o jit.data ./jit
map=$(cat out)
"$ustack" fold -i jit.data >folded 2>err || fail "fold of a JIT"
grep -q ';compiled [0-9]' folded && ! grep -q 'no frames and names' err || fail "no name of a JIT"
mv "$map" names
ln -s "$PWD/names" "$map"
"$ustack" fold -i jit.data >folded 2>err || fail "fold of a JIT with a link"
! grep -q compiled folded || fail "names from a link"
grep -q "no frames and names from $map: it is not a regular file of yours" err || fail "nobody says that a link is not read"

# Names that a terminal or a reader of lines would take for something else.
cat >names.c <<'END'
#include <sys/prctl.h>
#include <time.h>
__attribute__((noinline)) void gänge(const char *name)
{
	prctl(PR_SET_NAME, name);
	for (clock_t end = clock() + CLOCKS_PER_SEC / 20; clock() < end;)
		;
	__asm__("");
}
int main(void)
{
	gänge("");
	gänge("a;b c");
	gänge("\033[31mred\177");
	gänge("nl\nnl 1");
	gänge("\302\233 \351 ü");
	gänge("\u200e\u200f\u2028\u202a\u202e");
	gänge("\u061c\u2066\u2069");
	gänge("\u200d\u2027\u202f\u2065\u206a");
	return 0;
}
END
gcc -O1 -o names names.c
record --call-graph dwarf,1024 -o names.data ./names
"$ustack" fold -i names.data >folded 2>err || fail "fold of names"
"$ustack" script -i names.data >script.txt 2>err || fail "script of names"
for name in 'a;b c' '\x1b[31mred\x7f' 'nl\x0anl 1' '\xc2\x9b \xe9 ü' \
	'\xe2\x80\x8e\xe2\x80\x8f\xe2\x80\xa8\xe2\x80\xaa\xe2\x80\xae' '\xd8\x9c\xe2\x81\xa6\xe2\x81\xa9' \
	$'\xe2\x80\x8d\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa'; do
	grep -qF "$name " script.txt || fail "script does not print $name"
	grep -q "^$(sed 's/;/:/; s/[[\\]/\\&/g' <<<"$name");.*;main;gänge" folded || fail "fold does not print $name"
done
grep -q '^\[no name\];.*;main;gänge' folded || fail "fold leaves out an empty name"
! LC_ALL=C grep -q $'[\001-\010\013-\037\177]' folded script.txt || fail "control characters"
# The offset of a symbol comes with the symbol.
"$ustack" script -F ip,symoff -i file.data >out 2>err || fail "-F symoff"
grep -q ' leaf+0x' out || fail "-F symoff without sym"

# A sample that the ring has no room for: what was lost, and what to do.
record -m 1 --call-graph dwarf,8192 -o lost.data ./names
"$ustack" stat -i lost.data >stat.txt 2>err || grep -qx 'ustack: lost.data: has no samples' err || fail "stat of lost records"
grep -q '^lost_records [1-9]' stat.txt || fail "the kernel lost no records"
grep -q '^ustack: lost.data: [1-9][0-9]* records, .* are missing .* larger -m or a lower -F$' err || fail "lost records"
! grep -q 'lost their stack' err || fail "a stack in the sample cannot be lost alone"

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
# It does not read the file's end: cat may die of that, and may.
"$ustack" script -F comm,time -i - < <(cat file.data) >out 2>err || fail "file in a pipe"
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
	[ $status = 1 ] && grep -q 'cannot write the output: No space left' err || fail "$cmd to a full disk: $status"
done

# A bar on a terminal, of what takes more than a second, that leaves no trace.
"$ustack" record -e cpu-clock:u -F 9999 -o long.data timeout 2 sh -c 'while :; do :; done' 2>err || [ $? = 124 ] || fail record
/usr/bin/python3 - "$ustack" >bar <<'END' || fail "no bar on a terminal"
import os
import pty
import select
import subprocess
import sys

ours, theirs = pty.openpty()
child = subprocess.Popen([sys.argv[1], "script", "-i", "long.data"], bufsize=0, stdout=subprocess.PIPE, stderr=theirs)
os.close(theirs)
# Slowly: its output waits meanwhile.
while not select.select([ours], [], [], 0.05)[0] and child.stdout.read(2048):
    pass
assert child.stdout.read() and not child.wait()
said = b""
try:
    while more := os.read(ours, 4096):
        said += more
except OSError:             # of a terminal that nobody has open
    pass
sys.stdout.buffer.write(said)
END
grep -q $'\r\033\\[Kustack: \\[#*\\.*\\] *[0-9]* %, [0-9]* s left' bar || fail "the bar: $(cat -v bar)"
[ "$(tr '\r' '\n' <bar | tail -n 1)" = $'\033[K' ] || fail "the bar stays: $(cat -v bar)"

# More threads than there is room for.
(ulimit -s 200000 -v 1000000; refused 'cannot start 64 threads: .*; use a smaller -j' "$ustack" script -j 64 -i file.data)
