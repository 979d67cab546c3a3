#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# A capture where the memory cgroup is at its limit: see memcg.c.
exec "$(dirname "$0")/program" memcg --smp 2 -- "$@"
