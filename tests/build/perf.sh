#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# perf builds.
exec make -C "$(dirname "$0")/../.." --no-print-directory perf
