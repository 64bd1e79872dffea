"""`python -m bench.instructions`: instructions of every kernel on a small case, beside kept ones.

They are counted by valgrind's callgrind, in one thread at level v3, and hardly depend on the machine or on
what else it does. They do depend on the compiler: with another one, keep those of the version before first.
"""

import argparse
import copy
import gc
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import kernels
from gramfold import _core

KEPT = Path(__file__).parent / "results" / "instructions.json"
LEVEL = "v3"  # valgrind knows no AVX-512
TOLERANCE = 0.02

Counts = dict[str, int]


def call_all(name: str = LEVEL) -> None:
    """Call every kernel, each call between two of `os.getppid`, where callgrind writes down its counts."""
    level = _core.load(name)
    gc.disable()
    for label, arguments in kernels.calls(level).items():
        kernel, again = getattr(level, kernels.kernel_of(label)), copy.deepcopy(arguments)
        kernel(**arguments)  # what is only done once
        os.getppid()
        kernel(**again)
        os.getppid()


def counted() -> Counts:
    """Count the instructions of each call."""
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts"
        subprocess.run(
            ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={counts}", "--dump-before=getppid",
             sys.executable, "-c", "from bench import instructions; instructions.call_all()"],
            env=os.environ | {"GRAMFOLD_ISA": LEVEL, "PYTHONHASHSEED": "0"}, check=True,
        )  # fmt: skip
        labels = kernels.calls(_core.load(LEVEL))
        return {label: _total(counts.with_suffix(f".{2 * i}")) for i, label in enumerate(labels, start=1)}


def _total(counts: Path) -> int:
    line = next(line for line in counts.read_text().splitlines() if line.startswith("totals:"))
    return int(line.split()[1])


def compared(kept: Counts, now: Counts) -> tuple[str, list[str], list[str]]:
    """The table; calls that need more than is kept, or are on one side alone; and calls that need less."""
    lines = [f"{'call':32}{'kept':>13}{'now':>13}{'ratio':>8}"]
    more, less = [], []
    for label in kept | now:
        before, after = kept.get(label, 0), now.get(label, 0)
        ratio = after / before if before else float("inf")
        if not after or ratio > 1 + TOLERANCE:
            more.append(label)
        elif ratio < 1 - TOLERANCE:
            less.append(label)
        lines.append(f"{label:32}{before:13,}{after:13,}{ratio:8.3f}{'  <' if label in more else ''}")
    return "\n".join(lines), more, less


def main() -> int:
    """Compare with what is kept, or keep; the exit status is 1 if a kernel got slower."""
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description=__doc__)
    parser.add_argument("--keep", action="store_true", help=f"keep these counts in {KEPT.name}")
    args = parser.parse_args()
    compiler = _core.load(LEVEL).compiler()
    stored: dict[str, Any] = (
        json.loads(KEPT.read_text()) if KEPT.exists() else {"compiler": compiler, "counts": {}}
    )
    if stored["compiler"] != compiler and not args.keep:
        parser.error(f"kept counts are of {stored['compiler']}, these kernels of {compiler}: see --keep")
    now = counted()
    table, more, less = compared(stored["counts"], now)
    print(table)
    if args.keep:
        KEPT.write_text(json.dumps({"compiler": compiler, "counts": now}, indent=1) + "\n")
        return 0
    if less:
        print(f"less than is kept, and worth keeping: {', '.join(less)}")
    if more:
        print(f"more than {TOLERANCE:.0%} above what is kept, or not counted: {', '.join(more)}")
    return 1 if more else 0


if __name__ == "__main__":
    raise SystemExit(main())
