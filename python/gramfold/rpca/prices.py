"""What outliers cost: lam as a number, or of each entry."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fit.arguments import real
from ..fit.inputs import refuse_mask
from ..fold.engine import run
from ..fold.source import Source
from .sparse_passes import prices

Array = NDArray[Any]


def price(lam: Any, shape: tuple[int, int], observed: int, by_row: bool) -> float:
    """Give lam as a number, for an X of that shape and number of observed entries."""
    if not isinstance(lam, str):
        if real(lam, "lam") == 0:
            raise ValueError("lam must be above 0, got 0")
        return float(lam)
    if lam != "auto":
        raise ValueError(f"lam must be 'auto', a number or an array, got {lam!r}")
    if by_row:
        return 3 / (7 * float(np.sqrt(0.02 * shape[0])))
    return 1 / float(np.sqrt(max(1, observed) / min(shape)))


def entry_prices(x: Source, lam: Any, by_row: bool) -> Array:
    """Lam of each entry: an array of X's shape, at least 0, or of what a sparse X stores."""
    if by_row:
        raise ValueError("lam must be a number with penalty='l21'")
    weights = np.asarray(refuse_mask(lam, "lam"), dtype=x.dtype)
    if weights.shape != (x.rows, x.cols):
        raise ValueError(f"lam must have the shape of X, {(x.rows, x.cols)}, got {weights.shape}")
    if not np.isfinite(weights).all() or weights.min() < 0:
        raise ValueError("lam must be finite and not negative")
    if x.sparse:
        weights = run(prices, x, None, {"lam": weights}).whole()
        if not weights.all():
            raise ValueError("lam must be above 0 where a sparse X stores an entry")
    return weights


def without_free(x: Array, weights: Array) -> Array:
    """X with NaN where lam is 0."""
    return np.where(weights > 0, x, x.dtype.type(np.nan))
