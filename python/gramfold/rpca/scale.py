"""X a piece at a time, and brought to a scale at which its squares stay in the range of its dtype."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Array = NDArray[Any]

PIECE = 1 << 17


def unit_of(x: Any) -> int:
    """The power of two to divide X by where squares of its entries would leave its dtype's range; else 0."""
    values = x.data if sp.issparse(x) else x
    sizes = [np.fmax.reduce(np.abs(values[p]), axis=None, initial=0) for p in parts(values)]
    exponent = int(np.frexp(max(sizes, default=0.0))[1])
    return exponent if abs(exponent) > np.finfo(values.dtype).maxexp // 4 else 0


def pieces(rows: int, columns: int) -> list[slice]:
    """Rows, some thousands of entries at a time."""
    step = max(1, PIECE // max(1, columns))
    return [slice(first, min(rows, first + step)) for first in range(0, rows, step)]


def parts(values: Array) -> list[slice]:
    """Some thousands of entries at a time, of a matrix or of the data of one."""
    return pieces(len(values), values.shape[1] if values.ndim == 2 else 1)
