#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# The series' own selftest passes on its kernel, for root and for any user.
# LINUX names another tree to take it from.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
kernel=${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}
linux=${LINUX:-$top/build/linux}
[ -e "$kernel" ] || { echo "the kernel is not built"; exit 77; }

mkdir -p "$top/build/check"
work=$(mktemp -d "$top/build/check/kselftest.XXXXXX")
trap 'rm -rf "$work"' EXIT
gcc=(gcc)
case $kernel in */arch/arm64/*) gcc=(aarch64-linux-gnu-gcc -static) ;; esac
"${gcc[@]}" -O2 -Wall -Werror -isystem "$linux/tools/include/uapi" -I"$linux/tools/testing/selftests" \
	"$linux/tools/testing/selftests/perf_events/defer_user.c" -o "$work/defer_user"
cat >"$work/run" <<'END'
#!/bin/sh
# A test that is skipped passes in its own eyes, but not here.
echo 16384 >/proc/sys/kernel/perf_event_mlock_kb
for user in 0 65534; do
	# Busybox's setpriv, of another architecture, changes no user.
	as="setpriv --reuid $user --clear-groups"
	[ -z "${USERLAND-}" ] || as="start-stop-daemon -S -c $user -x"
	$as "${0%/*}/defer_user" >/tmp/out || { cat /tmp/out; exit 1; }
	! grep -q ' SKIP ' /tmp/out || { cat /tmp/out; exit 1; }
	echo "user $user: $(grep '^# Totals' /tmp/out)"
done
END
chmod 755 "$work" "$work"/*
"$top/tests/qemu/vm" --kernel "$kernel" --time-limit 120 -- "$work/run"
