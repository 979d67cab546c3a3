#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# nmi_clock where a CPU goes and comes back: see nmi-clock.c.
exec "$(dirname "$0")/program" nmi-clock --smp 2 -- hotplug
