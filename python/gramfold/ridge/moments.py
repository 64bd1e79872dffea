"""What least squares needs to know about its data: second moments, in one fold over the rows."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.linalg as la

from .._core.results import Misfit, Moments
from ..fold.engine import run
from ..fold.source import Array
from . import passes
from .centred_rows import CentredRows
from .data import Data, Double
from .units import Units

SAMPLED_ROWS = 256
# A column whose mean lies this many standard deviations from where its moments were taken is far from there.
FAR = 4.0
FLAT = 8  # times rounding: of a sum of squares about the mean, what is left where a column has one value
# Sums over float32 are formed in double where there are few columns, or so many targets for each: that costs
# less than a read that tells what rounding left.
WIDE_COLUMNS, WIDE_TARGETS = 16, 6


@dataclass(frozen=True, slots=True)
class RidgeMoments:
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
    squares : ndarray of shape (n_targets,)
        Diagonal of Y'Y.
    low : ndarray of shape (n_features + n_targets,)
        What rounding took off the means.
    lengths : ndarray of shape (n_features + n_targets,)
        Roots of the sums of squares, before they were brought to the means.
    rounding : float
        Of the sums, relative to the lengths.
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
    squares: Double
    low: Double
    lengths: Double
    rounding: float
    units: Units
    far: Array | None = None

    def misfit(self, B: Double) -> Misfit:
        """With R = Y - XB: X'R, and the columns' sums of R^2 and R."""
        return misfit(self.gram, self.cross, self.squares, B, self.low, self.weight)

    def noise(self, B: Double) -> Double:
        """A bound on the error of the gradient that rounding of the moments causes, per target."""
        return noise(self.rounding, self.lengths, B)

    def relative_error(self, B: Double) -> float:
        """The relative error of X'X B = X'Y: above `rounding` where targets have little to do with X."""
        made = self.lengths[: len(B)] @ np.abs(B)
        ratio = np.divide(self.lengths[len(B) :], made, out=np.zeros_like(made), where=made > 0)
        return self.rounding * (1 + float(ratio.max(initial=0)))


def misfit(gram: Double, cross: Double, squares: Double, B: Double, low: Double, weight: float) -> Misfit:
    """With R = Y - XB: X'R, and the columns' sums of R^2 and R, from moments about the exact means.

    R is about the means as they are rounded, which took `low` off them.
    """
    pull = cross - gram @ B
    off = low[len(B) :] - low[: len(B)] @ B
    left = np.maximum(squares - np.sum(B * (cross + pull), axis=0), 0)
    return Misfit(pull, left + weight * off**2, weight * off)


def noise(rounding: float, lengths: Double, B: Double) -> Double:
    """A bound on the error of the gradient from sums that are wrong by a share of products of the lengths."""
    p = len(B)
    return np.asarray(rounding * la.norm(lengths[:p]) * (lengths[:p] @ np.abs(B) + lengths[p:]))


def moments(data: Data) -> RidgeMoments:
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
            few = run(partial(passes.sample, every=max(1, x.rows // SAMPLED_ROWS)), x)
            shift = few.mean.astype(x.dtype).astype(np.float64)
    sums = _sums(data, shift, y_mean)
    total, far, offset = data.weight, None, np.zeros(p + len(y_mean))
    if data.centered:
        offset = sums.products[p, :-1] / total
        far = _far(sums.products, offset, shift * scale, x.dtype if not x.sparse else None)
        if far.any():
            shift = np.where(far, shift + offset[:p] / scale, shift)
            shift = shift.astype(x.dtype).astype(np.float64) if not x.sparse else shift
            sums = _sums(data, shift, y_mean, far)
            offset = sums.products[p, :-1] / total
    products, squares = sums.products[:p, :-1], sums.squares
    rounding = _rounding(data)
    lengths = np.sqrt(np.maximum(np.concatenate([products.diagonal(), squares]), 0))
    if data.centered:
        products -= total * np.outer(offset[:p], offset)
        squares -= total * offset[p:] ** 2
        flat = products.diagonal() <= FLAT * rounding * lengths[:p] ** 2
        if flat.any():
            products[flat], products[:, :p][:, flat] = 0, 0
    about = np.concatenate([shift * scale, y_mean])
    mean = about + offset
    return RidgeMoments(
        weight=total,
        centered=data.centered,
        x_mean=mean[:p],
        y_mean=mean[p:],
        gram=products[:, :p],
        cross=products[:, p:],
        squares=squares,
        low=(about - mean) + offset,
        lengths=lengths,
        rounding=rounding,
        units=data.units,
        far=far if x.sparse else None,
    )


def _wide(data: Data) -> bool:
    """Whether sums are formed in double; of CSR they are anyway."""
    cols, targets = data.x.cols, data.y.shape[1]
    return data.x.sparse or cols <= max(WIDE_COLUMNS, WIDE_TARGETS * targets)


def _rounding(data: Data) -> float:
    """Of the sums, relative to the lengths."""
    return 8 * float(np.finfo(np.float64 if _wide(data) else data.x.dtype).eps)


def _far(products: Double, offset: Double, shift: Double, dtype: Any) -> Array:
    """Columns whose mean lies far from the shift; not those of one value, which rounding alone sets apart."""
    p = len(shift)
    spread = np.maximum(products.diagonal()[:p] / products[-1, -1] - offset[:p] ** 2, 0)
    rounding = 0 if dtype is None else 16 * np.finfo(dtype).eps * np.abs(shift + offset[:p])
    return np.asarray(np.abs(offset[:p]) > FAR * np.sqrt(spread) + rounding)


def _sums(data: Data, shift: Double, y_mean: Double, far: Array | None = None) -> Moments:
    """Sums over rows (X - shift in its unit, Y - y_mean, 1)."""
    x, scale = data.x, data.units.scale
    if x.sparse and far is not None:
        sums = _sums_beside(CentredRows(data, shift * scale, y_mean, far))
    else:
        fixed = {"y": data.y, "weights": data.weights}
        way = partial(passes.second_moments, scale=scale, wide=_wide(data))
        sums = run(way, x, (shift, y_mean), fixed=fixed)
    if not (np.isfinite(sums.products).all() and np.isfinite(sums.squares).all()):
        x.check_finite()
        raise ValueError(f"X has entries too large for {x.dtype} beside the others: their squares overflow")
    return sums


def _sums_beside(rows: CentredRows) -> Moments:
    """Sums of CSR with columns far from 0, which the kernel sees as targets, and as columns of their own."""
    p, far = rows.x.cols, rows.about.far
    fixed = {"y": rows.y, "weights": rows.weights, "beside": rows.beside}
    near, beside = run(partial(passes.moments_beside, scale=rows.about.scale), rows.x, fixed=fixed)
    f = len(far)
    products = np.delete(near.products, np.s_[p : p + f], axis=1)
    products[:p, far] = near.products[:p, p : p + f]
    products[far, :p] = products[:p, far].T
    products[np.ix_(far, far)] = beside.products[:f, :f]
    products[far, p:] = beside.products[:f, f:]
    products[p, far] = beside.products[f, :f]
    return Moments(products, beside.squares)
