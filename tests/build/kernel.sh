#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# Both series apply to the kernel source and the kernel builds; what boots is what
# was built: the image holds the vmlinux beside it, not one out of a cache.
set -eu
cd "$(dirname "$0")/../.."
make --no-print-directory kernel
python3 - build/kernel/arch/x86/boot <<'END'
import sys
boot = sys.argv[1]
with open(f"{boot}/bzImage", "rb") as image, \
     open(f"{boot}/compressed/vmlinux.bin.gz", "rb") as vmlinux:
	if vmlinux.read() not in image.read():
		sys.exit(f"{boot}/bzImage holds another kernel than was built")
END

# A configuration that is given and turns down what the series needs: said by name.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
sed 's/^CONFIG_PCI_MSI=y/# CONFIG_PCI_MSI is not set/' build/kernel/.config >"$tmp/config"
if kernel-patches/build -c "$tmp/config" build/linux "$tmp/out" kernel-patches/config/machine.config 2>"$tmp/said"; then
	echo "FAIL: a kernel without CONFIG_NMI_CLOCK was built"
	exit 1
fi
grep -x '  CONFIG_NMI_CLOCK=y' "$tmp/said" || { cat "$tmp/said"; exit 1; }
