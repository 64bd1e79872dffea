"""--dry-run: what a fit would take, from fits to a few blocks of its rows."""

import argparse
import json
import time
from typing import Any

from ..io.parts import Parts
from ..io.sizes import physical_memory
from . import sample
from .errors import CONVERGED
from .families import Family
from .inputs import Input
from .jobs import Job
from .report import peak_memory
from .sample import bytes_of, lies_in_file, read

PROCESS = 200 << 20  # bytes of Python and libraries
FEWEST = 500  # rows that are fitted
ENOUGH = 1 << 27  # bytes of rows, which no cache holds: more tell little more
LONGEST = 2.0  # seconds


def run(
    command: argparse.Namespace, family: Family, jobs: list[Job], models: list[Any], given: Input, y: Any
) -> int:  # fmt: skip
    """Print it; gives the exit status."""
    X, ranks = given.X, {job.rank: model for job, model in zip(jobs, models, strict=True)}
    process = peak_memory() or PROCESS  # and X, unless that stays in its file
    rate, cached = (sample.read_rate(X) for _ in range(2))
    fits = {
        rank: _predicted(model, X, y, max(FEWEST, 4 * (rank or 0)), (rate, cached), process)
        for rank, model in ranks.items()
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


def _grown(counts: list[int], taken: list[float], rows: int) -> float:
    """What more rows take, by the line through the last two measurements, neither part of it less than 0."""
    each = taken[-1] / counts[-1]
    if len(counts) > 1:
        each = min(each, max(0.0, (taken[-1] - taken[-2]) / (counts[-1] - counts[-2])))
    return taken[-1] + each * (rows - counts[-1])


def _predicted(
    model: Any, X: Any, y: Any, count: int, rates: tuple[float, float], process: int
) -> dict[str, Any]:  # fmt: skip
    """Passes, seconds and memory of one fit to all rows, from fits to more and more of them.

    `rates` are bytes read a second, from where X lies and from the system's cache.
    """
    n, in_file = X.shape[0], lies_in_file(X)
    large = in_file and bytes_of(X) > physical_memory()
    first, later = (bytes_of(X) / rate if in_file else 0.0 for rate in rates)
    reading = first if large else later  # later passes find what fits in the cache
    counts = [min(n, count)]
    read_often = sample.passes(model, read(_some(X, counts[0])), _target(X, y, counts[0]))
    costs: list[sample.Cost] = []
    while True:
        begun = time.perf_counter()
        rows, target = _some(X, counts[-1]), _target(X, y, counts[-1])
        sample.fit(model, rows, target, 1)  # wakes threads, and has the rows cached
        costs.append(sample.cost(model, rows, target))
        if counts[-1] == n or bytes_of(rows) > ENOUGH:
            break
        if len(counts) > 2 and time.perf_counter() - begun > LONGEST:
            break
        counts.append(min(n, 4 * counts[-1]))
    start = max(_grown(counts, [one.start for one in costs], n), read_often.start * reading)
    start = max(start, first)
    each = max(_grown(counts, [one.each for one in costs], n), read_often.each * reading)
    most = (model.get_params().get("max_iter") or 1) if costs[-1].each else 0
    return {
        "rows_tried": counts[-1],
        "passes_to_start": round(read_often.start, 2),
        "passes_an_iteration": round(read_often.each, 2),
        "seconds_to_start": round(start, 4),
        "seconds_an_iteration": round(each, 6),
        "max_iter": most,
        "seconds": round(start + most * each, 3),
        "memory_bytes": int(process + _memory(model, X, y, counts[-1])),
    }


def _some(X: Any, count: int) -> Any:
    at = sample.middle(X, count)
    return sample.some(X, at.start, at.stop)


def _target(X: Any, y: Any, count: int) -> list[Any]:
    return [] if y is None else [y[sample.middle(X, count)]]


def _memory(model: Any, X: Any, y: Any, count: int) -> float:
    """Give the bytes of the segments of X that are in memory at a time, and of what grows with the rows."""
    counts = [max(1, count // 4), count]
    taken = [float(sample.memory(model, read(_some(X, size)), _target(X, y, size))) for size in counts]
    parts = getattr(X, "parts", None)
    pieces = parts.pieces if isinstance(parts, Parts) else []
    held = 3 * max(((last - first) * reader.row_bytes for reader, first, last in pieces), default=0.0)
    return held + _grown(counts, taken, X.shape[0])


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
    return "\n".join([*lines, f"predicted: about {_time(found['seconds'])}{many}, if no fit ends sooner"])


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
