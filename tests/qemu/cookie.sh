#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# Every sample of a user task has a cookie, every cookie its record, wherever
# the NMI came: under -icount that may be between any two instructions.
exec "$(dirname "$0")/program" cookie --icount -- "$@"
