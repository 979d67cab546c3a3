#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# Of make check-runtimes, what the compilers and interpreters that are there anyway make.
set -euo pipefail
exec "$(dirname "$0")/../runtimes/check" gcc gcc-O3-callback gcc-static gcc-static-pie gcc-signal gcc-thread gcc-cold \
	g++-exception clang perl
