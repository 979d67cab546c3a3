#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# make demo: its table holds what README.md promises and its flame graph has the
# program's functions. Then it is broken on purpose, and has to say so in a line.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
export PYTHONDONTWRITEBYTECODE=1
unset WORKLOAD
mkdir -p "$top/build/check"
work=$(mktemp -d "$top/build/check/demo.XXXXXX")
trap 'rm -rf "$work"' EXIT
fail() { echo "FAIL: $*"; exit 1; }

# table DIR: its summary.csv, against what README.md says that make demo shows
table()
{
	/usr/bin/python3 - "$top/README.md" "$1/summary.csv" "$("$top/tests/qemu/vm" --accelerator)" <<-'END'
		import csv
		import sys

		PROMISE = """With deferred stacks no sample is lost, the NMI's p50 is less than two thirds as long,
		a sample of objtool has less than half the bytes, and at least 99 % of the chains of truth and
		truth-deep are exact."""
		MODES = ("dwarf", "dwarf-defer")
		readme, summary, accelerator = sys.argv[1:]


		def fail(text):
		    sys.exit(f"FAIL: {text}")


		with open(readme) as f:
		    if " ".join(PROMISE.split()) not in " ".join(f.read().split()):
		        fail("README.md does not promise any more what is checked here: change both")
		columns = "program mode samples paired lost complete_pct exact_pct bytes_per_sample nmi_p50 nmi_p99 nmi_max"
		with open(summary, newline="") as f:
		    rows = csv.DictReader(f)
		    missing = set(columns.split()) - set(rows.fieldnames or ())
		    if missing:
		        fail(f"{summary} has no column {' '.join(sorted(missing))}")
		    at = {(r["program"], r["mode"]): r for r in rows}
		if list(at) != [(p, m) for p in ("objtool", "truth", "truth-deep") for m in MODES]:
		    fail(f"{summary} has other rows: {list(at)}")


		def number(program, mode, column):
		    try:
		        return float(at[program, mode][column])
		    except (TypeError, ValueError):
		        fail(f"{column} of {program}, {mode} is no number: {at[program, mode][column]!r}")


		for program, mode in at:
		    if number(program, mode, "paired") < 100:
		        fail(f"{program}, {mode} has only {number(program, mode, 'paired'):.0f} samples with a stack")
		    if number(program, mode, "lost"):
		        fail(f"{program}, {mode} lost {number(program, mode, 'lost'):.0f} samples")
		for program in ("objtool", "truth", "truth-deep"):
		    legacy, deferred = (number(program, mode, "nmi_p50") for mode in MODES)
		    if accelerator == "tcg" and not 0 < 3 * deferred < 2 * legacy:  # with KVM it is a time
		        fail(f"{program}: NMI p50 of {deferred:.0f}, not less than two thirds of {legacy:.0f}")
		    if program != "objtool" and number(program, "dwarf-defer", "exact_pct") < 99:
		        fail(f"{program}: only {number(program, 'dwarf-defer', 'exact_pct')} % of the chains are exact")
		legacy, deferred = (number("objtool", mode, "bytes_per_sample") for mode in MODES)
		if not 0 < deferred < legacy / 2:
		    fail(f"objtool: {deferred:.0f} bytes a sample, not less than half of {legacy:.0f}")
	END
}

# graph FILE: whole, most of objtool below the functions that call the rest, and all with names
graph()
{
	/usr/bin/python3 -B - "$top/tests/views" "$1" <<-'END'
		import sys

		sys.path.insert(0, sys.argv[1])
		import folded

		KNOWN = ("_start", "objtool_run", "check", "decode_file")
		try:
		    chains = folded.page(sys.argv[2])
		    data = folded.data_of(sys.argv[2])
		except (TypeError, ValueError) as e:
		    sys.exit(f"FAIL: {sys.argv[2]} is not whole: {e}")
		all_ = sum(chains.values())
		for name in KNOWN:
		    part = sum(n for chain, n in chains.items() if name in chain.split(";")) / all_
		    if part < 0.5:
		        sys.exit(f"FAIL: {sys.argv[2]}: {name} is in {100 * part:.1f} % of the samples, not in most")
		unknown = [f[0] for f in data["funcs"] if f[1].endswith("/objtool") and f[0].startswith(("objtool+", "[objtool"))]
		if unknown:
		    sys.exit(f"FAIL: {sys.argv[2]}: functions of objtool without name: {unknown[:5]}")
		if not any(f[2] == 1 and f[1].endswith("/objtool") for f in data["funcs"]):
		    sys.exit(f"FAIL: {sys.argv[2]}: no inlined function")
		if not any(f[2] == 2 and f[0] != "[kernel]" for f in data["funcs"]):
		    sys.exit(f"FAIL: {sys.argv[2]}: no function of the kernel by name")
	END
}

make -C "$top" --no-print-directory demo
table "$top/build/demo"
graph "$top/build/demo/flamegraph.html"

# broken WHAT LINE: the demo of one truth program, from a copy of what is recorded,
# after the Python statements of standard input
broken()
{
	local status=0

	cp -rl "$top/build/demo" "$work/demo"
	/usr/bin/python3 - "$top/bench" "$work/demo" >"$work/out" 2>"$work/said" <<-END || status=$?
		import importlib.machinery
		import importlib.util
		import os
		import sys
		sys.path.insert(0, sys.argv[1])
		import common
		loader = importlib.machinery.SourceFileLoader("demo", sys.argv[1] + "/demo")
		demo = importlib.util.module_from_spec(importlib.util.spec_from_loader("demo", loader))
		loader.exec_module(demo)
		demo.OUT = sys.argv[2]
		programs = demo.programs()
		demo.programs = lambda: programs[1:2]
		data = os.path.join(demo.OUT, "truth-dwarf-defer")

		def put(path, text, mode=0o644):
		    "Into a new file: the old one is a link to the real one."
		    path = os.path.join(data, path)
		    if os.path.exists(path):
		        os.unlink(path)
		    with open(path, "wb") as f:
		        f.write(text)
		    os.chmod(path, mode)
		    return path

		def get(path):
		    with open(os.path.join(data, path), "rb") as f:
		        return f.read()

		$(cat)
		common.main(demo.demo, "demo")
	END
	rm -rf "$work/demo"
	[ $status = 1 ] || fail "$1: exit status $status: $(cat "$work/out" "$work/said")"
	[ "$(wc -l <"$work/said")" = 1 ] || fail "$1: not one line: $(cat "$work/said")"
	grep -q "^demo: .*$2" "$work/said" || fail "$1: no \"$2\" in: $(cat "$work/said")"
	echo "$1: $(cat "$work/said")"
}

broken "a line more from check" "check printed 'one line more', which is not one more key" <<'END'
common.CHECK = put("check", f"#!/bin/sh\n{common.CHECK} \"$@\" && echo one line more\n".encode(), 0o755)
END
broken "a line of check twice" "check printed 'paired 1', which is not one more key" <<'END'
common.CHECK = put("check", f"#!/bin/sh\n{common.CHECK} \"$@\" && echo paired 1\n".encode(), 0o755)
END
broken "a line less from check" "check did not print exact: .* run make lib" <<'END'
common.CHECK = put("check", f"#!/bin/sh\n{common.CHECK} \"$@\" | grep -v '^exact '\n".encode(), 0o755)
END
broken "a key less from ustack stat" "ustack stat did not print samples: .* run make lib" <<'END'
demo.USTACK = common.USTACK = put("ustack", f"#!/bin/sh\n{common.USTACK} \"$@\" | grep -v '^samples '\n".encode(), 0o755)
END
broken "a missing column in the histogram" "nmi.hist has a line that is not a duration and a count: .* run make demo again" <<'END'
put("nmi.hist", b"".join(line.split()[0] + b"\n" for line in get("nmi.hist").splitlines()))
END
broken "a histogram without NMIs" "nmi.hist has no NMI, .* run make demo again" <<'END'
put("nmi.hist", b"")
END
broken "an empty recording" "is empty.*: delete .*truth-dwarf-defer and run make demo again" <<'END'
put("perf.data", b"")
END
broken "a recording without samples" "perf.data: has no samples: record" <<'END'
# One PERF_RECORD_FINISHED_ROUND and no features.
text = bytearray(get("perf.data"))
text[48:56], text[72:104] = b"\x08" + bytes(7), bytes(32)
put("perf.data", text[:int.from_bytes(text[40:48], "little")] + b"\x44\0\0\0\0\0\x08\0")
END
broken "a recording that is cut" "is cut.*: delete .*truth-dwarf-defer and run make demo again" <<'END'
put("perf.data", get("perf.data")[:-100000])
END
broken "a guest that is killed" "recording truth with .* was killed by signal 9: run make demo again" <<'END'
demo.VM, demo.HZ = put("vm", b"#!/bin/sh\nkill -9 $$\n", 0o755), 1
END
broken "no room on the disk" "No space left on device.*: free some" <<'END'
os.symlink("/dev/full", os.path.join(demo.OUT, "summary.csv.new"))
END

# A column that is gone from the table, a graph that is cut.
mkdir "$work/demo"
sed 's/,nmi_p50//' "$top/build/demo/summary.csv" >"$work/demo/summary.csv"
! table "$work/demo" 2>"$work/said" || fail "a column that is gone was not seen"
grep 'has no column nmi_p50' "$work/said"
head -c 30000 "$top/build/demo/flamegraph.html" >"$work/cut.html"
! graph "$work/cut.html" 2>"$work/said" || fail "a graph that is cut was not seen"
grep 'cut.html is not whole' "$work/said"
