#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# nmi_clock without a HPET: see nmi-clock.c.
exec "$(dirname "$0")/program" nmi-clock --append hpet=disable -- none
