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
UNBOUNDED: dict[str, Any] = {"order": None, "moved": None, "n_far": 0, "look": False}


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
    out = state["out"]
    assert out is not None
    lines = out.T  # as the kernel writes them, where all rows are of one segment
    room = lines if lines.flags.c_contiguous else np.array(lines, order="C")
    potentials = np.empty((-(-rows.rows // block), len(shared)))
    read = kernels.seed(
        x=rows.kernel, candidates=shared, closest=state["closest"], weights=state["weights"], out=room,
        sums=potentials, marks=state["marks"], bits=bits, n_threads=rows.n_threads,
    )  # fmt: skip
    if room is not lines:
        lines[:] = room
    return Seeded(read, [potentials])
