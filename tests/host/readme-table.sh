#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# The tables in README.md are those of bench/results, and a change there is seen.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
"$top/bench/readme-table" --check

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$top/README.md" "$top/bench" "$work"
sed -i '2s/^\(\([^,]*,\)\{4\}\)[0-9]*/\142/' "$work/bench/results/nmi.csv"
! "$work/bench/readme-table" --check 2>"$work/said" || { echo "FAIL: another number was not seen"; exit 1; }
grep -q 'run make readme-table' "$work/said"
