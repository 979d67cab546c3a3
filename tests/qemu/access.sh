#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# Nobody sees more with deferred stacks than without: see access.c.
exec "$(dirname "$0")/program" access -- "$@"
