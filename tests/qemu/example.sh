#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# The live example where the kernel defers stacks: of a command, and of a
# process with threads that runs already.
set -eu -o pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
work=${2-}

if [ "${1-}" != guest ]; then
	[ -e "${KERNEL:-$top/build/kernel/arch/x86/boot/bzImage}" ] || { echo "the kernel is not built"; exit 77; }
	make -s -C "$top" lib
	mkdir -p "$top/build/check"
	work=$(mktemp -d "$top/build/check/example.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	cat >"$work/work.c" <<-'END'
		#include <pthread.h>
		#include <signal.h>
		static volatile int go = 1;
		__attribute__((noinline)) static void leaf(void) { for (volatile int i = 0; i < 100000; i++) ; }
		__attribute__((noinline)) static void outer(void) { while (go) leaf(); __asm__(""); }
		static void *thread(void *arg) { outer(); return arg; }
		/* Works until SIGTERM. */
		int main(void)
		{
			sigset_t term;
			int sig;
			pthread_t t;
			sigemptyset(&term);
			sigaddset(&term, SIGTERM);
			pthread_sigmask(SIG_BLOCK, &term, 0);
			pthread_create(&t, 0, thread, 0);
			sigwait(&term, &sig);
			go = 0;
			return pthread_join(t, 0);
		}
	END
	gcc -O1 -pthread -o "$work/work" "$work/work.c"
	gcc -std=c11 -I"$top/libustack" "$top/libustack/examples/live.c" -o "$work/live" \
		"$top/build/libustack/libustack.so" -Wl,-rpath,"$top/build/libustack"
	"$top/tests/qemu/vm" --time-limit 300 -- "$(readlink -f "$0")" guest "$work"
	exit
fi

# Of leaf() under outer() in the thread.
chains()
{
	awk '/ leaf \(.*work\)/ { l = NR } / outer \(.*work\)/ && NR == l + 1 { o = NR }
	     / thread \(.*work\)/ && NR == o + 1 { n++ } END { print n + 0 }' /tmp/out
}

# sampled WHAT ARGUMENT...: the work ends when there are 100 chains, which may take
# a while where the machine is busy; they are from deferred stacks
sampled()
{
	local what=$1 live i
	shift
	"$work/live" "$@" >/tmp/out 2>/tmp/err &
	live=$!
	for i in $(seq 60); do
		[ "$(chains)" -lt 100 ] || break
		kill -0 $live 2>/dev/null || break
		sleep 1
	done
	for i in $(grep -lsx work /proc/[0-9]*/comm); do
		i=${i%/comm}
		kill "${i#/proc/}"
	done
	wait $live || { cat /tmp/err; echo "$what: live failed"; exit 1; }
	echo "$what: $(chains) chains; $(cat /tmp/err)"
	[ "$(chains)" -ge 100 ] &&
		grep -q '^[1-9][0-9]* samples: [1-9][0-9]* deferred stacks, 0 copied, ' /tmp/err ||
		{ tail -n 20 /tmp/out; echo "$what: not the chains of deferred stacks"; exit 1; }
}
sampled command "$work/work"
"$work/work" &
sampled process -p $!
