"""Weights of rows: counts of rows, or how reliable they are."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight

from .inputs import naming, refuse_mask

Array = NDArray[Any]

MOST = 2.0**53  # a larger float is always whole


class RowWeights:
    """Weights scaled by a power of four to at most 1, so that they neither over- nor underflow.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), or None
    X : ndarray or sparse matrix of shape (n_samples, n_features)

    Attributes
    ----------
    kept : ndarray of indices, or None
        The rows of weight above 0, if there are others.
    values, root : ndarray, or None
        The scaled weights of the rows kept, and their square roots; None if all are 1.
    exponent : int
        The weights are 4**exponent times `values`.
    total, freedom : float
        The sum of `values`; what a sum of squares is divided by for a variance, likewise scaled: of n rows
        n - 1, of counts their sum - 1, of others sum w - sum w^2 / sum w.
    counted : int
        How many rows they stand for: the sum of counts, else how many are above 0.
    """

    def __init__(self, sample_weight: Any, X: Any) -> None:
        rows = X.shape[0]
        self.kept: Array | None = None
        self.values: Array | None = None
        self.root: Array | None = None
        self.exponent, self.total, self.freedom, self.counted = 0, float(rows), rows - 1.0, rows
        weights = read_weights(sample_weight, X)
        if weights is not None:
            self._read(weights)

    def _read(self, weights: Array) -> None:
        largest = float(weights.max())
        if not weights.all():
            self.kept = np.flatnonzero(weights)
            weights = weights[self.kept]
        self.exponent = (int(np.frexp(largest)[1]) + 1) // 2
        self.values = values = np.ldexp(weights, -2 * self.exponent)
        self.root = np.sqrt(values)
        self.total = float(values.sum())
        if largest <= MOST and np.array_equal(weights, np.rint(weights)):
            self.counted = int(weights.sum())
            self.freedom = self.total - float(np.ldexp(1.0, -2 * self.exponent))
        else:
            self.counted = len(weights)
            self.freedom = float(values @ (self.total - values)) / self.total


def read_weights(sample_weight: Any, X: Any) -> Array | None:
    """Check weights as they are, in float64; None stays None, for ones.

    Parameters
    ----------
    sample_weight : float or array-like of shape (n_samples,), or None
    X : ndarray, sparse matrix or Blocks of shape (n_samples, n_features)

    Raises
    ------
    ValueError
        If they are masked, negative, not finite, 0 everywhere, or not as many as rows.
    """
    if sample_weight is None:
        return None
    given = refuse_mask(sample_weight, "sample_weight")
    with naming("sample_weight", given):
        weights: Array = _check_sample_weight(given, X, dtype=np.float64)
    if not np.isfinite(weights).all():  # of a single number nobody has looked
        raise ValueError(f"sample_weight must be finite, got {given!r}")
    if weights.min() < 0:
        raise ValueError(
            "Negative values in data passed to `sample_weight`: "
            f"sample_weight must be at least 0, but its least is {weights.min():g}"
        )
    if not weights.any():
        raise ValueError("sample_weight must not be 0 everywhere")
    return weights
