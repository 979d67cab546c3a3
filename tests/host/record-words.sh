#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# What ustack record says: in JSON as in words, in stat as in the accounts, of what
# was asked for.
. "${0%/*}/record-common"

# --- JSON has the advice, too, word for word
strip -o stripped work
status 0 "$ustack" record --json --stack 256 -e cpu-clock -o f ./stripped 200
[ "$(json '["to_do"][0]')" = "stacks go deeper: --stack 1024" ] && [ "$(json '["to_do"][-1].split(":")[0]')" = "functions of $tmp/stripped have no names" ] ||
	fail "no advice in JSON: $(cat out)"
status 0 "$ustack" record --json -e cpu-clock -o f ./work 200
[ "$(json '["to_do"]')" = "[]" ] || fail "advice where nothing is missing: $(cat out)"

# --- chains end in stat as in the accounts, those of waits, too
cat >naps.c <<'END'
#include <unistd.h>
int main(void)
{
	for (int i = 0; i < 50; i++) {
		usleep(2000);
		for (volatile int n = 0; n < 1000000; n++)
			;
	}
	return 0;
}
END
gcc -O1 -o naps naps.c
# ends: of both, by the words of JSON; as and with: how the recording f is read
ends()
{
	"$ustack" stat -i "$1" >stats 2>err || fail "stat"
	/usr/bin/python3 - <<-'END' || { cat out stats; fail "stat has other ends"; }
		import json, sys
		stats = dict(line.split() for line in open("stats"))
		ends = json.load(open("out"))["ends"]
		sys.exit(any(int(stats[n if n == "finished" else "end_" + n]) != ends[n] for n in ends) or not sum(ends.values()))
	END
}
status 0 "$ustack" record --json --off-cpu -e cpu-clock -o f sh -c './naps & ./naps; wait'
ends f
# To move to another CPU in exec() is no wait: nor is it counted with what had no stack there.
status 0 "$ustack" record --json --off-cpu -o f /usr/bin/python3 -c 'import os
for i in range(300): os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)'
[ "$(json '["in_exec"] + d["not_in_memory"] + d["unreadable"] <= sum(d["ends"].values()) - d["ends"]["finished"]')" = True ] ||
	fail "chains that are not in the file: $(cat out)"
if [ "$(id -u)" = 0 ] && $perfmon true 2>err; then
	chmod 755 .
	mkdir -m 777 free
	cp "$ustack" .
	sleep 1000 & pid=$!
	status 0 $perfmon ./ustack record --json --off-cpu -o free/f -p $pid sleep 0.3
	[ "$(json '["untraced"]')" = 1 ] || fail "its stack is no secret: $(cat out)"
	ends free/f
	kill $pid
	wait $pid 2>/dev/null || :
fi

# --- one is one
status 0 "$ustack" record -e cpu-clock -c 1000000000000 -o f true
said ': 0 samples, '
if [ -d free ]; then
	sleep 1000 & pid=$!
	status 0 $perfmon ./ustack record --off-cpu -o free/f -p $pid sleep 0.3
	said ': 1 sample, .* 1 stack of threads that wait lost'
	"$ustack" report -i free/f --sort comm >out 2>err
	grep -q '^# 1 sample of ' out || fail "report: $(cat out)"
	kill $pid
	wait $pid 2>/dev/null || :
fi

# --- an error names what was given, and nothing that was not
if [ -d free ] && [ "$(cat /proc/sys/kernel/perf_event_paranoid)" = 2 ]; then
	status 255 $nobody ./ustack record -a -o free/f
	said '^ustack: \(cycles\|cpu-clock\): no permission: '
	status 255 $nobody ./ustack record -e cpu-clock -a -o free/f
	said '^ustack: -e cpu-clock: no permission: '
	status 255 $nobody ./ustack record --off-cpu -o free/f true
	said '^ustack: --off-cpu: no permission to sample the kernel: '
fi
/usr/bin/python3 -c 'import threading, time
for i in range(40): threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
time.sleep(100)' & pid=$!
until [ "$(ls /proc/$pid/task | wc -l)" = 41 ]; do sleep 0.05; done
status 255 bash -c 'ulimit -n 30; exec "$@"' - "$ustack" record -e cpu-clock -o f -p $pid
kill $pid
wait $pid 2>/dev/null || :
said '^ustack: too many open files: 41 threads'

# --- standard output is closed: no file of ours takes its place
"$ustack" record -e cpu-clock -o - ./work 50 2>err >&- && fail "a recording on nothing"
[ "$(cat err)" = "ustack: standard output: is closed, or not to be written" ] || fail "closed: not that line"
"$ustack" record -e cpu-clock -o f ./work 50 2>err >&- || fail "-o f"
[ "$(chains f)" -gt 0 ] || fail "a recording while standard output is closed"
cp f g
"$ustack" fold -i f 2>err >&- && fail "fold on nothing"
said 'cannot write the output: Bad file descriptor'
cmp f g || fail "the recording was written to"

# --- the page tells which rate --off-cpu takes
"$ustack" record --help >out
grep -A 1 -e '--off-cpu' out | grep -q -e '-F and -c .* alone it takes neither' || fail "no word on -F and -c"
