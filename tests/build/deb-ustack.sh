#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# The package of ustack as README.md tells to use it: apt installs it in a Debian that
# has nothing else, and two commands there make a flame graph of a program.
set -euo pipefail
export LC_ALL=C
top=$(cd "$(dirname "$0")/../.." && pwd)

fail() { echo "FAIL: $*"; exit 1; }
say() { echo "$*"; }

inside()
{
	export DEBIAN_FRONTEND=noninteractive
	cd /root
	apt-get install -y -qq --no-install-recommends ./ustack_*.deb
	local program='for ((i = 0; i < 300000; i++)); do :; done'
	ustack record -- bash -c "$program" 2>err || fail "ustack record: $(cat err)"
	ustack flamegraph 2>err || fail "ustack flamegraph: $(cat err)"
	[ ! -s err ] || fail "ustack flamegraph complains: $(cat err)"
	grep -q '</html>' flamegraph.html || fail "flamegraph.html is no page"
	grep -q 'execute_command' flamegraph.html || fail "no function of bash has its name"
	ustack report >report 2>err && [ ! -s err ] || fail "ustack report: $(cat err)"
	grep -q ' execute_command' report || fail "the report has no function of bash"
	! dpkg-query -W libustack0 2>/dev/null || fail "it needs more than one package"
	echo "in a Debian of its own: $(grep -c . report) lines of a report, $(stat -c %s flamegraph.html) bytes of a flame graph"
}

if [ "${1-}" = inside ]; then
	inside
	exit
fi
[ "$(id -u)" = 0 ] || { echo "not root: cannot make a Debian"; exit 77; }
"$top/tests/deps" deb
make -C "$top" --no-print-directory deb-ustack
apt=$top/build/apt
mkdir -p "$apt"
. "$top/kernel-patches/apt"
private_apt || { echo "no Debian archive"; exit 77; }
private_source ${entry/ / } "$(. /etc/os-release && echo "$VERSION_CODENAME")"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# A proxy and the like are this machine's.
apt-config dump Acquire >"$tmp/acquire"
mmdebstrap --quiet --mode=root --variant=minbase --format=null --dpkgopt=force-unsafe-io --aptopt="$tmp/acquire" \
	--customize-hook="cp '$0' $(printf "'%s' " "$top"/build/deb/ustack_*.deb) \"\$1/root/\"" \
	--customize-hook='chroot "$1" /root/'"${0##*/} inside" \
	"" - "$apt"/sources/* >"$tmp/log" 2>&1 || fail "$(grep -m 1 -E '^(FAIL|E):' "$tmp/log" || tail -n 1 "$tmp/log")"
grep '^in a Debian' "$tmp/log"
