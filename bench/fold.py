"""One pass of the fold (project, one HALS sweep, accumulate) beside the limit that it meets first."""

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from bench.frame import LAP, Case, Lap, Row, Settings, interleave
from bench.machine import Limits

NARROW = tuple((400_000, 128, k) for k in (1, 2, 4, 8))  # bound by the read of X
WIDE = ((40_000, 1_000, 32), (20_000, 2_000, 64), (20_000, 2_000, 100), (10_000, 5_000, 64))  # bound by FMA
TOLERANCE = {"float32": 1e-6, "float64": 1e-13}

LEGEND = """\
ours s: one pass over X in memory. limit s: read, the same X read once by the scan of the input checks; FMA,
  the 4nmk + 4nk^2 flop of the pass at the peak. It is measured in turn with ours; ratio is limit s / ours s.
error: of the accumulated Z'X against NumPy's in float64, relative to its norm."""

COLUMNS: dict[str, Callable[[Any], str] | None] = {
    "case": None,
    "dtype": None,
    "ours s": None,
    "limit s": None,
    "ratio": None,
    "GB/s": None,
    "GFLOP/s": None,
    "error": lambda value: f"{value:.1e}",
}


def cases() -> Iterator[Case]:
    """Every case, in the order of the tables."""
    for group, shapes in (("read", NARROW), ("FMA", WIDE)):
        for n, m, k in shapes:
            for dtype in ("float32", "float64"):
                run = partial(_pass, group, n, m, k, dtype)
                yield Case(group, f"{n}x{m} k={k}", dtype, f"share of the limit, {group}, {dtype}", 0.7, run)


def _pass(group: str, n: int, m: int, k: int, dtype: str, settings: Settings, limits: Limits) -> Row:
    from gramfold._core import kernels
    from gramfold.fold.source import Source
    from gramfold.least_squares.rows import Penalty, Sweeps, solve_rows

    rng = np.random.default_rng(settings.seed)
    X = rng.random((n, m), dtype=np.float32).astype(dtype)
    F, Z = (rng.random(shape).astype(dtype) for shape in ((m, k), (n, k)))
    gram, out, sums = kernels.gram(f=F, n_threads=settings.threads), np.empty_like(Z), np.empty_like(F)
    source = Source(X, settings.threads)
    ours = Lap(
        lambda: solve_rows(
            source, F, gram, Penalty(), Sweeps(1), start=Z, out=out, sums=sums,
            n_threads=settings.threads,
        ),
        settings.repeat,
    )  # fmt: skip
    flop = n * (4 * m * k + 4 * k * k)
    rates: list[float] = []

    def read() -> None:
        kernels.scan(x=X, n_threads=settings.threads)

    def multiply() -> None:
        rates.append(kernels.peak(is_double=dtype == "float64", seconds=LAP, n_threads=settings.threads))

    limit = Lap(read if group == "read" else multiply, settings.repeat)
    interleave(limit, ours)
    seconds = flop / median(rates) if rates else limit.median
    expected = X.T @ out.astype(np.float64)
    error = float(np.linalg.norm(sums - expected) / np.linalg.norm(expected))
    return {
        "ours s": ours.median,
        "limit s": seconds,
        "ratio": seconds / ours.median,
        "GB/s": X.nbytes / ours.median / 1e9,
        "GFLOP/s": flop / ours.median / 1e9,
        "error": error,
        "equal_quality": error <= TOLERANCE[dtype],
        "ours_seconds": ours.seconds,
    }
