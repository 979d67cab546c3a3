#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# The man pages are sound, and say it all: prototypes and fields are those of
# ustack.h, every value of an enum, every option, field and key of the tool is
# explained.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$top/libustack"

for page in man/*.[13]; do
	groff -ww -mandoc -Tutf8 -z "$page" >"$tmp/warnings" 2>&1 || true
	mandoc -T lint -W warning "$page" >>"$tmp/warnings" 2>&1 || true
	[ ! -s "$tmp/warnings" ] || { echo "$page:"; cat "$tmp/warnings"; exit 1; }
done

make -s -C "$top" lib
for command in '' record top report script fold flamegraph pprof gecko diff stat; do
	"$top/build/libustack/ustack" $command --help >"$tmp/help-$command"
done
/usr/bin/python3 - "$tmp" ustack.h man/*.[13] <<'END'
import os
import re
import shlex
import sys

wrong = []
tmp, header, *pages = sys.argv[1:]
pages = {os.path.basename(page): open(page, encoding="utf-8").read() for page in pages}
text = open(header, encoding="utf-8").read()
text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
text = re.sub(r"^#.*?(?<!\\)$", "", text, flags=re.M | re.S)


def plain(decl):
    """A declaration with one space between words, none around * and commas."""
    return re.sub(r" ?([*(),\[\]]) ?", r"\1", " ".join(decl.split()))


def split(args):
    """At the commas that no parenthesis holds."""
    return re.split(r",(?![^()]*\))", args)


def declarators(member):
    """uint64_t a, *b: each with its type"""
    if "(" in member:
        return [plain(member)]
    first, *more = member.split(",")
    base = re.match(r"\s*(.*?)[*\s]*[\w\[\]]+$", first, re.S)[1]
    return [plain(first)] + [plain(f"{base} {name}") for name in more]


def items(page, heading):
    """The .It lines below a .Ss heading"""
    body = re.search(rf"^\.Ss {heading}\n(.*?)(?=^\.S[sh] |\Z)", page, re.M | re.S)
    return re.findall(r"^\.It (.*)", body[1], re.M) if body else None


def words(line):
    """A line of macros as the text that it shows"""
    return " ".join(w for w in shlex.split(line) if w not in ("Vt", "Va", "Fa", "Ft", "Dv"))


def documented(kind, name):
    found = [i for i in (items(page, f"{kind} {name}") for page in pages.values()) if i is not None]
    if len(found) != 1:
        wrong.append(f"{kind} {name}: {len(found)} pages have a section on it")
        return []
    return found[0]


structs = re.findall(r"^struct (\w+) \{(.*?)^\};", text, re.M | re.S)
for name, body in structs:
    have = [d for member in body.split(";") if member.strip() for d in declarators(member)]
    told = [plain(words(item)) for item in documented("struct", name)]
    if told and told != have:
        wrong.append(f"struct {name}: the header has {sorted(set(have) - set(told)) or 'another order'}, "
                     f"the page {sorted(set(told) - set(have))}")

values = []
for name, body in re.findall(r"^enum (\w* ?)\{(.*?)\};", text, re.M | re.S):
    have = re.findall(r"\b(USTACK_\w+)", body)
    values += have
    if name.strip():
        told = [words(item) for item in documented("enum", name.strip())]
        if told and told != have:
            wrong.append(f"enum {name}: the header has {have}, the page {told}")
shown = "\n".join(pages.values())
for value in values:
    if not re.search(rf"^\.It Dv {value}$", shown, re.M):
        wrong.append(f"{value} is not explained")

told = {}
for file, page in pages.items():
    names = re.findall(r"^\.Nm (\w+)", page[:page.index(".Sh LIBRARY")], re.M) if file.endswith("3") else []
    synopsis = re.search(r"^\.Sh SYNOPSIS\n(.*?)^\.Sh", page, re.M | re.S)[1]
    synopsis = re.sub(r'^\.Fo (\w+)\n(.*?)^\.Fc', lambda m: f".Fn {m[1]} " + m[2].replace(".Fa ", "").replace("\n", " "),
                      synopsis, flags=re.M | re.S)
    for returns, call in re.findall(r"^\.Ft (.*)\n\.Fn (.*)", synopsis, re.M):
        function, *args = shlex.split(call)
        told[function] = plain(f"{words(returns)} {function}({', '.join(args) or 'void'})")
        if function not in names:
            wrong.append(f"{file}: {function} is not among its names")
have = {}
for decl in re.findall(r"^USTACK_API ([^;]*);", text, re.M):
    have[re.search(r"\b(ustack_\w+)\(", decl)[1]] = plain(decl)
for function in sorted(have.keys() | told.keys()):
    if have.get(function) != told.get(function):
        wrong.append(f"{function}: header {have.get(function)}, page {told.get(function)}")

# --- the tool: what its own pages name
tool = pages["ustack.1"]
told = set(re.findall(r"^\.It (?:Cm|Bq Ar|Fl) (.*)", tool, re.M))
options = {re.split(r"[, ]", item)[0] for item in re.findall(r"^\.It Fl (.*)", tool, re.M)}
options |= {item.removeprefix("-") for line in re.findall(r"^\.It Fl (.*)", tool, re.M)
            for item in re.findall(r"-[\w-]+", line)}
count = 0
for command in ("", "record", "top", "report", "script", "fold", "flamegraph", "pprof", "gecko", "diff", "stat"):
    for line in open(f"{tmp}/help-{command}", encoding="utf-8"):
        match = re.match(r" +(\S+(?: \S+)*?)(?:  +| [*] )", line)
        if not match:
            continue
        word = match[1]
        count += 1
        if word.startswith("-"):
            for option in re.findall(r"(?<![\w-])--?([\w-]+)", word):
                if option not in options and f"-{option}" not in options:
                    wrong.append(f"ustack.1 does not explain {word}")
        elif word.strip("[]").lower() not in told and word not in told:
            wrong.append(f"ustack.1 does not explain '{word}'")
if len(have) < 28 or len(structs) < 8 or len(values) < 25 or count < 50:
    wrong.append(f"the test itself sees too little: {len(have)} functions, {len(structs)} structs, "
                 f"{len(values)} values, {count} words of the tool")
print(*wrong, sep="\n")
sys.exit(bool(wrong))
END
