#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# A watchpoint on the stack is for who set it, not for captures: see watch.c.
exec "$(dirname "$0")/program" watch -- "$@"
