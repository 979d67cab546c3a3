#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# perf script with libustack remembers which symbol an address is: not beyond the
# library that was mapped there. Two take turns at the same addresses.
set -eu -o pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
perf=$top/build/perf/perf
for f in "${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}" "$perf"; do
	[ -e "$f" ] || { echo "${f#"$top/"} is not built"; exit 77; }
done
[ "${1-}" = guest ] || exec "$top/tests/qemu/vm" --time-limit 300 -- "$(readlink -f "$0")" guest

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
fail() { echo "FAIL: $*"; exit 1; }

# Not the same code: it would have the same build-id.
for lib in a b; do
	[ $lib = a ] && times=300 || times=400
	cat >$lib.c <<END
__attribute__((noinline)) static void work_$lib(void (*f)(void))
{
	for (int i = 0; i < $times; i++)
		f();
}
void run(void (*f)(void)) { work_$lib(f); }
END
	gcc -O1 -fno-optimize-sibling-calls -shared -fPIC $lib.c -o lib$lib.so
done
cat >main.c <<'END'
#include <dlfcn.h>
#include <stdio.h>
static void spin(void) { for (volatile int i = 0; i < 100000; i++); }
/* LIBRARY...: loads each, runs it, prints where it was, takes it out again. */
int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		void *lib = dlopen(argv[i], RTLD_NOW);
		void (*run)(void (*)(void)) = lib ? dlsym(lib, "run") : NULL;

		if (!run)
			return 1;
		run(spin);
		printf("%p\n", (void *)run);
		if (dlclose(lib))
			return 1;
	}
	return 0;
}
END
gcc -O1 main.c -o main

"$perf" record -q -e cpu-clock:u -F 2000 --call-graph dwarf -o perf.data -- \
	./main ./liba.so ./libb.so ./liba.so ./libb.so >addresses
[ "$(sort -u addresses | wc -l)" = 1 ] || { echo "skipped: not mapped where the other was"; exit 77; }
# A line a sample: its frames in what this test compiled.
for style in libdw libustack; do
	"$perf" script -i perf.data --unwind-style=$style -F ip,sym --no-inline 2>/dev/null |
		awk -v RS= -F '\n' '{
			line = ""
			for (i = 1; i <= NF; i++)
				if ($i ~ /^[ \t]+[0-9a-f]+ (work_|run|main)/)
					line = line $i
			print line
		}' >$style || fail "$style: no chain"
	for lib in a b; do
		grep -q "work_$lib" $style || fail "$style: work_$lib was never called"
	done
done
# libdw's chains end early where .init has no CFI: what it has must be the beginning.
paste -d '|' libdw libustack | awk -F '|' '
	substr($2, 1, length($1)) != $1 { print; bad = 1 }
	END { exit bad }' || fail "other names with libustack than with libdw"
echo "$(grep -c work_ libdw) samples, named as with libdw"
