#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# test_threads with all of libustack, and test_once, under ThreadSanitizer: no
# data race.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=build/tsan
mkdir -p $out

# Its shadow memory does not go with every layout of the address space.
echo 'int main(void) { return 0; }' >$out/nothing.c
run="setarch -R"
gcc -fsanitize=thread -o $out/nothing $out/nothing.c 2>/dev/null && $run $out/nothing ||
	{ echo "skipped: no ThreadSanitizer here"; exit 77; }

make -s USTACK_OUT=$out CFLAGS="-fsanitize=thread -O1" LDFLAGS=-fsanitize=thread $out/libustack.a
gcc -std=gnu11 -D_GNU_SOURCE= -g -O1 -fsanitize=thread -Ilibustack tests/unit/test_threads.c $out/libustack.a \
	$(pkg-config --libs cmocka) $(make -s --eval='libs:; @echo $(USTACK_LIBS)' libs) -o $out/test_threads
gcc -std=gnu11 -D_GNU_SOURCE -g -O1 -fsanitize=thread -Ilibustack tests/unit/test_once.c libustack/util/once.c \
	$(pkg-config --libs cmocka) -o $out/test_once
export TSAN_OPTIONS="halt_on_error=1 exitcode=66"
$run $out/test_threads
$run $out/test_once
