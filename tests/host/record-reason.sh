#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# What ustack record tells of chains that are not complete, and of samples that
# never came: by the real reason, not by one that looks like it.
. "${0%/*}/record-common"

# --- in exec(): there is no stack, whatever --stack is, and no JIT
cat >execs.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	int left = argc > 1 ? atoi(argv[1]) : 0;
	char n[16];
	snprintf(n, sizeof(n), "%d", left - 1);
	return left && execl(argv[0], argv[0], n, (char *)0);
}
END
gcc -o execs execs.c
status 0 "$ustack" record -e cpu-clock -F 19999 -o f ./execs 500
said ' [1-9][0-9]* had no stack, in exec() or exit(), '
! grep 'go deeper\|JIT\|unwind information' err || fail "a reason that it is not"
status 0 "$ustack" record --json -e cpu-clock -F 19999 -o f ./execs 500
[ "$(json '["in_exec"] > 100 and d["in_exec"] + d["not_in_memory"] > 0.9 * (d["ends"]["truncated"] + d["ends"]["no_rule"])')" = True ] ||
	fail "in exec(): $(cat out)"
# A stack that is too deep is told as one.
status 0 "$ustack" record --json --stack 256 -e cpu-clock -o f ./work 200
[ "$(json '["in_exec"] + d["not_in_memory"] < 0.1 * d["ends"]["truncated"]')" = True ] || fail "too deep: $(cat out)"

# --- a process of which nobody lets us see the maps; here by a C library that does not
cat >refuse.c <<'END'
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
FILE *fopen(const char *path, const char *mode)
{
	static FILE *(*next)(const char *, const char *);
	if (!next)
		next = (FILE *(*)(const char *, const char *))dlsym(RTLD_NEXT, "fopen");
	if (strncmp(path, "/proc/", 6) || !strstr(path, "/maps"))
		return next(path, mode);
	errno = EACCES;
	return NULL;
}
END
gcc -D_GNU_SOURCE -shared -fPIC -o refuse.so refuse.c -ldl
./work 100000 & pid=$!
status 0 env LD_PRELOAD="$tmp/refuse.so" "$ustack" record -e cpu-clock -o f -p $pid env -u LD_PRELOAD sleep 0.5
kill $pid
wait $pid 2>/dev/null || :
said ' [1-9][0-9]* without permission to look at the process, .*to do: to unwind processes of others be root'
! grep 'go deeper\|JIT\|unwind information' err || fail "a reason that it is not"
# What they start is told by the kernel.
cat >starts.c <<'END'
#include <unistd.h>
int main(void)
{
	while (access("go", F_OK))
		usleep(1000);
	return execl("./work", "./work", "300", (char *)0);
}
END
gcc -o starts starts.c
rm -f f go
./starts & pid=$!
LD_PRELOAD="$tmp/refuse.so" "$ustack" record --json -e cpu-clock -o f -p $pid >out 2>err & recorder=$!
until [ -e f ]; do kill -0 $recorder || fail "-p"; sleep 0.05; done
: >go
wait $recorder $pid || fail "-p of what starts another program"
[ "$(json '["unreadable"] < 10 and d["complete_pct"] > 90')" = True ] || fail "what an unreadable process starts: $(cat out)"

# --- a program that may be run and not read
if [ "$(id -u)" = 0 ] && $perfmon true 2>err; then
	chmod 755 .
	mkdir -m 777 free
	cp "$ustack" .
	install -m 711 static secret
	./secret 100000 & pid=$!
	status 0 $perfmon ./ustack record -e cpu-clock -o free/f -p $pid sleep 0.3
	said "to do: $tmp/secret may not be read: be root, or who may"
	! grep 'unwind information' err || fail "a reason that it is not"
	kill $pid
	wait $pid 2>/dev/null || :
fi

# --- programs that the kernel takes its events from, as nobody may trace them
if [ -d free ] && [ "$(cat /proc/sys/kernel/perf_event_paranoid)" -le 2 ]; then
	install -m 4755 static setuid
	for program in ./secret ./setuid; do
		status 0 $nobody ./ustack record -e cpu-clock -o free/f $program 50
		said ': 0 samples, .* 1 program that the kernel keeps from being sampled, .*to do: to sample programs that are set-user-ID or may not be read be root, and take -a$'
	done
	status 0 $nobody ./ustack record --json -e cpu-clock -o free/f sh -c './work 50; ./setuid 50; ./secret 50; ./work 50'
	[ "$(json '["unseen_programs"] == 2 and d["samples"] > 50')" = True ] || fail "two of four programs: $(cat out)"
	# Who may trace them sees them.
	status 0 "$ustack" record --json -e cpu-clock -o f sh -c './setuid 50; ./secret 50'
	[ "$(json '["unseen_programs"] == 0 and d["samples"] > 50')" = True ] || fail "as root: $(cat out)"
	./setuid 100000 & pid=$!
	status 255 $nobody ./ustack record -e cpu-clock -o free/f -p $pid
	said 'no permission to sample thread .*: it may be another user.s, or of a set-user-ID program'
	kill $pid
	wait $pid 2>/dev/null || :
fi

# --- records of waits that are lost: larger rings than for others, and no advice on a rate
cat >naps.c <<'END'
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static void *naps(void *arg) { for (;;) usleep(50); return arg; }
int main(int argc, char **argv)
{
	pthread_t t;
	for (int i = 0; i < 16; i++)
		pthread_create(&t, 0, naps, 0);
	usleep(argc > 1 ? atoi(argv[1]) * 1000 : 0);
	return 0;
}
END
gcc -O1 -pthread -o naps naps.c
status 0 "$ustack" record --json --off-cpu -o f ./naps 10
size=$(json '["ring_size"]')
ram=$(($(getconf _PHYS_PAGES) * $(getconf PAGESIZE)))
if [ "$(id -u)" = 0 ] && [ $((ram / 16 / 33554432)) -ge "$(nproc --all)" ]; then
	[ "$size" = 33554432 ] || fail "rings of $size bytes for waits"
fi
"$ustack" record --off-cpu -m 64K --stack 8192 -o f ./naps 1000 2>err & recorder=$!
sleep 0.4
kill -STOP $recorder
sleep 0.4
kill -CONT $recorder
wait $recorder || fail "stopped and continued"
said 'records lost in full rings.*to do: rings of -m 256K, or fewer processes, as by -p$'
for view in fold stat; do
	"$ustack" $view -i f >out 2>err || fail "$view of waits"
	said 'are missing .*: record with a larger -m or fewer processes$'
done
