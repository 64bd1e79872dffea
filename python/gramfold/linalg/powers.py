"""Powers of two that X and what belongs to it are counted in: no digit changes, and squares stay in range."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..fit.floats import changed_in_file, stored
from ..fit.on_disk import in_file

# Exponents of the powers of two that a type has with all their digits.
NORMAL = {np.dtype(np.float32): (-126, 127), np.dtype(np.float64): (-1022, 1023)}


def exponent_of(value: float) -> int:
    """The exponent of the largest power of two that is at most `value`; 0 for 0."""
    return int(np.frexp(value)[1]) - 1 if value > 0 else 0


def power_of_two(exponent: float) -> float:
    """2^exponent, infinite where it is out of range."""
    with np.errstate(over="ignore", under="ignore"):
        return float(np.exp2(exponent))


def scaled(x: Any, exponent: int | NDArray[np.int64], out: Any = None) -> Any:
    """X 2^exponent, of any numbers: a new array, or `out`. What `ldexp` gives, to the bit, but fast."""
    dtype: Any = getattr(x, "dtype", None)
    least, most = NORMAL.get(dtype, (1, 0))
    if least <= np.min(exponent, initial=0) and np.max(exponent, initial=0) <= most:
        return np.multiply(x, np.ldexp(dtype.type(1), exponent), out=out)
    return np.ldexp(x, exponent, out=out)


def shifted(factor: NDArray[Any], exponent: int | NDArray[np.int64]) -> NDArray[Any]:
    """The factor times 2^exponent: exact, a new array."""
    return np.ascontiguousarray(scaled(factor, exponent))


def times_power(x: Any, exponent: int) -> Any:
    """X 2^exponent, of an array, a CSR matrix or None; x itself for 0. What lies in a file, stays there."""
    if exponent == 0 or x is None:
        return x
    if in_file(stored(x)):
        return changed_in_file(x, exponent)
    if not sp.issparse(x):
        return scaled(x, exponent)
    return type(x)((scaled(x.data, exponent), x.indices, x.indptr), shape=x.shape)
