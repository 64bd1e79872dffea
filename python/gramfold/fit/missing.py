"""Entries that are not observed are NaN."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def nan_from_mask(x: NDArray[Any], seen: NDArray[np.bool_] | None) -> NDArray[Any]:
    """Give x of floats, or a copy with NaN where it is not seen; None is everywhere."""
    return x if seen is None or seen.all() else np.where(seen, x, x.dtype.type(np.nan))


def about_nan(estimator: Any) -> str:
    """What to do about NaN, of an estimator that takes it in some way; else an empty string."""
    default = "missing='mask' leaves such entries out" if hasattr(estimator, "missing") else ""
    return str(getattr(estimator, "_about_nan", default))
