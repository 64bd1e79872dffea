"""--dry-run: what a fit would take, from fits to a few blocks of its rows."""

import argparse
import json
import time
from typing import Any, NamedTuple

from ..io.parts import Parts
from .errors import CONVERGED
from .families import Family
from .inputs import Input
from .jobs import Job
from .sample import (
    Cost,
    bytes_of,
    cost,
    fit,
    free_memory,
    lies_in_file,
    memory,
    middle,
    passes,
    read,
    read_rate,
    some,
)

PROCESS = 150 << 20  # bytes of Python and libraries
FEWEST = 500  # rows that are fitted
ENOUGH = 1 << 25  # bytes of rows, after which more tell little more
LONGEST = 2.0  # seconds


def run(
    command: argparse.Namespace, family: Family, jobs: list[Job], models: list[Any], given: Input, y: Any
) -> int:  # fmt: skip
    """Print it; gives the exit status."""
    X, ranks = given.X, {job.rank: model for job, model in zip(jobs, models, strict=True)}
    rate = read_rate(X)
    fits = {
        rank: _predicted(model, X, y, max(FEWEST, 4 * (rank or 0)), rate) for rank, model in ranks.items()
    }
    found = {
        "model": family.model,
        "input": given.place,
        "shape": list(X.shape),
        "dtype": str(X.dtype),
        "bytes": int(bytes_of(X)),
        "in_file": lies_in_file(X),
        "read_bytes_per_second": int(rate),
        "fits": [{"rank": rank, **one} for rank, one in fits.items()],
        "seconds": round(sum(fits[job.rank]["seconds"] for job in jobs), 3),
    }
    print(json.dumps(found) if command.json else _said(found, len(jobs)))
    return CONVERGED


class _Line(NamedTuple):
    """Seconds by the number of rows."""

    fixed: float
    each: float

    def at(self, rows: int) -> float:
        return self.fixed + self.each * rows


def _line(counts: list[int], seconds: list[float]) -> _Line:
    """Through the last two measurements, neither part less than 0."""
    if len(counts) == 1:
        return _Line(0.0, seconds[0] / counts[0])
    (a, b), (s, t) = counts[-2:], seconds[-2:]
    each = min(max(0.0, (t - s) / (b - a)), t / b)
    return _Line(t - each * b, each)


def _predicted(model: Any, X: Any, y: Any, count: int, rate: float) -> dict[str, Any]:
    """Passes, seconds and memory of one fit to all rows, from fits to more and more of them."""
    n, reading = X.shape[0], bytes_of(X) / rate if lies_in_file(X) and bytes_of(X) > free_memory() else 0.0
    counts = [min(n, count)]
    read_often = passes(model, read(_some(X, counts[0])), _target(X, y, counts[0]))
    costs: list[Cost] = []
    while True:
        begun = time.perf_counter()
        rows, target = _some(X, counts[-1]), _target(X, y, counts[-1])
        fit(model, rows, target, 1)  # wakes threads, and has the rows cached
        costs.append(cost(model, rows, target))
        if counts[-1] == n or bytes_of(rows) > ENOUGH:
            break
        if len(counts) > 2 and time.perf_counter() - begun > LONGEST:
            break
        counts.append(min(n, 4 * counts[-1]))
    start = max(_line(counts, [one.start for one in costs]).at(n), read_often.start * reading)
    each = max(_line(counts, [one.each for one in costs]).at(n), read_often.each * reading)
    most = (model.get_params().get("max_iter") or 1) if costs[-1].each else 0
    return {
        "rows_tried": counts[-1],
        "passes_to_start": round(read_often.start, 2),
        "passes_an_iteration": round(read_often.each, 2),
        "seconds_to_start": round(start, 4),
        "seconds_an_iteration": round(each, 6),
        "max_iter": most,
        "seconds": round(start + most * each, 3),
        "memory_bytes": _memory(model, X, y, counts[-1]),
    }


def _some(X: Any, count: int) -> Any:
    at = middle(X, count)
    return some(X, at.start, at.stop)


def _target(X: Any, y: Any, count: int) -> list[Any]:
    return [] if y is None else [y[middle(X, count)]]


def _memory(model: Any, X: Any, y: Any, count: int) -> int:
    """Give the bytes of the process, of X or its segments in memory, and of what grows with the rows."""
    counts = [max(1, count // 4), count]
    taken = [float(memory(model, read(_some(X, size)), _target(X, y, size))) for size in counts]
    beside = _line(counts, taken).at(X.shape[0])
    parts = getattr(X, "parts", None)
    if isinstance(parts, Parts):
        held = 3 * max((b - a) * reader.row_bytes for reader, a, b in parts.pieces)
    else:
        held = 0.0 if lies_in_file(X) else bytes_of(X)
    return int(PROCESS + beside + held)


def _said(found: dict[str, Any], jobs: int) -> str:
    rows, columns = found["shape"]
    place = "in a file" if found["in_file"] else "in memory"
    lines = [
        f"shape: {rows:,} x {columns:,} {found['dtype']}, {_size(found['bytes'])} {place}",
        f"read: at {_size(found['read_bytes_per_second'])} a second",
    ]
    for one in found["fits"]:
        name = found["model"] if one["rank"] is None else f"k={one['rank']}"
        lines.append(
            f"{name}: {one['passes_to_start']:g} passes and {_time(one['seconds_to_start'])} to start, "
            f"{one['passes_an_iteration']:g} passes and {_time(one['seconds_an_iteration'])} an iteration; "
            f"{one['max_iter']} iterations at most; memory {_size(one['memory_bytes'])}"
        )
    many = "" if jobs == 1 else f" for {jobs} fits"
    return "\n".join([*lines, f"predicted: at most {_time(found['seconds'])}{many}"])


def _size(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"
