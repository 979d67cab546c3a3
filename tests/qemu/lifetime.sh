#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# No capture is lost, or of the wrong image, when tasks end: see lifetime.c.
exec "$(dirname "$0")/program" lifetime -- "$@"
