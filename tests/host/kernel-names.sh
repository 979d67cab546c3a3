#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# Functions of the kernel that runs have the names of /proc/kallsyms, and those of
# another kernel none.
. "$(dirname "$0")/common"

[ "$(id -u)" = 0 ] && grep -qm 1 '^0*[1-9a-f][0-9a-f]* ' /proc/kallsyms && [ -s /sys/kernel/notes ] ||
	{ echo "/proc/kallsyms does not tell where the kernel is"; exit 77; }
cat >work.c <<'END'
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
int main(void)
{
	struct stat st;
	char b[4096];
	for (int i = 0; i < 3000; i++) {
		int fd = open("/proc/self/status", O_RDONLY);
		while (read(fd, b, sizeof(b)) > 0)
			;
		close(fd);
		stat("/usr/share/doc/none", &st);
	}
	return 0;
}
END
gcc -O1 work.c -o work
"$ustack" record -e cpu-clock -F 1997 -o data ./work 2>err || fail record
grep -q 'only user mode is sampled' err && { echo "the kernel cannot be sampled here"; exit 77; }
HOME=$tmp "$ustack" script -F ip,sym,symoff -i data >out 2>err || fail script
"$top/tests/kernel-names" /proc/kallsyms <out || fail "not the names of /proc/kallsyms"
"$ustack" fold -i data >folded 2>err || fail fold
grep -q ';do_syscall_64_\[k\];' folded || fail "fold does not mark functions of the kernel"

# Who may not see where it is learns all that this takes.
if command -v setpriv >/dev/null && $nobody grep -qm 1 '^0* ' /proc/kallsyms; then
	cp "$ustack" . && chmod 755 .
	HOME=$tmp $nobody ./ustack fold -i - <data >folded 2>err || fail "fold as nobody"
	grep -q '/proc/kallsyms hides them: be root, or as root: sysctl kernel.kptr_restrict=0 kernel.perf_event_paranoid=1$' err ||
		fail "nobody is not told how to see /proc/kallsyms"
fi

# What perf kept of it is read first, if it is whole.
id=$(/usr/bin/python3 -c '
notes = open("/sys/kernel/notes", "rb").read()
at = notes.index(b"\x14\0\0\0\x03\0\0\0GNU\0") + 12
print(notes[at:at + 20].hex())')
copy=.debug/.build-id/${id:0:2}/${id:2}/kallsyms
mkdir -p "${copy%/*}"
sed 's/ do_syscall_64$/ copied/' /proc/kallsyms >$copy
HOME=$tmp "$ustack" fold -i data >folded 2>err || fail "fold with a copy"
grep -q ';copied_\[k\];' folded || fail "a copy of kallsyms is not read"
for damage in 'sed -i 50000q' 'sed -i s/^[0-9a-f]*/0000000000000000/' 'truncate -s 0' 'truncate -s 8G' 'sed -i /_etext$/d'; do
	$damage $copy
	HOME=$tmp "$ustack" script -F ip,sym,symoff -i data >other 2>err || fail "script with a copy by $damage"
	cmp out other || fail "other names: a copy by $damage is taken for whole"
	sed 's/ do_syscall_64$/ copied/' /proc/kallsyms >$copy
done
rm $copy

# The same recording with another build-id: as of another kernel.
/usr/bin/python3 - <<'END'
notes = open("/sys/kernel/notes", "rb").read()
at = notes.index(b"\x14\0\0\0\x03\0\0\0GNU\0") + 12
own = notes[at:at + 20]
data = open("data", "rb").read()
assert own in data
open("another", "wb").write(data.replace(own, bytes(20 * [0xab])))
END
HOME=$tmp "$ustack" fold -i another >folded 2>err || fail "fold of another kernel's"
grep -q '_\[k\]' folded && fail "another kernel's functions have names"
grep -q ';\[kernel\] ' folded || fail "another kernel's frames are gone"
grep -q 'no names of \[kernel.kallsyms\]: neither the kernel that runs here nor a vmlinux is that one' err ||
	fail "nobody says that it was another kernel"
HOME=$tmp "$ustack" fold --vmlinux work -i another >folded 2>err || fail "fold --vmlinux of another file"
grep -q '_\[k\]' folded && fail "a file that is no vmlinux of it gives names"
grep -qx 'ustack: another: no names from work: it is not of the recorded kernel, by its build-id' err || fail "nobody says that --vmlinux is another kernel's"
# Where /proc/kallsyms has them, they are as without it.
HOME=$tmp "$ustack" script --vmlinux work -F ip,sym,symoff -i data >other 2>err || fail "script --vmlinux of another file"
cmp out other || fail "--vmlinux of another file costs the names of /proc/kallsyms"
grep -qx 'ustack: data: no names from work: it is not of the recorded kernel, by its build-id' err || fail "nobody says that --vmlinux is not used"
# What perf kept of that kernel.
mkdir -p .debug/.build-id/ab/$(printf 'ab%.0s' {1..19})
cat /proc/kallsyms >.debug/.build-id/ab/$(printf 'ab%.0s' {1..19})/kallsyms
HOME=$tmp "$ustack" script -F ip,sym,symoff -i another >other 2>err || fail "script with perf's cache"
cmp out other || fail "a copy of kallsyms gives other names"

# --- without a recording: the kernel that runs, as a program that links the library has it
cat >live.c <<'END'
#include <stdio.h>
#include "ustack.h"
/* Names the hexadecimal addresses on standard input. */
int main(void)
{
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	struct ustack_images *images;
	struct ustack_space *space;
	unsigned long long addr;

	if (ustack_images_new(&images, NULL) || ustack_space_new(&space, images) || ustack_space_add_kernel(space))
		return 1;
	while (scanf("%llx", &addr) == 1) {
		ustack_symbolize(space, addr, &sym);
		printf("\t%016llx %s+0x%llx\n", addr, sym.name ? sym.name : "?", (unsigned long long)sym.offset);
	}
	ustack_space_free(space);
	ustack_images_free(images);
	return 0;
}
END
gcc -O1 -I"$top/libustack" live.c "$top/build/libustack/libustack.so" -Wl,-rpath,"$top/build/libustack" -o live
awk '$3 == "_text" { on = 1 } $3 == "_etext" { exit } on && !/\[/ && tolower($2) ~ /[tw]/ && ++n % 40 == 0 { print $1 }' \
	/proc/kallsyms >addrs
[ "$(wc -l <addrs)" -gt 500 ] || fail "/proc/kallsyms has hardly any function"
HOME=$tmp ./live <addrs >out || fail "the kernel that runs cannot be added"
"$top/tests/kernel-names" /proc/kallsyms <out || fail "a space of the kernel has other names"
