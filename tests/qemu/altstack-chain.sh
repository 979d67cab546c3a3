#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# A chain from a handler on the alternate signal stack goes on through the
# signal frame, to main: perf records, libustack unwinds.
set -eu -o pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
kernel=${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}
for f in "$kernel" "$top/build/perf/perf" "$top/build/libustack/ustack"; do
	[ -e "$f" ] || { echo "${f#"$top/"} is not built"; exit 77; }
done

mkdir -p "$top/build/check"
work=$(mktemp -d "$top/build/check/altstack-chain.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/share"
gcc -O2 "$top/tests/qemu/altstack-chain.c" -o "$work/program"
cat >"$work/run" <<END
#!/bin/sh
"$top/build/perf/perf" record -q -B -N -m 8M -e page-faults:u -c 1 \
	--call-graph dwarf,8192,defer -o /tmp/perf.data "$work/program" &&
cp /tmp/perf.data "$work/share/perf.data"
END
chmod +x "$work/run"
"$top/tests/qemu/vm" --kernel "$kernel" --share "$work/share" --time-limit 120 -- "$work/run"

# Names of a sample's frames on one line; the C library's depend on its version.
"$top/build/libustack/ustack" script -i "$work/share/perf.data" -F ip,sym |
	awk 'NF { chain = chain " " $2 } !NF { print chain; chain = "" } END { print chain }' |
	grep '^ inner ' >"$work/chains" || { echo "no sample in inner"; exit 1; }
bad=$(grep -cvE '^ inner handler .*outer outer outer outer main ' "$work/chains") || true
echo "$(wc -l <"$work/chains") samples in the handler, $bad without main"
[ "$bad" = 0 ] || { grep -vE ' main ' "$work/chains" | head -n 3; exit 1; }
[ "$(wc -l <"$work/chains")" -ge 90 ]
