"""What k-means does with rows, a segment at a time: see `gramfold.fold.engine`.

All rows share `centers`, (k, cols). Rows have their own `labels` and `weights` (None for ones), and further
what is named.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from .._core.results import Assigned, Double
from ..fold.engine import State
from ..fold.source import Array, Source

# What `kernels.assign` takes of a search without bounds.
UNBOUNDED: dict[str, Any] = {"order": None, "moved": None, "n_far": 0, "look": False, "loose": False}


class Moved(NamedTuple):
    """What rows found, and what the sums of the clusters gained since the labels before."""

    found: Assigned
    gain: Double | None


class Seeded(NamedTuple):
    """How many rows were read, and the potentials that candidates leave, of each block of each segment."""

    read: int
    potentials: list[Double]


def assign(rows: Source, shared: dict[str, Any], state: State, *, sums: bool, wide: bool) -> Moved:
    """Give rows the labels of their nearest centroids; `lower` and `upper` are their bounds, or None."""
    gain = np.empty(shared["centers"].shape) if sums else None
    found = kernels.assign(
        x=rows.kernel, **shared, weights=state["weights"], labels=state["labels"], lower=state["lower"],
        upper=state["upper"], distances=None, sums=gain, search=True, wide=wide, n_threads=rows.n_threads,
    )  # fmt: skip
    return Moved(found, gain)


def apart(rows: Source, shared: Array, state: State, *, wide: bool) -> Assigned:
    """Find the squared distances of rows to the centroids of their labels, for `distances` or None."""
    return kernels.assign(
        x=rows.kernel, centers=shared, weights=state["weights"], labels=state["labels"], lower=None,
        upper=None, **UNBOUNDED, distances=state["distances"], sums=None, search=False, wide=wide,
        n_threads=rows.n_threads,
    )  # fmt: skip


def nearer(
    rows: Source, shared: Array, state: State, *, wide: bool, before: int
) -> tuple[float, Double]:  # fmt: skip
    """Note for rows whose label is nearer than `closest` how near it is, and it and `before` as `nearest`.

    Gives the sum of w `closest`, and the weight of the rows that each is nearest to.
    """
    apart(rows, shared, state, wide=wide)
    closest, nearest, weights = state["closest"], state["nearest"], state["weights"]
    closer = state["distances"] < closest
    closest[closer] = state["distances"][closer]
    nearest[closer] = state["labels"][closer] + before
    counts = np.bincount(nearest, weights, before + len(shared)).astype(np.float64)
    return float(masses(closest, weights).sum()), counts


def drawn(rows: None, shared: float, state: State, *, share: float) -> list[NDArray[np.intp]]:
    """Draw rows by `uniform` numbers: with probability share w `closest` / shared."""
    mass = masses(state["closest"], state["weights"])
    return [np.flatnonzero(state["uniform"] * shared < share * mass)]


def masses(closest: Array, weights: Array | None) -> Double:
    """Give w D^2 of rows."""
    return closest.astype(np.float64) if weights is None else closest * weights.astype(np.float64)


def distances(rows: Source, shared: Array, state: State) -> None:
    """Find the distances of rows to all centroids, for `out` of k columns."""
    kernels.distances(x=rows.kernel, centers=shared, out=state["out"], n_threads=rows.n_threads)


def seed(
    rows: Source, shared: Array, state: State, *, block: int, bits: NDArray[np.int32] | None = None
) -> Seeded:
    """Find what the distances of rows to the nearest seed would be with each of the candidates `shared`.

    `closest` are the distances so far, or None; `out` has a column for each candidate. With `bits` only rows
    count of whose `marks` such a bit is set: of `out` the others keep what they have.
    """
    lines = state["out"].T  # as the kernel writes them, where all rows are of one segment
    made = np.empty_like if bits is None else np.array
    room = lines if lines.flags.c_contiguous else made(lines, order="C")
    potentials = np.empty((-(-rows.rows // block), len(shared)))
    read = kernels.seed(
        x=rows.kernel, candidates=shared, closest=state["closest"], weights=state["weights"], out=room,
        sums=potentials, marks=state["marks"], bits=bits, n_threads=rows.n_threads,
    )  # fmt: skip
    if room is not lines:
        lines[:] = room
    return Seeded(read, [potentials])
