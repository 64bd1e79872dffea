"""A dense X of which some entries are not observed, or weigh more than others."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from ..fit.cached import cached_property
from ..fit.floats import as_floats, finite, pieces, stored
from ..linalg.powers import times_power
from .of_rows import OfRows
from .source import Array, Source, aligned


@dataclass(frozen=True, slots=True)
class Counted:
    """Entries as the Kullback-Leibler divergence takes them, 0 where nothing is observed.

    sum w (x log(x / y) - x + y) is sum (wx log(wx / y) - wx) + sum w y - sum wx log w.

    Parameters
    ----------
    x : Source
        wx.
    weights : Source
        w, of shape and dtype of x.
    constant : float
        sum wx log w.
    """

    x: Source
    weights: Source
    constant: float = 0.0


class Look(NamedTuple):
    """What one look at all of X tells of its observed entries.

    Of each column the sum of their weights, and that of weights times entries; the least and the largest
    entry, infinite the wrong way where there is none.
    """

    weights: NDArray[np.float64]
    sums: NDArray[np.float64]
    least: float
    most: float


class Observed(OfRows):
    """A dense X with unobserved entries, and weights, as the kernels take them.

    Parameters
    ----------
    x : ndarray of shape (rows, cols), float32 or float64
        NaN is unobserved. Any strides; never copied whole.
    weights : ndarray of shape (rows, cols) and x's dtype, or None
        Weight of each entry's squared error, 0 being unobserved; None is 1 everywhere.
    n_threads : int
    """

    sparse = once = False
    held = True
    x: Array
    weights: Array | None

    def __init__(self, x: Array, weights: Array | None, n_threads: int) -> None:
        self.x, self.n_threads = as_floats(x), n_threads
        self.weights = None if weights is None else aligned(weights)
        self.rows, self.cols = x.shape
        self.dtype = self.x.dtype

    @property
    def segments(self) -> "list[Observed]":
        """What a pass runs over one after the other: this."""
        return [self]

    @property
    def spans(self) -> list[slice]:
        """Which rows each segment has."""
        return [slice(0, self.rows)]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return self.rows, self.cols

    @property
    def kernel(self) -> Array:
        """What crosses the seam."""
        return stored(self.x)

    @cached_property
    def transposed(self) -> Any:
        """The same entries with rows and columns swapped; views."""
        return self.columns(slice(None))

    @property
    def something_seen(self) -> Any:
        """Whether something is observed."""
        return self.least <= self.look.most

    def columns(self, at: slice) -> "Observed":
        """Some columns as rows; views."""
        weights = None if self.weights is None else self.weights[:, at].T
        return Observed(self.x[:, at].T, weights, self.n_threads)

    def some(self, rows: Any, *, once: bool = False) -> "Observed":
        """Some rows; those of a slice are views."""
        weights = None if self.weights is None else self.weights[rows]
        return Observed(self.x[rows], weights, self.n_threads)

    def scaled_rows(self, scale: Array) -> "Observed":
        """Each row times its number of `scale` (rows,); a copy of x."""
        return Observed(self.x * scale[:, None], self.weights, self.n_threads)

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """Which entries are observed."""
        return self._seen_among(stored(self.x), slice(None))

    def _seen_among(self, x: Array, rows: slice) -> NDArray[np.bool_]:
        seen = np.ones_like(x, bool) if finite(x) else ~np.isnan(x)
        return seen if self.weights is None else seen & (self.weights[rows] > 0)

    @cached_property
    @np.errstate(over="ignore", invalid="ignore")  # infinities are told by whoever asks
    def look(self) -> Look:
        """What all of X tells, of which some rows are in memory at a time."""
        weights, sums, least, most = np.zeros(self.cols), np.zeros(self.cols), np.inf, -np.inf
        for rows, x in pieces(self.x):
            seen = self._seen_among(x, rows)
            of = seen if self.weights is None else np.where(seen, self.weights[rows], 0)
            weights += of.sum(axis=0, dtype=np.float64)
            sums += np.sum(np.where(seen, x, 0) * of, axis=0, dtype=np.float64)
            least = min(least, float(np.min(x, where=seen, initial=np.inf)))
            most = max(most, float(np.max(x, where=seen, initial=-np.inf)))
        return Look(weights, sums, least, most)

    @property
    def mean(self) -> float:
        """Weighted mean over the observed entries."""
        return float(self.look.sums.sum() / self.look.weights.sum())

    @property
    def largest(self) -> float:
        """The largest magnitude of an observed entry."""
        return max(0.0, self.look.most, -self.least)

    @property
    def least(self) -> float:
        """The least observed entry."""
        return self.look.least

    @cached_property
    def squared_norm(self) -> float:
        """Weighted sum of the squared observed entries: twice the objective of zero factors."""
        nothing, out = np.zeros((self.cols, 1), self.dtype), np.empty((self.rows, 1), self.dtype)
        result = kernels.masked_hals(
            x=self.kernel,
            weights=self.weights,
            f=nothing,
            start=None,
            out=out,
            l1=0.0,
            l2=0.0,
            nonneg=True,
            max_sweeps=0,
            polish=0,
            shrink=0.0,
            tol=0.0,
            n_threads=self.n_threads,
        )
        return 2 * result.objective

    def without(self, left: Array, right: Array) -> "Observed":
        """X - left right', observed where X is."""
        return Observed(self.x - left @ right.T, self.weights, self.n_threads)

    @cached_property
    def counted(self) -> Counted:
        """Copies in which what is not observed is 0."""
        seen, weights = self.seen, self.weights
        x, constant = np.where(seen, self.x, 0), 0.0
        if weights is not None:
            weights = np.where(seen, weights, 0)
            x *= weights
            logs = np.log(weights, out=np.zeros_like(weights), where=weights > 0)
            constant = float(np.sum(x * logs, dtype=np.float64))
        mass = seen.astype(self.dtype) if weights is None else weights
        return Counted(Source(x, self.n_threads), Source(mass, self.n_threads), constant)

    @property
    def filled(self) -> Array:
        """A copy of x, unobserved entries replaced by the mean of their column's observed ones."""
        return self.filled_with(self.column_means)

    def filled_with(self, means: Array) -> Array:
        """A copy of x, unobserved entries replaced by those of `means` (cols,)."""
        return np.where(self.seen, self.x, means)

    @property
    def column_means(self) -> Array:
        """The mean of each column's observed entries, (cols,); where there is none, that of all."""
        sums, total = self._column_sums
        return np.divide(sums, total, out=np.full(self.cols, self.mean), where=total > 0).astype(self.dtype)

    @property
    def _column_sums(self) -> tuple[Any, Any]:
        """Of each column sum w x and sum w."""
        return self.look.sums, self.look.weights

    def times_powers(self, exponent: int, of_weights: int) -> "Observed":
        """The same rows times 2^exponent, with weights times 2^of_weights: copies, but for 0 and 0 this."""
        if not exponent and not of_weights:
            return self
        weights = np.ones_like(self.x) if self.weights is None and of_weights else self.weights
        return Observed(times_power(self.x, exponent), times_power(weights, of_weights), self.n_threads)

    @property
    def heaviest(self) -> float:
        """The largest weight."""
        return 1.0 if self.weights is None else float(self.weights.max(initial=0))
