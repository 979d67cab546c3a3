# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
"""What the benches share: programs to sample, runs in the guest, CSV files."""

import csv
import os
import shlex
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(HERE)
OUT = os.path.join(TOP, "build/bench")
RESULTS = os.path.join(HERE, "results")
KERNEL = os.environ.get("KERNEL") or os.path.join(TOP, "build/kernel/arch/x86/boot/bzImage")
BUILD = os.path.dirname(os.path.realpath(KERNEL)).removesuffix("/arch/x86/boot")
VDSO = os.path.join(BUILD, "arch/x86/entry/vdso/vdso64/vdso64.so.dbg")
VDSO32 = os.path.join(BUILD, "arch/x86/entry/vdso/vdso32/vdso32.so.dbg")
PERF = os.environ.get("PERF") or os.path.join(TOP, "build/perf/perf")
USTACK = os.path.join(TOP, "build/libustack/ustack")
SAMPLER = os.path.join(OUT, "sampler")
LOAD = os.path.join(OUT, "load")
VM = os.path.join(TOP, "tests/qemu/vm")


class Failure(Exception):
    """One line: what is wrong and what to do."""


def run(command, what, **kwargs):
    """The output of a command of ours; a Failure with its last line if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, **kwargs)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise Failure(f"{what} failed with status {done.returncode}: {last}")
    return done.stdout


def kvm():
    return os.access("/dev/kvm", os.R_OK | os.W_OK)


def guest(name, plan, memory=(), here=False, limit=3600, options=(), icount=True):
    """Run a plan, shell commands, with bench/guest; the directory it leaves files in."""
    where = os.path.join(OUT, name)
    shutil.rmtree(where, ignore_errors=True)
    os.makedirs(where)
    with open(os.path.join(where, "plan"), "w") as f:
        f.write(plan)
    command = [os.path.join(HERE, "guest"), os.path.join(where, "plan"), *memory]
    if here:
        command = ["unshare", "-m", "env", f"VM_SHARE={where}", *command]
    else:
        if not os.path.exists(KERNEL):
            raise Failure(f"there is no kernel at {KERNEL}: run make kernel")
        mode = [] if kvm() or not icount else ["--icount"]
        command = [VM, "--kernel", KERNEL, *mode, "--append", "norandmaps", "--share", where,
                   "--time-limit", str(limit), *options, "--", *command]
    log = os.path.join(where, "log")
    with open(log, "w") as f:
        status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=f, stderr=f).returncode
    if status:
        with open(log) as f:
            lines = [x for x in f.read().splitlines() if x and not x.startswith("vm: COMMAND ended")]
        raise Failure(f"the run in the guest ended with status {status}: "
                      f"{lines[-1] if lines else 'no output'} (all of it: {os.path.relpath(log, TOP)})")
    return where


def sampler(name, mode, stack, hz, command, *options):
    """A line of a plan: the accounts of one run, in the file NAME."""
    words = [SAMPLER, *options, mode, str(stack), str(hz), "--", *command]
    return f"{shlex.join(words)} >\"$VM_SHARE/{name}\"\n"


def accounts(where, name):
    with open(os.path.join(where, name)) as f:
        return {k: int(v) for k, v in (word.split("=") for word in f.read().split())}


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
    with open(os.path.join(RESULTS, name + ".csv"), newline="") as f:
        return [{k: number(v) for k, v in row.items()} for row in csv.DictReader(f)]


def main(function, name):
    try:
        function()
    except (Failure, OSError, ValueError, KeyError) as e:
        sys.exit(f"{name}: {e}")
    except KeyboardInterrupt:
        sys.exit(f"{name}: interrupted")
