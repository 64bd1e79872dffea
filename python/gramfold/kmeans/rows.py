"""Rows and weights as k-means takes them: in a range that its arithmetic holds, or of norm 1."""

import copy
import math
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..fit.blocks import Blocks, each_part
from ..fit.floats import largest, pieces, stored
from ..fit.on_disk import in_file
from ..fit.row_weights import read_weights
from ..fit.scratch import rows_in_scratch
from ..fold.segments import source_of
from ..fold.source import Array, Source
from ..linalg.powers import scaled, times_power

# Powers of two between which the largest magnitude may be: the squares of all entries, and of what rounding
# leaves of their differences, are then far inside the range.
RANGE = {np.dtype(np.float32): (-24, 40), np.dtype(np.float64): (-400, 400)}
HEAVIEST = 2.0**500  # beside so much weight the rows count nothing
BLOCK = 2**18  # entries of rows whose norms are found at a time


class Overflow(ValueError):
    """Squared distances of rows of a type are not finite: they overflow, or the rows are not finite."""

    def __init__(self, dtype: Any) -> None:
        super().__init__(f"X is too large for {dtype}: squared distances overflow; rescale X")


class Rows:
    """Rows times a power of two, which is 1 unless their squares would leave the range of their type.

    Parameters
    ----------
    given : ndarray, CSR matrix or Blocks of shape (rows, cols)
    n_threads : int
    exponent : int
        That of the power; see `exponent_for`.

    Attributes
    ----------
    x : Source
        The rows times the power.
    """

    def __init__(self, given: Any, n_threads: int, exponent: int = 0) -> None:
        self.given, self.exponent = given, exponent
        self.x = source_of(each_part(given, lambda part, at: times_power(part, exponent)), n_threads)
        self.dtype = self.x.dtype

    def part(self, rows: Any) -> "Rows":
        """Some of the rows."""
        some = source_of(self.given, self.x.n_threads).some(rows).x
        return Rows(some, self.x.n_threads, self.exponent)

    def over(self, x: Source) -> "Rows":
        """The same rows, to be passed over by another source of them."""
        found = copy.copy(self)
        found.x = x
        return found

    @property
    def handed(self) -> Any:
        """What was given, for a callable of the user's, who takes one matrix: Blocks are copied."""
        if isinstance(self.given, Blocks):
            return source_of(self.given, self.x.n_threads).x
        return self.given.copy() if self.x.sparse else np.asarray(self.given)

    def inside(self, points: Array) -> Array:
        """Points in the space of what was given, in that of these rows."""
        scaled: Array = times_power(points, self.exponent)
        return scaled

    def outside(self, points: Array) -> Array:
        """Points or distances in the space of these rows, in that of what was given.

        Raises
        ------
        ValueError
            If they overflow.
        """
        if not self.exponent:
            return points
        with np.errstate(over="ignore"):
            found: Array = scaled(points, -self.exponent)
        if not np.isfinite(found).all():
            raise ValueError(f"X is too large for {self.dtype}: distances overflow; rescale X")
        return found

    def objective(self, value: float, mass: int) -> float:
        """An objective of these rows, under weights of `checked_weights`, in the units of what was given.

        Raises
        ------
        ValueError
            If it overflows.
        """
        try:
            return math.ldexp(value, mass - 2 * self.exponent)
        except OverflowError:
            raise ValueError(
                f"X is too large for {self.dtype}: the sum of squared distances overflows; rescale X"
                " or sample_weight"
            ) from None


def exponent_for(x: Source, *others: Array | None) -> int:
    """Exponent of the power of two that brings rows, and points to compare them with, into the range."""
    most = max(x.largest, *(largest(a) for a in others if a is not None), 0.0)
    return 0 if most == 0 or _in_range(most, x.dtype) else -math.frexp(most)[1]


def are_in_range(least: float, most: float, dtype: Any, *others: Array | None) -> bool:
    """Whether that exponent is 0 of rows whose largest magnitude is above `least` and below `most`."""
    size = max((0.0, *(largest(a) for a in others if a is not None)))
    return 0 < most < np.inf and all(_in_range(max(size, bound), dtype) for bound in (least, most))


def in_range(points: Array) -> bool:
    """Whether that exponent is 0 of these points alone."""
    size = largest(points)
    return 0 < size < np.inf and _in_range(size, points.dtype)


def _in_range(size: float, dtype: Any) -> bool:
    low, high = RANGE[dtype]
    return low <= math.frexp(size)[1] <= high


def checked_weights(sample_weight: Any, X: Any) -> tuple[Array | None, int]:
    """Weights of X's dtype, of which the largest is about 1, and the exponent of the power of two they lack.

    None stays None, for ones.

    Raises
    ------
    ValueError
        If they are masked, negative, not finite, all zero, or not as many as rows.
    """
    weights = read_weights(sample_weight, X)
    if weights is None:
        return None, 0
    mass = math.frexp(weights.max())[1]
    return scaled(weights, -mass).astype(X.dtype), mass


def beside(weight: Any, mass: int) -> Any:
    """Weight in the units of what was given, in those of `checked_weights`."""
    if not mass:
        return np.minimum(weight, HEAVIEST)
    with np.errstate(over="ignore"):
        return np.minimum(np.ldexp(weight, -mass), HEAVIEST)


def unit_rows(x: Any) -> Any:
    """A copy of x with rows of norm 1, whatever their magnitude; rows of zeros stay."""
    if isinstance(x, Blocks):
        return x.map(lambda part, at: unit_rows(part))
    if in_file(stored(x)):
        return rows_in_scratch((unit_rows(some) for _, some in pieces(x)), f"a copy of X of shape {x.shape}")
    if not sp.issparse(x):
        out = np.empty(x.shape, x.dtype)
        rows = max(1, BLOCK // x.shape[1])
        for begin in range(0, len(x), rows):
            part = x[begin : begin + rows].astype(np.float64)
            part /= _or_one(np.abs(part).max(axis=1))[:, None]
            out[begin : begin + rows] = part / _or_one(np.sqrt(np.einsum("ij,ij->i", part, part)))[:, None]
        return out
    of = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))
    data = x.data.astype(np.float64)
    largest = np.zeros(x.shape[0])
    np.maximum.at(largest, of, np.abs(data))
    data /= _or_one(largest)[of]
    data /= _or_one(np.sqrt(np.bincount(of, data * data, x.shape[0])))[of]
    return type(x)((data.astype(x.dtype), x.indices, x.indptr), shape=x.shape)


def _or_one(scale: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(scale > 0, scale, 1.0)
