# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
"""What the benches share: programs to sample, runs in the guest, CSV files."""

import collections
import csv
import errno
import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(HERE)
OUT = os.path.join(TOP, "build/bench")
RESULTS = os.path.join(HERE, "results")
KERNEL = os.environ.get("KERNEL") or os.path.join(TOP, "build/kernel/arch/x86/boot/bzImage")
VARIANT = os.path.join(TOP, "build/variant/{}/kernel/arch/x86/boot/bzImage")



def build_of(kernel):
    """The output directory of the build that this bzImage is from."""
    return os.path.dirname(os.path.realpath(kernel)).removesuffix("/arch/x86/boot")


BUILD = build_of(KERNEL)
VMLINUX = os.path.join(BUILD, "vmlinux")
VDSO = os.path.join(BUILD, "arch/x86/entry/vdso/vdso64/vdso64.so.dbg")
VDSO32 = os.path.join(BUILD, "arch/x86/entry/vdso/vdso32/vdso32.so.dbg")
PERF = os.environ.get("PERF") or os.path.join(TOP, "build/perf/perf")
USTACK = os.path.join(TOP, "build/libustack/ustack")
SAMPLER = os.path.join(OUT, "sampler")
LOAD = os.path.join(OUT, "load")
CHECK = os.path.join(TOP, "tests/truth/check")
TRUTH_FIELDS = "comm,tid,time,pair,changed,uip,end,ip,sym,dsoff"      # that check reads
VM = os.path.join(TOP, "tests/qemu/vm")


class Failure(Exception):
    """One line: what is wrong and what to do."""


class Stopped(Failure):
    """A program of ours failed; what it said is in the line."""


class Keyed(dict):
    """What another program wrote, by key; MISSING says what is wrong where it has no such key."""

    def __init__(self, items, missing):
        super().__init__(items)
        self.missing = missing

    def __missing__(self, key):
        raise Failure(self.missing.format(key))


def accounts(who, text):
    """What the program WHO printed, "key number" a line."""
    advice = "it is of another version than this program: check out one commit and run make lib"
    found = Keyed({}, f"{who} did not print {{}}: {advice}")
    for line in text.splitlines():
        words = line.split()
        if len(words) != 2 or not re.fullmatch(r"[0-9]+(\.[0-9]+)?", words[1]) or words[0] in found:
            raise Failure(f"{who} printed {line!r}, which is not one more key and its number: {advice}")
        found[words[0]] = float(words[1]) if "." in words[1] else int(words[1])
    return found


def stat(data, vdso=VDSO):
    """What ustack stat counts in a perf.data of the guest."""
    return accounts("ustack stat", run([USTACK, "stat", "--vdso", vdso, "-i", data], "ustack stat"))


def run(command, what, told=None, **kwargs):
    """The output of a command of ours; a Failure with its last line if it fails.

    What it writes to standard error goes to the file TOLD, if there is one. ustack says
    first what is wrong, and then what else came of it."""
    # Names of symbols may be of any bytes.
    done = subprocess.run(command, text=True, errors="surrogateescape", stderr=subprocess.PIPE,
                          **{"stdout": subprocess.PIPE, **kwargs})
    if told:
        with open(told, "w", errors="surrogateescape") as f:
            f.write(done.stderr)
    if done.returncode:
        lines = (done.stderr.strip() or (done.stdout or "").strip() or "no output").splitlines()
        raise Stopped(f"{what} failed with status {done.returncode}: {lines[0 if command[0] == USTACK else -1]}")
    return done.stdout


def checked(script, truth, told, *options):
    """What tests/truth/check counts in the chains that the command SCRIPT prints; what it
    tells of those that are not exact goes to the file TOLD."""
    with tempfile.TemporaryFile(dir=os.path.dirname(told)) as chains:
        run(script, " ".join((os.path.basename(script[0]), script[1])), stdout=chains)
        chains.seek(0)
        return accounts("tests/truth/check", run([CHECK, "-v", *options, truth], "tests/truth/check",
                                                 told=told, stdin=chains))


@functools.cache
def kvm():
    """Without it the guest counts instructions, and costs repeat exactly."""
    return run([VM, "--accelerator"], "tests/qemu/vm").strip() == "kvm"


def watched(command, log, how_far):
    """The status of COMMAND, whose output goes to the file LOG; prints how_far() every 10 seconds."""
    start = time.monotonic()
    with open(log, "w") as f:
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=f, stderr=f) as running:
            while True:
                try:
                    return running.wait(10)
                except subprocess.TimeoutExpired:
                    print(f"{how_far()}, {time.monotonic() - start:.0f} s", flush=True)


def guest(name, plan, memory=(), here=False, limit=3600, options=(), icount=True, kernel=KERNEL):
    """Run a plan, shell commands, with bench/guest; the directory it leaves files in.

    A run is a line with $VM_SHARE in it, and done when it has left something there."""
    where = os.path.join(OUT, name)
    shutil.rmtree(where, ignore_errors=True)
    os.makedirs(where)
    with open(os.path.join(where, "plan"), "w") as f:
        f.write(plan)
    command = [os.path.join(HERE, "guest"), os.path.join(where, "plan"), *memory]
    if here:
        command = ["unshare", "-m", "env", f"VM_SHARE={where}", *command]
    else:
        if not os.path.exists(kernel):
            raise Failure(f"there is no kernel at {kernel}: run make kernel, or make bench-overhead for those of build/variant")
        mode = [] if kvm() or not icount else ["--icount"]
        command = [VM, "--kernel", kernel, *mode, "--append", "norandmaps", "--share", where,
                   "--time-limit", str(limit), *options, "--", *command]
    log = os.path.join(where, "log")
    total = sum("$VM_SHARE" in line for line in plan.splitlines())

    def how_far():
        done = sum(e.stat().st_size > 0 for e in os.scandir(where) if e.name not in ("plan", "log"))
        return f"{name}: {done} of {total} runs"

    status = watched(command, log, how_far)
    if status:
        with open(log) as f:
            lines = [x for x in f.read().splitlines() if x and not x.startswith("vm: COMMAND ended")]
        raise Failure(f"the run in the guest ended with status {status}: "
                      f"{lines[-1] if lines else 'no output'} (all of it: {os.path.relpath(log, TOP)})")
    return where


def sampler(name, mode, stack, hz, command, *options, program=SAMPLER):
    """A line of a plan: the accounts of one run, in the file NAME."""
    words = [program, *options, mode, str(stack), str(hz), "--", *command]
    return f"{shlex.join(words)} >\"$VM_SHARE/{name}\"\n"


def truth_program(where, *options):
    """Build one there, without its sources: the guest copies it to its memory."""
    run([os.path.join(TOP, "tests/truth/build"), where, *options], f"building {os.path.basename(where)}")
    shutil.rmtree(os.path.join(where, "src"))


def recording(name, hz, graph, command, ring="256M"):
    """Lines of a plan: perf record of COMMAND, as the file NAME.data.zst. Stacks are much alike, and
    9p takes seconds for a megabyte on a busy host."""
    words = [PERF, "record", "-B", "-N", "-m", ring, "-e", "cycles" if kvm() else "nmi_clock//", "-F", str(hz),
             "--call-graph", graph, "-o", "/tmp/perf.data", "--", *command]
    return (f"{shlex.join(words)} >/dev/null\nzstd -q -1 --rm /tmp/perf.data\n"
            f"mv /tmp/perf.data.zst \"$VM_SHARE/{name}.data.zst\"\n")


def unpacked(where, name):
    """That recording, to be removed when it has been read."""
    path = os.path.join(where, name + ".data")
    run(["zstd", "-q", "-d", "--rm", path + ".zst"], "zstd")
    return path


def counted(path):
    """What bench/parts.c counted, by run and part, and by run, part and function or cache."""
    found = collections.defaultdict(collections.Counter)
    with open(path) as f:
        for line in f:
            turn, part, of, n = line.split()
            found[int(turn)][part] += int(n)
            found[int(turn)][part, of] += int(n)
    return found


def sampled(where, name):
    """What bench/sampler counted in one run: it writes key=number, a word each."""
    with open(os.path.join(where, name)) as f:
        return accounts("bench/sampler", f.read().replace(" ", "\n").replace("=", " "))


def cc1(name):
    """cc1 and a preprocessed source of the kernel's libbpf: its command, what is read."""
    binary = run(["gcc", "-print-prog-name=cc1"], "gcc").strip()
    tools = os.path.join(TOP, "build/linux/tools")
    source = os.path.join(OUT, name.removesuffix(".c") + ".i")
    include = [f"-I{tools}/{d}" for d in ("include", "include/uapi", "lib")]
    # At once: the guest of another bench may be reading it.
    run(["gcc", "-E", "-P", "-D_GNU_SOURCE", *include, f"{tools}/lib/bpf/{name}", "-o", f"{source}.{os.getpid()}"],
        f"preprocessing tools/lib/bpf/{name}")
    os.rename(f"{source}.{os.getpid()}", source)
    return [binary, "-quiet", "-O1", source, "-o", "/dev/null"], [binary, source]


def record_cc1(rate, data):
    """cc1 on a source that keeps it busy for some seconds, on this machine, to the file DATA."""
    source = os.path.splitext(data)[0] + ".c"
    with open(source, "w", encoding="utf-8") as file:
        for n in range(1500):
            file.write(f"int f{n}(int *p, int n) {{ int i, s = 0; for (i = 0; i < n; i++) "
                       f"s += p[i] % {n + 3} ? p[n - i] : s * {n}; return s; }}\n")
    compiler = run(["gcc", "-print-prog-name=cc1"], "gcc").strip()
    run([PERF, "record", "-q", "-e", "cpu-clock:u", "-F", str(rate), "-m", "8M", "--call-graph",
         "dwarf,8192", "-o", data, "--", compiler, "-quiet", "-O2", source, "-o", "/dev/null"], "perf record")


def python(turns):
    """Python compiling, calling and matching: deep C stacks of an interpreter."""
    script = ("import re, json\n"
              "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n"
              "text = json.dumps([[i, str(i) * 5] for i in range(200)])\n"
              f"for i in range({turns}):\n"
              "    fib(12); json.loads(text); re.sub(r'(\\d)(\\d)', r'\\2\\1', text)\n"
              "    sorted(range(500), key=lambda n: -n)\n")
    return ["/usr/bin/python3", "-S", "-c", script]


def write_csv(name, columns, rows):
    os.makedirs(RESULTS, exist_ok=True)
    path = os.path.join(RESULTS, name + ".csv")
    with open(path + ".new", "w", newline="") as f:
        table = csv.DictWriter(f, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    os.rename(path + ".new", path)
    print(f"written: bench/results/{name}.csv")


def number(text):
    try:
        return int(text)
    except ValueError:
        return text


def read_csv(name):
    """The rows of a file in bench/results; whole numbers are numbers."""
    path, again = f"bench/results/{name}.csv", f"run make bench-{name}"
    rows = []
    if not os.path.exists(os.path.join(RESULTS, name + ".csv")):
        raise Failure(f"{path} is not there: {again}")
    with open(os.path.join(RESULTS, name + ".csv"), newline="") as f:
        for row in csv.DictReader(f):
            if None in row or None in row.values():
                raise Failure(f"{path} has another number of fields in row {len(rows) + 1} than in its head: {again}")
            rows.append(Keyed({k: number(v) for k, v in row.items()}, f"{path} has no column {{}}: {again}"))
    if not rows:
        raise Failure(f"{path} has no rows: {again}")
    return rows


def main(function, name):
    try:
        function()
    except OSError as e:
        sys.exit(f"{name}: {e}" + (": free some, then run it again" if e.errno == errno.ENOSPC else ""))
    except Failure as e:
        sys.exit(f"{name}: {e}")
    except Exception as e:
        where = traceback.extract_tb(e.__traceback__)[-1]
        sys.exit(f"{name}: {type(e).__name__} in {os.path.relpath(where.filename, TOP)}, line {where.lineno}: {e}; "
                 "this is a mistake in it: please report the line")
    except KeyboardInterrupt:
        sys.exit(f"{name}: interrupted; run it again")
