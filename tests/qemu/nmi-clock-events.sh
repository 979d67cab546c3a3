#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# nmi_clock with several events on one CPU: see nmi-clock.c.
exec "$(dirname "$0")/program" nmi-clock --icount -- several many excluded period counting refused
