"""X a piece at a time, and what adds up over pieces and segments in other ways than by a sum."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..io.matrix import stacked

Array = NDArray[Any]

PIECE = 1 << 17
TOGETHER = 32  # pieces that are kept as one: of so large an array the memory is counted, see fit/room.py


def pieces(rows: int, columns: int = 1) -> list[slice]:
    """Rows, some thousands of entries at a time."""
    step = max(1, PIECE // max(1, columns))
    return [slice(first, min(rows, first + step)) for first in range(0, rows, step)]


def squares_of(values: Array) -> float:
    """The sum of the squares of stored entries."""
    return sum(float(np.sum(np.square(values[some], dtype=np.float64))) for some in pieces(len(values)))


@dataclass(frozen=True, slots=True)
class Largest:
    """A largest value: of two, the larger; NaN if one is."""

    value: float

    def plus(self, other: "Largest") -> "Largest":
        """Give the larger."""
        return Largest(float(np.maximum(self.value, other.value)))


@dataclass(frozen=True, slots=True)
class Stacked:
    """Arrays or CSR matrices of rows: of two, the rows of one behind those of the other."""

    parts: list[Any]

    def plus(self, other: "Stacked") -> "Stacked":
        """Give the rows of both."""
        return Stacked(self.parts + other.parts)

    @classmethod
    def of(cls, parts: Iterable[Any]) -> "Stacked":
        """Pieces that are made one after the other, some of them in one."""
        return cls([cls(some).whole() for some in batched(parts, TOGETHER)])

    def whole(self) -> Any:
        """All rows in one."""
        return stacked(self.parts)


def batched(of: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield so many at a time, as that of itertools does from Python 3.12 on."""
    left = iter(of)
    while some := list(islice(left, size)):
        yield some
