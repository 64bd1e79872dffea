"""What of X is observed: NaN and masks, weights per entry, and the numbers that a start needs."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ._core import kernels
from .floats import Floats, as_floats, finite, stored
from .fold import Array, Source, aligned


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


class Observed:
    """A dense X with unobserved entries, and weights, as the kernels take them.

    Parameters
    ----------
    x : ndarray of shape (rows, cols), float32 or float64
        NaN is unobserved. Any strides; never copied whole.
    weights : ndarray of shape (rows, cols) and x's dtype, or None
        Weight of each entry's squared error, 0 being unobserved; None is 1 everywhere.
    n_threads : int
    """

    sparse = False

    def __init__(self, x: Array, weights: Array | None, n_threads: int) -> None:
        self.x, self.n_threads = as_floats(x), n_threads
        self.weights = None if weights is None else aligned(weights)
        self.rows, self.cols = x.shape
        self.dtype = self.x.dtype

    @property
    def kernel(self) -> Array:
        """What crosses the seam."""
        return stored(self.x)

    @cached_property
    def transposed(self) -> "Observed":
        """The same entries with rows and columns swapped; views."""
        weights = None if self.weights is None else self.weights.T
        return Observed(self.x.T, weights, self.n_threads)

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """Which entries are observed."""
        given = stored(self.x)
        seen = np.ones_like(given, bool) if finite(given) else ~np.isnan(given)
        return seen if self.weights is None else seen & (self.weights > 0)

    @cached_property
    def mean(self) -> float:
        """Weighted mean over the observed entries."""
        return float(np.average(self.x[self.seen], weights=self._seen_weights))

    @property
    def largest(self) -> float:
        """The largest magnitude of an observed entry."""
        return max(float(np.max(stored(self.x), where=self.seen, initial=0)), -self.least)

    @cached_property
    def least(self) -> float:
        """The least observed entry."""
        values: Any = stored(self.x)
        if finite(values):
            return float(values[self.seen].min()) if self.seen.any() else np.inf
        return float(np.min(values, where=self.seen, initial=np.inf))

    @cached_property
    def squared_norm(self) -> float:
        """Weighted sum of the squared observed entries: twice the objective of zero factors."""
        nothing, out = np.zeros((self.cols, 1), self.dtype), np.empty((self.rows, 1), self.dtype)
        result = kernels.masked_hals(
            self.kernel, self.weights, nothing, None, out, 0.0, 0.0, True, 0, 0, 0.0, 0.0, self.n_threads
        )
        return 2 * float(result[2])

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
        weights = self.seen if self.weights is None else np.where(self.seen, self.weights, 0)
        total = weights.sum(axis=0, dtype=np.float64)
        sums = np.sum(np.where(self.seen, self.x, 0) * weights, axis=0, dtype=np.float64)
        means = np.divide(sums, total, out=np.full(self.cols, self.mean), where=total > 0)
        return np.where(self.seen, self.x, means.astype(self.dtype))

    @property
    def _seen_weights(self) -> Array | None:
        return None if self.weights is None else self.weights[self.seen]


def observe(X: Any, mask: Any = None, *, n_threads: int = 1, some: bool = True) -> Observed:
    """Check X with its mask or weights, and combine them.

    Parameters
    ----------
    X : array-like or numpy masked array of shape (n_samples, n_features)
        NaN and masked entries are unobserved. float32 stays, lists become float64.
    mask : array-like of shape (n_samples, n_features), optional
        Boolean: True where an entry is observed. Of numbers: the weight of each entry's squared
        error, at least 0 and finite; 0 is unobserved. X may hold anything where `mask` is False or 0.
    n_threads : int
    some : bool
        Whether something must be observed.

    Returns
    -------
    Observed
        With a copy of X only where a mask hides some of it.

    Raises
    ------
    TypeError
        If X or `mask` is sparse.
    ValueError
        If shapes do not fit, a weight is negative or not finite, an observed entry is infinite, or
        nothing is observed.

    Examples
    --------
    >>> import numpy as np
    >>> from gramfold.observed import observe
    >>> observe([[1.0, np.nan], [3.0, 4.0]], [[True, True], [True, False]]).seen
    array([[ True, False],
           [ True, False]])
    """
    for name, argument in (("X", X), ("mask", mask)):
        if sp.issparse(argument):
            raise TypeError(f"missing='mask' and mask= need dense arrays, but {name} is sparse")
    hidden = np.ma.getmaskarray(X) if isinstance(X, np.ma.MaskedArray) else None
    x: Any = X if isinstance(X, Floats) else np.asarray(X if hidden is None else X.data)
    if x.dtype not in (np.float32, np.float64):
        x = x.astype(np.float64)
    if x.ndim != 2:
        raise ValueError(f"X must have two dimensions, got {x.ndim}")
    seen, weights = _split(mask, x)
    if hidden is not None:
        seen = ~hidden if seen is None else seen & ~hidden
    if seen is not None and not seen.all():
        x = np.where(seen, x, x.dtype.type(np.nan))
    observed = Observed(x, weights, n_threads)
    if not finite(x) and np.any(np.isinf(x) & observed.seen):
        raise ValueError("X contains infinity in an observed entry")
    if some and not observed.seen.any():
        raise ValueError("X has no observed entry: all are NaN, masked or of weight 0")
    return observed


def _split(mask: Any, x: Array) -> tuple[NDArray[np.bool_] | None, Array | None]:
    """The mask as what is seen, or as weights if there are others than 0 and 1."""
    if mask is None:
        return None, None
    given = np.asarray(mask)
    if given.shape != x.shape:
        raise ValueError(f"mask must have the shape of X, {x.shape}, got {given.shape}")
    if given.dtype == bool:
        return given, None
    try:
        weights = given.astype(x.dtype, copy=False)
    except (TypeError, ValueError):
        raise ValueError(f"mask must be boolean or weights, got dtype {given.dtype}") from None
    if not np.isfinite(weights).all():
        raise ValueError("mask holds weights that are not finite")
    if weights.min(initial=0) < 0:
        raise ValueError(f"mask holds negative weights, the least is {weights.min():g}")
    return (weights > 0, None) if np.all((weights == 0) | (weights == 1)) else (None, weights)
