# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
"""The plots, each made from its file in bench/results alone."""

import os

from common import OUT, read_csv, run

RED, BLUE, GREY, ORANGE, GREEN = "#c0392b", "#1f6fb2", "#444444", "#e69f00", "#2e8b57"
PALE_RED, PALE_BLUE = "#e8a49c", "#a9cbe6"


def plot(name, commands, size):
    """commands for gnuplot, drawn as build/bench/NAME.svg and .png."""
    for kind, terminal in (("svg", "svg dynamic"), ("png", "pngcairo")):
        path = os.path.join(OUT, f"{name}.{kind}")
        run(["gnuplot"], f"gnuplot ({name})",
            input=f"set terminal {terminal} size {size[0]},{size[1]} font 'DejaVu Sans,11' background '#ffffff'\n"
                  f"set output '{path}'\nset datafile separator ','\n{commands}")


def block(name, lines):
    """Data by name, for the plot commands that follow."""
    return "".join((f"${name} << E\n", *(",".join(map(str, line)) + "\n" for line in lines), "E\n"))


def nmi(rows):
    names = list(dict.fromkeys(r["workload"] for r in rows))
    text = ["set multiplot layout 2,3 title 'Length of an NMI with a sample, by bytes of user stack asked for'\n"
            "set logscale xy\nset xrange [400:1400000]\nset grid\nset key off\nset ylabel 'instructions'\n"
            "set xtics ('512' 512, '4K' 4096, '32K' 32768, '256K' 262144, '1M' 1048576)\n"
            "set ytics (1000, 1500, 2000, 3000, 5000, 7000, 10000, 15000, 20000)\n"]
    for i, name in enumerate(names):
        of = {m: [r for r in rows if r["workload"] == name and r["mode"] == m]
              for m in ("none", "fp", "fp-defer", "dwarf", "dwarf-defer")}
        for mode in ("dwarf", "dwarf-defer"):
            text.append(block(f"{mode.replace('-', '_')}{i}", ((r["stack_bytes"], r["p50"], r["p99"]) for r in of[mode])))
        lines = [f"${m}{i} u 1:{column} {style} lc rgb '{c}'" for m, c in (("dwarf", RED), ("dwarf_defer", BLUE))
                 for column, style in ((2, "w lp pt 7 ps .5"), (3, "w l dt 2"))]
        lines += [f"{of[m][0][q]} lc rgb '{c}' dt {dash}" for m, c in (("none", GREY), ("fp", ORANGE), ("fp-defer", GREEN))
                  for q, dash in (("p50", 1), ("p99", 2))]
        text.append(f"set title '{name}'\nplot [][1000:25000] {', '.join(lines)}\n")
    keys = (("none: no user stack", GREY), ("fp", ORANGE), ("fp-defer", GREEN), ("dwarf", RED), ("dwarf-defer", BLUE))
    text.append("unset title\nunset grid\nunset tics\nunset border\nunset ylabel\nunset logscale\n"
                "set key center center\nplot [0:1][0:1] "
                + ", ".join(f"-1 lc rgb '{c}' lw 2 t '{t}'" for t, c in keys)
                + ", -1 lc rgb '#888888' t 'solid: p50', -1 lc rgb '#888888' dt 2 t 'dashed: p99'\nunset multiplot\n")
    plot("nmi", "".join(text), (1200, 700))


def overhead(rows):
    parts = ("nmi", "ipi", "exit", "output", "reader")
    counted = [r for r in rows if r["kernel"] == "series" and r["nmi"] != ""]
    label = '"{program} {mode}{size}"'
    lines = [(label.format(program=r["program"], mode=r["mode"],
                           size=f" {(r['stack_bytes'] + 512) // 1024}K" if r["stack_bytes"] else ""),
              *(r[p] for p in parts)) for r in counted]
    plot("overhead", block("d", lines)
         + "set style data histograms\nset style histogram rowstacked\nset style fill solid\nset boxwidth .8\n"
         "set xtics rotate by 60 right font ',8'\nset key top left\nset grid y\nset ylabel 'instructions per sample'\n"
         f"set title 'What a sample costs'\nplot $d u 2:xtic(1) t 'NMI' lc rgb '{RED}', '' u 3 t 'self-IPI' lc rgb '{ORANGE}', "
         f"'' u 4 t 'exit work' lc rgb '{BLUE}', '' u 5 t 'output' lc rgb '{PALE_BLUE}', '' u 6 t 'reader' lc rgb '#bbbbbb'\n",
         (1100, 560))


def volume(rows):
    modes = (("dwarf", 8192, PALE_RED), ("dwarf-defer", 8192, PALE_BLUE), ("dwarf", 65528, RED), ("dwarf-defer", 65528, BLUE))
    at = {(r["program"], r["mode"], r["stack_bytes"], r["hz"]): r for r in rows}
    names = list(dict.fromkeys(r["program"] for r in rows))
    rates = sorted({r["hz"] for r in rows})

    def lost(hz, mode, size):
        of = [at[name, mode, size, hz] for name in names]
        return 100 * sum(r["lost"] for r in of) / sum(r["lost"] + r["samples"] for r in of)

    plot("volume",
         block("d", ([name, *(at[name, m, s, rates[0]]["ring_bytes"] for m, s, _ in modes)] for name in names))
         + block("l", ([hz / 1000, *(f"{lost(hz, m, s):.3f}" for m, s, _ in modes)] for hz in rates))
         + "set multiplot layout 1,2\nset style data histograms\nset style fill solid\nset grid y\n"
         "set key outside bottom center horizontal\n"
         "set title 'Bytes per sample in the ring'\nset ylabel 'bytes'\nset yrange [0:*]\nplot "
         + ", ".join(f"$d u {i + 2}:xtic(1) t '{m} {(s + 512) // 1024}K' lc rgb '{c}'" for i, (m, s, c) in enumerate(modes))
         + "\nset title 'Records lost, all programs, ring of 512 KiB'\nset ylabel '% of records and samples'\nset xlabel 'kHz'\nplot "
         + ", ".join(f"$l u 1:{i + 2} t '{m} {(s + 512) // 1024}K' w lp pt 7 lc rgb '{c}'" for i, (m, s, c) in enumerate(modes))
         + "\nunset multiplot\n", (1100, 460))


def accuracy(rows):
    kinds = (("fp", "kernel", "#f3d19c"), ("fp-defer", "kernel", ORANGE), ("dwarf-8k", "libustack", PALE_RED),
             ("dwarf-64k", "libustack", RED), ("dwarf-defer-1m", "libunwind", "#dddddd"),
             ("dwarf-defer-1m", "libdw", "#999999"), ("dwarf-defer-1m", "libustack", BLUE))
    at = {(r["program"], r["mode"], r["unwinder"]): r for r in rows}
    names = list(dict.fromkeys(r["program"] for r in rows))

    def exact(name, mode, unwinder):
        r = at.get((name, mode, unwinder))
        return f"{100 * r['exact'] / max(1, r['samples']):.2f}" if r else "NaN"

    plot("accuracy",
         block("d", ([name, *(exact(name, m, u) for m, u, _ in kinds)] for name in names))
         + "set style data histograms\nset style fill solid\nset grid y\nset yrange [0:100]\n"
         "set key outside top center horizontal\nset ylabel '% of samples exact'\nset xtics rotate by 30 right\nplot "
         + ", ".join(f"$d u {i + 2}:xtic(1) t '{m}, {u}' lc rgb '{c}'" for i, (m, u, c) in enumerate(kinds)) + "\n",
         (1200, 520))


def bars(name, head, columns, lines, size, extra="", style=""):
    """A group of bars a line: its name, then a number for each column (title, colour)."""
    plot(name, block("d", lines)
         + f"set style data histograms\nset style fill solid\nset grid y\nset ylabel '{head}'\n"
         "set key outside top center horizontal\nset xtics rotate by 30 right\n" + extra + "plot "
         + ", ".join(f"$d u {i + 2}:xtic(1) t '{t}' lc rgb '{c}'{style}" for i, (t, c) in enumerate(columns)) + "\n", size)


def truth(rows):
    """A chain that is not exact has to be seen among a million: numbers on a scale of powers."""
    names = list(dict.fromkeys(r["program"] for r in rows))
    lines = []
    for name in names:
        chains, *known = (sum(r[c] for r in rows if r["program"] == name) for c in ("samples", "exact", "landing", "ending"))
        lines.append((name, *(n or "NaN" for n in (*known, chains - sum(known)))))
    bars("truth", "chains", (("exact", BLUE), ("landing", ORANGE), ("ending", GREY), ("not exact", RED)), lines, (1100, 480),
         "set logscale y\nset yrange [.5:*]\n")


def instructions(rows):
    kinds = dict(zip(dict.fromkeys(r["kind"] for r in rows), (BLUE, ORANGE, GREEN, GREY, RED)))
    at = {(r["shape"], r["kind"]): 100 * r["seen"] / r["instructions"] for r in rows}
    bars("instructions", "% that an NMI came at", kinds.items(),
         [(s, *(f"{at[s, k]:.2f}" if (s, k) in at else "NaN" for k in kinds)) for s in dict.fromkeys(r["shape"] for r in rows)],
         (1200, 480), "set yrange [0:100]\n")


def scale(rows):
    """What grows a panel; with no events more, and one task or CPU, where the axis begins."""
    text = ["set multiplot layout 2,2\nset grid\nset key bottom right\nset ylabel 'instructions a sample'\n"]
    for by in dict.fromkeys(r["by"] for r in rows):
        lines = []
        for mode, colour in (("dwarf", RED), ("dwarf-defer", BLUE)):
            found = [(r["n"], sum(r[p] for p in ("nmi", "ipi", "exit", "output")))
                     for r in rows if (r["by"], r["mode"]) == (by, mode)]
            name = f"{by}_{mode.replace('-', '_')}"
            text.append(block(name, found))
            lines.append(f"${name} u 1:2 t '{mode}' w lp pt 7 lc rgb '{colour}'")
        axes = "set logscale xy\n" if by == "bytes" else "unset logscale\nset yrange [0:*]\n"
        text.append(f"{axes}set xlabel '{by}'\nplot {', '.join(lines)}\nset yrange [*:*]\n")
    plot("scale", "".join(text) + "unset multiplot\n", (1100, 760))


def caches(rows):
    kinds = dict(zip(dict.fromkeys((r["mode"], r["stack_bytes"]) for r in rows),
                     ("#cccccc", PALE_RED, PALE_BLUE, RED, BLUE)))
    at = {(r["program"], r["mode"], r["stack_bytes"]): r["nmi_l1d"] + r["work_l1d"] for r in rows}
    bars("caches", "lines missed in L1d, a sample", ((f"{m} {(s + 512) // 1024}K", c) for (m, s), c in kinds.items()),
         [(p, *(at[p, m, s] for m, s in kinds)) for p in dict.fromkeys(r["program"] for r in rows)], (900, 440))


def unwind(rows):
    names = {"native": ("libustack", BLUE), "framehop": ("framehop", ORANGE), "libdw": ("libdw", GREY),
             "libunwind": ("libunwind", "#bbbbbb")}
    at = {(r["data"], r["unwinder"], r["pass"]): r["ns_per_frame"] for r in rows}
    lines = [(f"{data} {turn}", *(at.get((data, u, turn), "NaN") for u in names))
             for data in dict.fromkeys(r["data"] for r in rows) for turn in ("first", "later")]
    bars("unwind", "ns a frame", names.values(), lines, (1000, 440), "set logscale y\nset yrange [10:*]\n")


def runtimes(rows):
    """The one of the two recordings that there is of all."""
    parts = (("right", BLUE), ("cut", ORANGE), ("wrong", RED))
    bars("runtimes", "% of chains", parts,
         [(r["runtime"], *(r[f"{p}_pct"] for p, _ in parts)) for r in rows if r["capture"] == "dwarf-64k"], (1200, 480),
         "set style histogram rowstacked\nset boxwidth .8\nset yrange [0:100]\nset xtics rotate by 60 right\n")


def live(rows):
    tools = {"ustack": ("ustack record", BLUE), "perf": ("perf record", RED), "perf-debian": ("perf record, Debian", PALE_RED)}
    at = {(r["workload"], r["hz"], r["tool"]): r for r in rows}
    lines = [(f"{name} {hz // 1000} kHz", *(at[name, hz, tool]["bytes_per_sample"] for tool in tools))
             for name, hz in dict.fromkeys((r["workload"], r["hz"]) for r in rows)]
    bars("live", "bytes of a sample in the file", tools.values(), lines, (1000, 440), "set logscale y\nset yrange [1:*]\n")


ALL = {f.__name__: f for f in (nmi, overhead, scale, caches, volume, accuracy, truth, instructions, unwind, runtimes, live)}


def draw(name):
    ALL[name](read_csv(name))
    print(f"drawn: build/bench/{name}.svg and .png")
