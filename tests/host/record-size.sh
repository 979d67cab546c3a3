#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# Bytes of a sample where most processes have none: what is told of these is not in
# the file, and what is in it is all that perf and ustack need.
. "${0%/*}/record-common"

cat >forks.c <<'END'
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
__attribute__((noinline)) static void leaf(void) { for (volatile int i = 0; i < 300000000; i++) ; }
/* Children that exec nothing: their maps are those of a process without samples. */
int main(void)
{
	for (int i = 0; i < 2; i++)
		if (!fork()) {
			leaf();
			return 0;
		}
	while (wait(NULL) > 0)
		;
	return 0;
}
END
gcc -O1 -o forks forks.c
for plain in "" --plain; do
	status 0 "$ustack" record --json $plain -e cpu-clock -F 199 -o f sh -c 'i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i + 1)); done; ./forks; ./work 200'
	"$ustack" stat -i f >stats 2>err
	[ ! -s err ] && samples=$(sed -n 's/^samples //p' stats) && [ "$samples" = "$(json '["samples"]')" ] && [ "$samples" -gt 60 ] || fail "samples: $(cat stats)"
	bytes=$(json '["bytes"]')
	quiet perf script -i f -F comm,pid,ip,sym
	# Of a process with samples its maps are told: on a slow machine, of some true.
	bound=$((200 * samples + 2000 * $(awk '!/^[ \t]/ && NF { print $1, $2 }' out | sort -u | wc -l)))
	[ "$bytes" -lt $bound ] || fail "$plain: $bytes bytes of $samples samples, not below $bound"
	for comm in forks work; do
		"$ustack" fold --comm $comm -i f >folds
		ours=$(awk '/;leaf [0-9]+$/ { n += $NF } END { print n + 0 }' folds)
		theirs=$(awk -v comm=$comm '!/^[ \t]/ { mine = $1 == comm; first = 1; next } first && mine && $2 == "leaf" { n++ } { first = 0 } END { print n + 0 }' out)
		[ "$ours" -gt 10 ] && [ "$ours" = "$theirs" ] || fail "$comm: $ours samples of leaf() here, $theirs in perf"
	done
	quiet perf script -i f --show-task-events --show-mmap-events
	[ "$(grep -c PERF_RECORD_FORK out)" -lt 200 ] || fail "processes without samples are told"
done
