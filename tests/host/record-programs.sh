#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# ustack record of real programs: perf report of Debian and ustack fold show the same
# profile, by what functions took themselves and with what they called.  Without
# arguments python3 and cc1; all: node, what Go and Rust build, 900 processes of a
# build, and a server that runs, too.  hotspot's parser reads the files, if it is here.
. "${0%/*}/record-common"
all='python3 cc1 node go rust build server'
[ "${1-}" != all ] || set -- $all
[ $# -gt 0 ] || set -- python3 cc1
shopt -s nullglob
parsers=(${PERFPARSER-} /usr/lib/*/libexec/hotspot-perfparser)

# compare FILE NAME: the same profile, and the parser finds NAME
compare()
{
	"$top/tests/same-profile" "$1" || fail "$1: perf report and ustack fold differ"
	for parser in "${parsers[@]}"; do
		"$parser" --input "$1" --output parsed 2>err || fail "$1: ${parser##*/}"
		[ "$(stat -c %s parsed)" -gt 1000 ] && grep -q "$2" parsed || fail "$1: ${parser##*/} finds nothing"
	done
}

# take NAME FUNCTION ARGUMENT...: records so, and compares
take()
{
	local name=$1 function=$2
	shift 2
	status 0 "$ustack" record --plain -e cpu-clock -F 997 -o "$name.data" "$@"
	said ' 0 lost, '
	sed -n 's/^ustack: //p' err
	compare "$name.data" "$function"
}

functions() { for i in $(seq "$1"); do echo "int f$i(int *p, int n) { int i, s = 0; for (i = 0; i < n; i++) s += p[i] % ($i + 3) ? p[n - i] : s * $i; return s; }"; done; }
for program in "$@"; do
	case $program in
	python3) take python3 _PyEval_EvalFrameDefault /usr/bin/python3 -c '
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
fib(24); sorted(str(i) for i in range(200000))' ;;
	cc1)	functions 150 >many.c
		take cc1 main "$(gcc -print-prog-name=cc1)" -quiet -O2 many.c -o /dev/null ;;
	node)	take node main node -e 'let a = {}; for (let i = 0; i < 4e5; i++) a["k" + i % 5000] = JSON.stringify({i, s: "x".repeat(i % 50)});' ;;
	go)	cat >main.go <<-'END'
			package main
			//go:noinline
			func leaf(n int) int { s := 0; for i := 0; i < n; i++ { s += i ^ s }; return s }
			//go:noinline
			func often(n int) int { return leaf(2 * n) + leaf(n) }
			func main() { s := 0; for i := 0; i < 400; i++ { s += often(1000000) }; println(s) }
		END
		GOCACHE=$tmp/gocache GO111MODULE=off go build -o go.out main.go 2>err || fail "go build"
		take go main.leaf ./go.out
		# Its collector runs on stacks of the system's: advice that helps nobody is not given.
		cat >collects.go <<-'END'
			package main
			import "runtime"
			var sink [][]*int
			func main() { for i := 0; i < 100; i++ { s := make([]*int, 10000); for j := range s { s[j] = new(int) }; sink = append(sink, s); runtime.GC() } }
		END
		GOCACHE=$tmp/gocache GO111MODULE=off go build -o collects.out collects.go 2>err || fail "go build"
		status 0 "$ustack" record -e cpu-clock -F 997 -o collects.data ./collects.out
		said 'to do: chains of Go end where it changes stacks'
		! grep 'debug package' err || fail "advice where nothing helps" ;;
	rust)	cat >main.rs <<-'END'
			#[inline(never)] fn leaf(n: u64) -> u64 { let mut s = 0u64; for i in 0..n { s = s.wrapping_mul(31) ^ std::hint::black_box(i); } s }
			#[inline(never)] fn often(n: u64) -> u64 { leaf(2 * n).wrapping_add(leaf(n)) }
			fn main() { let mut s = 0u64; for _ in 0..300 { s = s.wrapping_add(often(1000000)); } println!("{}", s); }
		END
		rustc -O -g -C force-frame-pointers=no -o rust.out main.rs 2>err || fail "rustc"
		# hotspot's parser has no names for functions of a new rustc.
		take rust rust.out ./rust.out ;;
	build)	functions 3 >few.c
		# gcc, cc1, as: three processes a file
		take build main sh -c 'for i in $(seq 300); do gcc -O1 -c few.c -o few.o; done' ;;
	server)	./work 100000 & pid=$!
		"$ustack" record --plain -e cpu-clock -F 997 -o server.data -p $pid 2>err & recorder=$!
		sleep 3
		kill -INT $recorder
		wait $recorder || :
		kill $pid
		wait $pid 2>/dev/null || :
		sed -n 's/^ustack: //p' err
		compare server.data leaf ;;
	*)	echo "there are: $all"; exit 2 ;;
	esac
done
