#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# ustack record of programs that only their own mount namespace has: where the path
# leads to nothing here, to another program here, and to another in each of two
# namespaces.  Chains and names are those of what ran, or there are no names.
. "${0%/*}/record-common"
unshare -m true 2>/dev/null || { echo "no mount namespace is to be had here"; exit 77; }

# program NAME: a file with functions NAME_leaf, NAME_outer; no two are laid out alike
program()
{
	cat >"$1.c" <<-END
		#include <stdlib.h>
		#define KEEP __attribute__((noinline))
		static char room[${#1}00];
		KEEP static void $1_leaf(void) { for (volatile int i = 0; i < 100000; i++) room[i % sizeof(room)]++; }
		KEEP static int $1_compare(const void *a, const void *b) { $1_leaf(); return *(int *)a - *(int *)b; }
		KEEP static void $1_outer(void) { int v[2] = { 2, 1 }; qsort(v, 2, sizeof(*v), $1_compare); __asm__(""); }
		int main(void) { for (;;) $1_outer(); }
	END
	gcc -O1 -o "$1" "$1.c"
}
for name in host first other_one third_of_all; do program $name; done
mkdir hidden
cp host taken

# start NAME AT FILE: runs FILE, which is NAME's, where it is AT
started=()
start()
{
	rm -f ready
	unshare -m sh -c 'if [ "${2%/*}" = hidden ]; then mount -t tmpfs none hidden && cp "$1" "$2"; else mount --bind "$1" "$2"; fi &&
		: >ready && exec "./$2"' - "$1" "$2" 2>err & started+=($!)
	until [ -e ready ] && [ "$(readlink "/proc/$!/exe")" = "$tmp/$2" ]; do
		kill -0 $! 2>/dev/null || { grep -q 'mount:' err && { cat err; echo "nothing may be mounted here"; exit 77; }; fail "start $*"; }
		sleep 0.02
	done
}
trap 'kill "${started[@]}" 2>/dev/null || :; rm -rf "$tmp"' EXIT
start first hidden/program
start other_one hidden/program
start third_of_all taken
pids=$(IFS=,; echo "${started[*]}")
[ ! -e hidden/program ] && cmp -s taken host || fail "the mounts are seen here"

# named PID NAME: most samples have all of the chain, and none has names of others
named()
{
	"$ustack" fold --pid "$1" -i f >folds 2>err || fail "fold"
	awk -v want="main;$2_outer;.*;$2_compare;$2_leaf(;[^;]*_\\[k\\])* [0-9]+$" -v other="_(leaf|outer|compare)" -v own="$2" '
		{ all += $NF; if ($0 ~ want) good += $NF; gsub(own other, ""); bad += $0 ~ other }
		END { exit all < 20 || good < 0.9 * all || bad }' folds || fail "process $1, of $2: $(cat folds)"
}
# While they live, as a recording and as a table.
status 0 "$ustack" record --json -e cpu-clock -F 199 -o f -p "$pids" sleep 2
[ "$(json '["complete_pct"] > 95 and not d["to_do"]')" = True ] || fail "chains: $(cat out)"
named "${started[0]}" first
named "${started[1]}" other_one
named "${started[2]}" third_of_all
[ ! -s err ] || fail "fold complains"
status 0 "$ustack" top -e cpu-clock -p "$pids" sleep 1.5
for name in first other_one third_of_all; do grep -q " ${name}_leaf " out || fail "top: $(cat out)"; done
! grep host_ out || fail "top: $(cat out)"

# All that there is in the namespace of a command: it begins in a file that is here.
status 0 "$ustack" record --json -e cpu-clock -F 997 -o command unshare -m sh -c \
	'mount --bind other_one taken && timeout 0.5 ./taken; ./host & sleep 0.5; kill $!'
[ "$(json '["complete_pct"] > 90')" = True ] || fail "chains of a command: $(cat out)"

# When they are gone, so are their files: no names rather than those of another.
kill "${started[@]}"
wait "${started[@]}" 2>/dev/null || :
"$ustack" fold -i f >folds 2>err || fail "fold"
! grep '_leaf' folds || fail "names of another file"
said "^ustack: f: no frames and names from $tmp/hidden/program: No such file"
for file in f command; do
	"$ustack" fold --comm taken -i $file >folds 2>err || fail "fold of $file"
	! grep '^taken;.*host_' folds || fail "names of another file"
	said "^ustack: $file: no frames and names from $tmp/taken: it is another file now"
done
# --symfs tells where they are now.  Two of them had one path: one is not the other.
mkdir -p "root$tmp/hidden"
cp first "root$tmp/hidden/program"
cp third_of_all "root$tmp/taken"
"$ustack" fold --symfs root -i f >folds 2>err || fail "fold --symfs"
for name in first third_of_all; do grep -q "${name}_leaf " folds || fail "--symfs: no $name: $(cat err)"; done
! grep -E 'host_|other_one' folds || fail "--symfs: names of another file"
said "^ustack: f: no frames and names from $tmp/hidden/program: it is another file now than was recorded, .* --symfs$"
ln -s root a:root
"$ustack" fold --symfs a:root -i f 2>err | cmp - folds || fail "--symfs of a name with a colon"
for option in --symfs --debug-dir; do
	status 1 "$ustack" fold $option /nowhere -i f
	said "^ustack: $option /nowhere: No such file or directory"
	status 1 "$ustack" fold $option folds -i f
	said "^ustack: $option folds: Not a directory"
	status 2 "$ustack" fold $option '' -i f
	said "^ustack: $option: '' is not the name of a "
done
"$ustack" fold -i command >folds 2>err || fail "fold of a command"
grep -q '^host;.*;main;host_outer;.*;host_leaf' folds || fail "no names of what is here: $(cat folds)"
"$ustack" stat -i f >out 2>err
awk '/^samples/ { all = $2 } /^finished/ { good = $2 } END { exit good < 0.95 * all }' out || fail "chains: $(cat out)"
# Where perf keeps files by their build-ids they are found.
HOME=$tmp perf buildid-cache --add first,other_one,third_of_all >out 2>err || fail "perf buildid-cache"
export HOME=$tmp
named "${started[0]}" first
named "${started[1]}" other_one
named "${started[2]}" third_of_all
