#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# ustack top: the table of what runs, in a pipe and on a terminal.
. "${0%/*}/record-common"

# rows N: function, self and total of table N in out
rows() { awk -v n="$1" 'BEGIN { t = 1 } !NF { t++; next } t == n && / %  / { print $5, $1 + 0, $3 + 0 }' out; }

# --- in a pipe: tables with an empty line between, and the command ends with it
status 0 timeout 60 "$ustack" top -e cpu-clock -d 0.5 -n 2 ./work 100000
[ "$(grep -c '^$' out)" = 2 ] && [ "$(grep -c ' s, cpu-clock, [0-9]* samples/s, 0 lost, ' out)" = 2 ] || { cat out; fail "not two tables"; }
for n in 1 2; do
	rows $n >table
	[ "$(head -n 1 table | cut -d ' ' -f 1)" = leaf ] || { cat out; fail "leaf() is not the first"; }
	# Each sample has a function that it is in, and one of these that it began in.
	awk '$2 > $3 + 0.01 { exit 1 } { self += $2 } $1 == "leaf" { leaf = $2 } $1 == "work" { work = $3 } $1 == "often" { often = $3 } $1 == "seldom" { seldom = $3 }
		END { exit !(self <= 100.1 && leaf > 50 && work > 80 && work <= 100 && often > seldom && seldom > 5) }' table || { cat out; fail "shares"; }
done
# What the command prints is not in it, and it may end first.
status 7 timeout 60 "$ustack" top -e cpu-clock -d 0.2 sh -c 'echo printed; ./work 700; exit 7'
! grep printed out || fail "what the command prints"
grep -q ' leaf  work' out || { cat out; fail "no leaf()"; }
./work 700 & pid=$!
status 0 timeout 60 "$ustack" top -e cpu-clock -d 0.2 -p $pid
rows 1 | grep -q '^leaf ' || { cat out; fail "-p"; }
wait $pid
if [ "$(id -u)" = 0 ]; then
	./work 100000 & pid=$!
	status 0 timeout 60 "$ustack" top -e cpu-clock -d 1 -n 1
	kill $pid
	wait $pid 2>/dev/null || :
	grep -q ' leaf  work$' out || { cat out; fail "all that runs"; }
fi

# --- it ends before the first table
status 0 timeout 60 "$ustack" top -e cpu-clock -d 100 ./work 300
[ "$(grep -c samples/s out)" = 1 ] && rows 1 | grep -q '^leaf ' || { cat out; fail "no table of what ends before the first one"; }
for end in INT:0 TERM:143; do
	./work 100000 & pid=$!
	status ${end#*:} interrupted ${end%:*} "$ustack" top -e cpu-clock -d 100 -p $pid
	kill $pid
	wait $pid 2>/dev/null || :
	[ "$(grep -c samples/s out)" = 1 ] && rows 1 | grep -q '^leaf ' || { cat out; fail "SIG${end%:*}: no table"; }
done

# --- ended, or nobody reads it
for end in INT:0 TERM:143; do
	./work 100000 & pid=$!
	rm out
	"$ustack" top -e cpu-clock -p $pid >out 2>err & top=$!
	until grep -q samples/s out 2>/dev/null; do kill -0 $top || fail "$end: it is gone"; sleep 0.1; done
	kill -"${end%:*}" $top
	status=0
	wait $top 2>/dev/null || status=$?
	kill $pid
	wait $pid 2>/dev/null || :
	[ $status = "${end#*:}" ] || fail "$end: exit status $status"
done
status 255 timeout 60 sh -c '"$@" >/dev/full' - "$ustack" top -e cpu-clock -d 0.2 ./work 100000
said 'cannot write the output: No space left'
# left COMMAND...: the exit status of top, of whose output only a line is read
left() { bash -c '"$@" | head -n 1 >line; echo ${PIPESTATUS[0]}' - "$@" 2>err; }
[ "$(left timeout 60 env --default-signal=PIPE "$ustack" top -e cpu-clock -d 0.2 ./work 100000)" = 141 ] && [ ! -s err ] && [ -s line ] ||
	fail "not silent when nobody reads it any more"
[ "$(left timeout 60 env --ignore-signal=PIPE "$ustack" top -e cpu-clock -d 0.2 ./work 100000)" = 255 ] && [ -s line ] || fail "SIGPIPE was ignored"
said 'cannot write the output: Broken pipe'

# --- on a terminal: as much as there is room for, and keys
./work 100000 & pid=$!
/usr/bin/python3 - "$ustack" $pid <<'END' || { kill $pid; fail "on a terminal"; }
import fcntl, os, pty, re, select, struct, sys, termios, time

ustack, pid = sys.argv[1:]
main, side = pty.openpty()
fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("4H", 12, 50, 0, 0))
before = termios.tcgetattr(side)
child = os.fork()
if not child:
    os.setsid()
    for fd in range(3):
        os.dup2(side, fd)
    os.execv(ustack, [ustack, "top", "-e", "cpu-clock", "-d", "0.3", "-p", pid])


def table(seen=b""):
    """The next one that is whole."""
    end = time.time() + 60
    while time.time() < end:
        parts = re.split(rb"\x1b\[H\x1b\[J", seen)
        if len(parts) > 2:
            return parts[1].decode()
        if select.select([main], [], [], 1)[0]:
            seen += os.read(main, 65536)
    sys.exit(f"no table: {seen}")


lines = table().replace("\r", "").split("\n")[:-1]
assert 3 <= len(lines) < 12, lines
assert all(len(line) <= 50 for line in lines), lines
assert " leaf  work" in lines[2], lines
os.write(main, b"t")
for _ in range(20):
    totals = [float(line.split()[2]) for line in table().replace("\r", "").split("\n")[2:-1]]
    if totals == sorted(totals, reverse=True) and totals[0] > 90:
        break
else:
    sys.exit(f"not by total: {totals}")
assert not termios.tcgetattr(side)[3] & termios.ECHO
os.write(main, b"q")
_, status = os.waitpid(child, 0)
assert status == 0, status
assert termios.tcgetattr(side) == before
END
kill $pid
wait $pid 2>/dev/null || :

# --- wrong
wrong()
{
	status 129 "$ustack" top "${@:2}"
	[ "$(wc -l <err)" = 1 ] && said "$1.*see ustack top --help"
}
wrong "'0' is not a number of seconds" -d 0
wrong "'x' is not a number of tables" -n x
wrong "top has no option '-o'" -o f
wrong "top has no option '--off-cpu'" --off-cpu
wrong 'exclude each other' -p 1 -a
status 255 "$ustack" top -e cpu-clock -p 4194303
said 'there is no process 4194303'
