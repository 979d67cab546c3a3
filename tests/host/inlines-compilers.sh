#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# Lines and inlined functions of what other compilers, linkers and tools make: those of
# addr2line for each instruction. That of binutils has lines of DWARF 5 and of clang
# wrong, that of LLVM does not.
. "$(dirname "$0")/common"
. "$top/tests/host/inlines-common"

llvm=$(compgen -c llvm-addr2line | sort | head -n 1) && [ -n "$llvm" ] && command -v clang++ dwz >/dev/null ||
	{ echo "clang, llvm or dwz is missing"; exit 77; }
# build COMPILER OPTION...: in two steps, which -gsplit-dwarf needs
build() { "$@" -c cxx.cc -o kind.o && "$1" "${@:2}" kind.o -o kind; }
for options in 'g++ -gdwarf-4 -O2' 'g++ -gdwarf-4 -O2 -flto' 'g++ -gdwarf-4 -Os -gz' 'clang++ -gdwarf-4 -O2'; do
	build $options
	equal kind
	echo "$options: $(head -n 1 out)"
done
addr2line=$llvm
for options in 'g++ -gdwarf-5 -O2' 'g++ -gdwarf-5 -O3' 'clang++ -gdwarf-5 -O2' 'clang++ -gdwarf-5 -O1 -gz' \
	'g++ -gdwarf-4 -O2 -gsplit-dwarf' 'g++ -gdwarf-5 -O2 -gsplit-dwarf' 'clang++ -gdwarf-5 -O2 -gsplit-dwarf'; do
	build $options
	equal kind
	echo "$options: $(head -n 1 out)"
done
# What is no file beside it is not waited for: the lines are there all the same.
rm kind.dwo
mkfifo kind.dwo
timeout 60 ./sources "$PWD/kind" <addrs >out || fail "a FIFO is read"
! grep -q std:: out || fail "names without the file that has them"
grep -q "cxx.cc:[1-9]" out || fail "no lines without the file of names"
rm kind.dwo

# What dwz moves to a third file is the same from there.
mkdir -p debug/.build-id
for name in one two; do
	g++ -gdwarf-4 -O2 -D$name cxx.cc -o $name
	./sources "$PWD/$name" < <(instructions $name) >$name.before
done
dwz -m common.debug -M common.debug one two
for name in one two; do readelf -SW $name | grep -q gnu_debugaltlink || fail "dwz left $name as it is"; done
id=$(readelf -n common.debug | sed -n 's/.*Build ID: //p')
mkdir -p "debug/.build-id/${id:0:2}"
mv common.debug "debug/.build-id/${id:0:2}/${id:2}.debug"
for name in one two; do
	./sources "$PWD/$name" "$PWD/debug" < <(instructions $name) >out
	cmp out $name.before || fail "dwz makes a difference"
done
