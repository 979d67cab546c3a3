#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# Samples on the alternate signal stack bring the interrupted one: see altstack.c.
exec "$(dirname "$0")/program" altstack -- "$@"
