#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# The user registers of deferred captures, exact in every mode: see regs.c.
exec "$(dirname "$0")/program" regs -- "$@"
