#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# ustack record of real programs from NMIs, with deferred stacks: nothing is lost, chains
# are complete, and perf report of Debian and ustack fold show the same profile.  Go and
# Rust programs where there are compilers for them; arguments name programs.
set -eu -o pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)

if [ "${1-}" != guest ]; then
	[ -e "${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}" ] || { echo "the kernel is not built"; exit 77; }
	make -s -C "$top" lib
	mkdir -p "$top/build/check"
	work=$(mktemp -d "$top/build/check/record-programs.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	[ $# -gt 0 ] || set -- build
	cp "$top/tests/runtimes/chain."* "$work"
	cd "$work"
	gcc -O2 -o c chain.c
	! command -v go >go.path || { GOCACHE=$work/cache GO111MODULE=off go build -o go chain.go; set -- go "$@"; }
	! command -v rustc >rust.path || { rustc -O -C force-frame-pointers=no -o rust chain.rs; set -- rust "$@"; }
	"$top/tests/qemu/vm" --smp 2 --time-limit 1100 -- "$top/tests/qemu/record-programs.sh" guest "$work" "$@"
	exit
fi

ustack=$top/build/libustack/ustack
work=$2
shift 2
cd /tmp
fail() { echo "FAIL: $*"; [ ! -s err ] || cat err; exit 1; }

# take NAME COMPLETE COMMAND...: at least so many percent are complete
take()
{
	local name=$1 complete=$2
	shift 2
	"$ustack" record --json --plain -e nmi_clock// -F 499 -m 16M -o "$name" "$@" >out 2>err || fail "record $*: exit status $?"
	echo "$name: $(sed 's/,"to_do.*//' out)"
	/usr/bin/python3 - "$complete" <<-'END' || fail "$name: $(cat out)"
		import json, sys
		d = json.loads(open("out").readlines()[-1])
		lost = sum(n for why, n in d["lost_stacks"].items() if why not in ("end", "exit"))
		raise SystemExit(d["stacks"] != "deferred" or lost or d["lost_records"] or d["not_written"] or
		                 d["samples"] < 50 or d["complete_pct"] < float(sys.argv[1]))
	END
	"$top/tests/same-profile" "$name" || fail "$name: not the same profile"
}

for program in "$@"; do
	case $program in
	# The start of Go's run-time, which changes stacks, is most of what runs here.
	go)	take go 0 "$work/go"
		"$ustack" fold -i go | awk '/;main\.spin/ && !/;runtime\.sigtramp/ { all += $NF }
			/^go;runtime\.goexit;runtime\.main;main\.main;main\.a;main\.b;main\.spin/ && !/;runtime\.sigtramp/ { good += $NF }
			END { print "main.spin: " 100 * good / all " % complete"; exit !all || good < 0.98 * all }' || fail "go" ;;
	rust)	take rust 98 "$work/rust" ;;
	# Four processes a file: gcc, cc1, as, and the shell's rm.
	build)	take build 98 sh -c 'for i in 1 2 3; do gcc -O1 -c "$1/chain.c" -o chain.o; rm chain.o; done' - "$work" ;;
	*)	echo "there are: go rust build"; exit 2 ;;
	esac
done
