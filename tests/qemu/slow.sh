#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# Captures of stacks that somebody has to deliver and does not: see slow.c.
exec "$(dirname "$0")/program" slow --smp 2 -- "$@"
