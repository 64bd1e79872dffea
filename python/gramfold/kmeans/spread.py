"""How far rows lie apart, and from 0."""

from typing import NamedTuple

import numpy as np

from ..fold.source import Source
from .lloyd import Assigner


class Spread(NamedTuple):
    """The variance of the columns, averaged, and between what the largest magnitude is."""

    variance: float
    least: float
    most: float


def spread_of(x: Source) -> Spread | None:
    """The scatter around one centroid, a row of X at first; None if it, or some of X, is not finite."""
    pivot, spread = x.take([0]), None
    for _ in range(2):
        try:
            found = Assigner(x, None)(pivot)
        except ValueError:  # squares overflow
            return None
        assert found.sums is not None
        if not np.isfinite(found.sums).all() or found.counts.sum() != x.rows:
            return None
        mean, scatter, near = found.sums / x.rows, found.inertia / x.rows, float(np.abs(pivot).max())
        variance = max(0.0, scatter - float(np.sum(np.square(mean - pivot))))
        if spread is None:
            least = max(near, 0.25 * float(np.sqrt(scatter / x.cols)))  # no entry is as far from 0 as that
            spread = Spread(variance / x.cols, least, 2 * (near + float(np.sqrt(found.inertia))))
        else:
            spread = spread._replace(variance=variance / x.cols)
        if variance > 0.01 * scatter:
            break
        pivot = mean.astype(x.dtype)
    return spread


def mean_variance(x: Source) -> float:
    """Variance of the columns, averaged.

    Raises
    ------
    ValueError
        If squares of X overflow.
    """
    spread = spread_of(x)
    if spread is None:
        raise ValueError(f"X is too large for {x.dtype}: squared distances overflow; rescale X")
    return spread.variance
