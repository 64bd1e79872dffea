"""What least squares needs to know about its data: second moments, in one fold over the rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite

from ._core import kernels
from .fold import Array, Source

Double = NDArray[np.float64]

SAMPLE = 256
# A column whose mean lies this many standard deviations from the shift is read again about its mean.
FAR = 4.0


@dataclass(frozen=True, slots=True)
class Moments:
    """Weighted sums over rows, about the means or, without an intercept, about 0.

    Attributes
    ----------
    weight : float
        Sum of the weights.
    rows : int
    x_mean, y_mean : ndarray of shape (n_features,), (n_targets,)
        0 without an intercept.
    gram, cross : ndarray of shape (n_features, n_features), (n_features, n_targets)
        X'X and X'Y.
    squares : ndarray of shape (n_targets,)
        Diagonal of Y'Y.
    """

    weight: float
    rows: int
    x_mean: Double
    y_mean: Double
    gram: Double
    cross: Double
    squares: Double

    def merge(self, other: "Moments", centered: bool) -> "Moments":
        """Moments of the rows of both (Chan, Golub & LeVeque 1983)."""
        weight = self.weight + other.weight
        share = other.weight / weight if weight else 0.0
        dx, dy = other.x_mean - self.x_mean, other.y_mean - self.y_mean
        between = self.weight * share if centered else 0.0
        return Moments(
            weight,
            self.rows + other.rows,
            self.x_mean + share * dx,
            self.y_mean + share * dy,
            self.gram + other.gram + between * np.outer(dx, dx),
            self.cross + other.cross + between * np.outer(dx, dy),
            self.squares + other.squares + between * dy * dy,
        )


def moments(x: Source, y: Array, weights: Array | None, centered: bool) -> Moments:
    """Read the rows once, and once more only if a column's mean could not be guessed from a few of them.

    Raises
    ------
    ValueError
        If x holds NaN or infinity, or its squares overflow.
    """
    p = x.cols
    shift = None
    if centered:
        few = slice(None, None, max(1, x.rows // SAMPLE))
        guess = np.zeros(p, x.dtype) if x.sparse else x.x[few].copy(order="C").mean(axis=0)
        shift = np.concatenate([guess, y[few].mean(axis=0)]).astype(x.dtype)
    sums = _sums(x, y, shift, weights)
    total = sums[-1, -1]
    if not centered or total == 0:
        return _split(sums, p, x.rows, np.zeros(len(sums) - 1))
    offset = sums[-1, :-1] / total
    assert shift is not None
    spread = np.maximum(sums.diagonal()[:-1] / total - offset**2, 0)
    rounding = 16 * np.finfo(x.dtype).eps * np.abs(shift + offset)
    if not x.sparse and np.any(np.abs(offset) > FAR * np.sqrt(spread) + rounding):
        shift = (shift + offset).astype(x.dtype)
        sums = _sums(x, y, shift, weights)
        offset = sums[-1, :-1] / total
    sums[:-1, :-1] -= total * np.outer(offset, offset)
    return _split(sums, p, x.rows, shift + offset)


def _sums(x: Source, y: Array, shift: Array | None, weights: Array | None) -> Double:
    sums = kernels.moments(x.kernel, y, shift, weights, x.n_threads)
    if not np.isfinite(sums).all():
        assert_all_finite(x.values, input_name="X")
        raise ValueError(
            f"X, y or sample_weight is too large for {x.dtype}: the sum of its squares overflows"
        )
    return sums


def _split(sums: Double, p: int, rows: int, mean: Double) -> Moments:
    return Moments(
        float(sums[-1, -1]), rows, mean[:p], mean[p:], sums[:p, :p], sums[:p, p:-1],
        sums.diagonal()[p:-1].copy(),
    )  # fmt: skip
