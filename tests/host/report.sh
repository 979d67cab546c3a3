#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# ustack report adds up what ustack fold prints, and of a program whose shares are
# known it tells them; trees, keys, filters, the pager.
. "$(dirname "$0")/common"

cat >work.c <<'END_C'
#include <pthread.h>
#define KEEP __attribute__((noipa))
volatile unsigned long sink;
static inline __attribute__((always_inline)) void spin(unsigned long n) { while (n--) sink += n; }
KEEP static void leaf(unsigned long n) { spin(n); }
KEEP static void often(void) { leaf(300000); sink++; }
KEEP static void seldom(void) { leaf(100000); sink++; }
KEEP static void again(int n) { if (n) again(n - 1); else seldom(); sink++; }
KEEP static void *work(void *p) { for (int i = 0; i < 1000; i++) { often(); again(3); } return p; }
int main(void)
{
	pthread_t t;
	pthread_create(&t, 0, work, 0);
	work(0);
	return pthread_join(t, 0);
}
END_C
gcc -O2 -g -pthread work.c -o work
"$ustack" record -e cpu-clock:u -F 1997 -o data ./work 2>err || fail record

# check.py FILE FOLDED: rows of functions are what the chains add up to
cat >check.py <<'END_PY'
import sys

self_, total, all_ = {}, {}, 0
for line in open(sys.argv[2]):
    chain, _, n = line.rpartition(" ")
    chain = [f.removesuffix("_[k]") for f in chain.split(";")[1:]]
    all_ += int(n)
    self_[chain[-1]] = self_.get(chain[-1], 0) + int(n)
    for f in set(chain):
        total[f] = total.get(f, 0) + int(n)
rows = {}
for line in open(sys.argv[1]):
    if line[0] != "#":
        own, with_, name = line.split(None, 2)
        assert name.strip() not in rows, name
        rows[name.strip()] = own, with_
told = {f: (f"{self_.get(f, 0) * 100 / all_:.2f}%", f"{n * 100 / all_:.2f}%") for f, n in total.items()}
if rows != told:
    sys.exit(f"{set(rows.items()) ^ set(told.items())}")
assert len(rows) >= 8 and all_ > 100, (rows, all_)
for f, low, high in ("leaf", 99, 100), ("often", 65, 85), ("seldom", 15, 35), ("again", 15, 35), ("work", 99, 100):
    share = float(rows[f][1][:-1])
    if sys.argv[3:] and not low <= share <= high:
        sys.exit(f"{f} has {share}%, not {low} to {high}")
END_PY
# added_up OPTION...: report and fold agree with these
added_up()
{
	"$ustack" report --sort symbol --min 0 -i data "$@" >out 2>err || fail "report $*"
	[ ! -s err ] || fail "report $* complains"
	"$ustack" fold --inline -i data "$@" >folded 2>err || fail "fold $*"
	/usr/bin/python3 check.py out folded || fail "report $* is not what fold adds up to"
}
added_up
added_up --no-inline
added_up -j 3
added_up --comm work
from=$("$ustack" script -F time -i data | awk -F : 'NF { t[n++] = $1 } END { print t[int(n / 3)] + 0 }')
added_up --time "$from,"
tid=$("$ustack" script -F tid -i data | awk 'NF { n[$1]++ } END { for (t in n) if (n[t] > m) { m = n[t]; w = t } print w }')
added_up --tid "$tid"
"$ustack" report --sort symbol --min 0 -i data >out 2>err
"$ustack" fold --inline -i data >folded
# The thread and main() do the same: what starts them is no part of it.
/usr/bin/python3 check.py out folded shares || fail "not the shares of the program"
grep -q '^# [0-9]* samples of cpu-clock:u$' out || fail "no head"
"$ustack" report -i data --min 0 --sort symbol -j 4 | cmp - out || fail "threads say something else"

# --- keys: files, threads, lines
"$ustack" report -i data >out 2>err || fail report
awk -v dso="$tmp/work" '$3 == "spin" && $4 == dso { found = $1 + 0 > 90 } END { exit !found }' out || fail "no row of symbol and dso"
"$ustack" report --sort comm,dso -i data >out 2>err || fail "--sort comm,dso"
awk -v dso="$tmp/work" '$3 == "work" && $4 == dso { found = $1 + 0 > 90 && $2 + 0 > 99 } END { exit !found }' out || fail "no row of comm and dso"
"$ustack" report --sort line -i data >out 2>err || fail "--sort line"
awk -v line="$tmp/work.c:4" '$3 == line { found = $1 + 0 > 90 } END { exit !found }' out || fail "no row of a line"

# --- trees: callers of leaf() are those two, and callees of often() that one
"$ustack" report --sort symbol --symbol leaf --callers -i data >out 2>err || fail --callers
awk '$2 == "<-" && $3 == "often" && /^ +[0-9.]+%  <- / { often = $1 } $2 == "<-" && $3 == "seldom" { seldom = $1 }
	END { exit !(often + seldom > 99 && often > 2 * seldom) }' out || fail "not the callers of leaf(): $(cat out)"
# A recursion is one step.
[ "$(grep -c -- '<- again$' out)" = 1 ] || fail "again() does not count once"
"$ustack" report --sort symbol --symbol often --callees -i data >out 2>err || fail --callees
grep -qE -- '^ +[0-9.]+%  -> leaf$' out && grep -qE -- '^ +[0-9.]+%    -> spin$' out || fail "not the callees of often(): $(cat out)"
! grep -q seldom out || fail "often() does not call seldom()"
"$ustack" report --min 90 -i data >out 2>err || fail --min
grep -q '^# [0-9]* more below 90%: see --min$' out && ! grep -q seldom out || fail "--min 90 shows too much"
status=0
"$ustack" report -i data --symbol nope >out 2>err || status=$?
[ $status = 1 ] && [ "$(cat err)" = "ustack: data: no sample is in a function 'nope': ustack report without --symbol lists them" ] ||
	fail "--symbol of none: status $status"

# --- wrong arguments: one line, status 2
for wrong in '--sort=' '--sort=symbol,size' '--sort=,' --min=x --min=-1 --min=101 --min= --callers=x; do
	status=0
	"$ustack" report -i data "$wrong" >out 2>err || status=$?
	[ $status = 2 ] && [ "$(wc -l <err)" = 1 ] && [ ! -s out ] || fail "report $wrong: status $status"
done
status=0
"$ustack" fold -i data --callers >out 2>err || status=$?
[ $status = 2 ] || fail "fold takes an option of report"

# --- on a terminal through a pager, which may be left early
cat >terminal.py <<'END_PY'
import os
import pty
import sys

pid, fd = pty.fork()
if not pid:
    # Where the bar is, while it is read.
    os.dup2(os.open("/dev/null", os.O_WRONLY), 2)
    os.execvp(sys.argv[1], sys.argv[1:])
text = b""
while True:
    try:
        part = os.read(fd, 65536)
    except OSError:
        break
    if not part:
        break
    text += part
sys.stdout.buffer.write(text.replace(b"\r\n", b"\n"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END_PY
"$ustack" report --sort symbol -i data >plain
PAGER='sed s/^/paged:/' /usr/bin/python3 terminal.py "$ustack" report --sort symbol -i data >out || fail "report on a terminal"
grep '^paged:' out | sed 's/^paged://' | cmp - plain || fail "not all goes through the pager"
PAGER='head -n 1' /usr/bin/python3 terminal.py "$ustack" report --sort symbol -i data >out || fail "a pager that is left early"
PAGER=cat /usr/bin/python3 terminal.py "$ustack" report --sort symbol -i data >out || fail "report without a pager"
cmp out plain || fail "PAGER=cat changes something"
# The shell may tell why on the terminal: standard error is not on it.
PAGER=/nonexistent /usr/bin/python3 terminal.py "$ustack" report --sort symbol -i data >out || fail "a pager that is none"
cmp out plain || fail "no report where PAGER is none"
