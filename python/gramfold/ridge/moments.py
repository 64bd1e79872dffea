"""What least squares needs to know about its data: second moments, in one fold over the rows."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..fold.engine import run
from ..fold.source import Array
from . import passes
from .centred_rows import CentredRows
from .data import Data, Double
from .units import Units

SAMPLED_ROWS = 256
# A column whose mean lies this many standard deviations from where its moments were taken is far from there.
FAR = 4.0


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
            shift = (few.sum / few.rows).astype(x.dtype).astype(np.float64)
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
    about = np.concatenate([shift * scale, y_mean])
    mean = about + offset
    return RidgeMoments(
        weight=total,
        centered=data.centered,
        x_mean=mean[:p],
        y_mean=mean[p:],
        gram=sums[:p, :p],
        cross=sums[:p, p:-1],
        targets=sums[p:-1, p:-1],
        low=(about - mean) + offset,
        rounding=8 * float(np.finfo(np.float64 if x.sparse else x.dtype).eps),
        units=data.units,
        far=far if x.sparse else None,
    )


def _far(sums: Double, offset: Double, shift: Double, dtype: Any) -> Array:
    """Columns whose mean lies far from the shift; not those of one value, which rounding alone sets apart."""
    p = len(shift)
    spread = np.maximum(sums.diagonal()[:p] / sums[-1, -1] - offset[:p] ** 2, 0)
    rounding = 0 if dtype is None else 16 * np.finfo(dtype).eps * np.abs(shift + offset[:p])
    return np.asarray(np.abs(offset[:p]) > FAR * np.sqrt(spread) + rounding)


def _sums(data: Data, shift: Double, y_mean: Double, far: Array | None = None) -> Double:
    """Sums of a a', a = (X - shift in its unit, Y - y_mean, 1)."""
    x, scale = data.x, data.units.scale
    if x.sparse and far is not None:
        sums = _sums_beside(CentredRows(data, shift * scale, y_mean, far))
    else:
        state = {"y": data.y, "weights": data.weights}
        sums = run(partial(passes.second_moments, scale=scale), x, (shift, y_mean), state)
    if not np.isfinite(sums).all():
        x.check_finite()
        raise ValueError(f"X has entries too large for {x.dtype} beside the others: their squares overflow")
    return sums


def _sums_beside(rows: CentredRows) -> Double:
    """Sums of CSR with columns far from 0, which the kernel sees as further targets."""
    p, far = rows.x.cols, rows.about.far
    state = {"y": rows.y, "weights": rows.weights, "beside": rows.beside}
    sums = run(partial(passes.moments_beside, scale=rows.about.scale), rows.x, state=state)
    places = np.arange(p)
    places[far] = p + np.arange(len(far))
    places = np.append(places, np.arange(p + len(far), len(sums)))
    return np.ascontiguousarray(sums[np.ix_(places, places)])
