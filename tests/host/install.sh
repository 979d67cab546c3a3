#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# make install, as a packager does it and as a user finds it: only what the
# header and the version map name is exported, the header compiles as C90, C11
# and C++, and the examples build with what pkg-config says, shared and static, by
# several compilers, and show the chains of a recording and of a live program.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
root=$tmp/root

fail() { echo "FAIL: $*"; exit 1; }

make -s -C "$top" lib
(umask 077 && make -s -C "$top" install DESTDIR="$tmp/a root" PREFIX=/usr)
cd "$tmp"
mv "a root" root
[ -z "$(find root ! -type d ! -path 'root/usr/*')" ] || fail "files outside of PREFIX"
find root ! -type l ! -perm -444 >unreadable
find root -type d ! -perm -555 >>unreadable
[ ! -s unreadable ] || fail "not for all to read: $(cat unreadable)"
"$root/usr/bin/ustack" --version >/dev/null

# Distributions build with LTO, of which nothing may get into the archive.
make -s -C "$top" USTACK_OUT="$tmp/lto" CFLAGS="-O0 -flto" "$tmp/lto/ustack"
lto/ustack --version >/dev/null

# --- symbols: what the map, the header, the library and the archive have is one
sed -n '/^global:/,/^local:/s/^\t\(ustack_[a-z_]*\);$/\1/p' "$top/libustack/ustack.map" | sort >map
sed -n '/^USTACK_API/{:a;/;/!{N;ba};s/[^(]*\b\(ustack_[a-z_]*\)(.*/\1/p}' "$top/libustack/ustack.h" | sort >header
nm -D --defined-only --with-symbol-versions "$root/usr/lib/libustack.so" | sed -n 's/@@USTACK_0$//p' |
	awk '$2 == "T" { print $3 }' | sort >shared
nm -D --defined-only "$root/usr/lib/libustack.so" | awk '$2 !~ /[TA]/' >other
nm -g --defined-only "$root/usr/lib/libustack.a" | awk 'NF == 3 { print $3 }' | sort >archive
[ -s map ] || fail "no names in ustack.map"
for f in header shared archive; do
	diff map $f || fail "ustack.map (<) and $f (>) differ"
done
[ ! -s other ] || fail "data is exported: $(cat other)"
readelf -d "$root/usr/lib/libustack.so" | grep -q 'SONAME.*\[libustack\.so\.0\]' || fail "soname"

# --- header
export PKG_CONFIG_PATH=$root/usr/lib/pkgconfig
ours() { pkg-config --define-prefix "$@" libustack; }
echo '#include <ustack.h>' >header.c
gcc="gcc -std=c11 -pedantic -Wall -Wextra -Werror"
clang="clang -std=c11 -pedantic -Wall -Wextra -Werror"
cxx="g++ -x c++ -std=c++11 -Wall -Werror"
for cc in "$gcc" "$gcc -std=c90" "$clang" "$clang -std=c90" "$cxx -pedantic -Wextra" "$cxx -pedantic -std=c++98"; do
	$cc $(ours --cflags) -c -o header.o header.c || fail "ustack.h does not compile with $cc"
done

# A field that a later version adds must not lie where older callers have padding,
# which may hold anything.  A sample is the library's own.
gcc $(ours --cflags) -Wpadded -fsyntax-only header.c 2>&1 | sed -n 's/^.*ustack.h:\([0-9]*\):.*padding struct size.*/\1/p' |
	while read -r line; do
		head -n "$line" "$root/usr/include/ustack.h" | sed -n 's/^struct \(.*\) {$/\1/p' | tail -n 1
	done | grep -vx ustack_sample >padded || true
[ ! -s padded ] || fail "padding at the end of struct $(cat padded)"

# --- examples: EXAMPLE-WAY is built in each way, and all do the same
cp "$root"/usr/share/doc/libustack/examples/* .
for f in file.c live.c common.h; do
	[ "$(wc -l <$f)" -lt 100 ] || fail "$f is not short any more"
done
# A program whose functions have the names of all of ours: they are its own.
nm --defined-only "$root/usr/lib/libustack.a" | awk '$2 == "t" && $3 !~ /[.]/ { print $3 }' | sort -u >internal
[ "$(wc -l <internal)" -gt 100 ] || fail "nm shows no internal functions"
{ echo '#include <stdlib.h>'; sed 's/.*/void &(void); void &(void) { abort(); }/' internal; } >clash.c
gcc -fno-builtin -c clash.c
for f in file live; do
	$gcc $f.c -o $f-shared $(ours --cflags --libs)
	$clang $f.c -o $f-clang $(ours --cflags --libs)
	$cxx $f.c -o $f-cxx $(ours --cflags --libs)
	$gcc $f.c clash.o -rdynamic -o $f-shared-clash $(ours --cflags --libs)
done
mkdir kept
mv "$root"/usr/lib/libustack.so* kept
for f in file live; do
	$gcc $f.c -o $f-static $(ours --static --cflags --libs)
	$gcc $f.c clash.o -o $f-static-clash $(ours --static --cflags --libs)
	! readelf -d $f-static $f-static-clash | grep libustack || fail "static is not static"
done
mv kept/* "$root/usr/lib"
ways="shared clang cxx shared-clash static static-clash"
export LD_LIBRARY_PATH=$root/usr/lib

# A recording and the program that it is of.
seed=$top/tests/fuzz/corpus/whole/seed-deferred
size=$(od -An -tu4 -N4 "$seed")
tail -c +5 "$seed" | head -c $size >perf.data
[ -e /image ] && { echo "skipped: there is a file /image"; exit 77; }
for way in $ways; do
	./file-$way perf.data >$way.txt 2>err || fail "file-$way: $(cat err)"
	cmp shared.txt $way.txt
done
[ "$(grep -c '^prog ' shared.txt)" = 2 ] || fail "not two samples"
grep -q ' ? (/image)$' shared.txt || fail "no frame"
! ./file-shared nofile 2>err || fail "nofile is no error"
grep -q 'nofile: cannot open' err || fail "no reason: $(cat err)"
! ./file-shared perf.data perf.data 2>err || fail "file ignores a second file"
! ./file-shared perf.data >/dev/full 2>err || fail "file on a full disk"
grep -qx 'file-shared: not all output could be written' err || fail "file on a full disk: $(cat err)"

# And a program of this machine: its command, then as a process that runs.
cat >work.c <<'END'
#include <pthread.h>
#include <time.h>
#include <unistd.h>
static volatile int go = 1;
__attribute__((noinline)) static void leaf(void) { for (volatile int i = 0; i < 1000000; i++) ; }
__attribute__((noinline)) static void outer(void) { while (go) leaf(); __asm__(""); }
static void *thread(void *arg) { outer(); return arg; }
int main(int argc, char **argv)
{
	pthread_t t;
	pthread_create(&t, 0, thread, argv);
	/* half a second of CPU, however busy the machine is */
	while (argc > 1 || clock() < CLOCKS_PER_SEC / 2)
		usleep(10000);
	go = 0;
	return pthread_join(t, 0);
}
END
gcc -O1 -pthread -o work work.c
# sampled FILE WHO: chains of leaf() under outer() in the thread
sampled()
{
	awk '/ leaf \(.*work\)/ { l = NR } / outer \(.*work\)/ && NR == l + 1 { o = NR }
	     / thread \(.*work\)/ && NR == o + 1 { n++ } END { exit n < 3 }' "$1" ||
		{ tail -n 20 "$1"; fail "$2: no leaf under outer"; }
}
if perf record -q -B -N -e cpu-clock -F 997 --call-graph dwarf,1024 -o work.data ./work 2>/dev/null && [ -s work.data ]; then
	./file-static work.data >work.txt 2>err
	sampled work.txt file-static
fi
if ! ./live-shared ./work >work.txt 2>err && grep -q 'perf_event_open: \(Permission\|Operation not\|Function not\|No such file\)' err; then
	echo "live is not tried: $(cat err)"
else
	for way in shared cxx static; do
		./live-$way ./work >work.txt 2>err || fail "live-$way: $(cat err)"
		sampled work.txt live-$way
		grep -q ' 0 lost;' err || fail "live-$way: $(cat err)"
	done
	./work long &
	timeout --foreground -s INT 3 ./live-static -p $! >work.txt 2>err || [ $? = 124 ]
	kill $!
	wait $! 2>/dev/null || true
	sampled work.txt "live-static -p"
	grep -q ' 0 lost;' err || fail "live-static -p: $(cat err)"
	! ./live-static -p 0 2>err || fail "live -p 0"
	grep -qx 'live-static: there is no process 0' err || fail "live -p 0: $(cat err)"
	for way in shared cxx static; do
		! ./live-$way ./nocommand 2>err || fail "live-$way of no command"
		[ "$(cat err)" = "live-$way: ./nocommand: No such file or directory" ] || fail "live-$way of no command: $(cat err)"
	done
fi

# --- completion in bash: commands, the options that --help names, fields, events
completed()
{
	bash -c '. "$1/usr/share/bash-completion/completions/ustack"; shift
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _ustack; printf "%s\n" "${COMPREPLY[@]}"' - "$root" "$@"
}
PATH=$root/usr/bin:$PATH
[ "$(completed ustack rec)" = record ] || fail "completion of a command"
for command in record report script fold flamegraph pprof gecko diff stat; do
	ustack $command --help | sed -n 's/^  \(-[^ ,[]*\).*/\1/p' | grep -v '^-h' | sort >told
	completed ustack $command - | grep -vx -e --help -e -- | sort | diff told - || fail "completion of $command's options"
done
[ "$(completed ustack script -F comm)" = comm ] || fail "completion of a field"
[ "$(completed ustack record -e page-f)" = page-faults ] || fail "completion of an event"
[ "$(completed ustack record -p $$)" = $$ ] || fail "completion of a process"
completed ustack record -F 99 ech >told
grep -qx echo told || fail "completion of a command to record"
completed ustack record -- tou >told
grep -qx touch told || fail "completion of a command behind --"
[ "$(completed ustack record -- cat work.c)" = work.c ] || fail "completion of a file of the command"

# --- man pages: one by the name of each function; see man.sh for what they say
for f in $(cat map); do
	[ -e "$root/usr/share/man/man3/$f.3" ] || fail "no man page $f(3)"
done
