"""Powers of two that the data of `Ridge` are measured in, so that no square leaves the range of a dtype."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fold.engine import State, run
from ..fold.source import Array, Source

Double = NDArray[np.float64]

SAMPLED_ROWS, SAMPLED_ENTRIES = 64, 4096
# Numbers up to 2^ORDINARY and their inverses have squares and sums of these in the range of float32.
ORDINARY = 40


@dataclass(frozen=True, slots=True)
class Units:
    """Exponents of the units of X, y and the weights, 0 where these are of ordinary size.

    Solvers see data of about size 1 whatever the scale of X, and what they find is brought back by exponents:
    a scaled problem has the scaled solution, bit for bit.
    """

    x: int = 0
    y: int = 0
    weight: int = 0

    @classmethod
    def of(cls, x: Source, y: Array, weights: Array | None) -> "Units":
        """The units of data."""
        return cls(_unit_of_rows(x), _unit_of(y), 0 if weights is None else _unit_of(weights))

    @property
    def scale(self) -> float:
        """What X is multiplied by."""
        return 2.0**-self.x

    @property
    def curvature(self) -> int:
        """The unit of X'X and of alpha."""
        return self.weight + 2 * self.x

    def coefs(self, B: Double) -> Double:
        """Coefficients as they are for X and y themselves."""
        return np.ldexp(B, self.y - self.x)

    def objective(self, value: Any) -> Any:
        """An objective, or a gap, as it is for X, y and the weights themselves."""
        with np.errstate(over="ignore"):
            return np.ldexp(value, self.weight + 2 * self.y)


def _unit_of_rows(x: Source) -> int:
    """That of X, guessed from a few entries unless these are not ordinary."""
    every = max(1, x.rows // SAMPLED_ROWS)
    top = run(partial(largest_of_few, every=every), x).size
    if top == 0 or _unit(top):
        top = x.largest
    most = 100 if x.dtype == np.float32 else 1000
    return int(np.clip(_unit(top), -most, most))


def _unit_of(values: Array) -> int:
    return _unit(max(float(values.max(initial=0)), -float(values.min(initial=0))))


def _unit(size: float) -> int:
    exponent = (
        int(np.frexp(size)[1]) // 2 * 2 if np.isfinite(size) else 0
    )  # even: its root is one of two, too
    return exponent if abs(exponent) > ORDINARY else 0


@dataclass(frozen=True, slots=True)
class Largest:
    """The largest of sizes; NaN is larger than any."""

    size: float

    def plus(self, other: "Largest") -> "Largest":
        """The larger one."""
        return Largest(float(np.maximum(self.size, other.size)))


def largest_of_few(rows: Source, shared: None, state: State, *, every: int) -> Largest:
    """The largest magnitude among a few entries: of CSR any, else some of every `every`-th row."""
    few = rows.values if rows.sparse else rows.values[::every]
    few = few[:, :: max(1, few.shape[1] // SAMPLED_ENTRIES)]
    return Largest(float(np.abs(few, dtype=np.float64).max(initial=0)))
