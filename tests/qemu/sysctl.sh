#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# kernel.perf_event_nmi_user, the switch for user memory in NMIs: see sysctl.c.
exec "$(dirname "$0")/program" sysctl -- "$@"
