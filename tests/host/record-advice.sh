#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# Programs that are not there as they were, and what ustack record tells to do about
# names and chains that are missing.
. "${0%/*}/record-common"

# --- what a program is that is not there as it was: in another root, deleted, by exec
if [ "$(id -u)" = 0 ]; then
	mkdir -p root
	cp static root/program
	status 0 "$ustack" record --json -e cpu-clock -o f chroot root /program 300
	[ "$(json '["complete_pct"]>95')" = True ] || fail "another root: $(cat out)"
	cp work gone
	./gone 500 & pid=$!
	until [ "$(readlink /proc/$pid/exe)" = "$tmp/gone" ]; do sleep 0.01; done
	rm gone
	status 0 "$ustack" record --json -e cpu-clock -o f -p $pid
	[ "$(json '["complete_pct"]>95')" = True ] || fail "deleted: $(cat out)"
	wait
fi
status 0 "$ustack" record -e cpu-clock -o f sh -c './work 200 & exec ./static 200'
"$ustack" fold -i f >out
for name in work static; do
	grep -q "^$name;.*;leaf " out || fail "no chain of $name"
done
# A library that comes when all goes on already.
cat >plugin.c <<'END'
__attribute__((noinline)) void plugged(int n) { for (volatile int i = 0; i < n; i++) ; }
void plugin(void) { plugged(300000000); __asm__(""); }
END
cat >loads.c <<'END'
#include <dlfcn.h>
#include <unistd.h>
int main(void)
{
	void *lib;
	while (access("go", F_OK))
		usleep(1000);
	lib = dlopen("./plugin.so", RTLD_NOW);
	if (lib)
		((void (*)(void))dlsym(lib, "plugin"))();
	return !lib;
}
END
gcc -O1 -shared -fPIC -o plugin.so plugin.c
gcc -O1 -o loads loads.c -ldl
rm -f f go
./loads & pid=$!
"$ustack" record -e cpu-clock -o f -p $pid 2>err & recorder=$!
until [ -e f ]; do kill -0 $recorder || fail "-p"; sleep 0.05; done
: >go
wait $recorder $pid || fail "dlopen"
"$ustack" fold -i f >out
grep -q '^loads;_start;.*;main;plugin;plugged ' out || fail "no chain through a library that was opened meanwhile: $(cat out)"
status 0 "$ustack" record -e cpu-clock --stack 256 -o f ./work 200
said 'stacks go deeper: --stack 1024'
# The file tells which chains are not complete, as one with stacks would.
status 0 "$ustack" record --json -e cpu-clock --stack 256 -o f ./work 200
[ "$("$ustack" stat -i f | sed -n 's/^end_truncated //p')" = "$(json '["ends"]["truncated"]')" ] &&
	[ "$("$ustack" stat -i f | sed -n 's/^finished //p')" = "$(json '["ends"]["finished"]')" ] || fail "stat sees other ends"
"$ustack" fold -i f >folds
grep -q '^work;\[cut short\];' folds || fail "fold does not say what is cut"
quiet perf script -i f

# --- what to do: it is about what was asked for, and about names that are missing
strip -o stripped work
status 0 "$ustack" record -e cpu-clock -o f ./stripped 200
said "to do: functions of $tmp/stripped have no names"
status 0 "$ustack" record -e cpu-clock -o f ./work 200
! grep 'to do' err || fail "advice where nothing is missing"
# A file that is gone, or another, when its first stack is unwound, and in no cache of
# perf's: no package helps.
for after in ':' 'cp static brief'; do
	cp work brief
	HOME=$tmp status 0 "$ustack" record -e cpu-clock -F 199 -o f sh -c "kill -STOP \$PPID; ./brief 100; rm brief; $after; kill -CONT \$PPID"
	case $after in
	:) said "to do: $tmp/brief was gone before it could be read: leave it until the recording ends$" ;;
	*) said "to do: $tmp/brief was replaced before it could be read: leave it until the recording ends$" ;;
	esac
done
# One that still runs has it yet, for who may open what is mapped.
mapped=(/proc/$$/map_files/*)
if head -c 1 "${mapped[0]}" >out 2>err; then
	cp work brief
	HOME=$tmp status 0 "$ustack" record --json -e cpu-clock -F 199 -o f sh -c \
		'kill -STOP $PPID; ./brief 300 & sleep 0.1; mv brief aside; cp static brief; kill -CONT $PPID; wait'
	[ "$(json '["complete_pct"] > 80 and not d["to_do"]')" = True ] || fail "a program that was replaced: $(cat out)"
fi
# The map of a library is lost with other records, as samples leave no room between
# them: its callers lack nothing but that.
cat >calls.c <<'END'
void calls(void (*what)(void)) { what(); __asm__(""); }
END
cat >late.c <<'END'
#include <dlfcn.h>
#include <signal.h>
#include <unistd.h>
static void leaf(void) { for (volatile int i = 0; i < 200000000; i++) ; }
int main(void)
{
	void *lib;
	usleep(400000);
	kill(getppid(), SIGSTOP);
	leaf();
	lib = dlopen("./calls.so", RTLD_NOW);
	kill(getppid(), SIGCONT);
	if (lib)
		((void (*)(void (*)(void)))dlsym(lib, "calls"))(leaf);
	return !lib;
}
END
gcc -O1 -shared -fPIC -o calls.so calls.c
gcc -O1 -o late late.c -ldl
status 0 taskset -c 0 "$ustack" record -e cpu-clock:u -F 1999 --stack 65528 -m 256K -o f ./late
! grep -q 'copied in the interrupt' err || said 'records lost in full rings, .*to do: rings of -m 1024K, or a lower -F$'
# Of no sample none is complete, or not.
status 0 "$ustack" record -e cpu-clock -c 1000000000 -o f true
said ': 0 samples, .* 0 lost, 0 bytes a sample; to do: was it running at all'
# A JIT: code that is in no file.
cat >jit.c <<'END'
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	/* mov $300000000, %ecx; 1: dec %ecx; jne 1b; ret */
	static const unsigned char code[] = { 0xb9, 0, 0xa3, 0xe1, 0x11, 0xff, 0xc9, 0x75, 0xfc, 0xc3 };
	void *p = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char path[64];
	(void)argv;
	memcpy(p, code, sizeof(code));
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	FILE *f = argc == 2 ? fopen(path, "w") : 0;
	if (argc > 2 && !mkdir(path, 0700))
		puts(path);
	if (f) {
		fprintf(f, "%lx %zx jitted\n", (long)p, sizeof(code));
		fclose(f);
		puts(path);
	}
	((void (*)(void))p)();
	return 0;
}
END
gcc -O1 -o jit jit.c
status 0 "$ustack" record -e cpu-clock -o f ./jit
said 'functions of a JIT have no names: let it write'
status 0 "$ustack" record -e cpu-clock -o f ./jit map
rm "$(cat out)"
! grep 'have no names' err || fail "advice on names of a JIT that are there"
status 0 "$ustack" record -e cpu-clock -o f ./jit no map
rmdir "$(cat out)"
said "functions of a JIT have no names: $(cat out): it is not a regular file"
