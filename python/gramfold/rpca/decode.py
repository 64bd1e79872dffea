"""Multipliers and outliers from the one array that carries both; formulas in cpp/rpca/shrink.hpp."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .numbers import Numbers

Array = NDArray[Any]


def row_scale(squares: Array, numbers: Numbers) -> Array:
    """What rows of z with these squared norms are multiplied with to give y."""
    with np.errstate(divide="ignore"):
        return np.minimum(numbers.shrink_old, numbers.lam / np.sqrt(squares))


def multipliers(z: Array, numbers: Numbers, bound: Any, scale: Array | None) -> Array:
    """Y, from z on observed entries.

    Parameters
    ----------
    z : ndarray
    numbers : Numbers
        That z was written with.
    bound : float or ndarray
        The largest magnitude of each entry.
    scale : ndarray or None
        For outlying rows: what each entry is multiplied with, see `row_scale`.
    """
    if scale is not None:
        return z * scale
    return np.clip(numbers.shrink_old * z, -bound, bound)


def outliers(z: Array, y: Array, numbers: Numbers) -> Array:
    """S, exactly 0 where nothing was clipped."""
    c = numbers.shrink_old
    clipped = np.abs(c * z - y) > 4 * np.finfo(z.dtype).eps * np.abs(y)
    return np.where(clipped, (z - y / c) / numbers.mu_old, 0).astype(z.dtype)
