#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# The library, the tool and the unit tests build.
exec make -C "$(dirname "$0")/../.." -j"$(nproc)" --no-print-directory lib unit
