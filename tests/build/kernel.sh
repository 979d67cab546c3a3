#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# Both series apply to the kernel source and the kernel builds.
exec make -C "$(dirname "$0")/../.." --no-print-directory kernel
