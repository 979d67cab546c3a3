#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# Instructions that parts of a sample cost: see speed.c.
exec "$(dirname "$0")/program" speed --icount -- "$@"
