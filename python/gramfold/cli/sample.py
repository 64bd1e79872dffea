"""Some rows of X where they lie, and what a fit to them takes."""

import time
import tracemalloc
import warnings
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone

from ..fit.blocks import Blocks, blocks
from ..fit.on_disk import loaded
from ..io.matrix import stacked
from ..io.parts import Parts
from .flat import lies_flat

LARGEST = 1 << 26  # bytes of rows that are read to know how fast that is
ITERATIONS = 4


class Cost(NamedTuple):
    """What a fit took: seconds to start and for an iteration, 0 if there are none."""

    start: float
    each: float


def bytes_of(X: Any) -> float:
    """How many bytes the numbers of X take."""
    if isinstance(X, Blocks) and isinstance(X.parts, Parts):
        return float(sum((b - a) * reader.row_bytes for reader, a, b in X.parts.pieces))
    if isinstance(X, Blocks):
        return sum(map(bytes_of, X.parts))
    if sp.issparse(X):
        return float(X.nnz * (X.dtype.itemsize + X.indptr.dtype.itemsize))
    return float(X.nbytes)


def lies_in_file(X: Any) -> bool:
    """Whether rows are read again for every pass."""
    if isinstance(X, Blocks):
        return isinstance(X.parts, Parts) or any(map(lies_in_file, X.parts))
    return lies_flat(X)


def read_rate(X: Any) -> float:
    """How many bytes of rows, from some places, are read a second."""
    n = X.shape[0]
    places = 1 if _forward(X) else 4
    count = max(1, min(n, int(LARGEST / max(1.0, bytes_of(X) / max(1, n)))) // places)
    begun, size = time.perf_counter(), 0.0
    for start in np.linspace(0, n - count, places).astype(int):
        size += bytes_of(read(some(X, int(start), int(start) + count)))
    return size / max(time.perf_counter() - begun, 1e-9)


def _forward(X: Any) -> bool:
    parts = getattr(X, "parts", None)
    return isinstance(parts, Parts) and any(piece.reader.forward for piece in parts.pieces)


def middle(X: Any, count: int) -> slice:
    """So many rows, from the middle of X unless it is read from its beginning."""
    start = 0 if _forward(X) else (X.shape[0] - count) // 2
    return slice(start, start + count)


def some(X: Any, start: int, stop: int) -> Any:
    """Rows where they lie: a view, or what reads them."""
    if not isinstance(X, Blocks):
        return X[start:stop]
    if isinstance(X.parts, Parts):
        return Blocks(X.parts.cut(start, stop))
    cuts = [(max(0, start - at.start), max(0, stop - at.start)) for at in X.spans]
    return Blocks([part[a:b] for part, (a, b) in zip(X.parts, cuts, strict=True)])


def read(X: Any) -> Any:
    """Rows, in memory."""
    if isinstance(X, Blocks):
        return stacked([read(part) for part in X.parts])
    if sp.issparse(X):
        return sp.csr_array((loaded(X.data), loaded(X.indices), X.indptr), shape=X.shape)
    return np.asarray(loaded(X))


class Counted:
    """Rows that count how often they are read."""

    def __init__(self, rows: Any) -> None:
        self._rows, self.shape, self.dtype, self.count = rows, rows.shape, rows.dtype, 0

    def __getitem__(self, at: slice) -> Any:
        found = self._rows[at]
        self.count += found.shape[0]
        return found


def cost(model: Any, X: Any, y: list[Any]) -> Cost:
    """What a fit costs; an iteration by the median: one may have waited for others, or have spared rows."""
    begun = time.perf_counter()
    fitted = fit(model, X, y, 1 + ITERATIONS)
    seconds = time.perf_counter() - begun
    ends = getattr(fitted, "history_", {"seconds": ()})["seconds"]
    if len(ends) < 2:
        return Cost(seconds, 0.0)
    each = float(np.median(np.diff(ends)))
    return Cost(max(0.0, seconds - (ends[-1] - ends[0]) - each), each)


def passes(model: Any, rows: Any, y: list[Any]) -> Cost:
    """How often a fit reads each row: to start, and in an iteration."""
    counts, iterations = [], []
    for most in (1, 1 + ITERATIONS):
        half = rows.shape[0] // 2
        counted = [Counted(rows[:half]), Counted(rows[half:])]
        fitted = fit(model, blocks(counted), y, most)
        counts.append(sum(one.count for one in counted) / rows.shape[0])
        iterations.append(len(getattr(fitted, "history_", {"seconds": ()})["seconds"]))
    if iterations[1] <= iterations[0]:
        return Cost(counts[1], 0.0)
    each = (counts[1] - counts[0]) / (iterations[1] - iterations[0])
    return Cost(max(0.0, counts[0] - each * iterations[0]), each)


def memory(model: Any, X: Any, y: list[Any]) -> int:
    """The most bytes that a fit takes beside the rows."""
    tracemalloc.start()
    try:
        fit(model, X, y, 2)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def fit(model: Any, X: Any, y: list[Any], iterations: int) -> Any:
    """A fit of so many iterations, if it has any."""
    tried = clone(model)
    if "max_iter" in tried.get_params():
        tried.set_params(max_iter=iterations, tol=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tried.fit(X, *y)
