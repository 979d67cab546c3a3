#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# Names and lines from a debuginfod server; from one that hangs, or that is not there,
# one line, and the profile without them.
. "$(dirname "$0")/common"
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$tmp"' EXIT

cat >work.c <<'END_C'
volatile unsigned long sink;
static inline __attribute__((always_inline)) void spin(unsigned long n) { while (n--) sink += n; }
__attribute__((noipa)) static void leaf(void) { spin(100000); }
__attribute__((noipa)) static void outer(int n) { while (n--) leaf(); sink++; }
int main(void) { outer(400); return 0; }
END_C
gcc -O2 -g work.c -o work
gcc -O2 -g -DOTHER work.c -Wl,--build-id=0x0123456789abcdef -o other
id=$(readelf -n work | sed -n 's/.*Build ID: //p')
mkdir -p files/buildid/$id cache
objcopy --only-keep-debug work files/buildid/$id/debuginfo
strip work other
"$ustack" record -e cpu-clock:u -F 997 -o data ./work 2>err || fail record
"$ustack" record -e cpu-clock:u -F 997 -o other.data ./other 2>err || fail record

# Serves files, and says on which port; with an argument it takes requests, and no more.
cat >server.py <<'END_PY'
import http.server
import os
import socket
import sys
import time

if len(sys.argv) > 1:
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(16)
    port = s.getsockname()[1]
else:
    os.chdir("files")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    port = server.server_address[1]
print(port, flush=True)
kept = []
while len(sys.argv) > 1:
    kept.append(s.accept())
    print("asked", flush=True)
server.serve_forever()
END_PY
# serve NAME [ARGUMENT]: its port is in $port
serve()
{
	/usr/bin/python3 server.py ${2-} >"$1.out" 2>/dev/null &
	until [ -s "$1.out" ]; do sleep 0.1; done
	port=$(head -n 1 "$1.out")
}
export DEBUGINFOD_CACHE_PATH=$tmp/cache
unset DEBUGINFOD_URLS DEBUGINFOD_TIMEOUT

"$ustack" fold --inline -i data >without 2>err || fail fold
! grep -q ';leaf' without || fail "the program was stripped"
serve good
export DEBUGINFOD_URLS=http://127.0.0.1:$port
"$ustack" fold --inline -i data >out 2>err || fail "fold with a server"
[ ! -s err ] || fail "there is nothing to say"
grep -q ';main;outer;leaf;spin [1-9]' out || fail "no names from the server: $(head -n 2 out)"
# A server that does not have it is no error.
"$ustack" fold --inline -i other.data >out 2>err || fail "fold of what no server has"
[ ! -s err ] || fail "there is nothing to say about what no server has"

serve bad hang
export DEBUGINFOD_URLS=http://127.0.0.1:$port DEBUGINFOD_TIMEOUT=2
rm -r cache
"$ustack" fold --inline -i data >out 2>err || fail "fold with a server that hangs"
cmp out without || fail "a server that hangs costs more than names"
[ "$(wc -l <err)" = 1 ] && grep -q "from $DEBUGINFOD_URLS: the server does not answer" err || fail "nobody says that the server hangs"
# It is tried again for the first file, and not asked for others.
[ "$(grep -c asked bad.out)" -le 4 ] || fail "a server that hangs is asked again and again"

# Where nobody says how long, elfutils alone would wait for 90 seconds.
unset DEBUGINFOD_TIMEOUT
rm -rf cache
timeout 60 "$ustack" fold --inline -i data >out 2>err || fail "a server that hangs, and no time said"
cmp out without || fail "a server that hangs costs more than names, with no time said"

kill %1
wait %1 2>/dev/null || :
export DEBUGINFOD_URLS=http://127.0.0.1:$(head -n 1 good.out)
rm -rf cache
"$ustack" fold --inline -i data >out 2>err || fail "fold without the server"
cmp out without || fail "a server that is gone costs more than names"
[ "$(wc -l <err)" = 1 ] && grep -q "from $DEBUGINFOD_URLS: " err || fail "nobody says that there is no server"
