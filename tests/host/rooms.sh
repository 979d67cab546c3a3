#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# libustack's rooms: data flows one way.  A file includes headers of its own
# room and of the rooms before it.  What is x86's stands in unwind/x86: of that,
# the others see the headers that unwind/cpu.h and unwind/arch.h include, and
# they name no register.
set -euo pipefail
top=$(cd "${0%/*}/../.." && pwd)
rooms="util module read unwind name cli"

# Every include that leads from a room to a later one
includes()
{
	local room later=" $rooms "
	for room in $rooms; do
		later=${later/" $room "/ }
		[ -d "$room" ] || { echo "no room $room"; continue; }
		grep -rnoE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]+"' "$room" |
		while IFS=: read -r file line text; do
			text=${text#*\"} text=${text%\"}
			case $text in
			ustack.h)	;;
			*/*)		[[ $later != *" ${text%%/*} "* ]] ||
						echo "$file:$line: $text: ${text%%/*} comes after $room" ;;
			*)		echo "$file:$line: $text: give the room it is in" ;;
			esac
		done
	done
}

# Every line outside unwind/x86 that knows the architecture
machine()
{
	{ grep -rnE 'x86|[iI]386|\b(REG|KEPT)_[RE]([ABCD]X|[SD]I|[BS]P|IP|[0-9]+)\b' util module unwind name || :; } |
		grep -vE '^unwind/x86/|^unwind/(cpu|arch)\.h:[0-9]+:#include "unwind/x86/' || :
}

cd "$top/libustack"
wrong=$(includes; machine | sed 's|$|  <- only unwind/x86 knows that|')
[ -z "$wrong" ] || { echo "$wrong"; exit 1; }
