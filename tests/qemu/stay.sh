#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# What may happen to task and event between sample and capture: see stay.c.
exec "$(dirname "$0")/program" stay --smp 2 -- "$@"
