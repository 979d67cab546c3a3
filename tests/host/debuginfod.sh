#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# Names and lines from a debuginfod server; from one that hangs, trickles, sends too
# much, or is not there, one line, and the profile without them.
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

# Serves files, and says on which port.  With an argument it is a bad one, which says
# when it is asked: hang never answers; endless and huge send as fast as they can, huge
# after a length; steady sends about 400 KB a second, trickle 50 bytes.
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
length = {"huge": b"Content-Length: 3000000000\r\n"}
chunk = {"steady": 40000, "trickle": 5}

def answer(c, kind):
    c.recv(65536)
    c.sendall(b"HTTP/1.0 200 OK\r\n" + length.get(kind, b"") + b"\r\n")
    for _ in range(1000): # no full disk where nobody hangs up
        c.sendall(bytes(chunk.get(kind, 65536)))
        time.sleep(0.1 if kind in chunk else 0)
    c.close()

kept = []
while len(sys.argv) > 1:
    c = s.accept()[0]
    kept.append(c)
    print("asked", flush=True)
    try:
        if sys.argv[1] != "hang":
            answer(c, sys.argv[1])
    except OSError:
        pass
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
unset DEBUGINFOD_URLS DEBUGINFOD_TIMEOUT DEBUGINFOD_MAXTIME DEBUGINFOD_MAXSIZE

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

# ended KIND MESSAGE: one question to that server, one line, and nothing left of it
ended()
{
	local -x DEBUGINFOD_URLS DEBUGINFOD_CACHE_PATH=$tmp/cache-$1
	DEBUGINFOD_URLS=http://127.0.0.1:$(head -n 1 "$1.out")
	timeout 60 "$ustack" fold --inline -i data >"$1.folded" 2>"$1.err" || fail "fold: $1: $(cat "$1.err")"
	cmp "$1.folded" without || fail "a bad server costs more than names: $1"
	[ "$(wc -l <"$1.err")" = 1 ] && grep -q "from $DEBUGINFOD_URLS: .*$2" "$1.err" || fail "nobody says why no server is asked: $1: $(cat "$1.err")"
	[ "$(grep -c asked "$1.out")" = 1 ] || fail "it is asked again: $1"
	[ -z "$(find "cache-$1" -name 'debuginfo*' -o -name 'executable*')" ] || fail "it leaves a file: $1"
}
for kind in trickle steady huge endless; do serve $kind $kind; done
# Where nobody says how long, elfutils alone would wait for 90 seconds, three times.
unset DEBUGINFOD_TIMEOUT
ended trickle "too slowly" &
trickle=$!
rm -rf cache
timeout 60 "$ustack" fold --inline -i data >out 2>err || fail "a server that hangs, and no time said"
cmp out without || fail "a server that hangs costs more than names, with no time said"
wait $trickle || fail "see above"

DEBUGINFOD_MAXTIME=2 ended steady "too slowly"
ended huge "too large"
DEBUGINFOD_MAXSIZE=1000000 ended endless "too large"
# ^C, and other signals, while a server sends a file: an end, and nothing of it is left.
serve slow steady
for signal in INT TERM; do
	mkdir -p "cache-$signal"
	asked=$(grep -c asked slow.out || :)
	DEBUGINFOD_CACHE_PATH=$tmp/cache-$signal DEBUGINFOD_URLS=http://127.0.0.1:$(head -n 1 slow.out) \
		env --default-signal=INT "$ustack" fold --inline -i data >out 2>err & pid=$!
	until [ "$(grep -c asked slow.out)" -gt "$asked" ] && [ -n "$(find "cache-$signal" -name 'debuginfo*' -o -name 'executable*')" ]; do
		kill -0 $pid || fail "SIG$signal: it ends before"
		sleep 0.1
	done
	kill -$signal $pid
	status=0
	wait $pid 2>/dev/null || status=$?
	[ $status = $((128 + $(kill -l $signal))) ] || fail "SIG$signal: exit status $status"
	[ -z "$(find "cache-$signal" -name 'debuginfo*' -o -name 'executable*')" ] || fail "SIG$signal leaves a file: $(find "cache-$signal")"
done
# Its cache does not tell a good one that nobody has the file.
DEBUGINFOD_CACHE_PATH=$tmp/cache-endless DEBUGINFOD_URLS=http://127.0.0.1:$(head -n 1 good.out) \
	"$ustack" fold --inline -i data >out 2>err || fail "fold with a good server after a bad one"
grep -q ';main;outer;leaf;spin [1-9]' out || fail "no names from a good server after a bad one"

kill %1
wait %1 2>/dev/null || :
export DEBUGINFOD_URLS=http://127.0.0.1:$(head -n 1 good.out)
rm -rf cache
"$ustack" fold --inline -i data >out 2>err || fail "fold without the server"
cmp out without || fail "a server that is gone costs more than names"
[ "$(wc -l <err)" = 1 ] && grep -q "from $DEBUGINFOD_URLS: " err || fail "nobody says that there is no server"
