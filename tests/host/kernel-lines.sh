#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# Lines and inlined functions of kernel modules, whose files are not linked: those that
# addr2line has of the same object, linked to where the kernel would put it.  And of
# vmlinux; tests/qemu/modules.sh has a kernel that loads them.
. "$(dirname "$0")/common"
. "$top/tests/host/inlines-common"

cat >module.c <<'END_C'
#include <stdio.h>
#include <stdlib.h>
#include "ustack.h"
static void unusable(void *arg, const char *path, int err)
{
	(void)arg;
	fprintf(stderr, "%s: %d\n", path, err);
}
/* NAME BUILD_ID START [ROOT [DEBUG_DIRS [VMLINUX]]]: as sources.c, of what the kernel has at START. */
int main(int argc, char **argv)
{
	const struct ustack_images_opts opts = {
		.sz = sizeof(opts), .cxx_params = 1, .build_id_dir = "",
		.root = argc > 4 ? argv[4] : NULL, .debug_dirs = argc > 5 ? argv[5] : NULL,
		.vmlinux = argc > 6 ? argv[6] : NULL };
	unsigned char id[20];
	unsigned long long start = strtoull(argv[3], NULL, 16), addr;
	/* Another place than that: it need not be where it was linked to. */
	struct ustack_map map = { .sz = sizeof(map), .addr = 0xffffffffc0300000, .size = 1 << 22, .path = argv[1],
				  .is_kernel = 1, .prot = 5, .build_id = id, .build_id_size = sizeof(id) };
	const struct ustack_source *s;
	struct ustack_images *images;
	struct ustack_space *space;

	for (int i = 0; i < 20; i++)
		sscanf(argv[2] + 2 * i, "%2hhx", &id[i]);
	if (ustack_images_new(&images, &opts) || ustack_space_new(&space, images) || ustack_space_map(space, &map))
		return 1;
	while (scanf("%llx", &addr) == 1) {
		printf("0x%016llx\n", addr);
		if (ustack_source_find(space, map.addr + addr - start, &s))
			puts("??\n??:0");
		else
			for (; s; s = s->caller)
				printf("%s\n%s:%u\n", s->function ? s->function : "??", s->file ? s->file : "??", s->line);
	}
	ustack_images_unusable(images, unusable, NULL);
	ustack_space_free(space);
	ustack_images_free(images);
	return 0;
}
END_C
gcc -O1 -I"$top/libustack" module.c "$top/build/libustack/libustack.so" -Wl,-rpath,"$top/build/libustack" -o module

# Many sections of code, one of which is there for a moment only, and one that is data.
cat >>cxx.cc <<'END_CC'
__attribute__((section(".init.text"))) int once(int n) { return a::b().c(n).size(); }
__attribute__((section(".exit.text"))) int at_end(int n) { return a::b().c(n + 1).size(); }
int *pointer = new int(3);
END_CC

# link FILE: FILE.linked has the same code where layout_sections() puts it, from 0x100000 on
link()
{
	{
		echo "SECTIONS { . = 0x100000; .text : {"
		readelf -SW "$1" | sed -E 's/^ *\[ *[0-9]+\] *//' |
			awk '$2 == "PROGBITS" && $7 ~ /A/ && $7 ~ /X/ && $1 !~ /^\.init/ && !seen[$1]++ { print "*(" $1 ")" }'
		echo "} .later 0x8000000 : { *(.init.text) *(.data*) *(.rodata*) *(.bss*) } }"
	} >script
	ld -T script --defsym=__dso_handle=0 --no-warn-rwx-segments --unresolved-symbols=ignore-all --no-gc-sections -o "$1.linked" "$1" 2>err || fail "ld $1"
	: >err
}

# told NAME [ROOT [DEBUG_DIRS]]: what is known of the module is what addr2line says
told()
{
	./module "$1" "$id" 100000 "${@:2}" <addrs >ours 2>err || fail "module $*"
	[ ! -s err ] || fail "$* cannot be used"
	/usr/bin/python3 compare.py ours theirs >out || fail "not what addr2line says of $*: $(cat out)"
	cat out
}

for options in -gdwarf-4 '-gdwarf-4 -gz -ffunction-sections'; do
	g++ $options -O2 -fno-pie -fno-asynchronous-unwind-tables -c cxx.cc -o cxx.o
	ld -r --build-id=sha1 -o some-module.ko cxx.o
	link some-module.ko
	id=$(readelf -n some-module.ko | sed -n 's/.*Build ID: //p')
	# What runs once is not there any more.
	instructions some-module.ko.linked | grep -v '^8......$' >addrs
	addr2line -aifC -e some-module.ko.linked <addrs | sed 's/ (discriminator [0-9]*)//; s/:?$/:0/' >theirs
	told "$PWD/some-module.ko"
done
cp ours four
g++ -gdwarf-5 -O2 -fno-pie -fno-asynchronous-unwind-tables -ffunction-sections -c cxx.cc -o cxx.o
ld -r --build-id=sha1 -o five.ko cxx.o
link five.ko
instructions five.ko.linked | grep -v '^8......$' | cmp - addrs >&2 || fail "DWARF 5 changes code"
# Of DWARF 5 addr2line of Debian 12 has the files wrong.
./module "$PWD/five.ko" "$(readelf -n five.ko | sed -n 's/.*Build ID: //p')" 100000 <addrs >ours
cmp ours four || fail "DWARF 5 says something else than version 4"

# --- where the file is, and how it is packed
dir=root/lib/modules/6.1.0/kernel
mkdir -p $dir debug
xz --check=crc32 <some-module.ko >$dir/some-module.ko.xz
echo 'kernel/some-module.ko.xz:' >root/lib/modules/6.1.0/modules.dep
told '[some_module]' "$PWD/root" ''
# As distributions do: the module without, and the rest by build-id.
strip -g -o stripped.ko some-module.ko
xz --check=crc32 <stripped.ko >$dir/some-module.ko.xz
./module '[some_module]' "$id" 100000 "$PWD/root" '' <addrs >out || fail "a module without debug information"
! grep -qv -e '^0x' -e '^??' out || fail "lines from nowhere"
mkdir -p "debug/.build-id/${id:0:2}"
objcopy --only-keep-debug some-module.ko "debug/.build-id/${id:0:2}/${id:2}.debug"
told '[some_module]' "$PWD/root" "$PWD/debug"
# Of another build there is nothing.
./module '[some_module]' "${id:0:38}00" 100000 "$PWD/root" "$PWD/debug" <addrs >out 2>err || fail "another build-id"
! grep -qv -e '^0x' -e '^??' out || fail "lines of another module"

# --- vmlinux: _text is where its first segment begins
g++ -gdwarf-4 -O2 -no-pie -Wl,--build-id=sha1 -static-libgcc cxx.cc -o vmlinux
id=$(readelf -n vmlinux | sed -n 's/.*Build ID: //p')
start=$(readelf -lW vmlinux | awk '$1 == "LOAD" { print substr($3, 3); exit }')
instructions vmlinux >addrs
addr2line -aifC -e vmlinux <addrs | sed 's/ (discriminator [0-9]*)//; s/:?$/:0/' >theirs
./module '[kernel.kallsyms]' "$id" "$start" '' '' "$PWD/vmlinux" <addrs >ours 2>err || fail vmlinux
/usr/bin/python3 compare.py ours theirs >out || fail "not what addr2line says of vmlinux: $(cat out)"
cat out

# --- more symbols than any module has: of one table, and not all of that
cat >names.c <<'END_C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ustack.h"
static void unusable(void *arg, const char *path, int err)
{
	(void)arg;
	printf("%s: %s\n", path, strerror(-err));
}
/* FILE BUILD_ID COUNT: the names of its first functions, which are 4 bytes long. */
int main(int argc, char **argv)
{
	const struct ustack_images_opts opts = { .sz = sizeof(opts), .build_id_dir = "", .debug_dirs = "" };
	unsigned char id[20];
	struct ustack_map map = { .sz = sizeof(map), .addr = 0xffffffffc0300000, .size = 1 << 22, .path = argv[1],
				  .is_kernel = 1, .prot = 5, .build_id = id, .build_id_size = sizeof(id) };
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	struct ustack_images *images;
	struct ustack_space *space;

	for (int i = 0; i < 20; i++)
		sscanf(argv[2] + 2 * i, "%2hhx", &id[i]);
	if (argc < 4 || ustack_images_new(&images, &opts) || ustack_space_new(&space, images) || ustack_space_map(space, &map))
		return 1;
	for (int i = 0; i < atoi(argv[3]); i++) {
		ustack_symbolize(space, map.addr + 4 * i, &sym);
		printf("%.8s\n", sym.name ? sym.name : "?");
	}
	ustack_images_unusable(images, unusable, NULL);
	ustack_space_free(space);
	ustack_images_free(images);
	return 0;
}
END_C
gcc -O1 -I"$top/libustack" names.c "$top/build/libustack/libustack.so" -Wl,-rpath,"$top/build/libustack" -o names
echo '__asm__(".text\n.skip 4096");' >plain.c
gcc -c plain.c -o plain.o
ld -r --build-id=sha1 -s -o plain.ko plain.o
cat >many.py <<'END_PY'
"""FILE TABLES SYMBOLS NAME_SIZE: a module with as many tables, each of as many symbols one behind the other."""
import struct
import sys

tables, symbols, size = map(int, sys.argv[2:])
b = bytearray(open("plain.ko", "rb").read())
at, = struct.unpack_from("<Q", b, 40)
nr, = struct.unpack_from("<H", b, 60)
headers = [bytes(b[at + 64 * i:at + 64 * i + 64]) for i in range(nr)]
# Its own table is none.
headers = [h[:4] + b"\1\0\0\0" + h[8:] if h[4] == 2 else h for h in headers]
text = next(i for i in range(nr) if struct.unpack_from("<Q", headers[i], 8)[0] & 4)
for table in range(tables):
    b += bytes(-len(b) % 8)
    headers.append(struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, len(b), size + 2, 0, 0, 1, 0))
    b += b"\0" + b"t%d_" % table + b"L" * (size - 3) + b"\0"
    b += bytes(-len(b) % 8)
    first = 0 if table == 0 else symbols
    headers.append(struct.pack("<IIQQQQIIQQ", 0, 2, 0, 0, len(b), 24 * symbols, len(headers) - 1, 0, 8, 24))
    b += b"".join(struct.pack("<IBBHQQ", 1, 18, 0, text, 4 * (first + i), 4) for i in range(symbols))
struct.pack_into("<Q", b, 40, len(b))
struct.pack_into("<H", b, 60, len(headers))
open(sys.argv[1], "wb").write(b + b"".join(headers))
END_PY
id=$(readelf -n plain.ko | sed -n 's/.*Build ID: //p')
/usr/bin/python3 many.py tables.ko 2 3 20
./names "$PWD/tables.ko" "$id" 5 >out || fail "two tables"
[ "$(tr '\n' ' ' <out)" = 't0_LLLLL t0_LLLLL t0_LLLLL ? ? ' ] || fail "not the functions of the first table: $(cat out)"
# 64 MiB have room for less, with what is kept beside them.
/usr/bin/python3 many.py long.ko 1 130000 510
./names "$PWD/long.ko" "$id" 130000 >out || fail "long names"
awk -v last="$PWD/long.ko: Argument list too long" '/^t0_LLLLL$/ { n++; bad += missing > 0; next } $0 == "?" { missing++; next } { bad += $0 != last; told++ }
	END { exit bad || told != 1 || n < 100000 || n > 131072 || n + missing != 130000 }' out ||
	fail "not as many long names as there is room for: $(sort out | uniq -c)"
/usr/bin/python3 many.py long.ko 1 100000 510
./names "$PWD/long.ko" "$id" 100000 >out || fail "long names that have room"
[ "$(sort -u out)" = t0_LLLLL ] || fail "long names that have room: $(sort out | uniq -c)"

# --- a file that lies: relocations, symbols, sizes; never more than missing names
/usr/bin/python3 - "$(readelf -n some-module.ko | sed -n 's/.*Build ID: //p')" <<'END_PY' || fail "a damaged module"
import os
import random
import subprocess
import sys

random.seed(1)
good = open("some-module.ko", "rb").read()
sections = []
for line in subprocess.run(["readelf", "-SW", "some-module.ko"], stdout=subprocess.PIPE, text=True).stdout.splitlines():
    words = line.replace("[ ", "[").split()
    if len(words) > 5 and (words[1].startswith((".debug_", ".rela.debug_")) or words[1] in (".symtab", ".shstrtab")):
        sections.append((int(words[4], 16), int(words[5], 16)))
sections.append((int.from_bytes(good[40:48], "little"), 64 * int.from_bytes(good[60:62], "little")))
addrs = b"".join(open("addrs", "rb").readlines()[::50])
for turn in range(40):
    bad = bytearray(good)
    at, size = random.choice(sections)
    for _ in range(random.choice((1, 20, 300))):
        bad[at + random.randrange(size)] = random.choice((0, 0xff, 0x80, random.randrange(256)))
    with open("bad.ko", "wb") as f:
        f.write(bad)
    done = subprocess.run(["./module", os.path.abspath("bad.ko"), sys.argv[1], "100000"], input=addrs, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 0, (turn, done.returncode)
    assert done.stderr.count(b"\n") <= 1, done.stderr
END_PY
