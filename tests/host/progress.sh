#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# kernel-patches/progress counts what make -n named, and says no total without;
# the command's status is its own, and nobody holds its output when it ends.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "FAIL: $*"; exit 1; }

# The last object is there when progress has said something after it was named.
cat >Makefile <<'END'
.PHONY: all
all: a.o b.o c.o late.o
%.o:
	@set -e;  echo '  CC      $@'; touch $@
late.o: a.o b.o c.o
	@echo '  AS      '$@;n=$$(wc -l <said); for i in $$(seq 100); do [ $$(wc -l <said) = $$n ] || break; sleep 1; done; touch $@
END
touch said
make -n >dry
echo '  CC      before.o' >log
run()
{
	local status=0
	"$top/kernel-patches/progress" what log "$@" -- sh -c 'make && exit 3' >said || status=$?
	[ $status = 3 ] || fail "exit status $status"
}
run dry
grep -qxE 'what: 4 of 4 objects, [0-9]+ s' said || fail "not counted: $(cat said)"
rm late.o
run
grep -qxE 'what: [0-9]+ objects, [0-9]+ s' said || fail "not the objects alone: $(cat said)"
rm late.o
echo '  CC [M]  net/a.mod.o' >>log
printf 'net/a.o\nnet/b.o\n' >modules.order
run dry
grep -qxE 'what: 1 of 2 modules, [0-9]+ s' said || fail "not the modules: $(cat said)"
