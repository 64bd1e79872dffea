"""The posterior of rows so far from all components that the kernels lose the digits of their squares."""

import numpy as np
from numpy.typing import NDArray

from ..fold.source import Array
from .gaussian_parameters import Double, GaussianParameters
from .gaussian_points import Points, log_constants

SURE = {np.dtype(np.float32): 5e2, np.dtype(np.float64): 1e12}  # logits a column that keep digits enough
BLOCK = 2**12  # rows that are looked at once more together


def mend_far_rows(
    points: Points, theta: GaussianParameters, score: Double, labels: NDArray[np.int64], resp: Array | None
) -> None:
    """Overwrite what a pass found for rows whose squares leave the range, or the digits, of their type."""
    (far,) = (~(score > -SURE[points.dtype] * (points.d + 4))).nonzero()
    for start in range(0, len(far), BLOCK):
        rows = far[start : start + BLOCK]
        score[rows], shares = _posterior(points, rows, theta)
        labels[rows] = shares.argmax(axis=1)
        if resp is not None:
            resp[rows] = shares


def _posterior(points: Points, rows: NDArray[np.intp], theta: GaussianParameters) -> tuple[Double, Double]:
    """Scores and responsibilities of some rows.

    Squares are of rows divided by their size, and the least of a row is taken off before they are multiplied
    by its square: what decides is their difference.
    """
    shift, scale = (a.astype(np.longdouble) for a in points.frame)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        u = (points.x.take(rows).astype(np.longdouble) - shift) * scale
        size = np.maximum(np.abs(u).max(axis=1), 1)[:, None]
        squares = np.empty((len(rows), len(theta.means)), np.longdouble)
        for t, mean in enumerate(theta.means):
            y = u / size - mean / size
            factor = theta.factors if theta.kind == "tied" else theta.factors[t]
            y = y @ factor if theta.kind in ("full", "tied") else y * factor
            squares[:, t] = (y * y).sum(axis=1)
        possible = theta.weights > 0
        least = squares[:, possible].min(axis=1, keepdims=True)
        logits = log_constants(theta) - 0.5 * np.where(possible, squares - least, 0) * size * size
        top = logits.max(axis=1, keepdims=True)
        resp = np.exp(logits - top)
        total = resp.sum(axis=1, keepdims=True)
        score = top + np.log(total) - 0.5 * least * size * size + np.log(scale).sum()
        return score[:, 0].astype(np.float64), (resp / total).astype(np.float64)
