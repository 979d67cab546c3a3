#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# One capture for all samples and events of a stay in the kernel: see several.c.
exec "$(dirname "$0")/program" several -- "$@"
