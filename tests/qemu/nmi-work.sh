#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# Who does the work that NMIs leave: see nmi-work.c.
exec "$(dirname "$0")/program" nmi-work --icount --append "sysctl.kernel.perf_event_max_sample_rate=1000000" -- "$@"
