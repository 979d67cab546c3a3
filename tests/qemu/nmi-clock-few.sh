#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# nmi_clock with a HPET that has a comparator for one CPU of two: see nmi-clock.c.
exec "$(dirname "$0")/program" nmi-clock --smp 2 --comparators 3 -- few
