"""What mixtures do with rows, a segment at a time: see `gramfold.fold.engine`.

Rows have their own `weights` (None for ones). Where `given` is not None it has their responsibilities, else
these are found; `resp`, `score` and `labels`, where they are not None, are overwritten with what was found.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .._core import kernels
from .._core.results import Counted, Double, PoissonSums
from ..fold.engine import State, add
from ..fold.source import Array, Source


class GaussianSums(NamedTuple):
    """sum w r (k,), the log-likelihood, and the moments sum w r y and sum w r y y' if they were asked for."""

    counts: Double
    likelihood: float
    first: Double | None
    second: Double | None


BLOCK = 2**14  # rows whose responsibilities are made at once


def given(rows: Source, shared: Any, state: State, *, pass_: Any, k: int) -> Any:
    """Run another pass with responsibilities of a start: of `labels`, of `drawn` numbers, or 1 for all.

    They are made for some rows at a time.
    """
    total: Any = None
    for at, resp in _responsibilities(rows, state, k):
        own = {name: None if state[name] is None else state[name][at] for name in ("weights", "exposure")}
        own["given"] = resp.astype(np.float64, copy=False)
        found = pass_(rows.some(at), shared, own)
        total = found if total is None else add(total, found)
    return total


def _responsibilities(rows: Source, state: State, k: int) -> Iterator[tuple[slice, Array]]:
    if state["drawn"] is not None:
        for at, drawn in state["drawn"].blocks(BLOCK):
            resp = drawn.astype(rows.dtype)
            resp /= resp.sum(axis=1, keepdims=True)
            yield at, resp
        return
    labels = state["labels"]
    for start in range(0, rows.rows, BLOCK):
        at = slice(start, min(start + BLOCK, rows.rows))
        yield at, np.ones((at.stop - at.start, 1)) if labels is None else np.eye(k)[labels[at]]


def gaussian(
    rows: Source, shared: dict[str, Any], state: State, *, kind: str, first: bool = False,
    second: tuple[int, ...] | None = None,
) -> GaussianSums:  # fmt: skip
    """Find responsibilities of rows y = (x - shift) scale, and moments about `about`; second: their shape."""
    moments = np.empty(shared["about"].shape) if first else None
    squares = None if second is None else np.empty(second)
    found = kernels.gaussian_mixture(
        x=rows.kernel, kind=kind, **shared, weights=state["weights"], given=state.get("given"), first=moments,
        second=squares, resp=state.get("resp"), score=state.get("score"), labels=state.get("labels"),
        n_threads=rows.n_threads,
    )  # fmt: skip
    return GaussianSums(found.counts, found.likelihood, moments, squares)


def truncated(
    rows: Source, shared: dict[str, Any], state: State, *, kind: str, first: bool = False,
    second: tuple[int, ...] | None = None,
) -> GaussianSums:  # fmt: skip
    """As `gaussian`, with responsibilities among the components alone that `lists` has for a row's group."""
    moments = np.empty(shared["about"].shape) if first else None
    squares = None if second is None else np.empty(second)
    found = kernels.truncated_mixture(
        x=rows.kernel, kind=kind, **shared, weights=state["weights"], groups=state["groups"], first=moments,
        second=squares, labels=state["labels"], n_threads=rows.n_threads,
    )  # fmt: skip
    return GaussianSums(found.counts, found.likelihood, moments, squares)


def poisson(
    rows: Source, shared: dict[str, Any], state: State, *, sums: bool = False
) -> tuple[PoissonSums, Double | None]:
    """Find responsibilities of rows of counts, and sum w r x if asked for, of shape (d, k)."""
    total = np.empty(shared["f"].shape) if sums else None
    found = kernels.poisson_mixture(
        x=rows.kernel, **shared, exposure=state["exposure"], weights=state["weights"],
        given=state.get("given"), sums=total, resp=state.get("resp"), score=state.get("score"),
        labels=state.get("labels"), n_threads=rows.n_threads,
    )  # fmt: skip
    return found, total


def count(rows: Source, shared: None, state: State) -> Counted:
    """Find the total of each row, for `totals`, and its sum of log x!, for `factorials`."""
    return kernels.count_rows(
        x=rows.kernel, totals=state["totals"], factorials=state["factorials"], n_threads=rows.n_threads
    )
