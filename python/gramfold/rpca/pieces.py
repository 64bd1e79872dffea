"""X a piece at a time, and what adds up over pieces and segments in other ways than by a sum."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..io.matrix import stacked

PIECE = 1 << 17


def pieces(rows: int, columns: int = 1) -> list[slice]:
    """Rows, some thousands of entries at a time."""
    step = max(1, PIECE // max(1, columns))
    return [slice(first, min(rows, first + step)) for first in range(0, rows, step)]


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

    def whole(self) -> Any:
        """All rows in one."""
        return stacked(self.parts)
