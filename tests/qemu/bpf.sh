#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# BPF programs at events whose stacks are deferred: see bpf.c.
exec "$(dirname "$0")/program" bpf -- "$@"
