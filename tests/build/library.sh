#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# The library, the tool, the unwinders to compare with and the unit tests build.
exec make -C "$(dirname "$0")/../.." -j"$(nproc)" --no-print-directory lib reference unit
