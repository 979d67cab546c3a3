#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# A 32-bit program, unwound at each of its instructions; once with its vDSO, and
# once without, as most recordings are.  In the guest, because not every
# kernel runs such programs.
set -eu -o pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
kernel=${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}
step=$top/build/unit/test_singlestep
for f in "$kernel" "$step"; do
	[ -e "$f" ] || { echo "${f#"$top/"} is not built"; exit 77; }
done

mkdir -p "$top/build/check"
work=$(mktemp -d "$top/build/check/compat-chain.XXXXXX")
trap 'rm -rf "$work"' EXIT
gcc -std=gnu11 -D_GNU_SOURCE -m32 -O2 -static -Wall -Wextra -Werror "$top/tests/qemu/compat-chain.c" -o "$work/program"
cat >"$work/run" <<END
#!/bin/sh
"$step" --vdso "$work/program" && "$step" "$work/program" less
END
chmod +x "$work/run"
"$top/tests/qemu/vm" --kernel "$kernel" --time-limit 1100 -- "$work/run" | tee "$work/log"
# What may be wrong is a piece of glibc's start-up code.
awk '/ excused$/ { n++; bad += $2 < 5000 || $(NF - 1) > 100 } END { exit n != 2 || bad }' "$work/log" ||
	{ echo "FAIL: too few instructions, or too much excused"; exit 1; }
