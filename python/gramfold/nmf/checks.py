"""What an X and given factors must be, so that NMF can be found in their type."""

from math import sqrt
from typing import Any

import numpy as np

from ..fit.floats import name_of
from ..fit.inputs import dimensions, read_array
from ..fold.observed import Observed
from ..fold.source import Array, Source

# Root mean squares of X between which products of its entries neither under- nor overflow.
SCALES = {"float32": (1e-15, 1e15), "float64": (1e-151, 1e151)}


def check_factor(factor: Any, name: str, dtype: np.dtype[Any], nonneg: bool) -> Array:
    """Give a factor that was given, as an array of two dimensions."""
    if (count := len(dimensions(factor, name))) != 2:
        raise ValueError(f"{name} must have two dimensions, got {count}")
    factor = read_array(factor, name, dtype=dtype, order="C")
    if nonneg and factor.min() < 0:
        raise ValueError(f"Negative values in data passed to NMF (input {name}): it must be non-negative")
    return factor


def check_scale(x: Source | Observed) -> None:
    """Refuse an X whose products leave the range of its type."""
    low, high = SCALES[name_of(x.dtype)]
    size = sqrt(x.squared_norm / (x.rows * x.cols))
    if low <= size <= high or x.largest == 0:
        return
    raise ValueError(
        f"X is too {'large' if size > 1 else 'small'} for {x.dtype}: products of its entries "
        f"{'over' if size > 1 else 'under'}flow; rescale X" + ", or pass float64" * (low > 1e-20)
    )
