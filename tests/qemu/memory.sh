#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# What memory a deferred capture reads, and what it leaves alone: see memory.c.
exec "$(dirname "$0")/program" memory --smp 2 -- "$@"
