#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# kernel-patches/source and export on a small tree that has what they look at:
# a Makefile with a version, some files to patch. Network is never used.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
unset KERNEL_SRC FORCE KERNEL_URL
# Nothing here need outlive a power cut, and a busy disk takes seconds to sync.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.fsync GIT_CONFIG_VALUE_0=none

fail() { echo "FAIL: $*"; [ ! -s "$tmp/out" ] || sed 's/^/    /' "$tmp/out"; exit 1; }
ok() { "$@" >"$tmp/out" 2>&1 || fail "$*"; }
refused() { ! "$@" >"$tmp/out" 2>&1 || fail "not refused: $*"; }
says() { [[ $(<"$tmp/out") == *"$1"* ]] || fail "no \"$1\" in the output"; }

git_as() { git -C "$tmp/repo/build/linux" -c user.name='Ann Üser' -c user.email=ann@example.com "$@"; }
commit() { git_as commit -qam "$1" "${@:2}"; }
sums() { (cd "$tmp/repo" && find kernel-patches perf-integration -type f -exec sha256sum {} + | sort); }
head_tree() { git_as rev-parse 'HEAD^{tree}'; }

tree() # tree DIR VERSION PATCHLEVEL SUBLEVEL
{
	mkdir -p "$1"/{kernel,tools/perf,include}
	printf 'VERSION = %s\nPATCHLEVEL = %s\nSUBLEVEL = %s\nEXTRAVERSION =\n' "$2" "$3" "$4" >"$1/Makefile"
	seq 1 100 >"$1/kernel/core.c"
	seq 200 260 >"$1/tools/perf/perf.c"
	echo "int old;" >"$1/include/old.h"
	printf '*.o\n' >"$1/.gitignore"
}

mkdir -p "$tmp/repo/kernel-patches/"{1-one,2-none,3-two} "$tmp/repo/perf-integration"
cp "$top"/kernel-patches/{KERNEL_VERSION,common,source,export,apt,fetch} "$tmp/repo/kernel-patches/"
printf '# a comment\n' >"$tmp/repo/kernel-patches/series"
printf 'Subject: [PATCH 00/9] x\n\nby hand\n\n 1/9 old\n' >"$tmp/repo/kernel-patches/3-two/0000-cover-letter.patch"
source=$tmp/repo/kernel-patches/source
export=$tmp/repo/kernel-patches/export
version=$(cat "$top/kernel-patches/KERNEL_VERSION")
IFS=. read -r v p s <<<"$version"
cd "$tmp"

# What is refused, and that nothing is left of it.
tree "$tmp/old" "$v" $((p - 1)) 9
KERNEL_SRC=$tmp/old refused "$source"
says "is Linux $v.$((p - 1)).9: the patches need $v.$p.x"
KERNEL_SRC=$tmp/nothing refused "$source"
says 'does not exist'
KERNEL_SRC=/etc refused "$source"
says 'no Makefile with a VERSION'
echo hello >"$tmp/a.zip"
KERNEL_SRC=$tmp/a.zip refused "$source"
says 'a.zip is no kernel tree'
tree "$tmp/linux-$version" "$v" "$p" "$s"
head -c 200000 /dev/urandom >"$tmp/linux-$version/kernel/big"
tar -C "$tmp" -cJf "$tmp/linux.tar.xz" "linux-$version"
head -c 100000 "$tmp/linux.tar.xz" >"$tmp/cut.tar.xz"
KERNEL_SRC=$tmp/cut.tar.xz refused "$source"
says 'cut.tar.xz could not be unpacked'
tar -C "$tmp" -cf "$tmp/old.tar" old
KERNEL_SRC=$tmp/old.tar refused "$source"
says "the patches need $v.$p.x"
refused "$export"
says 'run make kernel-source first'
[ -z "$(ls -d "$tmp"/repo/build/linux* 2>/dev/null)" ] || fail "a refused source left something in build"

# Sources that are taken: tarballs, a tree, a git tree without what its build left.
xz -dc "$tmp/linux.tar.xz" | zstd -q >"$tmp/linux.tar.zst"
for kind in zst xz; do
	file=$tmp/linux.tar.$kind
	KERNEL_SRC=$file ok "$source"
	says "Linux $version from $file"
	cmp "$tmp/repo/build/linux/kernel/big" "$tmp/linux-$version/kernel/big" || fail "$kind: contents differ"
done
base=$(git_as rev-parse base)
touch "$tmp/linux-$version/kernel/core.o"
KERNEL_SRC=$tmp/linux-$version ok "$source"
[ ! -e "$tmp/repo/build/linux/kernel/core.o" ] || fail "an object file came along"
[ "$(git_as rev-parse base)" = "$base" ] || fail "the same files give another base commit"
git -C "$tmp/linux-$version" init -q
git -C "$tmp/linux-$version" add -A
git -C "$tmp/linux-$version" -c user.name=a -c user.email=a@b commit -qm a
KERNEL_SRC=$tmp/linux-$version ok "$source"
[ "$(git_as rev-parse base)" = "$base" ] || fail "a git tree gives another base commit"
ok "$source"
says 'up to date'

# Commits become patches and patches commits; a round trip changes nothing.
cd "$tmp/repo/build/linux"
refused env KERNEL_SRC="$PWD" "$source"
sed -i 's/^50$/fifty/' kernel/core.c
commit 'core: spell fifty, with a subject so long that mail has to fold it over two lines
' -m 'Grüße.

---- not a separator'
sed -i 's/^70$/seventy/' kernel/core.c
commit '[x] core: spell seventy'
git_as branch -f 1-one
git_as branch -f 2-none
echo 'int x;' >include/new.h
git_as add include/new.h
refused "$export"
says 'uncommitted changes (include/new.h)'
sed -i 's/^250$/perf/' tools/perf/perf.c
commit 'perf and core'
sed -i 's/^210$/ten/' tools/perf/perf.c
commit 'perf: ten'
ok "$export"
says '3 patches in kernel-patches, 1 in perf-integration'
[ "$(sed '/^#/d; s/-.*//' "$tmp/repo/kernel-patches/series" | tr '\n' ' ')" = '1 1 3 ' ] || fail "not 2, 0 and 1 patches"
[ "$(cd "$tmp/repo/kernel-patches" && echo ?-*/0001-*)" = '1-one/0001-core-spell-fifty-with-a-subject-so-long-that-mail-ha.patch 3-two/0001-perf-and-core.patch' ] ||
	fail "each series does not begin with its patch 1"
[ "$(cat "$tmp/repo/perf-integration/series")" = 0001-perf-ten.patch ] || fail "perf series"
grep -q '^# a comment' "$tmp/repo/kernel-patches/series" || fail "the series lost its comment"
letter=$(cat "$tmp/repo/kernel-patches/3-two/0000-cover-letter.patch")
[[ $letter = 'Subject: [PATCH 00/1] x'$'\n\nby hand\n\n''   1/1 perf and core'$'\n\n'*'2 files changed'* ]] ||
	fail "cover letter: $letter"
sums >"$tmp/sums"
log=$(git_as log --format='%T %an %ae %ad %B')
ok "$source"
says 'up to date'
cd "$tmp"
rm -rf "$tmp/repo/build"
KERNEL_SRC=$tmp/linux.tar.xz ok "$source"
cd "$tmp/repo/build/linux"
[ "$(git_as log --format='%T %an %ae %ad %B')" = "$log" ] || fail "commits differ after the round trip"
ok "$export"
sums | cmp - "$tmp/sums" || fail "patches differ after the round trip"

# A changed patch is applied again, files that stay the same are not touched.
head=$(git_as rev-parse HEAD)
touch -d 2020-01-01 tools/perf/perf.c kernel/core.c
git_as status -s >/dev/null
sed -i 's/^+seventy/+SEVENTY/' "$tmp"/repo/kernel-patches/1-one/0002-*
ok "$source"
says '3 of 4 patches applied'
grep -q '^SEVENTY$' kernel/core.c || fail "the changed patch is not in the tree"
[ "$(stat -c %Y tools/perf/perf.c)" = "$(date -d 2020-01-01 +%s)" ] || fail "perf.c was written again"
sed -i 's/^+SEVENTY/+seventy/' "$tmp"/repo/kernel-patches/1-one/0002-*
ok "$source"
[ "$(git_as rev-parse HEAD)" = "$head" ] || fail "the same series gives other commits"

# Work that is in no patch stays.
echo work >>kernel/core.c
ok "$source"
says 'up to date'
sed -i 's/^+seventy/+SEVENTY/' "$tmp"/repo/kernel-patches/1-one/0002-*
refused "$source"
says 'run make export-patches'
[ "$(wc -l <"$tmp/out")" = 1 ] || fail "more than one line"
grep -q '^work$' kernel/core.c || fail "work was thrown away"
commit work
refused "$source"
refused "$export"
says 'patch files changed'
FORCE=1 ok "$source"
! grep -q '^work$' kernel/core.c || fail "FORCE=1 left the work"

# A patch that does not apply names itself and the hunk, and changes nothing.
head=$(git_as rev-parse HEAD)
sed -i 's/^ 49$/ 4x/' "$tmp"/repo/kernel-patches/1-one/0001-*
for i in 1 2; do
	refused "$source"
	says "$(cd "$tmp/repo" && ls kernel-patches/1-one/0001-*) does not apply to Linux $version"
	says 'kernel/core.c, hunk 1: @@ -47,7'
done
[ "$(git_as rev-parse HEAD)" = "$head" ] || fail "a failed patch moved the branch"
[ -z "$(git_as status --porcelain)" ] || fail "a failed patch left changes"
sed -i 's/^ 4x$/ 49/' "$tmp"/repo/kernel-patches/1-one/0001-*
ok "$source"
echo 'not a mail' >"$tmp/repo/perf-integration/0001-perf-ten.patch"
refused "$source"
says 'perf-integration/0001-perf-ten.patch is not a patch in mail form'
rm "$tmp/repo/perf-integration/0001-perf-ten.patch"
refused "$source"
says 'series names 0001-perf-ten.patch, which does not exist'
: >"$tmp/repo/perf-integration/series"
ok "$source"

# What export refuses, and a patch that goes away.
sed -i 's/^211$/eleven/' tools/perf/perf.c
commit 'perf: eleven'
sed -i 's/^20$/twenty/' kernel/core.c
commit 'core: twenty'
refused "$export"
says '"core: twenty" comes after the perf commit "perf: eleven"'
git_as reset -q --hard HEAD~2
git_as commit -q --allow-empty -m nothing
refused "$export"
says '"nothing" changes nothing'
git_as reset -q --hard HEAD~2
git_as branch -f 1-one HEAD
git_as branch -f 2-none 'HEAD@{1}'
refused "$export"
says 'no commit is the end of 2-none'
git_as branch -f 2-none HEAD
sed -i '/1-one.0001-/s/$/ # a.sh, b.sh/; /3-two.0001-/s/$/ # c.sh/' "$tmp/repo/kernel-patches/series"
ok "$export"
[ ! -e "$tmp/repo/kernel-patches/3-two/0001-perf-and-core.patch" ] || fail "a stale patch stayed"
grep -q '^1-one/0001-.* # a.sh, b.sh$' "$tmp/repo/kernel-patches/series" || fail "a patch lost its comment"
says 'its comment is gone: # c.sh'
ok "$source"

# Nothing given and nothing reachable.
if [ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null; then
	rm -rf "$tmp/repo/build"
	refused unshare -n "$source"
	says 'KERNEL_SRC='
	[ ! -e "$tmp/repo/build/linux" ] || fail "a tree without a source"
fi
echo ok
