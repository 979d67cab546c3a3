#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# Completion knows what --help knows: the commands, and the options of each.
. "${0%/*}/common"

PATH=${ustack%/*}:$PATH
. "$top/libustack/completion/ustack"

# complete_ WORD...: what the last word may become
complete_()
{
	COMP_WORDS=(ustack "$@") COMP_CWORD=$#
	COMPREPLY=()
	_ustack
	printf '%s\n' "${COMPREPLY[@]}" | sort -u
}
# options: of a page of --help, which begin its lines; a long one stands for -h
options() { sed -n 's/^  \(-[^ ,]*\).*/\1/p; s/^  -h, \(--help\).*/\1/p' "$1" | sed 's/\[.*//; s/^-h$/--help/' | sort -u; }
# same NAME: offered and told, but for what ends the options
same() { grep -vx -e -- offered | diff - told >differs || { cat differs; fail "$1"; }; }

"$ustack" --help >page
{ sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p' page; printf '%s\n' --help --version; } | sort -u >told
complete_ "" >offered
same "commands"
commands=$(grep -v '^-' told | tr '\n' ' ')
[ "$(wc -w <<<"$commands")" -ge 10 ] || fail "only these commands: $commands"
for command in $commands; do
	"$ustack" "$command" --help >page
	options page >told
	[ "$(wc -l <told)" -gt 5 ] || fail "$command: no options in its page"
	complete_ "$command" - >offered
	same "$command"
	# What follows an option that has an argument is no option.
	for option in $(sed -n 's/^  \(--*[a-zA-Z-]*\) [A-Z].*/\1/p' page); do
		complete_ "$command" "$option" - >offered
		! grep '^-' offered || fail "$command $option: an option for its argument"
	done
done
# Values that are known.
for words in "record -e cpu-cl:cpu-clock" "top -F m:max" "report --sort sy:symbol" "script -F com:comm" "record --stack a:auto" \
	"record --event cpu-cl:cpu-clock" "record --freq m:max" "record --pid 1 -:--stack" "top --delay 1 -:--stack"; do
	complete_ ${words%:*} >offered
	grep -qx -e "${words#*:}" offered || fail "${words%:*} does not become ${words#*:} but $(cat offered)"
done
