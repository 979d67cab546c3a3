#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# make install, as a packager does it and as a user finds it: the exported
# symbols are those of the version map and of the header, the header compiles
# as C11 and as C++, and the example builds with what pkg-config says, shared
# and static, and shows the chains of a recording; the man pages are sound.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
root=$tmp/root

fail() { echo "FAIL: $*"; exit 1; }

make -s -C "$top" install DESTDIR="$root" PREFIX=/usr
cd "$tmp"
[ -z "$(find root -newermt @0 ! -type d ! -path 'root/usr/*')" ] || fail "files outside of PREFIX"
"$root/usr/bin/ustack" --version >/dev/null

# --- symbols
sed -n '/^global:/,/^local:/s/^\t\(ustack_[a-z_]*\);$/\1/p' "$top/libustack/ustack.map" | sort >map
nm -D --defined-only "$root/usr/lib/libustack.so" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | sort >exported
nm -D --defined-only "$root/usr/lib/libustack.so" | awk '$2 !~ /[TA]/' >other
[ ! -s other ] || fail "data is exported: $(cat other)"
diff map exported || fail "libustack.so exports something else than the version map says"
grep -oE '\bustack_[a-z_]+\(' "$top/libustack/ustack.h" | tr -d '(' | sort -u >header
comm -23 map header >missing
[ ! -s missing ] || fail "not in ustack.h: $(cat missing)"
# Whatever is not meant for users of the archive stays out of their way.
readelf -d "$root/usr/lib/libustack.so" | grep -q 'SONAME.*\[libustack\.so\.0\]' || fail "soname"

# --- header
echo '#include <ustack.h>' >header.c
cp header.c header.cc
for cc in "gcc -std=c11 -pedantic" "g++ -std=c++11 -pedantic"; do
	src=header.c
	[ "${cc%% *}" = gcc ] || src=header.cc
	$cc -Wall -Wextra -Werror -I"$root/usr/include" -c -o header.o $src || fail "ustack.h does not compile with $cc"
done

# --- example
export PKG_CONFIG_PATH=$root/usr/lib/pkgconfig
ours() { pkg-config --define-variable=prefix="$root/usr" --define-variable=libdir="$root/usr/lib" "$@" libustack; }
[ "$(wc -l <"$top/libustack/example.c")" -lt 60 ] || fail "the example is not short any more"
build="gcc -std=c11 -pedantic -Wall -Wextra -Werror $top/libustack/example.c"
$build -o shared $(ours --cflags --libs)
mkdir kept
mv "$root"/usr/lib/libustack.so* kept
$build -o static $(ours --static --cflags --libs)
mv kept/* "$root/usr/lib"
readelf -d static | grep -q libustack && fail "static is not static"

# A recording and the program that it is of.
seed=$top/tests/fuzz/corpus/whole/seed-deferred
size=$(od -An -tu4 -N4 "$seed")
tail -c +5 "$seed" | head -c $size >perf.data
[ -e /image ] && { echo "skipped: there is a file /image"; exit 77; }
LD_LIBRARY_PATH=$root/usr/lib ./shared perf.data >shared.txt
./static perf.data >static.txt
cmp shared.txt static.txt
[ "$(grep -c '^prog ' static.txt)" = 2 ] || fail "not two samples"
grep -q ' ? (/image)$' static.txt || fail "no frame"
./static nofile 2>err && fail "nofile is no error"
grep -q '^nofile cannot open' err || fail "no reason: $(cat err)"

# And one of this machine, with names.
cat >work.c <<'END'
__attribute__((noinline)) static void leaf(void) { for (volatile int i = 0; i < 300000000; i++) ; }
__attribute__((noinline)) static void outer(void) { leaf(); __asm__(""); }
int main(void) { outer(); return 0; }
END
gcc -O1 -o work work.c
if perf record -q -e cpu-clock -F 99 --call-graph dwarf,1024 -o work.data ./work 2>/dev/null && [ -s work.data ]; then
	./static work.data | awk '/ leaf \(/ { l = NR } / outer \(/ && NR == l + 1 { n++ } END { exit n < 3 }' ||
		fail "no leaf under outer"
fi

# --- man pages: one for each function, and nothing wrong in them
for f in $(cat map); do
	[ -e "$root/usr/share/man/man3/$f.3" ] || fail "no man page $f(3)"
done
for page in "$top"/libustack/*.[13]; do
	groff -ww -mandoc -Tutf8 -z "$page" >warnings 2>&1 || true
	mandoc -T lint -W warning "$page" >>warnings 2>&1 || true
	[ ! -s warnings ] || fail "${page##*/}: $(cat warnings)"
done
