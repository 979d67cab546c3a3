#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
"""What ustack's commands write, as the folded stacks of ustack fold: folded.py KIND FILE

KIND is page (of flamegraph), pprof or gecko. None of ustack's own code reads the files here:
messages of pprof are taken apart by their published numbers.
"""

import collections
import gzip
import json
import re
import sys

MARK = 3


def data_of(path):
    """The tree in a page of ustack flamegraph."""
    with open(path, encoding="utf-8") as f:
        return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', f.read(), re.S)[1])


def name(text):
    """No name may hold the separator."""
    return text.replace(";", ":")


def page(path, values="self"):
    data = data_of(path)
    chains, found = [], collections.Counter()
    for i, (up, what) in enumerate(zip(data["up"], data["what"])):
        chains.append(chains[i - up] + ";" + name(data["funcs"][what][0]) if up else name(data["threads"][what][0]))
        found[chains[i]] += data[values][i]
    return found


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def fields(data):
    """Number and value of each field: an int, or bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
            if len(value) != size:
                sys.exit("a message is cut")
        else:
            sys.exit(f"a field of wire type {key & 7}")
        yield key >> 3, value


def numbers(values):
    """A repeated int, packed or not."""
    for value in values:
        if isinstance(value, int):
            yield value
            continue
        at = 0
        while at < len(value):
            number, at = varint(value, at)
            yield number


def message(data):
    found = collections.defaultdict(list)
    for number, value in fields(data):
        found[number].append(value)
    return found


class Pprof:
    """texts, types; samples of (chain innermost first, values, labels)."""

    def __init__(self, path):
        with gzip.open(path) as f:
            top = message(f.read())
        self.texts = [t.decode() for t in top[6]]
        functions = {m[1][0]: m for m in map(message, top[5])}
        locations = {m[1][0]: m for m in map(message, top[4])}
        mappings = {m[1][0]: m for m in map(message, top[3])}
        if self.texts[0] or 0 in functions or 0 in locations or 0 in mappings:
            sys.exit("the first text is not empty, or an id is 0")
        self.types = [(self.text(m, 1), self.text(m, 2)) for m in map(message, top[1])]
        self.samples, self.build_ids = [], {self.text(m, 5): self.text(m, 6) for m in mappings.values()}
        for location in locations.values():
            if location[2] and location[2][0]:
                mapping = mappings[location[2][0]]
                if location[3] and location[3][0] >= mapping[3][0]:
                    sys.exit("an address is outside of its mapping")
        for m in map(message, top[2]):
            chain = [self.text(functions[line[1][0]], 2) for i in numbers(m[1])
                     for line in map(message, locations[i][4])]
            labels = {self.text(label, 1): self.text(label, 2) if label[2] else (label[3] or [0])[0]
                      for label in map(message, m[3])}
            self.samples.append((chain, list(numbers(m[2])), labels))

    def text(self, m, number):
        return self.texts[m[number][0] if m[number] else 0]


def pprof(path, value=0):
    found = collections.Counter()
    for chain, values, labels in Pprof(path).samples:
        # All of the kernel's frames without name are one in a row.
        chain = [f for i, f in enumerate(chain) if f != "[kernel]" or not i or chain[i - 1] != f]
        found[";".join(name(f) for f in [labels["comm"], *reversed(chain)])] += values[value]
    return found


def gecko(path):
    with open(path, encoding="utf-8") as f:
        profile = json.load(f)
    found = collections.Counter()
    for thread in profile["threads"]:
        texts, chains, last = thread["stringTable"], [], 0
        if len(set(texts)) < len(texts):
            sys.exit("a string is there twice")
        for prefix, frame in thread["stackTable"]["data"]:
            text = re.sub(r" \(in [^)]*\)$", "", texts[thread["frameTable"]["data"][frame][0]])
            chains.append((name(thread["name"]) if prefix is None else chains[prefix]) + ";" + name(text))
        for stack, time, *_ in thread["samples"]["data"]:
            found[name(thread["name"]) if stack is None else chains[stack]] += 1
            if time < last:
                sys.exit("samples are not in the order of time")
            last = time
    return found


def main():
    kind, path, *more = sys.argv[1:]
    found = {"page": page, "pprof": pprof, "gecko": gecko}[kind](path, *(int(m) if m.isdigit() else m for m in more))
    for chain in sorted(found, key=lambda c: c.encode()):
        if found[chain]:
            print(chain, found[chain])


if __name__ == "__main__":
    main()
