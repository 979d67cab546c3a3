#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# The packages of make deb, the guest's kernel among them, installed by dpkg
# beside Debian's own, used, and purged again. The system is this machine's, seen
# through an overlay: dpkg knows all that is installed, and all that it writes
# stays in memory. A kernel for machines is check-deb's.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)

fail() { echo "FAIL: $*"; exit 1; }
skip() { echo "$*"; exit 77; }

build()
{
	[ "$(id -u)" = 0 ] || skip "not root: cannot install packages"
	unshare -m true 2>/dev/null || skip "no mount namespace is to be had here, as in a chroot"
	make -C "$top" --no-print-directory KERNEL_CONFIG=guest deb
	tmp=$(mktemp -d)
	trap 'rmdir "$tmp"' EXIT
	unshare -m "$0" enter "$tmp"
}

# enter DIR: in a mount namespace of its own
enter()
{
	mount -t tmpfs tmpfs "$1"
	mkdir "$1/new" "$1/work" "$1/root"
	mount -t overlay -o "lowerdir=/,upperdir=$1/new,workdir=$1/work" overlay "$1/root" 2>/dev/null ||
		skip "this machine mounts no overlay of its root directory"
	for dir in proc sys dev; do
		mount --rbind "/$dir" "$1/root/$dir"
	done
	mkdir "$1/root/deb"
	cp "$top"/build/deb/*.deb "$top/tests/fuzz/corpus/whole/seed-deferred" \
		"$top/tests/build/work.c" "$0" "$1/root/deb"
	exec chroot "$1/root" "/deb/${0##*/}" inside
}

installed() { dpkg-query -W -f '${db:Status-Status} ${Package}:${Architecture} ${Version}\n' | grep '^installed ' | sort; }

# libraries FILE...: what they are linked with is there, libustack where dpkg put it
libraries()
{
	ldd "$@" >ldd
	! grep 'not found' ldd || fail "a library is missing"
	! grep 'libustack.*=>' ldd | grep -v '=> /lib/' || fail "another libustack than the installed one"
}

inside()
{
	export LC_ALL=C DEBIAN_FRONTEND=noninteractive
	unset LD_LIBRARY_PATH PKG_CONFIG_PATH
	cd /deb

	# A kernel's hooks get its release and its image. This machine's stay out.
	mkdir -p /etc/kernel/postinst.d /etc/kernel/postrm.d
	rm -f /etc/kernel/post{inst,rm}.d/*
	for when in postinst postrm; do
		printf '#!/bin/sh\necho %s "$@" >>/deb/hooks\n' $when >/etc/kernel/$when.d/log
		chmod +x /etc/kernel/$when.d/log
	done

	# --- installed: nothing of Debian's is replaced, and dpkg refuses a file that is another's
	installed >before
	dpkg --force-unsafe-io -i ./*.deb >log 2>&1 || fail "dpkg: $(tail -n 20 log)"
	installed >after
	[ -z "$(comm -23 before after)" ] || fail "replaced: $(comm -23 before after)"
	mapfile -t ours < <(comm -13 before after | cut -d ' ' -f 2)
	[ ${#ours[@]} = "$(ls ./*.deb | wc -l)" ] || fail "installed are ${ours[*]}"
	dpkg -L "${ours[@]}" | sort -u >files
	! grep -qxE '/usr/bin/perf|/boot/vmlinuz-.*-amd64' files || fail "a file has the name of one of Debian's"

	grep -qx /usr/share/bash-completion/completions/ustack files || fail "no completion of ustack"

	# --- the kernel: its files and its hooks' arguments are named by the release it has when it runs
	release=$(python3 - /boot/vmlinuz-* <<-'PYTHON'
		import struct, sys
		names = set(open("/deb/files").read().split())
		image = open(next(name for name in sys.argv[1:] if name in names), "rb").read()
		at = 0x200 + struct.unpack_from("<H", image, 0x20e)[0]
		print(image[at:at + 100].split()[0].decode())
		PYTHON
	)
	for name in vmlinuz System.map config; do
		grep -qx "/boot/$name-$release" files || fail "no /boot/$name-$release"
	done
	[ "$(cat hooks)" = "postinst $release /boot/vmlinuz-$release" ] || fail "hooks got: $(cat hooks)"

	# --- perf and ustack run, with the library that was installed
	libraries /usr/bin/perf-ustack /usr/bin/ustack /usr/lib/*/libustack.so.0
	[[ $(perf-ustack --version) = "perf version 7.3."* ]] || fail "$(perf-ustack --version)"
	perf-ustack version --build-options >options
	for option in libustack libslang libpython libtraceevent debuginfod bpf_skeletons libcapstone lzma zstd; do
		grep -q " $option: \[ on" options || fail "perf-ustack has no $option"
	done
	[[ $(ustack --version) = *" $(dpkg-query -W -f '${Version}' ustack)" ]] || fail "$(ustack --version)"

	# --- an example, linked with the library and with the archive
	cc="gcc -std=c11 -Wall -Wextra -Werror /usr/share/doc/libustack-dev/examples/file.c"
	$cc -o shared $(pkg-config --cflags --libs libustack)
	libraries ./shared
	ln -s /usr/lib/*/libustack.a .
	$cc -o static $(pkg-config --static --cflags --libs libustack | sed 's/-lustack/-L. -l:libustack.a/')
	! ldd static | grep libustack || fail "static is not static"
	tail -c +5 seed-deferred | head -c "$(od -An -tu4 -N4 seed-deferred)" >perf.data
	./shared perf.data >shared.txt
	./static perf.data >static.txt
	cmp shared.txt static.txt
	[ "$(grep -c '^prog ' shared.txt)" = 2 ] || fail "not two samples: $(cat shared.txt)"

	# Whatever the pkg-config file names comes with the package, not by chance.
	depends=$(dpkg-query -W -f '${Depends}' libustack-dev | tr -d ' ')
	for name in $(sed -n 's/^Requires.private: //p' /usr/lib/*/pkgconfig/libustack.pc); do
		owner=$(dpkg -S "$(pkg-config --variable=pcfiledir "$name")/$name.pc" | cut -d : -f 1)
		[[ ,$depends, = *,$owner,* ]] || fail "libustack-dev does not depend on $owner"
	done

	# --- stacks of this machine, unwound by perf with the library
	gcc -O1 -o work work.c
	if perf-ustack record -q -e cpu-clock -F 997 --call-graph dwarf,1024 -o work.data ./work 2>/dev/null; then
		perf-ustack script --unwind-style=libustack -F ip,sym -i work.data 2>/dev/null |
			awk '/ leaf$/ { l = NR } / outer$/ && NR == l + 1 { n++ } END { exit n < 3 }' ||
			fail "perf-ustack script shows no leaf under outer"
	fi

	# --- perf is there in full: windows, scripts, events of processors, man pages, completion
	perf-ustack record -q -e cpu-clock -F 997 --call-graph fp -o fp.data ./work 2>/dev/null || fail "perf record"
	tmux -L deb new-session -d -x 100 -y 30 'exec perf-ustack report --tui -i fp.data 2>tui'
	for ((i = 0; i < 100; i++)); do
		tmux -L deb capture-pane -p >screen 2>/dev/null || break
		! grep -q ' leaf *$' screen || break
		sleep 0.2
	done
	grep -q ' leaf *$' screen || fail "perf report shows no leaf in a terminal: $(cat tui screen)"
	tmux -L deb send-keys q
	perf-ustack script record flamegraph -q -e cpu-clock -F 997 ./work >log 2>&1 || fail "perf script record: $(cat log)"
	echo 'stacks = /** @flamegraph_json **/;' >template
	unshare -n perf-ustack script report flamegraph -- --template "$PWD/template" -o flame.html >log 2>&1 || fail "perf script report flamegraph: $(cat log)"
	grep -q '^stacks = {.*"n": "leaf"' flame.html || fail "a flame graph without leaf: $(head -c 500 flame.html)"
	unshare -n perf-ustack script report gecko --save-only gecko.json >log 2>&1 || fail "perf script report gecko: $(cat log)"
	grep -q '"leaf ' gecko.json || fail "a profile without leaf: $(head -c 500 gecko.json)"
	PERF_CPUID=GenuineIntel-6-8C-1 perf-ustack list --raw-dump metric | grep -q tma_core_bound || fail "perf list has no metrics of processors"
	zgrep -q 'defer' /usr/lib/perf-ustack/share/man/man1/perf-record.1.gz || fail "no man page of perf record"
	bash -ic '. /usr/share/bash-completion/completions/perf-ustack; complete -p perf-ustack' >log 2>&1 &&
		grep -q '_perf perf-ustack' log || fail "no completion of perf-ustack: $(cat log)"

	# --- purged: as if it had never been there
	dpkg --force-unsafe-io -P "${ours[@]}" >log 2>&1 || fail "dpkg -P: $(cat log)"
	installed | cmp - before || fail "purging took more than was installed"
	while read -r file; do
		[ -d "$file" ] || [ ! -e "$file" ] || fail "left: $file"
	done <files
	grep -qx "postrm $release /boot/vmlinuz-$release" hooks || fail "hooks got: $(cat hooks)"
}

if [ $# = 0 ]; then build; else "$@"; fi
