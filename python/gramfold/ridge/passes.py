"""What `Ridge` does with rows: passes that know one segment of X, of its targets and of its weights.

Z are rows about means, in units, see `Centring`. The state of rows: "y", their targets; "weights", or None;
"beside", their entries of Z in columns that are far from 0, or None.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg as la
import scipy.sparse as sp
from numpy.typing import NDArray

from .._core import kernels
from .._core.results import Misfit, Moments
from ..fit.floats import pieces, piecewise
from ..fold.engine import State
from ..fold.source import Array, Source

Double = NDArray[np.float64]

AT_ONCE = 1 << 20  # entries of what is made dense


@dataclass(frozen=True, slots=True)
class Centring:
    """How rows of X become rows of Z = scale X - mean.

    `far` are the columns of CSR that lie far from 0: there Z is dense, and formed entry by entry. `near_mean`
    is the mean, but 0 in these.
    """

    mean: Double
    scale: float
    near_mean: Double
    far: Array


@dataclass(frozen=True, slots=True)
class Sample:
    """The sum of some rows, how many they are, and their least and largest entries."""

    sum: Double
    rows: int
    least: Array
    largest: Array

    def plus(self, other: "Sample") -> "Sample":
        """Of the rows of both."""
        least, largest = np.minimum(self.least, other.least), np.maximum(self.largest, other.largest)
        return Sample(self.sum + other.sum, self.rows + other.rows, least, largest)

    @property
    def mean(self) -> Double:
        """That of the rows: of a column of one value this value, to which the sum would not round."""
        return np.minimum(np.maximum(self.sum / self.rows, self.least), self.largest)


def sample(rows: Source, shared: None, state: State, *, every: int) -> Sample:
    """Every `every`-th row of a dense X."""
    few = rows.x[::every]
    return Sample(few.sum(axis=0, dtype=np.float64), len(few), few.min(axis=0), few.max(axis=0))


def second_moments(
    rows: Source, shared: tuple[Double, Double], state: State, *, scale: float, wide: bool
) -> Moments:
    """Sums over rows (z, y - y_mean, 1), z = scale (x - shift), `wide` in double; shared: (shift, y_mean)."""
    shift, y_mean = shared
    y, weights, dtype = state["y"], state["weights"], np.dtype(np.float64) if wide else rows.dtype
    if dtype != y.dtype:  # which the kernel does not subtract in double
        y, y_mean = np.subtract(y, y_mean, np.empty(y.shape, dtype), casting="same_kind"), 0 * y_mean
    return kernels.moments(
        x=rows.kernel,
        y=y,
        shift=np.concatenate([shift, y_mean]).astype(dtype),
        weights=None if weights is None else weights.astype(dtype),
        n_threads=rows.n_threads,
        scale=scale,
    )


def moments_beside(rows: Source, shared: None, state: State, *, scale: float) -> tuple[Moments, Moments]:
    """The same of CSR with 'beside' and y as they are for targets, and of 'beside' with y; in double."""
    y, beside = state["y"], state["beside"]
    given = {"shift": None, "weights": state["weights"], "n_threads": rows.n_threads}
    near = kernels.moments(x=rows.kernel, y=np.hstack([beside, y]), scale=scale, **given)
    return near, kernels.moments(x=beside, y=y, **given)


def misfit(rows: Source, shared: tuple[Double, Double], state: State, *, about: Centring) -> Misfit:
    """With R = y - y_mean - ZB: Z'WR, and the columns' sums of WR^2 and WR; shared is (B, y_mean)."""
    B, y_mean = shared
    if about.far.size:
        return sparse_misfit(rows, B, state, about)
    mean = about.mean
    found = kernels.misfit(
        x=rows.kernel,
        y=state["y"],
        shift=np.concatenate([0 * mean, -(mean @ B)] if rows.sparse else [mean / about.scale, y_mean]),
        weights=state["weights"],
        scale=about.scale,
        coefs=np.ascontiguousarray(B),
        n_threads=rows.n_threads,
    )
    if rows.sparse:
        return found._replace(pull=found.pull - np.outer(mean, found.sums))
    return found


def sparse_misfit(rows: Source, B: Double, state: State, about: Centring) -> Misfit:
    """The same of CSR by SciPy, y about its mean already."""
    x, near, mean = piecewise(rows.x), B.copy(), about.near_mean
    beside, weights = state["beside"], state["weights"]
    near[about.far] = 0
    rest = state["y"] - (x @ near) * about.scale + mean @ B
    if beside is not None:
        rest -= beside @ B[about.far]
    weighted = rest if weights is None else weights[:, None] * rest
    sums = weighted.sum(axis=0)
    pull = (x.T @ weighted) * about.scale - np.outer(mean, sums)
    if beside is not None:
        pull[about.far] = beside.T @ weighted
    return Misfit(pull, np.sum(weighted * rest, axis=0), sums)


def far_columns(rows: Source, shared: None, state: State, *, about: Centring) -> None:
    """Write what Z has in far columns to 'beside'."""
    for some, x in pieces(rows.x):
        state["beside"][some] = x[:, about.far].toarray() * about.scale - about.mean[about.far]


def column_squares(rows: Source, shared: None, state: State) -> Double:
    """Weighted sums of the squared entries of each column of a CSR matrix."""
    weights = np.ones(rows.rows) if state["weights"] is None else state["weights"]
    sums = np.zeros(rows.cols)
    for some, x in pieces(rows.x):
        sums += _squares(x).T @ weights[some]
    return sums


def row_squares(rows: Source, shared: None, state: State, *, about: Centring) -> None:
    """Write the squared norms of rows of Z to 'squares'."""
    out, mean, beside = state["squares"], about.near_mean, state["beside"]
    if not rows.sparse:
        for some in slices(rows, max(1, AT_ONCE // rows.cols)):
            out[some] = np.square(centred(rows, some, about, None)).sum(axis=1)
        return
    kept = np.ones(rows.cols)
    kept[about.far] = 0
    for some, x in pieces(rows.x):
        out[some] = (_squares(x) @ kept) * about.scale**2
    out += mean @ mean - 2 * about.scale * (piecewise(rows.x) @ mean)
    if beside is not None:
        out += np.square(beside).sum(axis=1)


@dataclass(frozen=True, slots=True)
class Triangle:
    """R of the QR decomposition of rows."""

    R: Double

    def plus(self, other: "Triangle") -> "Triangle":
        """Of the rows of both."""
        return Triangle(_triangular([self.R, other.R]))


def triangle(rows: Source, shared: None, state: State, *, about: Centring, ones: int, size: int) -> Triangle:
    """R of W^1/2 [1, Z, y], `size` rows at a time; `ones` is 1 or, without a column of ones, 0."""
    y, beside, weight = state["y"], state["beside"], roots(rows, state)
    R = np.zeros((0, ones + rows.cols + y.shape[1]))
    for some in slices(rows, size):
        z = centred(rows, some, about, None if beside is None else beside[some])
        z = np.hstack([np.ones((len(z), ones)), z, y[some]])
        z *= weight[some]
        R = _triangular([R, z])
    return Triangle(R)


def fitted(rows: Source, shared: tuple[Array, Any], state: State) -> None:
    """Write what coefficients and intercept make of rows to 'out'."""
    coef, intercept = shared
    x, out = piecewise(rows.x), state["out"]
    if isinstance(x, np.ndarray):
        np.matmul(x, coef.T, out=out)
    else:
        out[...] = x @ coef.T
    out += intercept


def centred(x: Source, chosen: Any, about: Centring, beside: Double | None) -> Double:
    """Some rows of Z as a new array; `beside` is theirs alone."""
    if not x.sparse:
        return (x.take(chosen).astype(np.float64) - about.mean / about.scale) * about.scale
    z: Double = x.take(chosen).astype(np.float64) * about.scale - about.near_mean
    if beside is not None:
        z[:, about.far] = beside
    return z


def roots(rows: Source, state: State) -> Double:
    """Square roots of the weights of rows, as a column."""
    weights = state["weights"]
    return np.ones((rows.rows, 1)) if weights is None else np.sqrt(weights)[:, None]


def slices(rows: Source, size: int) -> Iterator[slice]:
    """All rows, some at a time."""
    return (slice(first, first + size) for first in range(0, rows.rows, size))


def _squares(x: Any) -> Any:
    return sp.csr_array((np.square(x.data, dtype=np.float64), x.indices, x.indptr), shape=x.shape)


def _triangular(parts: list[Double]) -> Double:
    stacked = np.vstack(parts)
    R: Double = la.qr(stacked, mode="r", overwrite_a=True, check_finite=False)[0]
    return R[: stacked.shape[1]]
