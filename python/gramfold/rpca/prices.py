"""What outliers cost: lam as a number, or of each entry."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fit.arguments import real, shown
from ..fit.inputs import dimensions, read_numbers
from ..fold.engine import run
from ..fold.source import Source
from .observed import Seen
from .sparse_passes import prices

Array = NDArray[Any]

LARGEST = 1e300  # so that what outliers cost together stays in range


def priced(x: Source, seen: Seen, lam: Any, by_row: bool) -> tuple[float, Array | None]:
    """Give lam as a number, or of each entry: an array of X's shape, or of what a sparse X stores."""
    if isinstance(lam, str):
        if lam != "auto":
            raise ValueError(f"lam must be 'auto', a number or an array, got {shown(lam)}")
        if by_row:
            return 3 / (7 * float(np.sqrt(0.02 * x.rows))), None
        return 1 / float(np.sqrt(max(1, seen.observed) / min(x.rows, x.cols))), None
    if not dimensions(lam, "lam"):
        if real(lam, "lam", high=LARGEST) == 0:
            raise ValueError("lam must be above 0, got 0")
        return float(lam), None
    if by_row:
        raise ValueError("lam must be a number with penalty='l21'")
    return 1.0, _of_entries(x, lam)


def _of_entries(x: Source, lam: Any) -> Array:
    weights = read_numbers(lam, "lam").astype(x.dtype)
    if weights.shape != (x.rows, x.cols):
        raise ValueError(f"lam must have the shape of X, {(x.rows, x.cols)}, got {weights.shape}")
    if not np.isfinite(weights).all() or weights.min() < 0:
        raise ValueError("lam must be finite and not negative")
    if x.sparse:
        weights = run(prices, x, None, {"lam": weights}).whole()
        if not weights.all():
            raise ValueError("lam must be above 0 where a sparse X stores an entry")
    return weights
