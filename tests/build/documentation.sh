#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# What the series documents: the man page is clean, and all of the ABI is told.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
linux=${LINUX:-$top/build/linux}
[ -d "$linux" ] || { echo "there is no build/linux: make kernel-source"; exit 77; }

fail() { echo "FAIL: $*"; exit 1; }

doc=$linux/Documentation/userspace-api/perf_deferred_stacks.rst
[ -f "$doc" ] || fail "no ${doc#"$linux/"}"
grep -q '^   perf_deferred_stacks$' "$linux/Documentation/userspace-api/index.rst" ||
	fail "no index names it"
grep -q '^perf_event_nmi_user$' "$linux/Documentation/admin-guide/sysctl/kernel.rst" ||
	fail "no word on the sysctl"
/usr/bin/python3 - "$doc" <<'END'
import sys
import docutils.core
text = open(sys.argv[1], encoding="utf-8").read()
docutils.core.publish_string(text, settings_overrides={"report_level": 2, "halt_level": 2})
END
for name in defer_user defer_output PERF_RECORD_STACK_DEFERRED PERF_STACK_FIRST PERF_STACK_CHANGED \
	PERF_STACK_ALT PERF_STACK_CUT PERF_STACK_THROTTLED \
	PERF_CONTEXT_USER_DEFERRED EOPNOTSUPP; do
	grep -q "$name" "$doc" || fail "$name is not in ${doc#"$linux/"}"
	grep -q "$name" "$top/kernel-patches/perf_event_open.2" || fail "$name is not in the man page"
done
! nroff -man -ww "$top/kernel-patches/perf_event_open.2" 2>&1 >/dev/null | grep . || fail "man page"
