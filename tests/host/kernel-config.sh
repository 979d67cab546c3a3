#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# What KERNEL_CONFIG of `make deb` names is a whole .config for x86-64, or one
# line says what is wrong with it and what was configured before stays.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"

fail() { echo "FAIL: $*"; exit 1; }

# taken FILE: it becomes the configuration, and is not written a second time
taken()
{
	"$top/kernel-patches/machine-config" "$1" out/config || fail "$1 is refused"
	tail -n +2 out/config | cmp - "$1"
	touch -d @1 out/config
	"$top/kernel-patches/machine-config" "$1" out/config
	[ "$(stat -c %Y out/config)" = 1 ] || fail "the same $1 is written again"
}

# refused FILE TEXT
refused()
{
	! "$top/kernel-patches/machine-config" "$1" out/config >said 2>&1 || fail "$1 is taken"
	[ "$(wc -l <said)" = 1 ] && grep -qF "KERNEL_CONFIG=$1 $2" said || fail "$1: $(cat said)"
	[ "$(stat -c %Y out/config)" = 1 ] || fail "$1 changed the configuration"
	[ "$(ls out)" = config ] || fail "$1 left $(ls out)"
}

printf 'CONFIG_64BIT=y\nCONFIG_X86_64=y\n# CONFIG_MODULES is not set\n' >"a .config"
taken "a .config"
printf 'CONFIG_ARM64=y\nCONFIG_64BIT=y\n' >arm64
: >empty
gzip -c "a .config" >packed
mkdir dir
refused none 'does not exist'
refused dir 'is not a file'
refused empty "is not a kernel's .config"
refused packed "is not a kernel's .config"
refused "$top/README.md" "is not a kernel's .config"
refused arm64 'is not the whole .config of an x86-64 kernel'
