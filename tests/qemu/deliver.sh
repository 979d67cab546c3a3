#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# Which rings get a capture, and which do not: see deliver.c.
exec "$(dirname "$0")/program" deliver --smp 2 -- "$@"
