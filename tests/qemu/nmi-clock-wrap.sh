#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# nmi_clock where the HPET's counter wraps: see nmi-clock.c. Without throttling.
exec "$(dirname "$0")/program" nmi-clock --icount --append "sysctl.kernel.perf_event_max_sample_rate=1000000" -- wrap
