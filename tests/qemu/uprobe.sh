#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# What uprobes do to a program is not seen in its deferred stacks: see uprobe.c.
exec "$(dirname "$0")/program" uprobe -- "$@"
