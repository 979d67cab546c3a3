#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# The ABI of deferred user stacks, rule by rule: see capture.c.
exec "$(dirname "$0")/program" capture -- "$@"
