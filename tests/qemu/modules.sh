#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# Functions of kernel modules: a guest runs Debian's kernel for cloud machines and
# compresses in a module of it.  There they have the names of /proc/kallsyms; here, by
# build-id, those of the modules' files, wherever these are and however packed.  And of
# one that is built here, with debug information, the lines and what was inlined.
set -euo pipefail
export LC_ALL=C
top=$(cd "$(dirname "$0")/../.." && pwd)
ustack=$top/build/libustack/ustack
apt=$top/build/apt

fail() { echo "FAIL: $*"; [ ! -s err ] || sed 's/^/    /' err; exit 1; }
say() { echo "$*"; }

# kernel: the package of the newest such kernel, in $apt; downloaded once
kernel()
{
	local meta=linux-image-cloud-amd64 name deb
	for deb in "$apt"/linux-image-*-cloud-amd64_*.deb; do
		[ ! -f "$deb" ] || { echo "$deb"; return; }
	done
	. "$top/kernel-patches/apt"
	mkdir -p "$apt"
	private_apt && private_suite "$(. /etc/os-release && echo "$VERSION_CODENAME")" || return 1
	name=$(apt-cache -c "$apt/apt.conf" depends "$meta" | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p')
	(cd "$apt" && apt-get -c "$apt/apt.conf" download -qq "$name" >&2) || return 1
	echo "$apt/${name}"_*.deb
}

# headers RELEASE: what to build a module for it with, in headers/; downloaded once
headers()
{
	local packages=("linux-headers-$1" "linux-headers-${1%-cloud-amd64}-common" linux-kbuild-6.1) name
	for name in "${packages[@]}"; do
		[ ! -f "$(echo "$apt/${name}"_*.deb)" ] || continue
		. "$top/kernel-patches/apt"
		private_apt && private_suite "$(. /etc/os-release && echo "$VERSION_CODENAME")" || return 1
		(cd "$apt" && apt-get -c "$apt/apt.conf" download -qq "$name" >&2) || return 1
	done
	for name in "${packages[@]}"; do
		dpkg-deb -x "$apt/${name}"_*.deb headers || return 1
	done
	sed -i "s|/usr/src/|$PWD/headers/usr/src/|" "headers/usr/src/linux-headers-$1/Makefile"
}

# spin RELEASE: a module whose one function that is no static inline takes its time
spin()
{
	mkdir -p spin "deb/lib/modules/$1/extra"
	cat >spin/ustack_spin.c <<-'END'
		#include <linux/module.h>
		static unsigned long sink;
		static __always_inline void spin(unsigned long n) { while (n--) WRITE_ONCE(sink, sink + n); }
		static __always_inline void twice(unsigned long n) { spin(n); spin(n); }
		static __attribute__((noipa)) void outer(unsigned long n) { twice(n); }
		static int set(const char *val, const struct kernel_param *kp) { outer(30000000); return 0; }
		static const struct kernel_param_ops ops = { .set = set };
		module_param_cb(spin, &ops, NULL, 0200);
		MODULE_LICENSE("GPL");
	END
	echo 'obj-m := ustack_spin.o' >spin/Makefile
	make -s -C "headers/usr/src/linux-headers-$1" M="$PWD/spin" modules >err 2>&1 || fail "no module could be built"
	: >err
	cp spin/ustack_spin.ko "deb/lib/modules/$1/extra"
}

# libraries FILE: what it is linked with
libraries() { ldd "$1" | grep -oE '/[^ ]+\.so[^ ]*'; }

# initramfs RELEASE: a system of its own in memory
initramfs()
{
	local file
	mkdir -p root/{bin,proc,sys,dev,tmp,lib/modules}
	cp -r "deb/lib/modules/$1" root/lib/modules
	depmod -b root "$1"
	cp "$ustack" "$(command -v busybox)" root/bin
	for file in $(libraries "$ustack"); do
		mkdir -p "root${file%/*}"
		cp -L "$file" "root$file"
	done
	cat >root/init <<-'END'
		#!/bin/sh
		/bin/busybox --install -s /bin
		export PATH=/bin HOME=/tmp
		mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmpfs /tmp
		modprobe lzo-rle; modprobe zram; modprobe virtio_blk; modprobe virtio_pci; modprobe ustack_spin
		echo 256M >/sys/block/zram0/disksize
		cd /tmp
		ustack record -e cpu-clock -F 1997 -o data sh -c '
			for i in 1 2 3 4 5; do dd if=/bin/ustack of=/dev/zram0 bs=64k; dd if=/dev/zram0 of=/dev/null bs=64k count=100; done
			echo 1 >/sys/module/ustack_spin/parameters/spin'
		ustack script -F ip,sym,symoff -i data >script
		cat /proc/kallsyms >kallsyms
		cat /proc/modules >modules
		tar c data script kallsyms modules >/dev/vda
		sync
		poweroff -f
	END
	ln -s busybox root/bin/sh
	chmod +x root/init
	(cd root && find . | cpio -o -H newc 2>/dev/null) | gzip -1 >initramfs
}

make -s -C "$top" lib
for program in qemu-system-x86_64 busybox depmod; do
	command -v $program >/dev/null || { echo "no $program"; exit 77; }
done
deb=$(kernel) || { echo "no kernel of Debian is to be had"; exit 77; }
mkdir -p "$top/build/check"
tmp=$(mktemp -d "$top/build/check/modules.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
export HOME=$tmp
dpkg-deb -x "$deb" deb
release=$(basename deb/lib/modules/*)
headers "$release" || { echo "no headers of Debian's kernel are to be had"; exit 77; }
spin "$release"
initramfs "$release"

# --- in the guest
truncate -s 64M disk
accelerator='-accel tcg -cpu max'
[ "$("$top/tests/qemu/vm" --accelerator)" != kvm ] || accelerator='-accel kvm -cpu host'
timeout 600 qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot $accelerator -m 1G \
	-kernel "deb/boot/vmlinuz-$release" -initrd initramfs -append 'console=ttyS0 panic=-1 quiet' \
	-drive file=disk,format=raw,if=virtio -serial file:log >err 2>&1 || fail "QEMU ended with status $?"
tar x <disk 2>err && [ -s script ] && [ -s modules ] || fail "the guest left nothing: $(tail -n 20 log)"
: >err
"$top/tests/kernel-names" kallsyms <script || fail "in the guest functions have other names than in /proc/kallsyms"
awk '{ print $6 }' modules | sort >starts

# of_modules FILE: the frames in modules, which are above the lowest address of one
of_modules() { awk -v first="$(head -n 1 starts)" '$1 >= substr(first, 3) && $1 ~ /^ffff/' "$1"; }
of_modules script >expected
grep -q ' zram_' expected && grep -q ' lzo' expected && grep -q ' outer+' expected || fail "no function of a module was sampled"

# --- here: without the files, then from perf's cache by build-id
"$ustack" script -F ip,sym,symoff -i data >out 2>err || fail script
! of_modules out | grep -v '\[unknown\]' || fail "functions of modules have names from nowhere"
grep -q 'no names of \[zram\]: .*build-id' err || fail "nobody says why"
for file in $(find deb -name zram.ko -o -name zsmalloc.ko -o -name lzo-rle.ko -o -name ustack_spin.ko); do
	id=$(readelf -n "$file" | sed -n 's/.*Build ID: //p')
	mkdir -p ".debug/.build-id/${id:0:2}/${id:2}"
	cp "$file" ".debug/.build-id/${id:0:2}/${id:2}/elf"
done
"$ustack" script -F ip,sym,symoff -i data >out 2>err || fail script
of_modules out >named
! grep -q '\[unknown\]' named || fail "not all functions of modules have names"
"$top/tests/kernel-names" kallsyms <named || fail "a module's file has other names than /proc/kallsyms"

# What takes the time was inlined twice, from line 4 into line 5, in all that show lines.
"$ustack" fold --inline -i data >out 2>err || fail "fold --inline"
awk '/;set_\[k\];outer_\[k\];twice_\[k\];spin_\[k\] [0-9]+$/ { n += $NF } / outer_\[k\] [0-9]+$/ { bare += $NF }
	END { exit n < 20 || bare > n / 10 }' out || fail "nothing is inlined in a module: $(grep outer out)"
"$ustack" script --inline -F ip,sym,srcline -i data >out 2>err || fail "script --inline"
for at in spin:3 twice:4; do
	grep -A 1 " ${at%:*} (inlined)$" out >lines || :
	grep -q "/spin/ustack_spin.c:${at#*:}$" lines || fail "no line of ${at%:*}()"
done
"$ustack" report --sort line -i data >out 2>err && grep -q 'ustack_spin.c:3$' out || fail "report --sort line: $(head out)"
"$ustack" script --no-inline -F ip,sym,symoff -i data >out 2>err || fail script
of_modules out | cmp - named || fail "other names without inlined functions"

# --- a program with the library, by each way to a file and each way to pack it
cat >names.c <<'END_C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ustack.h"
/* ROOT DEBUG_DIRS PATH BUILD_ID ADDRESS SIZE: names the addresses on standard input. */
int main(int argc, char **argv)
{
	const struct ustack_images_opts opts = { .sz = sizeof(opts), .root = argv[1], .debug_dirs = argv[2] };
	struct ustack_map map = { .sz = sizeof(map), .path = argv[3], .is_kernel = 1, .prot = 5 };
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	struct ustack_images *images;
	struct ustack_space *space;
	unsigned long long addr;
	unsigned char id[20];

	for (int i = 0; argc > 6 && i < 20; i++)
		sscanf(argv[4] + 2 * i, "%2hhx", &id[i]);
	map.build_id = id;
	map.build_id_size = sizeof(id);
	map.addr = strtoull(argv[5], NULL, 16);
	map.size = strtoull(argv[6], NULL, 10);
	if (ustack_images_new(&images, &opts) || ustack_space_new(&space, images) || ustack_space_map(space, &map))
		return 1;
	while (scanf("%llx", &addr) == 1) {
		ustack_symbolize(space, addr, &sym);
		if (sym.name)
			printf("\t%016llx %s+0x%llx\n", addr, sym.name, (unsigned long long)sym.offset);
	}
	ustack_space_free(space);
	ustack_images_free(images);
	return 0;
}
END_C
gcc -O1 -I"$top/libustack" names.c "$top/build/libustack/libustack.so" -Wl,-rpath,"$top/build/libustack" -o names
ko=$(find deb -name zram.ko)
id=$(readelf -n "$ko" | sed -n 's/.*Build ID: //p')
awk '$3 && $4 == "[zram]" && tolower($2) == "t" { print $1 }' kallsyms >addrs
[ "$(wc -l <addrs)" -gt 10 ] || fail "/proc/kallsyms has hardly a function of zram"
address=$(awk '$1 == "zram" { print $6, $2 }' modules)
# named ROOT DEBUG_DIRS PATH: as in /proc/kallsyms, but for labels at the same address
named()
{
	./names "$1" "$2" "$3" "$id" $address <addrs >out || fail "$*"
	awk 'NR == FNR { if ($4 == "[zram]") is[$1 " " $3 "+0x0"] = 1; next } !is[$1 " " $2] { print; bad = 1 }
		END { exit bad || FNR != n }' n="$(wc -l <addrs)" kallsyms out || fail "names of $*: $(head -n 3 out)"
}
HOME=/nowhere
named "$tmp/deb" "" "/${ko#deb/}"
dir=lib/modules/$release
for pack in cat 'xz --check=crc32' 'zstd -q' gzip; do
	rm -rf packed
	mkdir -p "packed/$dir"
	name=zram.ko$(case $pack in xz*) echo .xz ;; zstd*) echo .zst ;; gzip) echo .gz ;; esac)
	$pack <"$ko" >"packed/$dir/$name"
	echo "$name: zsmalloc.ko" >"packed/$dir/modules.dep"
	named "$tmp/packed" "" "[zram]"
	# What is cut has no names.
	head -c $(($(stat -c %s "packed/$dir/$name") * 2 / 3)) "packed/$dir/$name" >cut
	mv cut "packed/$dir/$name"
	./names "$tmp/packed" "" "[zram]" "$id" $address <addrs >out || fail "a cut $name"
	[ ! -s out ] || [ "$pack" = cat ] || fail "a cut $name has names"
done
mkdir -p "debug/.build-id/${id:0:2}"
objcopy --only-keep-debug "$ko" "debug/.build-id/${id:0:2}/${id:2}.debug"
named /nowhere "$tmp/debug" "[zram]"
# Another module's file, and no build-id at all.
cp "$(find deb -name zsmalloc.ko)" "packed/$dir/zram.ko.gz"
./names "$tmp/packed" "" "[zram]" "$id" $address <addrs >out || fail "another module"
[ ! -s out ] || fail "another module's file gives names"

# --- a file that lies
/usr/bin/python3 - "$ko" "$id" $address <<'END_PY' || fail "a damaged module"
import os
import random
import subprocess
import sys

random.seed(1)
ko, module_id, addr, size = sys.argv[1:]
good = open(ko, "rb").read()
table = int.from_bytes(good[40:48], "little")       # e_shoff
for turn in range(200):
    bad = bytearray(good)
    for _ in range(random.choice((1, 5, 50))):
        at = random.randrange(table, len(bad)) if random.random() < .7 else random.randrange(len(bad))
        bad[at] = random.choice((0, 0xff, 0x80, random.randrange(256)))
    open("bad.ko", "wb").write(bad)
    subprocess.run(["./names", "", "", os.path.abspath("bad.ko"), module_id, addr, size],
                   stdin=open("addrs"), stdout=subprocess.DEVNULL, check=True, timeout=60)
END_PY
