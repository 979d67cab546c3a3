# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
"""The instructions of a truth program at which a frame is made or left: check says which kinds there are."""

import re

MAKES = re.compile(r"(?:push|enter)|(?:sub|and|add)q? +[^,]+,%rsp|mov +%rsp,%rbp|lea +[^ ]+,%rsp|orq? +\$0x0,\(%rsp\)")
DROPS = re.compile(r"(?:pop|leave)|addq? +[^,]+,%rsp|sub +\$0xff[^,]+,%rsp|lea +[^ ]+,%rsp|mov +%r\w+,%rsp")
# What is called where something has gone wrong: never.
NEVER = ("__stack_chk_fail", "abort", "_Unwind_Resume")


def straight(binary, functions):
    """Addresses of these functions, in runs that nothing leaves before their end and, but for the first
    of them, no call returns into."""
    runs, starts = [], set(binary.starts)
    last = None
    for at in binary.instructions:
        if binary.function(at) not in functions or "@plt" in binary.label(at):
            last = None
            continue
        if last is None or at in starts or binary.words[last][0].startswith(("call", "j", "ret", "repz")):
            runs.append([])
        runs[-1].append(at)
        last = at
    return runs


def edges(binary, functions):
    """The addresses of each kind in one file of the program."""
    kinds = {kind: set() for kind in ("prologue", "epilogue", "call", "plt")}
    starts, runs = set(binary.starts), straight(binary, functions)
    called = {site.target for site in binary.sites.values() if site.plt and site.function in functions}
    kinds["plt"] = {at for at, label in zip(binary.starts, binary.labels)
                    if label.endswith("@plt") and binary.clean(label) in called.difference(NEVER)}
    for run, after in zip(runs, [*runs[1:], []]):
        text = [" ".join(binary.words[at]) for at in run]
        if run[0] in starts and not binary.label(run[0]).endswith(".cold"):
            made = [i for i, t in enumerate(text) if MAKES.match(t)]
            kinds["prologue"].update(run[:made[-1] + 1 if made else 1])
        word, operand = binary.words[run[-1]]
        target = binary.TARGET.match(operand)
        name, here = target and binary.clean(target[1]), binary.function(run[-1])
        if word.startswith(("ret", "repz")) or word.startswith("jmp") and name and name != here:
            dropped = [i for i, t in enumerate(text) if DROPS.match(t)]
            kinds["epilogue"].update(run[dropped[0] if dropped else -1:])
        if word.startswith("call") and name not in NEVER:
            kinds["call"].add(run[-1])
            if after and binary.function(after[0]) == here:
                kinds["call"].add(after[0])
    return kinds
