"""What least squares needs to know about its data: second moments, in one fold over the rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite

from .._core import kernels
from ..fold.source import Array
from .data import Data, Double, Units
from .rows import FAR, Rows

SAMPLE = 256


@dataclass(frozen=True, slots=True)
class Moments:
    """Weighted sums over rows, about the means or, without an intercept, about 0, in units.

    Attributes
    ----------
    weight : float
        Sum of the weights.
    centered : bool
    x_mean, y_mean : ndarray of shape (n_features,), (n_targets,)
        0 without an intercept.
    gram, cross : ndarray of shape (n_features, n_features), (n_features, n_targets)
        X'X and X'Y.
    targets : ndarray of shape (n_targets, n_targets)
        Y'Y.
    low : ndarray of shape (n_features + n_targets,)
        What rounding took off the means.
    rounding : float
        Of the sums, relative to the roots of the diagonals.
    units : Units
    far : ndarray of bool, optional
        Columns of a CSR matrix that are far from 0.
    """

    weight: float
    centered: bool
    x_mean: Double
    y_mean: Double
    gram: Double
    cross: Double
    targets: Double
    low: Double
    rounding: float
    units: Units
    far: Array | None = None

    @property
    def squares(self) -> Double:
        """Diagonal of Y'Y."""
        return self.targets.diagonal().copy()


def moments(data: Data) -> Moments:
    """Read the rows once, and once more only if a column's mean could not be guessed from a few of them.

    Raises
    ------
    ValueError
        If X holds NaN or infinity, or its squares overflow.
    """
    x, p, scale = data.x, data.x.cols, data.units.scale
    shift, y_mean = np.zeros(p), np.zeros(data.y.shape[1])
    if data.centered:
        y_mean = np.average(data.y, axis=0, weights=data.weights)
        if not x.sparse:
            few = x.x[:: max(1, x.rows // SAMPLE)]
            shift = few.mean(axis=0, dtype=np.float64).astype(x.dtype).astype(np.float64)
    sums = _sums(data, shift, y_mean)
    total, far, offset = data.weight, None, np.zeros(len(sums) - 1)
    if data.centered:
        offset = sums[-1, :-1] / total
        far = _far(sums, offset, shift * scale, x.dtype if not x.sparse else None)
        if far.any():
            shift = np.where(far, shift + offset[:p] / scale, shift)
            shift = shift.astype(x.dtype).astype(np.float64) if not x.sparse else shift
            sums = _sums(data, shift, y_mean, far)
            offset = sums[-1, :-1] / total
        sums[:-1, :-1] -= total * np.outer(offset, offset)
    rounding = 8 * float(np.finfo(np.float64 if x.sparse else x.dtype).eps)
    about = np.concatenate([shift * scale, y_mean])
    mean = about + offset
    return Moments(
        total, data.centered, mean[:p], mean[p:], sums[:p, :p], sums[:p, p:-1], sums[p:-1, p:-1],
        (about - mean) + offset, rounding, data.units, far if x.sparse else None,
    )  # fmt: skip


def _far(sums: Double, offset: Double, shift: Double, dtype: Any) -> Array:
    """Columns whose mean lies far from the shift; not those of one value, which rounding alone sets apart."""
    p = len(shift)
    spread = np.maximum(sums.diagonal()[:p] / sums[-1, -1] - offset[:p] ** 2, 0)
    rounding = 0 if dtype is None else 16 * np.finfo(dtype).eps * np.abs(shift + offset[:p])
    return np.asarray(np.abs(offset[:p]) > FAR * np.sqrt(spread) + rounding)


def _sums(data: Data, shift: Double, y_mean: Double, far: Array | None = None) -> Double:
    x, dtype, scale = data.x, data.x.dtype, data.units.scale
    if x.sparse and far is not None:
        sums = _sums_beside(Rows(data, shift * scale, y_mean, far))
    else:
        y = data.y
        if dtype != y.dtype:  # which the kernel does not subtract in double
            y, y_mean = np.subtract(y, y_mean, np.empty(y.shape, dtype), casting="same_kind"), 0 * y_mean
        about = np.concatenate([shift, y_mean]).astype(dtype)
        weights = None if data.weights is None else data.weights.astype(dtype)
        sums = kernels.moments(
            x=x.kernel, y=y, shift=about, weights=weights, n_threads=x.n_threads, scale=scale
        )
    if not np.isfinite(sums).all():
        assert_all_finite(x.values, input_name="X")
        raise ValueError(f"X has entries too large for {dtype} beside the others: their squares overflow")
    return sums


def _sums_beside(rows: Rows) -> Double:
    """Sums of CSR with columns far from 0, which the kernel sees as further targets."""
    p, f = rows.x.cols, len(rows.far)
    near, y = rows.near, np.hstack([rows.beside, rows.y])
    sums = kernels.moments(
        x=(near.data.astype(np.float64), near.indices, near.indptr, p), y=y, shift=None, weights=rows.weights,
        n_threads=rows.x.n_threads, scale=rows.scale,
    )  # fmt: skip
    places = np.arange(p)
    places[rows.far] = p + np.arange(f)
    places = np.append(places, np.arange(p + f, len(sums)))
    return np.ascontiguousarray(sums[np.ix_(places, places)])
