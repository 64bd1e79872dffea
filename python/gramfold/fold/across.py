"""X' of a long X in files, whose columns lie apart there: from a copy in a scratch file in which they do not.

Without it a pass over X' would read all of X for some columns, again and again, and have these in memory.
"""

from collections.abc import Iterator
from typing import Any

from ..fit.floats import as_floats, stored
from ..fit.on_disk import dtype_of, loaded
from ..fit.scratch import across
from .columns import Columns, Tiles
from .engine import each
from .in_step import in_files
from .source import Array, Source

SHORT, SMALL = 1 << 10, 1 << 26  # rows, and bytes of X, of which none is made
TOGETHER, MOST = 1 << 24, 1 << 27  # bytes that are turned together; of rows that are long


class Across(Columns):
    """X' of segments as `Columns`, in the same tiles, of which each lies in a scratch file."""

    held = True

    def __init__(self, origin: Any, numbers: Any) -> None:
        super().__init__(origin)
        self.numbers = as_floats(numbers)

    @property
    def segments(self) -> Any:
        """Sources of some columns each."""
        return Tiles(self, self.spans)

    def columns(self, at: slice) -> Source:
        """Some columns of X as rows."""
        return Source(self.numbers[at], self.n_threads)


def laid_across(x: Any) -> Any:
    """X' for passes whose bits do not depend on how it lies: `x.transposed`, or of a copy of it.

    Parameters
    ----------
    x : Source

    Raises
    ------
    OSError
        If there is no room for the copy.
    """
    if _is_near(x):
        return x.transposed
    if x.laid is None:
        x.laid = _laid(x)
    return Source(as_floats(x.laid), x.n_threads) if x.held else Across(x, x.laid)


def _is_near(x: Any) -> bool:
    """Whether columns are at hand, or soon read."""
    if (
        x.client is not None
        or x.sparse
        or not in_files(x)
        or x.rows <= SHORT
        or x.rows * x.cols * x.dtype.itemsize <= SMALL
    ):
        return True
    return x.held and abs(stored(x.x).strides[0]) < abs(stored(x.x).strides[1])


def _laid(x: Any) -> Any:
    if not x.held:
        dtype = stored(x.segments.empty.x).dtype
        return across(each(x, lambda part, at: (at, stored(part.x))), x.rows, x.cols, dtype)
    numbers = stored(x.x)
    return across(_blocks(numbers), x.rows, x.cols, dtype_of(numbers))


def _blocks(numbers: Array) -> Iterator[tuple[slice, Array]]:
    row = max(1, numbers.shape[1] * numbers.itemsize)
    rows = max(1, TOGETHER // row, min(SHORT, MOST // row))
    for first in range(0, len(numbers), rows):
        at = slice(first, min(first + rows, len(numbers)))
        yield at, loaded(numbers[at])
