#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# Of make check-rows, the libraries that nearly all programs have, of both classes.
set -euo pipefail
top=$(cd "${0%/*}/../.." && pwd)
make -s -C "$top" build/rows
files=()
for name in libc.so.6 ld-linux-x86-64.so.2 ld-linux.so.2 libstdc++.so.6 libm.so.6; do
	for dir in /usr/lib/x86_64-linux-gnu /usr/lib32; do
		[ ! -e "$dir/$name" ] || files+=("$dir/$name")
	done
done
"$top/build/rows" "${files[@]}" "$top/build/libustack/libustack.so"
